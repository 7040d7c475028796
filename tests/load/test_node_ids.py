"""Relationships by the ids of their ends, and groups read back beside other work: what a server has no part in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest
from load_samples import MANY, Rows, day, write

from intel_grapher import schema
from intel_grapher.errors import LoadError
from intel_grapher.files import SEPARATOR, Content, Files, Group, checksum
from intel_grapher.load import parity
from intel_grapher.load.neo4j.batches import ENDS, pack, packed, read
from intel_grapher.load.neo4j.node_ids import NodeIds
from intel_grapher.load.parity import reader, spilling
from intel_grapher.load.row_diff import text_schema

DOMAIN = Group("Domain")
RESOLVES = Group("Domain", "RESOLVES", "IPAddress")
NAMES = [row["name"] for row in MANY[Group("Domain")]]
ADDRESSES = [row["address"] for row in MANY[Group("IPAddress")]]


def joined(files: Files, *, without: int = 0) -> pa.Table:
    """Return the relationships beside their ends' ids: a name's is its place, an address's 1,000 and its place."""
    with spilling() as connection:
        ids = NodeIds(connection)
        ids.add("Domain", pa.array(NAMES[20:]), list(range(20, 40)))
        ids.add("Domain", pa.array(NAMES[:20]), list(range(20)))
        if without < len(ADDRESSES):
            ids.add("IPAddress", pa.array(ADDRESSES[without:]), [*range(1000 + without, 1000 + len(ADDRESSES))])
        return pa.Table.from_batches(ids.beside(files, RESOLVES))


def test_rows_keep_their_order_and_values_beside_the_ids_of_their_ends(tmp_path: Path) -> None:
    files = write(tmp_path / "import", MANY)
    found = joined(files)
    assert found.select(RESOLVES.arrow.names) == pa.Table.from_batches(read(files, RESOLVES, 0))
    assert found[ENDS[0]].to_pylist() == list(range(40))
    assert found[ENDS[1]].to_pylist() == [1000 + number % 10 for number in range(40)]


def test_a_batch_goes_by_ids_only_where_all_are_known(tmp_path: Path) -> None:
    files = write(tmp_path / "import", MANY)
    (known,) = packed(iter(joined(files).to_batches()), RESOLVES)
    assert known.by_id
    assert [row[:2] for row in known.parameters["rows"]] == [[number, 1000 + number % 10] for number in range(40)]
    (keyed,) = packed(read(files, RESOLVES, 0), RESOLVES)
    again = pack(known.batch.select(RESOLVES.arrow.names), RESOLVES)
    assert not keyed.by_id
    assert (again.parameters, again.given) == (keyed.parameters, keyed.given)
    for without in (1, len(ADDRESSES)):
        (some,) = packed(iter(joined(files, without=without).to_batches()), RESOLVES)
        assert not some.by_id
        assert some.parameters == keyed.parameters


NODE = {Group("SubDomain"): 2}
"""The id of a label's node, where it is not 1."""


class Flaky:
    """A database of a node a label, and of some relationships, that is away the first times it is asked."""

    READERS: ClassVar[int] = 1

    def __init__(self, away: int, ties: Sequence[tuple[int, int]] = (), *, reads_types: bool = False) -> None:
        self.away = away
        self.ties = ties
        self.reads_types = reads_types
        self.asked: list[Group] = []

    def texts(self, group: Group) -> Iterator[pa.Table]:
        self.asked.append(group)
        if len(self.asked) <= self.away:
            raise ConnectionError("away")
        if group.type:
            for start, end in self.ties:
                yield pa.table([[start], [end], [f"{start} to {end}"]], schema=text_schema(group))
        else:
            yield pa.table([[NODE.get(group, 1)], [f"the {group}"], ["text"]], schema=text_schema(group))

    def rows(self, group: Group) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError(group)

    def others(self, known: Mapping[Group, int]) -> Iterator[Group]:
        raise NotImplementedError(known)

    def types(self) -> dict[str, int]:
        raise NotImplementedError


def summed(*parts: str) -> Content:
    with spilling() as connection:
        return checksum(connection, f"SELECT '{SEPARATOR.join(parts)}' AS text")


def content(database: Flaky, group: Group, *, begun: bool) -> Content:
    with reader(database) as reading:
        if begun:
            reading.begin(group)
            reading.begin(group)
        return reading.content(group)


def test_what_was_away_is_read_again_and_only_then() -> None:
    once, twice, never = Flaky(0), Flaky(1), Flaky(2)
    wanted = content(once, DOMAIN, begun=False)
    assert wanted == summed("the Domain", "text")
    assert content(once, DOMAIN, begun=True) == content(twice, DOMAIN, begun=True) == wanted
    assert (once.asked, twice.asked) == ([DOMAIN] * 2, [DOMAIN] * 2)
    with pytest.raises(ConnectionError):
        content(never, DOMAIN, begun=True)


@pytest.mark.parametrize("away", [0, 1])
def test_relationships_are_read_by_the_ids_of_their_ends(monkeypatch: pytest.MonkeyPatch, away: int) -> None:
    monkeypatch.setattr(parity, "JOINED", 2)
    # Of the ends with id 2 no label has a node, so that one is in no group.
    database = Flaky(away, ties=[(1, 1), (1, 2), (1, 1)])
    one = summed("the Domain", "the IPAddress", "1 to 1")
    assert content(database, RESOLVES, begun=bool(away)) == Content(2, f"{2 * int(one.checksum, 16) % (1 << 64):016x}")
    assert len(database.asked) == len(set(database.asked)) + away  # a label is read once, whoever asks for it


@pytest.mark.parametrize("away", [0, 1])
def test_relationships_of_one_type_are_read_together_where_a_database_gives_whole_types(away: int) -> None:
    database = Flaky(away, ties=[(1, 1), (2, 1), (3, 1)], reads_types=True)
    both = [RESOLVES, Group("SubDomain", "RESOLVES", "IPAddress")]
    with reader(database) as reading:
        reading.begin(*both)
        found = [reading.content(group) for group in both]
        assert found == [reading.content(group) for group in both]
    expected = [
        summed(f"the {group.start}", "the IPAddress", f"{NODE.get(Group(group.start), 1)} to 1") for group in both
    ]
    assert found == expected
    assert len(database.asked) == 4 + 2 * away  # three labels, and the type once; what failed is read group by group


def test_what_was_not_begun_when_its_block_ends_is_not_read() -> None:
    database = Flaky(0)
    groups = [Group(label) for label in schema.LABELS]

    def begin_and_leave() -> None:
        with reader(database) as reading:
            for group in groups:
                reading.begin(group)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin_and_leave()
    assert len(database.asked) < len(groups)


def test_a_file_that_can_not_be_read_is_told_of(tmp_path: Path) -> None:
    files = write(tmp_path / "import", MANY)
    path = files.path(RESOLVES, "parquet")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(LoadError, match=r"can't be dealt with .*Domain-RESOLVES-IPAddress"):
        joined(files)


def test_many_properties_travel_with_ids(tmp_path: Path) -> None:
    rows: Rows = {RESOLVES: [{**row, "first_seen": day(1), "sources": ["doh"]} for row in MANY[RESOLVES]]}
    files = write(tmp_path / "import", {**MANY, **rows})
    (some,) = packed(iter(joined(files).to_batches()), RESOLVES)
    assert {len(row) for row in some.parameters["rows"]} == {2 + len(some.given)}
    assert some.parameters["values"] == [["doh"]]
