"""`look`, and no command at all: one card for each indicator, as its answers arrive; the graph is built behind them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from intel_grapher import ask, pipeline, times
from intel_grapher.ask.engines import Graph
from intel_grapher.cache import Cache
from intel_grapher.cards.card import Asked, Card, card_document
from intel_grapher.cards.looking import Looked, look
from intel_grapher.cli import fetch, graph, options, terminal, transform
from intel_grapher.cli.fetch_settings import FetchSettings
from intel_grapher.cli.indicators import Indicators
from intel_grapher.cli.next_command import command
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import print_json_line, progress, say
from intel_grapher.cli.plan import LACKING, because
from intel_grapher.cli.run import Stages
from intel_grapher.cli.terminal import DIM, HEADING, KEY, Screen, counted, dated, day, short, some
from intel_grapher.errors import GrapherError, KeyMissingError
from intel_grapher.files import Manifest
from intel_grapher.load import Loaded
from intel_grapher.pipeline import PipelineOptions, Places
from intel_grapher.registry import Registry

FEW = 4
NEW = 6
NEXT = 3

app = typer.Typer(add_completion=False)


@app.command("look")
@grouped
def look_command(
    indicators: Indicators,
    settings: FetchSettings,
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody: use what the cache has.")] = False,
    no_graph: Annotated[bool, typer.Option("--no-graph", help="Make no graph of the answers.")] = False,
    all_: terminal.All = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON Lines: one card a line, as it comes.")] = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Look indicators up: one card for each, as answers arrive.

    Indicators come as arguments, from files, or in any text on standard input, such as a pasted report. A card says
    what the indicator is, the judgement on it and why, what ties it to others of the list, what is new, and who was
    not asked. Then the graph is built. Without a command's name, `intel-grapher example.com` does the same.
    """
    registry = Registry.installed()
    how = settings.options(registry, import_)
    sources = settings.selected(registry)
    found, skipped = indicators.read(is_text=True)
    printed: list[Card] = []

    def show(card: Card) -> None:
        printed.append(card)
        print_json_line(card_document(card)) if json else print_card(card, all_=all_)

    with ExitStack() as stack:
        before = _opened(stack, db)
        cache = stack.enter_context(Cache(data))
        shown = stack.enter_context(progress("requests", hidden=no_progress))
        done = look(
            cache, registry, sources, found, how, show=show, graph=before, offline=offline,
            progress=fetch.advancing(shown),
        )  # fmt: skip
    code = _code(done, printed, settings, registry, offline=offline)
    total = done.summary.total if done.summary else None
    is_new = before is None or (total is not None and total.found + total.not_found > 0)
    if not no_graph and code != options.INTERRUPTED and is_new and data.is_dir() and Cache(data).segments():
        _build(Places(data, import_, graph.target(graph.EMBEDDED, db, data)), registry, quiet=json, hidden=no_progress)
    if not json:
        print_end(done, printed, {"--db": db})
    raise typer.Exit(code or (options.PART if skipped else 0))


def _opened(stack: ExitStack, db: Path) -> Graph | None:
    """Return the embedded graph as it is now, None if there is none yet, or none that can be read."""
    try:
        return stack.enter_context(ask.opened(graph.target(graph.EMBEDDED, db, db)))
    except GrapherError:
        return None


def _build(places: Places, registry: Registry, *, quiet: bool, hidden: bool) -> None:
    """Make the files and the embedded graph anew, and say in one line what is in it."""
    stages = Stages(hidden=hidden)

    def finished(result: object) -> None:
        stages.close()
        if isinstance(result, Manifest):
            transform.exit_code(result, places.import_)
        if isinstance(result, Loaded) and not quiet:
            say(f"graph: {result.nodes:,} nodes and {result.relationships:,} relationships in {result.target}")

    try:
        pipeline.run(places, registry=registry, options=PipelineOptions(progress=stages.advance, finished=finished))
    finally:
        stages.close()


def _code(done: Looked, cards: list[Card], settings: FetchSettings, registry: Registry, *, offline: bool) -> int:
    """Return the exit code: 1 if no card has an answer, PART if that is of earlier only; 4 if only keys are missing."""
    is_known = any(each.state in {"found", "not found"} for card in cards for each in card.asked) or any(
        card.in_graph for card in cards
    )
    if done.summary is not None:
        code = fetch.exit_code(done.summary, settings.chosen(registry))
        return options.PART if code == options.FAILED and is_known else code
    if is_known:
        return 0
    missing = {each.source for card in cards for each in card.asked if each.why.startswith("no key in")}
    if missing and not offline:
        raise KeyMissingError(
            f"nobody could be asked: {some(sorted(missing), FEW)} need a key; `intel-grapher sources` names it"
        )
    say("error: nothing is known of " + ("this indicator" if len(cards) == 1 else "these indicators") + (
        ": leave --offline away to ask for it" if offline else ", and nobody can be asked"
    ))  # fmt: skip
    return 1


# --- a card as text ---------------------------------------------------------------------------------------------------


def print_card(card: Card, *, all_: bool) -> None:
    """Print one card."""
    page = Screen()
    write_card(page, card, all_=all_)
    page.blank()
    page.print()


def write_card(page: Screen, card: Card, *, all_: bool) -> None:
    """Write one card on a page."""
    most = 1000 if all_ else FEW
    word = card.judgement.word
    page.line((card.node.key, f"{HEADING} {KEY}"), "  ", (card.node.label, DIM), "  ", (word, terminal.COLOURS[word]))
    for number, it in enumerate(card.judgement.why[:most]):
        who = ", ".join(filter(None, (short(it.sources), day(it.at))))
        page.field("why" if not number else "", it.text + (f" ({who})" if who else ""), column=8)
    if len(card.judgement.why) > most:
        page.field("", f"… {len(card.judgement.why) - most} more (--all)", column=8, style=DIM)
    if not card.judgement.why:
        text = "no source says anything for or against it"
        page.field("why", text if card.answered_at or card.in_graph else "nothing is known of it", column=8, style=DIM)
    facts = [f"{name} {_value(value)}" for name, value in card.facts.items()]
    if facts:
        page.field("is", "; ".join(facts[:most]), column=8)
    for number, note in enumerate(card.notes[:most]):
        page.field("note" if not number else "", f"{note.value} ({note.sources[0]}, {day(note.at)})", column=8)
    direct = [f"{tie.type} {tie.node.key}" for tie in card.ties if tie.direct]
    ties = [some(direct, most) + " (of this list)"] if direct else []
    shared = [tie for tie in card.ties if not tie.direct]
    ties += [f"{it.type} {it.node.key}: with {some([each.key for each in it.others], FEW)}" for it in shared[:most]]
    for number, tie in enumerate(ties):
        page.field("ties" if not number else "", tie, column=8)
    _write_new(page, card, NEW if not all_ else len(card.new))
    _write_asked(page, card.asked, all_=all_)


def _write_new(page: Screen, card: Card, most: int) -> None:
    if card.first_look:
        counts = ", ".join(f"{many} {label}" for label, many in _by_label(card).items())
        if card.answered_at:
            page.field("new", f"looked at for the first time: {counts or 'nothing was found'}", column=8)
        return
    for number, link in enumerate(card.new[:most]):
        who = short(sorted(card.links[link].sources))
        page.field("new" if not number else "", f"{link.type} {link.direction} {link.node.key} ({who})", column=8)
    if len(card.new) > most:
        page.field("", f"… {len(card.new) - most} more (--all)", column=8, style=DIM)
    if not card.new:
        page.field("new", "nothing", column=8, style=DIM)


def _by_label(card: Card) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (_, _, label), many in card.counts.items():
        counts[label] = counts.get(label, 0) + many
    return counts


def _write_asked(page: Screen, asked: list[Asked], *, all_: bool) -> None:
    answered = [each for each in asked if each.state in {"found", "not found"}]
    found = [each.source for each in answered if each.state == "found"]
    if answered:
        text = f"{some(found, 1000 if all_ else FEW)} found something" if found else "nobody found anything"
        text += f", {len(answered) - len(found)} nothing" if found and len(answered) > len(found) else ""
        newest = max(each.at for each in answered)
        page.field("asked", f"{text}; newest answer {day(_iso(newest))}", column=8)
    failed = [f"{each.source} ({each.why})" for each in asked if each.state == "failed"]
    if failed:
        page.field("failed", some(failed, 1000 if all_ else FEW), column=8, style="yellow")
    rest = [each for each in asked if each.state == "not asked"]
    if rest or not asked:
        text = not_asked(rest, all_=all_) if rest else "no service takes this kind"
        page.field("skipped", text, column=8, style=DIM)


def not_asked(rest: list[Asked], *, all_: bool) -> str:
    """Return why sources were not asked: `11 lack a key, 4 retired`; with `all_` by name."""
    by_reason: dict[str, list[str]] = {}
    for each in rest:
        by_reason.setdefault(LACKING if each.why.startswith("no key in") else each.why, []).append(each.source)
    if all_:
        return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())
    return ", ".join(because(len(names), reason) for reason, names in by_reason.items())


def print_end(done: Looked, cards: list[Card], places: dict[str, Path]) -> None:
    """Print what the whole list shares, and what to type next."""
    page = Screen()
    if len(cards) > 1:
        words = [card.judgement.word for card in cards]
        told = ", ".join(f"{words.count(word)} {word}" for word in terminal.COLOURS if word in words)
        page.line((f"{counted(len(cards), 'indicator')}: {told}", HEADING))
        for node, seeds in done.shared[:NEXT]:
            page.field("shared", f"{node.label} {node.key}: by {some([seed.key for seed in seeds], FEW)}", column=8)
    known = [card.node.key for card in cards if card.links][:NEXT]
    if known:
        page.line((f"next    {command('rank' if len(known) > 1 else 'show', *known, places=places)}", DIM), indent=2)
    page.print()


def _value(value: object) -> str:
    if isinstance(value, list):
        return some([str(each) for each in value], FEW)
    return dated(str(value))


def _iso(seconds: int) -> str:
    return times.text(seconds)
