"""Reports as documents (PDF, DOCX, HTML, e-mail, Markdown, text), brought in with `cache add`: what they mention.

A reply is the document itself, byte for byte, and its key `sha256:` and the digest of these bytes. What it mentions is
no fact about an indicator until an analyst accepts it: a `review` among the analyst's entries does.
"""

import msgspec
from msgspec import Struct

from intel_grapher.intake.documents import Document, read_document
from intel_grapher.model import Facts, LeftOut
from intel_grapher.schema import MENTION_ID, MENTIONED_IN, REFERENCE, MentionId, Reference
from intel_grapher.source import Outcome, Rate, Source

BY_ADDING = "reports are brought in with `cache add`"
THE_DOCUMENT = "the document"


class Origin(Struct):
    """Where a document was found: its path as given, and the address that it was taken from."""

    path: str = ""
    url: str = ""


def judge(reply: Document | Origin) -> Outcome:
    """Tell a document with something in it, or one that can't be read, from one that mentions nothing."""
    if isinstance(reply, Origin):
        return Outcome.FOUND if reply.path or reply.url else Outcome.NOT_FOUND
    return Outcome.FOUND if reply.spotted or reply.faults else Outcome.NOT_FOUND


source = Source(
    "reports",
    title="Reports",
    home="about:reports",
    limits=(Rate(1, per=300.0),),
    judge=judge,
    terms="each report's own",
    status="brought in with `cache add`",
    also=("report",),
)


def _prepared(content: bytes) -> bytes:
    return msgspec.json.encode(read_document(content))


@source.get("/{key}", kept_only=BY_ADDING, also=("pdf", "html", "docx", "eml"), prepare=_prepared)
def document(asked: Reference, reply: Document) -> Facts:
    """Indicators that a report mentions, with page and offset, for a review; its title and date."""
    yield REFERENCE.each(
        asked, title=reply.title or None, created=reply.created or None, digest=reply.digest, format=reply.format,
        pages=reply.pages,
        links=[reply.url] if reply.url else [],
    )  # fmt: skip
    first = [each.places[0] for each in reply.spotted]
    mentions = [MentionId(f"{asked}#{each.indicator}") for each in reply.spotted]
    yield MENTION_ID.each(
        mentions,
        indicator=[each.indicator for each in reply.spotted],
        kind=[each.kind for each in reply.spotted],
        page=[place.page for place in first],
        offset=[place.offset for place in first],
        count=[each.count for each in reply.spotted],
        text=[place.spelt for place in first],
        context=[place.context for place in first],
        mark=[each.mark or None for each in reply.spotted],
        places=[list(map(str, each.places)) for each in reply.spotted],
    )
    yield MENTIONED_IN.each(mentions, asked)
    yield LeftOut([each.value for each in reply.omitted], [each.reason for each in reply.omitted])
    yield LeftOut([THE_DOCUMENT] * len(reply.faults), reply.faults)


@source.get("/{key}", kept_only=BY_ADDING)
def origin(asked: Reference, reply: Origin) -> Facts:
    """Where a report was found: its path as given, its address."""
    yield REFERENCE.each(asked, paths=[reply.path] if reply.path else [], links=[reply.url] if reply.url else [])
