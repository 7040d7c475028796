"""`transform`: turns the raw cache into flat files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from intel_grapher import objects
from intel_grapher.cache import Cache
from intel_grapher.cli import options
from intel_grapher.cli.options import grouped
from intel_grapher.cli.output import interruptible, is_terminal, print_json, print_table, progress, say
from intel_grapher.cli.terminal import Screen
from intel_grapher.errors import NoRepliesError, UsageError
from intel_grapher.files import FORMATS, Manifest
from intel_grapher.registry import Registry
from intel_grapher.sets import MOST
from intel_grapher.times import dated
from intel_grapher.transform import Options, transform
from intel_grapher.transform.spark.session import check as check_cluster

COLUMN = 9
UNREADABLE = "unreadable"
"""The outcome of a reply that could not be decoded."""

app = typer.Typer(add_completion=False)


class Engine(Enum):
    """What does the work of a transform."""

    LOCAL = "local"
    SPARK = "spark"


@dataclass(frozen=True, kw_only=True)
class TransformSettings:
    """Option group: what a transform takes in, and with how much of the machine."""

    format_: Annotated[list[str] | None, typer.Option("--format", help="parquet or csv: only this one.")] = None
    memory: options.Memory = None
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes or threads that work at once. Default: the number of cores.")
    ] = None
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Only what had been fetched by then: 2024-05-01T10:00:00Z, yesterday, 7d."),
    ] = None
    seen_since: Annotated[
        list[str] | None,
        typer.Option(
            "--seen-since",
            metavar="[SOURCE=]TIME",
            help="Leave out what a source said before then and, asked the same again since, did not repeat.",
        ),
    ] = None

    all_counts: options.AllCounts = False
    engine: Annotated[
        Engine, typer.Option("--engine", help="What does the work: local, this machine; spark, a cluster.")
    ] = Engine.LOCAL
    master: Annotated[
        str | None,
        typer.Option(
            "--master", metavar="MASTER", help="The cluster: spark://HOST:7077, yarn, k8s://…. Default: local[*]."
        ),
    ] = None
    sets: Annotated[int, typer.Option("--sets", min=0, help="Keep so many earlier sets of files, for diff.")] = MOST

    def options(self, registry: Registry) -> Options:
        """Return the options of a transform. Raises UsageError for a format, size, time or source that is none."""
        formats = tuple(self.format_ or FORMATS)
        if unknown := set(formats) - set(FORMATS):
            raise UsageError(f"--format is one of {', '.join(FORMATS)}, not {', '.join(sorted(unknown))}")
        made = Options(formats=formats, keep=self.sets)
        made.memory = options.byte_size(self.memory) or made.memory
        made.processes = self.processes or os.cpu_count() or 1
        made.as_of = options.timestamp("--as-of", self.as_of)
        made.seen_since = self._seen_since(registry)
        if self.master is not None and self.engine is not Engine.SPARK:
            raise UsageError("--master names a Spark cluster: say --engine spark, too")
        if self.engine is Engine.SPARK:
            made.master = self.master or "local[*]"
            check_cluster(made.master)
        return made

    def _seen_since(self, registry: Registry) -> dict[str, int]:
        """Return epoch seconds by source. A time without a source is for all sources without a time of their own."""
        overall: int | None = None
        by_source: dict[str, int] = {}
        for text in self.seen_since or []:
            name, equals, time = text.rpartition("=")
            since = options.timestamp("--seen-since", time) or 0
            if equals:
                by_source[registry.named(name).name] = since
            else:
                overall = since
        return by_source if overall is None else dict.fromkeys(registry, overall) | by_source


@app.command("transform")
@grouped
def transform_command(
    settings: TransformSettings,
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    *,
    json: options.Json = False,
    no_progress: options.NoProgress = False,
) -> None:
    """Turn the cached replies into deduplicated flat files.

    They hold nodes and relationships, as Parquet and as CSV with neo4j-admin headers.
    """
    manifest = transformed(settings, Registry.installed(), data, import_, no_progress=no_progress)
    print_json(dated({"manifest": manifest})) if json else print_manifest(manifest, import_, all_=settings.all_counts)
    raise typer.Exit(exit_code(manifest, import_))


def transformed(
    settings: TransformSettings, registry: Registry, data: Path, import_: Path, *, no_progress: bool
) -> Manifest:
    """Return the manifest of the flat files that a transform made. Raises NoRepliesError if the cache has no reply."""
    how = settings.options(registry)
    require_replies(data)
    cache = Cache(data)
    with progress("rows", hidden=no_progress) as shown, interruptible(shown) as how.progress:
        return transform(cache, import_, registry, how)


def require_replies(data: Path) -> None:
    """Raise NoRepliesError if there is no cache at that place, or no reply in it."""
    if not Cache(options.existing(data)).segments():
        raise NoRepliesError(
            f"no reply is kept in {objects.shown(data)}", "begin with intel-grapher fetch, or cache add"
        )


def follow(code: int, data: Path) -> None:
    """Check that there is something to transform after a fetch that ended with an exit code.

    Raises Exit where the fetch failed and nothing is kept, and NoRepliesError where it did not fail and nothing is.
    """
    if code == options.INTERRUPTED:
        return
    try:
        require_replies(data)
    except NoRepliesError:
        if code != options.FAILED:
            raise
        raise typer.Exit(code) from None  # the fetch has said why nobody answered


def print_manifest(manifest: Manifest, import_: Path, *, all_: bool) -> None:
    """Print rows by label and relationship, rejects by reason, and replies by outcome, as a table.

    On a terminal, unless `all_` is wished, a line tells the sums.
    """
    if is_terminal() and not all_:
        nodes, relationships = (
            sum(group.rows for group in groups.values()) for groups in (manifest.nodes, manifest.relationships)
        )
        rejects = sum(manifest.rejects.values())
        screen = Screen()
        text = f"{nodes:,} nodes, {relationships:,} relationships"
        text += f"; {rejects:,} rejects in {import_ / 'rejects.jsonl'}" if rejects else ""
        screen.field("made", text, indent=0, column=COLUMN)
        screen.print()
        return
    rows = [("node", name, group.rows) for name, group in manifest.nodes.items()]
    rows += [("relationship", name, group.rows) for name, group in manifest.relationships.items()]
    rows += [("reject", reason, count) for reason, count in manifest.rejects.items()]
    rows += [("reply", outcome, count) for outcome, count in manifest.outcomes.items()]
    print_table(("what", "which", "count"), rows)


def exit_code(manifest: Manifest, import_: Path) -> int:
    """Return the exit code of a transform, and say where to look if it is PART."""
    unreadable = manifest.outcomes.get(UNREADABLE, 0)
    if unreadable:
        say(f"{unreadable} replies could not be read; {import_ / 'rejects.jsonl'} lists each, with its reason")
        say("what `cache add` brought by mistake: intel-grapher cache imports lists it, cache remove takes it back")
    if manifest.damaged:
        say(f"{manifest.damaged} records of the cache are damaged; `intel-grapher cache verify` tells where")
    return options.PART if unreadable or manifest.damaged else 0
