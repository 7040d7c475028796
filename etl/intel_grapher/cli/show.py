"""`show`: nodes, the judgement on each, its properties and its neighbours."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from intel_grapher.cards.known import KnownNode, known_document, known_node
from intel_grapher.cli import completion, graph, terminal
from intel_grapher.cli.indicators import read_file
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import is_terminal, print_csv, print_json, print_line, print_table, say
from intel_grapher.cli.shown import write_shown
from intel_grapher.cli.terminal import FOLD, Screen
from intel_grapher.errors import NotFoundError, UsageError

COLUMNS = ("type", "direction", "label", "neighbour", "first_seen", "last_seen", "sources")
LIMIT = 25
SORTED = 500
"""Neighbours of a kind among which those that most sources tell are looked for, on a terminal."""
MANY = 10**9

app = typer.Typer(add_completion=False)


@app.command("show")
@grouped
def show(
    reading: graph.Reading,
    *,
    indicators: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INDICATOR",
            autocompletion=completion.nodes,
            help="Any nodes' keys, defanged or not, or a part of one.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many neighbours of each kind.")] = None,
    all_: terminal.All = False,
) -> None:
    """Print what the graph has about an indicator, or several.

    That is: the judgement on it, notes, properties and neighbours, who says so, and since when. Without an argument,
    the indicators of a text on standard input are shown. What the graph lacks is said, with what is spelt like it.
    """
    named = indicators or _on_standard_input()
    most = MANY if all_ else limit or (SORTED if is_terminal() and not reading.is_data else LIMIT)
    documents: list[dict[str, Any]] = []
    rows: list[tuple[object, ...]] = []
    missing: list[str] = []
    screen = Screen()
    with reading.opened() as opened:
        for text in named:
            try:
                found = graph.find(opened, text, guess=True)
            except NotFoundError as error:
                missing.append(text)
                say(str(error))
                continue
            known = known_node(opened, found, limit=most)
            if reading.json:
                documents.append(known_document(known))
            elif reading.csv:
                rows += [(*(tuple(known.node) if len(named) > 1 else ()), *row) for row in _rows(known)]
            elif is_terminal():
                screen.blank()
                write_shown(screen, known, fold=most if all_ or limit else FOLD)
            else:
                _print_plain(known, most)
    if reading.json and (documents or len(named) > 1):
        print_json(documents[0] if len(named) == 1 else {"nodes": documents, "missing": missing})
    elif reading.csv:
        print_csv(("of_label", "of_key", *COLUMNS) if len(named) > 1 else COLUMNS, rows)
    screen.print_paged(pager=not reading.no_pager)
    if missing:
        raise typer.Exit(1)


def _on_standard_input() -> list[str]:
    """Return the keys of the indicators in a text on standard input. Raises UsageError if there is none."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("name an indicator, such as example.com, or give a text on standard input")
    found, faults = read_file(graph.STDIN)
    for fault in faults:
        say(f"not an indicator: {fault}")
    if not found:
        raise UsageError("standard input has no indicator in it")
    return list(dict.fromkeys(f"@{key}" if kind == "user" else key for kind, key in found))


def _rows(known: KnownNode) -> list[tuple[object, ...]]:
    return [
        (it.type, it.direction, it.label, it.key, *(it.properties.get(name) for name in COLUMNS[4:]))
        for it in known.neighbours
    ]


def _print_plain(known: KnownNode, most: int) -> None:
    """Print a node where output is piped: its name, a table of properties, a table of neighbours."""
    print_line(f"{known.node.label} {known.node.key}")
    print_table(("property", "value"), [(name, value) for name, value in known.properties.items() if value is not None])
    print_table(COLUMNS, _rows(known))
    for (type_, direction, other), count in known.counts.items():
        if count > most:
            say(f"{most} of {count} shown: {type_} {direction} {other}; --limit shows more")
