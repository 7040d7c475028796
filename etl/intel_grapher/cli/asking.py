"""`show`, `path`, `rank`, `query`, `queries`: what is in the graph, as a table, JSON or CSV."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from intel_grapher import ask, keys, schema
from intel_grapher.ask import Told, look
from intel_grapher.ask import path as paths_
from intel_grapher.ask import rank as ranking
from intel_grapher.ask import saved as questions
from intel_grapher.ask.explore import HUB, Step
from intel_grapher.cli import options, targets
from intel_grapher.cli.output import print_csv, print_json, print_line, print_table, say
from intel_grapher.errors import BadValue, UsageError
from intel_grapher.model import NodeRef


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("show")(show)
    app.command("path")(path)
    app.command("rank")(rank)
    app.command("query")(query)
    app.command("queries")(queries)


Limit = Annotated[int, typer.Option(min=1, help="How many neighbours of each kind, or rows.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV on standard output.")]
ShowCypher = Annotated[bool, typer.Option("--show-cypher", help="Tell on standard error what the graph was asked.")]
Hub = Annotated[int, typer.Option(min=1, help="A node with more neighbours than these is not entered.")]
Column = Annotated[str, typer.Argument(metavar="INDICATOR", help="Any node's key, defanged too.")]


@contextmanager
def asked(on: str, db: Path, data: Path, *, show_cypher: bool) -> Iterator[Told]:
    """Open a graph to ask it; tell in the end, where that is wished, what it was asked."""
    with ask.opened(targets.target(on, db, data)) as graph:
        told = Told(graph)
        try:
            yield told
        finally:
            if show_cypher:
                for cypher, parameters in told.asked.items():
                    say(cypher + "".join(f"\n  ${name} = {value!r}" for name, value in parameters.items()))


def found(graph: Told, indicator: str) -> NodeRef:
    """Return the node that a key stands for: the likeliest label under which it is in the graph.

    `LABEL:KEY` names it exactly. Raises UsageError where it can't be any node's key, or is in the graph under none.
    """
    label, colon, key = indicator.partition(":")
    candidates = ask.labels_of(indicator)
    if colon and label in schema.LABELS:
        candidates = [each for each in ask.labels_of(key) if each[0].name == label] + candidates
    if not candidates:
        raise UsageError(f"{indicator!r} can't be the key of any node")
    for each, canonical in candidates:
        ref = NodeRef(each.name, canonical)
        if look.there(graph, [ref]):
            return ref
    try:
        keys.detect(indicator)
    except BadValue as bad:
        if bad.reason not in {"not an indicator", "a single label"}:  # it looks like one, and is none
            raise UsageError(f"not an indicator: {indicator[:200]!r}: {bad.reason}") from bad
    tried = ", ".join(f"{each.name} {canonical}" for each, canonical in candidates[:3])
    raise UsageError(f"not in the graph: {tried}; next: intel-grapher fetch it, then transform and load")


def show(
    indicator: Column,
    limit: Limit = 25,
    db: options.Db = options.DB,
    data: options.Data = options.DATA,
    on: targets.On = "embedded",
    *,
    json: options.Json = False,
    csv_: Csv = False,
    show_cypher: ShowCypher = False,
) -> None:
    """Show what the graph has about an indicator: properties and neighbours, with who says so and since when."""
    with asked(on, db, data, show_cypher=show_cypher) as graph:
        try:
            label, key = found(graph, indicator)
        except UsageError as missing:
            if not str(missing).startswith("not in the graph"):
                raise
            say(str(missing))
            raise typer.Exit(1) from missing
        shown = look.show(graph, schema.LABELS[label], key, limit=limit)
    if shown is None:
        raise UsageError(f"{label} {key} has gone from the graph meanwhile: ask again")
    columns = ("type", "direction", "label", "neighbour", "first_seen", "last_seen", "sources")
    rows = [
        (each.type, each.direction, each.label, each.key, *(each.properties.get(name) for name in columns[4:]))
        for each in shown.neighbours
    ]
    if json:
        counts = [
            {"type": type_, "direction": direction, "label": other, "count": count}
            for (type_, direction, other), count in shown.counts.items()
        ]
        document = {"label": shown.label, "key": shown.key, "properties": shown.properties, "counts": counts}
        print_json(document | {"neighbours": [dataclasses.asdict(each) for each in shown.neighbours]})
    elif csv_:
        print_csv(columns, rows)
    else:
        print_line(f"{shown.label} {shown.key}")
        told = {name: value for name, value in shown.properties.items() if value is not None}
        print_table(("property", "value"), told.items())
        print_table(columns, rows)
    for (type_, direction, other), count in shown.counts.items():
        if count > limit:
            say(f"{limit} of {count} shown: {type_} {direction} {other}; --limit shows more")


def path(
    start: Annotated[str, typer.Argument(metavar="FROM", help="Any node's key, defanged too.")],
    end: Annotated[str, typer.Argument(metavar="TO", help="Any node's key, defanged too.")],
    longest: Annotated[int, typer.Option(min=1, max=10, help="How many steps at most.")] = paths_.LONGEST,
    limit: Annotated[int, typer.Option(min=1, help="How many of the shortest paths.")] = paths_.MOST,
    hub: Hub = HUB,
    db: options.Db = options.DB,
    data: options.Data = options.DATA,
    on: targets.On = "embedded",
    *,
    json: options.Json = False,
    csv_: Csv = False,
    show_cypher: ShowCypher = False,
) -> None:
    """Find the shortest paths between two nodes, around what everyone shares."""
    with asked(on, db, data, show_cypher=show_cypher) as graph:
        ends = found(graph, start), found(graph, end)
        result = paths_.paths(graph, *ends, longest=longest, most=limit, hub=hub)
    if json:
        print_json(
            {
                "from": ends[0],
                "to": ends[1],
                "paths": [[_step(step) for step in way] for way in result.found],
                "hubs": result.hubs,
                "cut": result.cut,
            }
        )
    else:
        columns = ("path", "step", "label", "key", "type", "direction", "to_label", "to_key")
        rows = [
            (number, place, *step.start, step.type, step.direction, *step.end)
            for number, way in enumerate(result.found, 1)
            for place, step in enumerate(way, 1)
        ]
        print_csv(columns, rows) if csv_ else _print_ways(result.found)
    _tell_hubs(result.hubs, cut=result.cut)
    if not result.found:
        say(f"no path of at most {longest} steps; --longest and --hub allow more")
        raise typer.Exit(1)


def _print_ways(ways: Iterable[list[Step]]) -> None:
    for way in ways:
        print_line(written(way))


def written(way: Sequence[Step]) -> str:
    """Return a way as one line."""
    if not way:
        return ""
    text = f"{way[0].start.label} {way[0].start.key}"
    for step in way:
        left, right = {"->": ("-", "->"), "<-": ("<-", "-"), "--": ("-", "-")}[step.direction]
        text += f" {left}{step.type}{right} {step.end.label} {step.end.key}"
    return text


def rank(
    seeds: Annotated[list[str], typer.Argument(metavar="INDICATOR...", help="Two or more, any nodes' keys.")],
    limit: Annotated[int, typer.Option(min=1, help="How many nodes.")] = ranking.MOST,
    hub: Hub = HUB,
    db: options.Db = options.DB,
    data: options.Data = options.DATA,
    on: targets.On = "embedded",
    *,
    json: options.Json = False,
    csv_: Csv = False,
    show_cypher: ShowCypher = False,
) -> None:
    """Rank what ties indicators together: shared infrastructure, weighted so that what everyone shares does not win.

    A node scores by how directly each seed reaches it (1 for a neighbour, at most a half through another node), and
    loses with the number of its relationships.
    """
    if len(seeds) < 2:  # noqa: PLR2004 - what one alone shares is nothing
        raise UsageError("name two indicators or more: what ties them together is what is ranked")
    with asked(on, db, data, show_cypher=show_cypher) as graph:
        nodes = [found(graph, each) for each in seeds]
        result = ranking.rank(graph, nodes, most=limit, hub=hub)
    columns = ("score", "label", "key", "relationships", "seeds", "why")
    rows = [
        (tie.score, *tie.node, tie.degree, len(tie.ways), "; ".join(written(way) for way in tie.ways.values()))
        for tie in result.ties
    ]
    if json:
        ties = [
            {"label": tie.node.label, "key": tie.node.key}
            | {"score": tie.score, "relationships": tie.degree}
            | {"ways": [[_step(step) for step in way] for way in tie.ways.values()]}
            for tie in result.ties
        ]
        print_json({"seeds": nodes, "ties": ties, "hubs": result.hubs, "cut": result.cut})
    else:
        (print_csv if csv_ else print_table)(columns, rows)
    _tell_hubs(result.hubs, cut=result.cut)
    if not result.ties:
        say("nothing within two steps ties them together")


def query(
    cypher: Annotated[str | None, typer.Argument(metavar="[CYPHER]", help="Cypher that only reads.")] = None,
    saved: Annotated[str | None, typer.Option("--saved", help="Ask a saved query; `queries` lists them.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A parameter's value.")
    ] = None,
    limit: Limit = ask.LIMIT,
    timeout: Annotated[float, typer.Option(min=0.001, help="In seconds.")] = ask.TIMEOUT,
    db: options.Db = options.DB,
    data: options.Data = options.DATA,
    on: targets.On = "embedded",
    *,
    json: options.Json = False,
    csv_: Csv = False,
    show_cypher: ShowCypher = False,
) -> None:
    """Ask the graph in Cypher, which may only read, or ask a saved query."""
    if (cypher is None) == (saved is None):
        raise UsageError("give a question in Cypher, or the name of a saved one with --saved")
    given = given_parameters(parameter or [])
    known = questions.saved(data / "queries")
    values: Mapping[str, object] = given
    with asked(on, db, data, show_cypher=show_cypher) as graph:
        if saved is not None:
            chosen = questions.named(saved, known)
            cypher, values = chosen.text(graph), chosen.values(given)
        answer = graph.ask(cypher or "", values, limit=limit, timeout=timeout)
    if json:
        print_json({"columns": answer.columns, "rows": answer.rows, "cut": answer.cut})
    else:
        (print_csv if csv_ else print_table)(answer.columns, answer.rows)
    if answer.cut:
        say(f"the first {limit} rows; --limit gives more")


def queries(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """List the saved queries: those that ship, and your own in the folder `queries` beside the raw cache."""
    known = questions.saved(data / "queries").values()
    if json:
        print_json(
            {
                "queries": [
                    {
                        "name": each.name,
                        "doc": each.doc,
                        "parameters": {own.name: [own.doc, own.default] for own in each.parameters},
                        "cypher": each.cypher,
                    }
                    for each in known
                ]
            }
        )
        return
    print_table(
        ("query", "what it asks", "parameters"),
        [
            (
                each.name,
                each.doc,
                [own.name if own.default is None else f"{own.name}={own.default}" for own in each.parameters],
            )
            for each in known
        ],
    )


def given_parameters(pairs: Iterable[str]) -> dict[str, str]:
    """Return the parameters that NAME=VALUE pairs give."""
    given = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"-p {pair!r} is not NAME=VALUE")
        given[name] = value
    return given


def _step(step: Step) -> dict[str, object]:
    return {"from": step.start, "type": step.type, "direction": step.direction, "to": step.end}


def _tell_hubs(hubs: Sequence[NodeRef], *, cut: bool) -> None:
    if hubs:
        some = ", ".join(f"{label} {key}" for label, key in hubs[:5])
        more = f" and {len(hubs) - 5} more" if len(hubs) > 5 else ""  # noqa: PLR2004 - a line's worth
        say(f"not entered, because they have so many neighbours: {some}{more}; --hub allows more")
    if cut:
        say("the search was cut short: there may be more; --hub narrows it")
