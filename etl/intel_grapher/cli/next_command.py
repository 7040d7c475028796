"""Commands that a message tells the user to type next: they can be pasted and run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from intel_grapher.cli import options

NAME = "intel-grapher"
WORK_FOLDER = "-C"
"""The option of the whole command that names the folder to work in."""
_PLACES = {
    "--data": ("INTEL_GRAPHER_DATA", options.DATA),
    "--import": ("INTEL_GRAPHER_IMPORT", options.IMPORT),
    "--db": ("INTEL_GRAPHER_DB", options.DB),
}

_COMMAND = re.compile(rf"(?<![\w./-]){NAME} (?=([a-z0-9]+))")


def runnable(text: str) -> str:
    """Return a message in which each command of this program begins as it must to run from the user's folder."""
    from intel_grapher.cli import COMMANDS  # noqa: PLC0415 - it imports this module's users

    return _COMMAND.sub(lambda found: f"{command()} " if found[1] in COMMANDS else found[0], text)


def program() -> str:
    """Return the words that run this program from the user's folder: its name where that is on the PATH."""
    prefix = Path(sys.prefix).parts
    if "uv" in prefix and any(part.startswith("archive-v") for part in prefix):
        return f"uvx {NAME}"  # an environment that uv made for this one command: its path is not for long
    own = Path(sys.argv[0])
    if own.name != NAME:
        return f"{shlex.quote(sys.executable)} -m intel_grapher" if own.name == "__main__.py" else NAME
    found = shutil.which(NAME)
    if found is not None and own.exists() and Path(found).samefile(own):
        return NAME
    if own.is_absolute() and own.is_relative_to(Path.cwd()):
        own = own.relative_to(Path.cwd())
    return shlex.quote(str(own)) if own.exists() else NAME


def command(*words: str, places: dict[str, Path] | None = None) -> str:
    """Return a command line; `places` are the folders that it works on, by option: named if they are not the usual."""
    named: list[str] = []
    for option, path in (places or {}).items():
        variable, default = _PLACES[option]
        if path != Path(os.environ.get(variable) or default):
            named += [option, str(path)]
    work = sys.argv[1:3] if sys.argv[1:2] == [WORK_FOLDER] and WORK_FOLDER not in words else []
    return " ".join([program(), *map(shlex.quote, [*work, *words, *named])])
