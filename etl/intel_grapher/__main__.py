"""`python -m intel_grapher` and `intel-grapher`: runs the command line; quiet if interrupted during start-up."""

from __future__ import annotations

import os
import sys
from importlib.abc import MetaPathFinder

UNUSED = frozenset({"numpy", "pandas"})
"""Where they are installed, Arrow imports them, for conversions that no command does: that takes 2 s of CPU."""


class Unused(MetaPathFinder):
    """Finds none of UNUSED, as if they were not installed."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for them, and leave all else to others."""
        _ = path, target
        if fullname in UNUSED:
            raise ModuleNotFoundError(f"no command uses {fullname}", name=fullname)


if "__mp_main__" in sys.modules:  # a process that a command started: it imports this module first, and runs no `main`
    sys.meta_path.insert(0, Unused())


def main() -> None:
    """Run the command line, and exit with its code."""
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        # In such a locale a path would mean one file here and another to the engines, which know UTF-8 alone.
        os.environ["PYTHONUTF8"] = "1"
        os.environ.setdefault("PYTHONIOENCODING", sys.stderr.encoding)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very command
    sys.meta_path.insert(0, Unused())
    try:
        from intel_grapher import cli  # noqa: PLC0415 - loading it takes a moment, and may be interrupted
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
