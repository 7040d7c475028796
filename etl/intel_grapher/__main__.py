"""`python -m intel_grapher` and `intel-grapher`: runs the command line; quiet if interrupted during start-up."""

from __future__ import annotations

import os
import sys

from intel_grapher.deferred import defer
from intel_grapher.unused import leave_out


def main() -> None:
    """Run the command line, and exit with its code."""
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        # In such a locale a path would mean one file here and another to the engines, which know UTF-8 alone.
        os.environ["PYTHONUTF8"] = "1"
        os.environ.setdefault("PYTHONIOENCODING", sys.stderr.encoding)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very command
    leave_out()
    defer()
    try:
        from intel_grapher import cli  # noqa: PLC0415 - loading it takes a moment, and may be interrupted
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
