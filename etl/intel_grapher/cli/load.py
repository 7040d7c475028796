"""`load`: loads the flat files into a graph."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from intel_grapher.cli import ending, graph, options
from intel_grapher.cli.next_command import command
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import interruptible, is_terminal, print_json, print_line, print_table, progress, say
from intel_grapher.cli.terminal import Screen
from intel_grapher.errors import UsageError
from intel_grapher.files import Files
from intel_grapher.load import SHARE, Embedded, Loaded, LoadOptions, Method, Server, load
from intel_grapher.retraction import retraction

if TYPE_CHECKING:
    from intel_grapher.fetch.asking import Indicator

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """Option group: into which graph, and how."""

    to: graph.To = graph.EMBEDDED
    method: Annotated[str, typer.Option(help="auto, copy (embedded), admin, bolt (Neo4j).")] = "auto"
    memory: options.Memory = None
    replace: Annotated[bool, typer.Option("--replace", help="Replace what a Neo4j database holds.")] = False
    prune: Annotated[bool, typer.Option("--prune", help="Delete what the files no longer have.")] = False
    all_counts: options.AllCounts = False
    yes: Annotated[bool, typer.Option("--yes", help=f"Let --prune delete more than {SHARE:.0%} of the rows.")] = False

    def options(self) -> LoadOptions:
        """Return the options of a load. Raises UsageError for options that contradict each other, and for a method."""
        if self.yes and not self.prune:
            raise UsageError("--yes goes with --prune: there is nothing else to agree to")
        if self.method not in get_args(Method):
            raise UsageError(f"--method is auto, copy, admin or bolt, not {self.method!r}")
        share = 1.0 if self.yes else SHARE
        return LoadOptions(self.method, self.replace, share if self.prune else None)  # type: ignore[arg-type]

    def target(self, db: Path, data: Path) -> Embedded | Server:
        """Return the graph to load into; the embedded one with the memory that it may use."""
        memory = options.byte_size(self.memory)
        target = graph.target(self.to, db, data, starts=False)
        return replace(target, memory=memory) if isinstance(target, Embedded) and memory else target


@app.command("load")
@grouped
def load_command(
    settings: LoadSettings,
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    data: options.Data = options.DATA,
    *,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Load the flat files into a graph, and prove they are there.

    The graph is the embedded one, or a Neo4j. Counts and checksums are read back and compared with the files.
    """
    done = loaded(settings, import_, db, data, no_progress=no_progress)
    if json:
        print_json({"loaded": done})
    else:
        print_loaded(done, all_=settings.all_counts)
        print_end(done, settings.target(db, data), ending.recalled(data), {"--db": db, "--data": data})
    raise typer.Exit(exit_code(done))


def loaded(settings: LoadSettings, import_: Path, db: Path, data: Path, *, no_progress: bool) -> Loaded:
    """Return what a load did."""
    how, target = settings.options(), settings.target(db, data)
    with progress("rows", hidden=no_progress) as shown, interruptible(shown) as advance:
        return load(
            Files(import_), target, method=how.method, replace=how.replace, prune=how.prune,
            retraction=retraction(data, target), progress=advance,
        )  # fmt: skip


def print_end(
    done: Loaded, target: Embedded | Server, indicators: Sequence[Indicator], places: dict[str, Path]
) -> None:
    """Print what was found, what ties it together and what to type next; the last alone if the result is piped.

    Nothing of it is for a program: without a terminal nothing is printed.
    """
    if not is_terminal():
        if sys.stderr is None or not sys.stderr.isatty():
            return
        key = indicators[0][1] if indicators else "INDICATOR"
        query = command("query", "MATCH (n) RETURN count(n)", places=places)
        say(f"next: {command('show', key, places=places)}, or {query}")
        return
    screen = Screen()
    ending.write_end(screen, done, target, indicators, places)
    screen.print()


def print_loaded(done: Loaded, *, all_: bool) -> None:
    """Print the rows of each group as a table, and in sentences what was done and what the comparison found."""
    if all_ or not is_terminal():
        print_table(("group", "rows"), done.rows.items())
        _print_done(done)
    else:
        screen = Screen()
        agreement = "as in the files" if done.parity.equal else "it holds more than the files"
        rows = f"{done.nodes:,} nodes, {done.relationships:,} relationships into {done.target}"
        screen.field("loaded", f"{rows}; {agreement}", indent=0, column=ending.COLUMN)
        screen.print()
    for refused in done.refused:
        say(f"refused: {refused}")
    foreign = sum(group.foreign for group in done.parity.groups)
    extra = sum(group.extra for group in done.parity.groups) - foreign
    if extra:
        say(f"{extra} rows there are in no file; load --prune deletes them, save for what others wrote on them")
    if foreign:
        say(f"{foreign} rows there were written by others, and stay")


def _print_done(done: Loaded) -> None:
    """Print in sentences what was done, and what the comparison found."""
    rows = sum(done.rows.values())
    agreement = (
        "files and database agree" if done.parity.equal else "the database holds all that the files do, and more"
    )
    print_line(
        f"{done.nodes} nodes and {done.relationships} relationships are in {done.target}, "
        f"by {done.method} ({done.why}); {agreement}"
    )
    if done.sent < rows:
        print_line(f"{done.sent} rows were written; the others were there already")
    if done.pruned:
        print_line(f"{done.pruned} rows that the files do not have were deleted")
    if done.retracted:
        print_line(f"{done.retracted} rows that an analyst's entries took out were deleted")


def exit_code(done: Loaded) -> int:
    """Return the exit code of a load."""
    return options.PART if done.refused else 0
