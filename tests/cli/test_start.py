"""What a command imports when it starts."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

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
