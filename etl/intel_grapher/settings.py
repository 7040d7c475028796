"""The settings: one table of them, and where the value of each comes from.

A flag wins over the environment, that over the workspace's `intel-grapher.toml`, that over the user's file,
`~/.config/intel-grapher/config.toml`, and that over the default. The workspace is the folder with `intel-grapher.toml`,
this one or the nearest above it. Its data, files and graph are then used from any folder below it.

A file can't hold secrets: those are in `credentials`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, NamedTuple

from intel_grapher import credentials
from intel_grapher.errors import UsageError

FILE = "intel-grapher.toml"
USER_FILE = "config.toml"
LEAST_MEMORY = 64 << 20
"""Bytes. A smaller figure is a forgotten unit; the work would be split into so many parts that it never ends."""
SIZE = re.compile(r"(\d{1,18})([KMG]?)(?:I?B)?", re.ASCII)
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
Kind = Literal["path", "text", "switch"]


class Setting(NamedTuple):
    """A setting: its name in a file, its environment variable, its flags, its default, and what it is.

    `in_workspace` is False for what a workspace's file may not say: files travel, and these are the user's own choice.
    """

    name: str
    variable: str
    flag: str
    default: str
    doc: str
    kind: Kind = "text"
    in_workspace: bool = True


SETTINGS = (
    Setting("data", "INTEL_GRAPHER_DATA", "--data", "data", "folder or s3:// URL of the raw cache", "path"),
    Setting("import", "INTEL_GRAPHER_IMPORT", "--import", "import", "folder or s3:// URL of the flat files", "path"),
    Setting("db", "INTEL_GRAPHER_DB", "--db", "data/graph", "the embedded graph", "path"),
    Setting("to", "INTEL_GRAPHER_TO", "--to, --on", "embedded", "the graph: `embedded`, or `neo4j`"),
    Setting("max-age", "INTEL_GRAPHER_MAX_AGE", "--max-age", "", "ask again what is older: `7d`, `otx=12h,30d`"),
    Setting("negative-age", "INTEL_GRAPHER_NEGATIVE_AGE", "--negative-age", "", 'ask again where "not found" is older'),
    Setting("memory", "INTEL_GRAPHER_MEMORY", "--memory", "", "memory that may be used; a quarter of all"),
    Setting(
        "ledger", "INTEL_GRAPHER_LEDGER", "", "~/.local/state/intel-grapher/ledger.sqlite",
        "what counts requests against quotas: a file, or `redis://HOST` for several machines", "path",
        in_workspace=False,
    ),
    Setting(
        "keyring", credentials.KEYRING, "", "", "look for keys in the system's keyring, too", "switch",
        in_workspace=False,
    ),
    Setting("debug", "INTEL_GRAPHER_DEBUG", "--debug", "", "print where an error comes from", "switch"),
    Setting("neo4j-uri", "NEO4J_URI", "", "", "a Neo4j server of yours", in_workspace=False),
    Setting("neo4j-user", "NEO4J_USER", "", "neo4j", "who comes in there", in_workspace=False),
)  # fmt: skip


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return next(setting.variable for setting in SETTINGS if setting.name == name)


SECRETS = ("MISP_API_KEY", "NEO4J_PASSWORD", "REDIS_PASSWORD")
"""Secrets that are no source's API key."""


class Value(NamedTuple):
    """What a setting is, and where that comes from: "environment", the file's path, "workspace" or "default"."""

    setting: Setting
    value: str
    origin: str


def workspace(folder: Path) -> Path | None:
    """Return the folder with `intel-grapher.toml`: this one, or the nearest above it; None if there is none."""
    return next((each for each in (folder, *folder.parents) if (each / FILE).is_file()), None)


def resolve(folder: Path, environment: Mapping[str, str], words: Sequence[str] = ()) -> list[Value]:
    """Return the value of each setting for a command that runs in `folder`, flags aside; `words` are the command's.

    Paths of a workspace are relative to it, and returned relative to `folder`. Raises UsageError for a file that can't
    be read, and for what is no setting.
    """
    root = workspace(folder)
    known = {setting.name: setting for setting in SETTINGS}
    named = {*environment.values(), *(word.rpartition("=")[2] for word in words), *words}
    of_workspace = {} if root is None else _read(root / FILE, known, root, folder, named=named)
    user_path = credentials.config_folder() / USER_FILE
    of_user = _read(user_path, known, None, folder, named=named) if user_path.is_file() else {}
    found = []
    for name, setting in known.items():
        if value := environment.get(setting.variable, ""):
            found.append(Value(setting, value, "environment"))
        elif root is not None and name in of_workspace:
            found.append(Value(setting, of_workspace[name], str(root / FILE)))
        elif name in of_user:
            found.append(Value(setting, of_user[name], str(user_path)))
        elif root not in {None, folder} and setting.kind == "path" and setting.in_workspace:
            found.append(Value(setting, os.path.relpath(root / setting.default, folder), "workspace"))
        else:
            found.append(Value(setting, setting.default, "default"))
    return found


def as_environment(folder: Path, environment: Mapping[str, str], words: Sequence[str] = ()) -> dict[str, str]:
    """Return the variables that stand for the files' settings and the workspace's keys; those that are set stay."""
    values = resolve(folder, environment, words)
    found = {it.setting.variable: it.value for it in values if it.origin not in {"environment", "default"} and it.value}
    root = workspace(folder)
    if root is not None and credentials.WORKSPACE_FILE not in environment and (root / credentials.FILE).exists():
        found[credentials.WORKSPACE_FILE] = str(root / credentials.FILE)
    return found


def byte_size(text: str | None) -> int | None:
    """Return the bytes of a size such as 512M or 2GiB; None for None. Raises UsageError for anything else."""
    if text is None:
        return None
    match = SIZE.fullmatch(text.strip().upper())
    if match is None or not int(match[1]):
        raise UsageError(f"{text!r} is not a size; write it as 512M or 2G")
    size = int(match[1]) * UNITS[match[2]]
    if size < LEAST_MEMORY:
        raise UsageError(f"{text!r} is {size:,} bytes, too little to work with: say 64M or more, or 2G")
    return size


def workspace_file() -> str:
    """Return a workspace's settings file: its folders, and every other setting as a comment with its default."""
    lines = [
        "# The settings of this workspace: the folder with this file. They hold in every folder below it.",
        "# A flag and an environment variable win over them; `intel-grapher config show` says what holds, and why.",
    ]
    for setting in SETTINGS:
        if setting.in_workspace:
            value = "false" if setting.kind == "switch" else f'"{setting.default}"'
            # The folders are said, so that those of a user's own file do not take their place here.
            lines += ["", f"# {setting.doc}", f"{'' if setting.kind == 'path' else '# '}{setting.name} = {value}"]
    return "\n".join(lines) + "\n"


def _read(
    path: Path, known: Mapping[str, Setting], root: Path | None, folder: Path, *, named: Collection[str]
) -> dict[str, str]:
    """Return the settings of a file by name; `root` is the workspace, None for the user's file.

    `named` has the URLs of stores that the user names now.
    """
    try:
        if path.stat().st_uid not in {os.geteuid(), 0}:
            raise UsageError(
                f"{path} belongs to another user, so its settings are not taken: work in a folder of yours"
            )
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    values = {}
    for name, value in found.items():
        setting = known.get(name)
        if setting is None:
            near = ", ".join(get_close_matches(name, known)) or ", ".join(known)
            hint = f"keys belong in {credentials.FILE}" if name.isupper() else f"there are: {near}"
            raise UsageError(f"{path}: {name!r} is no setting; {hint}")
        if root is not None and not setting.in_workspace:
            raise UsageError(
                f"{path}: {name!r} can't be set by a workspace, for such files travel: set it in "
                f"{credentials.config_folder() / USER_FILE}, or as {setting.variable}"
            )
        values[name] = _text(path, setting, value, root, folder, named=named)
    return values


def _text(
    path: Path, setting: Setting, value: object, root: Path | None, folder: Path, *, named: Collection[str]
) -> str:
    """Return a file's value as an environment variable has it. Raises UsageError for one of another type."""
    if setting.kind == "switch":
        if not isinstance(value, bool):
            raise UsageError(f"{path}: {setting.name} is true or false, not {value!r}")
        return "1" if value else ""
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value):
        raise UsageError(f'{path}: {setting.name} is a text, such as {setting.name} = "{setting.default or "7d"}"')
    return _place(path, setting, str(value), root, folder, named=named) if setting.kind == "path" else str(value)


def _place(path: Path, setting: Setting, value: str, root: Path | None, folder: Path, *, named: Collection[str]) -> str:
    """Return a file's path or URL as an environment variable has it. Raises UsageError for what can't be one."""
    place = Path(value).expanduser()
    is_url = "://" in value
    if not is_url and root is not None and not place.is_absolute():
        value = value if root == folder else os.path.relpath(root / place, folder)
        place = Path(value)
    if ":/" in str(place):  # as a path, s3://bucket is s3:/bucket
        from intel_grapher import objects  # noqa: PLC0415 - each start reads settings, and few name a store

        if is_url or objects.is_url(place):
            url = value if is_url else str(place)
            if root is not None and value not in named and not objects.local_folder(url).is_dir():
                raise UsageError(
                    f"{path}: {setting.name} = {value!r} would share what you ask about, and such files travel. Name "
                    f"the URL yourself once, as in `intel-grapher cache list --data {value}`, and it is taken from "
                    "then on"
                )
            return value
    if place.is_absolute():
        return str(place)
    if root is None:
        raise UsageError(f"{path}: {setting.name} must begin with / or ~, for this file goes with no folder")
    return value
