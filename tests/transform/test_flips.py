"""A flipped bit, a cut or an exchange of any kept file: the next run gives the bytes of a run from nothing."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transforming import bytes_of, filled, transform

from intel_grapher.cache import Cache, Entry

pytestmark = pytest.mark.long

BODY = b'{"response_code":"1","resolutions":[{"ip_address":"192.0.2.1","last_resolved":"2020-01-01"}]}'
BITS = 2
"""Flips in every file, and ten times as many in the index."""


def reply(key: str) -> Entry:
    return Entry(source="threatcrowd", endpoint="domain", key=key, fetched_at=1, status=200, body=BODY)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with a closed and an open segment, its files and kept state after two runs; and what comes next."""
    root = tmp_path_factory.mktemp("flips")
    with Cache(root / "data", segment_bytes=1) as cache, cache.writer() as writer:
        writer.add(reply("example.com"))
    transform(Cache(root / "data"), root / "import")
    transform(filled(root / "data", [reply("example.net"), reply("-")]), root / "import")
    return root


def changed(site: Path, folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Change one kept file of a copy of the site, its time stays; add a reply, transform, and compare."""
    shutil.copytree(site, folder, copy_function=shutil.copy2)
    path = folder / name
    before = path.stat()
    path.write_bytes(change(path.read_bytes()))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    for more in ([], [reply("example.org")]):
        cache = filled(folder / "data", more)
        transform(cache, folder / "import")
        transform(cache, folder / "anew")
        assert bytes_of(folder / "import") == bytes_of(folder / "anew"), name
        shutil.rmtree(folder / "anew")
        shutil.rmtree(folder / ".anew.stage")
    shutil.rmtree(folder)


def kept(site: Path) -> list[str]:
    names = [path.relative_to(site) for path in sorted(site.rglob("*")) if path.is_file()]
    return [str(name) for name in names if name.parts[0] in {".import.stage", "import"} or name.suffix == ".zst"]


@pytest.mark.parametrize("part", [".import.stage", "data", "import"])
def test_a_flipped_bit_in_any_kept_file(site: Path, tmp_path: Path, part: str) -> None:
    chance = random.Random(11)  # noqa: S311 - any bits will do
    for name in (name for name in kept(site) if name.startswith(part)):
        length = (site / name).stat().st_size
        for turn in range(min(BITS * (10 if name.endswith("index") else 1), length) if length else 0):
            at, bit = chance.randrange(length), 1 << chance.randrange(8)
            flip = lambda data, at=at, bit=bit: data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]  # noqa: E731
            changed(site, tmp_path / f"{turn}", name, flip)


@pytest.mark.parametrize("part", [".import.stage", "data", "import"])
def test_a_kept_file_that_is_cut_emptied_or_another_one(site: Path, tmp_path: Path, part: str) -> None:
    names = [name for name in kept(site) if name.startswith(part)]
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        another = (site / other).read_bytes()
        changes: list[Callable[[bytes], bytes]] = [
            lambda data: data[: len(data) // 2],
            lambda _data: b"",
            lambda data: bytes(len(data)),
            lambda data: data + b"\0",
            lambda _data, another=another: another,  # type: ignore[misc]
        ]
        for turn, change in enumerate(changes):
            if not name.endswith(".zst") or turn == 0:
                changed(site, tmp_path / f"{turn}", name, change)
