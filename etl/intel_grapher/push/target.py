"""Where a push goes: `misp://HOST` or `taxii+https://HOST/…/collections/ID/`.

The user names the server, which may well be in a private network. It is asked by https alone, unless it is on this
machine, and only at its own address: a redirect elsewhere is refused. A secret never stands in an address.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from intel_grapher.errors import UsageError
from intel_grapher.fetch.taxii import collection_url, is_here

MISP: Final = "misp"
TAXII: Final = "taxii"
_SCHEMES: Final = {
    "misp": (MISP, "https"),
    "misp+https": (MISP, "https"),
    "misp+http": (MISP, "http"),
    "taxii": (TAXII, "https"),
    "taxii+https": (TAXII, "https"),
    "taxii+http": (TAXII, "http"),
}
FORMS: Final = "misp://HOST for a MISP, taxii+https://HOST/…/collections/ID/ for a TAXII 2.1 collection"


class Target(NamedTuple):
    """A system (MISP or TAXII) and its URL without a slash at the end; a collection's URL has one."""

    system: str
    url: str

    @property
    def format(self) -> str:
        """Return the name of the format that it takes."""
        return "misp" if self.system == MISP else "stix"


def parsed(text: str) -> Target:
    """Return the target that an address means. Raises UsageError for one that can't be, with what would be right."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as wrong:
        raise UsageError(f"--to {text!r} is no address: {wrong}") from None
    if parts.scheme not in _SCHEMES:
        raise UsageError(f"--to {text!r} does not say what is there: write {FORMS}")
    system, scheme = _SCHEMES[parts.scheme]
    if "@" in parts.netloc:
        variable = "MISP_API_KEY" if system == MISP else "TAXII_KEY"
        raise UsageError(f"--to: no secret belongs into an address; `intel-grapher keys set {variable}` keeps it")
    if not parts.hostname or parts.query or parts.fragment or any(each <= " " for each in text):
        raise UsageError(f"--to {text!r} is no address: write {FORMS}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    url = urlunsplit((scheme, host if port is None else f"{host}:{port}", parts.path, "", ""))
    if system == TAXII:
        collection = collection_url(url)
        if collection is None:
            raise UsageError(
                f"--to {text!r} is no collection: `intel-grapher taxii {url}` lists those of a server, with their URLs"
            )
        return Target(TAXII, collection)
    if scheme == "http" and not is_here(parts.hostname):
        raise UsageError(f"--to {text!r}: a MISP is reached by https, unless it is on this machine")
    return Target(MISP, url.rstrip("/"))
