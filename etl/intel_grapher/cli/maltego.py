"""`maltego`: local transforms of Maltego, and the file that brings them into it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from intel_grapher import ask, maltego, pipeline
from intel_grapher.ask import saved as queries
from intel_grapher.cache import Cache
from intel_grapher.cli import graph, options
from intel_grapher.cli.export import replacing
from intel_grapher.cli.fetch_settings import SourceChoice
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import print_line, print_text, say
from intel_grapher.errors import GrapherError
from intel_grapher.fetch.ledgers import users_ledger
from intel_grapher.fetch.plan import plan
from intel_grapher.fetch.run import FetchOptions
from intel_grapher.load import Embedded, Server
from intel_grapher.pipeline import PipelineOptions, Places
from intel_grapher.registry import Registry

PATIENCE = 60.0
"""Seconds that a look-up waits for another process at the same places."""

app = typer.Typer(
    name="maltego",
    no_args_is_help=True,
    add_completion=False,
    help="Local transforms of Maltego: the graph, the sources.",
)
Value = Annotated[str, typer.Argument(metavar="VALUE", help="The entity's value, as Maltego gives it.")]
Fields = Annotated[str, typer.Argument(metavar="FIELDS", help="The entity's fields, as Maltego gives them.")]
Most = Annotated[int, typer.Option("--limit", min=1, help="How many neighbours of each kind, or rows.")]


@dataclass(frozen=True, kw_only=True)
class ReadGraph:
    """Option group: which graph is read."""

    db: options.Db = options.DB
    data: options.Data = options.DATA
    on: graph.On = graph.EMBEDDED

    def target(self) -> Embedded | Server:
        """Return the graph."""
        return graph.target(self.on, self.db, self.data)


@app.command("config")
@grouped
def config_command(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where it goes.")] = Path(
        "intel-grapher.mtz"
    ),
    data: options.Data = options.DATA,
) -> None:
    """Write the file that Maltego imports: all transforms, your saved queries among them.

    In Maltego: Import | Export, Import Configuration. The transforms work in the folder in which this command is run.
    """
    made = maltego.transforms(queries.saved(data / "queries").values())
    program, before = _program()
    with replacing(output) as out:
        maltego.write_mtz(out, made, Path.cwd(), program, before)
    print_line(f"{len(made)} transforms in {output}: Maltego, Import Configuration")


@app.command("around")
@grouped
def around_command(reading: ReadGraph, value: Value, fields: Fields = "", *, limit: Most = maltego.LIMIT) -> None:
    """Give Maltego what the graph has around an entity."""

    def run(entity: maltego.GivenEntity, response: maltego.Response) -> None:
        with ask.opened(reading.target()) as opened:
            maltego.around(opened, maltego.node_of(opened, entity), response, limit)

    _answer(value, fields, run)


@app.command("plan")
@grouped
def plan_command(
    sources: SourceChoice, value: Value, fields: Fields = "", *, data: options.Data = options.DATA
) -> None:
    """Tell Maltego what asking the sources about an entity would cost. Asks nothing."""

    def run(entity: maltego.GivenEntity, response: maltego.Response) -> None:
        with Cache(data) as cache:
            how = FetchOptions(ledger=users_ledger())
            made = plan(cache, sources.selected(Registry.installed()), [maltego.indicator_of(entity)], how)
        maltego.tell_plan(made, response)

    _answer(value, fields, run)


@app.command("ask")
@grouped
def ask_command(
    reading: ReadGraph,
    sources: SourceChoice,
    value: Value,
    fields: Fields = "",
    *,
    import_: options.Import = options.IMPORT,
    requests: Annotated[int, typer.Option("--requests", min=0, help="Send at most so many requests.")] = 50,
    limit: Most = maltego.LIMIT,
) -> None:
    """Ask the sources what is not kept yet about an entity, make the graph anew, and give Maltego what it then has."""

    def run(entity: maltego.GivenEntity, response: maltego.Response) -> None:
        registry, indicator = Registry.installed(), maltego.indicator_of(entity)
        target = reading.target()
        how = PipelineOptions(fetching=FetchOptions(requests=requests, ledger=users_ledger()), patience=PATIENCE)
        done = pipeline.run(
            Places(reading.data, import_, target), [indicator], sources=sources.selected(registry), registry=registry,
            options=how,
        )  # fmt: skip
        if done.summary is not None:
            for name, tally in done.summary.sources.items():
                if tally.asked:
                    response.say(f"{name}: {tally.asked} asked, {tally.failed.total()} failed")
        with ask.opened(target) as opened:
            maltego.around(opened, maltego.node_of(opened, entity), response, limit)

    _answer(value, fields, run)


@app.command("query")
@grouped
def query_command(
    reading: ReadGraph,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The saved query.")],
    value: Value,
    fields: Fields = "",
    *,
    limit: Most = maltego.LIMIT,
) -> None:
    """Give Maltego the nodes that a saved query names for an entity."""

    def run(entity: maltego.GivenEntity, response: maltego.Response) -> None:
        query = queries.named(name, queries.saved(reading.data / "queries"))
        with ask.opened(reading.target()) as opened:
            maltego.rows_of(opened, query, entity, response, limit)

    _answer(value, fields, run)


def _answer(value: str, fields: str, run: Callable[[maltego.GivenEntity, maltego.Response], None]) -> None:
    """Print what a transform gives, or why it gives nothing, as Maltego reads it: it heeds no exit code."""
    response = maltego.Response()
    try:
        run(maltego.given(value, fields), response)
    except GrapherError as error:
        say(f"error: {error}")
        response = maltego.Response()
        response.fail(str(error))
    print_text(response.text() + "\n")


def _program() -> tuple[Path, list[str]]:
    """Return the absolute path of what starts this program, and the words that come first."""
    own = Path(sys.argv[0])
    if own.name == "intel-grapher" and own.exists():
        return Path(os.path.abspath(own)), []  # noqa: PTH100 - a link to it stays one
    return Path(sys.executable), ["-m", "intel_grapher"]
