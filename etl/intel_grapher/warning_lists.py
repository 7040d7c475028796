"""Warning lists: what is well known and seldom an indicator, as the analyst's own files say it.

A list is MISP's JSON (`name`, `type`, `list`), or a text with one entry a line, where `#` begins a comment. The page
marks what is on a list of `data/warning-lists/`, in folders of any depth; a block list leaves out what is on one that
`export --exclude` names. Both go by one rule, the careful one for what blocks. A node is on a list where

- its key is an entry, upper case or lower, or has an entry of a list of the type `substring` in it;
- its name, or the host of its URL, service or e-mail address, is a name of the list or stands beneath one. In a list of
  MISP's type `string` nothing stands beneath;
- its address or network, or such a host, has at least one address in common with a network of the list.
"""

from __future__ import annotations

import ipaddress
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
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
    entries: list[str] = msgspec.field(name="list")
    name: str = ""
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
        """Tell whether a node is on the list, by the rule of this module."""
        key = node.key.lower()
        if key in self.whole or any(part in key for part in self.parts):
            return True
        if node.label in _ADDRESSES:
            return self._touches(key)
        host = _host(node.label, key)
        parts = host.split(".") if host else []
        return any(".".join(parts[place:]) in self.names for place in range(len(parts))) or (
            bool(host) and self._touches(host)
        )

    def _touches(self, key: str) -> bool:
        """Tell whether an address or a network has one in common with a network of the list; a name has none."""
        try:
            network = ipaddress.ip_network(key)
        except ValueError:
            return False
        number, bits = int(network.network_address), network.max_prefixlen
        if any(
            version == network.version
            and length <= network.prefixlen
            and number >> (bits - length) << (bits - length) in starts
            for (version, length), starts in self.networks.items()
        ):
            return True
        within = self._starts.get(network.version, [])
        place = bisect_left(within, number)
        return place < len(within) and within[place] <= int(network.broadcast_address)

    @cached_property
    def _starts(self) -> dict[int, list[int]]:
        """The first addresses of the networks, sorted, by version of IP."""
        found: dict[int, list[int]] = defaultdict(list)
        for (version, _), starts in self.networks.items():
            found[version] += starts
        return {version: sorted(starts) for version, starts in found.items()}


def _host(label: str, key: str) -> str:
    """Return the name or address that a key holds; empty where it holds none."""
    if label in _NAMES:
        return key
    if label == labels.EMAIL.name:
        return key.rpartition("@")[2]
    if label == labels.SERVICE.name:
        return key.rpartition(":")[0].strip("[]")
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
        self.version = 0  # how often they have changed

    def current(self) -> list[WarningList]:
        """Return the lists as the files are now, by name."""
        paths = [each for each in sorted(self._folder.rglob("*")) if _is_list(each)]
        mark = [(str(each), (found := each.stat()).st_mtime_ns, found.st_size) for each in paths]
        with self._lock:
            if mark != self._mark:
                self._lists, self.faults = _read(paths)
                self._mark = mark
                self.version += 1
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
            found.append(read(path))
        except (OSError, ValueError, msgspec.MsgspecError) as wrong:
            if path.name != "schema.json":  # stands beside MISP's lists
                faults.append(f"{path.name}: {wrong}")
    return sorted(found, key=lambda each: each.name), faults


def read(path: Path) -> WarningList:
    """Return the list that a file holds. Raises OSError, ValueError or MsgspecError where it holds none."""
    with path.open("rb") as file:
        body = file.read(LARGEST + 1)  # a device or a pipe does not say how much it has
    if len(body) > LARGEST:
        raise ValueError(f"it has more than {LARGEST >> 20} MiB")
    if path.suffix == ".json" or body.lstrip().startswith(b"{"):
        return _misp(body)
    return text(path.stem, body.decode("utf-8-sig"))


def _misp(body: bytes) -> WarningList:
    found = msgspec.json.decode(body, type=_MispList)
    if found.type not in _TYPES:
        raise ValueError(f"lists of the type {found.type!r} are not read")
    made = WarningList(found.name, found.description)
    for entry in found.entries:
        if found.type != "substring":
            _add(made, entry, exactly=found.type == "string")
        elif entry.strip():  # an empty text stands in every key
            made.parts.append(entry.strip().lower())
    return made


def text(name: str, body: str) -> WarningList:
    """Return a list of that name with an entry of each line."""
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
