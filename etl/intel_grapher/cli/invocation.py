"""The command as the user began it, so that a line that is printed can be pasted and run."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

NAME = "intel-grapher"


def command(*words: str) -> str:
    """Return a line of shell that runs the command with these words, from this folder."""
    return " ".join([_program(), *map(shlex.quote, words)])


def _program() -> str:
    """Return what a shell finds this program by: its name, `uvx` and its name, or its path."""
    if "uv" in Path(sys.prefix).parts and any(part.startswith("archive-v") for part in Path(sys.prefix).parts):
        return f"uvx {NAME}"  # an environment that uv made for this one command: its path is not for long
    begun = Path(sys.argv[0])
    if begun.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m intel_grapher"
    found = shutil.which(NAME)
    if begun.name != NAME or (found is not None and os.path.realpath(found) == os.path.realpath(begun)):
        return NAME
    near = os.path.relpath(begun)
    return shlex.quote(near if not near.startswith("..") else str(begun.absolute()))
