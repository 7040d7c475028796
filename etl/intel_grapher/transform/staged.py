"""Staged segments: the facts of one segment of the cache in one file, so that a later run need not map it again.

    staged file = table … table, footer (JSON), length of the footer (8 bytes), CRC-32 of all before it (4 bytes)

A table is an Arrow stream: the keys of one label, the facts of one group, or the rejects. In the tables of facts a key
is its `local_id`, its position in the table of its label's keys. The file's name is a digest of all that its content
depends on (`fingerprint.staged_name`), and the CRC covers the footer too: a file is valid if both are right.
"""

from __future__ import annotations

import secrets
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa

from intel_grapher.cache.envelope import CHECKSUM_DIFFERS, Envelope, crc_holds
from intel_grapher.cache.frames import extents
from intel_grapher.cache.segment import Corruption, OnCorruption, Segment
from intel_grapher.errors import BadValue
from intel_grapher.files import Group
from intel_grapher.reading import shown
from intel_grapher.source import Endpoint
from intel_grapher.transform.facts import Batch, Encoded, Reject, Reply
from intel_grapher.transform.interning import Interning
from intel_grapher.transform.json_rows import DECODED_BYTES

REJECTS = "rejects"
NO_MAPPING = "no mapping"
KEYS = "keys of "
COMPRESSION = "lz4"
LEAST_COMPRESSED = 1000
"""A table of fewer rows is not compressed: that takes longer than all else about it."""
_LENGTH = 8
_CRC = 4


class Extent(msgspec.Struct, frozen=True):
    """Where in the file a table lies (bytes), and its number of rows."""

    offset: int
    length: int
    rows: int


class Staged(msgspec.Struct):
    """The footer of a staged segment: its tables by name, and what became of its replies.

    `outcomes` counts replies by outcome, `damaged` records that could not be read. `oldest` and `newest` are the epoch
    seconds of the first and the last reply, 0 where there is none. `content_crc` is the CRC-32 of the segment's bytes.
    """

    source: str
    records: int
    outcomes: dict[str, int]
    damaged: int
    oldest: int
    newest: int
    content_crc: int = 0
    tables: dict[str, list[Extent]] = {}
    path: str = ""

    @property
    def name(self) -> str:
        """Return the name of the file."""
        return Path(self.path).name

    def read(self, table: str) -> pa.Table:
        """Return a table by name."""
        whole = _mapped(Path(self.path))
        parts = [pa.ipc.open_stream(whole.slice(part.offset, part.length)) for part in self.tables[table]]
        return pa.concat_tables([part.read_all() for part in parts], promote_options="default")

    def rows(self, table: str) -> int:
        """Return the number of rows of a table; 0 if there is no such table."""
        return sum(part.rows for part in self.tables.get(table, []))


def keys_of(label: str) -> str:
    """Return the name of the table of a label's keys."""
    return f"{KEYS}{label}"


def layout(table: pa.Table) -> pa.ipc.IpcWriteOptions:
    """Return how a table is written."""
    return pa.ipc.IpcWriteOptions(compression=COMPRESSION if table.num_rows >= LEAST_COMPRESSED else None)


def groups_of(staged: Iterable[Staged]) -> list[Group]:
    """Return all groups that facts are about: relationships by name, then labels, those of their ends too."""
    names = {name for segment in staged for name in segment.tables if name != REJECTS and not name.startswith(KEYS)}
    groups = [Group.parse(name) for name in sorted(names)]
    labels = {label for group in groups for label in group.labels}
    return [*(group for group in groups if group.type), *map(Group, sorted(labels))]


def find(path: Path) -> Staged | None:
    """Return the footer of a staged file; None if there is no such file, or its checksum does not hold."""
    try:
        whole = _mapped(path)
        end = whole.size - _CRC - _LENGTH
        if end < 0 or zlib.crc32(whole.slice(0, end + _LENGTH)) != int.from_bytes(whole.slice(end + _LENGTH), "little"):
            return None
        length = int.from_bytes(whole.slice(end, _LENGTH), "little")
        found = msgspec.json.decode(whole.slice(end - length, length), type=Staged)
    except (OSError, ValueError):
        return None
    found.path = str(path)
    return found


def stage(
    segment: Segment,
    content: bytes,
    endpoint: Endpoint | None,
    path: Path,
    interning: Interning,
    *,
    replies_of: Callable[[Segment, OnCorruption, bytes], list[Envelope]],
    leaves_out: Callable[[Envelope], bool] = lambda _: False,
    all_count: bool = False,
) -> Staged:
    """Map the replies of one segment, write what they give to the file at `path`, and return its footer.

    `content` are the segment's bytes as they were read; nothing else is read, so that the file's name covers it.
    `replies_of` returns those of its replies that count (`Overriding.replies`). Those of which `leaves_out` is true do
    not count either. `all_count`: all of them do, as they are (`Overriding.all_count`).
    """
    damage: list[Corruption] = []
    batch = Batch(endpoint, 0, interning) if endpoint else None
    taken = _take_whole(segment, content, batch) if batch and all_count else None
    if taken is None:
        replies = [Reply.of(each) for each in replies_of(segment, damage.append, content) if not leaves_out(each)]
        if endpoint:
            batch = Batch(endpoint, 0, interning)
            batch.add(*replies)
        taken = [reply.fetched_at for reply in replies], batch.encode() if batch else Encoded({}, [])
    times, encoded = taken
    rejects = batch.rejects if batch else [_unmapped(segment, reply) for reply in replies]
    found = Staged(
        segment.source,
        len(times),
        dict(+(batch.outcomes if batch else Counter({NO_MAPPING: len(rejects)}))),
        len(damage),
        min(times, default=0),
        max(times, default=0),
        content_crc=zlib.crc32(content),
        path=str(path),
    )
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # processes of two machines can have one number
    with pa.OSFile(str(temporary), "wb") as file:
        _write(file, found, encoded, rejects)
    temporary.rename(path)
    return found


def _take_whole(segment: Segment, content: bytes, batch: Batch) -> tuple[list[int], Encoded] | None:
    """Return when the replies of a segment came, and their facts; None where its records must be read one by one.

    The batch is of no use then.
    """
    times: list[int] = []
    try:
        for text in whole_texts(segment, content, DECODED_BYTES):
            times += batch.add_lines(text)
        encoded = batch.encode()
    except BadValue:
        return None
    return (times, encoded) if segment.records in {None, len(times)} else None


def whole_texts(segment: Segment, content: bytes, size: int) -> Iterator[bytes]:
    """Yield the lines of a segment, about `size` bytes at once. Raises BadValue where they are not what was written."""
    if not segment.closed:
        yield from _open_texts(content, size)
        return
    if not segment.is_whole(content):
        raise BadValue(CHECKSUM_DIFFERS)
    begin = taken = 0
    for end, uncompressed in extents(content):
        taken += uncompressed
        if taken >= size or end == len(content):
            try:  # Arrow decompresses many frames into one piece of memory
                yield pa.decompress(memoryview(content)[begin:end], taken, "zstd", asbytes=True)
            except OSError as error:
                raise BadValue("a damaged frame") from error
            begin, taken = end, 0


def _open_texts(content: bytes, size: int) -> Iterator[bytes]:
    begin = 0
    while begin < len(content):
        end = content.find(b"\n", begin + size - 1) + 1 or len(content)
        text = content[begin:end]
        if not all(map(crc_holds, text.split(b"\n")[:-1])):
            raise BadValue(CHECKSUM_DIFFERS)
        yield text
        begin = end


def _unmapped(segment: Segment, reply: Reply) -> Reject:
    return Reject(segment.source, segment.endpoint, reply.key, "", shown(reply.begun), NO_MAPPING)


def _write(file: pa.NativeFile, found: Staged, encoded: Encoded, rejects: list[Reject]) -> None:
    crc = 0

    def put(data: pa.Buffer | bytes) -> None:
        nonlocal crc
        crc = zlib.crc32(data, crc)
        file.write(data)

    def put_table(name: str, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=layout(table)) as stream:
            stream.write_table(table)
        data = sink.getvalue()
        found.tables.setdefault(name, []).append(Extent(file.tell(), data.size, table.num_rows))
        put(data)

    for label, keys in encoded.keys.items():
        put_table(keys_of(label), pa.table({"key": keys}))
    for group, table in encoded.tables:
        put_table(str(group), table)
    if rejects:
        put_table(REJECTS, Reject.table(rejects))
    footer = msgspec.json.encode(msgspec.structs.replace(found, path=""))
    put(footer + len(footer).to_bytes(_LENGTH, "little"))
    file.write(crc.to_bytes(_CRC, "little"))


def _mapped(path: Path) -> pa.Buffer:
    with pa.memory_map(str(path)) as file:
        return file.read_buffer()
