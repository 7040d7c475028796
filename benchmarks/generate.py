"""A synthetic cache in the shapes of real replies: seeded, heavy-tailed, each fact about three times.

    python benchmarks/generate.py FOLDER REPLIES [--seed N] [--processes N]

Three sources' four endpoints, in the parts of PARTS. Every entity is asked about three times, months apart, so that a
fact comes back in segments far from each other; meanwhile dates move on and a few facts come and go. Addresses, files
and names are shared: a few by very many. About one string in a hundred is not canonical, one in three hundred is junk.
Names lie in `.example`, addresses in 10.0.0.0/8. The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from intel_grapher.cache.envelope import Entry, encode
from intel_grapher.cache.frames import frames

PARTS = {("threatcrowd", "domain"): 40, ("threatcrowd", "ip"): 25, ("internetdb", "ip"): 20, ("doh", "resolve"): 15}
VISITS = 3
START = 1_600_000_000
BETWEEN = 30 * 86_400  # seconds between two visits
SEGMENT_REPLIES = 12_000
TAIL = 1.15  # of the Pareto distribution of how many facts a reply has
MOST = 3_000
JUNK = ("-", "66.0.543.66", "0.0.0.0", "localhost")
PRODUCTS = ("cpe:/a:nginx:nginx", "cpe:/a:apache:http_server", "cpe:/a:openbsd:openssh", "cpe:/o:linux:linux_kernel")
TAGS = ("cloud", "vpn", "self-signed", "starttls", "eol-product", "tor")
PORTS = (80, 443, 22, 25, 53, 8080, 8443, 3306, 3389, 21, 110, 143, 993, 995, 5900)


class World(NamedTuple):
    """How many of everything there are."""

    replies: int
    seed: int

    def entities(self, place: tuple[str, str]) -> int:
        """Return how many entities an endpoint is asked about."""
        return max(self.replies * PARTS[place] // 100 // VISITS, 1)

    def random(self, kind: int, number: int) -> random.Random:
        """Return the dice of one entity: they fall the same at every visit."""
        return random.Random((self.seed << 48) ^ (kind << 40) ^ number)  # noqa: S311 - data

    def address(self, dice: random.Random) -> str:
        """Return an address: a few are very common."""
        return address(int(self.replies * dice.random() ** 3))

    def digest(self, dice: random.Random) -> str:
        """Return a file's digest, MD5 or SHA-256 by its length."""
        number = int(2 * self.replies * dice.random() ** 2)
        return f"{(number * 0x9E3779B97F4A7C15F39CC0605CEDC835 + 1) % (1 << 128):032x}" * (1 + number % 2)

    def name(self, dice: random.Random) -> str:
        """Return a domain, or one time in three a name beneath one."""
        number = int(self.entities(("threatcrowd", "domain")) * dice.random() ** 2)
        return domain(number) if dice.random() < 2 / 3 else f"h{int(dice.random() * 40)}.{domain(number)}"


def address(number: int) -> str:
    """Return the address of a number, in 10.0.0.0/8."""
    spread = number * 0x9E3779B1 % (1 << 24)
    return f"10.{spread >> 16}.{spread >> 8 & 255}.{spread & 255}"


def domain(number: int) -> str:
    """Return the domain of a number."""
    return f"site-{number * 0x9E3779B1 % (1 << 32):x}.example"


def many(dice: random.Random, scale: float) -> range:
    """Return a heavy-tailed number of places."""
    return range(min(int(scale * (dice.paretovariate(TAIL) - 1)), MOST))


def spoiled(dice: random.Random, value: str) -> str:
    """Return the value; now and then in capitals, or junk in its place."""
    chance = dice.random()
    return value if chance > 0.013 else value.upper() if chance > 0.003 else JUNK[int(chance * 1333)]


def day(dice: random.Random, visit: int) -> str:
    """Return a date; at later visits some are later."""
    number = int(dice.random() * 2000) + (visit if dice.random() < 0.3 else 0)
    return f"{2012 + number // 336}-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}"


def visited(items: list[Any], visit: int) -> list[Any]:
    """Return what a visit shows: of thirty facts each visit lacks another."""
    return items if len(items) < 10 else [each for place, each in enumerate(items) if place % 30 != visit]


def domain_report(world: World, number: int, visit: int) -> tuple[str, Any]:
    """Return ThreatCrowd's report on a domain."""
    dice = world.random(0, number)
    name = domain(number)
    resolutions = [
        {"last_resolved": day(dice, visit), "ip_address": spoiled(dice, world.address(dice))} for _ in many(dice, 6)
    ]
    hashes = [world.digest(dice) for _ in many(dice, 4)]
    emails = [f"contact{int(1000 * dice.random() ** 2)}@{domain(number // 7)}" for _ in many(dice, 0.4)]
    subdomains = [spoiled(dice, f"h{place}.{name}") for place in many(dice, 3)]
    return name if number % 10 else f"www.{name}", {
        "response_code": "1",
        "resolutions": visited(resolutions, visit),
        "hashes": visited(hashes, visit),
        "emails": emails,
        "subdomains": visited(subdomains, visit),
        "references": [],
        "votes": dice.choice((-1, 0, 0, 1)),
        "permalink": f"https://www.threatcrowd.org/domain.php?domain={name}",
    }


def address_report(world: World, number: int, visit: int) -> tuple[str, Any]:
    """Return ThreatCrowd's report on an address."""
    dice = world.random(1, number)
    ip = address(number)
    resolutions = [
        {"last_resolved": day(dice, visit), "domain": spoiled(dice, world.name(dice))} for _ in many(dice, 8)
    ]
    hashes = [world.digest(dice) for _ in many(dice, 4)]
    return ip, {
        "response_code": "1",
        "resolutions": visited(resolutions, visit),
        "hashes": visited(hashes, visit),
        "references": [],
        "votes": dice.choice((-1, 0, 0, 1)),
        "permalink": f"https://www.threatcrowd.org/ip.php?ip={ip}",
    }


def seen(world: World, number: int, visit: int) -> tuple[str, Any]:
    """Return what Shodan's InternetDB saw at an address."""
    dice = world.random(2, number)
    ip = address(number)
    return ip, {
        "cpes": sorted(set(dice.choices(PRODUCTS, k=1 + number % 2))),
        "hostnames": visited([world.name(dice) for _ in many(dice, 1)], visit),
        "ip": ip,
        "ports": sorted(set(dice.choices(PORTS, k=1 + len(many(dice, 1)) % 12))),
        "tags": sorted(set(dice.choices(TAGS, k=number % 3))),
        "vulns": [f"CVE-{2010 + place % 14}-{1000 + int(8000 * dice.random() ** 2)}" for place in many(dice, 1)],
    }


def resolution(world: World, number: int, visit: int) -> tuple[str, Any]:
    """Return what a name resolves to: an alias, and addresses."""
    dice = world.random(3, number)
    name = domain(number)
    addresses = visited([world.address(dice) for _ in range(1 + len(many(dice, 1)) % 12)], visit)
    answer = [{"name": f"www.{name}.", "type": 5, "TTL": 300, "data": f"{name}."}]
    answer += [{"name": f"{name}.", "type": 1, "TTL": 60, "data": each} for each in addresses]
    flags = {"TC": False, "RD": True, "RA": True, "AD": False, "CD": False}
    return f"www.{name}", {"Status": 0, **flags, "Question": [{"name": f"www.{name}.", "type": 1}], "Answer": answer}


MAKERS: dict[tuple[str, str], Callable[[World, int, int], tuple[str, Any]]] = {
    ("threatcrowd", "domain"): domain_report,
    ("threatcrowd", "ip"): address_report,
    ("internetdb", "ip"): seen,
    ("doh", "resolve"): resolution,
}


def entries(world: World, place: tuple[str, str], first: int, last: int) -> Iterator[Entry]:
    """Yield an endpoint's replies from place to place: all entities once, then all again, each time in one order."""
    entities = world.entities(place)
    for position in range(first, last):
        visit, turn = divmod(position, entities)
        key, body = MAKERS[place](world, turn * 7919 % entities, visit)
        yield Entry(
            source=place[0],
            endpoint=place[1],
            key=key,
            fetched_at=START + visit * BETWEEN + turn,
            status=200,
            params={"type": "A"} if place[0] == "doh" else {},
            body=msgspec.json.encode(body),
        )


def write_segment(task: tuple[tuple[str, str], int], root: Path, world: World) -> int:
    """Write one closed segment; return its bytes, uncompressed."""
    place, number = task
    last = min((number + 1) * SEGMENT_REPLIES, VISITS * world.entities(place))
    return _write(root, place, number + 1, [*entries(world, place, number * SEGMENT_REPLIES, last)])[1]


def add(root: Path, replies: int, share: float, seed: int = 1) -> list[Path]:
    """Add to a cache of so many replies the first of a visit more, a segment for each endpoint; return the files."""
    world, written = World(replies, seed), []
    for place in PARTS:
        first = VISITS * world.entities(place)
        found = list(entries(world, place, first, first + max(int(first * share), 1)))
        written.append(_write(root, place, first // SEGMENT_REPLIES + 2, found)[0])
    return written


def _write(root: Path, place: tuple[str, str], number: int, replies: list[Entry]) -> tuple[Path, int]:
    lines = [encode(each) for each in replies]
    packed = b"".join(frames(lines))
    folder = root.joinpath("raw", *place)
    folder.mkdir(parents=True, exist_ok=True)
    mark = hashlib.sha256(packed).hexdigest()[:16]
    path = folder / f"{number:06}-{len(lines)}-{mark}.jsonl.zst"
    path.write_bytes(packed)
    return path, sum(map(len, lines))


def generate(root: Path, replies: int, seed: int = 1, processes: int | None = None) -> int:
    """Write a cache of about so many replies at `root`; return its bytes, uncompressed."""
    world = World(replies, seed)
    tasks = [
        (place, number) for place in PARTS for number in range(-(-VISITS * world.entities(place) // SEGMENT_REPLIES))
    ]
    with multiprocessing.get_context("spawn").Pool(processes or os.cpu_count()) as pool:
        return sum(pool.imap_unordered(partial(write_segment, root=root, world=world), tasks))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("replies", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int)
    given = parser.parse_args()
    print(f"{generate(given.folder, given.replies, given.seed, given.processes):,} bytes")
