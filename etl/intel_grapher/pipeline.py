"""Fetch, transform and load, one after the other: what the command line's `run`, the page and library users call.

from intel_grapher.pipeline import Places, run
result = run(Places(Path("data"), Path("import"), Embedded(Path("data/graph"))), [("domain", "example.com")])
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from intel_grapher.cache import Cache
from intel_grapher.early import mapped_early
from intel_grapher.errors import BusyError
from intel_grapher.fetch.asking import Indicator
from intel_grapher.fetch.run import FetchOptions, fetch
from intel_grapher.fetch.summary import Summary
from intel_grapher.files import Files, Manifest
from intel_grapher.load import Embedded, Loaded, LoadOptions, Server, load
from intel_grapher.registry import Registry
from intel_grapher.retraction import retraction
from intel_grapher.source import Source
from intel_grapher.transform import Options as TransformOptions
from intel_grapher.transform import transform

T = TypeVar("T")
Progress = Callable[[str, str, int, int], None]
"""Called with the stage (fetch, transform, load), its step (of a fetch: the source), units done, and units in all."""
RETRY = 0.5  # seconds between two attempts while another process is at work


@dataclass(frozen=True)
class Places:
    """Where a pipeline works.

    data      folder of the raw cache
    import_   folder of the flat files
    target    the graph
    """

    data: Path
    import_: Path
    target: Embedded | Server


@dataclass(frozen=True)
class PipelineOptions:
    """How a pipeline runs.

    fetching, transforming, loading   options of each stage
    progress    called often, with the stage, its step, units done and units in all
    fetched     called several times a second in a fetch, with its summary so far
    finished    called after each stage with its result; an error that it raises stops the pipeline
    patience    seconds to wait for another process at the same places, before each stage; then BusyError is raised
    """

    fetching: FetchOptions = field(default_factory=FetchOptions)
    transforming: TransformOptions = field(default_factory=TransformOptions)
    loading: LoadOptions = field(default_factory=LoadOptions)
    progress: Progress = lambda _stage, _step, _done, _total: None
    fetched: Callable[[Summary], None] = lambda _summary: None
    finished: Callable[[Summary | Manifest | Loaded], None] = lambda _result: None
    patience: float = 0.0


@dataclass(frozen=True)
class PipelineResult:
    """What each stage of a pipeline gave; None for a stage that was not run."""

    summary: Summary | None = None
    manifest: Manifest | None = None
    loaded: Loaded | None = None


def run(
    places: Places,
    indicators: Sequence[Indicator] = (),
    *,
    sources: Sequence[Source] | None = None,
    registry: Registry | None = None,
    options: PipelineOptions | None = None,
) -> PipelineResult:
    """Return what came of asking `sources` about `indicators`, and of making the files and the graph anew.

    Without indicators nothing is asked. `sources` are all of the registry's, if not named; `registry` is that of the
    installed sources. A fetch that is interrupted ends the pipeline. Raises what `fetch`, `transform` and `load` raise;
    the stages before keep what they have done.
    """
    options = options or PipelineOptions()
    registry = registry or Registry.installed()
    summary = None
    if indicators:
        chosen = list(registry.values()) if sources is None else sources
        summary = _patiently(options, lambda: _fetched(places, indicators, chosen, registry, options))
        options.finished(summary)
        if summary.interrupted:
            return PipelineResult(summary)
    manifest = _patiently(options, lambda: _transformed(places, registry, options))
    options.finished(manifest)
    loaded = _patiently(options, lambda: _loaded(places, options))
    options.finished(loaded)
    return PipelineResult(summary, manifest, loaded)


def _fetched(
    places: Places,
    indicators: Sequence[Indicator],
    sources: Sequence[Source],
    registry: Registry,
    options: PipelineOptions,
) -> Summary:
    def progress(summary: Summary) -> None:
        options.fetched(summary)
        for name, tally in summary.sources.items():
            if tally.to_ask:
                options.progress("fetch", name, tally.asked, tally.asked + tally.remaining)

    options.progress("fetch", "", 0, 0)
    with Cache(places.data) as cache, mapped_early(cache, places.import_, registry, waits=False):
        return fetch(cache, sources, indicators, options.fetching, progress)


def _transformed(places: Places, registry: Registry, options: PipelineOptions) -> Manifest:
    options.progress("transform", "", 0, 0)
    how = options.transforming
    how.progress = lambda step, done, total: options.progress("transform", step, done, total)
    with Cache(places.data) as cache:
        return transform(cache, places.import_, registry, how)


def _loaded(places: Places, options: PipelineOptions) -> Loaded:
    options.progress("load", "", 0, 0)
    how = options.loading
    return load(
        Files(places.import_),
        places.target,
        method=how.method,
        replace=how.replace,
        prune=how.prune,
        retraction=retraction(places.data, places.target),
        progress=lambda step, done, total: options.progress("load", step, done, total),
    )


def _patiently(options: PipelineOptions, stage: Callable[[], T]) -> T:
    """Return what a stage gives, as soon as no other process is at work at the same place."""
    until = time.monotonic() + options.patience
    while True:
        try:
            return stage()
        except BusyError:
            if time.monotonic() + RETRY > until:
                raise
        time.sleep(RETRY)
