"""TAXII: the objects of collections of a TAXII 2.1 server, as `intel-grapher taxii URL` keeps them.

https://docs.oasis-open.org/cti/taxii/v2.1/os/taxii-v2.1-os.html: a collection answers in pages, sorted by the time at
which an object was added there; `more` and `next` tell of a further page, and the header X-TAXII-Date-Added-Last when
the last object of a page was added. A page's objects are STIX, and become what they become in a bundle: see the source
stix. A collection is a Report by its URL, which names the indicators that no report in the page refers to. An object
and those that it refers to may be in different pages: such a tie is left out, and listed.

Looked at on 2026-11-26: that standard (sections 3.4 to 3.7 and 5), and the server medallion.
"""

from __future__ import annotations

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import Term
from intel_grapher.source import ApiKey, Outcome, Rate, Source
from intel_grapher.sources import stix
from intel_grapher.sources.stix.shapes import Item


class Page(Struct):
    objects: list[Item] | None = None
    more: bool = False
    next: str = ""


def judge(reply: Page) -> Outcome:
    """Tell an empty page from one with objects."""
    return Outcome.FOUND if reply.objects else Outcome.NOT_FOUND


source = Source(
    "taxii",
    title="TAXII 2.1 collections",
    home="https://docs.oasis-open.org/cti/taxii",
    limits=(Rate(1),),
    key=ApiKey("TAXII_KEY", header="Authorization", required=False),
    judge=judge,
    terms="each server's own; objects have markings",
    absent=(),  # an empty collection answers, and one that is not there is a mistake
    status="asked by `intel-grapher taxii URL`; TAXII_KEY is a token, or USER:PASSWORD",
)


def following(reply: Page) -> dict[str, str] | None:
    """Return the parameters of the next page, or None."""
    return {"next": reply.next} if reply.more and reply.next else None


@source.get("/{key}", kept_only="asked by `intel-grapher taxii URL`", more=following)
def objects(asked: Term, reply: Page) -> Facts:
    """Observables, indicators, threats and reports of a collection, and how they relate."""
    yield from stix.told(asked, reply.objects or [])
