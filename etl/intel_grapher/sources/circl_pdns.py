"""CIRCL Passive DNS: what names resolved to, and when. For partners, with Basic authentication.

https://www.circl.lu/services/passive-dns: the Passive DNS Common Output Format, a JSON object a line, times in epoch
seconds. `rdata` is one value or several; an exchanger may have its preference before it. An empty answer is "nothing".
How often a record was seen, and by which sensor, is left out.

Compared with that page and the format's draft on 2026-11-26.
"""

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import ALIAS_OF, MAIL_SERVER, NAME_SERVER, RESOLVES, Address, Hostname
from intel_grapher.source import ApiKey, Outcome, Rate, Source


class Record(Struct):
    rrname: Hostname
    rrtype: str
    rdata: str | list[str]
    time_first: int | None = None
    time_last: int | None = None

    @property
    def values(self) -> list[str]:
        """Return what the name had, one or several."""
        return self.rdata if isinstance(self.rdata, list) else [self.rdata]


source = Source(
    "circl_pdns",
    title="CIRCL Passive DNS",
    home="https://www.circl.lu/pdns",
    limits=(Rate(1),),
    key=ApiKey("CIRCL_PDNS_BASIC", header="Authorization", prefix="Basic "),  # user:password in base64
    judge=lambda reply: Outcome.FOUND if reply else Outcome.NOT_FOUND,
    terms="for partners of CIRCL; not to be passed on",
    status="answers (2026-11)",
    also=("circl_passive_dns",),
)


@source.get("/query/{key}", format="lines", also=("query",))
def pdns_query(asked: Hostname | Address, reply: list[Record]) -> Facts:
    """Addresses, aliases, mail servers and name servers that a name had, names that an address had, and when."""
    for each in reply:
        seen = {"first_seen": each.time_first, "last_seen": each.time_last}
        match each.rrtype:
            case "A" | "AAAA":
                addresses = [Address(value) for value in each.values]
                yield RESOLVES.each(each.rrname, addresses, last_resolved=each.time_last, **seen)
            case "CNAME":
                yield ALIAS_OF.each(each.rrname, [Hostname(value) for value in each.values], **seen)
            case "NS":
                yield NAME_SERVER.each(each.rrname, [Hostname(value) for value in each.values], **seen)
            case "MX":
                yield MAIL_SERVER.each(
                    each.rrname, [Hostname(value.rpartition(" ")[2]) for value in each.values], **seen
                )
