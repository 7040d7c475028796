"""Digests of what kept state was made of: code, segments, settings.

A change of any input changes the digest, so that what was kept is made anew. The code's digest covers every module of
ours (and of a plugin's package) that the code imports, and every module that these import: the import closure is read
off the source files, so that no list has to be kept by hand. Of other packages it covers the version.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from importlib import metadata, util
from pathlib import Path

from intel_grapher import schema
from intel_grapher.analyst.overrides import Overrides
from intel_grapher.cache.segment import Segment
from intel_grapher.files import Group
from intel_grapher.source import Endpoint
from intel_grapher.transform.overriding import Overriding
from intel_grapher.transform.staged import Staged, groups_of

OWN = __name__.partition(".")[0]
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<package>[.\w]+)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n]+)"
    r"|import[ \t]+(?P<modules>[^\n]+))",
    re.MULTILINE,
)
_COMMENT = re.compile(r"#[^\n]*")


def staged_name(segment: Segment, endpoint: Endpoint | None, overriding: Overriding, content: bytes | None) -> str:
    """Return the name of the staged file of a segment: a digest of all that the file's content depends on.

    `content` are the segment's bytes as they were read; if None, an open segment is read for it. Raises CacheError if
    it can't be read.
    """
    inputs = (
        segment.identity(content),
        schema.VERSION,
        endpoint and f"{endpoint.source.name}/{endpoint.name}",
        overriding.staged_inputs(segment),
        code_of(f"{OWN}.transform.staged", *([endpoint.mapping.__module__] if endpoint else ())),
    )
    return _digest(inputs)


def merge_code(sources: Iterable[str], overriding: Overriding) -> str:
    """Return a digest of what the rows of every group depend on besides staged facts.

    These are the code that merges and publishes, the names of the sources in order, and the analyst's overrides.
    """
    return _digest((list(sources), overriding.merge_inputs(), code_of(f"{OWN}.transform.publish")))


def merges_by_label(overrides: Overrides, merged: Overrides) -> dict[str, str]:
    """Return for each label a digest of the merges of its nodes that are not the analyst's.

    `merged` are the overrides with these merges. They follow from all keys, so new keys may change them; the analyst's
    are part of `merge_code`.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for node, survivor in merged.same.items():
        if overrides.same.get(node) != survivor:
            found.setdefault(node.label, []).append((node.key, survivor))
    return {label: _digest(sorted(pairs)) for label, pairs in found.items()}


def group_inputs(staged: Iterable[Staged], code: str, merges: dict[str, str]) -> dict[Group, str]:
    """Return for every group a digest of what its rows depend on.

    That is `code`, the merges of its labels' nodes (`merges_by_label`), and all staged files with facts about it. Facts
    about a node are also the relationships that start or end at it.
    """
    staged = list(staged)
    groups = groups_of(staged)
    found = {}
    for group in groups:
        names = {str(group)}
        if not group.type:
            names |= {str(relationship) for relationship in groups if group.start in relationship.labels}
        files = sorted(segment.name for segment in staged if not names.isdisjoint(segment.tables))
        found[group] = _digest((str(group), files, code, [merges.get(label) for label in group.labels]))
    return found


@cache
def code_of(*modules: str) -> str:
    """Return a digest of modules and their import closure; the modules must have been imported."""
    digest = sha256(repr(sys.version_info[:2]).encode())  # unicodedata, among others, changes with it
    names, others = closure(modules)
    for name in sorted(names):
        digest.update(name.encode() + b"\0" + _source_digest(name))
    for other in sorted(others):
        digest.update(f"{other} {_version(other)}\0".encode())
    return digest.hexdigest()


def closure(modules: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return the import closure of modules (them included): our and plugins' modules, and other packages' modules."""
    waiting = list(modules)
    own = {OWN, *(module.partition(".")[0] for module in waiting)}
    names: set[str] = set()
    others: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in names:
            continue
        names.add(name)
        for imported in imports(name):
            top = imported.partition(".")[0]
            if top in own:
                waiting.append(imported)
            elif top not in sys.stdlib_module_names:
                others.add(".".join(imported.split(".")[:2]))
    return names, others


@cache
def imports(module: str) -> frozenset[str]:
    """Return the full names of the modules that a module imports, wherever in it."""
    return frozenset(_imports(module))


def _imports(module: str) -> Iterator[str]:
    file = _file(module)
    package = module if file and file.name == "__init__.py" else module.rpartition(".")[0]
    for found in _IMPORT.finditer(_source(module).decode("utf-8", "replace")):
        if found["modules"]:
            yield from _names(found["modules"])
            continue
        base = found["package"]
        base = util.resolve_name(base, package) if base.startswith(".") else base
        members = _names(found["names"])
        found_file = _file(base)
        submodules = [
            f"{base}.{member}"
            for member in members
            if (member in _submodules(base) if found_file else _file(f"{base}.{member}"))  # a namespace has no file
        ]
        yield from submodules
        if len(submodules) < len(members):
            yield base


def _names(text: str) -> list[str]:
    """Return the names in what follows `import`, without brackets, comments and other names (`as`)."""
    return [words[0] for name in _COMMENT.sub("", text).strip("()").split(",") if (words := name.split())]


@cache
def _submodules(package: str) -> frozenset[str]:
    """Return the names of the modules and packages in a package; none if it is a module."""
    file = _file(package)
    if file is None or file.name != "__init__.py":
        return frozenset()
    return frozenset(path.name.removesuffix(".py") for path in file.parent.iterdir())


@cache
def _file(module: str) -> Path | None:
    """Return where the source of a module lies, whether it has been imported or not; its first package must be."""
    top, *rest = module.split(".")
    package = sys.modules.get(top)
    if not rest:
        path = getattr(package, "__file__", None)
        return Path(path) if path else None
    candidates = (
        path
        for folder in getattr(package, "__path__", ())
        for path in (Path(folder, *rest[:-1], f"{rest[-1]}.py"), Path(folder, *rest, "__init__.py"))
    )
    return next((path for path in candidates if path.is_file()), None)


@cache
def _source(module: str) -> bytes:
    file = _file(module)
    return file.read_bytes() if file else b""


@cache
def _source_digest(module: str) -> bytes:
    return sha256(_source(module)).digest()


@cache
def _version(module: str) -> str:
    """Return the version of the distribution that a module belongs to; empty if it is not installed."""
    top = module.partition(".")[0]
    if util.find_spec(top) is None:
        return ""
    for name in (top, module):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(map(metadata.version, metadata.packages_distributions().get(top, [])))


def _digest(inputs: object) -> str:
    return sha256(repr(inputs).encode()).hexdigest()[:32]
