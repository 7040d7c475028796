"""`python -m etl` and `intel-grapher`: the command line, and a quiet end where it is interrupted while it starts."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, and exit with its code."""
    try:
        from etl import cli  # noqa: PLC0415 - loading it takes a moment, and may be interrupted
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
