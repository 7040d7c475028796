"""What a source takes back goes out: only where it really answered the same question again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from command import Desk
from hypothesis import given
from hypothesis import strategies as st
from transforming import SLOW, entries, filled, rows, transform

from intel_grapher.analyst.overrides import Overrides, overrides_of
from intel_grapher.cache import Cache, Entry
from intel_grapher.cli.transform import TransformSettings
from intel_grapher.errors import UsageError
from intel_grapher.files import Files
from intel_grapher.registry import Registry
from intel_grapher.transform import Options, run

EARLY, SINCE, LATE = 1_600_000_000, 1_650_000_000, 1_700_000_000
FIRST, SECOND = ["www.example.com", "old.example.com"], ["www.example.com"]


def report(names: list[str], at: int, status: int = 200, code: str = "1") -> Entry:
    body = {"response_code": code, "subdomains": names}
    return Entry(
        source="threatcrowd",
        endpoint="domain",
        key="example.com",
        fetched_at=at,
        status=status,
        body=json.dumps(body).encode(),
    )


def spelt(body: str, key: str = "example.com") -> Entry:
    return Entry(source="threatcrowd", endpoint="domain", key=key, fetched_at=LATE, status=200, body=body.encode())


def page(names: list[str], at: int, cursor: str = "", following: str = "") -> Entry:
    body = {
        "data": [{"id": each, "type": "domain"} for each in names],
        "meta": {"cursor": following} if following else {},
    }
    params = {"cursor": cursor} if cursor else {}
    return Entry(
        source="virustotal",
        endpoint="domains_subdomains",
        key="example.com",
        fetched_at=at,
        status=200,
        params=params,
        body=json.dumps(body).encode(),
    )


def names(root: Path, replies: list[Entry], since: dict[str, int]) -> set[str]:
    manifest = transform(filled(root, replies), root / "import", Options(formats=("parquet",), seen_since=since))
    assert manifest.replies == len(replies)
    return {key[0] for key in rows(root / "import").get("SubDomain", {})}


def test_what_is_not_said_again_goes(tmp_path: Path) -> None:
    replies = [report(FIRST, EARLY), report(SECOND, LATE)]
    assert names(tmp_path / "all", replies, {}) == set(FIRST)
    assert names(tmp_path / "since", replies, {"threatcrowd": SINCE}) == set(SECOND)
    assert Files(tmp_path / "since" / "import").manifest().outcomes == {"found": 1, "superseded": 1}
    assert names(tmp_path / "earlier", replies, {"threatcrowd": EARLY}) == set(FIRST)
    assert names(tmp_path / "another", replies, {"internetdb": SINCE}) == set(FIRST)


@pytest.mark.parametrize(
    "later",
    [
        [],
        [report(SECOND, LATE, status=500)],
        [report([], LATE, code="0")],
        [report([], LATE)],
        [report(["localhost"], LATE)],
        [spelt('{"response_code": "1", "subdom')],
        [spelt('{"response_code": "1", "subdomains": [7]}')],
        [spelt('{"response_code": "1", "subdomains": ["a.example.net"]}', key="example.net")],
    ],
    ids=["none", "failed", "not found", "empty", "junk alone", "cut off", "of another shape", "of another"],
)
def test_what_is_no_full_answer_takes_nothing_back(tmp_path: Path, later: list[Entry]) -> None:
    assert names(tmp_path, [report(FIRST, EARLY), *later], {"threatcrowd": SINCE}) >= set(FIRST)


def test_a_paged_answer_counts_when_it_is_whole(tmp_path: Path) -> None:
    before = [page(["a.example.com"], EARLY, following="x"), page(["b.example.com"], EARLY + 1, cursor="x")]
    begun = [*before, page(["a.example.com"], LATE, following="y")]
    whole = [*begun, page(["c.example.com"], LATE + 1, cursor="y")]
    since = {"virustotal": SINCE}
    assert names(tmp_path / "begun", begun, since) == {"a.example.com", "b.example.com"}
    assert names(tmp_path / "whole", whole, since) == {"a.example.com", "c.example.com"}


@SLOW
@given(replies=entries, since=st.integers(1_600_000_000, 1_600_000_004))
def test_it_is_as_if_what_is_out_of_date_had_never_come(
    tmp_path_factory: pytest.TempPathFactory, replies: list[Entry], since: int
) -> None:
    root = tmp_path_factory.mktemp("since")
    options = Options(formats=("parquet",), seen_since=dict.fromkeys(("threatcrowd", "internetdb"), since))
    transform(filled(root / "all", replies), root / "all" / "import", options)
    left = []
    for each in replies:
        same = [other for other in replies if asked(other) == asked(each)]
        again = [other for other in same if other.fetched_at >= since and gives_facts(root, other)]
        if each.fetched_at >= since or not again:
            left.append(each)
    transform(filled(root / "left", left), root / "left" / "import", Options(formats=("parquet",)))
    assert rows(root / "all" / "import") == rows(root / "left" / "import")


def asked(reply: Entry) -> str:
    """Return what was asked for, however it was spelt; no two of these replies' sources take the same."""
    with suppress(ValueError):
        address = ip_address(reply.key)
        return str(getattr(address, "ipv4_mapped", None) or address)
    return f"{reply.source} {reply.key.lower()}"


def gives_facts(root: Path, reply: Entry) -> bool:
    """Tell whether a reply by itself is read without a fault and gives something; these replies' shapes all fit."""
    place = root / f"one{len(list(root.iterdir()))}"
    manifest = transform(filled(place, [reply]), place / "import", Options(formats=("parquet",)))
    return bool(manifest.relationships) and "wrong type" not in manifest.rejects


def test_the_moment_is_for_one_source_or_for_all() -> None:
    def since(*texts: str) -> dict[str, int]:
        return TransformSettings(seen_since=list(texts)).options(Registry.installed()).seen_since

    assert since("otx=2024-05-01") == {"otx": 1_714_521_600}
    both = since("2024-05-01", "otx=2024-05-02")
    assert (both["otx"], both["threatcrowd"]) == (1_714_608_000, 1_714_521_600)
    with pytest.raises(UsageError, match="no source is called 'oxt'"):
        since("oxt=2024-05-01")


@pytest.mark.parametrize("after", [0.0, 0.2])
def test_ctrl_c_leaves_the_files_as_they_were(tmp_path: Path, after: float) -> None:
    replies = [report([f"h{i}.{j}.example.com" for i in range(300)], EARLY + j) for j in range(3000)]
    cache = filled(tmp_path, replies[:1])
    transform(cache, tmp_path / "import")
    before = {path: path.read_bytes() for path in (tmp_path / "import").rglob("*") if path.is_file()}
    filled(tmp_path, replies[1:])
    command = [
        sys.executable,
        "-m",
        "intel_grapher",
        "transform",
        "--data",
        str(tmp_path),
        "--import",
        str(tmp_path / "import"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while child.poll() is None and not list(tmp_path.glob(".import.new")):
            time.sleep(0.01)
        time.sleep(after)
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=60)
    assert child.returncode == 130, told
    assert "Traceback" not in told
    assert {path: path.read_bytes() for path in before} == before
    assert not list(tmp_path.glob(".import.new*"))


def test_ctrl_c_that_a_library_drops_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    filled(tmp_path / "data", [report(FIRST, EARLY)])
    assert desk.run("transform").code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "import").rglob("*") if path.is_file()}
    filled(tmp_path / "data", [report(SECOND, LATE)])
    dropped = []

    def deaf(cache: Cache, as_of: int | None) -> Overrides:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            dropped.append(True)
        return overrides_of(cache, as_of)

    monkeypatch.setattr(run, "overrides_of", deaf)
    ended = desk.run("transform")
    assert dropped
    assert ended.code == 130, ended
    assert {path: path.read_bytes() for path in before} == before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.undo()
    assert desk.run("transform").code == 0
