"""The parts of the docs that are printed from the code. cog puts them into the pages; `make check` finds stale ones."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ |= {"TYPER_USE_RICH": "0", "COLUMNS": "100", "NO_COLOR": "1"}  # help is then the same on every machine

import typer
import typer.core
from typer.testing import CliRunner

from intel_grapher import api, keys, schema, settings
from intel_grapher import labels as node_labels
from intel_grapher.cache import Cache
from intel_grapher.cli import app
from intel_grapher.export import format as exports
from intel_grapher.files import Group
from intel_grapher.model import Property
from intel_grapher.registry import Registry
from intel_grapher.source import DAYS, HOURS, MINUTES, MONTHS, Rate, Source
from intel_grapher.transform.coverage import coverage

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
COMMAND = "intel-grapher"
PERIODS = {
    1.0: "a second",
    MINUTES: "a minute",
    HOURS: "an hour",
    DAYS: "a day",
    7 * DAYS: "a week",
    MONTHS: "a month",
}
"""How a period in seconds reads after "15,500 requests"."""
REGISTRY = Registry.installed()


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


# --- docs/exchange.md -------------------------------------------------------------------------------------------------


def formats() -> str:
    """Return the table of the formats that a graph goes out in."""
    columns = ("format", "file", "what is in it", "read by", "checked by")
    rows = [
        [f"**{it.title}** `{it.name}`", f"`{it.suffix}`", it.doc, it.used_by, it.checked_by]
        for it in exports.installed().values()
    ]
    return table(columns, rows)


def round_trip() -> str:
    """Return the table of what `cache add` makes of each format's files."""
    rows = [
        [
            f"`{it.name}`",
            f"`--source {back.source} --endpoint {back.endpoint}`",
            *map(_names, (back.labels, back.types)),
            "all" if back.dated == back.types else _names(back.dated),
            back.but,
        ]
        for it in exports.installed().values()
        if (back := it.back) is not None
    ]
    columns = ("format", "read by `cache add`", "nodes", "relationships", "of which with their dates", "but for")
    return table(columns, rows)


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


# --- docs/sources.md --------------------------------------------------------------------------------------------------


def sources() -> str:
    """Return the table of all sources."""
    gives = _gives()
    columns = ("source", "asks", "gives", "key", "rate", "status", "terms")
    return table(columns, [_source(source, gives[source.name]) for source in REGISTRY.values()])


def _source(source: Source, gives: tuple[list[str], list[str]]) -> list[str]:
    labels, types = gives
    return [
        f"**{source.title}** `{source.name}`",
        ", ".join(kind.name for kind in source.asks),
        f"{', '.join(f'`{type_}`' for type_ in types)}; {', '.join(labels)}" if types else ", ".join(labels),
        _key(source),
        "; ".join(map(_rate, source.limits)) if not source.retired else "",
        f"retired {source.retired}" if source.retired else source.status,
        source.terms,
    ]


def _gives() -> dict[str, tuple[list[str], list[str]]]:
    """Return the labels and the relationship types that each source's samples give."""
    found: dict[str, set[Group]] = {name: set() for name in REGISTRY}
    for covered in coverage(Cache(SAMPLES), REGISTRY):
        found[covered.source] |= {Group.parse(name) for name in covered.facts}
    return {
        name: (
            sorted({label for group in groups for label in (group.start, group.end) if label}),
            sorted({group.type for group in groups if group.type}),
        )
        for name, groups in found.items()
    }


def _key(source: Source) -> str:
    if source.key is None:
        return "none"
    return f"`{source.key.variable}`" + ("" if source.key.required else ", not required")


def _rate(rate: Rate) -> str:
    """Return a rate as text: 15,500 a month, or 20 in 10 minutes."""
    if rate.per in PERIODS:
        return f"{rate.requests:,} {PERIODS[rate.per]}"
    period, unit = next(
        (period, unit)
        for period, unit in ((DAYS, "days"), (HOURS, "hours"), (MINUTES, "minutes"), (1.0, "seconds"))
        if rate.per >= period or period == 1.0
    )
    return f"{rate.requests:,} in {rate.per / period:g} {unit}"


def endpoints() -> str:
    """Return every source's endpoints: what each is asked and gives."""
    return "\n\n".join(
        f"### {source.title}\n\n`--source {source.name}`"
        + (f", in kept replies also {', '.join(f'`{alias}`' for alias in source.also)}" if source.also else "")
        + "\n\n"
        + table(
            ("endpoint", "asks", "gives"),
            [
                (
                    f"`{endpoint.name}`",
                    ", ".join(kind.name for kind in endpoint.kinds),
                    endpoint.doc
                    + (f" Kept replies only: {endpoint.kept_only}." if endpoint.kept_only else "")
                    + (
                        f" Asked once `{endpoint.lookup.name}` has told the {endpoint.given.name}."
                        if endpoint.given and endpoint.lookup
                        else ""
                    ),
                )
                for endpoint in source.endpoints.values()
            ],
        )
        for source in REGISTRY.values()
    )


# --- README.md --------------------------------------------------------------------------------------------------------


def settings_table() -> str:
    """Return the table of the settings."""
    return table(
        ("setting", "variable", "flag", "default", "what"),
        [
            (
                *(f"`{text}`" if text else "" for text in (it.name, it.variable, it.flag, it.default)),
                it.doc + ("" if it.in_workspace else "; not in a workspace's file"),
            )
            for it in settings.SETTINGS
        ],
    )  # fmt: skip


# --- docs/schema.md ---------------------------------------------------------------------------------------------------


def labels() -> str:
    """Return the table of labels."""
    columns = ("label", "key", "what it is", "colour, shape")
    rows = [
        (f"**{label.name}**", label.key, label.doc, f"{label.colour} {label.shape}") for label in schema.LABELS.values()
    ]
    return table(columns, rows)


def relationships() -> str:
    """Return the table of relationship types."""
    return table(
        ("from", "type", "to", "what it says"),
        [
            (
                ", ".join(label.name for label in what.start.labels),
                f"`{what.type}`" + (" ↔" if what.both_ways else ""),
                ", ".join(label.name for label in what.end.labels),
                what.doc,
            )
            for what in schema.RELATIONSHIPS.values()
        ],
    )


def shared_properties() -> str:
    """Return the table of what every node and relationship carries."""
    return table(("property", "type", "merges to", "what it is"), map(_property, node_labels.SEEN))


def own_properties() -> str:
    """Return the table of the properties that only some labels or relationship types have."""
    owners: dict[Property, list[str]] = {}
    declared = [(name, label.properties) for name, label in schema.LABELS.items()]
    declared += [(f"`{name}`", relationship.properties) for name, relationship in schema.RELATIONSHIPS.items()]
    for name, properties in declared:
        for own in properties:
            if own not in node_labels.SEEN:
                owners.setdefault(own, []).append(name)
    rows = [(", ".join(names), *_property(own)) for own, names in owners.items()]
    return table(("of", "property", "type", "merges to", "what it is"), rows)


def _property(own: Property) -> tuple[str, str, str, str]:
    return f"`{own.name}`", own.type.title, "the key tells it" if own.derive else own.merge.value, own.doc


# --- docs/truth.md ----------------------------------------------------------------------------------------------------


def checks() -> str:
    """Return the table of what is checked of relationships by arithmetic."""
    return table(
        ("relationship", "a reject where it is"),
        [(f"`{name}`", what.check.fault) for name, what in schema.RELATIONSHIPS.items() if what.check is not None],
    )


def intake() -> str:
    """Return the table of what can be brought in: each module that reads a form of file declares its rows (READS)."""
    modules = (importlib.import_module(name) for name in sorted(_reading_modules()))
    return table(
        ("format", "what is read", "what is left out"),
        [row for module in modules for row in getattr(module, "READS", ())],
    )


def _reading_modules() -> Iterator[str]:
    for package in ("cache", "extract", "intake", "sources"):
        found = importlib.import_module(f"intel_grapher.{package}")
        for each in pkgutil.iter_modules(found.__path__):
            yield f"intel_grapher.{package}.{each.name}"


def looks() -> str:
    """Return the table of what a value may look like that is no key of the kind that is wanted."""
    return table(
        ("wanted", "what the value is, and what would be right"),
        [(wanted, "; ".join(reason for _, reason in forms)) for wanted, forms in keys.looks.LOOKS.items()],
    )


def truth() -> str:
    """Return for each source what its file says, and what the endpoints of its samples become and leave out."""
    found: dict[str, list[Sequence[str]]] = {}
    for covered in coverage(Cache(SAMPLES), REGISTRY):
        becomes = ", ".join(f"`{name}`" for name in sorted(covered.facts))
        unread = ", ".join(f"`{path.removeprefix('$').removeprefix('.') or '$'}`" for path in sorted(covered.unread))
        found.setdefault(covered.source, []).append((f"`{covered.endpoint}`", becomes, unread))
    return "\n\n".join(
        f"### {source.title}\n\n{_said(source)}\n\n{table(('endpoint', 'becomes', 'left out'), found.get(name, []))}"
        for name, source in REGISTRY.items()
    )


def _said(source: Source) -> str:
    """Return what a source's file says of the service, without its first line."""
    mapping = next(iter(source.endpoints.values())).mapping
    return inspect.cleandoc(sys.modules[mapping.__module__].__doc__ or "").partition("\n\n")[2]


# --- docs/glossary.md -------------------------------------------------------------------------------------------------


def glossary() -> str:
    """Return the glossary of ARCHITECTURE.md, by the alphabet."""
    page = (SAMPLES.parents[1] / "ARCHITECTURE.md").read_text().partition("\n## Glossary\n")[2].partition("\n## ")[0]
    rows = [row.strip("| ").split(" | ", 1) for row in page.strip().splitlines()[2:]]
    return "\n\n".join(f"**{word}**: {meaning}." for word, meaning in sorted(rows, key=lambda row: row[0].casefold()))


# --- docs/python.md ---------------------------------------------------------------------------------------------------


def python_api() -> str:
    """Return what `intel_grapher` has for Python: each name with its docstring; of a Workspace also the methods."""
    parts = []
    for name in sorted(api.__all__, key=lambda each: (each != "Workspace", each)):
        what = getattr(api, name)
        has_parameters = not (isinstance(what, type) and issubclass(what, Exception | dict))
        shown = f"```python\n{name}{_parameters(what)}\n```\n\n" if has_parameters else ""
        parts.append(f"### `{name}`\n\n{shown}{_text_of(what)}")
        if what in {api.Workspace, api.GraphTables, api.ByGroup}:
            parts += [
                f"#### `{name}.{own}`\n\n```python\n{own}{_parameters(method)}\n```\n\n{_text_of(method)}"
                for own, method in vars(what).items()
                if not own.startswith("_") and inspect.isroutine(inspect.unwrap(getattr(what, own)))
                for method in (getattr(what, own),)
            ]
    return "\n\n".join(parts)


def _parameters(what: Any) -> str:  # noqa: ANN401 - a function or a class
    """Return the parameters as one writes them, with names in place of what a default looks like."""
    told = re.sub(r"^\(self(?:, )?", "(", str(inspect.signature(what)))
    told = re.sub(r"ForwardRef\(('[^']*')\)", r"\1", told).replace("Unpack[Asking]", "Asking")
    told = re.sub(r"(: |-> )'([^']*)'", r"\1\2", told)
    told = re.sub(r"<(?:function|factory)[^>]*>(?: at \w+>)?", "…", told).replace("intel_grapher.files.", "")
    return told.removesuffix(" -> None") if isinstance(what, type) else told


def _text_of(what: Any) -> str:  # noqa: ANN401 - a function or a class
    """Return a docstring as Markdown: its list of attributes as a list."""
    doc = inspect.getdoc(what) or ""
    return re.sub(r"^([a-z_]+(?:, [a-z_]+)*) {2,}(.*(?:\n {8,}.*)*)", r"- `\1`: \2", doc, flags=re.MULTILINE)


# --- docs/cli.md ------------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, ...]]:
    """Yield every command, as the words after `intel-grapher`; the whole comes first."""
    yield from _below((), typer.main.get_command(app))


def _below(words: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:  # noqa: ANN401 - typer's own click
    yield words
    if isinstance(command, typer.core.TyperGroup):
        context = typer.Context(command)
        for name in command.list_commands(context):
            yield from _below((*words, name), command.get_command(context, name))


def help_of(words: Sequence[str]) -> str:
    """Return what `--help` prints."""
    shown = CliRunner().invoke(app, [*words, "--help"], prog_name=COMMAND)
    if shown.exit_code:
        raise AssertionError(shown.output)
    return "\n".join(line.rstrip() for line in shown.output.strip().splitlines())


def reference() -> str:
    """Return the help of every command, under a heading each."""
    return "\n\n".join(f"## {' '.join((COMMAND, *words))}\n\n```text\n{help_of(words)}\n```" for words in commands())
