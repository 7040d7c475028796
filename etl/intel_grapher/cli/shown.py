"""A node on a terminal: the judgement on top, then notes and properties, then relationships by type, folded."""

from __future__ import annotations

from typing import Any

from intel_grapher import judgement, schema
from intel_grapher.ask.look import Group, Neighbour
from intel_grapher.cards.knowledge import COMMON
from intel_grapher.cards.known import KnownNode
from intel_grapher.cli import terminal
from intel_grapher.cli.output import flat
from intel_grapher.cli.terminal import DIM, FOLD, HEADING, KEY, Screen, counted, dated, day, short, some, span
from intel_grapher.labels import NOTE
from intel_grapher.model import NodeRef

FEW_WHY = 5
FEW_ITEMS = 8
MANY = 10**9


def write_shown(screen: Screen, known: KnownNode, *, fold: int = FOLD) -> None:
    """Write a node on a screen; of each kind of relationship `fold` rows."""
    found = known.judgement
    screen.line(
        (known.node.key, f"{HEADING} {KEY}"),
        "  ",
        (known.node.label, DIM),
        "  ",
        (found.word, terminal.COLOURS[found.word]),
    )
    most = FEW_WHY if fold <= FOLD else MANY
    for each in found.why[:most]:
        who = ", ".join(filter(None, (short(each.sources), day(each.at))))
        screen.field("", each.text + (f" ({who})" if who else ""), column=1)
    if len(found.why) > most:
        screen.field("", f"… {len(found.why) - most} more (--all)", column=1, style=DIM)
    for note in known.remarks:
        screen.field("note", f"{note.value} ({note.sources[0]}, {day(note.at)})")
    _write_properties(screen, known, most=FEW_ITEMS if fold <= FOLD else MANY)
    for group in sorted(known.counts, key=_telling):
        if group[2] == NOTE.name:  # its text stands above
            continue
        _write_group(screen, group, known, fold)


def _write_properties(screen: Screen, known: KnownNode, *, most: int) -> None:
    declared = schema.LABELS[known.node.label].properties
    column = max((len(each.name) for each in declared if known.properties.get(each.name) is not None), default=0) + 2
    for each in declared:
        value = known.properties.get(each.name)
        if value is not None and each.name not in COMMON and each.bearing is None:
            screen.field(each.name, _value(value, most), column=column)
    sources = known.properties.get("sources") or []
    if seen := span(known.properties.get("first_seen"), known.properties.get("last_seen")):
        screen.field("seen", seen, column=column)
    last = day(known.properties.get("fetched_at"))
    told = f"{counted(len(sources), 'source')}: {some(sources, most)}; last told {last}"
    screen.field("told by", told, column=column)


def _value(value: Any, most: int) -> str:  # noqa: ANN401 - a property's value
    if isinstance(value, list):
        return some([str(each) for each in value], most)
    return dated(flat(value))


def _telling(group: Group) -> tuple[int, int, Group]:
    """Return the place of a kind of relationship: those that bear on the judgement first, the worst before others."""
    type_, direction, _ = group
    order = list(schema.RELATIONSHIPS)
    bearing = schema.RELATIONSHIPS[type_].bearing if direction == "->" else None
    word = bearing.word([]) if bearing else judgement.UNKNOWN
    return judgement.WORDS.index(word) if word else len(judgement.WORDS), order.index(type_), group


def _write_group(screen: Screen, group: Group, known: KnownNode, fold: int) -> None:
    """Write one kind of relationship: those that most sources tell first, then the latest."""
    type_, direction, label = group
    count = known.counts[group]
    screen.line()
    screen.line((f"{type_} {direction} {label}", HEADING), (f"  {count:,}", DIM))
    own = [each for each in known.neighbours if (each.type, each.direction, each.label) == group]
    first = sorted(own, key=_by_telling)[:fold]
    screen.rows([(it.key, _details(it, known)) for it in first])
    if count > len(first):
        screen.line((f"… {count - len(first):,} more (--all)", DIM), indent=2)


def _details(neighbour: Neighbour, known: KnownNode) -> tuple[str, str, str]:
    """Return when a relationship was seen, who tells it, and what the other is called if that is not its key."""
    properties = neighbour.properties
    title = known.titles.get(NodeRef(neighbour.label, neighbour.key), neighbour.key)
    seen = span(properties.get("first_seen"), properties.get("last_seen"))
    return seen, short(properties.get("sources") or ()), title if title != neighbour.key else ""


def _by_telling(neighbour: Neighbour) -> tuple[int, str, str]:
    """Return what neighbours are sorted by: the number of sources, the day when it was last seen, the key."""
    last = day(neighbour.properties.get("last_seen"))
    later = "".join(chr(0x10FFFF - ord(character)) for character in last) if last else chr(0x10FFFF)
    return -len(neighbour.properties.get("sources") or ()), later, neighbour.key
