"""`run`: fetches, transforms and loads, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import typer

from intel_grapher import pipeline
from intel_grapher.cli import ending, fetch, load, options, transform
from intel_grapher.cli.fetch_settings import FetchSettings
from intel_grapher.cli.indicators import Indicators
from intel_grapher.cli.load import LoadSettings
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import Advance, interruptible, print_json, progress
from intel_grapher.cli.transform import TransformSettings
from intel_grapher.fetch.asking import Indicator
from intel_grapher.fetch.summary import Summary
from intel_grapher.files import Manifest
from intel_grapher.load import Loaded
from intel_grapher.pipeline import PipelineOptions, Places
from intel_grapher.registry import Registry
from intel_grapher.source import Source
from intel_grapher.times import dated

UNITS = {"fetch": "requests", "transform": "rows", "load": "rows"}
"""What the progress bars of each stage count."""

app = typer.Typer(add_completion=False)


@app.command("run")
@grouped
def run(
    indicators: Indicators,
    fetching: FetchSettings,
    transforming: TransformSettings,
    loading: LoadSettings,
    *,
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Fetch, transform and load, with the options of all three.

    A stage that is done in part does not stop the next one. The exit code is then 3.
    """
    registry = Registry.installed()
    stages = Stages(hidden=no_progress)

    def finished(result: Summary | Manifest | Loaded) -> None:
        stages.close()
        report.finished(result)

    how = PipelineOptions(
        fetching=fetching.options(registry, import_),
        transforming=transforming.options(registry),
        loading=loading.options(),
        progress=stages.advance,
        fetched=fetch.Silence().tell,
        finished=finished,
    )
    found, skipped = indicators.read()
    places = Places(data, import_, loading.target(db, data))
    report = Report(places, fetching.chosen(registry), found, as_json=json, all_=loading.all_counts)
    ending.remember(data, found)
    try:
        pipeline.run(places, found, sources=fetching.selected(registry), registry=registry, options=how)
    finally:
        stages.close()
        if json and report.document:
            print_json(dated(report.document))
    if report.loaded is not None and not json:
        load.print_end(report.loaded, places.target, found, {"--db": db, "--data": data})
    raise typer.Exit(report.code or (options.PART if skipped else 0))


@dataclass
class Report:
    """What the stages of a run gave: the exit code so far, and the members of the JSON document."""

    places: Places
    chosen: list[Source]
    indicators: Sequence[Indicator]
    as_json: bool
    all_: bool
    code: int = 0
    loaded: Loaded | None = None
    document: dict[str, object] = field(default_factory=dict)

    def finished(self, result: Summary | Manifest | Loaded) -> None:
        """Print what a stage gave, or add it to the document; note its exit code.

        Raises KeyMissingError as `fetch.exit_code` does, and what `transform.follow` raises.
        """
        if isinstance(result, Summary):
            self.document["summary"] = result
            if not self.as_json:
                fetch.print_summary(result, all_=self.all_)
            code = fetch.exit_code(result, self.chosen)
            transform.follow(code, self.places.data)
        elif isinstance(result, Manifest):
            self.document["manifest"] = result
            if not self.as_json:
                transform.print_manifest(result, self.places.import_, all_=self.all_)
            code = transform.exit_code(result, self.places.import_)
        else:
            self.document["loaded"] = self.loaded = result
            if not self.as_json:
                load.print_loaded(result, all_=self.all_)
            code = load.exit_code(result)
        self.code = code or self.code


class Stages:
    """The progress bars of a run: those of one stage at a time."""

    def __init__(self, *, hidden: bool) -> None:
        self._hidden = hidden
        self._stack = ExitStack()
        self._stage = ""
        self._advance: Advance = lambda _step, _done, _total, _note="", /: None

    def advance(self, stage: str, step: str, done: int, total: int) -> None:
        """Report one step of a stage; the bars of the stage before are closed."""
        if stage != self._stage:
            self.close()
            self._stage = stage
            shown = self._stack.enter_context(progress(UNITS[stage], hidden=self._hidden))
            # a fetch ends in its own way after an interrupt
            self._advance = shown if stage == "fetch" else self._stack.enter_context(interruptible(shown))
        if step:
            self._advance(step, done, total)

    def close(self) -> None:
        """Close the bars, so that what is printed stands below them."""
        self._stack.close()
        self._stage = ""
