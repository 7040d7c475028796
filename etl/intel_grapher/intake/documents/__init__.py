"""Reports as documents, and the indicators that they mention.

    bytes ─ the text, page by page (`intel_grapher.extract`) ─ lines made whole (wrapped)
          ─ the one reader of text (`intake.read`) ─▶ mentions with page and offset, and what was left out (mentions)

Every step is deterministic: the same bytes always give the same mentions.
"""

from intel_grapher.intake.documents.mentions import Document, Occurrence, Omitted, Spotted, read_document

__all__ = ["Document", "Occurrence", "Omitted", "Spotted", "read_document"]
