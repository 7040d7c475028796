"""What the transform's tests share: replies made by Hypothesis, caches, and what is in a set of flat files."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from intel_grapher.cache import Cache, Entry, import_replies
from intel_grapher.cli.cache_add import resolve, standing
from intel_grapher.files import Files, Manifest
from intel_grapher.registry import Registry
from intel_grapher.transform import Options
from intel_grapher.transform import transform as really_transform

REGISTRY = Registry.installed()
NAMES = ["example.com", "www.example.com", "a.example.net", "EXAMPLE.org.", "b.c.example.net", "-", "x..y", "localhost"]
ADDRESSES = ["192.0.2.1", "192.0.2.2", "2001:DB8::1", "::ffff:192.0.2.1", "0.0.0.0", "-", "66.0.543.66"]  # noqa: S104
HASHES = ["a" * 32, "B" * 40, "c" * 64, "", "zz"]
DATES = ["2021-03-05", "2020-01-01", "2021-03-05 10:11:12", "0000-00-00", "soon"]
EMAILS = ["me@example.com", "Me@Example.com", "", "x@y"]

domains = st.fixed_dictionaries(
    {"response_code": st.sampled_from(["1", "0", 1])},
    optional={
        "resolutions": st.lists(
            st.fixed_dictionaries({"ip_address": st.sampled_from(ADDRESSES), "last_resolved": st.sampled_from(DATES)})
        ),
        "hashes": st.lists(st.sampled_from(HASHES)),
        "emails": st.lists(st.sampled_from(EMAILS)),
        "subdomains": st.lists(st.sampled_from(NAMES)),
        "votes": st.sampled_from([-1, 0, 1, 1 << 70, None]),
    },
)
addresses = st.fixed_dictionaries(
    {"ip": st.just("192.0.2.1")},
    optional={
        "ports": st.lists(st.sampled_from([80, 443, 0, 70000])),
        "hostnames": st.lists(st.sampled_from(NAMES)),
        "tags": st.lists(st.sampled_from(["vpn", "a;b", "", "cloud"])),
        "vulns": st.lists(st.sampled_from(["CVE-2021-44228", "cve-2020-0001", "none"])),
    },
)
entries = st.lists(
    st.builds(
        lambda place, at, status: Entry(
            source=place[0],
            endpoint=place[1],
            key=place[2],
            fetched_at=at,
            status=status,
            body=json.dumps(place[3]).encode(),
        ),
        st.one_of(
            st.tuples(st.just("threatcrowd"), st.just("domain"), st.sampled_from(NAMES), domains),
            st.tuples(st.just("internetdb"), st.just("ip"), st.sampled_from(ADDRESSES), addresses),
        ),
        st.integers(1_600_000_000, 1_600_000_003),
        st.sampled_from([200, 200, 200, 404, 500]),
    ),
    max_size=12,
)
SLOW = settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


def filled(root: Path, replies: list[Entry]) -> Cache:
    cache = Cache(root)
    with cache.writer() as writer:
        for each in replies:
            writer.add(each)
    return cache


def adopted(root: Path, *paths: Path) -> Cache:
    cache = Cache(root)
    with cache.writer() as writer:
        import_replies(writer, paths, judge=partial(standing, REGISTRY), resolve=partial(resolve, REGISTRY))
    return cache


def rows(place: Path) -> dict[str, dict[tuple[str, ...], dict[str, Any]]]:
    files, found = Files(place), {}
    for group, _ in files.manifest().groups():
        table = pq.read_table(files.path(group, "parquet")).to_pylist()
        found[str(group)] = {
            tuple(row[name] for name in group.keys): {
                each.name: int(value.timestamp()) if isinstance(value := row[each.name], datetime) else value
                for each in group.properties
            }
            for row in table
        }
        assert len(found[str(group)]) == len(table)
    return found


def bytes_of(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def transform(cache: Cache, folder: Path, options: Options | None = None) -> Manifest:
    """Transform with all sources that are installed."""
    return really_transform(cache, folder, REGISTRY, options)
