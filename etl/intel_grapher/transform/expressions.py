"""What a mapping says, as expressions over columns: row sets, and columns that have a value for each row.

A row set is all replies; the items of a list, for each row of another set; or the rows of another set that a condition
holds for. So row sets form a tree, and a column has a value for each row of every set beneath its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from intel_grapher.model import Kind, Relationship


class Shape(NamedTuple):
    """What a value of a reply is: a scalar, a list of `item`, or an object of the type `of` with `members` by name.

    `is_nullable`: None is one of its values. Else null says as much as no member at all. `tag` is what the member of an
    object that tells its type has, by the member's name.
    """

    arrow: pa.DataType
    is_nullable: bool = False
    item: Shape | None = None
    of: type | None = None
    members: dict[str, Member] = {}  # noqa: RUF012 - it is never changed
    tag: tuple[str, str] | None = None

    @property
    def is_scalar(self) -> bool:
        """Tell whether it is neither a list nor an object."""
        return self.item is None and self.of is None


class Member(NamedTuple):
    """A member of an object: its name in the type and in JSON. `default` stands for a scalar that is missing."""

    name: str
    encoded: str
    shape: Shape
    is_required: bool
    default: str | int | bool | None


@dataclass(frozen=True, eq=False, slots=True)
class RowSet:
    """Rows that columns have values for: the replies, if there is nothing `above`.

    Else they are, for each row above: the items of a list (`items`), the row itself where a `condition` holds, or those
    of other rows (`spread`) that lie beneath the same row of `base`.
    """

    above: RowSet | None = None
    items: Expression | None = None
    condition: Expression | None = None
    spread: RowSet | None = None
    base: RowSet | None = None

    @property
    def nearer(self) -> Iterator[RowSet]:
        """Return the rows of which each of these rows has one."""
        return (each for each in (self.above, self.spread) if each is not None)

    def reaches(self, other: RowSet) -> bool:
        """Tell whether each of these rows has one of some other rows."""
        return self is other or any(each.reaches(other) for each in self.nearer)

    def lists(self) -> set[RowSet]:
        """Return the rows, of which each of these rows has one, that are items of a list."""
        return ({self} if self.items else set()).union(*(each.lists() for each in self.nearer))


REPLIES = RowSet()


@dataclass(frozen=True, eq=False, slots=True)
class Expression:
    """A value for each of some rows.

    `how` it comes about: "asked" (the key) and "reply"; "item" (of the rows' list); "member" (`what`) of an object;
    "made" by a function (`what`), called with `of`, which are columns and constants; "some" (neither null, nor 0, nor
    empty); "null"; "not"; "any" (of the rows `what`); "merged" (one value where a condition holds, else another) and
    "whole" (a list), of which `what` has rows with their values.
    """

    rows: RowSet
    how: str
    of: tuple[Any, ...] = ()
    what: Any = None
    shape: Shape | None = None

    @property
    def is_scalar(self) -> bool:
        """Tell whether its values are neither lists nor objects."""
        return self.shape is None or self.shape.is_scalar


class Constant(NamedTuple):
    """The same value for all rows."""

    value: Any


class TracedFact(NamedTuple):
    """One `WHAT.each` of a mapping: it is called for each of the rows `calls`, and its facts are the rows `rows`.

    Before these a call gives the rows `before`, in order.
    """

    what: Kind[Any] | Relationship[Any, Any]
    calls: RowSet
    rows: RowSet
    before: tuple[RowSet, ...]
    sides: tuple[Expression, ...]
    properties: dict[str, Expression | Constant]


class Trace(NamedTuple):
    """What an endpoint's mapping says, as columns, and the shape of its replies.

    `columns` are all that the mapping makes, in order. `is_tied`: whatever a reply says, what was asked for is a node.
    """

    facts: tuple[TracedFact, ...]
    reply: Shape
    columns: tuple[Expression, ...]
    is_tied: bool
