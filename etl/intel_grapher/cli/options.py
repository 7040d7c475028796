"""Options that several commands share, and option groups, so that each option is declared once.

A flag wins over its environment variable, and the variable over the default.

An option group is a dataclass whose fields are `Annotated` options. A command takes a group as one parameter:

    @app.command("load")
    @grouped
    def load_command(settings: LoadSettings, import_: Import = IMPORT, *, json: Json = False) -> None: ...
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from intel_grapher import objects, settings, times
from intel_grapher.cli import output
from intel_grapher.errors import BadValue, NoRepliesError, UsageError


def _usable(path: Path) -> Path:
    """Return the path of a folder that an engine reads or a command replaces.

    Raises UsageError for the root, which can't be replaced, and for a path that is not UTF-8, which no engine takes.
    """
    real = os.path.realpath(path)
    if not Path(real).name:
        raise UsageError(f"{path} is the root of the file system: name a folder below it")
    if output.encodable(real) != real:
        raise UsageError(f"{real} is not UTF-8, and the engines take no other path: name another folder")
    return path


def _data(path: Path) -> Path:
    """Return the folder of a cache: the user's, or this machine's mirror of a store."""
    return objects.place(path, "data")


def _folder(path: Path) -> Path:
    """Return the folder of a set of files: the user's, or this machine's copy of what is in a store."""
    return objects.place(path, "import")


def _import(path: Path) -> Path:
    """Return the folder of a set of files, of which `_usable` says that it can be replaced."""
    return _usable(_folder(path))


def _graph(path: Path) -> Path:
    """Return the folder of a graph. Raises UsageError for a URL."""
    if objects.is_url(path):
        raise UsageError("--db is a folder of this machine, data/graph unless named, also where --data is a URL")
    return _usable(path)


Data = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="INTEL_GRAPHER_DATA",
        callback=_data,
        help="Folder or s3:// URL of the raw cache.",
    ),
]
Import = Annotated[
    Path,
    typer.Option(
        "--import",
        envvar="INTEL_GRAPHER_IMPORT",
        callback=_import,
        help="Folder or s3:// URL of the flat files.",
    ),
]
HubsImport = Annotated[
    Path,
    typer.Option(
        "--import",
        envvar="INTEL_GRAPHER_IMPORT",
        callback=_folder,
        help="Folder or s3:// URL of the flat files: what is a hub.",
    ),
]
EarlyImport = Annotated[
    Path,
    typer.Option(
        "--import",
        envvar="INTEL_GRAPHER_IMPORT",
        callback=_folder,
        help="Folder or s3:// URL of the flat files: what is large is mapped for it.",
    ),
]
Db = Annotated[
    Path,
    typer.Option(
        "--db",
        envvar="INTEL_GRAPHER_DB",
        callback=_graph,
        help="Folder of the embedded graph.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Show no progress bar, even on a terminal.")]
Explain = Annotated[bool, typer.Option("--explain", help="With a plan, print why each indicator is followed.")]
AllCounts = Annotated[
    bool, typer.Option("--all", "-v", help="On a terminal, too, print every count: by source, label, type and reason.")
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory", envvar="INTEL_GRAPHER_MEMORY", help="Memory that may be used, such as 1G. Default: a quarter."
    ),
]

DATA = Path("data")
IMPORT = Path("import")
DB = Path("data/graph")

PART = output.PART
"""Exit code: done in part."""
FAILED = 1
INTERRUPTED = 130
"""Exit code: interrupted, as shells report a death by SIGINT."""
byte_size = settings.byte_size


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose parameters are those of `command`, with each option group replaced by its fields.

    Typer reads a command's options from its signature. The returned function has the flat signature; it builds the
    groups from the values that it gets and calls `command`. Groups may share a field: the option then sets both.
    """
    hints = get_type_hints(command, include_extras=True)
    plain: list[str] = []
    flat: dict[str, inspect.Parameter] = {}
    groups: dict[str, list[str]] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        if not dataclasses.is_dataclass(hints[name]):
            plain.append(name)
            flat[name] = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
            continue
        options = get_type_hints(hints[name], include_extras=True)
        groups[name] = [field.name for field in dataclasses.fields(hints[name])]
        for field in dataclasses.fields(hints[name]):
            flat[field.name] = inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, annotation=options[field.name],
                default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
            )  # fmt: skip

    @functools.wraps(command)
    def flattened(**values: Any) -> None:  # noqa: ANN401 - what Typer parsed
        built = {name: hints[name](**{field: values[field] for field in fields}) for name, fields in groups.items()}
        command(**{name: values[name] for name in plain}, **built)

    flattened.__signature__ = inspect.Signature(list(flat.values()))  # type: ignore[attr-defined]
    flattened.__annotations__ = {name: parameter.annotation for name, parameter in flat.items()}
    return flattened


def existing(data: Path) -> Path:
    """Return the folder of the raw cache. Raises NoRepliesError if there is none: a typo is no empty cache."""
    from intel_grapher.cache import is_there  # noqa: PLC0415 - not every command takes it

    if not is_there(data):
        raise NoRepliesError(
            f"there is no cache at {objects.shown(data)}", "name it with --data, or begin it with fetch or cache add"
        )
    return data


def timestamp(flag: str, text: str | None) -> int | None:
    """Return a flag's moment (a date, a time, yesterday, 7d) as epoch seconds; None for None. Raises UsageError."""
    try:
        return None if text is None else times.named(text, time.time())
    except BadValue as error:
        raise UsageError(
            f"{flag} {text!r}: {error.reason}; write it as 2024-05-01, 2024-05-01T10:00:00Z, yesterday or 7d"
        ) from error
