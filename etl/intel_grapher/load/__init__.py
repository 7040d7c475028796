"""Loading of the flat files into a database, and the proof that all of them are there.

`load` brings a database to what the files hold; `verify` compares, and changes nothing. A database is named by a
target: `Embedded(place)` or `Server(uri, user, password)`. Nothing is printed; `Loaded` and `Parity` say what was done
and found.

targets     the graph of a name
loading     which way a load goes; the comparison alone
embedded    the embedded graph: one package
neo4j       a Neo4j server, over Bolt or by `neo4j-admin`: one package
parity      the comparison of a database with the files, by checksum; the same for every engine
row_diff    the comparison of one group's rows where checksums differ
prefetch    work on the next items while the caller is busy with the current one
quote       names in Cypher

Another engine is one more module or package beside these two. It brings:

1. a target, a frozen dataclass whose `str` names the database in messages;
2. a table of what it calls each `model.Type`;
3. a function that fills the database from the files' Parquet or CSV, group by group, nodes first, and leaves the
   database as it was where that fails;
4. a `row_diff.Database`: `rows` and `texts` of a group, `others` and `types` that the files know nothing of. Parity
   needs no more than that;
5. a branch in `load` and in `verify`, and its graph in `intel_grapher.ask`.

Each name is imported at its first use: a question to the graph needs little of this.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intel_grapher.load.embedded import Embedded, EmbeddedStore, open_embedded
    from intel_grapher.load.loading import Loaded, LoadOptions, Method, load, verify
    from intel_grapher.load.neo4j.prune import SHARE, Retraction
    from intel_grapher.load.neo4j.session import connected
    from intel_grapher.load.neo4j.writer import Refused
    from intel_grapher.load.parity import Compared, Parity, Progress
    from intel_grapher.neo4j.connection import Server

__all__ = [
    "SHARE",
    "Compared",
    "Embedded",
    "EmbeddedStore",
    "LoadOptions",
    "Loaded",
    "Method",
    "Parity",
    "Progress",
    "Refused",
    "Retraction",
    "Server",
    "connected",
    "load",
    "open_embedded",
    "verify",
]

_HOMES = {
    "Embedded": "load.embedded",
    "EmbeddedStore": "load.embedded",
    "open_embedded": "load.embedded",
    "SHARE": "load.neo4j.prune",
    "Retraction": "load.neo4j.prune",
    "connected": "load.neo4j.session",
    "Refused": "load.neo4j.writer",
    "Compared": "load.parity",
    "Parity": "load.parity",
    "Progress": "load.parity",
    "Server": "neo4j.connection",
}
"""The modules of the names that are not of `loading`."""

if not TYPE_CHECKING:  # else a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:  # noqa: ANN401 - a name of this package
        if name in __all__:
            from importlib import import_module  # noqa: PLC0415 - as the names

            return getattr(import_module(f"intel_grapher.{_HOMES.get(name, 'load.loading')}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
