"""`load`: the flat files into a graph."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from intel_grapher.cli import options, targets
from intel_grapher.cli.output import heeded, print_json, print_line, print_table, progress, say
from intel_grapher.errors import UsageError
from intel_grapher.files import Files
from intel_grapher.load import SHARE, Embedded, Loaded, load


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("load")(load_)


def load_(
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    data: options.Data = options.DATA,
    to: targets.To = "embedded",
    method: Annotated[str, typer.Option(help="auto, or for Neo4j: admin, bolt.")] = "auto",
    memory: Annotated[str | None, typer.Option(help="What the embedded engine may use, such as 1G.")] = None,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what a Neo4j database holds.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete what the files no longer have.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help=f"Let --prune delete more than {SHARE:.0%} of the rows.")] = False,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Load the flat files into the embedded graph or into Neo4j, and prove that they are there."""
    if yes and not prune:
        raise UsageError("--yes goes with --prune: there is nothing else to agree to")
    if method not in {"auto", "copy", "admin", "bolt"}:
        raise UsageError(f"--method is auto, admin or bolt, not {method!r}")
    target = targets.target(to, db, data)
    size = options.bytes_of(memory)
    if isinstance(target, Embedded) and size:
        target = dataclasses.replace(target, memory=size)
    with progress("rows", hidden=no_progress) as shown, heeded(shown) as advance:
        loaded = load(
            Files(import_), target, method=method, replace=replace,  # type: ignore[arg-type]
            prune=(1.0 if yes else SHARE) if prune else None,
            progress=advance,
        )  # fmt: skip
    if json:
        print_json({"loaded": loaded})
    else:
        _tell_loaded(loaded)
    if loaded.refused:
        raise typer.Exit(options.PART)


def _agreement(loaded: Loaded) -> str:
    if loaded.parity.equal:
        return "files and database agree"
    return "the database holds all that the files do, and more"


def _tell_loaded(loaded: Loaded) -> None:
    print_table(("group", "rows"), loaded.rows.items())
    nodes = sum(rows for name, rows in loaded.rows.items() if "-" not in name)
    print_line(
        f"{nodes} nodes and {sum(loaded.rows.values()) - nodes} relationships are in {loaded.target}, "
        f"by {loaded.method} ({loaded.why}); {_agreement(loaded)}"
    )
    if loaded.sent < sum(loaded.rows.values()):
        print_line(f"{loaded.sent} rows were written; the others were there already")
    if loaded.pruned:
        print_line(f"{loaded.pruned} rows that the files do not have were deleted")
    for each in loaded.refused:
        say(f"refused: {each}")
    foreign = sum(each.foreign for each in loaded.parity.groups)
    extra = sum(each.extra for each in loaded.parity.groups) - foreign
    if extra:
        say(f"{extra} rows there are in no file; load --prune deletes them, save for what others wrote on them")
    if foreign:
        say(f"{foreign} rows there were written by others, and stay")
    say("next: intel-grapher show INDICATOR, or intel-grapher query 'MATCH (n) RETURN count(n)'")
