"""Break it on purpose, and see that nothing is lost: `make prove`, or `python tests/prove [--long] [--seed NUMBER]`.

Each trial damages a copy of a small world (`world`), runs a command, and looks at what is there. Earlier results must
be whole, a new result the same as from nothing, and every error one of ours, with its way out. Then the command is run
again, and must succeed. The same seed injects the same faults. The column `lost` must be 0.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support"), str(HERE.parents[1] / "etl")]

import sections  # noqa: E402 - its folder has just been added
from workshop import Workshop  # noqa: E402

COMPILERS = ("cc", "gcc", "clang")
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h: processes whose parent has ended become this one's children


def main() -> int:
    """Print the table; return 1 where something was lost."""
    parser = argparse.ArgumentParser(description="break it on purpose, and see that nothing is lost")
    parser.add_argument("--long", action="store_true", help="every step and many more faults; hours instead of minutes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="sections whose name begins with this")
    arguments = parser.parse_args()
    if "PROVE_ROOT" not in os.environ:
        return _preloaded()
    root = Path(os.environ["PROVE_ROOT"])
    with suppress(AttributeError, OSError):  # not on Linux
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    lost = 0
    print(f"{'fault':34} {'injected':>8} {'survived':>8} {'lost':>5} {'CPU s':>7}", flush=True)
    for section in sections.SECTIONS:
        if not section.name.startswith(arguments.only):
            continue
        begun = _used()
        work = root / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        chance = random.Random(f"{arguments.seed} {section.name}")  # noqa: S311 - repeatable
        tally = section.run(Workshop(work, chance, thorough=arguments.long))
        survived = tally.injected - len(tally.lost)
        line = f"{section.name:34} {tally.injected:8} {survived:8} {len(tally.lost):5} {_used() - begun:7.0f}"
        print(f"{line}  {tally.note}".rstrip(), flush=True)
        for finding in tally.lost[:5]:
            print(f"    {finding}", flush=True)
        lost += len(tally.lost)
    print("nothing was lost" if not lost else f"{lost} lost; the same --seed repeats it")
    return int(lost > 0)


def _used() -> float:
    """Return the seconds of CPU that this process and those that it has started have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _preloaded() -> int:
    """Run this again with the library that makes calls fail, if it can be compiled."""
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        shared, log = Path(folder, "shared"), Path(folder, "log")
        shared.write_bytes(bytes(4096))
        environment = {**os.environ, "PROVE_ROOT": str(Path(folder, "root"))}
        compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
        if compiler:
            library = Path(folder, "faults.so")
            subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, HERE / "faults.c", "-ldl"], check=True)
            environment |= {"LD_PRELOAD": str(library), "PROVE_LIBRARY": str(library)}
            environment |= {"PROVE_SHARED": str(shared), "PROVE_LOG": str(log)}
        return subprocess.run([sys.executable, HERE, *sys.argv[1:]], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
