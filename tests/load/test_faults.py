"""What a load over Bolt withstands: rows that are refused, kills, lost replies."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec
import pytest
from load_samples import MANY, Rows, cypher, write

from intel_grapher.errors import LoadError
from intel_grapher.files import Files, Group
from intel_grapher.load import Server, load, verify
from intel_grapher.load.neo4j import batches, resume

pytestmark = pytest.mark.neo4j

# --- rows that are refused --------------------------------------------------------------------------------------------


def test_a_row_that_the_server_refuses_is_listed_and_the_rest_goes_in(tmp_path: Path, server: Server) -> None:
    long = "".join(f"{number:06}" for number in range(6000))  # beyond what an index takes
    rows: Rows = {
        **MANY,
        Group("Malware"): [{"name": long}, *({"name": f"Worm.{number}"} for number in range(30))],
        Group("Hash"): [{"value": "0" * 32}],
        Group("Hash", "DETECTED_AS", "Malware"): [
            {"start": "0" * 32, "end": long},
            {"start": "0" * 32, "end": "Worm.7"},
        ],
    }
    loaded = load(write(tmp_path / "import", rows), server, method="bolt")
    assert [(each.group, each.key[-10:]) for each in loaded.refused] == [
        ("Malware", long[-10:]),
        ("Hash-DETECTED_AS-Malware", long[-10:]),
    ]
    assert "too large" in loaded.refused[0].reason
    assert loaded.refused[1].reason == "an end of it is not in the database"
    assert {each.group: each.missing for each in loaded.parity.groups if each.differs} == {
        "Malware": 1,
        "Hash-DETECTED_AS-Malware": 1,
    }


def test_a_refused_row_does_not_hide_another_s_loss(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", {**MANY, Group("Email"): [{"address": "a@example.com"}]})
    other = write(tmp_path / "other", {Group("Email"): [{"address": "b@example.com"}]})
    other.path(Group("Email"), "parquet").replace(files.path(Group("Email"), "parquet"))
    with pytest.raises(LoadError, match="Email"):
        load(files, server, method="bolt")


# --- kills and lost replies -------------------------------------------------------------------------------------------

KILLS = int(os.environ.get("LOAD_KILLS", "4"))  # LOAD_KILLS=100 for a night

PROGRAM = """
import os, sys, pathlib
from intel_grapher.files import Files
from intel_grapher.load import Server, load
from intel_grapher.load.neo4j import batches
batches.BATCH = 7
root, uri, user, password, steps = sys.argv[1:]
steps = int(steps)
def progress(*_):
    global steps
    steps -= 1
    if steps == 0:
        os.kill(os.getpid(), 9)
load(Files(pathlib.Path(root)), Server(uri, user, password), method="bolt", progress=progress)
"""


def killed(files: Files, server: Server, step: int) -> int:
    """Load, and kill that at its n-th step; return the exit code."""
    arguments = (str(files.root), server.uri, server.user, server.password, str(step))
    return subprocess.run([sys.executable, "-c", PROGRAM, *arguments], check=False).returncode


def test_killed_at_any_step_the_next_load_goes_on(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", MANY)
    checkpoint = tmp_path / ".import.sent.json"
    kills = 0
    while kills < KILLS:
        sent = 0
        # Each time it comes further than before, at last to parity; the number of steps it is given varies.
        while killed(files, server, 4 + kills % 5) == -9:
            kept = msgspec.json.decode(checkpoint.read_bytes(), type=resume.Checkpoint)
            assert sum(kept.sent.values()) >= sent
            sent, kills = sum(kept.sent.values()), kills + 1
            if kills == KILLS:
                break
        else:
            assert verify(files, server).equal
            cypher(server, "MATCH (n) DETACH DELETE n")
    loaded = load(files, server, method="bolt")
    assert loaded.parity.equal
    assert not checkpoint.exists()


def test_a_checkpoint_of_a_database_that_was_emptied_is_not_believed(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", MANY)
    assert killed(files, server, 12) == -9
    cypher(server, "MATCH (n) DETACH DELETE n")
    assert load(files, server, method="bolt").parity.equal


def test_killed_before_the_checkpoint_was_written_nothing_is_doubled(tmp_path: Path, server: Server) -> None:
    files = write(tmp_path / "import", MANY)
    checkpoint = tmp_path / ".import.sent.json"
    assert killed(files, server, 11) == -9
    earlier = checkpoint.read_bytes()
    assert killed(files, server, 4) == -9
    checkpoint.write_bytes(earlier)  # as if the kill had come between commit and checkpoint
    assert load(files, server, method="bolt").parity.equal


COMMIT = b"\x00\x02\xb0\x12\x00\x00"


class LosingReplies:
    """Stands between driver and server; delivers the n-th COMMIT, and cuts the line before its reply."""

    def __init__(self, port: int, which: int) -> None:
        self.server_port = port
        self.commits_left = which
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listening.getsockname()[1])
        self.threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self.start(self.accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.listening.close()

    def start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self.threads.append(thread)
        thread.start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                server = socket.create_connection(("127.0.0.1", self.server_port))
                lost = threading.Event()
                self.start(self.forth, client, server, lost)
                self.start(self.back, client, server, lost)

    def forth(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                self.commits_left -= COMMIT in data
                if self.commits_left == 0 and COMMIT in data:
                    lost.set()
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def back(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with client, server, suppress(OSError):
            while (data := server.recv(1 << 16)) and not lost.is_set():
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("which", [1, 2, 7, 11])  # the first, others of nodes, one of relationships
def test_a_lost_commit_reply_doubles_nothing(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    monkeypatch.setattr(batches, "BATCH", 7)
    files = write(tmp_path / "import", MANY)
    with LosingReplies(int(server.uri.rpartition(":")[2]), which) as line:
        loaded = load(files, Server(f"bolt://127.0.0.1:{line.port}", server.user, server.password), method="bolt")
    assert line.commits_left < 0
    assert loaded.parity.equal
    assert verify(files, server).equal
