"""crt.sh: certificates that the public logs hold for a domain and the names beneath it. No key.

https://crt.sh: `name_value` has one identity a line: names, wildcards, e-mail addresses and, from test authorities,
prose. Dates have no zone and are UTC. It is often overloaded, and says so with 404, 429, 502 or 503. The issuer's
number there (`issuer_ca_id`) and the count of names are left out: they say nothing of the certificate.

No documentation of its JSON was found on 2026-11-26: it is known from replies. Compared that day with replies quoted in
public (ronin-rb/ronin-recon, issue 148; wordeater/Format-CRTResponse), which have the same members.
"""

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    CERTIFICATE_ID,
    CertificateId,
    DomainName,
    Hostname,
    Term,
    certificate_names,
    hosts,
    registrable,
)
from intel_grapher.source import Outcome, Rate, Source


class Certificate(Struct):
    id: int
    name_value: str = ""
    common_name: str | None = None
    issuer_name: str | None = None
    serial_number: str | None = None
    entry_timestamp: str | None = None
    not_before: str | None = None
    not_after: str | None = None


source = Source(
    "crtsh",
    title="crt.sh",
    home="https://crt.sh",
    limits=(Rate(1, per=5.0),),
    judge=lambda reply: Outcome.FOUND if reply else Outcome.NOT_FOUND,
    status="answers, with pauses (2026-11)",
    absent=(),  # its 404 says that it is overloaded; nothing found is an empty list
    also=("crt_sh",),
)


@source.get("/", {"q": "%.{key}", "output": "json"})
def identity(asked: DomainName | Term, reply: list[Certificate]) -> Facts:
    """Certificates, and the names that they are for."""
    numbers = [CertificateId(f"crtsh:{each.id}") for each in reply]
    yield CERTIFICATE_ID.each(
        numbers,
        serial=[each.serial_number for each in reply],
        issuer=[each.issuer_name for each in reply],
        subject=[each.common_name for each in reply],
        not_before=[each.not_before for each in reply],
        not_after=[each.not_after for each in reply],
        seen=[each.entry_timestamp for each in reply],
    )
    domain = registrable(Hostname(asked))
    for number, each in zip(numbers, reply, strict=True):
        names = _names(each.name_value, each.common_name)
        yield from certificate_names(number, names, seen=each.entry_timestamp)
        beneath = [name for name in names if name.lower().endswith(f".{domain}") and "@" not in name]
        yield hosts([Hostname(name.removeprefix("*.")) for name in beneath], seen=each.entry_timestamp)


def _names(identities: str, common_name: str | None) -> list[Hostname]:
    """Return each name once."""
    names = [*identities.split("\n"), common_name or ""]
    return [Hostname(name) for name in dict.fromkeys(names) if name]
