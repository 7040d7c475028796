"""Merging: staged facts → one row for each node and relationship, by the schema's merge rules.

Every key is replaced by its rank. A relationship is then one integer, its `pair`: the rank of its start in the upper
32 bits, that of its end in the lower, so that the order of pairs is the order of the files. A node's pair is its rank.
DuckDB groups facts by pair, out of core; where memory does not hold all of a group, its facts are split into ranges of
pairs that are merged one after the other. Few facts are merged in Python (`few`), and a run of nothing else begins no
DuckDB.

If there are rows of a previous run, only keys and facts of new segments are ranked and grouped, together with those
previous rows that they are about; all others are taken as they are. A row has for each property that follows the
newest observation the time of that observation, so that a later one can be told from it. A segment that was open and
has grown counts as new: to merge facts a second time changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.files import NOTHING, Content, Group, content_of_table
from intel_grapher.model import Merge
from intel_grapher.sql import connect, quoted
from intel_grapher.transform import few
from intel_grapher.transform.facts import ALIASES
from intel_grapher.transform.few import WORD
from intel_grapher.transform.interleave import Piece, interleaved
from intel_grapher.transform.key_ranks import Keys, Ranked, rank
from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.rules import DUCKDB, aggregate
from intel_grapher.transform.staged import COMPRESSION, Staged, keys_of
from intel_grapher.transform.store import BATCH_ROWS, Previous

HALF = 32
PROCESS_BYTES = 256 << 20  # what the process needs before it has read anything
LEAST = 256 << 20  # bytes; DuckDB can't sort with less
ROW_BYTES = 128  # of one fact while it is grouped
NODE_BYTES = 256  # of one node while what relationships say of it is grouped
LAST_PAIR = (1 << 63) - 1
END_IN_SQL = (f"pair >> {HALF}", f"pair & {(1 << HALF) - 1}")
"""The rank of each end of a relationship."""
FEW = 2_000  # facts of a group, and its previous rows, that Python merges sooner than DuckDB has begun
AT_HAND = 10_000  # rows; what so few facts are merged into is kept in memory, because a table of DuckDB costs 5 ms


class Range(NamedTuple):
    """A group's facts whose first rank is in [low, high). `parts` are Arrow streams of them; None: all, as staged."""

    group: Group
    low: int
    high: int
    parts: list[pa.Buffer] | None

    @property
    def table(self) -> str:
        """Return the name of the DuckDB table that they are merged into."""
        return f"{self.group} {self.low}"


class Merger:
    """Merges the facts of segments into the rows of a previous run. It makes temporary files in `folder` only.

    `staged` are all segments; those that the previous run has merged are read only for groups of which it has no valid
    rows. `memory` is in bytes. Call `rank` for every label,
    then `merge` for all ranges of relationships, then for those of nodes; then `pieces` returns the rows.
    """

    def __init__(
        self,
        staged: list[Staged],
        previous: Previous | None,
        overriding: Overriding,
        sources: list[str],
        folder: Path,
        *,
        memory: int,
        threads: int,
    ) -> None:
        self._staged = dict(enumerate(staged))
        self._new = {index: file for index, file in self._staged.items() if not (previous and previous.has(file))}
        self._previous = previous
        self._overriding = overriding
        self._sources = sources
        self._folder = folder
        # What each thread may use of the memory; the other half is DuckDB's.
        self._memory = max(max(memory - PROCESS_BYTES, memory // 4) // 2 // threads, 1)
        self._for_duckdb = max((memory - PROCESS_BYTES) // 2, LEAST)
        # Each of our threads runs queries itself, besides DuckDB's: as many more would only share out what one can do.
        self._threads = max(threads // 2, 1)
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._connecting = Lock()
        self._facts_of: dict[Group, int] = {}
        self._ranked: dict[str, Ranked] = {}
        self._merged: dict[Group, dict[str, int]] = {}  # tables of merged facts, in order, and their rows
        self._at_hand: dict[str, pa.Table] = {}  # those that are no table of DuckDB's, sorted by pair
        self._words = words_of(sources)

    def close(self) -> None:
        """Close DuckDB."""
        if self._connection is not None:
            self._connection.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor of DuckDB within the merger's memory. It is begun at the first call: few facts need none."""
        with self._connecting:
            if self._connection is None:
                self._connection = connect(self._for_duckdb, self._folder / "spill", self._threads)
                self._connection.execute("SET preserve_insertion_order = false")
        return self._connection.cursor()

    @property
    def ranked_labels(self) -> set[str]:
        """Return the labels whose keys have been ranked."""
        return set(self._ranked)

    def keys(self, label: str) -> Keys:
        """Return all keys of a ranked label, those of the previous run among them."""
        return self._ranked[label].keys

    def rows(self, group: Group) -> int:
        """Return a bound of the number of rows of a merged group."""
        return sum(self._merged[group].values()) + self.previous_content(group).rows

    def previous_content(self, group: Group) -> Content:
        """Return the content of a group's rows in the previous run."""
        return self._previous.content(group) if self._previous else NOTHING

    def facts(self, group: Group) -> int:
        """Return the number of facts about a group that are to be merged."""
        if group not in self._facts_of:
            self._facts_of[group] = sum(segment.rows(str(group)) for segment in self._segments(group).values())
        return self._facts_of[group]

    def mentions(self, label: Group) -> int:
        """Return the number of facts about a label's nodes and of merged relationships that start or end at them."""
        merged = (sum(self._merged[relationship].values()) for relationship, _ in self._ends(label))
        return self.facts(label) + sum(merged)

    def _segments(self, group: Group) -> dict[int, Staged]:
        """Return the segments to read for a group, by index."""
        return self._new if self._previous and self._previous.has_rows(group) else self._staged

    def staged_keys(self, label: str) -> int:
        """Return the number of keys of a label in all segments: a key counts in each that has it."""
        return sum(segment.rows(keys_of(label)) for segment in self._staged.values())

    def rank(self, label: str, groups: Iterable[Group]) -> None:
        """Rank a label's keys. `groups` are all groups that will be merged."""
        previous = self._previous.keys(label) if self._previous else None
        anew = any(label in group.labels and self._segments(group) is self._staged for group in groups)
        segments = self._staged if anew else self._new
        # DuckDB has nothing to do yet, so its half of the memory is there as well.
        memory = 2 * self._memory
        self._ranked[label] = rank(label, segments, self._overriding, self._folder, memory, previous=previous)

    # --- facts → merged tables ----------------------------------------------------------------------------------------

    def ranges(self, group: Group) -> list[Range]:
        """Return the ranges in which a group's facts are merged. Relationships of a label come before its nodes."""
        needed = self.facts(group) * ROW_BYTES
        total = max(self.keys(group.start).total, 1)
        if not group.type:
            needed = max(needed, min(total, self.mentions(group)) * NODE_BYTES)
        size = -(-total // (1 + needed // self._memory))
        lows = range(0, total, size)
        parts = self._parted(group, size) if len(lows) > 1 else None
        found = [Range(group, low, low + size, None if parts is None else parts[low // size]) for low in lows]
        self._merged[group] = {within.table: 0 for within in found}
        return found

    def _parted(self, group: Group, size: int) -> defaultdict[int, list[pa.Buffer]]:
        """Return a group's facts by ranges of `size` first ranks, as slices of a file.

        Without it, all segments would be read again for each range. The file is removed with the last slice.
        """
        path = self._folder / f"{group}.parted"
        slices: list[tuple[int, int, int]] = []  # range, offset, length
        with pa.OSFile(str(path), "wb") as file:
            for table in self._facts(group):
                first = pc.shift_right(table["pair"], HALF) if group.type else table["pair"]
                range_of = pc.divide(first, size).cast(pa.int32())
                order = pc.sort_indices(range_of)
                ordered, start = table.take(order), 0
                runs = pc.run_end_encode(range_of.take(order).combine_chunks())
                for value, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
                    offset = file.tell()
                    options = pa.ipc.IpcWriteOptions(compression=COMPRESSION)
                    with pa.ipc.new_stream(file, ordered.schema, options=options) as stream:
                        stream.write_table(ordered.slice(start, end - start))
                    slices.append((value, offset, file.tell() - offset))
                    start = end
        found: defaultdict[int, list[pa.Buffer]] = defaultdict(list)
        if slices:
            with pa.memory_map(str(path)) as source:
                whole = source.read_buffer()
            for value, offset, length in slices:
                found[value].append(whole.slice(offset, length))
        path.unlink()
        return found

    def merge(self, within: Range) -> None:
        """Merge one range of a group's facts; for a node, relationships that start or end at it are facts too."""
        group, low, high, parts = within
        tables = list(self._facts(group) if parts is None else (pa.ipc.open_stream(part).read_all() for part in parts))
        ends = list(self._ends_at_hand(group))
        rows_at_hand = sum(table.num_rows for table in (*tables, *ends))
        in_duckdb = [
            (table, end)
            for relationship, end in self._ends(group)
            for table in self._tables(relationship)
            if table not in self._at_hand
        ]
        if parts is None and not in_duckdb and max(rows_at_hand, self.previous_content(group).rows) <= FEW:
            if rows_at_hand:
                rows = few.merged(group, [*tables, *ends], self._previous_rows(group), self._words)
                self._at_hand[within.table], self._merged[group][within.table] = rows, rows.num_rows
            return
        words = ", ".join(self._words)
        arms = [
            f"SELECT * FROM (SELECT {END_IN_SQL[end]} AS pair, {words}, fetched_at FROM {quoted(table)}) "
            f"WHERE pair >= {low} AND pair < {high}"
            for table, end in in_duckdb
        ]
        cursor = self.cursor()
        if ends:
            cursor.register("ends", pa.concat_tables(ends))
            arms.append(f"SELECT pair, {words}, fetched_at FROM ends WHERE pair >= {low} AND pair < {high}")
        names: list[str] = []
        if tables:
            facts = pa.concat_tables(tables, promote_options="default")
            names = facts.column_names
            cursor.register("facts", facts)
            arms.append(f"SELECT * EXCLUDE (source_index), {self._bits()} FROM facts")
        if arms:
            query = " UNION ALL BY NAME ".join(arms)
            reader = self._previous.reader(group) if self._previous else None
            if reader is not None:
                first, last = (low << HALF, high << HALF) if group.type else (low, high)
                batches = (batch for rows in self._previous_rows(group, first, last) for batch in rows.to_batches())
                cursor.register("previous", pa.RecordBatchReader.from_batches(reader.schema, batches))
                names = [*names, *reader.schema.names]
                query = self._with_previous(group, query, reader.schema.names)
            merged = f"SELECT pair, {self._aggregates(group, names)} FROM ({query}) GROUP BY pair"
            if rows_at_hand <= AT_HAND and not in_duckdb:
                rows = cursor.sql(f"{merged} ORDER BY pair").to_arrow_table()
                self._at_hand[within.table], self._merged[group][within.table] = rows, rows.num_rows
            else:
                cursor.execute(f"CREATE TABLE {quoted(within.table)} AS {merged}")
                self._merged[group][within.table] = cursor.fetchall()[0][0]
        cursor.close()

    def _ends(self, label: Group) -> list[tuple[Group, int]]:
        """Return (relationship, which end: 0 or 1) for every end of a label; none for a group of relationships."""
        return [
            (relationship, end)
            for relationship in list(self._merged)  # other threads add to it
            if relationship.type
            for end, of_end in enumerate((relationship.start, relationship.end))
            if label == Group(of_end)
        ]

    def _ends_at_hand(self, label: Group) -> Iterator[pa.Table]:
        """Yield what the relationships that are no tables of DuckDB's say of their ends of a label, as facts of it."""
        for relationship, end in self._ends(label):
            for table in self._tables(relationship):
                if (rows := self._at_hand.get(table)) is not None:
                    yield with_pairs(rows.select(["pair", *self._words, "fetched_at"]), end_of(rows["pair"], end))

    def _tables(self, group: Group) -> list[str]:
        """Return a group's tables of merged facts, in order; a range without facts may have none."""
        return [table for table, rows in self._merged[group].items() if rows]

    def _facts(self, group: Group) -> Iterator[pa.Table]:
        """Yield a group's facts, segment by segment: `pair` (int64), `source_index` (int16), and the properties."""
        segments = [(index, one) for index, one in self._segments(group).items() if one.rows(str(group))]
        ranks_of = [self._ranked[label].ranks() for label in group.labels if segments]
        for index, segment in segments:
            table = paired(segment.read(str(group)), group, [of(index) for of in ranks_of], self._overriding)
            source = pa.repeat(pa.scalar(self._sources.index(segment.source), pa.int16()), table.num_rows)
            yield table.append_column("source_index", source)

    # --- SQL ----------------------------------------------------------------------------------------------------------

    def _bits(self) -> str:
        """Return the SQL columns with the bit of a fact's source: bit s % WORD of column s / WORD."""
        if len(self._words) == 1:
            return f"1::BIGINT << source_index AS {self._words[0]}"
        return ", ".join(
            f"CASE WHEN source_index // {WORD} = {number} THEN 1::BIGINT << (source_index % {WORD}) ELSE 0 END "
            f"AS {word}"
            for number, word in enumerate(self._words)
        )

    def _with_previous(self, group: Group, query: str, names: list[str]) -> str:
        """Return the query of new facts together with the previous rows that they are about, as if those were facts."""
        newest = [quoted(each.name) for each in group.properties if each.merge is Merge.NEWEST and each.name in names]
        rest = f"EXCLUDE ({', '.join(newest)})" if newest else ""
        words = ", ".join(self._words)
        arms = [f"SELECT * {rest} FROM same"] + [
            f"SELECT pair, {words}, {name}.at AS fetched_at, {name}.value AS {name} FROM same WHERE {name} IS NOT NULL"
            for name in newest
        ]
        return (
            f"WITH new AS MATERIALIZED ({query}), same AS MATERIALIZED (FROM previous SEMI JOIN new USING (pair)) "
            f"FROM new UNION ALL BY NAME {' UNION ALL BY NAME '.join(arms)}"
        )

    def _aggregates(self, group: Group, columns: list[str]) -> str:
        """Return the SQL columns that merge a group's facts by the schema's rules."""
        merged = [*(f"bit_or({word}) AS {word}" for word in self._words), "max(fetched_at) AS fetched_at"]
        for declared in group.properties:
            holding = [quoted(name) for name in columns if declared.name in name.split(ALIASES)]
            if holding and declared.name != "fetched_at":
                value = holding[0] if len(holding) == 1 else f"coalesce({', '.join(holding)})"
                merged.append(f"{aggregate(DUCKDB, declared.merge, value)} AS {quoted(declared.name)}")
        return ", ".join(merged)

    # --- merged tables and previous rows → rows -----------------------------------------------------------------------

    def pieces(self, group: Group) -> Iterator[Piece]:
        """Yield all rows of a merged group, sorted by pair. Call it once: the memory that they took is given back.

        Besides `pair` they have the columns `bits0` … (see `source_names`), `fetched_at`, and the properties that are
        known. A property that follows the newest observation is a struct of `at` and `value`.
        """
        yield from interleaved(self._previous_rows(group), self._new_rows(group), self._schema(group))

    def source_names(self, rows: pa.Table) -> pa.Array:
        """Return the names of the sources of each row (list of string), which its bits stand for."""
        return source_names(rows, self._sources)

    def content(self, group: Group, rows: pa.Table) -> Content:
        """Return the content of rows that have the columns of a group's files."""
        return content_of_table(self.cursor, rows, group)

    def _previous_rows(self, group: Group, low: int = 0, high: int = LAST_PAIR) -> Iterator[pa.Table]:
        """Yield the previous rows with pairs in [low, high), and some more, in order, a batch at a time."""
        reader = self._previous.reader(group) if self._previous else None
        if self._previous is None or reader is None:
            return
        stable_ids = [self.keys(label).stable_ids() for label in group.labels]
        ranks = [None if ids is None else pc.inverse_permutation(ids) for ids in stable_ids]
        firsts = renumbered(pa.array(self._previous.firsts(group), pa.int64()), ranks).to_pylist()
        for number, (first, following) in enumerate(pairwise([*firsts, LAST_PAIR])):
            if first < high and following > low:
                batch = pa.table(reader.get_batch(number))
                yield with_pairs(batch, renumbered(batch["pair"], ranks))

    def _new_rows(self, group: Group) -> Iterator[pa.Table]:
        """Yield the rows that were merged now, in order. Their tables are gone then."""
        for table in self._tables(group):
            if table in self._at_hand:
                yield self._at_hand[table]
                continue
            with self.cursor() as cursor:
                for batch in cursor.sql(f"FROM {quoted(table)} ORDER BY pair").to_arrow_reader(BATCH_ROWS):
                    yield pa.table(batch)
                cursor.execute(f"DROP TABLE {quoted(table)}")

    def _schema(self, group: Group) -> pa.Schema:
        """Return the columns of a group's rows, previous and new: not every part has all of them."""
        reader = self._previous.reader(group) if self._previous else None
        schemas = [pa.schema([("pair", pa.int64())]), *([reader.schema] if reader else [])]
        schemas += [
            self._at_hand[table].schema
            if table in self._at_hand
            else self.cursor().sql(f"FROM {quoted(table)} LIMIT 0").to_arrow_table().schema
            for table in self._tables(group)
        ]
        return pa.unify_schemas(schemas)


def words_of(sources: Sequence[str]) -> list[str]:
    """Return the names of the columns with the bits of sources."""
    return [f"bits{number}" for number in range(max(-(-len(sources) // WORD), 1))]


def source_names(rows: pa.Table, sources: Sequence[str]) -> pa.Array:
    """Return the names of the sources of each row (list of string), which its bits stand for."""
    words = [rows[word] for word in words_of(sources)]
    if len(words) == 1:
        distinct = words[0].combine_chunks().dictionary_encode()
        sets = [[value] for value in distinct.dictionary.to_pylist()]
    else:
        texts = pc.binary_join_element_wise(*(word.cast(pa.string()) for word in words), " ")
        distinct = texts.combine_chunks().dictionary_encode()
        sets = [list(map(int, text.split())) for text in distinct.dictionary.to_pylist()]
    names = [[name for index, name in enumerate(sources) if bits[index // WORD] >> index % WORD & 1] for bits in sets]
    return pa.array(names, pa.list_(pa.string())).take(distinct.indices)


def paired(table: pa.Table, group: Group, ranks_of: Sequence[pa.Array], overriding: Overriding) -> pa.Table:
    """Return a group's staged facts that count, with the column `pair` for the local_ids of their keys.

    `ranks_of` are the ranks of each label's keys, by local_id.
    """
    keys = table.column_names[: len(ranks_of)]
    ranks = [of.take(table[key]).cast(pa.int64()) for of, key in zip(ranks_of, keys, strict=True)]
    ranks, mask = overriding.apply(group, ranks)
    pair = pc.bit_wise_or(pc.shift_left(ranks[0], HALF), ranks[1]) if group.type else ranks[0]
    table = table.drop_columns(keys).append_column("pair", pair)
    return table if mask is None else table.filter(mask)


def renumbered(pairs: pa.Array, new: list[pa.Array | None]) -> pa.Array:
    """Return pairs with other integers for their ends (one column for nodes): `new[i]` maps those of end i.

    None maps each to itself.
    """
    if all(of_end is None for of_end in new):
        return pairs
    ends = [end_of(pairs, 0), end_of(pairs, 1)] if len(new) > 1 else [pairs]
    mapped = [
        end if of_end is None else of_end.take(end).cast(pa.int64()) for end, of_end in zip(ends, new, strict=True)
    ]
    return pc.bit_wise_or(pc.shift_left(mapped[0], HALF), mapped[1]) if len(mapped) > 1 else mapped[0]


def end_of(pairs: pa.Array, end: int) -> pa.Array:
    """Return the integers of one end of relationships: 0 is the start."""
    return pc.bit_wise_and(pairs, (1 << HALF) - 1) if end else pc.shift_right(pairs, HALF)


def with_pairs(rows: pa.Table, pairs: pa.Array) -> pa.Table:
    """Return rows with `pairs` for their column `pair`."""
    return rows.set_column(rows.column_names.index("pair"), "pair", pairs)
