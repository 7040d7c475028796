"""What a schema is made of: labels, kinds of key, directed relationship types, properties and their merge rules.

A *label* is what a node is in the graph. A *kind* is what a raw string of a reply claims to be: its canonical form
decides the label, so that one DNS name is a `Domain` or a `SubDomain`, and always the same one. A mapping hands raw
strings of declared kinds to a `Relationship`; a type checker refuses the wrong kinds, and at run time a string that
has no canonical form of its kind, or whose label the relationship does not join, becomes a reject and never a fact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
import pyarrow as pa

from intel_grapher.errors import BadValue, SourceError

K = TypeVar("K", bound=str)
S = TypeVar("S", bound=str)
E = TypeVar("E", bound=str)
T = TypeVar("T", bound=str)
SEEN = "seen"  # what a mapping calls first_seen and last_seen together


class Type(Enum):
    """A property's type: its title in the docs, and its Arrow type, which is that of the flat files.

    What a database calls it stands with that database's loader.
    """

    TEXT = "text"
    TEXTS = "list of texts"
    INTEGER = "integer"
    TIMESTAMP = "timestamp, UTC"

    @property
    def title(self) -> str:
        """Return what the docs call it."""
        return self.value

    @cached_property
    def arrow(self) -> pa.DataType:
        """Return its Arrow type."""
        return {
            Type.TEXT: pa.string(),
            Type.TEXTS: pa.list_(pa.string()),
            Type.INTEGER: pa.int64(),
            Type.TIMESTAMP: pa.timestamp("s", "UTC"),
        }[self]


class Merge(Enum):
    """How the values of one property come together, whatever their order and however often each was seen."""

    MIN = "the least"
    MAX = "the greatest"
    UNION = "the sorted union"
    NEWEST = "the newest observation, ties broken by the greater value"


class NodeRef(msgspec.Struct, frozen=True, order=True, gc=False):
    """A reference to one node: its label's name and its canonical key.

    In JSON it is an object with the members `label` and `key`; as text it is `LABEL:KEY`, split at the first colon. It
    says nothing of whether the schema has the label, or whether the key is one of that label: `schema.ANY_NODE` does.
    """

    label: str
    key: str

    def __str__(self) -> str:
        return f"{self.label}:{self.key}"

    def __iter__(self) -> Iterator[str]:
        yield self.label
        yield self.key

    @classmethod
    def parse(cls, text: str) -> NodeRef:
        """Return the reference that `LABEL:KEY` stands for. Raises BadValue where either part is missing."""
        label, _, key = text.partition(":")
        if not label or not key:
            raise BadValue("not LABEL:KEY")
        return cls(label, key)


class Bearing(NamedTuple):
    """What a value says for or against an indicator, to a person who wants a judgement on it.

    `word` returns malicious, suspicious or benign for a value, or an empty string if it says none of these. `phrase` is
    how a person is told: `{}` stands for the value, or for the nodes at the other end.
    """

    word: Callable[[Any], str]
    phrase: str


@dataclass(frozen=True)
class Property:
    """One property of a label or of a relationship type. `derive` tells it from a node's key alone."""

    name: str
    type: Type
    merge: Merge
    doc: str
    derive: Callable[[str], Any] | None = None
    bearing: Bearing | None = None


@dataclass(frozen=True)
class Label:
    """A node label: its key, and what is known of a node besides.

    `vague` takes a column of canonical keys and returns, for each that has one, the key of the same thing that says
    less: the node with that key is merged into the one that says more. Null where a key says no more than another can.
    `title` names the properties by which a person knows a node, best first; without a value of any, it is the key.
    `title_with_key` says that the key is shown before the title.
    """

    name: str
    key: str
    doc: str
    properties: tuple[Property, ...]
    colour: str
    shape: str = "circle"
    vague: Callable[[pa.Array], pa.Array] | None = None
    title: tuple[str, ...] = ()
    title_with_key: bool = False

    def property(self, name: str) -> Property | None:
        """Return the property of that name, or None."""
        return next((each for each in self.properties if each.name == name), None)


class Fact(msgspec.Struct, frozen=True, gc=False):
    """Some nodes (`ends` is None) or some relationships of one type, as raw strings, in columns of one length.

    A single string or property value stands for a whole column of it.
    """

    what: Kind[Any] | Relationship[Any, Any]
    starts: str | Sequence[str]
    ends: str | Sequence[str] | None
    properties: dict[str, Any]


class LeftOut(msgspec.Struct, frozen=True, gc=False):
    """Values of a reply that a mapping knows to be no fact, each with the reason. They become rejects."""

    values: Sequence[str]
    reasons: Sequence[str]


Facts = Iterator[Fact | LeftOut]


@dataclass(frozen=True, eq=False)
class Kind(Generic[K]):
    """What a raw string claims to be. `type` is its static type, a NewType of str.

    `canonical` returns the key's one form or raises BadValue; `label_of` picks among the labels for a canonical key.
    `plain` tells of many raw strings, in one go, which are canonical as they stand: the place of the label of each, or
    null. It only saves time.
    """

    type: Callable[[Any], K] | None
    name: str
    labels: tuple[Label, ...]
    canonical: Callable[[str], str]
    label_of: Callable[[str], Label] | None = None
    plain: Callable[[pa.Array], pa.Array] | None = None
    among: tuple[Kind[Any], ...] = ()
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        of_each = [{each.name for each in label.properties} for label in self.labels]
        object.__setattr__(self, "names", frozenset({SEEN, *(set.intersection(*of_each) if of_each else ())}))

    def resolve(self, raw: str) -> tuple[Label, str]:
        """Return the label and the canonical key of a raw string; BadValue tells why there is none."""
        if self.among:
            return _first_of(self.among, raw)
        key = self.canonical(raw)
        return (self.labels[0] if self.label_of is None else self.label_of(key)), key

    def each(self, keys: K | Sequence[K], **properties: object) -> Fact:
        """Return the fact that these nodes are known, with properties of them (one value, or one for each)."""
        if not self.names.issuperset(properties):
            raise _without(f"a {self.name}", self.names, properties)
        return Fact(self, keys, None, properties)


def _without(what: str, names: frozenset[str], properties: dict[str, object]) -> SourceError:
    missing = next(name for name in properties if name not in names)
    return SourceError(f"the schema gives {what} no property {missing!r}; declare it in etl/intel_grapher/schema.py")


def either(name: str, *kinds: Kind[Any]) -> Kind[Any]:
    """Return the kind of a string that may be any of several: the first that has a canonical form of it."""
    return Kind(
        None,
        name,
        tuple(label for kind in kinds for label in kind.labels),
        lambda raw: _first_of(kinds, raw)[1],
        lambda key: _first_of(kinds, key)[0],
        among=kinds,
    )


def _first_of(kinds: tuple[Kind[Any], ...], raw: str) -> tuple[Label, str]:
    reasons = []
    for kind in kinds:
        try:
            return kind.resolve(raw)
        except BadValue as bad:
            reasons.append(bad.reason)
    raise BadValue(next((each for each in reasons if not each.startswith("not ")), reasons[0]))


class Check(NamedTuple):
    """What must hold of the two canonical keys of a relationship, where their labels alone do not tell.

    `holds` takes the keys at the start and those at the end, as two columns, and returns a boolean for each row.
    `fault` is the reason of the rejects, `about` the side whose key they list: start or end.
    """

    holds: Callable[[pa.Array, pa.Array], pa.Array]
    fault: str
    about: Literal["start", "end"] = "end"


@dataclass(frozen=True, eq=False)
class Relationship(Generic[S, E]):
    """A directed relationship type.

    `both_ways`: stored once, the lesser key first, and queried without an arrow. `check` is done in one place, for
    the facts of all sources. `bearing` is what it says for or against the node that it starts at.
    `is_tie`: it says something of what it joins, so that paths and ranks go along it.
    """

    start: Kind[S]
    type: str
    end: Kind[E]
    doc: str
    properties: tuple[Property, ...]
    both_ways: bool = False
    check: Check | None = None
    base: Relationship[Any, Any] | None = None
    bearing: Bearing | None = None
    is_tie: bool = True
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset({SEEN, *(each.name for each in self.properties)}))

    def starting(self, kind: Kind[T]) -> Relationship[T, E]:
        """Return the same relationship type for raw strings of one kind, for a mapping that knows the kind.

        A string that is not of the kind is then a reject with that kind's reason, whatever else its form may suggest.
        Raises SourceError for a kind with a label that the type does not start at. Call it once, at a module's top.
        """
        base = self.base or self
        if not set(kind.labels) <= set(base.start.labels):
            raise SourceError(f"{self.type} does not start at a {kind.name}")
        return Relationship(
            kind,
            self.type,
            self.end,
            self.doc,
            self.properties,
            self.both_ways,
            self.check,
            base,
            self.bearing,
            self.is_tie,
        )

    def fault(self, start: str, end: str) -> str:
        """Return why two canonical keys can't be joined; empty where they can."""
        holds = self.check is None or self.check.holds(pa.array([start]), pa.array([end]))[0].as_py()
        return "" if holds or self.check is None else self.check.fault

    def each(
        self,
        start: S | Sequence[S],
        end: E | Sequence[E],
        **properties: object,
    ) -> Fact:
        """Return relationships from start to end: one to many, many to one, or pairwise for two lists of one length.

        A property is one value for all, or a sequence with one for each. `seen` stands for first_seen and last_seen.
        """
        if not self.names.issuperset(properties):
            raise _without(self.type, self.names, properties)
        return Fact(self, start, end, properties)

    @property
    def joins(self) -> tuple[tuple[Label, Label], ...]:
        """Return the pairs of labels it may join."""
        return tuple((start, end) for start in self.start.labels for end in self.end.labels)
