"""Symbolic values: what stands for a value while a mapping is run on columns (`interpreter`).

A symbolic value is a column, a list of which each row has one, or an object that is another one in some rows.

Whatever a mapping says comes together in a Tracer: facts, and the columns that their keys and properties are.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from intel_grapher.model import Kind, Relationship, Type
from intel_grapher.transform.columns import property_of
from intel_grapher.transform.expressions import Constant, Expression, Member, RowSet, Shape, TracedFact

Value = Any
"""A column, something of this module, or a value as it is; a tuple or dict that is known may hold each of them."""
Truth = Expression | bool
UNSET = object()
"""Stands for a name of which it is not known what it stands for."""
_64_BITS = range(-(1 << 63), 1 << 63)
_BOOLEAN = {"some", "null", "not", "any"}


class NotTracedError(Exception):
    """A mapping says something else than columns, or its replies have something else than is known."""


@dataclass(frozen=True, eq=False, slots=True)
class ListOf:
    """A list for each of the rows `base`: in this order, the value of each part for each of its rows."""

    base: RowSet
    parts: tuple[tuple[RowSet, Value], ...]


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
    return isinstance(value, (ListOf, list, tuple))


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

    def rows(self, above: RowSet, **told: Expression | RowSet) -> RowSet:
        """Return rows beneath others."""
        return cast("RowSet", self._known.setdefault((above, *told.items()), RowSet(above, **cast("Any", told))))

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
        key = (rows, how, *map(_identity, of), _identity(what))
        if key not in self._known:
            self._known[key] = Expression(rows, how, of, what, shape)
            self.expressions.append(self._known[key])
        return cast("Expression", self._known[key])

    def truth(self, value: Value, rows: RowSet) -> Truth:
        """Return what `bool` makes of a value."""
        if isinstance(value, Expression):
            return value if value.how in _BOOLEAN else self.expression(rows, "some", (value,))
        if isinstance(value, ListOf):
            rows_of = tuple(part for part, _ in value.parts)
            return value.base in rows_of or self.expression(value.base, "any", (), rows_of)
        if isinstance(value, Choice):
            parts: list[tuple[RowSet, Value]] = [(at, self.truth(item, at)) for at, item in self.parts(value, rows)]
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
        return self.expression(rows, "merged", (), tuple((part, _told(value, part)) for part, value in parts))

    def parts(self, value: Value, rows: RowSet) -> list[tuple[RowSet, Value]]:
        """Return the parts of a list, of which each row has one, or of a choice."""
        if isinstance(value, ListOf | Choice) and value.base is rows:
            return list(value.parts)
        if isinstance(value, ListOf | Choice) and rows.reaches(value.base):
            return [
                (rows if part is value.base else self.rows(rows, spread=part, base=value.base), item)
                for part, item in value.parts
            ]
        if isinstance(value, Expression) and value.shape is not None and value.shape.item is not None:
            inner = self.rows(rows, items=_beneath(value, rows))
            return [(inner, self.expression(inner, "item", (), None, value.shape.item))]
        if isinstance(value, (tuple, list)):
            return [(rows, each) for each in value]
        raise NotTracedError

    def tell(self, told: Value, rows: RowSet) -> None:
        """Note the facts of a call of `WHAT.each`."""
        if not isinstance(told, EachCall) or len(told.sides) != (1 if isinstance(told.what, Kind) else 2):
            raise NotTracedError
        if not told.what.names.issuperset(told.properties):
            raise NotTracedError
        lists = {place: self.parts(side, rows) for place, side in enumerate(told.sides) if is_list(side)}
        of_lists = {tuple(part for part, _ in parts) for parts in lists.values()} or {(rows,)}
        if len(of_lists) > 1:  # two lists need not be of one length
            raise NotTracedError
        all_rows = of_lists.pop()
        for number, inner in enumerate(all_rows):
            sides = tuple(
                _told(lists[place][number][1] if place in lists else side, inner)
                for place, side in enumerate(told.sides)
            )
            if not all(isinstance(side, Expression) for side in sides):
                raise NotTracedError
            properties: dict[str, Expression | Constant] = {}
            for name, value in told.properties.items():
                type_ = property_of(told.what, name).type
                parts = self.parts(value, rows) if is_list(value) else []
                if type_ is Type.TEXTS and is_list(value) and not any(is_list(item) for _, item in parts):
                    properties[name] = self._whole(value, rows)
                elif not is_list(value):
                    properties[name] = self._property(type_, value, rows)
                elif tuple(part for part, _ in parts) == all_rows:
                    properties[name] = self._property(type_, parts[number][1], inner)
                else:
                    raise NotTracedError
            self.facts.append(TracedFact(told.what, rows, inner, all_rows[:number], sides, properties))

    def _property(self, type_: Type, value: Value, rows: RowSet) -> Expression | Constant:
        """Return a property of a row's fact."""
        if type_ is Type.TEXTS and is_list(value):
            return self._whole(value, rows)
        if type_ is Type.TEXTS and value is not None:
            raise NotTracedError
        told = _told(value, rows)
        return told if isinstance(told, Expression) else Constant(told)

    def _whole(self, value: Value, rows: RowSet) -> Expression:
        """Return a list of texts as one value for each row."""
        return self.expression(
            rows, "whole", (), tuple((part, _told(item, part)) for part, item in self.parts(value, rows))
        )


def _beneath(value: Value, rows: RowSet) -> Value:
    """Return a value. Raises NotTracedError for a column that does not have one for each of some rows."""
    if isinstance(value, Expression) and not rows.reaches(value.rows):
        raise NotTracedError
    return value


def _told(value: Value, rows: RowSet) -> Value:
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
