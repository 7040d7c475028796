"""The graph as tables: the flat files as Arrow tables, data frames of pandas or polars, or a networkx graph.

pandas, polars and networkx are no requirements: each is imported where it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from intel_grapher.errors import TransformError, UsageError
from intel_grapher.files import Files, Group, Manifest
from intel_grapher.model import NodeRef

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    import polars as pl

T = TypeVar("T")
_TRIES: Final = 3
_ROWS: Final = 1 << 14  # rows that are Python objects at a time


@dataclass(frozen=True)
class ByGroup(Generic[T]):
    """One table for each label, and one for each kind of relationship.

    nodes            by label
    relationships    by FROM-TYPE-TO: its label at the start, its type, its label at the end
    """

    nodes: dict[str, T]
    relationships: dict[str, T]

    def __getitem__(self, name: str) -> T:
        """Return the table of a group. Raises KeyError where the graph has none of it."""
        return self.nodes[name] if name in self.nodes else self.relationships[name]

    def __iter__(self) -> Iterator[str]:
        yield from self.nodes
        yield from self.relationships

    def __len__(self) -> int:
        return len(self.nodes) + len(self.relationships)

    def map(self, change: Callable[[T], Any]) -> ByGroup[Any]:
        """Return the same groups with another form of each table."""
        return ByGroup(
            {name: change(table) for name, table in self.nodes.items()},
            {name: change(table) for name, table in self.relationships.items()},
        )


@dataclass(frozen=True)
class GraphTables(ByGroup[pa.Table]):
    """The graph as Arrow tables.

    A table of nodes has the key (`name`, `address`, …, as the schema calls it), then the label's properties; one of
    relationships has `start` and `end`, the keys at its two ends, then the type's properties. Rows are sorted by key.
    Texts are strings, moments are timestamps in UTC, lists are lists; what nobody tells is null.
    """

    def pandas(self) -> ByGroup[pd.DataFrame]:
        """Return a data frame of pandas for each group; integers are `Int64`, which has room for "not told".

        Raises UsageError where pandas is not installed.
        """
        types = {pa.int64(): _installed("pandas").Int64Dtype()}
        return self.map(lambda table: table.to_pandas(types_mapper=types.get))

    def polars(self) -> ByGroup[pl.DataFrame]:
        """Return a data frame of polars for each group, whose texts and numbers are those of the Arrow tables.

        Raises UsageError where polars is not installed.
        """
        return self.map(_installed("polars").from_arrow)

    def networkx(self) -> nx.MultiDiGraph:
        """Return a directed graph in which two nodes may have several relationships.

        A node is called "LABEL:KEY", and has the attributes `label` and `key`; the key of a relationship in the graph
        is its type, which is the attribute `type`, too. Properties are attributes, but for those that nobody tells:
        texts, integers, lists of texts, and moments as datetimes in UTC. A relationship without a direction is there
        once, from the lesser key to the greater. Raises UsageError where networkx is not installed.
        """
        graph = _installed("networkx").MultiDiGraph()
        for name, table in self.nodes.items():
            label = Group.parse(name).start
            for key, told in _rows(table, 1):
                graph.add_node(str(NodeRef(label, key)), label=label, key=key, **told)
        for name, table in self.relationships.items():
            start, type_, end = Group.parse(name)
            for one, other, told in _rows(table, 2):
                graph.add_edge(str(NodeRef(start, one)), str(NodeRef(end, other)), type_, type=type_, **told)
        return graph


def read_tables(files: Files, groups: Sequence[str] = ()) -> GraphTables:
    """Return the tables of some groups, of all if none is named.

    All are of one set of files, also while a transform puts another in its place. Raises NoFilesError where there are
    no files, UsageError for a group that the graph has not, TransformError for files that can't be read.
    """
    for _ in range(_TRIES):
        manifest = files.manifest()
        try:
            found = _read(files, manifest, groups)
        except (OSError, pa.ArrowException) as error:
            if files.manifest() == manifest:
                raise TransformError(f"{error}: run `intel-grapher transform` again, with Parquet") from error
            continue
        if files.manifest() == manifest:
            return found
    raise TransformError(f"the files in {files} are made anew again and again: read them when that has ended")


def _read(files: Files, manifest: Manifest, groups: Sequence[str]) -> GraphTables:
    there = {str(group): (group, content) for group, content in manifest.groups()}
    if unknown := [name for name in groups if name not in there]:
        like = [near for name in unknown for near in get_close_matches(name, there)] or [*manifest.nodes]
        raise UsageError(f"the graph has no {', '.join(unknown)}; it has {', '.join(dict.fromkeys(like))}")
    nodes: dict[str, pa.Table] = {}
    relationships: dict[str, pa.Table] = {}
    for name in groups or there:
        group, content = there[name]
        parts = [pq.read_table(part, memory_map=True, partitioning=None) for part in files.parts(group)]
        table = pa.concat_tables(parts)
        if table.num_rows != content.rows:
            raise OSError(
                f"{files.path(group, 'parquet')} has {table.num_rows} rows, and the manifest says {content.rows}"
            )
        (relationships if group.type else nodes)[name] = table
    return GraphTables(nodes, relationships)


def _rows(table: pa.Table, keys: int) -> Iterator[tuple[Any, ...]]:
    """Yield each row's keys, and its properties by name."""
    names = table.column_names[keys:]
    for batch in table.to_batches(max_chunksize=_ROWS):
        columns = [column.to_pylist() for column in batch.columns]
        for row in zip(*columns, strict=True):
            yield (
                *row[:keys],
                {name: value for name, value in zip(names, row[keys:], strict=True) if value is not None},
            )


def _installed(package: str) -> ModuleType:
    try:
        return import_module(package)
    except ImportError as error:
        raise UsageError(
            f"{package} is not installed: pip install {package}, or all three by 'intel-grapher[analysis]'"
        ) from error
