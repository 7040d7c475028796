"""STIX patterns: what a pattern compares, where it is simple equality.

OASIS STIX 2.1, part 9. A pattern is observation expressions in brackets; each compares object paths with constants.
Read are `=`, IN and, with a network, ISSUBSET, joined by AND and OR within and between brackets, with parentheses. What
else there may be (negation, orderings, LIKE, MATCHES, FOLLOWEDBY, qualifiers of time and repetition) names no indicator
by itself, or not one that was seen; a pattern with any of it is not read at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from intel_grapher.errors import BadValue

NOT_SIMPLE = "a pattern that is more than equality joined by AND and OR"
_QUOTED = r"'(?:[^'\\]|\\.)*'"
_TOKEN = re.compile(
    rf"""\s*(?:
        (?P<path>[A-Za-z][A-Za-z0-9-]*:(?:[A-Za-z0-9_-]+|{_QUOTED})(?:\.(?:[A-Za-z0-9_-]+|{_QUOTED})|\[(?:[0-9]+|\*)\])*)
      | (?P<text>[hbt]?{_QUOTED})
      | (?P<number>[+-]?[0-9]+(?:\.[0-9]+)?)
      | (?P<word>[A-Za-z]+)
      | (?P<sign>[\[\]()=,])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Comparison(NamedTuple):
    """An object path without quotes and indices, such as file:hashes.SHA-256, and the constant it equals."""

    path: str
    value: str


class Observation(NamedTuple):
    """The comparisons of one pair of brackets. `all_hold`: they are joined by AND alone."""

    comparisons: list[Comparison]
    all_hold: bool


class _Tokens:
    """The tokens of a pattern, each as its kind and its text, with one to look ahead."""

    def __init__(self, pattern: str) -> None:
        self._found: list[tuple[str, str]] = []
        place, end = 0, len(pattern.rstrip())
        while place < end:
            match = _TOKEN.match(pattern, place)
            if match is None or match.lastgroup is None:
                raise BadValue(NOT_SIMPLE)
            self._found.append((match.lastgroup, match[match.lastgroup]))
            place = match.end()
        self._next = 0

    @property
    def ahead(self) -> str:
        """Return the text of the next token; empty at the end."""
        return self._found[self._next][1] if self._next < len(self._found) else ""

    def take(self, *kinds: str) -> str:
        """Return the next token, which must be of one of these kinds."""
        if self._next == len(self._found) or self._found[self._next][0] not in kinds:
            raise BadValue(NOT_SIMPLE)
        self._next += 1
        return self._found[self._next - 1][1]

    def expect(self, text: str) -> None:
        """Take the next token, which must be this one."""
        if self.take("sign", "word") != text:
            raise BadValue(NOT_SIMPLE)


def read(pattern: str) -> list[Observation]:
    """Return the observations of a pattern. Raises BadValue for one that is not simple, or no pattern."""
    tokens = _Tokens(pattern)
    found: list[Observation] = []
    _joined(tokens, lambda: found.append(_observation(tokens)), "")
    return found


def _observation(tokens: _Tokens) -> Observation:
    tokens.expect("[")
    found: list[Comparison] = []
    joints = _joined(tokens, lambda: found.extend(_comparison(tokens)), "]")
    tokens.expect("]")
    several = len(found) > 1 and not joints  # IN with several constants
    return Observation(found, all_hold="OR" not in joints and not several)


def _joined(tokens: _Tokens, operand: Callable[[], None], end: str) -> set[str]:
    """Read operands that AND and OR join, in any parentheses; return the words that join them."""
    open_, joints = 0, set[str]()
    while True:
        while tokens.ahead == "(":
            tokens.expect("(")
            open_ += 1
        operand()
        while tokens.ahead == ")" and open_:
            tokens.expect(")")
            open_ -= 1
        if tokens.ahead == end:
            break
        word = tokens.take("word")
        if word not in {"AND", "OR"}:
            raise BadValue(NOT_SIMPLE)
        joints.add(word)
    if open_:
        raise BadValue(NOT_SIMPLE)
    return joints


def _comparison(tokens: _Tokens) -> list[Comparison]:
    path = re.sub(r"\[[^\]]*\]|'", "", tokens.take("path"))
    how = tokens.take("sign", "word")
    if how == "=":
        return [Comparison(path, _constant(tokens.take("text", "number", "word")))]
    if how == "ISSUBSET":
        value = _constant(tokens.take("text"))
        return [Comparison(path, value)]
    if how != "IN":
        raise BadValue(NOT_SIMPLE)
    tokens.expect("(")
    found = [Comparison(path, _constant(tokens.take("text", "number")))]
    while tokens.ahead == ",":
        tokens.expect(",")
        found.append(Comparison(path, _constant(tokens.take("text", "number"))))
    tokens.expect(")")
    return found


def _constant(token: str) -> str:
    if token[:1] in {"h", "b"} and token[1:2] == "'":
        raise BadValue(NOT_SIMPLE)
    if token.endswith("'"):
        return _ESCAPED.sub(r"\1", token[token.index("'") + 1 : -1])
    return token
