"""The command line, `intel-grapher`: the only package that prints, and that turns errors into exit codes.

Exit codes: 0 done, 1 failed, 2 used wrongly, 3 done in part, 4 a key is missing, 130 interrupted.

Each module named in COMMANDS has one command, or one group of commands, as its `app`. The other modules hold what
commands share:

options         options and option groups, and how a command takes them
indicators      the indicators that a command is about
fetch_settings  whom to ask, and how far
cache_add       `cache add`
cache_imports   `cache imports`, `cache remove`, `cache restore`
graph           which graph; finding a node in it
output          results, messages, progress
"""

from __future__ import annotations

import io
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

import intel_grapher
from intel_grapher import credentials, settings
from intel_grapher.cli.options import INTERRUPTED
from intel_grapher.cli.output import QUIET, complain, discard, escape_unencodable, messages_as_json, say
from intel_grapher.cli.plain_values import convert_plainly
from intel_grapher.errors import GrapherError, NoFilesError, NoGraphError, NothingYetError, StaleGraphError, UsageError

DEBUG = "INTEL_GRAPHER_DEBUG"
LOOK = "look"
"""The command that is run where none is named."""
FOLDER_OPTION = "-C"
ASKING_OPTIONS = frozenset({"--help", "-h", "--version", "-V", "--install-completion", "--show-completion"})
OWN_OPTIONS = ASKING_OPTIONS | {"--debug", "--quiet", "-q", "--verbose", "-v"}
SHORT_VERBOSE = "-v"
"""Of some commands, it is short for --all."""
MOVED = frozenset({"--debug", "--quiet", "-q", "--verbose"})
"""Options of the whole command that no command has itself, so that they may stand after it."""
INDICATOR_LIKE = re.compile(r"[.:@\[\]()]|^[0-9a-fA-F]{32,128}$|^(?:AS|CVE-)[0-9]", re.IGNORECASE)
SECRET_NAME = re.compile(r"KEY|TOKEN|PASSWORD|SECRET")
SHORTEST_SECRET = 6
LONGEST_SHOWN = 200

BEGIN, ASK, BUILD, READ, SERVE = "Begin", "Ask the sources", "Make the graph", "Look at it", "See to it"
COMMANDS = {
    "demo": (BEGIN, "Load a small made-up campaign, and tell its story."),
    "init": (BEGIN, "Lay out a workspace: indicators, settings, keys."),
    "run": (BEGIN, "Fetch, transform and load, with the options of all three."),
    "watch": (BEGIN, "Ask again about a list, and print only what is new."),
    "look": (BEGIN, "Look indicators up: one card for each, as answers arrive."),
    "plan": (ASK, "Print what a fetch would cost, and ask nothing."),
    "fetch": (ASK, "Ask the sources what the cache lacks, and keep every reply."),
    "taxii": (ASK, "Keep the objects of a TAXII collection, or list a server's."),
    "sources": (ASK, "List the sources: what each is asked, its key, its state."),
    "cache": (ASK, "Put replies into the raw cache; list, show and check them."),
    "transform": (BUILD, "Turn the cached replies into deduplicated flat files."),
    "load": (BUILD, "Load the flat files into a graph, and prove they are there."),
    "show": (READ, "Print what the graph has about an indicator, or several."),
    "path": (READ, "Find the shortest paths between two nodes, around hubs."),
    "rank": (READ, "Rank what ties indicators together."),
    "query": (READ, "Ask the graph in Cypher that only reads, or a saved query."),
    "queries": (READ, "List the saved queries, your own among them."),
    "mcp": (READ, "Serve the graph to an assistant, read-only (MCP)."),
    "ui": (READ, "Serve the page: see the graph, ask it, extend it."),
    "diff": (READ, "Print what changed between two sets of flat files."),
    "export": (READ, "Write the graph, or a part of it, for other tools."),
    "maltego": (READ, "Local transforms of Maltego: the graph, the sources."),
    "schema": (READ, "Print the graph's labels, relationship types, properties."),
    "config": (SERVE, "The settings, and where each comes from."),
    "keys": (SERVE, "The services' keys: check them, and keep one."),
    "doctor": (SERVE, "Look for what is wrong, and print the remedies."),
    "neo4j": (SERVE, "A local Neo4j of one's own: up, down, status."),
}
"""The group of each command in the help, and what it does, in the order of the help. Each name is a module's here.

The summaries repeat the modules' own, so that the help imports none of them; a test compares the two.
"""


class LazyCommands(Mapping[str, Any]):
    """The commands by name. A command's module is imported at its first use, because it imports databases."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - typer's own click
        if name not in COMMANDS:
            raise KeyError(name)
        if name not in self._loaded:
            made = typer.main.get_command(import_module(f"{__name__}.{name}").app)
            self._loaded[name] = import_module(f"{__name__}.help_pages").dressed(made, name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class MainGroup(typer.core.TyperGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - what Typer passes
        super().__init__(**settings)
        self.commands = LazyCommands()  # type: ignore[assignment]
        convert_plainly(self)

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's own click
        """Return the options, and `--help`; a flag has no value, so the help tells none."""
        found = super().get_params(ctx)
        for flag in (each for each in found if each.metavar is None and getattr(each, "is_flag", False)):
            flag.metavar = ""
        return found

    def parse_args(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own click
        """Take `look` for the command where none is named, but an indicator, an option of its, or a text is."""
        at = _position_of_command(args)
        first = args[at] if at < len(args) else None
        if first is None and not set(args) & ASKING_OPTIONS and _take_text():
            args = [*args, LOOK]
        elif first is not None and first not in COMMANDS and (not first[:1].isalnum() or _may_be_indicator(first)):
            args.insert(at, LOOK)
        elif first is not None and first not in COMMANDS:
            self.resolve_command(ctx, args[at:])  # fails, before what a command needs is imported
        return super().parse_args(ctx, self._own_first(ctx, args))

    def _own_first(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own click
        """Return the arguments with the options of the whole command first: many type them after the command."""
        at = _position_of_command(args)
        end = args.index("--") if "--" in args else len(args)
        own: list[str] = []
        rest: list[str] = []
        words = iter(args[at:end])
        for word in words:
            if word == FOLDER_OPTION:
                own += [word, *[value for value in [next(words, None)] if value is not None]]
            elif word in MOVED or (word == SHORT_VERBOSE and not self._takes(ctx, args[at:end], word)):
                own.append(word)
            else:
                rest.append(word)
        return [*args[:at], *own, *rest, *args[end:]]

    def _takes(self, ctx: Any, words: Sequence[str], option: str) -> bool:  # noqa: ANN401 - typer's own click
        """Tell whether the command that words begin with has an option of its own of that name."""
        command = self.get_command(ctx, words[0])
        if isinstance(command, typer.core.TyperGroup):
            command = next((command.commands[word] for word in words[1:] if word in command.commands), command)
        return command is not None and any(option in each.opts for each in command.params)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own click
        """Print the help, without importing a command."""
        self.commands = {
            name: typer.core.TyperCommand(name, help=summary, rich_help_panel=group)
            for name, (group, summary) in COMMANDS.items()
        }
        super().format_help(ctx, formatter)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer's own click
        """Return the names, without an import."""
        _ = ctx
        return list(COMMANDS)


def _position_of_command(args: Sequence[str]) -> int:
    """Return the position of the first argument that is no option of the whole command, nor such an option's value."""
    at = 0
    while at < len(args) and (args[at] in OWN_OPTIONS or args[at].startswith(FOLDER_OPTION)):
        at += 2 if args[at] == FOLDER_OPTION else 1
    return at


def _may_be_indicator(word: str) -> bool:
    """Tell whether a word may be an indicator, and is not a command that was misspelt."""
    return INDICATOR_LIKE.search(word) is not None


def _take_text() -> bool:
    """Return whether a text waits on standard input; it is then read, and put back for the command."""
    if sys.stdin is None or sys.stdin.isatty():
        return False
    try:
        content = sys.stdin.buffer.read()
    except (OSError, ValueError):  # closed
        return False
    sys.stdin = io.TextIOWrapper(io.BytesIO(content))
    return bool(content.strip())


app = typer.Typer(
    name="intel-grapher",
    cls=MainGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Indicators of compromise in, one deduplicated graph out: fetch, transform, load; then show and query.",
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer passes the flag's value by position
    if wanted:
        typer.echo(f"intel-grapher {intel_grapher.__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    *,
    folder: Annotated[
        Path | None,
        typer.Option(FOLDER_OPTION, metavar="FOLDER", help="Work in this folder, as if the command began there."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors alone.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say which settings hold, and from where.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options of the whole command, and the settings of the files."""
    _ = version  # its callback has printed it
    if folder is not None:
        if not folder.is_dir():
            raise UsageError(f"-C {folder}: there is no such folder")
        if os.sep in sys.argv[0]:
            sys.argv[0] = os.path.abspath(sys.argv[0])  # noqa: PTH100 - a link to it stays one
        os.chdir(folder)
    if debug:
        os.environ[DEBUG] = "1"
    if quiet:
        os.environ[QUIET] = "1"
    context.obj = dict(os.environ)
    os.environ.update(settings.as_environment(Path.cwd(), os.environ, sys.argv))
    if verbose:
        for value in settings.resolve(Path.cwd(), context.obj, sys.argv):
            if value.origin != "default":
                say(f"{value.setting.name} = {value.value} ({value.origin})")


def main() -> None:
    """Run the command line, and exit with its code."""
    escape_unencodable()
    with messages_as_json(wanted="--json" in sys.argv):
        _run(as_json="--json" in sys.argv)


def _run(*, as_json: bool) -> None:
    """Run the command line, say what went wrong, and exit with its code."""
    try:
        if as_json:
            sys.exit(app(prog_name="intel-grapher", standalone_mode=False) or 0)
        app(prog_name="intel-grapher")
    except typer.exceptions.TyperException as error:  # used wrongly; only with --json, else Typer has said so
        complain(f"error: {getattr(error, 'message', error)}")
        sys.exit(getattr(error, "exit_code", 2))
    except GrapherError as error:
        _say_traceback()
        complain(f"error: {masked(_with_next_step(error))}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(INTERRUPTED)
    except OSError as error:  # no code expected it at that place; its text names the file
        _say_traceback()
        complain(f"error: the system refused: {masked(str(error))}; mend that and run the command again")
        discard(sys.stdout)
        sys.exit(1)
    except UnicodeEncodeError as error:  # a path of this folder's, handed to an engine
        _say_traceback()
        complain(f"error: {masked(error.object)[:LONGEST_SHOWN]!r} is not UTF-8: work in a folder whose path is")
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - a fault of the program ends without a traceback, too
        _say_traceback()
        complain(f"error: {type(error).__name__}: {masked(str(error))}")
        complain("this is a fault of the program; `intel-grapher --debug …` shows where")
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            complain("interrupted: what was done is kept, and the same command goes on from there")
        raise


def _say_traceback() -> None:
    if DEBUG in os.environ:
        complain(masked(traceback.format_exc()))


def masked(text: str) -> str:
    """Return a text with the secrets of the environment and of the keys files replaced by `…`."""
    of_environment = (value for name, value in os.environ.items() if SECRET_NAME.search(name))
    for value in (*of_environment, *credentials.in_files()):
        if len(value) >= SHORTEST_SECRET:
            text = text.replace(value, "…")
    return text


def _with_next_step(error: GrapherError) -> str:
    """Return an error's text; where something is still to be made, what it is, and the one command that makes it."""
    if not isinstance(error, (NothingYetError, StaleGraphError)):
        return str(error)
    from intel_grapher.cli.next_command import command, named_places  # noqa: PLC0415 - it imports this module

    places = named_places()
    of_files = {option: places[option] for option in ("--data", "--import")}
    transform, load = command("transform", places=of_files), command("load", places=places)
    if isinstance(error, StaleGraphError):
        return f"{error.what}: `{f'{transform} && {load}' if error.of_files else load}` builds it again"
    has_replies = (places["--data"] / "raw").is_dir()
    if isinstance(error, NoFilesError) and has_replies:
        return f"{error.what}: `{transform}` makes them"
    if isinstance(error, NoGraphError) and (places["--import"] / "manifest.json").exists():
        return f"{error.what}: `{load}` makes it"
    if isinstance(error, NoGraphError) and has_replies:
        return f"{error.what}: `{transform} && {load}` makes it"
    run = command("run", "example.com", places=places)
    return f"{error.what}: `{run}` asks and loads; `{command('demo')}` shows a made-up campaign"
