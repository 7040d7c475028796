"""Reports as documents: what is read of each kind, where it stands, what is left out, and that bad ones are bounded."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from made_documents import WORD, docx, pdf

from intel_grapher.extract import confined, worker
from intel_grapher.extract.kinds import refusal, told
from intel_grapher.extract.pages import MACROS
from intel_grapher.intake.documents import Document, read_document
from intel_grapher.intake.documents.known import NOT_DEFANGED, OWN_HOST, RECIPIENT
from intel_grapher.intake.documents.wrapped import whole_lines

MD5 = "d195ce778dcb3eb032f7122fffaaca94"
SHA256 = "5f2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b"
AUTHOR = b"From: a@evil.example\nTo: soc@customer.example\nSubject: Look\nDate: Fri, 02 Oct 2026 08:00:00 +0000\n"


def found(document: Document) -> list[str]:
    return [each.indicator for each in document.spotted]


def marks(document: Document) -> dict[str, str]:
    return {each.indicator: each.mark for each in document.spotted if each.mark}


# --- each kind of document ---------------------------------------------------------------------------------------


def test_a_pdf_gives_pages_and_offsets() -> None:
    document = read_document(
        pdf("First page: hxxp://evil[.]example/a", f"Second page.\nThe file {SHA256} and 192.0.2.7")
    )
    assert (document.format, document.title, document.created[:10]) == ("pdf", "A made-up report", "2026-10-02")
    assert found(document) == ["http://evil.example/a", SHA256, "192.0.2.7"]
    assert [(each.places[0].page, each.places[0].offset) for each in document.spotted] == [(1, 12), (2, 22), (2, 91)]
    assert document.spotted[0].places[0].spelt == "hxxp://evil[.]example/a"


def test_a_word_document_gives_its_text_and_says_that_macros_were_not_run() -> None:
    document = read_document(docx("c2[.]evil[.]example", f"hash {MD5}", macros=True, title="Stealer"))
    assert found(document) == ["c2.evil.example", MD5]
    assert (document.format, document.title, document.created, document.faults) == (
        *("docx", "Stealer", "2026-10-02T08:00:00Z"),
        [MACROS],
    )


def test_a_page_gives_what_is_seen_of_it() -> None:
    document = read_document(
        b"<!DOCTYPE html><html><head><title>T</title><meta property='og:url' content='https://lab.vendor.example/x'>"
        b"<script>var u = 'http://script.example/';</script><style>@import 'http://style.example/'</style></head><body>"
        b"<p>It asks c2<b>[.]</b>evil<wbr>[.]example, <a href='http://link.example/'>see there</a> or "
        b"<a href='https://lab.vendor.example/y'>https://lab.vendor.example/y</a></p><td>192.0.2.8</td><td>192.0.2.9</td>"
        b"</body></html>"
    )
    assert found(document) == ["c2.evil.example", "https://lab.vendor.example/y", "192.0.2.8", "192.0.2.9"]
    assert (document.title, document.url) == ("T", "https://lab.vendor.example/x")
    assert marks(document) == {"https://lab.vendor.example/y": OWN_HOST}


def test_a_message_gives_headers_bodies_attachments_and_their_text() -> None:
    attached = base64.encodebytes(docx("inner[.]evil[.]example")).decode()
    document = read_document(
        AUTHOR
        + b"Received: from x.evil.example ([203.0.113.9])\nMessage-ID: <20261002.1@evil.example>\n"
        + b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/html\n\n'
        + b'<a href="http://lure.example/login">Pay here</a>\n--b\nContent-Type: application/octet-stream\n'
        + b'Content-Disposition: attachment; filename="a.docx"\nContent-Transfer-Encoding: base64\n\n'
        + f"{attached}\n--b--\n".encode()
    )
    places = {each.indicator: each.places[0].part for each in document.spotted}
    assert places["203.0.113.9"] == "headers"
    assert places["http://lure.example/login"] == ""
    assert places["inner.evil.example"] == "a.docx"
    assert list(places.values()).count("attachments") == 1
    assert not any("20261002.1" in name for name in places)
    assert (document.title, document.created) == ("Look", "2026-10-02T08:00:00+00:00")
    assert marks(document) == {"soc@customer.example": RECIPIENT}


def test_markdown_gives_words_without_marks() -> None:
    text = '---\ntitle: "A report"\ndate: 2026-10-02\n---\n# IOCs of today\n| `a[.]evil.example` | <br>192.0.2\\.5 |\n'
    document = read_document(f"{text}[a link](https://lab.example/x_y) and **{MD5}**; see README.md\n".encode())
    assert (document.format, document.title, document.created) == ("markdown", "A report", "2026-10-02")
    assert found(document) == ["a.evil.example", "192.0.2.5", "https://lab.example/x_y", MD5]


def test_the_same_bytes_give_the_same() -> None:
    content = pdf("evil[.]example " * 200)
    assert read_document(content) == read_document(content)
    confined._end()  # noqa: SLF001 - another process reads it then
    assert read_document(content) == read_document(content)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (pdf("x"), "pdf"), (b"junk before\n" + pdf("x"), "pdf"), (docx("x"), "docx"), (b"\n <HTML><body>x", "html"),
        (AUTHOR + b"\nx", "email"), (b"# Heading\ntext", "markdown"), (b"only text: with a colon", "text"),
        (b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff", None), (b"{\\rtf1 x}", None), (b"", None),
    ],
    ids=[
        "pdf", "pdf after junk", "docx", "html", "email", "markdown", "text", "program", "rtf", "nothing",
    ],
)  # fmt: skip
def test_a_kind_is_told_by_the_content(content: bytes, kind: str | None) -> None:
    assert told(content) == kind


# --- values that the layout broke -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["the sample has the hash d195ce778d", "cb3eb032f7122fffaaca94 and"], [MD5]),
        ([SHA256[:24], SHA256[24:], "and"], [SHA256]),
        (["- " + SHA256[:56], SHA256[56:]], [SHA256]),
        ([MD5, MD5[::-1]], [MD5, MD5[::-1]]),
        (["it asks hxxps://cdn.evil[.]exa", "mple/path/a.php?id=7 and"], ["https://cdn.evil.example/path/a.php?id=7"]),
        (["hxxp://evil[.]example/path/load", "er/a.php?id=7"], ["http://evil.example/path/loader/a.php?id=7"]),
        (["http://evil.example/a/index.ht", "ml is"], ["http://evil.example/a/index.html"]),
        (["write to bad.guy@statc", "ounter.evil.example today"], ["bad.guy@statcounter.evil.example"]),
        # what ends where the line ends
        (["one.evil[.]example", "two.evil[.]example"], ["one.evil.example", "two.evil.example"]),
        (["http://evil.example/a", "http://evil.example/b"], ["http://evil.example/a", "http://evil.example/b"]),
        (["it asks http://evil.example/a", "and then it sleeps for an hour"], ["http://evil.example/a"]),
        (["write to x@evil.example.", "References are below."], ["x@evil.example"]),
        (["http://evil.example/gate.php", "- 192.0.2.1"], ["http://evil.example/gate.php", "192.0.2.1"]),
        (["[1] http://a.example/x", "[2] http://b.example/y"], ["http://a.example/x", "http://b.example/y"]),
        (["http://evil.example/a/", "", "2026/08/01"], ["http://evil.example/a/"]),
    ],
)
def test_a_broken_value_is_put_together_and_others_are_not(lines: list[str], expected: list[str]) -> None:
    assert found(read_document("\n".join(["A report on something:", *lines]).encode())) == expected


def test_a_broken_value_is_found_where_it_begins() -> None:
    text = "Its hash is d195ce778d\n  cb3eb032f7122fffaaca94."
    place = read_document(text.encode()).spotted[0].places[0]
    assert text[place.offset :].startswith(place.spelt)
    assert place.spelt == "d195ce778d\n  cb3eb032f7122fffaaca94"
    assert [line.text for line in whole_lines("a b\n\n c", wrapped=True)] == ["a b", "c"]


# --- what is no indicator, or probably none -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The loader of version 1.2.0.4 ran.", "a version's number"),
        (f"imphash: {MD5} of the loader", "a fingerprint, and no file's digest"),
        ("It calls System.Net on start.", "a name in a program"),
        ("It drops setup.zip there.", "a file name or a domain; write it defanged or as a URL if it is a domain"),
        ("1.2.3.4 Persistence of the loader", "a section's number"),
    ],
)
def test_what_only_looks_like_a_value_is_listed(text: str, reason: str) -> None:
    document = read_document(text.encode())
    assert found(document) == []
    assert [each.reason for each in document.omitted] == [reason]


def test_what_is_probably_no_indicator_is_marked() -> None:
    document = read_document(
        b"It asks a[.]evil.example, b[.]evil.example and c[.]evil.example; 8.8.8.8, 10.0.0.1, www.google.com too.\n"
        b"hxxps://github[.]com/bad/tool.zip is bad, https://github.com/good is not. See https://other.example/x too.\n"
        b"http://plain.example/y,url,2026-10-02\nd41d8cd98f00b204e9800998ecf8427e\n"
    )
    assert marks(document) == {
        "8.8.8.8": "a public resolver",
        "10.0.0.1": "a private address",
        "www.google.com": "a well-known site",
        "https://github.com/good": "a site where anybody may put a file or a page",
        "https://other.example/x": NOT_DEFANGED,
        "d41d8cd98f00b204e9800998ecf8427e": "the digest of an empty file",
    }


# --- bad input ------------------------------------------------------------------------------------------------------

BOMB = f'<!DOCTYPE x [<!ENTITY a "{"x" * 1000}">' + "".join(
    f'<!ENTITY {chr(98 + at)} "{f"&{chr(97 + at)};" * 10}">' for at in range(8)
) + "]>"  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pdf("x", encrypted=True), "encrypted: it needs a password. Save it without one, and add that"),
        (pdf("", ""), "no text in its 2 pages, as if scanned: run it through OCR, and add that"),
        (b"%PDF-1.7\n" + b"\x00garbage" * 50, "a PDF that is damaged or cut short"),
        (docx("x")[:-40], "a Word document that is damaged or cut short"),
        (docx("&h;", head=BOMB), "its XML declares a document type, as no Word document does: it was not read"),
        (
            docx("&x;", head='<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
            "its XML declares a document type, as no Word document does: it was not read",
        ),
    ],
    ids=["encrypted", "scanned", "damaged", "cut", "bomb", "entity"],
)
def test_a_bad_document_is_said(content: bytes, reason: str) -> None:
    document = read_document(content)
    assert (document.faults, document.spotted) == ([reason], [])


def test_a_page_without_text_among_others_is_said() -> None:
    assert read_document(pdf("evil[.]example", "")).faults == ["page 2: no text, as if scanned"]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "before 2007"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "encrypted Office document"),
        (b"\x89PNG\r\n", "a picture"),
        (b"{\\rtf1}", "RTF"),
    ],
)
def test_what_is_not_read_is_said_with_the_way_out(content: bytes, part: str) -> None:
    assert part in refusal(content)


def test_a_bomb_ends_at_the_bound_of_memory() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        begun = f'<w:document xmlns:w="{WORD}"><w:body><w:p><w:r><w:t>evil[.]example '
        archive.writestr("word/document.xml", begun + "x" * (300 << 20))
    document = read_document(out.getvalue())
    assert len(out.getvalue()) < 1 << 20
    assert document.faults
    for fault in document.faults:
        assert fault.startswith(("its text beyond", "unpacked, it is larger than", "it needs more than"))


def test_a_reader_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = Path(worker.__file__).read_text().replace("SECONDS: Final = 120.0", "SECONDS: Final = 0.3")
    slow = tmp_path / "slow.py"
    slow.write_text(script.replace("return msgspec.json.encode(extract(content, kind))", "while True: pass"))
    confined._end()  # noqa: SLF001 - the next document is read by a process of this test's
    with monkeypatch.context() as patch:
        patch.setattr(worker, "__file__", str(slow))
        assert read_document(pdf("x")).faults == ["it takes more than 120 s of processor time to be read"]
    assert found(read_document(pdf("evil[.]example"))) == ["evil.example"]  # the next one is read


@pytest.mark.parametrize(
    "what",
    [
        "import socket; socket.socket()",
        "import socket; socket.getaddrinfo('localhost', 1)",
        "import os; os.system('true')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.fork()",
        "open('written', 'w')",
    ],
)
def test_a_reader_may_not_leave_its_process(what: str, tmp_path: Path) -> None:
    code = f"from intel_grapher.extract import worker; worker._confine(); {what}"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "PermissionError: a document's reader must not" in ended.stderr
    assert list(tmp_path.iterdir()) == []
