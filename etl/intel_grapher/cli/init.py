"""`init`: lays out a workspace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from intel_grapher import credentials, settings
from intel_grapher.cli import options
from intel_grapher.cli.next_command import command
from intel_grapher.cli.output import print_json, print_line, say
from intel_grapher.demo import INDICATORS
from intel_grapher.errors import UsageError
from intel_grapher.registry import Registry

IGNORED = (credentials.FILE, "data/", "import/", "import-neo4j/", ".import*")
"""What a workspace's .gitignore leaves out: the keys, and what is made."""

app = typer.Typer(add_completion=False)


@app.command("init")
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where; made if it is not there.")] = Path(),
    *,
    json: options.Json = False,
) -> None:
    """Lay out a workspace: indicators, settings, keys.

    It makes indicators.txt, intel-grapher.toml, keys.toml (which only you can read) and .gitignore. What is there
    stays as it is.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{folder} is there and is no folder: name another place") from None
    texts = {
        INDICATORS: _INDICATORS,
        settings.FILE: settings.workspace_file(),
        credentials.FILE: keys_file(Registry.installed()),
        ".gitignore": "".join(f"/{name}\n" for name in IGNORED),
    }
    made: list[str] = []
    kept: list[str] = []
    for name, text in texts.items():
        mode = credentials.MODE if name == credentials.FILE else 0o666
        (made if _made(folder / name, text, mode) else kept).append(name)
    missing = [] if ".gitignore" in made else _not_ignored(folder / ".gitignore")
    if json:
        print_json({"folder": str(folder), "made": made, "kept": kept, "not_ignored": missing})
    else:
        for name in made:
            print_line(f"made {folder / name}")
        for name in kept:
            print_line(f"left as it is: {folder / name}")
    if missing:
        say(f"{folder / '.gitignore'} does not leave out {', '.join(missing)}: add what is yours alone")
    there = [] if folder.resolve() == Path.cwd() else ["-C", str(folder)]
    say(f"next: put what you look for into {folder / INDICATORS}, then")
    say(f"  {command(*there, 'run', '--file', INDICATORS)}")


def _made(path: Path, text: str, mode: int) -> bool:
    """Write a new file, and return whether there was none: what is there is never overwritten, nor followed."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def _not_ignored(path: Path) -> list[str]:
    lines = {line.strip().strip("/") for line in path.read_text(encoding="utf-8", errors="replace").splitlines()}
    return [name for name in IGNORED if name.strip("/") not in lines and not {"*", name.rstrip("*/")} & lines]


def keys_file(registry: Registry) -> str:
    """Return a workspace's keys file, in which every source's key is a comment."""
    lines = [
        "# Keys of the services, for you alone: keep this file out of backups and repositories that others read.",
        "# A key in the environment wins over one here. Take the # away and put the key between the quotes.",
    ]
    titles: dict[str, list[str]] = {}
    for source in registry.values():
        if source.key is not None and not source.retired:
            titles.setdefault(source.key.variable, []).append(source.title)
    lines += [f'# {name} = ""  # {", ".join(of_key)}' for name, of_key in sorted(titles.items())]
    return "\n".join(lines) + "\n"


_INDICATORS = """\
# What you look for, one a line, or any text: a domain, a sub-domain, an IP address, an e-mail address, a file's hash,
# an @user, a URL. Defanged ones, such as example[.]com, are refanged. These lines are comments.
"""
