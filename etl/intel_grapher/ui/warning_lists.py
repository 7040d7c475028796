"""Warning lists: what is well known and seldom an indicator, as the analyst's own files say it.

`data/warning-lists/` holds them, in folders of any depth: MISP's JSON (`name`, `type`, `list`), or texts with one entry
a line, where `#` begins a comment. A list of names covers all names beneath them, one of networks their addresses.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from intel_grapher import keys, labels
from intel_grapher.model import NodeRef

LARGEST: Final = 64 << 20
_ADDRESSES: Final = frozenset({labels.IP_ADDRESS.name, labels.NETWORK.name})
_NAMES: Final = frozenset({labels.DOMAIN.name, labels.SUBDOMAIN.name})
_TYPES: Final = frozenset({"string", "hostname", "cidr", "substring", ""})


class _MispList(msgspec.Struct):
    name: str
    entries: list[str] = msgspec.field(name="list")
    type: str = ""
    description: str = ""


@dataclass
class WarningList:
    """One list: names with all beneath them, networks by their length, whole keys, and parts of keys."""

    name: str
    doc: str = ""
    names: set[str] = field(default_factory=set)
    networks: dict[tuple[int, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    whole: set[str] = field(default_factory=set)
    parts: list[str] = field(default_factory=list)

    def has(self, node: NodeRef) -> bool:
        """Tell whether a node's key, the host of its URL, or its e-mail address's domain is on the list."""
        key = node.key.lower()
        if key in self.whole or any(part in key for part in self.parts):
            return True
        if node.label in _ADDRESSES:
            return self._has_network(key)
        host = _host(node.label, key)
        parts = host.split(".") if host else []
        return any(".".join(parts[place:]) in self.names for place in range(len(parts))) or (
            bool(host) and self._has_network(host)
        )

    def _has_network(self, key: str) -> bool:
        try:
            network = ipaddress.ip_network(key)
        except ValueError:
            return False
        number, bits = int(network.network_address), network.max_prefixlen
        return any(
            version == network.version
            and length <= network.prefixlen
            and number >> (bits - length) << (bits - length) in starts
            for (version, length), starts in self.networks.items()
        )


def _host(label: str, key: str) -> str:
    if label in _NAMES:
        return key
    if label == labels.EMAIL.name:
        return key.rpartition("@")[2]
    if label == labels.URL.name:
        try:
            return urlsplit(key).hostname or ""
        except ValueError:
            return ""
    return ""


class WarningLists:
    """The lists of a folder, read again when its files change. `faults` names each file that is none, and why."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._mark: list[tuple[str, int, int]] = []
        self._lists: list[WarningList] = []
        self.faults: list[str] = []

    def current(self) -> list[WarningList]:
        """Return the lists as the files are now, by name."""
        paths = [each for each in sorted(self._folder.rglob("*")) if _is_list(each)]
        mark = [(str(each), (found := each.stat()).st_mtime_ns, found.st_size) for each in paths]
        with self._lock:
            if mark != self._mark:
                self._lists, self.faults = _read(paths)
                self._mark = mark
            return self._lists

    def warned(self, nodes: Iterable[NodeRef]) -> dict[str, Any]:
        """Return the names of the lists, and for each node that is on any its place and the places of those lists."""
        lists = self.current()
        return {
            "lists": [{"name": each.name, "doc": each.doc} for each in lists],
            "warned": [
                {"node": place, "lists": on}
                for place, node in enumerate(nodes)
                if (on := [number for number, each in enumerate(lists) if each.has(node)])
            ],
            "faults": self.faults,
        }


def _is_list(path: Path) -> bool:
    return path.suffix in {".json", ".txt"} and path.is_file() and not path.is_symlink()


def _read(paths: Iterable[Path]) -> tuple[list[WarningList], list[str]]:
    found, faults = [], []
    for path in paths:
        try:
            if path.stat().st_size > LARGEST:
                raise ValueError(f"it has more than {LARGEST >> 20} MiB")  # noqa: TRY301 - told like the others
            body = path.read_bytes()
            found.append(_misp(body) if path.suffix == ".json" else _text(path.stem, body.decode("utf-8-sig")))
        except (OSError, ValueError, msgspec.MsgspecError) as wrong:
            if path.name != "schema.json":  # stands beside MISP's lists
                faults.append(f"{path.name}: {wrong}")
    return sorted(found, key=lambda each: each.name), faults


def _misp(body: bytes) -> WarningList:
    read = msgspec.json.decode(body, type=_MispList)
    if read.type not in _TYPES:
        raise ValueError(f"lists of the type {read.type!r} are not read")
    made = WarningList(read.name, read.description)
    for entry in read.entries:
        if read.type == "substring":
            made.parts.append(entry.lower())
        else:
            _add(made, entry, exactly=read.type == "string")
    return made


def _text(name: str, body: str) -> WarningList:
    made = WarningList(name)
    for line in body.splitlines():
        _add(made, line.partition("#")[0])
    return made


def _add(made: WarningList, entry: str, *, exactly: bool = False) -> None:
    plain = keys.refang(entry.strip()).lower()
    if not plain:
        return
    try:
        network = ipaddress.ip_network(plain, strict=False)
    except ValueError:
        made.whole.add(plain)
        if not exactly:
            made.names.add(plain.strip("."))
    else:
        made.networks[network.version, network.prefixlen].add(int(network.network_address))
