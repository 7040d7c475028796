"""What the help of a command says beside its options: an example; and which of its options stand under "More"."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import typer.core

from intel_grapher.cli.plain_values import convert_plainly
from intel_grapher.deferred import settle

MORE = "More options"
QUICK = frozenset({"show", "path", "rank", "query", "queries", "schema", "sources", "plan"})
"""Commands that answer in one thread: what they do not use is never imported."""
EXAMPLES = {
    "demo": "demo",
    "init": "init investigation",
    "run": "run --file indicators.txt --max-age 7d",
    "watch": "watch indicators.txt --as markdown --output news.md",
    "look": "look example.com 192.0.2.10",
    "plan": "plan --file indicators.txt",
    "fetch": "fetch example.com 192.0.2.10 --source doh",
    "fetch status": "fetch status",
    "fetch failed": "fetch failed --source otx",
    "fetch retry": "fetch retry --source otx",
    "sources": "sources",
    "cache add": "cache add kept-replies/",
    "cache list": "cache list",
    "cache sync": "cache sync --data s3://bucket/case-1",
    "cache orphans": "cache orphans --data s3://bucket/case-1",
    "cache show": "cache show example.com --source threatcrowd",
    "cache coverage": "cache coverage",
    "cache imports": "cache imports",
    "cache remove": "cache remove threatcrowd domain example.com",
    "cache restore": "cache restore c1a049df",
    "cache review": "cache review report.pdf --accept-all-but-marked",
    "cache export": "cache export --output evidence.tar --since 7d",
    "taxii": "taxii https://taxii.example/api/collections/",
    "cache verify": "cache verify",
    "cache compact": "cache compact",
    "transform": "transform --as-of 2026-05-01 --import import-may",
    "load": "load --to neo4j --prune",
    "show": "show example.com",
    "path": "path billing@invoice-portal.example 198.51.100.23",
    "rank": "rank example.com invoice-portal.example --limit 5",
    "query": "query --saved registrant-pivot -p name=example.com",
    "queries": "queries",
    "mcp": "mcp",
    "ui": "ui --port 8700 --no-browser",
    "diff": "diff yesterday --rows 20",
    "export": "export --output campaign.graphml",
    "maltego config": "maltego config --output intel-grapher.mtz",
    "maltego around": "maltego around example.com",
    "maltego plan": "maltego plan example.com",
    "maltego ask": "maltego ask example.com --source doh",
    "maltego query": "maltego query co-hosted example.com",
    "schema": "schema",
    "config show": "config show",
    "keys check": "keys check --source shodan",
    "keys set": "keys set SHODAN_API_KEY",
    "doctor": "doctor --deep",
    "neo4j up": "neo4j up",
    "neo4j down": "neo4j down",
    "neo4j status": "neo4j status",
}
"""A line for each command, after `intel-grapher`."""
NOTES = {
    "cache add": """
A file is one reply. A .jsonl or .ndjson file has one reply a line, a JSON array one an item: with its key, as
{"key":…,"body":…} or as the cache itself writes it, or bare, with --key-from. Of a HAR file, the entries that ask a
known source are replies. What curl -i prints is a reply with its status and time. STIX bundles, MISP events, OpenIOC
and Maltego graphs are known by their form. An evidence bundle is verified first. Archives and packed files are looked
into, one in another: .gz .bz2 .xz .zst .zip .tar.

A file's name is a key up to the first `__` or to its extension; a name that may be no key is refused. A list of
indicators goes by the place of its file.

A report (PDF, DOCX, HTML, e-mail, Markdown or other prose) is told by its content, and kept whole. What it mentions
waits for `cache review`. --source reports says that files are reports, whatever they look like.
""",
}
"""What the help of a command says below its options."""
RARE = frozenset(
    {
        *("--domain", "--email", "--hash", "--ip", "--user", "--skip-bad", "--requests", "--pages", "--negative-age"),
        *(
            "--refresh",
            "--follow",
            "--under",
            "--outside",
            "--stop",
            "--per-kind",
            "--per-parent",
            "--hub",
            "--explain",
        ),
        *("--memory", "--processes", "--as-of", "--seen-since", "--sets", "--method", "--replace", "--yes", "--data"),
        *(
            "--import",
            "--db",
            "--show-cypher",
            "--no-progress",
            "--timeout",
            "--longest",
            "--name",
            "--log",
            "--columns",
        ),
        *("--fetched-at", "--key-from", "--include", "--exclude"),
        *(
            "--queue",
            "--engine",
            "--master",
            "--format",
            "--prune",
            "--no-pager",
            "--no-graph",
            "--all",
            "--signed-by",
            "--url",
        ),
    }
)
"""Options that few need at first."""
RARE_OF = {
    "export": {"--parameter", "--on", "--dry-run", "--event", "--max-age", "--unjudged", "--max-tlp", "--title"},
    "cache review": {"--leave", "--author"},
    "cache export": {"--entries", "--sign"},
}
"""Likewise, of one command."""
COMMON_OF = {"export": {"--format"}, "transform": {"--engine", "--master"}}
"""Options that are rare elsewhere, and not with this command."""
FEW = 8
"""A command with no more options than these has one list."""


def _value_of(option: Any) -> str:  # noqa: ANN401 - typer's own click
    """Return what the help calls an option's value; an empty text for a flag."""
    if option.is_flag:
        return ""
    kind = option.type_descriptor.annotation
    if kind in {int, float}:
        return "N"
    return "PATH" if kind in {Path, list[Path]} else "TEXT"


def _wrapped(text: str) -> str:
    """Return a text with one line a paragraph: lines are as long as the code's, and a terminal wraps them anew."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def _settle_first(command: Any, name: str) -> None:  # noqa: ANN401 - typer's own click
    """Let a command that is not QUICK fill all that was deferred before it runs."""

    def invoke(ctx: Any) -> Any:  # noqa: ANN401 - typer's own click
        settle()
        return run(ctx)

    run = command.invoke
    is_run = not isinstance(command, typer.core.TyperGroup) or command.invoke_without_command
    if is_run and name.partition(" ")[0] not in QUICK:
        command.invoke = invoke


def dressed(command: Any, name: str) -> Any:  # noqa: ANN401 - typer's own click
    """Return a command with its example, and with its rare options under a heading of their own.

    Its values are converted as `plain_values` does.
    """
    if isinstance(command, typer.core.TyperGroup) and command.commands:
        for own, each in command.commands.items():
            dressed(each, f"{name} {own}")
    if name in EXAMPLES and not command.epilog:
        command.epilog = _wrapped(f"{NOTES.get(name, '')}\n\nExample: intel-grapher {EXAMPLES[name]}")
    command.help = _wrapped(command.help or "")
    convert_plainly(command)
    _settle_first(command, name)
    options = [each for each in command.params if getattr(each, "param_type_name", "") == "option"]
    for option in options:
        if option.metavar is None:
            option.metavar = _value_of(option)
        option.show_envvar = False  # README's table of settings has them, with what wins
    rare = (RARE | RARE_OF.get(name, set())) - COMMON_OF.get(name, set())
    if len(options) > FEW or name in RARE_OF:
        for option in options:
            if rare & set(option.opts):
                option.rich_help_panel = MORE
    for argument in (each for each in command.params if each not in options):
        argument.display_type_rich = lambda ctx: None  # noqa: ARG005 - the name in capitals says more than its type
    command.get_help_option = partial(_help_option, command.get_help_option)
    return command


def _help_option(made: Callable[[Any], Any], ctx: Any) -> Any:  # noqa: ANN401 - typer's own click
    """Return the option `--help`, which takes no value."""
    option = made(ctx)
    if option is not None:
        option.metavar = ""
    return option
