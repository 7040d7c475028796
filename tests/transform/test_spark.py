"""The transform on Spark gives the files of the transform on one machine, whatever the cache holds."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from campaign import campaign
from command import Desk
from places import FIXTURES
from spark import QUICK, require
from transforming import adopted, bytes_of, filled, transform

from intel_grapher.analyst import journal
from intel_grapher.analyst.entries import NodeEntry, NoteEntry, SameAsEntry, TakeOutEntry
from intel_grapher.cache import Cache, Entry
from intel_grapher.errors import TransformError, UsageError
from intel_grapher.files import Files, Group
from intel_grapher.load import Embedded, load
from intel_grapher.model import NodeRef
from intel_grapher.transform import Options
from intel_grapher.transform.spark import plan, session

LOCAL = "local[2]"
EARLY, LATE = 1_600_000_000, 1_700_000_000
pytestmark = pytest.mark.xdist_group("spark")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """Give a Spark session in this process, which transforms with a master of the same name use."""
    require()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession  # noqa: PLC0415 - not everywhere

    settings: dict[str, bool | float | int | str | None] = {  # as pyspark types it
        "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": QUICK, "spark.log.level": "ERROR",
        "spark.ui.showConsoleProgress": "false",
    }  # fmt: skip
    handler = signal.getsignal(signal.SIGINT)
    started = SparkSession.builder.master(LOCAL).config(map=settings).getOrCreate()
    signal.signal(signal.SIGINT, handler)  # Spark has taken it, for all tests that come
    yield started
    started.stop()


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a cache with the samples of all sources, and what a hostile world and an analyst add to them."""
    folder = campaign(tmp_path_factory.mktemp("said"), load=False) / "data"
    ports = b'{"ip": "192.0.2.161", "ports": [161, 443], "tags": ["b;a", "x"]}'
    banner = b'{"ip_str": "192.0.2.161", "data": [{"port": 161, "transport": "udp", "product": "x"}]}'
    report = {"response_code": "1", "subdomains": ["www.example.com", "old.example.com", "-", "x..y"], "votes": -1}
    again = report | {"subdomains": ["www.example.com"]}
    replies: list[tuple[str, str, str, int, int, bytes]] = [
        ("internetdb", "ip", "192.0.2.161", EARLY, 200, ports),
        ("shodan", "host", "192.0.2.161", LATE, 200, banner),
        ("threatcrowd", "domain", "example.com", EARLY, 200, json.dumps(report).encode()),
        ("threatcrowd", "domain", "example.com", LATE, 200, json.dumps(again).encode()),
        ("threatcrowd", "domain", "example.com", LATE, 500, b"oops"),
        ("nobody", "knows", "example.com", LATE, 200, b"{}"),
    ]
    with filled(folder, [
        Entry(source=source, endpoint=endpoint, key=key, fetched_at=at, status=status, body=body)
        for source, endpoint, key, at, status, body in replies
    ]) as cache:  # fmt: skip
        example = NodeRef("Domain", "example.com")
        for entry in (
            TakeOutEntry(author="ana", node=NodeRef("SubDomain", "old.example.com")),
            TakeOutEntry(author="ana", start=example, type="RESOLVES", end=NodeRef("IPAddress", "192.0.2.10")),
            SameAsEntry(author="ana", one=NodeRef("Domain", "aaa.example"), other=example),
            NodeEntry(author="ana", label="Domain", key="aaa.example"),
            SameAsEntry(author="ana", one=NodeRef("Hash", "0" * 32), other=NodeRef("Hash", "f" * 64)),
            NoteEntry(author="ana", about=example, text="a\nb"),
        ):
            journal.keep(cache, entry)
    return folder


def both(cache: Cache, folder: Path, **options: Any) -> tuple[Path, Path]:  # noqa: ANN401 - as Options takes them
    """Transform on this machine and on Spark, and return where the files are; the manifests are equal."""
    one, other = folder / "one", folder / "other"
    assert transform(cache, one, Options(**options)) == transform(cache, other, Options(**options, master=LOCAL))
    return one, other


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize(
    "options",
    [{}, {"as_of": LATE - 1}, {"seen_since": {"threatcrowd": LATE - 1}, "formats": ("parquet",)}],
    ids=["all", "as of", "seen since"],
)
def test_the_files_are_the_same_bytes(
    said: Path, tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    with Cache(said) as cache:
        made = transform(cache, one, Options(**options))
        monkeypatch.setattr("intel_grapher.transform.segments.stage_part", None)  # which executors call, not the driver
        assert transform(cache, other, Options(**options, master=LOCAL)) == made
    assert bytes_of(one) == bytes_of(other)
    manifest = Files(one).manifest()
    names = pq.read_table(one / "nodes" / "SubDomain.parquet")["name"].to_pylist()
    assert ("old.example.com" in names) is ("as_of" in options)  # the analyst's entries are later
    assert manifest.rejects
    assert manifest.outcomes.get("superseded", 0) == ("seen_since" in options)


@pytest.mark.usefixtures("spark")
def test_all_real_replies_give_the_same_bytes(tmp_path: Path) -> None:
    if not FIXTURES.is_dir():
        pytest.skip(f"no real replies at {FIXTURES}: nothing is compared")
    with adopted(tmp_path / "data", FIXTURES) as cache:
        one, other = both(cache, tmp_path)
    assert bytes_of(one) == bytes_of(other)


@pytest.mark.usefixtures("spark")
def test_a_hub_lies_in_many_parts_that_load_as_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "PART_FACTS", 200)
    monkeypatch.setattr(plan, "OWN_JOB_FACTS", 200)
    monkeypatch.setattr(plan, "SAMPLED", 3)
    names = [f"n{number:04}.hub.example" for number in range(900)]
    replies = [
        Entry(source="threatcrowd", endpoint="domain", key=key, fetched_at=EARLY + at, status=200, body=body)
        for at in range(3)
        for key, said in (("hub.example", names[at * 100 :]), ("other.example", []))
        for body in [json.dumps({"response_code": "1", "subdomains": said, "votes": at}).encode()]
    ]
    with filled(tmp_path / "data", replies) as cache:
        one, other = both(cache, tmp_path)
    group = Group("Domain", "HOSTS", "SubDomain")
    parts = [pq.read_table(path) for path in Files(other).parts(group)]
    assert len(parts) > 5
    assert max(part.num_rows for part in parts) < 300
    assert set(parts[2]["start"].to_pylist()) == {"hub.example"}
    ends = [end for part in parts for end in part["end"].to_pylist()]
    assert ends == sorted(set(ends)) == names
    for name, _ in Files(one).manifest().groups():
        whole = Files(one).path(name, "csv").read_bytes()
        assert b"".join(path.read_bytes() for path in Files(other).parts(name, "csv")) == whole
    assert load(Files(other), Embedded(tmp_path / "graph")).parity.equal


@pytest.mark.usefixtures("spark")
def test_either_engine_goes_on_from_what_the_other_left(said: Path, tmp_path: Path) -> None:
    with Cache(said) as cache:
        place = tmp_path / "import"
        first = transform(cache, place)
        kept = {path.name for path in (tmp_path / ".import.stage").iterdir()}
        before = bytes_of(place)
        assert transform(cache, place, Options(master=LOCAL)) == first
        assert bytes_of(place) == before
        assert {path.name for path in (tmp_path / ".import.stage").iterdir()} == kept
        with cache.writer() as writer:
            body = b'{"ip": "192.0.2.200", "ports": [80]}'
            writer.add(
                Entry(source="internetdb", endpoint="ip", key="192.0.2.200", fetched_at=LATE, status=200, body=body)
            )
        more = transform(cache, place, Options(master=LOCAL))
        assert more.nodes["IPAddress"].rows == first.nodes["IPAddress"].rows + 1
        after = bytes_of(place)
        assert transform(cache, place) == more
        assert bytes_of(place) == after


@pytest.mark.usefixtures("spark")
def test_a_damaged_record_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    body = b'{"ip": "192.0.2.1", "ports": [80]}'
    keys = ["192.0.2.1", "192.0.2.2"]
    cache = filled(tmp_path / "data", [
        Entry(source="internetdb", endpoint="ip", key=key, fetched_at=EARLY, status=200, body=body) for key in keys
    ])  # fmt: skip
    segment = cache.segments()[0].path
    segment.write_bytes(segment.read_bytes().replace(b'"key":"192.0.2.2"', b'"key":"192.0.2.3"'))
    one, other = both(cache, tmp_path)
    assert Files(other).manifest().damaged == 1
    assert bytes_of(one) == bytes_of(other)


@pytest.mark.usefixtures("spark")
def test_a_failed_job_leaves_the_files_and_says_why(
    said: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "import"
    with Cache(said) as cache:
        transform(cache, place)
        before = bytes_of(place)
        monkeypatch.setattr("intel_grapher.transform.spark.executors.own_code", lambda: "another")
        with pytest.raises(TransformError, match="an executor has another intel-grapher"):
            transform(cache, place, Options(master=LOCAL))
        monkeypatch.undo()
        monkeypatch.setattr("intel_grapher.transform.spark.plan.MergeJob.schema", "part int, kind int")
        with pytest.raises(TransformError, match="a Spark job failed: "):
            transform(cache, place, Options(master=LOCAL))
    assert bytes_of(place) == before


# --- without a cluster ------------------------------------------------------------------------------------------------


def test_without_the_package_a_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(UsageError, match=r"intel-grapher\[spark\]"):
        session.check(LOCAL)


@pytest.mark.parametrize("master", ["", "spark", "http://x", "local[", "local[0x]", "spark://", "sc://h:port", "a b"])
def test_what_is_no_master_is_refused(master: str) -> None:
    require()
    with pytest.raises(UsageError, match="is no master of Spark"):
        session.check(master)


@pytest.mark.parametrize("master", ["spark://127.0.0.1:1", "sc://127.0.0.1:1/;token=x", "spark://nowhere.invalid:7077"])
def test_a_master_that_does_not_answer_is_named(master: str) -> None:
    require()
    with pytest.raises(TransformError, match=f"no Spark answers at {master.partition('/;')[0]}"):
        session.check(master)


def test_without_java_a_message_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    require()
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TransformError, match="Java 17"):
        session.check(LOCAL)


def test_a_master_without_the_engine_is_refused(tmp_path: Path) -> None:
    done = Desk(tmp_path).run("transform", "--master", LOCAL)
    assert done.code == 2
    assert "--engine spark" in done.err
