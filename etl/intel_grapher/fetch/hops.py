"""Hops: the indicators that cached answers lead to, the most relevant first, and those that are not followed.

Candidates are ordered by how many known indicators name them, then by how many sources do, then by how few others are
named beside them. An indicator that names very many others, or that very many name, is a hub (a sinkhole, shared
hosting, a CDN, a public resolver) and is not followed.
"""

from __future__ import annotations

import ipaddress
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from intel_grapher.cache import Cache, Found
from intel_grapher.errors import BadValue, CacheError, SourceError
from intel_grapher.fetch.asking import PRIVATE, Indicator
from intel_grapher.fetch.defaults import HUB_FROM, PER_KIND, PER_PARENT
from intel_grapher.fetch.frontier import Frontier, no_room
from intel_grapher.fetch.private import is_private
from intel_grapher.model import Fact, Kind, Relationship
from intel_grapher.schema import BY_INDICATOR
from intel_grapher.source import Endpoint, Outcome, Source
from intel_grapher.verdict import Verdict, by_status, judged

RESOLVERS: Final = frozenset(
    {"1.0.0.1", "1.1.1.1", "4.2.2.1", "4.2.2.2", "8.8.4.4", "8.8.8.8", "9.9.9.9", "64.6.64.6", "64.6.65.6"}
    | {"77.88.8.1", "77.88.8.8", "94.140.14.14", "94.140.15.15", "114.114.114.114", "149.112.112.112"}
    | {"185.228.168.9", "208.67.220.220", "208.67.222.222", "223.5.5.5", "223.6.6.6", "2001:4860:4860::8844"}
    | {"2001:4860:4860::8888", "2606:4700:4700::1001", "2606:4700:4700::1111", "2620:fe::fe", "2620:fe::9"}
)
"""Public resolvers: an answer that names one is no lead."""

HUB: Final = "a hub"
BEHIND_HUB: Final = "behind a hub"
STOPPED: Final = "on the stop-list"
OUT_OF_SCOPE: Final = "out of scope"
TOO_MANY_OF_KIND: Final = "beyond the limit of its kind"
TOO_MANY_OF_PARENT: Final = "beyond the limit of what leads to it"

_KIND_OF: Final = {label.name: name for name, kind in BY_INDICATOR.items() for label in kind.labels}
_EXAMPLES: Final = 3
_CHUNK: Final = 2000

Degrees = Callable[[Sequence[str]], Mapping[str, int]]
"""A function from keys to numbers of neighbours; unknown keys are left out."""


@dataclass(frozen=True)
class Hops:
    """How far answers are followed, and what is not followed.

    depth       the number of hops
    kinds       the kinds of indicator to follow
    per_kind    the most indicators of each kind in one hop
    per_parent  the most indicators that one indicator leads to
    hub         an indicator with more neighbours than this is a hub
    under       names are followed only if they are one of these domains or below one; empty for all
    outside     networks (CIDR) whose addresses are not followed
    stop        keys that are not followed
    degrees     the numbers of neighbours in the files of the last transform: hubs are known before they are asked about
    """

    depth: int = 0
    kinds: frozenset[str] = frozenset({"domain", "ip", "hash"})
    per_kind: int = PER_KIND
    per_parent: int = PER_PARENT
    hub: int = HUB_FROM
    under: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    stop: frozenset[str] = RESOLVERS
    degrees: Degrees | None = None


class HopStep(NamedTuple):
    """An indicator to follow: how many indicators name it (`examples` are the first few), and how many sources do."""

    kind: str
    key: str
    parents: int
    sources: int
    beside: int
    examples: str

    @property
    def indicator(self) -> Indicator:
        """Return the indicator."""
        return self.kind, self.key

    def __str__(self) -> str:
        """Return one line that explains why it is followed."""
        named = f"named by {self.parents} ({self.examples}{', …' if self.parents > _EXAMPLES else ''})"
        sources = "1 source" if self.sources == 1 else f"{self.sources} sources"
        return f"{self.kind} {self.key}: {named}, by {sources}, beside {self.beside} others"


@dataclass
class Trail:
    """The steps in order, and the number of indicators that are not followed, by reason."""

    steps: list[HopStep] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    of_parent: Counter[str] = field(default_factory=Counter)


def follow(
    cache: Cache, sources: Sequence[Source], frontier: Frontier, hops: Hops, *, start: int = 1, stop: int | None = None
) -> Trail:
    """Return the trail from the cached answers about the indicators from place `start` up to `stop`."""
    trail = Trail()
    known = {source.name: source for source in sources}
    with _Candidates(list(known)) as candidates:
        for chunk in frontier.chunks(start, stop):
            for _, kind, key in chunk:
                found = _neighbours(cache, known, key, hops.kinds)
                found.pop((kind, key), None)
                if len(found) > hops.hub:
                    trail.left_out[BEHIND_HUB] += len(found)
                else:
                    candidates.add(key, found)
        for named in candidates.chunks():
            degrees = hops.degrees([step.key for _, step in named]) if hops.degrees else {}
            _choose(trail, named, frontier, hops, degrees)
    return trail


def _choose(
    trail: Trail, chunk: Sequence[tuple[str, HopStep]], frontier: Frontier, hops: Hops, degrees: Mapping[str, int]
) -> None:
    """Add the candidates of a chunk to the trail, or count them as left out."""
    of_kind = Counter(step.kind for step in trail.steps)
    networks = [ipaddress.ip_network(network) for network in hops.outside]
    for parent, step in chunk:
        if step.indicator in frontier:
            continue
        reason = _barred(step, hops, networks)
        if not reason and max(step.parents, degrees.get(step.key, 0)) > hops.hub:
            reason = HUB
        if not reason and of_kind[step.kind] >= hops.per_kind:
            reason = TOO_MANY_OF_KIND
        if not reason and trail.of_parent[parent] >= hops.per_parent:
            reason = TOO_MANY_OF_PARENT
        if reason:
            trail.left_out[reason] += 1
        else:
            of_kind[step.kind] += 1
            trail.of_parent[parent] += 1
            trail.steps.append(step)


def _barred(step: HopStep, hops: Hops, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> str:
    if step.key in hops.stop:
        return STOPPED
    if is_private(step.kind, step.key):
        return PRIVATE
    if step.kind == "domain" and hops.under:
        inside = any(step.key == domain or step.key.endswith(f".{domain}") for domain in hops.under)
        return "" if inside else OUT_OF_SCOPE
    if step.kind == "ip" and networks:
        address = ipaddress.ip_address(step.key)
        return OUT_OF_SCOPE if any(address in network for network in networks) else ""
    return ""


def _neighbours(
    cache: Cache, sources: Mapping[str, Source], key: str, kinds: frozenset[str]
) -> dict[Indicator, set[str]]:
    """Return the indicators named by the newest answers about a key, each with the names of the sources."""
    found: dict[Indicator, set[str]] = {}
    seen: set[tuple[str, str, str]] = set()
    for reply in cache.history(key):
        question = (reply.source, reply.endpoint, repr(sorted(reply.params.items())))
        source = sources.get(reply.source)
        endpoint = source.endpoint(reply.endpoint) if source else None
        if reply.area != "raw" or question in seen or endpoint is None:
            continue
        verdict = _verdict(cache, endpoint, reply)
        if not verdict.is_answer:
            continue  # an older answer to the same question may lead on
        seen.add(question)
        for fact in _facts(endpoint, reply.key, verdict):
            for indicator in _indicators(fact, kinds):
                found.setdefault(indicator, set()).add(reply.source)
    return found


def _verdict(cache: Cache, endpoint: Endpoint, found: Found) -> Verdict:
    early = by_status(endpoint, found.status)
    if early is not None:
        return early
    try:
        return judged(endpoint, found.status, cache.read(found).content)
    except CacheError as error:
        return Verdict(Outcome.UNREADABLE, str(error))


def _facts(endpoint: Endpoint, key: str, verdict: Verdict) -> list[Fact]:
    if verdict.outcome is not Outcome.FOUND:
        return []
    try:
        return endpoint.mapped(endpoint.canonical(key), verdict.reply)[0]
    except SourceError:
        raise
    except Exception:  # noqa: BLE001 - one reply's surprise leads nowhere; the transform lists it
        return []


def _indicators(fact: Fact, kinds: frozenset[str]) -> Iterator[Indicator]:
    sides: list[tuple[Kind[Any], str | Sequence[str]]]
    if isinstance(fact.what, Relationship):
        sides = [(fact.what.start, fact.starts), (fact.what.end, fact.ends or ())]
    else:
        sides = [(fact.what, fact.starts)]
    for kind, column in sides:
        if not any(_KIND_OF.get(label.name) in kinds for label in kind.labels):
            continue
        for raw in [column] if isinstance(column, str) else column:
            try:
                label, key = kind.resolve(raw)
            except BadValue:
                continue
            if (name := _KIND_OF.get(label.name, "")) in kinds:
                yield name, key


class _Candidates:
    """The indicators that answers name, with what orders them; in a temporary file."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._bit = {name: 1 << place for place, name in enumerate(sources)}
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.create_function("bits", 1, int.bit_count, deterministic=True)
        self._db.execute(
            "CREATE TABLE named (kind TEXT, key TEXT, parents INTEGER, sources INTEGER, beside INTEGER, "
            "parent TEXT, examples TEXT, PRIMARY KEY (key, kind)) WITHOUT ROWID"
        )
        self._db.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._db.close()

    def add(self, parent: str, found: Mapping[Indicator, set[str]]) -> None:
        """Add the indicators that one indicator's answers name. Raises CacheError if there is no room for them."""
        try:
            self._add(parent, found)
        except sqlite3.OperationalError as error:
            raise no_room(error) from error

    def _add(self, parent: str, found: Mapping[Indicator, set[str]]) -> None:
        self._db.executemany(
            "INSERT INTO named VALUES (?, ?, 1, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "parents = parents + 1, sources = sources | excluded.sources, beside = min(beside, excluded.beside), "
            "examples = CASE WHEN parents < 3 THEN examples || ', ' || excluded.examples ELSE examples END",
            [
                (kind, key, sum(self._bit[name] for name in names), len(found) - 1, parent, parent)
                for (kind, key), names in found.items()
            ],
        )

    def chunks(self) -> Iterator[list[tuple[str, HopStep]]]:
        """Yield lists of (first parent, step), the most relevant steps first."""
        rows = self._db.execute(
            "SELECT parent, kind, key, parents, bits(sources), beside, examples FROM named "
            "ORDER BY parents DESC, bits(sources) DESC, beside, kind, key"
        )
        while chunk := rows.fetchmany(_CHUNK):
            yield [(parent, HopStep(*step)) for parent, *step in chunk]
