"""The text of documents, page by page: PDF, DOCX, HTML, e-mail, Markdown, text.

kinds       which of these some bytes are, told by the bytes
pages       what is read of a document, and the one function that reads any of them
pdf, docx, html, mail, plain    a reader each
confined    the same function in a process of its own, within bounds (`worker` is that process)

It imports little, so that the process starts quickly.
"""
