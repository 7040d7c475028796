"""The registry: what it holds, how sources are found in it, and how it reaches another process."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from command import Desk, install
from loopback import source

from intel_grapher.errors import SourceError, UsageError
from intel_grapher.registry import Registry


def test_sources_are_sorted_by_name() -> None:
    registry = Registry([source("http://127.0.0.1:1", "b"), source("http://127.0.0.1:1", "a")])
    assert list(registry) == ["a", "b"]
    assert registry.endpoint("a", "names") is registry["a"].endpoints["names"]
    assert registry.endpoint("a", "other") is registry.endpoint("c", "names") is None
    assert [endpoint.source.name for endpoint in registry.endpoints()] == ["a", "b"]


def test_two_sources_of_one_name_are_refused() -> None:
    with pytest.raises(SourceError, match="two sources are called 'a'"):
        Registry([source("http://127.0.0.1:1", "a"), source("http://127.0.0.1:2", "a")])


def test_a_name_is_found_by_alias_and_in_upper_case() -> None:
    registry = Registry.installed()
    assert registry.named("ThreatCrowd") is registry.named("threatcrowd-v2") is registry["threatcrowd"]
    with pytest.raises(UsageError, match=r"no source is called 'nobody'; there are: .*threatcrowd"):
        registry.named("nobody")


def test_the_installed_registry_reaches_another_process() -> None:
    registry = Registry.installed()
    assert registry.is_portable
    assert list(pickle.loads(pickle.dumps(registry))) == list(registry)  # noqa: S301 - our own bytes


def test_a_registry_made_by_hand_does_not() -> None:
    registry = Registry([source("http://127.0.0.1:1")])
    assert not registry.is_portable
    with pytest.raises(SourceError, match="can't be sent to another process"):
        pickle.dumps(registry)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("source = 1", "entry point group intel_grapher.sources: 1 is not a Source"),
        ("from intel_grapher.sources.threatcrowd import source", "two sources are called 'threatcrowd'"),
    ],
)
def test_a_package_that_offers_no_new_source_is_named(tmp_path: Path, code: str, message: str) -> None:
    install(tmp_path, "made_up_package", code)
    ran = Desk(tmp_path, tmp_path).process("sources")
    assert ran.code == 1
    assert message in ran.err
