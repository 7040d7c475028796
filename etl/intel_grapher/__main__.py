"""`python -m intel_grapher` and `intel-grapher`: runs the command line; quiet if interrupted during start-up."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, and exit with its code."""
    try:
        from intel_grapher import cli  # noqa: PLC0415 - loading it takes a moment, and may be interrupted
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
