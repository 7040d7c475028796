"""Staged facts → merged groups: every key becomes its rank, and DuckDB groups pairs of ranks out of core.

A label's keys are sorted once, over all segments; a key's place there is its rank. A relationship is then one integer,
the rank of its start in the upper half and that of its end in the lower, so that the order of these integers is the
order of the files. Where there is more than a share of the memory holds, keys and facts are parted into ranges that
are dealt with one after the other.

Where there are the last run's rows to add to (`base`), only keys and facts that came since are sorted and grouped, and
with them the rows that they are about.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.analyst.overrides import Overrides
from intel_grapher.errors import TransformError
from intel_grapher.files import Content, Files, Group, Writer, content
from intel_grapher.model import Merge, Property
from intel_grapher.schema import RELATIONSHIPS
from intel_grapher.source import discover
from intel_grapher.sql import connect, quoted
from intel_grapher.transform.base import BATCH_ROWS, Base, interleaved
from intel_grapher.transform.facts import ALIASES, PRECISIONS, Reject
from intel_grapher.transform.ranks import Ranked, rank
from intel_grapher.transform.stage import COMPRESSED, REJECTS, Staged, rejects_table

MAX_SOURCES = 62  # bits of a BIGINT
HALF = 32
BASE = 256 << 20  # what the process needs before it has read anything
LEAST = 256 << 20  # with less the engine can not sort
ROW_BYTES = 128  # of one fact, while it is grouped
NODE_BYTES = 256  # of one node, while what relationships say of it is grouped
END = (1 << 63) - 1


class Range(NamedTuple):
    """A group's facts whose first rank is from `low` on and below `high`; `parts` None: all of them, as staged."""

    group: Group
    low: int
    high: int
    parts: list[pa.Buffer] | None

    @property
    def table(self) -> str:
        """Return the name of the table of what they are merged into."""
        return f"{self.group} {self.low}"


class Merger:
    """Groups what was staged and merges properties by the schema's rules, with what was merged before; writes it."""

    def __init__(self, base: Base, ruled: Overrides, folder: Path, memory: int, threads: int) -> None:
        sources = list(discover())
        if len(sources) > MAX_SOURCES:
            raise TransformError(f"{len(sources)} sources are more than the {MAX_SOURCES} that a graph can tell apart")
        self.base = base
        self.staged = base.staged
        self.ruled = ruled
        self.sources = sources
        self.folder = folder
        # What each thread may use of it; the other half is the engine's.
        self.memory = max(max(memory - BASE, memory // 4) // 2 // threads, 1)
        self.connection = connect(max((memory - BASE) // 2, LEAST), folder / "spill", threads)
        self.connection.execute("SET preserve_insertion_order = false")
        self.ranked: dict[str, Ranked] = {}
        self.merged: dict[Group, dict[str, int]] = {}  # its tables of merged facts, in order, and their rows

    def close(self) -> None:
        """End it."""
        self.connection.close()

    def rows(self, group: Group) -> int:
        """Return how many rows of a group have been merged, before and now."""
        return sum(self.merged[group].values()) + self.base.rows(group).content.rows

    def staged_rows(self, name: str) -> int:
        """Return how many rows there are of a staged table, in all segments."""
        return sum(each.rows(name) for each in self.staged)

    def rank(self, label: str) -> None:
        """Sort a label's keys."""
        # The engine has nothing to do yet, so its half is there as well.
        self.ranked[label] = rank(
            label, self.staged, self.ruled, self.folder, 2 * self.memory, before=self.base.keys(label)
        )

    # --- facts → merged -----------------------------------------------------------------------------------------------

    def ranges(self, group: Group) -> list[Range]:
        """Return the ranges that a group's facts are merged in, one table of merged facts for each."""
        needed = self.staged_rows(str(group)) * ROW_BYTES
        total = max(self.ranked[group.start].keys.total, 1)
        if not group.type:
            told = self.staged_rows(str(group)) + sum(sum(self.merged[each].values()) for each, _ in self._ends(group))
            needed = max(needed, min(total, told) * NODE_BYTES)
        size = -(-total // (1 + needed // self.memory))
        lows = range(0, total, size)
        parts = self._parted(group, size) if len(lows) > 1 else None
        found = [Range(group, low, low + size, None if parts is None else parts[low // size]) for low in lows]
        self.merged[group] = {each.table: 0 for each in found}
        return found

    def _parted(self, group: Group, size: int) -> defaultdict[int, list[pa.Buffer]]:
        """Lay a group's facts in a file by ranges of so many first ranks; return those of each.

        Else all segments would be read for each range again. The file is gone when the last of its ranges is.
        """
        path = self.folder / f"{group}.parted"
        places: list[tuple[int, int, int]] = []
        with pa.OSFile(str(path), "wb") as file:
            for table in self._facts(group):
                first = pc.shift_right(table["pair"], HALF) if group.type else table["pair"]
                number = pc.divide(first, size).cast(pa.int32())
                order = pc.sort_indices(number)
                ordered, start = table.take(order), 0
                runs = pc.run_end_encode(number.take(order).combine_chunks())
                for value, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
                    begin = file.tell()
                    with pa.ipc.new_stream(file, ordered.schema, options=COMPRESSED) as stream:
                        stream.write_table(ordered.slice(start, end - start))
                    places.append((value, begin, file.tell() - begin))
                    start = end
        found: defaultdict[int, list[pa.Buffer]] = defaultdict(list)
        if places:
            with pa.memory_map(str(path)) as source:
                whole = source.read_buffer()
            for value, begin, length in places:
                found[value].append(whole.slice(begin, length))
        path.unlink()
        return found

    def group(self, within: Range) -> None:
        """Merge a group's facts of one range, and where it is a label's, what relationships say of it."""
        group, low, high, parts = within
        tables = list(self._facts(group) if parts is None else (pa.ipc.open_stream(each).read_all() for each in parts))
        arms = [
            f"SELECT * FROM (SELECT {rank} AS pair, bits, fetched_at FROM {quoted(table)}) "
            f"WHERE pair >= {low} AND pair < {high}"
            for each, rank in self._ends(group)
            for table in self._tables(each)
        ]
        cursor = self.connection.cursor()
        names: list[str] = []
        if tables:
            facts = pa.concat_tables(tables, promote_options="default")
            names = facts.column_names
            cursor.register("facts", facts)
            arms.append("SELECT * REPLACE (1::BIGINT << bits AS bits) FROM facts")
        if arms:
            said = " UNION ALL BY NAME ".join(arms)
            before = self.base.rows(group)
            if before.name:
                schema = self.base.read(before).schema
                starts = (low << HALF, high << HALF) if group.type else (low, high)
                batches = (batch for each in self._before(group, *starts) for batch in each.to_batches())
                cursor.register("before", pa.RecordBatchReader.from_batches(schema, batches))
                names = [*names, *schema.names]
                said = _with_before(group, said, schema.names)
            merged = f"SELECT pair, {_merged(group, names)} FROM ({said}) GROUP BY pair"
            cursor.execute(f"CREATE TABLE {quoted(within.table)} AS {merged}")
            self.merged[group][within.table] = cursor.fetchall()[0][0]
        cursor.close()

    def _ends(self, label: Group) -> list[tuple[Group, str]]:
        """Return the relationships that say something of a label's nodes, and which part of a pair is the node's rank.

        Of a relationship's ends nothing is said.
        """
        return [
            (each, rank)
            for each in list(self.merged)  # others add to it meanwhile
            if each.type
            for end, rank in ((each.start, f"pair >> {HALF}"), (each.end, f"pair & {(1 << HALF) - 1}"))
            if label == Group(end)
        ]

    def _tables(self, group: Group) -> list[str]:
        """Return a group's tables of merged facts, in order; a range without facts may have none."""
        return [table for table, rows in self.merged[group].items() if rows]

    def _before(self, group: Group, low: int = 0, high: int = END) -> Iterator[pa.Table]:
        """Yield the rows that the last run merged, in order, a batch at a time; of a range of pairs, and some more."""
        rows = self.base.rows(group)
        if not rows.name:
            return
        reader = self.base.read(rows)
        ids = [self.ranked[label].keys.ids() for label in group.labels]
        rank_of = [None if of is None else pc.inverse_permutation(of) for of in ids]
        firsts = [*_renamed(pa.array(rows.firsts, pa.int64()), rank_of).to_pylist(), END]
        for number, (first, next_) in enumerate(pairwise(firsts)):
            if first < high and next_ > low:
                batch = pa.table(reader.get_batch(number))
                yield _exchanged(batch, _renamed(batch["pair"], rank_of))

    def _facts(self, group: Group) -> Iterator[pa.Table]:
        """Yield a group's facts segment by segment: `pair`, `bits` and the rest."""
        own = [(place, each) for place, each in enumerate(self.staged) if each.rows(str(group))]
        ranks_of = [self.ranked[label].ranks() for label in group.labels if own]
        for place, each in own:
            table = each.read(str(group))
            keys = table.column_names[: len(ranks_of)]
            ranks = [of(place).take(table[key]).cast(pa.int64()) for of, key in zip(ranks_of, keys, strict=True)]
            ranks, masks = self._ruled(group, ranks)
            pair = pc.bit_wise_or(pc.shift_left(ranks[0], HALF), ranks[1]) if group.type else ranks[0]
            bits = pa.repeat(pa.scalar(self.sources.index(each.source), pa.int8()), table.num_rows)
            table = table.drop_columns(keys).append_column("pair", pair).append_column("bits", bits)
            yield table.filter(reduce(pc.and_, masks)) if masks else table

    def _ruled(self, group: Group, ranks: list[pa.ChunkedArray]) -> tuple[list[pa.ChunkedArray], list[pa.ChunkedArray]]:
        """Return the ranks of a group's facts as an analyst's rulings leave them, and which rows these leave."""
        masks = []
        for label, ranks_ in zip(group.labels, ranks, strict=True):
            out = [self.ranked[label].ruled[key] for of, key in self.ruled.nodes_out if of == label]
            if out:
                masks.append(pc.invert(pc.is_in(ranks_, pa.array(out, pa.int64()))))
        if group.type and group.start == group.end and any(of == group.start for of, _ in self.ruled.same):
            masks.append(pc.not_equal(*ranks))
            if RELATIONSHIPS[group.type].both_ways:
                ranks = [pc.min_element_wise(*ranks), pc.max_element_wise(*ranks)]
        for name, start, end in self.ruled.relationships_out:
            if name == str(group):
                ends = self.ranked[group.start].ruled[start], self.ranked[group.end].ruled[end]
                masks.append(pc.invert(pc.and_(pc.equal(ranks[0], ends[0]), pc.equal(ranks[1], ends[1]))))
        return ranks, masks

    # --- merged → files -----------------------------------------------------------------------------------------------

    def write(self, files: Files, group: Group, formats: tuple[str, ...]) -> Content:
        """Write a merged group, in order, in every format; return what is in it."""
        all_keys = [self.ranked[label].keys for label in group.labels]
        keys, ids = [each.array() for each in all_keys], [each.ids() for each in all_keys]
        writer, kept = Writer(files, group, formats), self.base.writer(group)
        whole = self.base.rows(group).content
        for piece in interleaved(self._before(group), self._since(group), self._schema(group)):
            made = self._rows(group, piece.rows, keys)
            writer.write(made)
            if piece.come.num_rows:
                whole += self._content(group, made if piece.come is piece.rows else self._rows(group, piece.come, keys))
            if piece.gone.num_rows:
                whole -= self._content(group, self._rows(group, piece.gone, keys))
            kept.write(_exchanged(piece.rows, _renamed(piece.rows["pair"], ids)))
        writer.close()
        kept.close(whole)
        return whole

    def _content(self, group: Group, rows: pa.Table) -> Content:
        cursor = self.connection.cursor()
        cursor.register("made", rows)
        found = content(cursor, "made", group)
        cursor.close()
        return found

    def _schema(self, group: Group) -> pa.Schema:
        """Return the columns of a group's merged rows, those before and those now: not each part has all."""
        rows = self.base.rows(group)
        schemas = [pa.schema([("pair", pa.int64())]), *([self.base.read(rows).schema] if rows.name else [])]
        schemas += [
            self.connection.cursor().sql(f"FROM {quoted(table)} LIMIT 0").to_arrow_table().schema
            for table in self._tables(group)
        ]
        return pa.unify_schemas(schemas)

    def _since(self, group: Group) -> Iterator[pa.Table]:
        """Yield the rows of a group that were merged now, in order."""
        cursor = self.connection.cursor()
        for table in self._tables(group):
            for batch in cursor.sql(f"FROM {quoted(table)} ORDER BY pair").to_arrow_reader(BATCH_ROWS):
                yield pa.table(batch)
        cursor.close()

    def _rows(self, group: Group, batch: pa.Table, keys: list[pa.LargeStringArray]) -> pa.Table:
        """Return a group's columns of merged rows; `keys` are those of its labels, by rank."""
        pair = batch["pair"]
        ranks = [pc.shift_right(pair, HALF), pc.bit_wise_and(pair, (1 << HALF) - 1)] if group.type else [pair]
        ends = {name: of.take(rank) for name, of, rank in zip(group.keys, keys, ranks, strict=True)}
        columns = dict(ends)
        for each in group.properties:
            if each.derive is not None:
                columns[each.name] = pa.array(map(each.derive, ends[group.keys[0]].to_pylist()), each.type.arrow)
            elif each.name == "sources":
                bits = batch["bits"].combine_chunks().dictionary_encode()
                columns["sources"] = pa.array(map(self._named, bits.dictionary.to_pylist()), each.type.arrow).take(
                    bits.indices
                )
            elif each.name not in batch.column_names:
                columns[each.name] = pa.nulls(len(batch), each.type.arrow)
            elif each.name == "precision":
                columns["precision"] = pa.array(PRECISIONS).take(batch["precision"])
            elif each.merge is Merge.NEWEST:
                columns[each.name] = pc.struct_field(batch[each.name], "value").cast(each.type.arrow)
            else:
                columns[each.name] = batch[each.name].cast(each.type.arrow)
        return pa.table(columns)

    def _named(self, bits: int) -> list[str]:
        return [name for place, name in enumerate(self.sources) if bits >> place & 1]

    def write_rejects(self, files: Files, staged: list[Staged], others: list[Reject]) -> dict[str, int]:
        """Write the rejects that were staged, and some others, each once, sorted; return the number by reason."""
        path = files.root / "rejects.jsonl"
        reasons: Counter[str] = Counter()
        found = [each.read(REJECTS) for each in staged if each.rows(REJECTS)]
        if others:
            found.append(rejects_table(others))
        with path.open("wb") as out:
            if found:
                self.connection.register("rejects", pa.concat_tables(found))
                rows = self.connection.execute("SELECT DISTINCT * FROM rejects ORDER BY ALL")
                while chunk := rows.fetchmany(10_000):
                    for row in chunk:
                        reject = Reject(*row)
                        reasons[reject.reason] += reject.more or 1
                        listed = reject._asdict()
                        if not reject.more:
                            del listed["more"]
                        out.write(msgspec.json.encode(listed) + b"\n")
        return dict(sorted(reasons.items()))


def _renamed(pairs: pa.Array, names: list[pa.Array | None]) -> pa.Array:
    """Return pairs with other numbers for their ends (or for nodes); None stands for the same numbers."""
    if all(of is None for of in names):
        return pairs
    ends = [pc.shift_right(pairs, HALF), pc.bit_wise_and(pairs, (1 << HALF) - 1)] if len(names) > 1 else [pairs]
    new = [end if of is None else of.take(end).cast(pa.int64()) for end, of in zip(ends, names, strict=True)]
    return pc.bit_wise_or(pc.shift_left(new[0], HALF), new[1]) if len(new) > 1 else new[0]


def _exchanged(rows: pa.Table, pairs: pa.Array) -> pa.Table:
    """Return rows with other pairs."""
    return rows.set_column(rows.column_names.index("pair"), "pair", pairs)


def _with_before(group: Group, said: str, names: list[str]) -> str:
    """Return the query of what is said now, and of the rows before that it is about, as if they were said as well."""
    newest = [quoted(each.name) for each in group.properties if each.merge is Merge.NEWEST and each.name in names]
    rest = f"EXCLUDE ({', '.join(newest)})" if newest else ""
    arms = [f"SELECT * {rest} FROM same"] + [
        f"SELECT pair, bits, {name}.at AS fetched_at, {name}.value AS {name} FROM same WHERE {name} IS NOT NULL"
        for name in newest
    ]
    return (
        f"WITH new AS MATERIALIZED ({said}), same AS MATERIALIZED (FROM before SEMI JOIN new USING (pair)) "
        f"FROM new UNION ALL BY NAME {' UNION ALL BY NAME '.join(arms)}"
    )


def _merged(group: Group, columns: list[str]) -> str:
    """Return the SQL columns that merge a group's facts by the schema's rules."""
    merged = ["bit_or(bits) AS bits", "max(fetched_at) AS fetched_at"]
    for each in group.properties:
        holding = [quoted(name) for name in columns if each.name in name.split(ALIASES)]
        if holding and each.name != "fetched_at":
            value = holding[0] if len(holding) == 1 else f"coalesce({', '.join(holding)})"
            merged.append(f"{_aggregate(each, value)} AS {quoted(each.name)}")
    return ", ".join(merged)


def _aggregate(declared: Property, value: str) -> str:
    """Return the SQL aggregate of a property's merge rule."""
    if declared.merge is Merge.NEWEST:
        return f"max({{'at': fetched_at, 'value': {value}}}) FILTER ({value} IS NOT NULL)"
    if declared.merge is Merge.UNION:
        return f"list_sort(list_distinct(flatten(list({value}) FILTER ({value} IS NOT NULL))))"
    return f"{'min' if declared.merge is Merge.MIN else 'max'}({value})"
