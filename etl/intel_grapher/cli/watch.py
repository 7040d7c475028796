"""`watch`: asks again about a list, and prints only what is new."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from intel_grapher import disk, pipeline, times, watch
from intel_grapher.cli import fetch, load, news, options, transform
from intel_grapher.cli.fetch_settings import FetchSettings
from intel_grapher.cli.indicators import Indicators
from intel_grapher.cli.load import LoadSettings
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import NEW, json_text, print_json, print_text, say
from intel_grapher.cli.run import Stages
from intel_grapher.cli.transform import TransformSettings
from intel_grapher.errors import UsageError
from intel_grapher.fetch.summary import Summary
from intel_grapher.files import Files, Manifest
from intel_grapher.load import Loaded
from intel_grapher.pipeline import PipelineOptions, Places
from intel_grapher.registry import Registry
from intel_grapher.watch import News, State

AGE = "1d"
"""What is older is asked again, unless the user says otherwise."""
FORMATS: dict[str, Callable[[News, int], str]] = {
    "text": news.as_text,
    "markdown": news.as_markdown,
    "html": news.as_html,
}

app = typer.Typer(add_completion=False)


@app.command("watch")
@grouped
def watch_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The list, or any text; - is standard input.")],
    fetching: FetchSettings,
    transforming: TransformSettings,
    loading: LoadSettings,
    *,
    name: Annotated[
        str | None, typer.Option("--name", help="What the watch is remembered by. Default: the file's name.")
    ] = None,
    as_: Annotated[str, typer.Option("--as", help="text, markdown, html or json.")] = "text",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it there; a file is replaced.")] = None,
    log: Annotated[Path | None, typer.Option("--log", help="Add a line about this watch to a file.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Tell at most so many things.")] = 50,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what is no indicator; take the rest.")
    ] = False,
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Ask again about a list, and print only what is new.

    It asks again what is older than a day (--max-age), loads, and says what is new since the last watch of the list,
    and why it matters. The first watch only remembers. The exit code is 10 if there is something new, 0 if not, and 1
    if nobody could be asked.
    """
    if as_ not in {*FORMATS, "json"}:
        raise UsageError(f"--as is one of {', '.join(FORMATS)} or json, not {as_!r}")
    begun = int(time.time())
    registry = Registry.installed()
    if fetching.max_age is None:
        fetching = replace(fetching, max_age=AGE)
    found, skipped = Indicators(file=[file], skip_bad=skip_bad).read()
    state = watch.path_of(data, name or ("standard-input" if str(file) == "-" else file.name))
    before = watch.read(state)
    stages = Stages(hidden=no_progress)
    codes: list[int] = []
    reasons: list[str] = []

    def finished(result: Summary | Manifest | Loaded) -> None:
        stages.close()
        if isinstance(result, Summary):
            codes.append(fetch.exit_code(result, fetching.chosen(registry)))
            reasons.append(fetch.why_unasked(result))
            transform.follow(codes[-1], data)
        elif isinstance(result, Manifest):
            codes.append(transform.exit_code(result, import_))
        else:
            codes.append(load.exit_code(result))

    how = PipelineOptions(
        fetching=fetching.options(registry, import_),
        transforming=transforming.options(registry),
        loading=loading.options(),
        progress=stages.advance,
        fetched=fetch.Silence().tell,
        finished=finished,
    )
    places = Places(data, import_, loading.target(db, data))
    try:
        result = pipeline.run(places, found, sources=fetching.selected(registry), registry=registry, options=how)
    finally:
        stages.close()
    if result.loaded is None:
        raise typer.Exit(options.INTERRUPTED)
    told, after = watch.news(Files(import_), watch.nodes(found), before, begun)
    told = replace(told, unasked="".join(reasons))
    code = next(filter(None, codes), 0) or (options.PART if skipped else 0)
    code = NEW if told.count else code
    _print(told, "json" if json else as_, output, limit)
    if log is not None:
        _log(log, told, begun, code)
    _remember(state, before, after, told.unasked)
    raise typer.Exit(code)


def _remember(path: Path, before: State | None, after: State, unasked: str) -> None:
    """Keep what is known now. A watch that could ask nobody is not the first one, nor the last one."""
    if not unasked:
        watch.write(path, after)
    elif before is not None:  # what is kept has been told
        watch.write(path, msgspec.structs.replace(after, at=before.at))


def _print(told: News, format_: str, output: Path | None, limit: int) -> None:
    """Print what is new, or put it in a file as a whole."""
    if format_ == "json" and output is None:
        print_json(news.document(told))
        return
    text = json_text(news.document(told)) if format_ == "json" else FORMATS[format_](told, limit)
    if output is None:
        print_text(text)
        return
    try:
        disk.write_atomically(output, text.encode())
    except OSError as error:
        raise UsageError(f"{output} can't be written: {error.strerror}; the watch is not remembered") from error
    say(f"{news.title(told)}: {output}")


def _log(path: Path, told: News, at: int, code: int) -> None:
    """Add a line to a log: when, how many are watched and new, and the exit code."""
    line = f"{times.text(at)} watched={told.watched} new={told.count} added={len(told.added)} exit={code}\n"
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}; the watch is not remembered") from error
