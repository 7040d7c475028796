"""A watch: a list that is asked again, and what is new about it since the last time.

What was known of a list is kept in one file, `data/watches/NAME.json`: a short digest of each relationship of each
indicator, and what the indicator was judged to be. A relationship is new if its digest is not there. What was on the
list for the first time is not news: it is known from then on.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import duckdb
import msgspec

from intel_grapher import disk, schema
from intel_grapher.errors import BadValue, TransformError, UsageError
from intel_grapher.files import Files, Group
from intel_grapher.judgement import UNKNOWN, Told, judge
from intel_grapher.model import NodeRef
from intel_grapher.schema import BY_INDICATOR
from intel_grapher.sql import quoted, spilling

FOLDER = "watches"
VERSION = 1
_DIGEST = 8  # bytes: of a million relationships, two share one in a case of 40 million
_NAME = re.compile(r"[^a-zA-Z0-9._-]+")


class State(msgspec.Struct):
    """What was known when a list was last watched (epoch seconds): the digests by indicator, and the judgements."""

    version: int
    at: int
    known: dict[str, list[str]]
    judged: dict[str, str]


class WatchedLink(NamedTuple):
    """A relationship of a watched node: `direction` is "->", "<-" or "--" as seen from it; the times are ISO 8601."""

    node: NodeRef
    type: str
    direction: str
    other: NodeRef
    first_seen: str
    last_seen: str
    sources: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Return what the state has of it."""
        text = f"{self.type}\x1f{self.direction}\x1f{self.other.label}\x1f{self.other.key}"
        return blake2b(text.encode(), digest_size=_DIGEST).hexdigest()


class NewLink(NamedTuple):
    """A new relationship, and why it matters: the `others` of the list that have it, too, and if it is on the list."""

    link: WatchedLink
    others: list[NodeRef]
    listed: bool


class NewJudgement(NamedTuple):
    """What a node is judged to be now, what it was before, why, and who says so."""

    node: NodeRef
    word: str
    before: str
    why: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class News:
    """What is new since a moment (epoch seconds; None: the list was not watched before), what matters most first.

    watched    how many nodes
    added      those that were not on the list the last time
    links, judgements    what is new
    unasked    why nobody could be asked; empty if somebody was, or if nothing was to be asked
    """

    since: int | None
    watched: int
    added: list[NodeRef] = field(default_factory=list)
    links: list[NewLink] = field(default_factory=list)
    judgements: list[NewJudgement] = field(default_factory=list)
    unasked: str = ""

    @property
    def count(self) -> int:
        """Return how many things are new."""
        return len(self.links) + len(self.judgements)


def nodes(indicators: Iterable[tuple[str, str]]) -> list[NodeRef]:
    """Return the nodes that indicators (kind and canonical key) stand for, each once."""
    found: dict[NodeRef, None] = {}
    for kind, key in indicators:
        try:
            label, canonical = BY_INDICATOR[kind].resolve(key)
        except (BadValue, KeyError):  # of a kind that is no node
            continue
        found[NodeRef(label.name, canonical)] = None
    return list(found)


def path_of(data: Path, name: str) -> Path:
    """Return the file of a watch's state."""
    return data / FOLDER / f"{_NAME.sub('-', name).strip('-.')[:100] or 'list'}.json"


def read(path: Path) -> State | None:
    """Return what was known; None where the list was not watched before. Raises UsageError for what is no state."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as wrong:
        raise UsageError(f"the watch's state {path} can't be read ({wrong}): remove it to begin anew") from wrong
    if found.version != VERSION:
        raise UsageError(f"the watch's state {path} is of another version of this program: remove it to begin anew")
    return found


def write(path: Path, state: State) -> None:
    """Keep what is known now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.write_atomically(path, msgspec.json.encode(state))


def news(files: Files, watched: Sequence[NodeRef], before: State | None, now: int) -> tuple[News, State]:
    """Return what is new about the watched nodes in a set of flat files, and what is known now.

    Raises TransformError where there are no files.
    """
    links = list(_links(files, watched))
    judged = _judgements(files, watched)
    known: defaultdict[str, list[str]] = defaultdict(list)
    for link in links:
        known[_name(link.node)].append(link.digest)
    words = {name: word for name, (word, _, _) in judged.items()}
    after = State(VERSION, now, {_name(node): sorted(known[_name(node)]) for node in watched}, words)
    if before is None:
        return News(None, len(watched)), after
    added = [node for node in watched if _name(node) not in before.known]
    held = {name: frozenset(digests) for name, digests in before.known.items()}
    fresh = [link for link in links if _name(link.node) in held and link.digest not in held[_name(link.node)]]
    on_list = frozenset(watched)
    sharing: defaultdict[NodeRef, dict[NodeRef, None]] = defaultdict(dict)
    for link in links:
        sharing[link.other][link.node] = None
    new_links = [
        NewLink(link, [node for node in sharing[link.other] if node != link.node], link.other in on_list)
        for link in fresh
        if not (_name(link.other) in held and _is_second(link))  # told once, of one end
    ]
    new_links.sort(key=lambda it: (-it.listed, -len(it.others), it.link))
    new_judgements = [
        NewJudgement(node, *_changed(before, judged, _name(node)))
        for node in watched
        if _name(node) in held and judged.get(_name(node), (UNKNOWN,))[0] != before.judged.get(_name(node), UNKNOWN)
    ]
    return News(before.at, len(watched), added, new_links, new_judgements), after


def _is_second(link: WatchedLink) -> bool:
    return link.direction == "<-" or (link.direction == "--" and link.other < link.node)


def _changed(
    before: State, judged: Mapping[str, tuple[str, str, tuple[str, ...]]], name: str
) -> tuple[str, str, str, tuple[str, ...]]:
    word, why, sources = judged.get(name, (UNKNOWN, "", ()))
    return word, before.judged.get(name, UNKNOWN), why, sources


def _links(files: Files, watched: Sequence[NodeRef]) -> Iterator[WatchedLink]:
    """Yield the relationships of the watched nodes, from the flat files."""
    labels = {node.label for node in watched}
    with _asking(watched) as connection:
        for group, _ in files.manifest().groups():
            for own, other, direction in _ends(group):
                if own[0] not in labels:
                    continue
                query = (
                    f"SELECT w.key, f.{quoted(other[1])}, {_moment('first_seen')}, {_moment('last_seen')}, f.sources "
                    f"FROM watched w JOIN {files.relation(group)} f ON w.key = f.{quoted(own[1])} WHERE w.label = ? "
                    f"ORDER BY w.key, f.{quoted(other[1])}"
                )
                for key, other_key, first, last, sources in connection.execute(query, [own[0]]).fetchall():
                    yield WatchedLink(
                        NodeRef(own[0], key), group.type, direction, NodeRef(other[0], other_key),
                        _text(first), _text(last), tuple(sources or ()),
                    )  # fmt: skip


def _ends(group: Group) -> list[tuple[tuple[str, str], tuple[str, str], str]]:
    """Return (own label and column, the other's, direction) of both ways to look at a group of relationships."""
    if not group.type:
        return []
    start, end = (group.start, "start"), (group.end, "end")
    one, other = ("--", "--") if schema.RELATIONSHIPS[group.type].both_ways else ("->", "<-")
    return [(start, end, one), (end, start, other)]


def _judgements(files: Files, watched: Sequence[NodeRef]) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Return what each watched node is judged to be by its own properties: the word, why, and who says so."""
    found = {}
    labels = {node.label for node in watched}
    with _asking(watched) as connection:
        for group, _ in files.manifest().groups():
            if group.type or group.start not in labels:
                continue
            label = schema.LABELS[group.start]
            bearing = [each.name for each in group.properties if each.bearing is not None]
            if not bearing:
                continue
            columns = ", ".join(f"f.{quoted(name)}" for name in bearing)
            query = (
                f"SELECT w.key, f.sources, {columns} FROM watched w JOIN {files.relation(group)} f "
                f"ON w.key = f.{quoted(label.key)} WHERE w.label = ?"
            )
            for key, sources, *values in connection.execute(query, [group.start]).fetchall():
                told = [Told(name, value, tuple(sources or ())) for name, value in zip(bearing, values, strict=True)]
                judgement = judge(label, told, [])
                if judgement.why:
                    first = judgement.why[0]
                    found[_name(NodeRef(group.start, key))] = (judgement.word, first.text, first.sources)
    return found


@contextmanager
def _asking(watched: Sequence[NodeRef]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a DuckDB connection with the table `watched`, of labels and keys."""
    columns = [[node.label for node in watched], [node.key for node in watched]]
    with spilling(TransformError, "the flat files can't be asked", "transform again") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE watched AS SELECT unnest($1::VARCHAR[]) AS label, unnest($2::VARCHAR[]) AS key", columns
        )
        yield connection


def _moment(name: str) -> str:
    return f"f.{quoted(name)}::TIMESTAMP"


def _text(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


def _name(node: NodeRef) -> str:
    return f"{node.label}:{node.key}"
