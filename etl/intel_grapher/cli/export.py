"""`export`: writes the graph, or a part of it, in the formats of other tools."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer

from intel_grapher import ask, disk, keys, schema, times, warning_lists
from intel_grapher.ask import saved as queries
from intel_grapher.ask.named import nodes_named
from intel_grapher.cli import graph, options
from intel_grapher.cli.cache_export import level_named
from intel_grapher.cli.export_push import MOST_TLP, Push, PushOptions
from intel_grapher.cli.indicators import SHOWN_CHARACTERS
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import Advance, interruptible, print_json, print_table, progress, say, standard_output
from intel_grapher.cli.query import parameters
from intel_grapher.cli.terminal import counted, some
from intel_grapher.errors import BadValue, GrapherError, UsageError
from intel_grapher.export import choose, markings
from intel_grapher.export import format as formats
from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.part import Part, opened
from intel_grapher.fetch.asking import seconds
from intel_grapher.files import Files
from intel_grapher.model import NodeRef
from intel_grapher.sql import MEMORY
from intel_grapher.ui import investigations
from intel_grapher.warning_lists import WarningList

MOST_KINDS = 6
"""Kinds of what an export left out that are named, the most frequent first."""
MOST_ROWS = 100_000
MAX_NAMED = 5
STDOUT = Path("-")

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, kw_only=True)
class What:
    """Option group: which part of the graph goes out."""

    around: Annotated[
        str | None, typer.Option("--around", metavar="KEY", help="Only what is near this node: any key, or LABEL:KEY.")
    ] = None
    hops: Annotated[int, typer.Option(min=0, max=10, help="With --around: how many steps away.")] = 1
    hub: Annotated[int, typer.Option(min=1, help="With --around: a node with more neighbours is not entered.")] = (
        choose.HUB
    )
    saved: Annotated[
        str | None, typer.Option("--saved", help="Only the nodes that the rows of a saved query name.")
    ] = None
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="With --saved: a value.")
    ] = None
    case: Annotated[str | None, typer.Option("--case", help="Only the nodes of a saved investigation.")] = None
    db: options.Db = options.DB
    data: options.Data = options.DATA
    on: graph.On = graph.EMBEDDED

    @property
    def scope(self) -> str:
        """Return what was asked for, in one line; empty for the whole graph."""
        if self.around is not None:
            return f"around {keys.refang(self.around)}, {counted(self.hops, 'hop')}, hub {self.hub}"
        if self.saved is not None:
            return " ".join(["saved", self.saved, *sorted(self.parameter or [])])
        return "" if self.case is None else f"case {self.case}"

    def narrow(self, part: Part) -> None:
        """Narrow the part to what was asked for, and say what is missing. Raises UsageError for what is not there."""
        given = [each for each in (self.around, self.saved, self.case) if each is not None]
        if len(given) > 1:
            raise UsageError("give one of --around, --saved and --case")
        if self.around is not None:
            hubs = choose.neighbourhood(part, _node(part, self.around), self.hops, self.hub)
            graph.say_what_is_missing(hubs, cut=False)
            return
        wanted = self._rows() if self.saved is not None else self._case() if self.case is not None else None
        if wanted is None:
            return
        if missing := choose.nodes(part, wanted):
            names = ", ".join(map(str, missing[:MAX_NAMED]))
            more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
            say(f"not in the flat files, so left out: {names}{more}")

    def _rows(self) -> list[NodeRef]:
        """Return the nodes that the rows of the saved query name."""
        chosen = queries.named(self.saved or "", queries.saved(self.data / "queries"))
        with ask.opened(graph.target(self.on, self.db, self.data)) as asked:
            values = chosen.values(parameters(self.parameter or []))
            answer = asked.query(chosen.text(asked), values, limit=MOST_ROWS)
        if answer.cut:
            say(f"the first {MOST_ROWS:,} rows of {chosen.name} alone")
        found = list(dict.fromkeys([*answer.nodes, *nodes_named(answer.columns, answer.rows)]))
        if answer.rows and not found:
            raise UsageError(f"the rows of {chosen.name} name no node; `query --saved {chosen.name} --csv` prints them")
        return found

    def _case(self) -> list[NodeRef]:
        """Return the nodes of the investigation."""
        content = investigations.opened(self.data / "investigations", self.case or "")
        try:
            nodes = msgspec.json.decode(content, type=_Case).nodes
        except msgspec.MsgspecError as wrong:
            raise UsageError(f"the investigation {self.case!r} can't be read: {wrong}") from wrong
        return [NodeRef(each.label, each.key) for each in nodes if each.label in schema.LABELS and each.key]


@dataclass(frozen=True, kw_only=True)
class BlockLists:
    """Option group: what a block list leaves out."""

    max_age: Annotated[
        str | None, typer.Option("--max-age", help="Block lists: leave out what was last seen before: 90d, 12h.")
    ] = None
    exclude: Annotated[
        list[Path] | None,
        typer.Option("--exclude", metavar="FILE", help="Block lists: a warning list: a line each, or MISP's JSON."),
    ] = None
    unjudged: Annotated[bool, typer.Option("--unjudged", help="Block lists: take also what no analyst has judged.")] = (
        False
    )

    def settings(self, title: str) -> Settings:
        """Return the settings of an export. Raises UsageError for an age or a file that is none."""
        before = None if self.max_age is None else times.text(int(time.time() - seconds(self.max_age)))
        excluded = tuple(map(_warning_list, self.exclude or ()))
        return Settings(title=title, newest_before=before, excluded=excluded, unjudged=self.unjudged)


def _warning_list(path: Path) -> WarningList:
    try:
        return warning_lists.read(path)
    except (OSError, ValueError, msgspec.MsgspecError) as wrong:
        why = (isinstance(wrong, OSError) and wrong.strerror) or wrong
        raise UsageError(f"the warning list {path} can't be read: {why}") from wrong


class _Drawn(msgspec.Struct):
    """A node of an investigation. What stands for several nodes has no key."""

    label: str | None = None
    key: str | None = None


class _Case(msgspec.Struct):
    nodes: list[_Drawn] = []


@app.command("export")
@grouped
def export(
    what: What,
    *,
    format_: Annotated[
        str | None, typer.Option("--format", "-f", help="The format; --list names all. Default: by the file's name.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where it goes. Default: standard output.")
    ] = None,
    push: PushOptions,
    block: BlockLists,
    max_tlp: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="Leave out what is marked more strictly: clear, green, amber, …")
    ] = None,
    title: Annotated[str | None, typer.Option(help="What the result is called, where it has a place for that.")] = None,
    import_: options.Import = options.IMPORT,
    memory: Annotated[
        str | None, typer.Option("--memory", help="Memory that joins may use, such as 512M. Default: 1G.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the formats.")] = False,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Write the graph, or a part of it, for other tools.

    It reads the flat files that transform made. The same files give the same bytes.

    --to sends it to a MISP or a TAXII 2.1 collection: what the server lacks of it, and what changed. Keys are
    MISP_API_KEY and TAXII_KEY. What is marked TLP:RED needs --max-tlp red.
    """
    known = formats.installed()
    if list_:
        _list(known, json=json)
        return
    if (target := push.target()) is not None:
        if output is not None or format_ not in {None, target.format}:
            raise UsageError(f"--to takes no -o, and no other format than {target.format}")
        highest = level_named("--max-tlp", max_tlp or MOST_TLP)
        settings = block.settings(title or f"intel-grapher {what.scope}".strip())
        sending = Push(
            target=target, options=push, format=known[target.format], settings=settings, scope=what.scope,
            data=what.data, json=json, no_progress=no_progress,
        )  # fmt: skip
        with opened(Files(import_), options.byte_size(memory) or MEMORY) as part:
            what.narrow(part)
            _hide(part, highest)
            sending.run(part)
        return
    file = None if output in {None, STDOUT} else output
    format_of = _format(known, format_, file)
    if json and file is None:
        raise UsageError("--json prints what was done on standard output: say with -o where the result goes")
    if file is None and not format_of.is_text and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError(f"{format_of.name} is not for a terminal: say with -o where it goes")
    settings = block.settings(title or "intel-grapher")
    most = None if max_tlp is None else level_named("--max-tlp", max_tlp)
    with opened(Files(import_), options.byte_size(memory) or MEMORY) as part:
        what.narrow(part)
        if most is not None:
            _hide(part, most)
        with progress("rows", hidden=no_progress) as shown, interruptible(shown) as advance:
            part.on_rows = _counting(part, advance)
            with replacing(file) if file is not None else _standard_output() as out:
                written = format_of.write(part, out, settings)
    _tell(written, format_of, file, json=json)


def _hide(part: Part, most: str) -> None:
    """Take out of a part what is marked more strictly, and say how much."""
    if hidden := markings.hide_above(part, most):
        say(f"left out: {counted(hidden, 'node')} marked more strictly than TLP:{most.upper()}")


def _format(known: Mapping[str, Format], name: str | None, file: Path | None) -> Format:
    """Return the format that is named, or else that of the file's name."""
    if name is not None:
        return formats.named(name, known)
    if file is None:
        raise UsageError(f"say with --format which one: {', '.join(known)}")
    fit = [each for each in known.values() if file.name.lower().endswith(each.suffix)]
    if len(fit) != 1:
        among = ", ".join(each.name for each in fit) or ", ".join(known)
        raise UsageError(f"{file.name!r} does not tell the format: say with --format which one: {among}")
    return fit[0]


def _list(known: Mapping[str, Format], *, json: bool) -> None:
    if json:
        rows = [{"name": it.name, "title": it.title, "suffix": it.suffix, "doc": it.doc} for it in known.values()]
        print_json({"formats": rows})
        return
    print_table(("format", "file", "what is in it"), [(it.name, it.suffix, it.doc) for it in known.values()])


def _node(part: Part, typed: str) -> NodeRef:
    """Return the node that a key, defanged or not, or LABEL:KEY stands for: the likeliest that the files have."""
    name, colon, key = typed.partition(":")
    candidates = [NodeRef(label.name, canonical) for label, canonical in ask.labels_of(typed)]
    if colon and name in schema.LABELS:
        exact = [NodeRef(label.name, canonical) for label, canonical in ask.labels_of(key) if label.name == name]
        candidates = [*exact, NodeRef(name, key), *candidates]
    for node in candidates:
        if part.has(node):
            return node
    try:
        keys.detect(typed)
    except BadValue as wrong:
        if wrong.reason not in {"not an indicator", "a single label"}:  # it looks like an indicator, and is none
            raise UsageError(f"not an indicator: {typed[:SHOWN_CHARACTERS]!r}: {wrong.reason}") from wrong
    raise GrapherError(f"not in the flat files: {typed[:SHOWN_CHARACTERS]!r}; fetch it, then transform")


def _counting(part: Part, advance: Advance) -> Callable[[int], None]:
    """Return what a part is to call with each batch's rows."""
    total = sum(part.count(group) for group in part.groups())
    done = 0

    def count(many: int) -> None:
        nonlocal done
        done += many
        advance("export", min(done, total), total)

    return count


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of the one at `path` when it is whole, and not before."""
    remains = "What was there is as it was."
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file")
    if path.exists() and not path.is_file():  # a pipe or a device, which is written to as it is
        with disk.failing(path, GrapherError, ""), path.open("wb") as out:
            yield out
        return
    target = disk.real(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
    with disk.failing(path, GrapherError, remains):
        try:
            with disk.create(temporary) as out:
                yield out
            disk.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    with standard_output() as out:
        yield out.buffer


def _tell(written: Written, format_of: Format, file: Path | None, *, json: bool) -> None:
    """Say what was written and what the format has no place for."""
    if json:
        print_json(
            {
                "format": format_of.name,
                "file": str(file),
                "nodes": written.nodes,
                "relationships": written.relationships,
                "left_out": dict(sorted(written.left_out.items())),
            }
        )
    else:
        say(f"{_counted(written.nodes, written.relationships)} as {format_of.title}")
    if written.left_out:
        nodes = sum(count for name, count in written.left_out.items() if name in schema.LABELS)
        most = sorted(written.left_out.items(), key=lambda each: (-each[1], each[0]))
        names = some([f"{name} ({count:,})" for name, count in most], MOST_KINDS)
        say(f"not in it: {_counted(nodes, written.left_out.total() - nodes)}: {names}; --json counts each kind")


def _counted(nodes: int, relationships: int) -> str:
    return f"{counted(nodes, 'node')} and {counted(relationships, 'relationship')}"
