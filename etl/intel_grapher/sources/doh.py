"""DNS over HTTPS by Google's JSON interface: what a name resolves to now. No key.

https://developers.google.com/speed/public-dns/docs/doh/json: Status 0 is an answer, 3 says that the name does not
exist; names end in a dot; each record has its own name, so that a chain of aliases tells each of its steps. Times to
live and the flags of the answer are left out.

Compared on 2026-11-26 with the stored text of that page, of which the parameters were found; the members of a reply are
known from replies. RFC 8484 is of the binary form, which is not used.
"""

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ALIAS_OF,
    HOSTNAME,
    MAIL_SERVER,
    NAME_SERVER,
    RESOLVES,
    Address,
    Hostname,
)
from intel_grapher.source import Outcome, Rate, Source, Subject

A, NS, CNAME, MX, AAAA = 1, 2, 5, 15, 28
NO_ERROR, NO_SUCH_NAME = 0, 3


class Question(Struct):
    name: Hostname


class Record(Struct):
    name: Hostname
    type: int
    data: str = ""


class Reply(Struct, rename="pascal"):
    status: int = -1
    question: list[Question] = []
    answer: list[Record] = []


source = Source(
    "doh",
    title="DNS over HTTPS",
    home="https://dns.google",
    limits=(Rate(10),),
    judge=lambda reply: {NO_ERROR: Outcome.FOUND, NO_SUCH_NAME: Outcome.NOT_FOUND}.get(reply.status, Outcome.FAILED),
    status="answers (2026-11)",
    also=("doh_google", "dns"),
    subjects=(Subject("Question.0.name"),),
)


@source.get("/resolve", {"name": "{key}"}, vary={"type": ("A", "AAAA", "CNAME", "MX", "NS")})
def resolve(asked: Hostname, reply: Reply) -> Facts:
    """Addresses, aliases, mail servers and name servers of a name."""
    yield HOSTNAME.each([Hostname(question.name.removesuffix(".")) for question in reply.question])
    for record in reply.answer:
        if record.type in (A, AAAA):
            yield RESOLVES.each(record.name, Address(record.data))
        elif record.type == CNAME:
            yield ALIAS_OF.each(record.name, Hostname(record.data))
        elif record.type == NS:
            yield NAME_SERVER.each(record.name, Hostname(record.data))
        elif record.type == MX and not record.data.endswith(" ."):  # "0 .": no mail is taken (RFC 7505)
            yield MAIL_SERVER.each(record.name, Hostname(record.data.rpartition(" ")[2]))
