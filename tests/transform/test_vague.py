"""A service whose transport is unknown is the one that says so, whatever the order in which they came."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from transforming import bytes_of, rows, transform

from intel_grapher.analyst.overrides import Overrides
from intel_grapher.cache import Cache, Entry
from intel_grapher.transform.vague import with_vague_keys

ADDRESS = "192.0.2.1"


def ports(*numbers: int) -> Entry:
    body = b'{"ip": "%s", "ports": %s}' % (ADDRESS.encode(), str(list(numbers)).encode())
    return Entry(source="internetdb", endpoint="ip", key=ADDRESS, fetched_at=1_790_000_000, status=200, body=body)


def banner(port: int, transport: str, at: int = 1_790_000_001) -> Entry:
    body = b'{"ip_str": "%s", "data": [{"port": %d, "transport": "%s", "product": "x"}]}' % (
        ADDRESS.encode(), port, transport.encode(),
    )  # fmt: skip
    return Entry(source="shodan", endpoint="host", key=ADDRESS, fetched_at=at, status=200, body=body)


def services(cache: Cache, place: Path) -> set[tuple[str, tuple[str, ...]]]:
    transform(cache, place)
    return {(end, tuple(row["sources"])) for (_, end), row in rows(place)["IPAddress-EXPOSES-Service"].items()}


@pytest.mark.parametrize(
    "order", list(itertools.permutations((ports(161, 443), banner(161, "udp"), banner(80, "tcp", 1))))
)
def test_one_run_or_many_in_any_order(order: tuple[Entry, ...], tmp_path: Path) -> None:
    with Cache(tmp_path / "data") as cache:
        for entry in order:
            with cache.writer() as writer:
                writer.add(entry)
            found = services(cache, tmp_path / "import")
        assert found == {
            (f"{ADDRESS}:161/udp", ("internetdb", "shodan")),
            (f"{ADDRESS}:443", ("internetdb",)),
            (f"{ADDRESS}:80/tcp", ("shodan",)),
        }
        transform(cache, tmp_path / "anew")
        assert bytes_of(tmp_path / "import") == bytes_of(tmp_path / "anew")
    table = rows(tmp_path / "import")["Service"]
    nodes = {name: (row["port"], row["transport"]) for (name,), row in table.items()}
    assert nodes == {
        f"{ADDRESS}:161/udp": (161, "udp"),
        f"{ADDRESS}:443": (443, None),
        f"{ADDRESS}:80/tcp": (80, "tcp"),
    }


def test_where_both_transports_are_known_the_port_stays_by_itself(tmp_path: Path) -> None:
    with Cache(tmp_path / "data") as cache:
        for entry in (ports(53), banner(53, "udp"), banner(53, "tcp", 1_790_000_002)):
            with cache.writer() as writer:
                writer.add(entry)
            found = services(cache, tmp_path / "import")
        assert {name for name, _ in found} == {f"{ADDRESS}:53", f"{ADDRESS}:53/tcp", f"{ADDRESS}:53/udp"}
        transform(cache, tmp_path / "anew")
        assert bytes_of(tmp_path / "import") == bytes_of(tmp_path / "anew")


def test_nothing_staged_overrides_nothing() -> None:
    overrides = Overrides()
    assert with_vague_keys(overrides, []) is overrides
