"""The user's secrets: API keys, and the password of a Neo4j.

Each has a name, that of its environment variable. It comes from the first of these that has it:

1. the environment
2. the workspace's file `keys.toml`, which INTEL_GRAPHER_KEYS names (the command line sets it)
3. the user's file, `~/.config/intel-grapher/keys.toml`
4. the system's keyring, where INTEL_GRAPHER_KEYRING is 1 and the package `keyring` is installed

Such a file has lines like `SHODAN_API_KEY = "…"` (TOML), and nobody but its owner may read it.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from intel_grapher import disk
from intel_grapher.errors import UsageError

FILE = "keys.toml"
WORKSPACE_FILE = "INTEL_GRAPHER_KEYS"
KEYRING = "INTEL_GRAPHER_KEYRING"
SERVICE = "intel-grapher"
"""What the keyring knows the program by."""
MODE = 0o600
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


class Secret(NamedTuple):
    """A secret, and where it comes from: "environment", a file's path, "keyring"; both are empty if there is none."""

    value: str = ""
    origin: str = ""


def config_folder() -> Path:
    """Return the folder of the user's own settings and keys (XDG)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "intel-grapher"


def user_file() -> Path:
    """Return where the user's own keys file is, or would be."""
    return config_folder() / FILE


def find(name: str) -> Secret:
    """Return a secret by its name. Raises UsageError for a keys file that can't be read, or that others can read."""
    if value := os.environ.get(name, ""):
        return Secret(value, "environment")
    for path in files():
        if value := read(path).get(name, ""):
            return Secret(value, str(path))
    if os.environ.get(KEYRING) == "1" and (value := _in_keyring(name)):
        return Secret(value, "keyring")
    return Secret()


def files() -> list[Path]:
    """Return the keys files that there are, the workspace's first."""
    named = os.environ.get(WORKSPACE_FILE, "")
    return [path for path in ([Path(named)] if named else []) + [user_file()] if path.exists()]


def in_files() -> Iterator[str]:
    """Yield all secrets of the keys files; of one that can't be read none."""
    for path in files():
        with suppress(UsageError):
            yield from read(path).values()


def read(path: Path) -> dict[str, str]:
    """Return the secrets of a file by name. Raises UsageError; the text quotes nothing of the file."""
    try:
        with path.open("rb") as file:
            info = os.fstat(file.fileno())
            content = file.read()
    except OSError as error:
        raise UsageError(f"the keys file {path} can't be read: {error.strerror}") from error
    if stat.S_IMODE(info.st_mode) & 0o077:
        raise UsageError(f"others can read the keys file {path}: chmod 600 {path}")
    if info.st_uid not in {os.geteuid(), 0}:
        raise UsageError(f"the keys file {path} belongs to another user: keep one of your own")
    try:
        found = tomllib.loads(content.decode())
    except ValueError:  # its text quotes the line
        raise UsageError(f'the keys file {path} is not TOML: its lines look like SHODAN_API_KEY = "…"') from None
    for name, value in found.items():
        if not _NAME.fullmatch(name) or not isinstance(value, str):
            raise UsageError(f'the keys file {path}: {name!r} is not a name in capitals with a text: NAME = "…"')
    return found


def write(name: str, value: str) -> Path:
    """Keep a secret in the user's keys file, readable for nobody else, and return its path. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a key's name, which is in capitals, such as SHODAN_API_KEY")
    if not value.isascii() or not value.isprintable():
        raise UsageError("the key holds characters that no key has: set it again, without line breaks")
    path = user_file()
    known = read(path) if path.exists() else {}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = [f"{each} = {json.dumps(text)}\n" for each, text in sorted((known | {name: value}).items())]
    disk.write_atomically(path, "".join(lines).encode(), mode=MODE)
    return path


def _in_keyring(name: str) -> str:
    try:
        keyring = import_module("keyring")
    except ImportError as error:
        raise UsageError(
            f"{KEYRING} is 1, but no keyring is installed: pip install 'intel-grapher[keyring]'"
        ) from error
    try:
        return str(keyring.get_password(SERVICE, name) or "")
    except keyring.errors.KeyringError:  # there is none on this machine, or it is locked
        return ""
