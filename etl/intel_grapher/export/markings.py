"""What analysts say of nodes that decides how they go out: verdicts, and to whom they may be passed on (TLP).

A node's marking is the strictest `tlp:…` among its own tags and those that analysts gave it. A node that no source
tells of but those of marked reports has the least strict marking of these reports. What is said about a marked node is
marked as that is: notes on it, and what a marked report mentions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from intel_grapher import labels, schema, tlp
from intel_grapher.export.part import MOMENT, Part
from intel_grapher.files import Group
from intel_grapher.model import NodeRef
from intel_grapher.sql import literal

MALICIOUS: Final = frozenset({"malicious", "suspicious"})
"""Verdicts that make a node something to look for. Of others the word goes out, and no indicator."""
_NOTE: Final = labels.NOTE.name


class NodeVerdict(NamedTuple):
    """The newest verdict on a node: the word, who says it, when (ISO 8601), and the key of its note."""

    verdict: str
    author: str
    at: str
    note: str


def verdicts(part: Part) -> dict[NodeRef, NodeVerdict]:
    """Return the newest verdict on each node of a part."""
    found: dict[NodeRef, NodeVerdict] = {}
    for group in _about(part):
        rows = part.connection.execute(
            f"SELECT a.\"end\", n.verdict, coalesce(n.author, ''), strftime(make_timestamp(epoch_us(n.fetched_at)), "
            f"{literal(MOMENT)}) AS moment, n.id FROM {part.relation(group)} a JOIN {part.relation(Group(_NOTE))} n "
            "ON a.start = n.id WHERE n.verdict IS NOT NULL ORDER BY moment, n.id"
        ).fetchall()
        found |= {NodeRef(group.end, key): NodeVerdict(*rest) for key, *rest in rows}
    return found


def tags(part: Part) -> dict[NodeRef, list[str]]:
    """Return the tags that analysts gave to each node of a part, sorted."""
    found: dict[NodeRef, list[str]] = {}
    for group in _about(part):
        rows = part.connection.execute(
            f'SELECT DISTINCT a."end", n.tag FROM {part.relation(group)} a JOIN {part.relation(Group(_NOTE))} n '
            "ON a.start = n.id WHERE n.tag IS NOT NULL ORDER BY ALL"
        ).fetchall()
        for key, tag in rows:
            found.setdefault(NodeRef(group.end, key), []).append(tag)
    return found


def strictest(part: Part) -> str | None:
    """Return the strictest TLP level among the tags of a part's nodes, or None."""
    found = {tag for given in tags(part).values() for tag in given}
    for group in part.nodes():
        if any(each.name == labels.TAGS.name for each in group.properties):
            query = (
                f"SELECT DISTINCT tag FROM (SELECT unnest(tags) AS tag FROM {part.relation(group)}) "
                f"WHERE starts_with(lower(trim(tag)), {literal(tlp.PREFIX)})"
            )
            found |= {tag for (tag,) in part.connection.execute(query).fetchall()}
    return level(found)


def level(tags_: Iterable[str]) -> str | None:
    """Return the strictest TLP level that tags name, or None."""
    return tlp.strictest(map(tlp.of_tag, tags_))


def hide_above(part: Part, most: str) -> int:
    """Take out of a part the nodes whose marking is stricter than the level `most`; return how many."""
    above = tlp.LEVELS[tlp.LEVELS.index(most) + 1 :]
    before = sum(map(part.count, part.nodes()))
    if not above:
        return 0
    words = ", ".join(literal(tlp.PREFIX + each) for each in above)
    marked = [f"SELECT {literal(label)} AS label, key FROM ({rows})" for label, rows in _marked(part, words)]
    if marked:
        said = [
            f"SELECT {literal(group.start)}, s.start FROM {part.relation(group)} s JOIN marked m "
            f'ON m.label = {literal(group.end)} AND m.key = s."end"'
            for group in [*_about(part), *part.groups(type_=schema.MENTIONED_IN.type)]
        ]
        part.hide(f"WITH marked AS ({' UNION '.join(marked)}) {' UNION '.join(['FROM marked', *said])}")
    return before - sum(map(part.count, part.nodes()))


def _marked(part: Part, words: str) -> Iterator[tuple[str, str]]:
    """Yield SQL for the keys of the marked nodes of each label."""

    def named(list_: str) -> str:
        return f"list_has_any(list_transform({list_}, lambda x: lower(trim(x))), [{words}])"

    for group in part.nodes():
        if any(each.name == labels.TAGS.name for each in group.properties):
            yield group.start, f'SELECT "{group.keys[0]}" AS key FROM {part.relation(group)} WHERE {named("tags")}'
    for group in _about(part):
        notes = f"{part.relation(group)} a JOIN {part.relation(Group(_NOTE))} n ON a.start = n.id"
        yield group.end, f'SELECT a."end" AS key FROM {notes} WHERE {named("[n.tag]")}'
        yield _NOTE, f"SELECT a.start AS key FROM {notes} WHERE {named('[n.tag]')}"
    for group in part.groups(type_=schema.REPORTED_IN.type):
        node, report = Group(group.start), Group(group.end)
        key = f'n."{node.keys[0]}"'
        told = (
            f"SELECT r.start AS key, bool_and({named('p.tags')}) AS marked, "
            f"list_distinct(flatten(list(r.sources))) AS by FROM {part.relation(group)} r "
            f'JOIN {part.relation(report)} p ON r."end" = p.id GROUP BY r.start'
        )
        joined = f"{part.relation(node)} n JOIN ({told}) t ON {key} = t.key"
        yield group.start, f"SELECT {key} AS key FROM {joined} WHERE t.marked AND list_has_all(t.by, n.sources)"


def _about(part: Part) -> list[Group]:
    """Return the groups that join notes to what they are about; none where no note is in the part."""
    return part.groups(type_=schema.ABOUT.type) if _NOTE in part.labels() else []
