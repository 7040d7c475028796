"""The transform on a real cluster, a master and two workers: an executor that is killed changes nothing.

Of a store, the executors read the segments themselves: they do not see the mirror.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from command import Desk
from s3_server import CREDENTIALS, S3Server
from spark import require, standalone
from transforming import bytes_of

from intel_grapher.cache import Cache, Entry
from intel_grapher.cache.mirror import Mirror
from intel_grapher.objects import Objects

NAMES = 120_000
SEGMENT_BYTES = 200_000
URL = "s3://bucket/case"
SIGNS = {"read": ".other.stage/[0-9a-f]*", "merge": ".other.new/*/*/*/*.parquet"}
"""What there is when a step has begun."""
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("spark")]


@pytest.fixture
def desk(tmp_path: Path, s3: S3Server) -> Desk:
    """Give a folder with a cache of many segments, which a store has, too."""
    require()
    root = tmp_path / "data"
    with Cache(root, SEGMENT_BYTES, Mirror(root, Objects(URL))) as cache, cache.writer() as writer:
        for number in range(NAMES // 2_000):
            names = [f"n{each}.d{number}.example" for each in range(2_000)]
            body = json.dumps({"response_code": "1", "subdomains": names, "votes": number}).encode()
            key = f"d{number}.example"
            writer.add(
                Entry(source="threatcrowd", endpoint="domain", key=key, fetched_at=1_700_000_000, status=200, body=body)
            )
    # Of a path by way of its own folder, each process sees another folder.
    more = {"HOME": str(tmp_path), "XDG_DATA_HOME": "/proc/self/cwd/share", **s3.environment()}
    return Desk(tmp_path, more=more)


@pytest.mark.parametrize("step", ["read", "merge"])
def test_an_executor_that_is_killed_in_the_middle_changes_nothing(desk: Desk, s3: S3Server, step: str) -> None:
    assert desk.run("transform", "--import", "one").code == 0
    data = ("--data", URL) if step == "read" else ()
    with standalone(desk.folder) as cluster:
        s3.requests.clear()
        command = desk.start("transform", "--import", "other", *data, "--engine", "spark", "--master", cluster.master)
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
    if data:
        read = [path for method, path in s3.requests if method == "GET" and "/raw/" in path]
        assert len(read) >= 2 * len(set(read)) >= 20, "by the driver's mirror, and by the executors"
    told = "".join(path.read_text() for pattern in ("std*", "*.log") for path in desk.folder.rglob(pattern)) + out + err
    assert not any(secret in told for secret in CREDENTIALS.values())
