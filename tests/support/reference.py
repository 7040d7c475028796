"""A slow and obvious transform to hold the fast one against: dicts and sets, one fact at a time."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from intel_grapher import keys, reading, times
from intel_grapher.cache import Cache
from intel_grapher.errors import BadValue
from intel_grapher.files import Group
from intel_grapher.model import Fact, Kind, Merge, Relationship, Type
from intel_grapher.registry import Registry
from intel_grapher.source import Endpoint, Outcome

Row = dict[str, Any]


def transform(cache: Cache) -> dict[str, dict[tuple[str, ...], Row]]:
    """Return, by group and by key, the merged properties; a moment is its seconds."""
    seen: dict[Group, dict[tuple[str, ...], list[Row]]] = {}
    for group, key, row in _facts(cache):
        seen.setdefault(group, {}).setdefault(key, []).append(row)
        for label, end in zip((group.start, group.end), key, strict=False) if group.type else ():
            mention = {"sources": row["sources"], "fetched_at": row["fetched_at"]}
            seen.setdefault(Group(label), {}).setdefault((end,), []).append(mention)
    return {
        str(group): {key: _merged(group, key, rows) for key, rows in found.items()} for group, found in seen.items()
    }


def _facts(cache: Cache) -> Iterator[tuple[Group, tuple[str, ...], Row]]:
    for segment in cache.segments():
        source = Registry.installed()[segment.source]
        endpoint = source.endpoint(segment.endpoint)
        for record in segment.read(print) if endpoint else ():
            reply = record.envelope
            try:
                assert endpoint is not None
                typed, _ = reading.read(endpoint, reply.content)
                key = endpoint.canonical(reply.key)
            except BadValue:
                continue
            if not 200 <= reply.status < 300 or source.judge(typed) is not Outcome.FOUND:
                continue
            says_something = False
            for fact in endpoint.mapped(key, typed)[0]:
                says_something = says_something or _begins_well(fact)
                starts, ends = fact.starts, fact.ends
                lengths = [len(each) for each in (starts, ends) if each is not None and not isinstance(each, str)]
                for place in range(lengths[0] if lengths else 1):
                    start = starts if isinstance(starts, str) else starts[place]
                    end = ends if ends is None or isinstance(ends, str) else ends[place]
                    row = _row(fact.what, fact.properties, place)
                    row |= {"sources": [segment.source], "fetched_at": reply.epoch}
                    yield from _joined(fact.what, start, end, row)
            if says_something and not endpoint.untied:
                yield from _asked(endpoint, key, {"sources": [segment.source], "fetched_at": reply.epoch})


def _begins_well(fact: Fact) -> bool:
    """Tell whether the first row of a fact has good keys."""
    sides = [fact.starts] if fact.ends is None else [fact.starts, fact.ends]
    kinds = [fact.what.start, fact.what.end] if isinstance(fact.what, Relationship) else [fact.what]
    if not all(sides):
        return False
    try:
        for kind, raws in zip(kinds, sides, strict=True):
            kind.resolve(raws if isinstance(raws, str) else raws[0])
    except BadValue:
        return False
    return True


def _asked(endpoint: Endpoint, key: str, row: Row) -> Iterator[tuple[Group, tuple[str, ...], Row]]:
    """Yield that what was asked for is a node."""
    for kind in endpoint.kinds:
        if kind.labels:
            with suppress(BadValue):
                label, canonical = kind.resolve(key)
                if canonical == key:
                    yield Group(label.name), (key,), row
                    return


def _joined(
    what: Kind[Any] | Relationship[Any, Any], start: str, end: str | None, row: Row
) -> Iterator[tuple[Group, tuple[str, ...], Row]]:
    try:
        if not isinstance(what, Relationship):
            label, key = what.resolve(start)
            yield Group(label.name), (key,), row
            return
        (start_label, a), (end_label, b) = what.start.resolve(start), what.end.resolve(end or "")
    except BadValue:
        return
    if what.both_ways:
        a, b = min(a, b), max(a, b)
    if not (what.both_ways and a == b) and not what.fault(a, b):
        yield Group(start_label.name, what.type, end_label.name), (a, b), row


def _row(what: Kind[Any] | Relationship[Any, Any], properties: dict[str, Any], place: int) -> Row:
    declared = {
        each.name: each for each in (what.properties if isinstance(what, Relationship) else what.labels[0].properties)
    }
    row: Row = {}
    for given, value in properties.items():
        for name in ("first_seen", "last_seen") if given == "seen" else (given,):
            type_ = declared[name].type
            whole = type_ is Type.TEXTS and not (value and isinstance(value[0], list | type(None)))
            raw = value if whole or not isinstance(value, list) else value[place]
            if raw is None:
                continue
            try:
                if type_ is Type.TIMESTAMP:
                    moment = times.parse(raw)
                    row[name] = moment.seconds
                    row["precision"] = min(row.get("precision", "~"), moment.precision)
                elif type_ is Type.TEXTS:
                    row[name] = [each for each in map(_item, raw) if each]
                elif type_ is Type.TEXT:
                    row[name] = keys.text(raw)
                elif type_ is Type.INTEGER and not -(1 << 63) <= raw < 1 << 63:
                    continue
                else:
                    row[name] = raw
            except BadValue:
                continue
    return {name: value for name, value in row.items() if value not in ("", [])}


def _item(raw: str) -> str:
    try:
        return keys.list_item(raw)
    except BadValue:
        return ""


def _merged(group: Group, key: tuple[str, ...], rows: list[Row]) -> Row:
    merged: Row = {}
    for each in group.properties:
        given = [row for row in rows if row.get(each.name) is not None]
        if each.derive is not None:
            merged[each.name] = each.derive(key[0])
        elif not given:
            merged[each.name] = None
        elif each.merge is Merge.NEWEST:
            merged[each.name] = max((row["fetched_at"], row[each.name]) for row in given)[1]
        elif each.merge is Merge.UNION:
            merged[each.name] = sorted({item for row in given for item in row[each.name]})
        else:
            merged[each.name] = (min if each.merge is Merge.MIN else max)(row[each.name] for row in given)
    return merged
