"""Commands that a message tells the user to type next: they can be pasted and run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from itertools import pairwise
from pathlib import Path

from intel_grapher import objects
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


def named_places() -> dict[str, Path]:
    """Return the folders that this command works on, by option: as it was typed, else as the settings have it."""
    words = _given()
    places: dict[str, Path] = {}
    for option, (variable, default) in _PLACES.items():
        typed = [after for word, after in pairwise([*words, ""]) if word == option]
        typed += [word.removeprefix(f"{option}=") for word in words if word.startswith(f"{option}=")]
        places[option] = _place(option, typed[-1] if typed else os.environ.get(variable) or default)
    return places


def _place(option: str, text: str | Path) -> Path:
    """Return the folder that an option's value means."""
    return objects.place(text, option.removeprefix("--"))


def _given() -> list[str]:
    """Return the words of this command that may be options."""
    words = sys.argv[1:]
    return words[: words.index("--")] if "--" in words else words


def _work_folder() -> list[str]:
    """Return the option that names the folder to work in, as the user has given it; [] if it was not."""
    given = _given()
    if WORK_FOLDER not in given:
        return []
    at = given.index(WORK_FOLDER)
    return given[at : at + 2]


def command(*words: str, places: dict[str, Path] | None = None) -> str:
    """Return a command line; `places` are the folders that it works on, by option: named if they are not the usual."""
    named: list[str] = []
    for option, path in (places or {}).items():
        variable, default = _PLACES[option]
        if path != _place(option, os.environ.get(variable) or default):
            named += [option, objects.shown(path)]
    work = [] if WORK_FOLDER in words else _work_folder()
    return " ".join([program(), *map(shlex.quote, [*work, *words, *named])])
