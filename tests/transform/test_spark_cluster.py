"""The transform on a real cluster, a master and two workers: an executor that is killed changes nothing."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from command import Desk
from spark import require, standalone
from transforming import bytes_of

from intel_grapher.cache import Cache, Entry

NAMES = 120_000
SEGMENT_BYTES = 200_000
SIGNS = {"read": ".other.stage/[0-9a-f]*", "merge": ".other.new/*/*/*/*.parquet"}
"""What there is when a step has begun."""
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("spark")]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give a folder with a cache of many segments."""
    require()
    with Cache(tmp_path / "data", segment_bytes=SEGMENT_BYTES) as cache, cache.writer() as writer:
        for number in range(NAMES // 2_000):
            names = [f"n{each}.d{number}.example" for each in range(2_000)]
            body = json.dumps({"response_code": "1", "subdomains": names, "votes": number}).encode()
            key = f"d{number}.example"
            writer.add(
                Entry(source="threatcrowd", endpoint="domain", key=key, fetched_at=1_700_000_000, status=200, body=body)
            )
    return Desk(tmp_path, more={"HOME": str(tmp_path)})


@pytest.mark.parametrize("step", ["read", "merge"])
def test_an_executor_that_is_killed_in_the_middle_changes_nothing(desk: Desk, step: str) -> None:
    assert desk.run("transform", "--import", "one").code == 0
    with standalone(desk.folder) as cluster:
        command = desk.start("transform", "--import", "other", "--engine", "spark", "--master", cluster.master)
        while command.poll() is None and not any(desk.folder.glob(SIGNS[step])):
            time.sleep(0.02)
        killed = cluster.executors()[:1]
        for process in killed:
            os.kill(process, signal.SIGKILL)
        out, err = command.communicate(timeout=300)
    assert killed, (out, err)
    assert command.returncode == 0, err
    assert err == ""
    assert bytes_of(desk.folder / "other") == bytes_of(desk.folder / "one")
