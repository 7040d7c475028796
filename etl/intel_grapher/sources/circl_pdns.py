"""CIRCL Passive DNS: what names resolved to, and when. For partners, with Basic authentication.

https://www.circl.lu/services/passive-dns: the Passive DNS Common Output Format, a JSON object a line, times in epoch
seconds, as numbers or as texts. `rdata` is one value or several; an exchanger may have its preference before it. The
example on that page has `rrname` and `rdata` the other way round: a line whose address is in `rrname` is read so, and
so are all lines beside it. An empty answer is "nothing". How often a record was seen, and by which sensor, is left out.

Compared on 2026-11-26 with the stored text of that page (its beginning: access, query and example) and with the
examples of CIRCL's server, D4-project/analyzer-d4-passivedns. Of draft-dulaunoy-dnsop-passive-dns-cof only the abstract
was found.
"""

from __future__ import annotations

import ipaddress

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

    def turned(self) -> list[Record]:
        """Return a record for each value, of a record whose name and values are the other way round."""
        return [
            Record(Hostname(value), self.rrtype, self.rrname, self.time_first, self.time_last) for value in self.values
        ]


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
    records = [record for each in reply for record in each.turned()] if _is_turned(reply) else reply
    for each in records:
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


def _is_turned(reply: list[Record]) -> bool:
    """Return whether every A and AAAA record, of which there must be one, has its address for a name."""
    addressed = [each.rrname for each in reply if each.rrtype in {"A", "AAAA"}]
    return bool(addressed) and all(map(_is_address, addressed))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
