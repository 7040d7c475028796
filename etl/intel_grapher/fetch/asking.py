"""What can be asked: which of the sources' endpoints take an indicator, with which parameters and which keys."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final, NamedTuple

from intel_grapher import schema
from intel_grapher.cache.envelope import canonical_params
from intel_grapher.errors import BadValue, KeyMissingError
from intel_grapher.model import Kind
from intel_grapher.source import Endpoint, Request, Source

PRIVATE: Final = "kept private"
UNGIVEN: Final = "its look-up gave nothing"
Indicator = tuple[str, str]
"""Kind and canonical key, as `keys.detect` gives them."""


class Question(NamedTuple):
    """What one endpoint is asked about any key: the parameters, and all of it as `Cache.held` names it."""

    endpoint: Endpoint
    params: Mapping[str, str]
    name: tuple[str, str, str]


class Ask(NamedTuple):
    """One question about one key. `page` counts from 1.

    `given` is what its endpoint's look-up told. `then` are the questions that wait for the answer to this one, their
    look-up.
    """

    question: Question
    key: str
    page: int = 1
    given: str = ""
    then: tuple[Ask, ...] = ()

    @property
    def request(self) -> Request:
        """Return the request to send."""
        return self.question.endpoint.request(self.key, self.question.params, self.given)

    @property
    def many(self) -> int:
        """Return how many questions it is, with those that wait for it."""
        return 1 + len(self.then)


@dataclass(frozen=True)
class Freshness:
    """How old an answer may be, in seconds: for all, for single sources by name, and for "not found". None: any age."""

    max_age: float | None = None
    by_source: Mapping[str, float] = field(default_factory=dict)
    not_found: float | None = None
    refresh: bool = False

    def of(self, source: str) -> float | None:
        """Return the age that a source's answers may have."""
        return 0.0 if self.refresh else self.by_source.get(source, self.max_age)

    def of_not_found(self, source: str) -> float | None:
        """Return the age that a source's "not found" may have: never more than an answer's."""
        ages = [age for age in (self.of(source), self.not_found) if age is not None]
        return min(ages, default=None)


def question(endpoint: Endpoint, params: Mapping[str, str]) -> Question:
    """Return the question with these parameters."""
    return Question(endpoint, params, (endpoint.source.name, endpoint.name, canonical_params(dict(params))))


def following(ask: Ask, reply: Any, pages: int) -> Ask | None:  # noqa: ANN401 - typed by the endpoint
    """Return the question for the page after a reply's, or None where it was the last, or the last that is wanted."""
    more = ask.question.endpoint.more
    if more is None or ask.page >= pages:
        return None
    params = more(reply)
    if params is None or dict(params) == dict(ask.question.params):
        return None
    return Ask(question(ask.question.endpoint, params), ask.key, ask.page + 1, ask.given)


class Menu:
    """What the sources can be asked about each kind of indicator, looked up quickly."""

    def __init__(self, sources: Iterable[Source]) -> None:
        by_label: dict[str, list[tuple[str, tuple[Question, ...]]]] = {}
        for source in sources:
            asked: dict[str, list[Question]] = {}
            for endpoint in source.endpoints.values():
                questions = [
                    question(endpoint, dict(zip(endpoint.vary, values, strict=True)))
                    for values in product(*endpoint.vary.values())
                ]
                for label in {label.name for kind in endpoint.kinds for label in kind.labels}:
                    if not endpoint.kept_only:
                        asked.setdefault(label, []).extend(questions)
            for label, found in asked.items():
                by_label.setdefault(label, []).append((source.name, tuple(found)))
        self._by_label = by_label
        self._by_kind = {name: self._of_kind(kind) for name, kind in schema.BY_INDICATOR.items()}

    def of(self, kind: str, key: str) -> Sequence[tuple[str, tuple[Question, ...]]]:
        """Return the questions about an indicator, by source; those of the endpoints that take its label."""
        found = self._by_kind.get(kind, ())
        if found is not None:
            return found
        try:
            label, _ = schema.BY_INDICATOR[kind].resolve(key)
        except BadValue:
            return ()
        return self._by_label.get(label.name, ())

    def _of_kind(self, kind: Kind[Any]) -> Sequence[tuple[str, tuple[Question, ...]]] | None:
        """Return the questions about any key of a kind, or None where they depend on the key's label."""
        first, *others = (self._by_label.get(label.name, []) for label in kind.labels)
        return first if all(each == first for each in others) else None


def secrets(source: Source) -> list[str]:
    """Return the keys that the environment holds for a source: several are parted by commas.

    Raises KeyMissingError for one that could not be a key; its text names the variable and does not quote it.
    """
    if source.key is None:
        return []
    found = [each.strip() for each in os.environ.get(source.key.variable, "").split(",")]
    found = list(dict.fromkeys(filter(None, found)))
    if not all(each.isascii() and each.isprintable() and " " not in each for each in found):
        raise KeyMissingError(
            f"{source.key.variable} holds characters that no key of {source.title} has. Set it again, without quotes "
            "or line breaks; several keys are parted by commas."
        )
    return found
