"""Symbolic values: what stands for a value while a mapping is run on columns (`interpreter`).

A symbolic value is a column, a list of which each row has one, or an object that is another one in some rows.

Whatever a mapping says comes together in a Tracer: facts, and the columns that their keys and properties are.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar, cast

from intel_grapher.model import Kind, Relationship, Type
from intel_grapher.transform.columns import property_of
from intel_grapher.transform.expressions import Constant, Expression, Member, RowSet, Shape, TracedFact

T = TypeVar("T")
Value = Any
"""A column, something of this module, or a value as it is; a tuple or dict that is known may hold each of them."""
Truth = Expression | bool
UNSET = object()
"""Stands for a name of which it is not known what it stands for."""
_64_BITS = range(-(1 << 63), 1 << 63)
_BOOLEAN = {"some", "null", "not", "any"}
_MOST_COLUMNS = 2000
"""Row sets and columns of one trace; the mapping of a source has at most some hundred. Branches may double them."""


class NotTracedError(Exception):
    """A mapping says something else than columns, or its replies have something else than is known."""


@dataclass(frozen=True, eq=False, slots=True)
class ListOf:
    """A list for each of the rows `base`: in this order, the value of each part for each of its rows."""

    base: RowSet
    parts: tuple[tuple[RowSet, Value], ...]


class OnceOf(ListOf):
    """What gives the values of such a list once, and none afterwards: a generator, a `zip`."""


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """An object for each of the rows `base`, which each lie in one of the parts: the value of that part."""

    base: RowSet
    parts: tuple[tuple[RowSet, Value], ...]


@dataclass(frozen=True, eq=False, slots=True)
class Bound:
    """A method of a column's values."""

    function: Callable[..., Any]
    value: Value


@dataclass(frozen=True, eq=False, slots=True)
class EachCall:
    """A call of `WHAT.each`."""

    what: Kind[Any] | Relationship[Any, Any]
    sides: Sequence[Value]
    properties: dict[str, Value]

    @property
    def is_known(self) -> bool:
        """Tell whether it has what its type has, and its keys are columns or lists."""
        is_whole = len(self.sides) == (1 if isinstance(self.what, Kind) else 2)
        are_keys = all(is_list(side) or isinstance(side, Expression) for side in self.sides)
        return is_whole and are_keys and self.what.names.issuperset(self.properties)


SYMBOLIC: tuple[type, ...] = (Expression, ListOf, Choice, Bound, EachCall)


def is_concrete(value: Value) -> bool:
    """Tell whether a value is known, with all that is in it."""
    if isinstance(value, (tuple, list)):
        return all(map(is_concrete, value))
    return all(map(is_concrete, value.values())) if isinstance(value, dict) else not isinstance(value, SYMBOLIC)


def is_list(value: Value) -> bool:
    """Tell whether a value is a list, whatever is in it."""
    if isinstance(value, Expression):
        return value.shape is not None and value.shape.item is not None
    return isinstance(value, (ListOf, list, tuple)) and not isinstance(value, OnceOf)


def is_flat(value: Value) -> bool:
    """Tell whether a value is known, or a column of texts, numbers or truths."""
    return value.is_scalar if isinstance(value, Expression) else is_concrete(value)


class Tracer:
    """Collects what a mapping says. The same rows, and the same column of them, are made once."""

    def __init__(self, source_of: Callable[[Callable[..., Any]], ast.FunctionDef]) -> None:
        self.source_of = source_of
        self.facts: list[TracedFact] = []
        self.expressions: list[Expression] = []
        self._known: dict[Any, Any] = {}

    def rows(self, above: RowSet, **how: Expression | RowSet) -> RowSet:
        """Return rows beneath others."""
        return self._once((above, *how.items()), lambda: RowSet(above, **cast("Any", how)))

    def _once(self, key: object, make: Callable[[], T]) -> T:
        if key not in self._known:
            if len(self._known) == _MOST_COLUMNS:
                raise NotTracedError
            self._known[key] = make()
        found: T = self._known[key]
        return found

    def where(self, rows: RowSet, condition: Truth) -> RowSet:
        """Return those rows that a condition holds for. They lie beneath those of its own that it holds for."""
        if not isinstance(condition, Expression):
            return rows
        own = _beneath(condition, rows).rows
        holding = self.rows(own, condition=condition)
        return holding if own is rows else self.rows(rows, spread=holding, base=own)

    def expression(
        self, rows: RowSet, how: str, of: tuple[Value, ...] = (), what: Value = None, shape: Shape | None = None
    ) -> Expression:
        """Return a column. Raises NotTracedError if it is made of columns of other rows."""
        for each in of:
            _beneath(each, rows)

        def make() -> Expression:
            self.expressions.append(Expression(rows, how, of, what, shape))
            return self.expressions[-1]

        return self._once((rows, how, *map(_identity, of), _identity(what)), make)

    def truth(self, value: Value, rows: RowSet) -> Truth:
        """Return what `bool` makes of a value."""
        if isinstance(value, Expression):
            return value if value.how in _BOOLEAN else self.expression(rows, "some", (value,))
        if isinstance(value, ListOf) and not isinstance(value, OnceOf):
            rows_of = tuple(part for part, _ in value.parts)
            return value.base in rows_of or self.expression(value.base, "any", (), rows_of)
        if isinstance(value, Choice):
            parts: list[tuple[RowSet, Value]] = [(at, self.truth(item, at)) for at, item in self.chosen(value, rows)]
            return self.truth(self.merged(rows, parts), rows)
        if isinstance(value, SYMBOLIC):
            raise NotTracedError
        return bool(value)

    def inverted(self, holds: Truth) -> Truth:
        """Return where a condition does not hold."""
        return self.expression(holds.rows, "not", (holds,)) if isinstance(holds, Expression) else not holds

    def either(
        self, holds: Truth, then: Callable[[RowSet], Value], otherwise: Callable[[RowSet], Value], rows: RowSet
    ) -> Value:
        """Return what is made of the rows that a condition holds for, and of the others."""
        if not isinstance(holds, Expression):
            return then(rows) if holds else otherwise(rows)
        yes, no = self.where(rows, holds), self.where(rows, self.inverted(holds))
        return self.merged(rows, [(yes, then(yes)), (no, otherwise(no))])

    def merged(self, rows: RowSet, parts: Sequence[tuple[RowSet, Value]]) -> Value:
        """Return the values of parts, in one of which each row lies."""
        values = [value for _, value in parts]
        if all(value is values[0] for value in values):
            return values[0]
        if any(map(is_list, values)):
            return ListOf(rows, tuple(inner for part, value in parts for inner in self.parts(value, part)))
        if not all(map(is_flat, values)):
            return Choice(rows, tuple(parts))
        return self.expression(rows, "merged", (), tuple((part, _scalar(value, part)) for part, value in parts))

    def parts(self, value: Value, rows: RowSet) -> list[tuple[RowSet, Value]]:
        """Return the parts of a list, of which each row has one."""
        if isinstance(value, ListOf):
            return self.chosen(value, rows)
        if isinstance(value, Expression) and value.shape is not None and value.shape.item is not None:
            inner = self.rows(rows, items=_beneath(value, rows))
            return [(inner, self.expression(inner, "item", (), None, value.shape.item))]
        if isinstance(value, (tuple, list)):
            return [(rows, each) for each in value]
        raise NotTracedError

    def chosen(self, value: ListOf | Choice, rows: RowSet) -> list[tuple[RowSet, Value]]:
        """Return the parts of a choice, or of a list, for rows that its own rows reach to."""
        if value.base is rows:
            return list(value.parts)
        if not rows.reaches(value.base):
            raise NotTracedError
        mine = rows.lists() - value.base.lists()
        if any(not mine.isdisjoint(part.lists()) for part, _ in value.parts):  # an item of one list, or of the other?
            raise NotTracedError
        return [
            (rows if part is value.base else self.rows(rows, spread=part, base=value.base), item)
            for part, item in value.parts
        ]

    def listed(self, arguments: tuple[Value, ...], rows: RowSet) -> ListOf:
        """Return what `list` makes of its argument."""
        return ListOf(rows, tuple(self.parts(arguments[0], rows)))

    def zipped(self, lists: tuple[Value, ...], rows: RowSet) -> OnceOf:
        """Return lists of one length, side by side."""
        all_parts = [self.parts(each, rows) for each in lists]
        if len({tuple(part for part, _ in parts) for parts in all_parts}) != 1:
            raise NotTracedError
        sides = zip(*all_parts, strict=True)
        return OnceOf(rows, tuple((at[0][0], tuple(item for _, item in at)) for at in sides))

    def pairs(self, arguments: tuple[Value, ...], rows: RowSet) -> OnceOf:
        """Return every two of some values, each of which is there or not."""
        parts, count = self.parts(arguments[0], rows), arguments[1]
        if count != 2 or not all(part is rows or (part.above is rows and part.condition) for part, _ in parts):  # noqa: PLR2004
            raise NotTracedError
        found = []
        for (first, one), (second, other) in combinations(parts, 2):
            both = first if second.condition is None else self.where(first, second.condition)
            found.append((both, (one, other)))
        return OnceOf(rows, tuple(found))

    def add_facts(self, call: Value, rows: RowSet) -> None:
        """Add the facts of a call of `WHAT.each`, made for some rows. Raises NotTracedError for anything else."""
        if not isinstance(call, EachCall) or not call.is_known:
            raise NotTracedError
        lists = {place: self.parts(side, rows) for place, side in enumerate(call.sides) if is_list(side)}
        of_lists = {tuple(part for part, _ in parts) for parts in lists.values()} or {(rows,)}
        if len(of_lists) > 1:  # two lists need not be of one length
            raise NotTracedError
        all_rows = of_lists.pop()
        for number, inner in enumerate(all_rows):
            sides = tuple(
                _scalar(lists[place][number][1] if place in lists else side, inner)
                for place, side in enumerate(call.sides)
            )
            if not all(isinstance(side, Expression) for side in sides):
                raise NotTracedError
            properties: dict[str, Expression | Constant] = {}
            for name, value in call.properties.items():
                type_ = property_of(call.what, name).type
                parts = self.parts(value, rows) if is_list(value) else []
                if type_ is Type.TEXTS and is_list(value) and not any(is_list(item) for _, item in parts):
                    properties[name] = self._whole(value, rows)
                elif not is_list(value):
                    properties[name] = self._property(type_, value, rows)
                elif tuple(part for part, _ in parts) == all_rows:
                    properties[name] = self._property(type_, parts[number][1], inner)
                else:
                    raise NotTracedError
            self.facts.append(TracedFact(call.what, rows, inner, all_rows[:number], sides, properties))

    def _property(self, type_: Type, value: Value, rows: RowSet) -> Expression | Constant:
        """Return a property of a row's fact."""
        if type_ is Type.TEXTS and is_list(value):
            return self._whole(value, rows)
        if type_ is Type.TEXTS and value is not None:
            raise NotTracedError
        scalar = _scalar(value, rows)
        return scalar if isinstance(scalar, Expression) else Constant(scalar)

    def _whole(self, value: Value, rows: RowSet) -> Expression:
        """Return a column of lists: all texts of a list in one value."""
        return self.expression(
            rows, "whole", (), tuple((part, _scalar(item, part)) for part, item in self.parts(value, rows))
        )


LISTS: dict[Any, Callable[[Tracer, tuple[Value, ...], RowSet], Value]] = {
    list: Tracer.listed,
    zip: Tracer.zipped,
    combinations: Tracer.pairs,
}
"""What is known of functions that take lists."""


def _beneath(value: Value, rows: RowSet) -> Value:
    """Return a value. Raises NotTracedError for a column that does not have one for each of some rows."""
    if isinstance(value, Expression) and not rows.reaches(value.rows):
        raise NotTracedError
    return value


def _scalar(value: Value, rows: RowSet) -> Value:
    """Return a scalar. Raises NotTracedError for what a column can't have."""
    is_known = value is None or isinstance(value, str | bool) or (type(value) is int and value in _64_BITS)
    if not is_known and not (isinstance(value, Expression) and value.is_scalar):
        raise NotTracedError
    return _beneath(value, rows)


def _identity(value: Value) -> object:
    """Return what tells a part of a column from others."""
    if isinstance(value, (str, int, slice)) or value is None:
        return type(value), repr(value)
    if isinstance(value, tuple) and not isinstance(value, Member):
        return tuple(map(_identity, value))
    return value if isinstance(value, Expression | RowSet) or callable(value) else id(value)


def unset(tree: ast.AST) -> dict[str, Value]:
    """Return the names that are set somewhere within a statement or a function, as what is not known."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return {node.id: UNSET for node in nodes}


def names_given(tree: ast.AST) -> list[str]:
    """Return the names that an expression sets."""
    return [node.target.id for node in ast.walk(tree) if isinstance(node, ast.NamedExpr)]
