"""The questions about an indicator: which endpoints take it, with which parameters, and which API keys there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final, NamedTuple

from intel_grapher import credentials, schema
from intel_grapher.cache.envelope import canonical_params
from intel_grapher.errors import BadValue, KeyMissingError, UsageError
from intel_grapher.model import Kind
from intel_grapher.registry import Registry
from intel_grapher.source import Endpoint, Request, Source
from intel_grapher.times import AGES

PRIVATE: Final = "kept private"
UNGIVEN: Final = "its look-up found nothing"
_MAX_DIGITS: Final = 12
Indicator = tuple[str, str]
"""Kind and canonical key, as `keys.detect` returns them."""


class QuestionForm(NamedTuple):
    """A question to one endpoint without its key: the parameters, and its `name` as in `Cache.held`."""

    endpoint: Endpoint
    params: Mapping[str, str]
    name: tuple[str, str, str]


class KeyQuestion(NamedTuple):
    """A question about one key: one request, if all goes well.

    `page` counts from 1. `given` is the value that the endpoint's look-up found. `then` are questions that wait for
    the answer to this one, because it is their look-up.
    """

    form: QuestionForm
    key: str
    page: int = 1
    given: str = ""
    then: tuple[KeyQuestion, ...] = ()

    @property
    def name(self) -> str:
        """Return the question as a text, the same for the same question on any machine."""
        return "\0".join((*self.form.name, self.key))

    @property
    def request(self) -> Request:
        """Return the request to send."""
        return self.form.endpoint.request(self.key, self.form.params, self.given)

    @property
    def requests(self) -> int:
        """Return the number of requests for this question and those that wait for it."""
        return 1 + len(self.then)


@dataclass(frozen=True)
class Freshness:
    """The longest valid age of an answer in seconds: in general, by source, and for "not found". None is any age."""

    max_age: float | None = None
    by_source: Mapping[str, float] = field(default_factory=dict)
    not_found: float | None = None
    refresh: bool = False

    def of(self, source: str) -> float | None:
        """Return the longest valid age of a source's answers."""
        return 0.0 if self.refresh else self.by_source.get(source, self.max_age)

    def of_not_found(self, source: str) -> float | None:
        """Return the longest valid age of a source's "not found", which is at most that of its answers."""
        ages = [age for age in (self.of(source), self.not_found) if age is not None]
        return min(ages, default=None)


def freshness(registry: Registry, max_age: str | None, negative_age: str | None, *, refresh: bool = False) -> Freshness:
    """Return the ages that texts name: `7d`, or by source and for all others `otx=12h,30d`.

    Raises UsageError for what is no age, and for an unknown source.
    """
    overall: float | None = None
    by_source: dict[str, float] = {}
    for part in (max_age or "").split(","):
        name, equals, age = part.strip().rpartition("=")
        if equals:
            by_source[registry.named(name).name] = seconds(age)
        elif age:
            overall = seconds(age)
    return Freshness(overall, by_source, seconds(negative_age) if negative_age is not None else None, refresh)


def seconds(text: str) -> float:
    """Return the seconds of an age such as 90, 12h or 7d. Raises UsageError for anything else."""
    number, unit = (text[:-1], AGES[text[-1]]) if text[-1:] in AGES else (text, 1)
    if not (number.isascii() and number.isdigit()) or len(number) > _MAX_DIGITS:
        raise UsageError(f"{text!r} is not an age; write it as 30m, 12h or 7d")
    return float(int(number) * unit)


def question_form(endpoint: Endpoint, params: Mapping[str, str]) -> QuestionForm:
    """Return the question to an endpoint with these parameters."""
    return QuestionForm(endpoint, params, (endpoint.source.name, endpoint.name, canonical_params(dict(params))))


def next_page(
    question: KeyQuestion,
    reply: Any,  # noqa: ANN401 - typed by the endpoint
    pages: int,
) -> tuple[KeyQuestion | None, bool]:
    """Return the question for the page after a reply, if any, and whether there is one beyond the last of `pages`."""
    more = question.form.endpoint.more
    params = None if more is None else more(reply)
    if params is None or dict(params) == dict(question.form.params):
        return None, False
    if question.page >= pages:
        return None, True
    form = question_form(question.form.endpoint, params)
    return KeyQuestion(form, question.key, question.page + 1, question.given), False


class QuestionIndex:
    """The questions that the sources can be asked, by label. Building it once makes each look-up quick."""

    def __init__(self, sources: Iterable[Source]) -> None:
        by_label: dict[str, list[tuple[str, tuple[QuestionForm, ...]]]] = {}
        for source in sources:
            asked: dict[str, list[QuestionForm]] = {}
            for endpoint in source.endpoints.values():
                forms = [
                    question_form(endpoint, dict(zip(endpoint.vary, values, strict=True)))
                    for values in product(*endpoint.vary.values())
                ]
                for label in {label.name for kind in endpoint.kinds for label in kind.labels}:
                    if not endpoint.kept_only:
                        asked.setdefault(label, []).extend(forms)
            for label, found in asked.items():
                by_label.setdefault(label, []).append((source.name, tuple(found)))
        self._by_label = by_label
        self._by_kind = {name: self._of_kind(kind) for name, kind in schema.BY_INDICATOR.items()}

    def of(self, kind: str, key: str) -> Sequence[tuple[str, tuple[QuestionForm, ...]]]:
        """Return (source, questions) for every source with an endpoint that takes the indicator's label."""
        found = self._by_kind.get(kind, ())
        if found is not None:
            return found
        try:
            label, _ = schema.BY_INDICATOR[kind].resolve(key)
        except BadValue:
            return ()
        return self._by_label.get(label.name, ())

    def _of_kind(self, kind: Kind[Any]) -> Sequence[tuple[str, tuple[QuestionForm, ...]]] | None:
        """Return the questions about any key of a kind; None if they depend on the key's label."""
        first, *others = (self._by_label.get(label.name, []) for label in kind.labels)
        return first if all(questions == first for questions in others) else None


def secrets(source: Source) -> list[str]:
    """Return a source's API keys, where `credentials` finds them under the name of its variable; commas part several.

    Raises KeyMissingError for a text that can't be a key; the message names the variable and does not quote it.
    Raises UsageError for a keys file that can't be read.
    """
    if source.key is None:
        return []
    found = [secret.strip() for secret in credentials.find(source.key.variable).value.split(",")]
    found = list(dict.fromkeys(filter(None, found)))
    if not all(secret.isascii() and secret.isprintable() and " " not in secret for secret in found):
        raise KeyMissingError(
            f"{source.key.variable} holds characters that no key of {source.title} has. Set it again, without quotes "
            "or line breaks; commas separate several keys."
        )
    return found
