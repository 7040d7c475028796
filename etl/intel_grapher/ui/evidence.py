"""The raw replies behind a fact: what its sources answered when they were asked about one of its ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from intel_grapher import times
from intel_grapher.cache import Cache, Found
from intel_grapher.errors import CacheError

MOST = 40
SHOWN = 200_000  # characters of one reply: more is for `cache show`


@dataclass(frozen=True)
class Evidence:
    """One reply: source, endpoint, key and time of the question, and whether its text has the fact's keys."""

    source: str
    endpoint: str
    key: str
    fetched_at: str
    status: int
    digest: str
    names_it: bool


def pieces(cache: Cache, keys: Sequence[str], asked: Iterable[str], sources: Sequence[str]) -> list[Evidence]:
    """Return some sources' replies to questions about `asked`: first those that name all the keys, the newest first.

    A reply names a key as it is spelt there: where a service spells it otherwise, the reply is still listed.
    """
    found: list[Evidence] = []
    for key in dict.fromkeys(asked):
        for each in cache.history(key):
            if each.area != "raw" or (sources and each.source not in sources):
                continue
            others = [other for other in keys if other != key]
            found.append(
                Evidence(
                    each.source,
                    each.endpoint,
                    each.key,
                    times.text(each.fetched_at),
                    each.status,
                    each.digest.hex(),
                    _names(cache, each, others),
                )
            )
            if len(found) >= MOST:
                break
    found.sort(key=lambda piece: piece.fetched_at, reverse=True)
    return sorted(found, key=lambda piece: not piece.names_it)


def reply(cache: Cache, key: str, digest: str) -> dict[str, Any] | None:
    """Return one reply as text of at most SHOWN characters; None if it is no longer in the cache."""
    for each in cache.history(key):
        if each.digest.hex() == digest:
            text = cache.read(each).content.decode("utf-8", "replace")
            return {"text": text[:SHOWN], "cut": len(text) > SHOWN, "bytes": len(text.encode())}
    return None


def _names(cache: Cache, found: Found, keys: Sequence[str]) -> bool:
    if not keys:
        return True
    try:
        content = cache.read(found).content.decode("utf-8", "replace").lower()
    except CacheError:
        return False
    return all(key.lower() in content for key in keys)
