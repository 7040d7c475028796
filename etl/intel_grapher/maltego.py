"""Local transforms of Maltego: entities from the graph, and look-ups that are planned and kept.

Maltego starts a program for each run of a transform. It gives an entity's value as an argument and its fields as
another, `name=value#name=value`, and reads a message in XML from standard output. The package `maltego-trx`, Maltego's
own, reads the one and writes the other; it comes with `intel-grapher[maltego]`.

An entity that we make has the node that it stands for in the field NODE, so that the next transform starts from that
very node. Else the value tells. Texts are escaped, since Maltego shows them as HTML.
"""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Final, NamedTuple

from intel_grapher import keys, schema
from intel_grapher.ask import Graph, find
from intel_grapher.ask.named import nodes_named
from intel_grapher.ask.saved import Saved
from intel_grapher.cards.known import known_node
from intel_grapher.errors import BadValue, UsageError
from intel_grapher.export.formats.maltego import entity
from intel_grapher.fetch.plan import Plan
from intel_grapher.model import NodeRef

NODE: Final = "intel-grapher.node"
"""The field with the label and the key of the node that an entity stands for, as LABEL:KEY."""
LIMIT: Final = 100
"""Neighbours of a kind, or rows, that a run gives at most."""
ANY: Final = "maltego.Unknown"
"""The type of entity that all others are derived from."""
SET: Final = "intel-grapher"
AROUND, PLAN, ASK, QUERY = "around", "plan", "ask", "query"
_INFORM, _FATAL = "Inform", "FatalError"
_SPLIT: Final = re.compile(r"(?<!\\)(?:\\\\)*#")
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# A value of each type of entity, to learn which of them a saved query takes.
_EXAMPLES: Final = {
    "maltego.Domain": "example.com",
    "maltego.DNSName": "www.example.com",
    "maltego.IPv4Address": "192.0.2.1",
    "maltego.EmailAddress": "a@example.com",
    "maltego.Hash": "0" * 64,
}


class GivenEntity(NamedTuple):
    """An entity as Maltego gives it: its value, and its fields by name."""

    value: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class LocalTransform:
    """A transform: its name in Maltego, what it is called there, what it does, the entities that it takes.

    `words` are the arguments of `intel-grapher maltego` that run it.
    """

    name: str
    title: str
    doc: str
    takes: str
    words: tuple[str, ...]


class Response:
    """What goes back to Maltego. Raises UsageError where `maltego-trx` is not installed."""

    def __init__(self) -> None:
        self._made: Any = _trx("maltego").MaltegoTransform()

    def add(self, node: NodeRef, link: str, *, backwards: bool = False, told: Mapping[str, str] | None = None) -> None:
        """Add the entity of a node, with what the link to it says; `told` is shown beside the link."""
        made = self._made.addEntity(entity(node.label, node.key), _clean(node.key))
        made.addProperty(NODE, "Node of intel-grapher", "loose", _clean(f"{node.label}:{node.key}"))
        made.setLinkLabel(_clean(link))
        if backwards:
            made.reverseLink()
        for name, value in (told or {}).items():
            made.addCustomLinkProperty(f"intel-grapher.{name}", name.replace("_", " "), _clean(value))
        lines = [link, *(f"{name.replace('_', ' ')}: {value}" for name, value in (told or {}).items())]
        made.addDisplayInformation("<br/>".join(html.escape(_clean(line)) for line in lines), SET)

    def say(self, text: str) -> None:
        """Add a message that Maltego shows in its output window."""
        self._made.addUIMessage(_clean(text), _INFORM)

    def fail(self, text: str) -> None:
        """Add a message that Maltego shows as an error."""
        self._made.addUIMessage(_clean(text), _FATAL)

    def text(self) -> str:
        """Return the message for Maltego."""
        return str(self._made.returnOutput())


def given(value: str, fields: str) -> GivenEntity:
    """Return the entity of the arguments that Maltego appends. Fields that are none are passed over."""
    whole = "#".join(each for each in _split(fields) if "=" in each)
    read: Any = _trx("maltego").MaltegoMsg(LocalArgs=[value, whole] if whole else [value])
    return GivenEntity(str(read.Value), {str(name): str(each) for name, each in read.Properties.items()})


def _split(fields: str) -> list[str]:
    """Return the fields of an argument, each still escaped: a # with a backslash before it belongs to a value."""
    found, start = [], 0
    for match in _SPLIT.finditer(fields):
        found.append(fields[start : match.end() - 1])
        start = match.end()
    return [*found, fields[start:]]


def node_of(graph: Graph, entity_: GivenEntity) -> NodeRef:
    """Return the node that an entity stands for. Raises NotFoundError, or UsageError for what can be none."""
    return find.find(graph, entity_.fields.get(NODE) or entity_.value)


def indicator_of(entity_: GivenEntity) -> tuple[str, str]:
    """Return the kind and the key of what sources can be asked about. Raises UsageError for another entity."""
    label, colon, key = entity_.fields.get(NODE, "").partition(":")
    text = key if colon and label in schema.LABELS else entity_.value
    try:
        return keys.detect(text)
    except BadValue as wrong:
        raise UsageError(f"no source can be asked about {text[: find.SHOWN]!r}: {wrong.reason}") from wrong


def around(graph: Graph, node: NodeRef, response: Response, limit: int = LIMIT) -> None:
    """Add what the graph has around a node, the judgement on it, and how much was left out."""
    known = known_node(graph, node, limit=limit)
    for each in known.neighbours:
        other = NodeRef(each.label, each.key)
        told = {name: _flat(value) for name, value in each.properties.items() if value not in (None, "", [])}
        if title := known.titles.get(other):
            told = {"title": title, **told}
        response.add(other, each.type, backwards=each.direction == "<-", told=told)
    response.say(f"{node.label} {node.key}: {known.judgement.word}")
    for why in known.judgement.why:
        by = f" ({', '.join(why.sources)})" if why.sources else ""
        response.say(f"{why.word}: {why.text}{by}")
    for note in (*known.verdicts, *known.remarks):
        response.say(f"{note.name} by {', '.join(note.sources)}: {note.value}")
    for (type_, direction, label), count in known.counts.items():
        if count > limit:
            response.say(f"the first {limit} of {count:,}: {type_} {direction} {label}")


def tell_plan(plan: Plan, response: Response) -> None:
    """Add what a look-up would ask, whom, and who can't be asked."""
    asked = [f"{name} {part.to_ask}" for name, part in plan.sources.items() if part.to_ask]
    cached = sum(part.cached for part in plan.sources.values())
    lacking = [name for name, part in plan.sources.items() if part.needs_key]
    response.say(f"{plan.requests} requests: {', '.join(asked) or 'none'}; {cached} answers are kept already")
    if lacking:
        response.say(f"not asked, their keys are missing: {', '.join(lacking)}")


def rows_of(graph: Graph, query: Saved, entity_: GivenEntity, response: Response, limit: int = LIMIT) -> None:
    """Add the nodes that a saved query names for an entity. Raises UsageError where it does not take it."""
    name = _wanted(query)
    if name is None:
        raise UsageError(f"{query.name} is not about one thing: `intel-grapher query --saved {query.name}` runs it")
    _, colon, key = entity_.fields.get(NODE, "").partition(":")
    values = query.values({name: key if colon else entity_.value})
    answer = graph.query(query.text(graph), values, limit=limit)
    named = list(answer.nodes) or nodes_named(answer.columns, answer.rows)
    for each in dict.fromkeys(named):
        response.add(each, query.name)
    response.say(f"{query.name}: {len(answer.rows)} rows" + (", the first alone" if answer.cut else ""))


def transforms(queries: Iterable[Saved]) -> list[LocalTransform]:
    """Return all transforms: those about any entity, and a saved query for each type of entity that it takes."""
    found = [
        LocalTransform(
            f"intelgrapher.{AROUND}",
            "To what is known [intel-grapher]",
            "What the graph has around it.",
            ANY,
            (AROUND,),
        ),
        LocalTransform(
            f"intelgrapher.{PLAN}",
            "What asking would cost [intel-grapher]",
            "Which sources would be asked, and how often. Asks nothing.",
            ANY,
            (PLAN,),
        ),
        LocalTransform(
            f"intelgrapher.{ASK}",
            "Ask the sources [intel-grapher]",
            "Ask what is not kept yet, and show what the graph then has.",
            ANY,
            (ASK,),
        ),
    ]
    for query in queries:
        for type_ in _types(query):
            of = type_.rpartition(".")[2]
            found.append(
                LocalTransform(
                    f"intelgrapher.{QUERY}.{query.name}.{of}",
                    f"{query.name} [intel-grapher]",
                    query.doc,
                    type_,
                    (QUERY, query.name),
                )
            )
    return found


def _types(query: Saved) -> list[str]:
    """Return the types of entities that a saved query takes as the one value that it needs."""
    name = _wanted(query)
    if name is None:
        return []
    takes = next(each.value for each in query.parameters if each.name == name)
    fit = [type_ for type_, example in _EXAMPLES.items() if _takes(takes, example)]
    return [ANY] if len(fit) == len(_EXAMPLES) else fit


def _takes(value: Callable[[str], object], example: str) -> bool:
    try:
        value(example)
    except (BadValue, ValueError):
        return False
    return True


def _wanted(query: Saved) -> str | None:
    """Return the parameter that a saved query needs, if it is one."""
    wanted = [each.name for each in query.parameters if each.default is None]
    return wanted[0] if len(wanted) == 1 else None


def write_mtz(
    out: BinaryIO, made: Sequence[LocalTransform], folder: Path, program: Path, before: Sequence[str]
) -> None:
    """Write a file that Maltego imports (Import Configuration): all transforms, as local ones.

    `program` is what Maltego starts in `folder`, with the words `before` and then those of the transform.
    """
    mtz = _trx("mtz")
    parts = {"Servers/Local.tas": mtz.create_local_server_xml([each.name for each in made])}
    for each in made:
        place = f"TransformRepositories/Local/{each.name}"
        parameters = " ".join([*before, "maltego", *each.words, "--"])
        parts[f"{place}.transform"] = mtz.create_transform_xml(each.name, each.title, each.doc, each.takes, SET)
        parts[f"{place}.transformsettings"] = mtz.create_settings_xml(
            str(folder), str(program), parameters, debug=False
        )
    parts[f"TransformSets/{SET}.set"] = mtz.create_transform_set_xml(
        SET, "The graph of intel-grapher, and its sources", [each.name for each in made]
    )
    serialize = _trx("utils").serialize_xml
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, serialize(content))


def _trx(name: str) -> ModuleType:
    """Return a module of maltego-trx. Raises UsageError where that is not installed."""
    try:
        return import_module(f"maltego_trx.{name}")
    except ImportError as error:
        raise UsageError("Maltego's transforms need a package: pip install 'intel-grapher[maltego]'") from error


def _flat(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _clean(text: str) -> str:
    """Return a text without characters that XML can't hold."""
    return _NOT_XML.sub("\ufffd", text)
