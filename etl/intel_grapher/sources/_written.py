"""Values as the authors of events and indicators write them: as lists have them, under a type that says otherwise."""

from __future__ import annotations

from contextlib import suppress
from email.utils import parseaddr
from typing import Any

from intel_grapher.errors import BadValue
from intel_grapher.intake.words import Identified, classify
from intel_grapher.model import Kind
from intel_grapher.schema import ADDRESS, CIDR_RANGE, EMAIL_ADDRESS, HOSTNAME, LINK

PLACES = (ADDRESS, HOSTNAME, LINK)  # kinds that authors take for one another
AS_IN_LISTS: dict[str, Kind[Any]] = {
    "ip": ADDRESS, "domain": HOSTNAME, "url": LINK, "email": EMAIL_ADDRESS, "network": CIDR_RANGE,
}  # fmt: skip


def settled(declared: Kind[Any], value: str) -> tuple[Kind[Any], str, int]:
    """Return the kind of a value, its plain form, and the port that it has behind an address (else 0).

    The kind is the declared one, unless the value is no such thing and yet a name, an address or a URL. Authors write
    values as lists have them: defanged, with a port, an address with whose it is, a network in place of an address.
    """
    kinds = (declared, *PLACES) if declared in PLACES else (declared,) if declared is EMAIL_ADDRESS else ()
    for kind in kinds:
        with suppress(BadValue):
            kind.canonical(value)
            return kind, value, 0
    found = (
        classify(parseaddr(value)[1] or value if declared is EMAIL_ADDRESS else value, is_value=True) if kinds else None
    )
    if isinstance(found, Identified) and found.kind in AS_IN_LISTS and not _is_odd(declared, found.kind):
        return AS_IN_LISTS[found.kind], found.key, found.port if found.kind == "ip" else 0
    return declared, value, 0


def _is_odd(declared: Kind[Any], kind: str) -> bool:
    """Tell whether a value of a kind is no way to write one of the declared: an e-mail address is no host."""
    return (declared is EMAIL_ADDRESS) != (kind == "email")
