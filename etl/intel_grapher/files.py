"""The flat files: where each lies, its columns, its CSV header, its checksum.

    import/manifest.json
    import/nodes/LABEL.{parquet,csv}                      key, properties
    import/relationships/FROM-TYPE-TO.{parquet,csv}       start, end, properties
    import/rejects.jsonl

A group whose rows were written in parts has LABEL.00000.parquet, LABEL.00001.parquet … in their place: each holds the
rows that follow those of the part before. The first part of a CSV file has the header, the others have none.

Rows are sorted by key, or by start and end, in the order of their UTF-8 bytes. A checksum does not depend on the rows'
order: it is the sum modulo 2^64 of each row's hash, and that is the second half of the MD5 digest of the row's text
(see `row_text`), read as a little-endian number. Any engine that has MD5 can compute it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from hashlib import md5
from pathlib import Path
from typing import NamedTuple

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from intel_grapher import schema
from intel_grapher.errors import NoFilesError, TransformError
from intel_grapher.model import Property, Type
from intel_grapher.objects import shown
from intel_grapher.set_copy import copy_at
from intel_grapher.sql import exact, literal, quoted

ROW_GROUP = 1 << 17
FEW = 2_000
"""Rows up to which Python sums hashes sooner than DuckDB plans a query."""
ARRAY_DELIMITER = ";"
SEPARATOR = "\x1f"
_CSV_TYPES = {Type.TEXT: "string", Type.TEXTS: "string[]", Type.INTEGER: "long", Type.TIMESTAMP: "datetime"}
FORMATS = ("parquet", "csv")


class Group(NamedTuple):
    """One file group: a label (`type` and `end` empty), or one (from, type, to)."""

    start: str
    type: str = ""
    end: str = ""

    def __str__(self) -> str:
        return f"{self.start}-{self.type}-{self.end}" if self.type else self.start

    @classmethod
    def parse(cls, name: str) -> Group:
        """Return the group that `str` gave that name."""
        return cls(*name.split("-"))

    @property
    def folder(self) -> str:
        """Return the folder of its files."""
        return "relationships" if self.type else "nodes"

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels that its rows name nodes of, by column of `keys`."""
        return (self.start, self.end) if self.type else (self.start,)

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the columns that name a row."""
        return ("start", "end") if self.type else (schema.LABELS[self.start].key,)

    @property
    def properties(self) -> tuple[Property, ...]:
        """Return the properties, in the schema's order."""
        return schema.RELATIONSHIPS[self.type].properties if self.type else schema.LABELS[self.start].properties

    @property
    def arrow(self) -> pa.Schema:
        """Return the Parquet file's schema."""
        return pa.schema(
            [pa.field(name, pa.string(), nullable=False) for name in self.keys]
            + [pa.field(each.name, each.type.arrow) for each in self.properties]
        )

    @property
    def header(self) -> list[str]:
        """Return the CSV file's header, as `neo4j-admin database import` reads it."""
        if self.type:
            names = [f":START_ID({self.start})", f":END_ID({self.end})"]
        else:
            names = [f"{self.keys[0]}:ID({self.start})"]
        return names + [f"{each.name}:{_CSV_TYPES[each.type]}" for each in self.properties]


class Content(msgspec.Struct, frozen=True):
    """What is in one file group: how many rows, and their checksum, 16 hex digits."""

    rows: int
    checksum: str

    def __add__(self, other: Content) -> Content:
        """Return what is in two parts of a group together."""
        return Content(self.rows + other.rows, _hex(int(self.checksum, 16) + int(other.checksum, 16)))

    def __sub__(self, other: Content) -> Content:
        """Return what is left in a group without a part of it."""
        return Content(self.rows - other.rows, _hex(int(self.checksum, 16) - int(other.checksum, 16)))


class SegmentRead(msgspec.Struct, frozen=True):
    """One segment of the raw cache that went in."""

    path: str
    records: int


class Manifest(msgspec.Struct, omit_defaults=True):
    """What a transform made. `rejects` counts by reason, `outcomes` counts replies by what became of them.

    `as_of`, in epoch seconds, is there where later replies were left out, `seen_since`, by source, where what was not
    repeated since then was left out.
    """

    version: int
    schema: str
    nodes: dict[str, Content]
    relationships: dict[str, Content]
    rejects: dict[str, int]
    replies: int
    outcomes: dict[str, int]
    damaged: int
    segments: list[SegmentRead]
    as_of: int | None = None
    seen_since: dict[str, int] = {}

    def groups(self) -> Iterator[tuple[Group, Content]]:
        """Yield nodes' groups, then relationships'."""
        for name, content in (*self.nodes.items(), *self.relationships.items()):
            yield Group.parse(name), content


class Files:
    """One set of flat files in a folder. Where that is the copy of a set in a store, a file comes when it is read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._copy = copy_at(root)

    def __str__(self) -> str:
        """Return what a user calls the set: its folder, or the URL of the store that this is the copy of."""
        return shown(self.root)

    def path(self, group: Group, suffix: str, part: int | None = None) -> Path:
        """Return where a group's file of that format lies, or that part of it."""
        number = "" if part is None else f".{part:05}"
        return self.root / group.folder / f"{group}{number}.{suffix}"

    def parts(self, group: Group, suffix: str = "parquet") -> list[Path]:
        """Return a group's files of that format, in the order of their rows; the one that is missing if none is there.

        It is one file, or several parts.
        """
        if self._copy is not None and (found := self._copy.find(f"{group.folder}/{group}", suffix)):
            return [self._copy.bring(path) for path in found]
        whole = self.path(group, suffix)
        if whole.exists():
            return [whole]
        return sorted(whole.parent.glob(f"{group}.[0-9]*.{suffix}")) or [whole]

    def has(self, group: Group, suffix: str = "parquet") -> bool:
        """Tell whether a group has files of that format."""
        if self._copy is not None and self._copy.find(f"{group.folder}/{group}", suffix):
            return True
        return self.parts(group, suffix)[0].exists()

    def relation(self, group: Group) -> str:
        """Return the SQL of a group's rows, which are read from its Parquet files in order."""
        return f"read_parquet([{', '.join(map(exact, self.parts(group)))}])"

    def manifest(self) -> Manifest:
        """Return the manifest; TransformError tells where there is none, or none of this version."""
        if self._copy is not None:
            self._copy.pull()
        path = self.root / "manifest.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Manifest)
        except FileNotFoundError as missing:
            raise NoFilesError(f"there are no flat files in {self}", "run `intel-grapher transform` first") from missing
        except (OSError, msgspec.MsgspecError) as wrong:
            raise TransformError(f"{path} can't be read ({wrong}): run `intel-grapher transform` again") from wrong


class GroupWriter:
    """Writes one group's rows, or a part of them, in the order they come, as Parquet and CSV.

    The same rows give the same bytes.
    """

    def __init__(self, files: Files, group: Group, formats: Iterable[str], part: int | None = None) -> None:
        self.group = group
        self.waiting: list[pa.Table] = []
        self.rows = 0
        (files.root / group.folder).mkdir(parents=True, exist_ok=True)
        self.parquet = self.csv = None
        if "parquet" in formats:
            self.parquet = _parquet_file(files.path(group, "parquet", part), group)
        if "csv" in formats:
            self.csv = pa.OSFile(str(files.path(group, "csv", part)), "wb")
            if not part:
                self.csv.write((",".join(group.header) + "\n").encode())

    def write(self, table: pa.Table) -> None:
        """Take rows; they go out in row groups of one size, so that the bytes don't depend on how they came."""
        self.waiting.append(table.select(self.group.arrow.names).cast(self.group.arrow))
        self.rows += table.num_rows
        while sum(each.num_rows for each in self.waiting) >= ROW_GROUP:
            rows = pa.concat_tables(self.waiting).combine_chunks()
            self._put(rows.slice(0, ROW_GROUP))
            self.waiting = [rows.slice(ROW_GROUP)]

    def close(self) -> None:
        """Write what is left."""
        rest = pa.concat_tables(self.waiting).combine_chunks() if self.waiting else None
        if rest is not None and rest.num_rows:
            self._put(rest)
        for each in (self.parquet, self.csv):
            if each is not None:
                each.close()

    def _put(self, rows: pa.Table) -> None:
        if self.parquet is not None:
            self.parquet.write_table(rows, row_group_size=ROW_GROUP)
        if self.csv is not None:
            text = pa.table({name: _csv_text(rows[name].combine_chunks()) for name in rows.column_names})
            pa_csv.write_csv(text, self.csv, pa_csv.WriteOptions(include_header=False))


def _parquet_file(path: Path, group: Group) -> pq.ParquetWriter:
    """Return a Parquet file in the making. The error of one that can't be written is raised where it is met, and once.

    Keys have no dictionaries: sorted, or mostly distinct, they are smaller and sooner written without.
    Its class is made here, since commands that write no file go without Parquet.
    """

    class ParquetFile(pq.ParquetWriter):  # type: ignore[misc]  # pyarrow has no types
        def __del__(self) -> None:
            with suppress(OSError, pa.ArrowException):
                super().__del__()

    lists = {each.name for each in group.properties if each.type is Type.TEXTS}
    with_dictionary = [f"{each.name}.list.element" if each.name in lists else each.name for each in group.properties]
    return ParquetFile(path, group.arrow, compression="zstd", use_dictionary=with_dictionary)


def _csv_text(column: pa.Array) -> pa.Array:
    """Return a column as neo4j-admin reads it: moments in ISO 8601, lists joined; null is an empty, unquoted field."""
    if pa.types.is_timestamp(column.type):
        few = column.dictionary_encode()  # formatting is slow, and moments repeat
        return pc.strftime(few.dictionary, "%Y-%m-%dT%H:%M:%SZ").take(few.indices)
    if pa.types.is_list(column.type):
        return pc.binary_join(column, ARRAY_DELIMITER)
    return column


def row_text(group: Group, *, is_plain: bool = False, absent: Container[str] = ()) -> str:
    """Return the SQL expression of a row's text: its columns in order, parted by U+001F.

    Null is nothing, a moment its seconds since 1970 UTC, a list its items joined by `;`. If columns are plain
    (`is_plain`), they have integers and texts in place of moments and lists. Columns that are `absent` are null in all
    rows, and are not read.
    """

    def text(name: str, type_: Type) -> str:
        if type_ is Type.TIMESTAMP and not is_plain:
            return f"epoch({name})::BIGINT::VARCHAR"
        is_list = type_ is Type.TEXTS and not is_plain
        return f"array_to_string({name}, '{ARRAY_DELIMITER}')" if is_list else f"{name}::VARCHAR"

    columns = {name: quoted(name) for name in group.keys}
    columns |= {each.name: text(quoted(each.name), each.type) for each in group.properties}
    parts, before = list[str](), ""
    for name, value in columns.items():
        if name not in absent:
            parts += [literal(before), value]
            before = ""
        before += SEPARATOR
    return f"concat({', '.join([*parts[1:], literal(before[1:])])})"  # null counts for nothing there


def content(connection: duckdb.DuckDBPyConnection, relation: str, group: Group) -> Content:
    """Return the row count and checksum of a SQL relation that has a group's columns."""
    return checksum(connection, f"SELECT {row_text(group)} AS text FROM {relation}")


def content_of_table(cursor: Callable[[], duckdb.DuckDBPyConnection], rows: pa.Table, group: Group) -> Content:
    """Return what `content` does, of an Arrow table: its moments and lists are no work for DuckDB, a seventh less.

    `cursor` returns a cursor of DuckDB, which is asked for if there are many rows.
    """
    if rows.num_rows <= FEW:
        return content_of_few(rows, group)
    made, absent = rows, set()
    for place, field in enumerate(rows.schema):
        if rows[field.name].null_count == rows.num_rows:
            absent.add(field.name)
        elif pa.types.is_timestamp(field.type):
            made = made.set_column(place, field.name, rows[field.name].cast(pa.timestamp("s", "UTC")).cast(pa.int64()))
        elif pa.types.is_list(field.type):
            made = made.set_column(place, field.name, pc.binary_join(rows[field.name], ARRAY_DELIMITER))
    with cursor() as connection:
        connection.register("plain", made)
        return checksum(connection, f"SELECT {row_text(group, is_plain=True, absent=absent)} AS text FROM plain")


def content_of_few(rows: pa.Table, group: Group) -> Content:
    """Return what `content` does, without an engine: of some thousand rows, in less time."""
    columns = [rows[name].to_pylist() for name in group.keys]
    for each in group.properties:
        column = rows[each.name]
        if each.type is Type.TIMESTAMP:
            column = column.cast(each.type.arrow).cast(pa.int64())
        values = column.to_pylist()
        if each.type is Type.TEXTS:
            values = [None if value is None else ARRAY_DELIMITER.join(value) for value in values]
        columns.append(["" if value is None else str(value) for value in values])
    digests = (md5(SEPARATOR.join(row).encode(), usedforsecurity=False).digest() for row in zip(*columns, strict=True))
    return Content(rows.num_rows, _hex(sum(int.from_bytes(digest[8:], "little") for digest in digests)))


def checksum(connection: duckdb.DuckDBPyConnection, texts: str) -> Content:
    """Return the row count and checksum of rows whose texts a SQL query gives, in its column `text`."""
    # DuckDB's `md5_number_lower` gives the same number at three times the cost: by way of a text of its bits.
    query = f"SELECT count(*), sum((md5_number(text) >> 64)::UBIGINT) FROM ({texts})"
    rows, total = connection.sql(query).fetchall()[0]
    return Content(rows, _hex(int(total or 0)))


def _hex(total: int) -> str:
    return f"{total % (1 << 64):016x}"


NOTHING = Content(0, _hex(0))
"""What is in a group that is not there."""
