"""The sample replies that a source ships."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from intel_grapher.cache import Cache
from intel_grapher.source import Endpoint
from intel_grapher.testing.validity import mapped
from intel_grapher.transform.facts import Reply


class Samples:
    """The replies in a data folder, by source and endpoint. A damaged record is an AssertionError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._good: dict[Endpoint, list[Reply]] = {}

    def of(self, endpoint: Endpoint) -> list[Reply]:
        """Return an endpoint's replies, as the transform takes them."""
        return self._replies.get((endpoint.source.name, endpoint.name), [])

    def good(self, endpoint: Endpoint) -> list[Reply]:
        """Return an endpoint's replies that give facts."""
        if endpoint not in self._good:
            self._good[endpoint] = [reply for reply in self.of(endpoint) if mapped(endpoint, reply).facts]
        return self._good[endpoint]

    @cached_property
    def _replies(self) -> dict[tuple[str, str], list[Reply]]:
        replies: dict[tuple[str, str], list[Reply]] = {}
        with Cache(self.folder) as cache:
            for segment in cache.segments():
                found = replies.setdefault((segment.source, segment.endpoint), [])
                found += [Reply.of(record.envelope) for record in segment.read(_refuse)]
        return replies


def _refuse(damage: object) -> None:
    raise AssertionError(damage)
