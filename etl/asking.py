"""What is to be asked: for each indicator, the endpoints that take its label, as far as the cache has no answer."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from etl import schema
from etl.cache import Cache, Found
from etl.errors import BadValue, CacheError, KeyMissingError
from etl.graph import Kind
from etl.reading import read
from etl.source import Endpoint, Outcome, Request, Source

NOT_FOUND: Final = 404
Indicator = tuple[str, str]
"""Kind and canonical key, as `keys.detect` gives them."""

PRIVATE: Final = "kept private"
RETIRED: Final = "retired"

_KINDS: Final[dict[str, Kind[Any]]] = {
    "ip": schema.ADDRESS,
    "domain": schema.HOSTNAME,
    "email": schema.EMAIL_ADDRESS,
    "hash": schema.DIGEST,
    "cve": schema.CVE_ID,
}
# Names that mean something in one network only: RFC 6761, 6762, 8375, ICANN's .internal, and what offices use.
_PRIVATE_ZONES: Final = (
    *(".localhost", ".local", ".internal", ".home.arpa", ".test", ".example", ".invalid", ".onion"),
    *(".localdomain", ".lan", ".intranet", ".private", ".corp", ".home"),
)


class Ask(NamedTuple):
    """One question to a service. `page` counts from 1."""

    endpoint: Endpoint
    key: str
    request: Request
    page: int = 1


@dataclass(frozen=True)
class Freshness:
    """How old an answer may be, in seconds: for all, for single sources by name, and for "not found". None: any age."""

    max_age: float | None = None
    by_source: Mapping[str, float] = field(default_factory=dict)
    not_found: float | None = None
    refresh: bool = False

    def of(self, source: str) -> float | None:
        """Return the age that a source's answers may have."""
        return 0.0 if self.refresh else self.by_source.get(source, self.max_age)

    def of_not_found(self, source: str) -> float | None:
        """Return the age that a source's "not found" may have: never more than an answer's."""
        ages = [age for age in (self.of(source), self.not_found) if age is not None]
        return min(ages, default=None)


def secrets(source: Source) -> list[str]:
    """Return the keys that the environment holds for a source: several are parted by commas.

    Raises KeyMissingError for one that could not be a key; its text names the variable and does not quote it.
    """
    if source.key is None:
        return []
    found = [each.strip() for each in os.environ.get(source.key.variable, "").split(",")]
    found = list(dict.fromkeys(filter(None, found)))
    if not all(each.isascii() and each.isprintable() and " " not in each for each in found):
        raise KeyMissingError(
            f"{source.key.variable} holds characters that no key of {source.title} has. Set it again, without quotes "
            "or line breaks; several keys are parted by commas."
        )
    return found


def is_private(kind: str, key: str) -> bool:
    """Tell whether an indicator means something in a private network only, or nothing at all: it is never sent out."""
    if kind == "ip":
        address = ipaddress.ip_address(key)
        return not address.is_global or address.is_multicast
    return kind in {"domain", "email"} and key.endswith(_PRIVATE_ZONES)


def endpoints(source: Source, kind: str, key: str) -> list[Endpoint]:
    """Return which of a source's endpoints are asked for an indicator: those whose label is its label."""
    if kind not in _KINDS:
        return []
    try:
        label, _ = _KINDS[kind].resolve(key)
    except BadValue:
        return []
    return [
        each
        for each in source.endpoints.values()
        if not each.kept_only and any(label in asked.labels for asked in each.kinds)
    ]


def following(endpoint: Endpoint, reply: Any, ask: Ask, pages: int) -> Ask | None:  # noqa: ANN401 - typed by the endpoint
    """Return the question for the page after a reply's, or None where it was the last, or the last that is wanted."""
    if endpoint.more is None or ask.page >= pages:
        return None
    params = endpoint.more(reply)
    if params is None or dict(params) == dict(ask.request.params):
        return None
    return Ask(endpoint, ask.key, endpoint.request(ask.key, params), ask.page + 1)


class Shelf:
    """The cache as one run sees it: which answers are there and not too old. Times are epoch seconds."""

    def __init__(self, cache: Cache, freshness: Freshness, pages: int) -> None:
        self._cache = cache
        self._freshness = freshness
        self._pages = pages
        self._now = time.time()

    def missing(self, ask: Ask) -> tuple[int, Ask | None]:
        """Return how many answers are there, and the first question, of this one and its next pages, that lacks one."""
        there = 0
        while True:
            found = self._fresh(ask)
            if found is None:
                return there, ask
            there += 1
            following_ask = self._following(found, ask)
            if following_ask is None:
                return there, None
            ask = following_ask

    def _fresh(self, ask: Ask) -> Found | None:
        source = ask.endpoint.source
        found = self._cache.newest(source.name, ask.endpoint.name, ask.key, dict(ask.request.params))
        if found is None:
            return None
        age = self._now - found.fetched_at
        longest, not_found = self._freshness.of(source.name), self._freshness.of_not_found(source.name)
        if longest is not None and age >= longest:
            return None
        if not_found is not None and age >= not_found and self._says_nothing(found, ask.endpoint):
            return None
        return found

    def _says_nothing(self, found: Found, endpoint: Endpoint) -> bool:
        if found.status == NOT_FOUND:
            return True
        reply = self._read(found, endpoint)
        return reply is None or endpoint.source.judge(reply) is Outcome.NOT_FOUND

    def _following(self, found: Found, ask: Ask) -> Ask | None:
        if ask.endpoint.more is None or found.status == NOT_FOUND:
            return None
        reply = self._read(found, ask.endpoint)
        return None if reply is None else following(ask.endpoint, reply, ask, self._pages)

    def _read(self, found: Found, endpoint: Endpoint) -> Any:  # noqa: ANN401 - typed by the endpoint
        """Return the typed reply, or None where it can't be read (any more)."""
        try:
            return read(endpoint, self._cache.read(found).content)[0]
        except (BadValue, CacheError):
            return None


def questions(source: Source, indicators: Iterable[Indicator]) -> Iterator[tuple[Ask, bool]]:
    """Yield all that a source can be asked for the indicators, and whether the indicator is private."""
    for kind, key in indicators:
        asked = endpoints(source, kind, key)
        private = bool(asked) and is_private(kind, key)
        for endpoint in asked:
            for request in endpoint.requests(key):
                yield Ask(endpoint, key, request), private
