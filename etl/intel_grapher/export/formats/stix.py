"""STIX 2.1: one bundle.

- Names, addresses, files and their like are cyber-observables. Digests of one file are one `file`.
- What was seen when, and tagged how, is an `observed-data` of its observable. It names the sources.
- A verdict of an analyst, malicious or suspicious, makes an `indicator` with a pattern, and a `sighting` by the sources
  that know the thing. Nothing else makes one. Other verdicts, notes and tags are a `note`.
- A relationship has the standard's type where that has one for it, else `related-to`. Its label is our type.
- Reports are a `report` of what they name. TLP tags are markings, sources are identities.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from intel_grapher import labels, schema, tlp
from intel_grapher.export import cliques, markings
from intel_grapher.export.format import Back, Format, Settings, Written
from intel_grapher.export.formats._stix_objects import (
    OBJECTS,
    OBSERVABLES,
    Json,
    comes_back,
    file_id,
    file_pattern,
    has_place,
    identifier,
    own,
    pattern,
)
from intel_grapher.export.formats._stix_objects import (
    file as file_members,
)
from intel_grapher.export.part import MOMENT, Part
from intel_grapher.files import Group
from intel_grapher.model import NodeRef
from intel_grapher.sql import literal

MARKINGS: Final = {level: ids[0] for level, ids in tlp.STIX.items()}
"""The identifiers of the markings that are written. AMBER+STRICT is TLP 2.0's alone, and an extension."""
_TLP_2: Final = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
_VERDICTS: Final = {"malicious": "malicious-activity", "suspicious": "anomalous-activity"}
_STANDARD: Final = {
    schema.RESOLVES.type: "resolves-to",
    schema.ALIAS_OF.type: "resolves-to",
    schema.EMPLOYS.type: "uses",
    schema.MITIGATES.type: "mitigates",
}
_ANY: Final = "related-to"
_SURE: Final = 100
_BEGUN: Final = "2026-01-01T00:00:00.000Z"
"""When what does not come from the graph was made: any fixed time."""
_HASH: Final = labels.HASH.name
_REPORT: Final = labels.REPORT.name
_NOTE: Final = labels.NOTE.name
_ANALYST: Final = "analyst"
_NAMING: Final = (schema.REPORTED_IN.type, schema.CONCERNS.type, schema.BLAMES.type)
_TOOL: Final = own("identity", "tool")
_PORT: Final = r"^\[?(.*?)\]?:[0-9]+(/[a-z]+)?$"


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write one bundle."""
    bundle = _Bundle(part, out, settings)
    bundle.begin()
    bundle.files()
    for group in part.nodes():
        bundle.nodes(group)
    for group in part.relationships():
        bundle.relationships(group)
    bundle.reports()
    bundle.notes()
    bundle.end()
    return bundle.written


class _Bundle:
    """A bundle that is being written."""

    def __init__(self, part: Part, out: BinaryIO, settings: Settings) -> None:
        self.part = part
        self.out = out
        self.title = settings.title
        self.written = Written()
        self.labels = part.labels()
        self.verdicts = markings.verdicts(part)
        self.tags = markings.tags(part)
        self.levels: dict[str, str] = {}  # of marked objects alone
        self.first = True
        self.encoder = msgspec.json.Encoder()

    def begin(self) -> None:
        """Write the head, and what other objects refer to: us, sources, markings."""
        content = [f"{group}:{content.rows}:{content.checksum}" for group, content in self.part.manifest.groups()]
        some = [] if self.part.is_whole() else [f"{group}={self.part.count(group)}" for group in self.part.groups()]
        bundle = own("bundle", self.title, *content, *some)
        self.out.write(b'{"type":"bundle","id":"' + bundle.encode() + b'","objects":[')
        self.put(_identity(_TOOL, self.title, "system"))
        for source in self._sources():
            self.put(_identity(own("identity", "source", source), source, "organization"))
        for level, id_ in MARKINGS.items():
            self.put(_marking(level, id_))
        for address in self._addresses_of_services():
            identify, make = OBSERVABLES[labels.IP_ADDRESS.name]
            self.put(_observable(identify(address), make(address, {})))

    def end(self) -> None:
        """Write the end."""
        self.out.write(b"\n]}\n")

    def put(self, *objects: Json) -> None:
        """Write objects."""
        for each in objects:
            self.out.write((b"\n" if self.first else b",\n") + self.encoder.encode(each))
            self.first = False

    def files(self) -> None:
        """Write the files."""
        if not cliques.make(self.part):
            return
        for digest, file in cliques.files(self.part):
            nodes = [NodeRef(_HASH, each) for each in file.digests.values()]
            self._thing(file_id(digest), file_members(file), file.properties, nodes, file_pattern(file))
            self.written.nodes += len(nodes)
        self.written.left_out += Counter({_HASH: self.part.count(Group(_HASH)) - self.written.nodes})

    def nodes(self, group: Group) -> None:
        """Write the nodes of a label."""
        label = group.start
        if label in {_HASH, _REPORT, _NOTE}:
            return
        for rows in self.part.rows(group):
            for key, known in zip(rows.keys[0], rows.dicts(), strict=True):
                if (id_ := identifier(label, key)) is None:
                    self.written.left_out[label] += 1
                    continue
                self.written.nodes += 1
                node = NodeRef(label, key)
                if label in OBSERVABLES:
                    looked_for = pattern(label, key) if node in self.verdicts else None
                    self._thing(id_, OBSERVABLES[label][1](key, known), known, [node], looked_for)
                else:
                    self.put(self._object(id_, OBJECTS[label][1](key, known), known, [node]))

    def relationships(self, group: Group) -> None:
        """Write the relationships of a group that are not told by another object."""
        if group.type in {schema.SAME_FILE.type, schema.ABOUT.type, *_NAMING}:
            self.written.relationships += self.part.count(group) if group.type == schema.SAME_FILE.type else 0
            return
        many = self.part.count(group)
        left = many
        if all(map(has_place, group.labels)):
            left = 0
            standard = "belongs-to" if group.type == schema.ANNOUNCED_BY.type else _STANDARD.get(group.type, _ANY)
            for rows in cliques.rows(self.part, group):
                for start, end, known in zip(*rows.keys, rows.dicts(), strict=True):
                    source, target = identifier(group.start, start), identifier(group.end, end)
                    if source is None or target is None:
                        left += 1
                    else:
                        self._relationship(standard, group.type, source, target, known)
        self.written.relationships += many - left
        self.written.left_out += Counter({group.type: left})

    def _relationship(self, standard: str, type_: str, source: str, target: str, known: Json) -> None:
        ours = type_.lower().replace("_", "-")
        made: Json = {"type": "relationship", "relationship_type": standard, "labels": [ours]}
        made |= {"source_ref": source, "target_ref": target}
        first, last = known.get("first_seen"), known.get("last_seen")
        made |= {"start_time": first} if first else {}
        made |= {"stop_time": last} if last and last > (first or "") else {}
        made |= {"confidence": max(0, min(known["confidence"], _SURE))} if "confidence" in known else {}
        levels = [self.levels[each] for each in (source, target) if each in self.levels]
        strictest = {"tags": [tlp.PREFIX + max(levels, key=tlp.LEVELS.index)]} if levels else {}
        self.put(self._object(own("relationship", ours, source, target), made, known | strictest))

    def reports(self) -> None:
        """Write the reports, each with what it names."""
        group = Group(_REPORT)
        if _REPORT not in self.labels:
            return
        named = self._named()
        report, refs = next(named, ("", []))
        for rows in self.part.rows(group):
            for key, known in zip(rows.keys[0], rows.dicts(), strict=True):
                while report and report.encode() < key.encode():
                    report, refs = next(named, ("", []))
                made: Json = {"type": "report", "name": known.get("title") or key}
                made["published"] = known.get("created") or known["fetched_at"]
                made["object_refs"] = refs if report == key and refs else [_TOOL]  # a report must have one
                link = {"url": key} if "://" in key else {}
                made["external_references"] = [{"source_name": "intel-grapher", "external_id": key, **link}]
                self.put(self._object(own("report", key), made, known, [NodeRef(_REPORT, key)]))
            self.written.add(rows)

    def _named(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each report that names something, with the identifiers of that, in the order of the reports."""
        parts = []
        for group in self.part.relationships():
            if group.type in _NAMING:
                self.written.relationships += self.part.count(group)
                parts.append(self._naming(group))
        if not parts:
            return
        report, refs = "", dict[str, None]()
        for batch in self.part.query(f"SELECT * FROM ({' UNION '.join(parts)}) ORDER BY ALL"):
            for key, label, other in zip(*batch, strict=True):
                if key != report and report:
                    yield report, list(refs)
                    refs = {}
                report = key
                if (id_ := identifier(label, other)) is not None:
                    refs[id_] = None
        yield report, list(refs)

    def _naming(self, group: Group) -> str:
        """Return the SQL of what the reports of a group name: report, label, key."""
        report, other = ("end", "start") if group.end == _REPORT else ("start", "end")
        label = group.start if group.end == _REPORT else group.end
        key, join = f'r."{other}"', ""
        if label == _HASH:
            key, join = "d.file", f'JOIN digests d ON d.value = r."{other}"'
        return (
            f'SELECT r."{report}" AS report, {literal(label)} AS label, {key} AS key '
            f"FROM {self.part.relation(group)} r {join}"
        )

    def notes(self) -> None:
        """Write what analysts say of nodes, but for the verdicts that made indicators."""
        if _NOTE not in self.labels:
            return
        self.written.nodes += self.part.count(Group(_NOTE))
        for group in self.part.groups(type_=schema.ABOUT.type):
            key, join = 'r."end"', ""
            if group.end == _HASH:
                key, join = "d.file", 'JOIN digests d ON d.value = r."end"'
            query = (
                f"SELECT n.id, {key}, coalesce(n.author, ''), n.text, n.tag, n.verdict, "
                f"strftime(make_timestamp(epoch_us(n.fetched_at)), {literal(MOMENT)}) "
                f"FROM {self.part.relation(group)} r {join} JOIN {self.part.relation(Group(_NOTE))} n "
                "ON r.start = n.id ORDER BY n.id"
            )
            many = self.part.count(group)
            if not has_place(group.end):
                self.written.left_out[group.type] += many
                continue
            self.written.relationships += many
            for id_, about, author, text, tag, verdict, at in self.part.connection.execute(query).fetchall():
                target = identifier(group.end, about)
                if target is None or verdict in _VERDICTS:
                    continue
                content = text or (f"tag: {tag}" if tag else f"verdict: {verdict}")
                made: Json = {"type": "note", "content": content} | ({"authors": [author]} if author else {})
                made["object_refs"] = [target]
                strictest = {"tags": [tlp.PREFIX + self.levels[target]]} if target in self.levels else {}
                self.put(self._object(own("note", id_, target), made, {"fetched_at": at} | strictest))

    def _thing(self, id_: str, members: Json, known: Json, nodes: list[NodeRef], looked_for: str | None) -> None:
        """Write an observable, when it was seen, and what a verdict makes of it."""
        marked = self._marked(id_, known, nodes)
        self.put(_observable(id_, members) | marked)
        tags = sorted({*known.get("tags", ()), *(tag for node in nodes for tag in self.tags.get(node, ()))})
        first, last = known.get("first_seen"), known.get("last_seen")
        observed = own("observed-data", id_)
        if first or last or tags or self._verdict(nodes):
            when = first or last or known["fetched_at"]
            made: Json = {"type": "observed-data", "first_observed": when, "last_observed": last or when}
            made |= {"number_observed": 1, "object_refs": [id_]} | ({"labels": tags} if tags else {})
            self.put(self._object(observed, made, known, nodes))
        if looked_for:
            self._indicator(id_, observed, known, nodes, looked_for)

    def _indicator(self, id_: str, observed: str, known: Json, nodes: list[NodeRef], looked_for: str) -> None:
        """Write the indicator that a verdict makes, what it rests on, and that sources have seen the thing."""
        verdict = self._verdict(nodes)
        if verdict is None or verdict.verdict not in _VERDICTS:
            return
        at = {"fetched_at": verdict.at}
        indicator = own("indicator", id_)
        made: Json = {"type": "indicator", "name": nodes[0].key, "pattern": looked_for, "pattern_type": "stix"}
        made |= {"valid_from": verdict.at, "indicator_types": [_VERDICTS[verdict.verdict]]}
        made |= {"description": f"{verdict.verdict}, says {verdict.author}"}
        self.put(self._object(indicator, made, at, nodes))
        based: Json = {"type": "relationship", "relationship_type": "based-on"}
        based |= {"source_ref": indicator, "target_ref": observed}
        self.put(self._object(own("relationship", "based-on", indicator, observed), based, at, nodes))
        by = [own("identity", "source", each) for each in known.get("sources", ()) if each != _ANALYST]
        if by:
            seen: Json = {"type": "sighting", "sighting_of_ref": indicator, "where_sighted_refs": by}
            seen |= {name: known[name] for name in ("first_seen", "last_seen") if name in known}
            seen["observed_data_refs"] = [observed]
            self.put(self._object(own("sighting", id_), seen, known, nodes))

    def _verdict(self, nodes: list[NodeRef]) -> markings.NodeVerdict | None:
        """Return the newest verdict on any of some nodes."""
        found = [self.verdicts[node] for node in nodes if node in self.verdicts]
        return max(found, key=lambda each: (each.at, each.note), default=None)

    def _object(self, id_: str, members: Json, known: Json, nodes: list[NodeRef] | None = None) -> Json:
        """Return an object with what all objects but observables have: who made it, when, who says so, its marking."""
        fetched = known.get("fetched_at") or _BEGUN
        created = min(known.get("first_seen") or fetched, fetched)
        made: Json = {"type": members["type"], "spec_version": "2.1", "id": id_, "created_by_ref": _TOOL}
        made |= {"created": _exact(created), "modified": _exact(fetched)} | members
        told = [{"source_name": each, "description": "tells of it"} for each in known.get("sources", ())]
        if told:
            made["external_references"] = [*members.get("external_references", ()), *told]
        return made | self._marked(id_, known, nodes or [])

    def _marked(self, id_: str, known: Json, nodes: list[NodeRef]) -> Json:
        """Return the reference to an object's marking, if it has one, and note that."""
        tags = [*known.get("tags", ()), *(tag for node in nodes for tag in self.tags.get(node, ()))]
        level = markings.level(tags)
        if level is None:
            return {}
        self.levels[id_] = level
        return {"object_marking_refs": [f"marking-definition--{MARKINGS[level]}"]}

    def _sources(self) -> list[str]:
        """Return all sources of the part's rows, sorted."""
        parts = [f"SELECT unnest(sources) AS source FROM {self.part.relation(group)}" for group in self.part.groups()]
        query = f"SELECT DISTINCT source FROM ({' UNION '.join(parts)}) ORDER BY source"
        return [source for (source,) in self.part.connection.execute(query).fetchall()] if parts else []

    def _addresses_of_services(self) -> Iterator[str]:
        """Yield the addresses that services refer to and that are no nodes of the part."""
        if labels.SERVICE.name not in self.labels:
            return
        services = self.part.relation(Group(labels.SERVICE.name))
        query = f"SELECT DISTINCT regexp_replace(name, '{_PORT}', '\\1') AS address FROM {services}"
        if labels.IP_ADDRESS.name in self.labels:
            query += f" EXCEPT SELECT address FROM {self.part.relation(Group(labels.IP_ADDRESS.name))}"
        for (found,) in self.part.query(f"SELECT address FROM ({query}) ORDER BY address"):
            yield from found


def _observable(id_: str, members: Json) -> Json:
    return {"type": members["type"], "spec_version": "2.1", "id": id_} | members


def _identity(id_: str, name: str, class_: str) -> Json:
    made = {"type": "identity", "spec_version": "2.1", "id": id_, "created": _BEGUN, "modified": _BEGUN}
    return made | {"name": name, "identity_class": class_}


def _marking(level: str, id_: str) -> Json:
    """Return the definition of a marking, as the standard has it."""
    made: Json = {"type": "marking-definition", "spec_version": "2.1", "id": f"marking-definition--{id_}"}
    if level == "amber+strict":
        made |= {"created": "2022-10-01T00:00:00.000Z", "name": "TLP:AMBER+STRICT"}
        return made | {"extensions": {_TLP_2: {"extension_type": "property-extension", "tlp_2_0": level}}}
    word = "white" if level == "clear" else level
    made |= {"created": "2017-01-20T00:00:00.000Z", "definition_type": "tlp", "name": f"TLP:{word.upper()}"}
    return made | {"definition": {"tlp": word}}


def _exact(moment: str) -> str:
    """Return a moment with milliseconds, as `created` and `modified` have."""
    return moment if "." in moment else f"{moment[:-1]}.000Z"


_LABELS: Final = frozenset({*OBSERVABLES, *OBJECTS, _HASH})
_NAMED_BY: Final = frozenset({schema.CITES, schema.CONCERNS, schema.BLAMES})
_TYPES: Final = frozenset(
    each.type
    for each in schema.RELATIONSHIPS.values()
    if each in _NAMED_BY or {label.name for label in (*each.start.labels, *each.end.labels)} <= _LABELS
) - {schema.ON.type}
"""Relationships that come back. What a URL is on is told by the URL; what reports name, by other dates."""


format = Format(
    name="stix",
    title="STIX 2.1",
    suffix=".stix.json",
    doc=(
        "One bundle: observables with the standard's identifiers, what was seen when and by whom, relationships, "
        "reports, notes; a verdict makes an indicator."
    ),
    write=write,
    used_by="OpenCTI, MISP, TAXII servers, SIEMs",
    checked_by="stix2-validator, stix2",
    back=Back(
        source="stix",
        endpoint="bundle",
        labels=_LABELS,
        types=_TYPES,
        dated=_TYPES,
        but="names with an underscore, which are no host names; certificates without a fingerprint",
        has_place=comes_back,
    ),
)
