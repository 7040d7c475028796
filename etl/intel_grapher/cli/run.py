"""`run`: fetches, transforms and loads, one after the other."""

from __future__ import annotations

import typer

from intel_grapher.cli import fetch, load, options, transform
from intel_grapher.cli.fetch_settings import FetchSettings
from intel_grapher.cli.indicators import Indicators
from intel_grapher.cli.load import LoadSettings
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import print_json
from intel_grapher.cli.transform import TransformSettings
from intel_grapher.registry import Registry

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

    A step that is done in part does not stop the next one. The exit code is then 3.
    """
    registry = Registry.installed()
    transforming.options(registry)  # raises for what is asked wrongly, before anything is asked
    loading.check()
    document: dict[str, object] = {}
    try:
        summary, skipped = fetch.fetched(indicators, fetching, registry, data, import_, no_progress=no_progress)
        document["summary"] = summary
        if not json:
            fetch.print_summary(summary)
        code = fetch.exit_code(summary, fetching.chosen(registry)) or (options.PART if skipped else 0)
        if code == options.INTERRUPTED:
            raise typer.Exit(code)
        manifest = transform.transformed(transforming, registry, data, import_, no_progress=no_progress)
        document["manifest"] = manifest
        if not json:
            transform.print_manifest(manifest)
        code = transform.exit_code(manifest, import_) or code
        done = load.loaded(loading, import_, db, data, no_progress=no_progress)
        document["loaded"] = done
        if not json:
            load.print_loaded(done)
        code = load.exit_code(done) or code
    finally:
        if json and document:
            print_json(document)
    raise typer.Exit(code)
