"""What a command imports when it starts."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ARROW = """
import sys
from intel_grapher.__main__ import Unused
sys.meta_path.insert(0, Unused())
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
import multiprocessing, sys
from intel_grapher.__main__ import main
def imported():
    import pyarrow as pa
    pa.array([1, 2])
    print(sorted({"numpy", "pandas"} & sys.modules.keys()))
if __name__ == "__main__":
    one = multiprocessing.get_context("spawn").Process(target=imported)
    one.start()
    one.join()
    sys.exit(one.exitcode)
"""


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="it is of the extra `analysis`")
def test_nor_does_a_process_that_a_command_starts(tmp_path: Path) -> None:
    script = tmp_path / "intel-grapher"  # as pip makes it: without a suffix
    script.write_text(CHILD)
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "[]\n"), ran.stderr
