"""Following the trail: which indicators the answers lead to, the most telling first, and which are left alone.

An indicator is the more worth asking about the more of those known before name it, then the more sources do, then the
fewer others stand beside it. What names, or is named by, very many is a hub (a sinkhole, shared hosting, a CDN, a
public resolver) and leads nowhere.
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
"""Public resolvers: whatever points there, it is no lead."""

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
"""How many neighbours keys are known to have; those that are not known are left out."""


@dataclass(frozen=True)
class Hops:
    """How far the trail is followed, and where not.

    `depth`: how many hops. `kinds`: what is followed. `per_kind`: how many of each kind in one hop. `per_parent`: how
    many that one indicator leads to. `hub`: what has more neighbours than that is one. `under`: names are followed
    only if they are one of these domains or below one. `outside`: networks (CIDR) whose addresses are not followed.
    `stop`: keys that are not followed. `degrees`: how many neighbours a key has in what was transformed before, so that
    a hub is known as one before it has been asked about.
    """

    depth: int = 0
    kinds: frozenset[str] = frozenset({"domain", "ip", "hash"})
    per_kind: int = 1000
    per_parent: int = 50
    hub: int = 200
    under: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    stop: frozenset[str] = RESOLVERS
    degrees: Degrees | None = None


class Step(NamedTuple):
    """An indicator that is followed: what leads there (the first few of `parents`), how many sources say so."""

    kind: str
    key: str
    parents: int
    sources: int
    beside: int
    examples: str

    @property
    def indicator(self) -> Indicator:
        """Return the indicator itself."""
        return self.kind, self.key

    def __str__(self) -> str:
        """Explain in one line why it is worth asking about."""
        named = f"named by {self.parents} ({self.examples}{', …' if self.parents > _EXAMPLES else ''})"
        sources = "1 source" if self.sources == 1 else f"{self.sources} sources"
        return f"{self.kind} {self.key}: {named}, by {sources}, beside {self.beside} others"


@dataclass
class Trail:
    """Where the answers lead: the steps in order, and what is not followed, by reason."""

    steps: list[Step] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    of_parent: Counter[str] = field(default_factory=Counter)


def follow(
    cache: Cache, sources: Sequence[Source], frontier: Frontier, hops: Hops, *, start: int = 1, stop: int | None = None
) -> Trail:
    """Return where the cached answers about the indicators from place `start` up to `stop` lead."""
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
    trail: Trail, chunk: Sequence[tuple[str, Step]], frontier: Frontier, hops: Hops, degrees: Mapping[str, int]
) -> None:
    """Sort the candidates of a chunk into those that are followed and those that are not."""
    of_kind = Counter(step.kind for step in trail.steps)
    networks = [ipaddress.ip_network(each) for each in hops.outside]
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


def _barred(step: Step, hops: Hops, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> str:
    if step.key in hops.stop:
        return STOPPED
    if is_private(step.kind, step.key):
        return PRIVATE
    if step.kind == "domain" and hops.under:
        inside = any(step.key == each or step.key.endswith("." + each) for each in hops.under)
        return "" if inside else OUT_OF_SCOPE
    if step.kind == "ip" and networks:
        address = ipaddress.ip_address(step.key)
        return OUT_OF_SCOPE if any(address in each for each in networks) else ""
    return ""


def _neighbours(
    cache: Cache, sources: Mapping[str, Source], key: str, kinds: frozenset[str]
) -> dict[Indicator, set[str]]:
    """Return the indicators that the newest answers about a key name, each with the sources that do."""
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
    by_status_ = by_status(endpoint, found.status)
    if by_status_ is not None:
        return by_status_
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
    """What the answers name, with what is needed to order it; on disk when it grows."""

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
        """Note what one indicator's answers name. Raises CacheError where there is no room for temporary files."""
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

    def chunks(self) -> Iterator[list[tuple[str, Step]]]:
        """Yield what was named, the most telling first, each with what first led to it."""
        rows = self._db.execute(
            "SELECT parent, kind, key, parents, bits(sources), beside, examples FROM named "
            "ORDER BY parents DESC, bits(sources) DESC, beside, kind, key"
        )
        while chunk := rows.fetchmany(_CHUNK):
            yield [(parent, Step(*step)) for parent, *step in chunk]
