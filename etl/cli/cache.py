"""`intel-grapher cache`: replies from elsewhere into the raw cache, and what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from etl import times
from etl.cache import Cache, adopt, verify
from etl.cli import options
from etl.cli.output import print_json, print_line, print_table, say
from etl.errors import BadValue, UsageError
from etl.source import Source, discover, named

PART = 3

app = typer.Typer(no_args_is_help=True, help="The raw cache: add replies from elsewhere, list, show, verify.")
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="What was asked for.")]
SourceOption = Annotated[str | None, typer.Option("--source", "-s", help="The source that replied.")]
EndpointOption = Annotated[str | None, typer.Option("--endpoint", help="The source's endpoint.")]


@app.command()
def add(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Replies: files, folders, JSON Lines, archives.")
    ],
    source: SourceOption = None,
    endpoint: EndpointOption = None,
    key: Annotated[str | None, typer.Option(help="What was asked for; by default the file's name up to `__`.")] = None,
    fetched_at: Annotated[str | None, typer.Option(help="When it was asked; by default the file's own time.")] = None,
    data: options.Data = options.DATA,
    *,
    json: options.Json = False,
) -> None:
    """Put replies from elsewhere into the cache.

    Where source and endpoint are not given, they are the names of the two folders above a file. The key, where it is
    not given, is the file's name up to the first `__` or to its extension. A reply that is there already is passed over.
    """
    sources = discover()
    if source is not None:
        source = named(source, sources).name
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"not there: {', '.join(missing)}")
    cache = Cache(data)
    with cache.writer() as writer:
        added = adopt(
            writer, paths, source=source, endpoint=endpoint, key=key, fetched_at=_moment(fetched_at),
            resolve=lambda *place: resolve(sources, *place),
        )  # fmt: skip
    for skipped in added.skipped:
        say(f"left out: {skipped}")
    if json:
        print_json({"added": added.added, "present": added.present, "skipped": [str(each) for each in added.skipped]})
    else:
        print_line(f"{added.added} added, {added.present} there already, {len(added.skipped)} left out")
    if added.skipped:
        raise typer.Exit(PART)


def resolve(sources: dict[str, Source], source: str, endpoint: str, key: str) -> tuple[str, str, str]:
    """Return where a reply belongs: the source's own name, the endpoint's, and the canonical key.

    An endpoint without a mapping, and a key that is none of what the endpoint asks for, are kept as they are: transform
    lists them, and a later mapping may read them. UsageError for a source that is not known.
    """
    known = named(source, sources)
    found = known.endpoint(endpoint)
    if found is None:
        return known.name, endpoint.lower().replace("-", "_"), key
    try:
        return known.name, found.name, found.resolve(key)[1]
    except BadValue:
        return known.name, found.name, key


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return times.parse(text).seconds
    except BadValue as bad:
        raise UsageError(
            f"--fetched-at {text!r}: {bad.reason}; write it as 2021-03-05 or 2021-03-05T10:11:12Z"
        ) from bad


@app.command("list")
def list_(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """List what the cache holds of each endpoint."""
    rows = Cache(data).summary()
    if json:
        print_json({"endpoints": rows})
    else:
        print_table(
            list(rows[0].__struct_fields__) if rows else ["source"], [list(_plain(row).values()) for row in rows]
        )


def _plain(row: object) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__struct_fields__}  # type: ignore[attr-defined]


@app.command()
def show(
    key: KeyArgument,
    source: SourceOption = None,
    endpoint: EndpointOption = None,
    data: options.Data = options.DATA,
) -> None:
    """Print the replies kept for a key, the newest first, one envelope a line."""
    entries = list(Cache(data).entries(key, source=source, endpoint=endpoint))
    if not entries:
        raise UsageError(f"nothing is kept for {key!r}; `intel-grapher cache list` tells what is there")
    for line in entries:
        print_line(line)


@app.command("verify")
def verify_(data: options.Data = options.DATA, *, json: options.Json = False) -> None:
    """Check every record of the cache against its checksum."""
    problems = verify(Cache(data))
    if json:
        print_json({"problems": problems})
    for problem in problems:
        say(str(problem))
    if problems:
        raise typer.Exit(1)
    if not json:
        print_line("the cache is whole")
