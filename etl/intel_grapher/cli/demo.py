"""`demo`: a made-up campaign in a folder of its own, and its story."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from intel_grapher import ask, pipeline
from intel_grapher.ask import saved
from intel_grapher.cli import options
from intel_grapher.cli.next_command import command
from intel_grapher.cli.output import print_json, print_line
from intel_grapher.demo import lay_out
from intel_grapher.load import Embedded, Loaded
from intel_grapher.pipeline import Places

FOLDER = Path("intel-grapher-demo")
NAME, LURE, UPDATE = "example.com", "invoice-portal.example", "cdn-update.example"
MALWARE = "Trojan.PaperLantern.A"
"""Where the story begins."""

app = typer.Typer(add_completion=False)


@app.command("demo")
def demo(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where; a folder of its own.")] = FOLDER,
    *,
    json: options.Json = False,
) -> None:
    """Load a small made-up campaign, and tell its story.

    Its answers ship with the program, so that no network and no key is needed. All of it lies in the one folder.
    """
    lay_out(folder)
    places = Places(folder / "data", folder / "import", Embedded(folder / "data" / "graph"))
    result = pipeline.run(places)
    loaded = result.loaded
    assert result.manifest is not None  # noqa: S101 - both stages were run
    assert loaded is not None  # noqa: S101
    story = _story(folder, result.manifest.replies, loaded)
    commands = [
        command("-C", str(folder), "show", LURE),
        command("-C", str(folder), "rank", NAME, LURE, UPDATE, "--limit", "3"),
        command("-C", str(folder), "ui"),
    ]
    if json:
        print_json({"folder": str(folder), "story": story, "commands": commands, "loaded": loaded})
        return
    for line in story:
        print_line(line)
    for number, line in enumerate(commands, 1):
        print_line(f"  {number}. {line}")


def _story(folder: Path, replies: int, loaded: Loaded) -> list[str]:
    """Return the campaign's story in five lines, as saved queries tell it."""
    with ask.opened(Embedded(folder / "data" / "graph")) as graph:
        registered = _rows(graph, "registrant-pivot", name=NAME)
        hosted = _rows(graph, "co-hosted", name=LURE)
        contacted = _rows(graph, "malware-infrastructure", malware=MALWARE)
    files = next(number for _, key, number, _ in contacted if key == UPDATE)
    registrant = registered[0][1][0]
    names = [NAME, *(name for name, by in registered if registrant in by)]
    sources = len(list((folder / "data" / "raw").iterdir()))
    return [
        f"Paper Lantern is a campaign that nobody ran: {replies} answers of {sources} sources, kept in {folder}",
        f"in the graph: {loaded.nodes} nodes, {loaded.relationships} relationships, each proved to be there",
        f"one hand:     {registrant} registered {_listed(names)}",
        f"one roof:     {LURE} shared {_listed(hosted[0][2])} with {hosted[0][1]}",
        f"one tool:     {files} files that scanners call {MALWARE} contact {UPDATE}",
    ]


def _rows(graph: ask.Graph, query_name: str, /, **values: str) -> list[list[Any]]:
    query = saved.named(query_name, saved.saved())
    return graph.ask(query.text(graph), query.values(values)).rows


def _listed(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]
