"""What the name of a file says of the reply in it."""

from __future__ import annotations

from typing import Final, NamedTuple

from intel_grapher.cache.unpack import STDIN, Item

# A file's last suffix is no part of the key only if it is one of these: example.com may well be a file's whole name.
_EXTENSIONS: Final = frozenset(
    f".{name}"
    for name in (
        *(
            "json",
            "jsonl",
            "ndjson",
            "txt",
            "text",
            "csv",
            "tsv",
            "xml",
            "ioc",
            "graphml",
            "har",
            "html",
            "htm",
            "yaml",
            "yml",
            "log",
            "out",
        ),
        *("dat", "data", "bin", "raw", "body", "reply", "response", "resp", "result", "results", "api"),
    )
)


class FileName(NamedTuple):
    """The name of a file that is a reply.

    `stem` is what it has before the first `__` or its extension, `cut` whether it had one of these. `place` is its
    whole path, `where` its path as it was given.
    """

    stem: str
    cut: bool
    place: str
    where: str


class KeptFile(NamedTuple):
    """A bare reply that is a file: its endpoint, its key as far as the user or its form says it, body and status."""

    source: str
    endpoint: str
    key: str
    name: FileName
    body: bytes
    status: int


def name_of(item: Item) -> FileName:
    """Return the name of a file; standard input has none."""
    if item.path.name == STDIN:
        return FileName("", cut=False, place=STDIN, where=item.where)
    stem = _stem(item.path.name)
    return FileName(stem, cut=stem != item.path.name, place=str(item.path), where=item.where)


def _stem(name: str) -> str:
    if "__" in name:
        return name.split("__", 1)[0]
    stem, dot, extension = name.rpartition(".")
    return stem if stem and f"{dot}{extension.lower()}" in _EXTENSIONS else name
