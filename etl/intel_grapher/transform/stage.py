"""What one segment of the cache gives, kept in one file: a second transform maps only what is new or mapped anew.

    STAGED = table … table, footer, its length      tables: Arrow streams, keys by label and facts by group

A file's name is a digest of all that its content depends on: the segment's identity, the schema, and the code that
reads and maps. It carries a checksum, so that one that a crash or a disk has spoiled is as good as none.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from types import ModuleType

import msgspec
import pyarrow as pa

from intel_grapher import keys, model, reading, reject_paths, schema, source, times
from intel_grapher.analyst import entries
from intel_grapher.analyst.entries import SOURCE as ANALYST
from intel_grapher.cache import Corruption, Segment
from intel_grapher.cache.envelope import Envelope
from intel_grapher.files import Group
from intel_grapher.source import Endpoint
from intel_grapher.transform import columns, facts, memory
from intel_grapher.transform.facts import Batch, Reject, Reply
from intel_grapher.transform.memory import Memory

VERSION = 3
REJECTS = "rejects"
NO_MAPPING = "no mapping"
LENGTH = 8
COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")
_CORE = (columns, entries, facts, keys, memory, model, reading, reject_paths, schema, source, times)
_PACKAGES = ("idna", "msgspec", "publicsuffixlist")


class Place(msgspec.Struct, frozen=True):
    """Where a table stands in the file, and how many rows it has."""

    offset: int
    length: int
    rows: int


class Staged(msgspec.Struct):
    """What one segment gave: its tables, and what became of its replies. `newest` is when the last of them came."""

    source: str
    records: int
    outcomes: dict[str, int]
    damaged: int
    oldest: int
    newest: int
    tables: dict[str, list[Place]] = {}
    checksum: int = 0
    path: str = ""

    def read(self, name: str) -> pa.Table:
        """Return a table: a label's keys, a group's facts, or the rejects."""
        with pa.memory_map(self.path) as file:
            whole = file.read_buffer()
        found = [pa.ipc.open_stream(whole.slice(place.offset, place.length)).read_all() for place in self.tables[name]]
        return pa.concat_tables(found, promote_options="default")

    def rows(self, name: str) -> int:
        """Return how many rows a table has; none where there is no such table."""
        return sum(place.rows for place in self.tables.get(name, []))


def keys_of(label: str) -> str:
    """Return the name of the table of a label's keys."""
    return f"keys of {label}"


def find(path: Path) -> Staged | None:
    """Return what is kept in a file; None where there is none, or it is not whole."""
    try:
        whole = path.read_bytes()
        length = int.from_bytes(whole[-LENGTH:], "little")
        found = msgspec.json.decode(whole[-LENGTH - length : -LENGTH], type=Staged)
    except (OSError, msgspec.MsgspecError):
        return None
    found.path = str(path)
    return found if zlib.crc32(memoryview(whole)[: -LENGTH - length]) == found.checksum else None


def stage(
    segment: Segment,
    content: bytes,
    endpoint: Endpoint | None,
    path: Path,
    memory: Memory,
    *,
    leave_out: Callable[[Envelope], bool],
) -> Staged:
    """Map one segment's replies, but those to be left out, and keep in a file what they give.

    `content` is the segment's bytes as they were read. Nothing else is read, so that the file's name covers it.
    """
    damage: list[Corruption] = []
    replies = [Reply.of(each) for each in segment.envelopes(damage.append, content) if not leave_out(each)]
    moments = [each.fetched_at for each in replies]
    oldest, newest = min(moments, default=0), max(moments, default=0)
    found = Staged(segment.source, len(replies), {}, len(damage), oldest, newest, path=str(path))
    unmapped: list[Reject] = []
    batch = Batch(endpoint, 0, memory) if endpoint else None
    if batch:
        batch.add(*replies)
        found.outcomes = dict(batch.outcomes)
    elif replies:
        unmapped = [_unmapped(segment, each) for each in replies]
        found.outcomes = {NO_MAPPING: len(replies)}
    being_written = path.with_name(f"{path.name}.{os.getpid()}")
    with pa.OSFile(str(being_written), "wb") as file:
        _write(file, found, batch, unmapped)
    being_written.rename(path)
    return found


def _unmapped(segment: Segment, reply: Reply) -> Reject:
    return Reject(segment.source, segment.endpoint, reply.key, "", reading.shown(reply.begun), NO_MAPPING)


def _write(file: pa.NativeFile, found: Staged, batch: Batch | None, rejects: list[Reject]) -> None:
    def put(name: str, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=COMPRESSED) as stream:
            stream.write_table(table)
        written = sink.getvalue()
        found.tables.setdefault(name, []).append(Place(file.tell(), written.size, table.num_rows))
        found.checksum = zlib.crc32(written, found.checksum)
        file.write(written)

    if batch is not None:
        encoded = batch.encode()
        for label, names in encoded.keys.items():
            put(keys_of(label), pa.table({"key": names}))
        for group, table in encoded.tables:
            put(str(group), table)
        rejects = [*rejects, *batch.rejects]
    if rejects:
        put(REJECTS, rejects_table(rejects))
    footer = msgspec.json.encode(found)
    file.write(footer + len(footer).to_bytes(LENGTH, "little"))


def rejects_table(rejects: list[Reject]) -> pa.Table:
    """Return rejects, of which there is at least one, as a table."""
    return pa.table(list(map(pa.array, zip(*rejects, strict=True))), list(Reject._fields))


def groups_of(staged: list[Staged]) -> list[Group]:
    """Return all groups that something is said of: relationships by name, then labels, those of their ends too."""
    names = {name for each in staged for name in each.tables if name != REJECTS and " " not in name}
    groups = [Group.parse(name) for name in sorted(names)]
    labels = {label for each in groups for label in each.labels}
    return [*(each for each in groups if each.type), *map(Group, sorted(labels))]


# --- what a file's content depends on ---------------------------------------------------------------------------------


def name_of(segment: Segment, endpoint: Endpoint | None, undone: frozenset[str], content: bytes | None = None) -> str:
    """Return the name of the file that keeps what a segment gives; `content` is its bytes, where they have been read.

    Raises CacheError where the segment can't be read.
    """
    said: tuple[object, ...] = (
        VERSION,
        segment.identity(content),
        schema.VERSION,
        endpoint and f"{endpoint.source.name}/{endpoint.name}",
    )
    said += (sorted(undone),) if segment.source == ANALYST else ()
    code = _code_of(endpoint.mapping.__module__) if endpoint else ""
    return sha256(repr((said, code)).encode()).hexdigest()[:32]


@cache
def _code_of(module: str) -> str:
    """Return a digest of the code that reads and maps for a source: the core, the source's module, what it shares."""
    own = sys.modules[module]
    return digest_of([*_submodules(), *_CORE, *_used(own), own], _PACKAGES)


def digest_of(modules: Iterable[ModuleType], packages: Iterable[str]) -> str:
    """Return a digest of some modules' code and some packages' versions."""
    mark = sha256(repr([metadata.version(each) for each in packages]).encode())
    for name, each in sorted({each.__name__: each for each in modules}.items()):
        mark.update(name.encode() + b"\0" + (Path(each.__file__).read_bytes() if each.__file__ else b""))
    return mark.hexdigest()


def _submodules() -> list[ModuleType]:
    return [each for name, each in sorted(sys.modules.items()) if name.startswith(f"{keys.__name__}.")]


def _used(module: ModuleType, known: frozenset[str] = frozenset()) -> list[ModuleType]:
    """Return the modules of a source's own package that it takes something from, and those that these take from."""
    package = module.__name__.rpartition(".")[0] or module.__name__
    names = {getattr(each, "__module__", getattr(each, "__name__", None)) for each in vars(module).values()}
    near = {each for each in names if isinstance(each, str) and each.startswith(package)} & sys.modules.keys()
    found = [sys.modules[name] for name in sorted(near - known - {module.__name__})]
    known |= near | {module.__name__}
    return found + [more for each in found for more in _used(each, known)]
