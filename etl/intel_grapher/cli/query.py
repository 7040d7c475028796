"""`query`: asks the graph in Cypher that only reads, or with a saved query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

import typer

from intel_grapher import ask
from intel_grapher.ask import saved as queries
from intel_grapher.cli import completion, graph, options
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import encodable, print_json, say
from intel_grapher.errors import UsageError

app = typer.Typer(add_completion=False)


@app.command("query")
@grouped
def query(
    reading: graph.Reading,
    *,
    cypher: Annotated[str | None, typer.Argument(metavar="CYPHER", help="Cypher that only reads.")] = None,
    saved: Annotated[
        str | None,
        typer.Option("--saved", autocompletion=completion.queries, help="Ask a saved query; `queries` lists them."),
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A parameter's value.")
    ] = None,
    limit: graph.Limit = ask.LIMIT,
    memory: options.Memory = None,
    timeout: Annotated[float, typer.Option(min=0.001, help="In seconds.")] = ask.TIMEOUT,
) -> None:
    """Ask the graph in Cypher that only reads, or a saved query."""
    if (cypher is None) == (saved is None):
        raise UsageError("give a question in Cypher, or the name of a saved one with --saved")
    texts = parameters(parameter or [])
    if any(text != encodable(text) for text in (cypher or "", *texts, *texts.values())):
        raise UsageError("the question is not valid UTF-8, so no graph can take it")
    known = queries.saved(reading.data / "queries")
    values: Mapping[str, object] = texts
    with reading.opened(options.byte_size(memory)) as opened:
        if saved is not None:
            chosen = queries.named(saved, known)
            cypher, values = chosen.text(opened), chosen.values(texts)
        answer = opened.query(cypher or "", values, limit=limit, timeout=timeout)
    if reading.json:
        print_json({"columns": answer.columns, "rows": answer.rows, "cut": answer.cut})
    else:
        reading.print_rows(answer.columns, answer.rows)
    if answer.cut:
        say(f"the first {limit} rows; --limit gives more")


def parameters(pairs: Iterable[str]) -> dict[str, str]:
    """Return the values of NAME=VALUE pairs by name. Raises UsageError for what is no such pair."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"-p {pair!r} is not NAME=VALUE")
        values[name] = value
    return values
