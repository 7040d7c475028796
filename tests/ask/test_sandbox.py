"""A user's Cypher on the embedded graph: whatever it does to the engine, it is an error to the asker and no more."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from load_samples import SAMPLE, write

from intel_grapher import ask
from intel_grapher.ask.bolt import parameters
from intel_grapher.ask.engines import EmbeddedGraph
from intel_grapher.ask.pool import GraphPool
from intel_grapher.ask.sandbox import Sandbox, _json
from intel_grapher.errors import LoadError, UsageError
from intel_grapher.load import Embedded, Server, load
from intel_grapher.load.embedded import STORE

MEMORY = 512 << 20
DEADLY = "MATCH (n) RETURN n.name ORDER BY n.name SKIP 100000 LIMIT 10"
"""LadybugDB 0.22.0 reads beyond the last row of this, and mostly ends the process."""
UNBOUNDED = [
    "UNWIND range(1, 100000000) AS x RETURN collect(x)",
    "UNWIND range(1, 100000000) AS x RETURN count(x)",
    "MATCH (a),(b),(c),(d),(e),(f),(g),(h) RETURN collect(a), collect(b), collect(c)",
    "RETURN repeat('x', 2000000000)",
    "UNWIND range(1,1000) AS x RETURN repeat('abcdefghij', 10000000)",
    "MATCH p=(a)-[*1..30]-(b) RETURN count(p)",
    "UNWIND range(1, 3000000) AS x RETURN x, repeat('y',1000) ORDER BY x DESC",
    "RETURN list_sum(range(1,500000000))",
]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    folder = tmp_path_factory.mktemp("sandbox")
    target = Embedded(folder / "graph", MEMORY)
    load(write(folder / "import", SAMPLE), target)
    return target


def test_a_query_that_may_kill_the_engine_is_an_answer_or_an_error_and_the_next_is_answered(target: Embedded) -> None:
    with ask.opened(target) as graph:
        for _ in range(3):
            try:
                assert graph.query(DEADLY).rows == []
            except UsageError as wrong:
                assert "the engine died of the query" in str(wrong)  # noqa: PT017 - it need not die
            assert graph.query("MATCH (d:Domain) RETURN count(d)").rows == [[2]]


@pytest.mark.parametrize(
    ("ending", "word"),
    [
        ("os.kill(os.getpid(), 11)", r"the engine died of the query \(SIGSEGV\)"),
        ("os.abort()", r"the engine died of the query \(SIGABRT\)"),
        ("os.kill(os.getpid(), 9)", "from outside, perhaps for want of memory"),
        ("os.kill(os.getpid(), 14)", "longer than 7 s"),
        ("os._exit(3)", "exit code 3"),
        ("os.write(1, b'\\x09\\0\\0\\0\\0\\0\\0\\0half')", "exit code 0"),
    ],
)
def test_an_engine_that_ends_its_process_is_an_error(
    target: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, word: str
) -> None:
    script = tmp_path / "ends.py"
    script.write_text(f"import os, sys\nsys.stdin.buffer.read(8)\n{ending}\n")
    with ask.opened(target) as graph:
        with monkeypatch.context() as patched:
            patched.setattr("intel_grapher.ask.sandbox._SCRIPT", script)
            with pytest.raises(UsageError, match=word):
                graph.query("RETURN 1", timeout=7)
        assert graph.query("RETURN 1").rows == [[1]]


def test_the_command_lives_on_where_the_engine_dies(target: Embedded) -> None:
    command = [sys.executable, "-m", "intel_grapher", "query", DEADLY, "--db", str(target.place)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    died = "the engine died of the query" in ended.stderr
    assert (ended.returncode, ended.stdout.split()) == ((2, []) if died else (0, ["n.name"]))


def test_no_query_takes_more_memory_than_it_may(target: Embedded) -> None:
    program = (
        "import json, resource, sys, pathlib\n"
        "from intel_grapher import ask\nfrom intel_grapher.errors import UsageError\n"
        "from intel_grapher.load import Embedded\n"
        "said = []\n"
        f"with ask.opened(Embedded(pathlib.Path(sys.argv[1]), {MEMORY})) as graph:\n"
        "    for cypher in json.loads(sys.argv[2]):\n"
        "        try:\n"
        "            said.append(str(graph.query(cypher, timeout=1.5).rows)[:100])\n"
        "        except UsageError as wrong:\n"
        "            said.append(str(wrong))\n"
        "    print(json.dumps([said, graph.query('MATCH (d:Domain) RETURN count(d)').rows]))\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10)\n"
    )
    command = [sys.executable, "-c", program, str(target.place), json.dumps(UNBOUNDED)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    answers, largest = ended.stdout.splitlines()
    said, after = json.loads(answers)
    assert after == [[2]]
    assert all("memory" in text or "longer than" in text or text.startswith("[[") for text in said), said
    assert any("more than its 512 MiB of memory" in text for text in said), said
    assert int(largest) < MEMORY + (256 << 20)


def test_a_query_that_takes_too_long_is_ended_in_time(target: Embedded) -> None:
    started = time.monotonic()
    with ask.opened(target) as graph, pytest.raises(UsageError, match=r"longer than 0\.5 s"):
        graph.query("UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN sum(a * b)", timeout=0.5)
    assert time.monotonic() - started < 60  # and not for ever


def test_values_are_the_same_as_from_questions_of_our_own(target: Embedded) -> None:
    questions: list[tuple[str, dict[str, object]]] = [
        ("MATCH (n)-[r]->(m) RETURN n, r, m ORDER BY n.name, m.address", {}),
        ("MATCH p = (:Domain)-[*1..2]->(:IPAddress) RETURN p ORDER BY length(p)", {}),
        (
            "MATCH (n:Domain) WHERE n.last_seen < $before RETURN n.last_seen",
            {"before": datetime(2021, 1, 1, tzinfo=UTC)},
        ),
        ("RETURN 1 AS a, 1.5 AS b, true AS c, null AS d, ['x', 'y'] AS e, {k: 1} AS f, '\\u00fc\\u0000' AS g", {}),
        ("MATCH (n:Domain) RETURN n.name AS name ORDER BY name", {}),
    ]
    with ask.opened(target) as graph:
        for cypher, parameters in questions:
            assert graph.query(cypher, parameters) == graph.ask(cypher, parameters)
            assert graph.query(cypher, parameters, limit=1) == graph.ask(cypher, parameters, limit=1)


def test_cypher_that_does_not_only_read_and_wrong_cypher_are_refused(target: Embedded) -> None:
    with ask.opened(target) as graph:
        with pytest.raises(UsageError, match="only read"):
            graph.query("MATCH (n) DELETE n")
        with pytest.raises(UsageError, match="refused the query"):
            graph.query("MATCH (n RETURN n")
        assert graph.query("RETURN 1").rows == [[1]]


def test_many_threads_ask_at_once_and_a_process_is_kept_for_the_next(target: Embedded) -> None:
    sandbox = Sandbox(target.place / STORE, MEMORY)
    found: list[object] = []

    def some() -> None:
        question = "MATCH (d:Domain) RETURN count(d)"
        found.extend(sandbox.ask(question, {}, limit=1, timeout=60).rows for _ in range(3))

    threads = [threading.Thread(target=some) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[[2]]] * 9
    kept = sandbox.idle
    assert 1 <= len(kept) <= 3
    for process in kept:
        os.kill(process, signal.SIGKILL)  # from outside, for want of memory perhaps
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    assert sandbox.ask("RETURN 1", {}, limit=1, timeout=60).rows == [[1]]
    assert not {*sandbox.idle} & {*kept}
    sandbox.close()
    assert sandbox.idle == []


def test_a_timestamp_gets_to_a_server_as_one() -> None:
    moment = datetime(2026, 8, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    sent = json.loads(json.dumps({"at": _json(moment), "name": _json("example.com")}))
    assert parameters(sent) == {"at": moment, "name": "example.com"}


def test_a_server_that_does_not_answer_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"bolt://127.0.0.1:{free.getsockname()[1]}"
        sandbox = Sandbox(Server(uri, "neo4j", "a password"), MEMORY)
        for _ in range(2):
            with pytest.raises(LoadError, match="No Neo4j answers at bolt://127"):
                sandbox.ask("RETURN 1", {}, limit=1, timeout=60)
        assert sandbox.idle == []


def test_an_answer_of_very_many_values_is_refused(target: Embedded) -> None:
    with ask.opened(target, 2 << 30) as graph, pytest.raises(UsageError, match="4,000,000 values"):
        graph.query("UNWIND range(1, 5) AS x RETURN range(1, 1000000) AS y")


def test_the_command_takes_a_bound_of_memory(target: Embedded) -> None:
    said = []
    for memory in ("64M", "2G"):
        arguments = ["query", UNBOUNDED[0], "--db", str(target.place), "--memory", memory, "--timeout", "1"]
        command = [sys.executable, "-m", "intel_grapher", *arguments]
        said.append(subprocess.run(command, capture_output=True, text=True, check=False).stderr)
    assert ["64 MiB of memory" in text for text in said] == [True, False]


def test_a_pool_asks_the_graph_that_a_load_put_in_place(tmp_path: Path) -> None:
    target = Embedded(tmp_path / "graph", MEMORY)
    load(write(tmp_path / "import", SAMPLE), target)
    pool = GraphPool(target)
    question = "MATCH (d:Domain) RETURN count(d)"
    with pool.use() as graph:
        assert isinstance(graph, EmbeddedGraph)
        assert graph.query(question).rows == [[2]]
    load(write(tmp_path / "import", {}), target)
    with pool.use() as graph:
        assert graph.query(question).rows == graph.ask(question).rows == [[0]]
    pool.close()


def test_an_answer_to_a_question_of_our_own_is_bounded_too(target: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    question = "UNWIND range(1, 30000) AS x RETURN x, 'abcdefghij' AS y"
    with ask.opened(target) as graph:
        assert [row[0] for row in graph.ask(question, limit=25_000).rows] == list(range(1, 25_001))
        assert len(graph.ask(question, limit=50_000).rows) == 30_000
        monkeypatch.setattr("intel_grapher.ask.engines.LARGEST", 400_000)
        with pytest.raises(UsageError, match="the answer has more than"):
            graph.ask(question, limit=30_000)
        assert len(graph.ask(question, limit=15_000).rows) == 15_000
