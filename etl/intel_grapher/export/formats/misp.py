"""A MISP event: attributes, objects, references between them, tags.

- Names, addresses, URLs and their like are attributes. What a relationship says with its dates is an object: a name and
  its address a `domain-ip`, a record a `dns-record`. Digests of one file are one `file` object.
- What a file contacts, drops or is called is a reference.
- `to_ids` is set by an analyst's verdict, malicious or suspicious, and by nothing else.
- Tags are tags, `tlp:…` among them; the event has the strictest. Notes and sources are comments.

An attribute or object has a UUID that is derived from the event's and from what it is: MISP refuses one that another of
its events has. The event's own is derived from what is in it, unless the settings name one that is to be updated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import msgspec

from intel_grapher import labels, schema, tlp
from intel_grapher.export import cliques, markings
from intel_grapher.export.format import Back, Format, Settings, Written
from intel_grapher.export.formats._misp_objects import (
    ATTRIBUTES,
    CATEGORIES,
    FILE,
    IMPLIED,
    OBJECTS,
    REFERENCES,
    ROWS,
    TEMPLATES,
    Json,
    Parts,
    certificate,
    row_template,
    service,
    uuid,
)
from intel_grapher.export.part import MOMENT, Part
from intel_grapher.files import Group
from intel_grapher.model import NodeRef
from intel_grapher.sql import literal

_HASH: Final = labels.HASH.name
_REPORT: Final = labels.REPORT.name
_NOTE: Final = labels.NOTE.name
_DAY: Final = len("2026-01-31")
_ALGORITHMS: Final = {name: name.lower().replace("-", "") for name in cliques.ALGORITHMS.values()}


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write one event."""
    event = _EventWriter(part, out, settings)
    event.begin(settings.title)
    event.attributes()
    event.out.write(b'\n],"Object":[')
    event.first = True
    event.files()
    event.malware()
    event.certificates()
    event.services()
    for group in part.relationships():
        event.relationships(group)
    event.out.write(b"\n]}}\n")
    return event.written


class _EventWriter:
    """An event that is being written."""

    def __init__(self, part: Part, out: BinaryIO, settings: Settings) -> None:
        self.part = part
        self.out = out
        self.id = settings.event or self._derived(settings.title)
        self.written = Written()
        self.labels = part.labels()
        self.verdicts = markings.verdicts(part)
        self.tags = markings.tags(part)
        self.notes = _notes(part)
        self.first = True
        self.encoder = msgspec.json.Encoder()

    def begin(self, title: str) -> None:
        """Write the head of the event."""
        last = self._last()
        level = markings.strictest(self.part)
        head: Json = {"uuid": self.id, "info": title, "date": last[:_DAY]}
        head |= {"threat_level_id": "4", "analysis": "1", "distribution": "0", "published": False}
        head |= {"Tag": [{"name": f"{tlp.PREFIX}{level}"}] if level else []}
        self.out.write(b'{"Event":' + self.encoder.encode(head)[:-1] + b',"Attribute":[')

    def _derived(self, title: str) -> str:
        """Return the UUID of an event that nobody has named: by its title and what is in it."""
        content = [f"{group}:{content.rows}:{content.checksum}" for group, content in self.part.manifest.groups()]
        some = [] if self.part.is_whole() else [f"{group}={self.part.count(group)}" for group in self.part.groups()]
        return uuid("event", title, *content, *some)

    def _uuid(self, *names: str) -> str:
        """Return the UUID of a part of the event, by what it is; of a node by its label and key."""
        return uuid(self.id, *names)

    def put(self, made: Json) -> None:
        """Write an attribute or an object."""
        self.out.write((b"\n" if self.first else b",\n") + self.encoder.encode(made))
        self.first = False

    def attributes(self) -> None:
        """Write the nodes that are attributes, and count those that have no place in an event."""
        for group in self.part.nodes():
            label = group.start
            if label in ATTRIBUTES or label == _REPORT:
                for rows in self.part.rows(group):
                    for key, known in zip(rows.keys[0], rows.dicts(), strict=True):
                        self._attribute(label, key, known)
            elif label == _NOTE:
                self.written.nodes += self.part.count(group)
            elif label not in OBJECTS and label != labels.SERVICE.name:
                self.written.left_out[label] += self.part.count(group)

    def _attribute(self, label: str, key: str, known: Json) -> None:
        if label == _REPORT and "://" not in key:
            self.written.left_out[label] += 1
            return
        self.written.nodes += 1
        type_ = "link" if label == _REPORT else ATTRIBUTES[label]
        made: Json = {"uuid": self._uuid(label, key), "type": type_, "category": CATEGORIES[type_], "value": key}
        self.put(made | self._told([NodeRef(label, key)], known) | {"to_ids": self._is_bad([NodeRef(label, key)])})

    def files(self) -> None:
        """Write the files, each with what it refers to."""
        if not cliques.make(self.part):
            return
        refers = self._references(_HASH)
        holder, references = next(refers, ("", []))
        for digest, file in cliques.files(self.part):
            while holder and _order(holder) < _order(digest):
                holder, references = next(refers, ("", []))
            nodes = [NodeRef(_HASH, each) for each in file.digests.values()]
            known = file.properties
            bad = self._is_bad(nodes)
            parts: Parts = [(_ALGORITHMS[name], _ALGORITHMS[name], each) for name, each in file.digests.items()]
            parts += [(*FILE[name], str(known[name])) for name in FILE if known.get(name) not in {None, ""}]
            parts += [("filename", "filename", each) for each in known.get("names", ())]
            told = references if holder == digest else []
            self._object("file", self._uuid(_HASH, digest), parts, self._told(nodes, known), told, bad=bad)
            self.written.nodes += len(nodes)

    def malware(self) -> None:
        """Write the malware, each with what indicates it."""
        label = labels.MALWARE.name
        if label not in self.labels:
            return
        refers = self._references(label)
        holder, references = next(refers, ("", []))
        for rows in self.part.rows(Group(label)):
            for key, known in zip(rows.keys[0], rows.dicts(), strict=True):
                while holder and _order(holder) < _order(key):
                    holder, references = next(refers, ("", []))
                parts: Parts = [("name", "text", key), ("is_family", "boolean", "1")]
                parts += [("alias", "text", each) for each in known.get("aliases", ())]
                told = references if holder == key else []
                self._object("malware", self._uuid(label, key), parts, self._told([NodeRef(label, key)], known), told)
            self.written.add(rows)

    def certificates(self) -> None:
        """Write the certificates, each with the names that it is for."""
        label = labels.CERTIFICATE.name
        if label not in self.labels:
            return
        named = self._grouped(
            f"SELECT start AS holder, coalesce(wildcard, \"end\") AS other, '' AS label, '' AS how FROM "
            f"{self.part.relation(group)}"
            for group in self.part.groups(type_=schema.NAMES.type)
        )
        holder, names = next(named, ("", []))
        for rows in self.part.rows(Group(label)):
            for key, known in zip(rows.keys[0], rows.dicts(), strict=True):
                while holder and _order(holder) < _order(key):
                    holder, names = next(named, ("", []))
                parts = certificate(key, known)
                if not parts:
                    self.written.left_out[label] += 1
                    continue
                if holder == key:
                    parts += [("dns_names", "hostname", each) for each, _, _ in names]
                node = NodeRef(label, key)
                told = self._told([node], known)
                self._object("x509", self._uuid(label, key), parts, told, bad=self._is_bad([node]))
                self.written.nodes += 1

    def services(self) -> None:
        """Write the ports that answer."""
        label = labels.SERVICE.name
        if label not in self.labels:
            return
        for rows in self.part.rows(Group(label)):
            for key, known in zip(rows.keys[0], rows.dicts(), strict=True):
                node = NodeRef(label, key)
                told = self._told([node], known)
                self._object("ip-port", self._uuid(label, key), service(key), told, bad=self._is_bad([node]))
            self.written.add(rows)

    def relationships(self, group: Group) -> None:
        """Write the rows of a group that are objects of their own, and count those that have no place in an event."""
        type_ = group.type
        if type_ in ROWS and (type_ not in IMPLIED or group.end == labels.IP_ADDRESS.name):
            template = row_template(group)
            for rows in self.part.rows(group):
                for start, end, known in zip(*rows.keys, rows.dicts(), strict=True):
                    id_ = self._uuid(str(group), start, end)
                    self._object(template, id_, ROWS[type_][1](start, end, group), self._told([], known))
                self.written.add(rows)
        elif type_ in REFERENCES or type_ in IMPLIED or type_ in {schema.NAMES.type, schema.ABOUT.type}:
            self.written.relationships += self.part.count(group)
        else:
            self.written.left_out[type_] += self.part.count(group)

    def _object(
        self,
        template: str,
        id_: str,
        parts: Parts,
        told: Json,
        references: Iterable[tuple[str, str, str]] = (),
        *,
        bad: bool = False,
    ) -> None:
        """Write an object. Its attributes are of `parts`; `told` has dates, comment and tags."""
        known = TEMPLATES[template]
        made: Json = {"uuid": id_, "name": template, "meta-category": known.category, "template_uuid": known.uuid}
        made |= {"template_version": str(known.version)} | {name: told[name] for name in told if name != "Tag"}
        tags = {"Tag": told["Tag"]} if "Tag" in told else {}
        made["Attribute"] = [
            {
                "uuid": self._uuid(id_, relation, value),
                "object_relation": relation,
                "type": type_,
                "category": CATEGORIES.get(type_, "Other"),
                "value": value,
                "to_ids": bad and type_ not in _NEVER,
                **(tags if not place else {}),
            }
            for place, (relation, type_, value) in enumerate(parts)
        ]
        if references:
            made["ObjectReference"] = [
                {
                    "uuid": self._uuid(id_, how, label, key),
                    "object_uuid": id_,
                    "referenced_uuid": self._uuid(label, key),
                    "relationship_type": how,
                }
                for key, label, how in references
            ]
        self.put(made)

    def _told(self, nodes: list[NodeRef], known: Json) -> Json:
        """Return dates, comment and tags of some nodes that are one, or of a relationship."""
        first, last = known.get("first_seen"), known.get("last_seen")
        told: Json = {name: at for name, at in (("first_seen", first), ("last_seen", last)) if at}
        words = [text for node in nodes for text in self.notes.get(node, ())]
        words += [f"told by {', '.join(known['sources'])}"] if "sources" in known else []
        told |= {"comment": "\n".join(words)} if words else {}
        tags = sorted({*known.get("tags", ()), *(tag for node in nodes for tag in self.tags.get(node, ()))})
        return told | ({"Tag": [{"name": each} for each in tags]} if tags else {})

    def _is_bad(self, nodes: list[NodeRef]) -> bool:
        """Tell whether the newest verdict on any of some nodes that are one calls it malicious or suspicious."""
        found = [self.verdicts[node] for node in nodes if node in self.verdicts]
        newest = max(found, key=lambda each: (each.at, each.note), default=None)
        return newest is not None and newest.verdict in markings.MALICIOUS

    def _references(self, holder: str) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
        """Yield each object of a label that refers to others, with these (key, label, how), in the objects' order."""
        parts = []
        for group in self.part.relationships():
            end, how = REFERENCES.get(group.type, ("", ""))
            if not end or (group.start if end == "start" else group.end) != holder:
                continue
            other = "end" if end == "start" else "start"
            label = group.end if end == "start" else group.start
            columns, joins = [], []
            for name, of in ((end, holder), (other, label)):
                columns.append(f"d_{name}.file" if of == _HASH else f'r."{name}"')
                joins.append(f'JOIN digests d_{name} ON d_{name}.value = r."{name}"' if of == _HASH else "")
            parts.append(
                f"SELECT {columns[0]} AS holder, {columns[1]} AS other, {literal(label)} AS label, "
                f"{literal(how)} AS how FROM {self.part.relation(group)} r {' '.join(joins)}"
            )
        yield from self._grouped(parts)

    def _grouped(self, parts: Iterable[str]) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
        """Yield each holder with its others, in the order of the holders."""
        query = " UNION ".join(parts)
        if not query:
            return
        holder, found = "", list[tuple[str, str, str]]()
        for batch in self.part.query(f"SELECT holder, other, label, how FROM ({query}) ORDER BY ALL"):
            for key, *rest in zip(*batch, strict=True):
                if key != holder and holder:
                    yield holder, found
                    found = []
                holder = key
                found.append((rest[0], rest[1], rest[2]))
        if holder:
            yield holder, found

    def _last(self) -> str:
        """Return when a source last said anything of a node of the part."""
        parts = [f"SELECT max(fetched_at) AS moment FROM {self.part.relation(group)}" for group in self.part.nodes()]
        if not parts:
            return "1970-01-01"
        query = (
            f"SELECT strftime(make_timestamp(epoch_us(max(moment))), {literal(MOMENT)}) FROM ({' UNION '.join(parts)})"
        )
        return str(self.part.connection.execute(query).fetchall()[0][0] or "1970-01-01")


_NEVER: Final = frozenset({"text", "boolean", "datetime", "port", "size-in-bytes", "mime-type", "filename"})
"""Types of attributes that name nothing that one could look for, whatever the verdict on what they are part of."""


def _order(key: str) -> bytes:
    return key.encode()


def _notes(part: Part) -> dict[NodeRef, list[str]]:
    """Return the texts of analysts' notes about each node, the oldest first, with their authors."""
    found: dict[NodeRef, list[str]] = {}
    for group in part.groups(type_=schema.ABOUT.type) if _NOTE in part.labels() else []:
        rows = part.connection.execute(
            f"SELECT a.\"end\", coalesce(n.author, ''), n.text FROM {part.relation(group)} a "
            f"JOIN {part.relation(Group(_NOTE))} n ON a.start = n.id WHERE n.text IS NOT NULL "
            "ORDER BY n.fetched_at, n.id"
        ).fetchall()
        for key, author, text in rows:
            found.setdefault(NodeRef(group.end, key), []).append(f"{author}: {text}" if author else text)
    return found


format = Format(
    name="misp",
    title="MISP event",
    suffix=".misp.json",
    doc=(
        "One event: attributes, objects with dates, references, tags; `to_ids` by an analyst's verdict and by nothing "
        "else."
    ),
    write=write,
    used_by="MISP, PyMISP",
    checked_by="pymisp and its templates",
    back=Back(
        source="misp",
        endpoint="event",
        labels=frozenset(ATTRIBUTES) - {labels.NETWORK.name} | {_HASH, labels.SERVICE.name},
        types=frozenset({*ROWS, *REFERENCES, schema.SAME_FILE.type, schema.EXPOSES.type}) - {schema.ON.type},
        dated=frozenset(ROWS) - {schema.ON.type, schema.OWNS.type, schema.REGISTERED_TO.type},
    ),
)
