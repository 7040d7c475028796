"""What a command imports when it starts, and how it converts its values without what takes long to import."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from command import Desk
from places import ROOT

from intel_grapher.cli import COMMANDS, LazyCommands
from intel_grapher.cli.plain_values import PlainFirst
from intel_grapher.deferred import DeferredModule, defer

sys.path.insert(0, str(ROOT / "docs"))

ARROW = """
import sys
from intel_grapher.unused import leave_out
leave_out()
import pyarrow as pa, pyarrow.compute as pc
batch = pa.record_batch({"n": [1, 2], "t": ["a", None]})
assert pa.table(batch).num_rows == 2
assert pc.sum(pa.array([1, 2])).as_py() == 3
print(sorted({"numpy", "pandas"} & sys.modules.keys()))
"""


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="it is of the extra `analysis`")
def test_arrow_works_in_a_command_and_imports_no_pandas() -> None:
    ran = subprocess.run([sys.executable, "-c", ARROW], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "[]\n"), ran.stderr


CHILD = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from intel_grapher.unused import begin, beginning, leave_out
if __name__ == "__main__":
    leave_out()
    from intel_grapher.transform.workers import prepare_arrow
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=begin, initargs=beginning(prepare_arrow)) as pool:
        pool.submit(exec, "import pyarrow as pa; pa.array([1])").result()
        pool.submit(exec, "import sys; print(sorted({'numpy', 'pandas'} & sys.modules.keys()), flush=True)").result()
"""


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="it is of the extra `analysis`")
def test_nor_does_a_process_that_a_command_starts(tmp_path: Path) -> None:
    script = tmp_path / "intel-grapher"  # as pip makes it: without a suffix
    script.write_text(CHILD)
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "[]\n"), ran.stderr


# --- modules that are filled later ------------------------------------------------------------------------------------


@pytest.fixture
def deferring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder whose packages `late` and `late.inner` are imported as a command imports those of DEFERRED."""
    monkeypatch.setattr("intel_grapher.deferred.DEFERRED", {"late", "late.inner", "broken"})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    defer()
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "__init__.py").write_text(
        "import sys\nfrom late.outer import Once, answer\n\nsys.filled.append(__name__)\n"
    )
    (tmp_path / "late" / "inner.py").write_text("from late import answer\n")
    (tmp_path / "late" / "outer.py").write_text("class Once: ...\n\n\nanswer = 42\n")
    (tmp_path / "broken.py").write_text("raise ImportError('not today')\n")
    monkeypatch.setattr(sys, "filled", [], raising=False)
    return tmp_path


def filled() -> list[str]:
    found: list[str] = sys.filled  # type: ignore[attr-defined]
    return found


@pytest.mark.usefixtures("deferring")
def test_a_module_is_filled_at_the_first_look_and_once() -> None:
    late = importlib.import_module("late")
    assert type(late) is DeferredModule
    assert filled() == []
    assert late.answer == 42
    assert type(late) is ModuleType
    assert (late.answer, filled()) == (42, ["late"])
    with pytest.raises(AttributeError, match="module 'late' has no attribute 'question'"):
        _ = late.question


@pytest.mark.usefixtures("deferring")
def test_a_module_in_a_package_is_filled_after_its_package() -> None:
    inner = importlib.import_module("late.inner")
    assert filled() == []
    assert inner.answer == 42
    assert filled() == ["late"]


@pytest.mark.usefixtures("deferring")
def test_a_module_that_is_not_deferred_fills_its_package_and_is_imported_once() -> None:
    outer = importlib.import_module("late.outer")
    assert filled() == ["late"]
    assert outer is sys.modules["late"].outer is sys.modules["late.outer"]
    assert outer.Once is sys.modules["late"].Once
    assert outer.__spec__ is not None
    assert type(outer.__spec__.loader).__name__ == "SourceFileLoader"


@pytest.mark.usefixtures("deferring")
def test_several_threads_fill_a_module_once() -> None:
    late = importlib.import_module("late")
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(late.answer)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, filled()) == ([42] * 8, ["late"])


def test_a_thread_sees_no_name_that_another_has_not_yet_given_its_meaning(
    deferring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is in `pyarrow.compute`, which has a general `cast` first, and then one of its own."""
    begun, may_end = threading.Event(), threading.Event()
    monkeypatch.setattr(sys, "begun", begun, raising=False)
    monkeypatch.setattr(sys, "may_end", may_end, raising=False)
    code = "import sys\nanswer = 41\nsys.begun.set()\nsys.may_end.wait(60)\nanswer = 42\n"
    (deferring / "broken.py").write_text(code)
    twice = importlib.import_module("broken")
    found: list[int] = []
    first, second = (threading.Thread(target=lambda: found.append(twice.answer)) for _ in range(2))
    first.start()
    assert begun.wait(60)
    second.start()
    second.join(0.2)
    may_end.set()
    for thread in (first, second):
        thread.join()
    assert found == [42, 42]


@pytest.mark.usefixtures("deferring")
def test_what_can_not_be_imported_says_so_at_each_look() -> None:
    broken = importlib.import_module("broken")
    for _ in range(2):
        with pytest.raises(ImportError, match="not today"):
            _ = broken.answer


ONCE = """
import sys
from collections import Counter
from importlib.machinery import ExtensionFileLoader, SourceFileLoader
ran = Counter()
def counted(run):
    def exec_module(self, module):
        ran[module.__name__] += 1
        run(self, module)
    return exec_module
SourceFileLoader.exec_module = counted(SourceFileLoader.exec_module)
from intel_grapher import deferred
deferred.defer()
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from neo4j.exceptions import Neo4jError
from pyarrow.compute import sum
from intel_grapher.cli import COMMANDS
from importlib import import_module
for name in COMMANDS:
    import_module(f"intel_grapher.cli.{name}")
deferred.settle()
import urllib3.exceptions, urllib3.util.retry, requests.adapters
assert requests.adapters.MaxRetryError is urllib3.exceptions.MaxRetryError is urllib3.util.retry.MaxRetryError
left = {name for name, module in sys.modules.items() if type(module) is deferred.DeferredModule}
assert left <= deferred.LEFT, left
import threading
looks = {"duckdb": "connect", "http.client": "HTTPException", "rich.cells": "cell_len", "rich.text": "Text"}
looks |= {"pyarrow.compute": "take", "pyarrow.csv": "write_csv", "pyarrow.json": "read_json"}
looks |= {"pyarrow.parquet": "ParquetWriter", "importlib.metadata": "version"}
threads = [threading.Thread(target=getattr, args=(sys.modules[name], look)) for name, look in [*looks.items()] * 2]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not [name for name in left if type(sys.modules[name]) is deferred.DeferredModule]
assert not [finder for finder in sys.meta_path if isinstance(finder, deferred.DeferringFinder)]
print([name for name, times in ran.items() if times > 1])
"""


def test_no_module_is_run_twice_and_in_the_end_those_of_threads_are_filled() -> None:
    ran = subprocess.run([sys.executable, "-c", ONCE], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "[]\n"), ran.stderr


# --- values -----------------------------------------------------------------------------------------------------------

TEXTS = (
    *("", "0", "7", "-7", "007", "1_000", "1e3", "2.5", ".5", "nan", "abc", "true", "embedded", "COPY", "copy", "all"),
    *("example.com", "/", "/dev/null", "nowhere/at/all", "a\0b", "\udcff", "é", " 7 ", "9" * 30),
)


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer's own click
    yield name, command
    for own, each in (getattr(command, "commands", None) or {}).items():
        yield from commands(each, f"{name} {own}".strip())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_value_is_converted_as_typer_does(name: str) -> None:
    """Every parameter of every command, with texts of all sorts: the same values, or the same complaint."""
    for words, command in commands(LazyCommands()[name], name):
        context = typer.Context(command, info_name=words)
        for parameter in command.get_params(context):
            own, typers = parameter.get_runtime_param(), type(parameter).get_runtime_param(parameter)
            assert isinstance(own, PlainFirst)
            several = parameter.multiple or parameter.nargs == -1
            for value in (None, *TEXTS, parameter.get_default(context)):
                given = [value] if several and value is not None else value
                assert converted(own, given, parameter, context) == converted(typers, given, parameter, context), (
                    words, parameter.name, value
                )  # fmt: skip


def converted(by: Any, value: object, parameter: object, context: object) -> object:  # noqa: ANN401 - either converter
    try:
        found = by.coerce(value, param=parameter, ctx=context)
    except Exception as error:  # noqa: BLE001 - whichever it is
        return type(error), str(error)
    return type(found), found


# --- what is imported -------------------------------------------------------------------------------------------------

RUN = """
import sys
from intel_grapher.deferred import DeferredModule
from intel_grapher.__main__ import main
try:
    main()
finally:
    filled = (name for name, module in sys.modules.items() if not isinstance(module, DeferredModule))
    print("modules:", *sorted(filled), file=sys.stderr)
"""
HEAVY = {
    *("pyarrow", "duckdb", "requests", "urllib3", "neo4j", "pydantic", "asyncio", "numpy", "pandas", "starlette"),
    *("rich.console", "sqlite3"),
}
BESIDE_A_QUESTION = {
    f"intel_grapher.{name}" for name in ("cache", "registry", "transform", "fetch.run", "pipeline", "load.loading")
}


def imported(desk: Desk, *arguments: str) -> set[str]:
    """Return the modules that a command has imported when it ends, those aside that were not filled."""
    ran = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], cwd=desk.folder, env=desk.environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return set(ran.stderr.rpartition("modules: ")[2].split())


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        (("--version",), HEAVY | {"msgspec"}),
        (("--help",), HEAVY - {"rich.console"} | {"msgspec"}),
        (("fetch", "--help"), HEAVY - {"rich.console"} | BESIDE_A_QUESTION | {"msgspec", "intel_grapher.schema"}),
        (("plan", "example.com"), {"pyarrow", "duckdb", "requests", "pydantic", "ladybug", "rich.console"}),
        (("transform",), {"duckdb", "requests", "http.client", "pydantic", "neo4j", "ladybug", "rich.console"}),
        (
            ("load",),
            HEAVY - {"pyarrow", "asyncio"}
            | {"http.client", "importlib.metadata", "pyarrow.compute"}
            | {"intel_grapher.cache", "intel_grapher.registry", "intel_grapher.transform"},
        ),
        (("shwo", "example.com"), HEAVY - {"rich.console"} | {"msgspec"}),
        (("show", "invoice-portal.example"), HEAVY | BESIDE_A_QUESTION),
        (("show", "invoice-portal.example", "--json"), HEAVY | BESIDE_A_QUESTION),
        (("path", "invoice-portal.example", "198.51.100.23"), HEAVY | BESIDE_A_QUESTION),
        (("rank", "invoice-portal.example", "198.51.100.23"), HEAVY | BESIDE_A_QUESTION),
    ],
)
def test_a_command_imports_no_more_than_it_uses(loaded: Desk, arguments: tuple[str, ...], without: set[str]) -> None:
    found = imported(loaded, *arguments)
    assert "intel_grapher.cli" in found
    assert found & without == set()
