"""`taxii`: keeps the objects of a TAXII collection, or lists a server's collections."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from intel_grapher import credentials, times
from intel_grapher.cache import Cache
from intel_grapher.cli import options
from intel_grapher.cli.output import print_json, print_line, print_table, say
from intel_grapher.fetch.taxii import TaxiiServer, collection_url
from intel_grapher.registry import Registry

COLUMNS = ("id", "title", "can_read", "url")

app = typer.Typer(add_completion=False)


@app.command("taxii")
def taxii(
    url: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="URL of a collection; of a server or an API root, to list.")
    ],
    *,
    added_after: Annotated[str | None, typer.Option(help="Only what was added since. Default: the last run.")] = None,
    afresh: Annotated[bool, typer.Option("--all", help="Start from the first object again.")] = False,
    pages: Annotated[int | None, typer.Option(min=1, help="Ask for at most so many pages.")] = None,
    data: options.Data = options.DATA,
    json: options.Json = False,
) -> None:
    """Keep the objects of a TAXII collection, or list a server's.

    Each page is kept as it came. A run goes on where the one before was stopped, and asks else for what was added
    since. TAXII_KEY is a token, or USER:PASSWORD.
    """
    collection = collection_url(url)
    source = Registry.installed()["taxii"]
    key = credentials.find(source.key.variable).value if source.key else ""
    since = options.timestamp("--added-after", added_after)
    with closing(TaxiiServer(source, url, key)) as server:
        if collection is None:
            found = server.collections()
            if json:
                print_json({"collections": [{name: getattr(each, name) for name in COLUMNS} for each in found]})
            else:
                print_table(COLUMNS, [[getattr(each, name) for name in COLUMNS] for each in found])
            return
        with Cache(data) as cache, cache.writer("taxii") as writer:
            done = server.gather(
                cache, writer, collection, added_after=None if since is None else times.text(since), afresh=afresh,
                pages=pages,
            )  # fmt: skip
    if json:
        print_json({"collection": collection, **done._asdict()})
    else:
        print_line(f"{done.pages} pages, {done.objects} objects")
    if done.reason:
        say(f"ended early: {done.reason}; the same command goes on from there")
        raise typer.Exit(options.PART if done.pages else 1)
