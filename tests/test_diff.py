import json
from pathlib import Path

import pytest
from transforming import transform

from intel_grapher import diff
from intel_grapher.cache import Cache, Entry
from intel_grapher.diff import Change, Count, Row
from intel_grapher.errors import TransformError
from intel_grapher.transform import Options


def seen(key: str, ports: list[int], at: int, tags: list[str] | None = None) -> Entry:
    body = json.dumps({"ip": key, "ports": ports, "tags": tags or []}).encode()
    return Entry(source="internetdb", endpoint="ip", key=key, fetched_at=at, status=200, body=body)


def test_what_came_went_and_changed(tmp_path: Path) -> None:
    for name, entries in {
        "a": [seen("192.0.2.1", [80], 1), seen("192.0.2.2", [80], 1), seen("192.0.2.3", [], 1)],
        "b": [seen("192.0.2.1", [80, 443], 2, ["vpn"]), seen("192.0.2.3", [], 2)],
    }.items():
        cache = Cache(tmp_path / f"it's [{name}]")
        with cache.writer() as writer:
            for each in entries:
                writer.add(each)
        transform(cache, tmp_path / f"it's [{name}]" / "import", Options(formats=("parquet",)))
    before, after = tmp_path / "it's [a]" / "import", tmp_path / "it's [b]" / "import"
    assert list(diff.rows(before, after)) == [
        Row("IPAddress", Change.CHANGED, ("192.0.2.1",)),
        Row("IPAddress", Change.WENT, ("192.0.2.2",)),
        Row("Service", Change.CAME, ("192.0.2.1:443",)),
        Row("Service", Change.WENT, ("192.0.2.2:80",)),
        Row("IPAddress-EXPOSES-Service", Change.CAME, ("192.0.2.1", "192.0.2.1:443")),
        Row("IPAddress-EXPOSES-Service", Change.WENT, ("192.0.2.2", "192.0.2.2:80")),
    ]
    assert Count("Service", Change.CAME, "internetdb", 1) in diff.counts(before, after)
    assert diff.counts(after, after) == []


@pytest.fixture
def none_and_all(tmp_path: Path) -> tuple[Path, Path]:
    """Make two sets of the same cache, as of before its only reply and as of now."""
    cache = Cache(tmp_path)
    with cache.writer() as writer:
        writer.add(seen("192.0.2.1", [80], 1_700_000_000))
    transform(cache, tmp_path / "none", Options(as_of=1))
    transform(cache, tmp_path / "all")
    return tmp_path / "none", tmp_path / "all"


def test_a_group_that_one_set_has_not_came_or_went_as_a_whole(none_and_all: tuple[Path, Path]) -> None:
    before, after = none_and_all
    assert {each.change for each in diff.rows(before, after)} == {Change.CAME}
    assert {each.change for each in diff.rows(after, before)} == {Change.WENT}


def test_a_spoiled_file_is_told_of_with_what_to_do(none_and_all: tuple[Path, Path]) -> None:
    before, after = none_and_all
    (after / "nodes" / "IPAddress.parquet").write_bytes(b"PAR1")
    for ask in (diff.counts, lambda before, after: list(diff.rows(before, after))):
        with pytest.raises(TransformError, match=r"none and .*all can't be compared .*: make the newer again"):
            ask(before, after)
