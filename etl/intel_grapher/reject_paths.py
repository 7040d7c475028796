"""The JSON paths of a reply at which values stand that can't be facts.

All work is linear in the reply's size, whatever is in it: the service decides what is in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from intel_grapher.errors import BadValue
from intel_grapher.reading import plain, shown
from intel_grapher.source import Endpoint

LONGEST_SOUGHT = 1_000
"""Characters. A longer value is not looked for inside of texts."""
CANDIDATES = 16
"""Values that are compared with the text around one word, and values that are looked for without such a word."""
_INTEGER = re.compile("(?!1$)-?[1-9][0-9]{0,18}")  # 1 would be found as true, which equals it
_INDEX = re.compile(r"\[\d+\]")
_WORD = re.compile(r"[\w-]+")
_BEFORE, _AFTER = r"(?<![\w-])(?<!\w\.)", r"(?![\w-]|\.\w)"  # what a word, or a DNS name, is not a part of
_BEGINS, _ENDS = re.compile(_BEFORE), re.compile(_AFTER)


class PathStep(NamedTuple):
    """A member or an item of a decoded reply: its name or index, and the step to what it is in."""

    above: PathStep | None
    name: str | int

    def path(self) -> str:
        """Return the JSON path of this place; long names of members are cut."""
        names: list[str] = []
        step: PathStep | None = self
        while step is not None:
            names.append(f"[{step.name}]" if isinstance(step.name, int) else f".{shown(step.name)}")
            step = step.above
        return "$" + "".join(reversed(names))


class Sought(NamedTuple):
    """A value that stands inside of some text, and where in it the word begins that it is looked for by."""

    value: str
    offset: int


def paths(endpoint: Endpoint, content: bytes | Any, wanted: Mapping[object, int]) -> dict[object, list[str]]:  # noqa: ANN401 - msgspec.Raw
    """Return for each value of `wanted` the paths of at most so many places where the reply has it.

    Where it is nowhere by itself, the mapping took it out of a text: the first is returned in which it stands as a
    whole word or name, or as a number. There is none for a value of more than LONGEST_SOUGHT characters, nor for all
    values where very many share their words (see CANDIDATES).
    """
    found: dict[object, list[str]] = {value: [] for value in wanted}
    try:
        reply = plain(endpoint, content)
    except BadValue:  # what no mapping reads may be past reading: nested too deep, a number out of range
        return found
    # A number stands for a text of its digits (`reading`), unless the number itself is wanted.
    numbers: dict[object, str] = {
        int(value): value for value in wanted if isinstance(value, str) and _INTEGER.fullmatch(value)
    }
    left = {**{number: wanted[value] for number, value in numbers.items()}, **wanted}
    for value, step in _places(reply, left):
        meant = value if value in found else numbers[value]
        if len(found[meant]) < wanted[meant]:
            found[meant].append("$" if step is None else step.path())
    missing = sorted(value for value, places in found.items() if not places and isinstance(value, str) and value)
    for text_value, step in _inside(reply, missing) if missing else ():
        found[text_value].append("$" if step is None else step.path())
    return found


def dealt(places: list[str], reasons: Mapping[str, int]) -> dict[str, list[str]]:
    """Return which of a value's places are whose, where it is refused for several reasons, each so many times.

    Places in the same member of a list's items go together: `$.a[0].b` and `$.a[1].b`. Where there are fewer such
    members than reasons, one place has several.
    """
    alike: dict[str, list[str]] = {}
    for path in places if len(reasons) > 1 else []:
        alike.setdefault(_INDEX.sub("[]", path), []).append(path)
    found: dict[str, list[str]] = {}
    for reason, count in sorted(reasons.items(), key=lambda each: (-each[1], each[0])):
        member = next((name for name, paths in alike.items() if len(paths) == count), next(iter(alike), ""))
        found[reason] = alike.pop(member, places)[:count]
    return found


def _places(reply: object, left: dict[object, int]) -> list[tuple[object, PathStep | None]]:
    """Return wanted scalars and their places in document order, each at most as often as `left` says; that goes down.

    Most of a reply has none: what holds only others is passed over at once.
    """
    found: list[tuple[object, PathStep | None]] = []
    if isinstance(reply, (dict, list)):
        _add_places(reply, None, left, found)
    elif reply in left:
        found.append((reply, None))
    return found


def _add_places(
    value: dict[str, Any] | list[Any],
    above: PathStep | None,
    left: dict[object, int],
    found: list[tuple[object, PathStep | None]],
) -> None:
    has_none_of = left.keys().isdisjoint
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, (dict, list)):
            try:
                if has_none_of(item.values() if isinstance(item, dict) else item):
                    continue
            except TypeError:
                pass  # it holds more than scalars
            _add_places(item, PathStep(above, name), left, found)
            if not left:
                return
        elif item in left:
            found.append((item, PathStep(above, name)))
            left[item] -= 1
            if not left[item]:
                del left[item]


def _members(value: dict[str, Any] | list[Any], above: PathStep | None) -> Iterator[tuple[Any, PathStep]]:
    if isinstance(value, dict):
        return ((item, PathStep(above, name)) for name, item in value.items())
    return ((item, PathStep(above, index)) for index, item in enumerate(value))


def _leaves(reply: object) -> Iterator[tuple[object, PathStep | None]]:
    """Yield each scalar of a decoded reply with its place, in document order."""
    if not isinstance(reply, (dict, list)):
        yield reply, None
        return
    waiting = [_members(reply, None)]
    while waiting:
        step = next(waiting[-1], None)
        if step is None:
            waiting.pop()
        elif isinstance(step[0], (dict, list)):
            waiting.append(_members(*step))
        else:
            yield step


def _inside(reply: object, values: list[str]) -> Iterator[tuple[str, PathStep | None]]:
    """Yield each value that stands in some text of the reply, and the first such place.

    Each value is looked for by the rarest of its words: what a text says there is compared with the value. A word
    that many values share is compared with CANDIDATES of them only.
    """
    by_word, others = _sought([value for value in values if len(value) <= LONGEST_SOUGHT])
    for leaf, step in _leaves(reply):
        if isinstance(leaf, bool | None):
            continue
        text = str(leaf)
        for word in _WORD.finditer(text) if by_word else ():
            candidates = by_word.get(word[0])
            if candidates is None:
                continue
            hits = [
                each for each in islice(candidates, CANDIDATES) if _stands(text, each.value, word.start() - each.offset)
            ]
            for each in hits:
                del candidates[each]
                yield each.value, step
        for value, pattern in list(others.items()):
            if value in text and pattern.search(text):
                del others[value]
                yield value, step


def _sought(values: list[str]) -> tuple[dict[str, dict[Sought, None]], dict[str, re.Pattern[str]]]:
    """Return values by the word that each is looked for by, and the patterns of a few that have no whole word."""
    words = {value: list(_whole_words(value)) for value in values}
    shared = Counter(word for found in words.values() for word, _ in found)
    by_word: dict[str, dict[Sought, None]] = {}
    others: dict[str, re.Pattern[str]] = {}
    for value, found in words.items():
        if found:
            word, offset = min(found, key=lambda each: (shared[each[0]], -len(each[0]), each[1]))
            by_word.setdefault(word, {})[Sought(value, offset)] = None
        elif len(others) < CANDIDATES:
            begins, ends = _BEFORE if value[0].isalnum() else "", _AFTER if value[-1].isalnum() else ""
            others[value] = re.compile(f"{begins}{re.escape(value)}{ends}")
    return by_word, others


def _whole_words(value: str) -> Iterable[tuple[str, int]]:
    """Yield the words of a value that are whole words of any text in which the value stands, and where they begin."""
    for word in _WORD.finditer(value):
        begins = word.start() > 0 or value[0].isalnum()
        ends = word.end() < len(value) or value[-1].isalnum()
        if begins and ends:
            yield word[0], word.start()


def _stands(text: str, value: str, start: int) -> bool:
    """Tell whether a text has a value there, as a whole word or name."""
    if start < 0 or not text.startswith(value, start):
        return False
    begins = not value[0].isalnum() or _BEGINS.match(text, start)
    ends = not value[-1].isalnum() or _ENDS.match(text, start + len(value))
    return bool(begins and ends)
