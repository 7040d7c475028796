"""Conditions on the items of a list in a reply, as they stand in the source of a mapping, and as masks of columns.

    if record.type in (A, AAAA) and not record.data.endswith(" ."):

What is known: members of the item, as such, and compared with constants of the mapping or of its module; `in` a tuple
or set of these; `is None`; `startswith` and `endswith` of a text; and `not`, `and`, `or`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import reduce
from types import NoneType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

_64_BITS = range(-(1 << 63), 1 << 63)
_TEXT = (str, str | None)
_NUMBER = (int, int | None)


class Unknown(Exception):  # noqa: N818 - it ends a trace, and is no fault
    """A condition that is not known."""


class Condition(NamedTuple):
    """A condition on an item.

    `test` is "some" (neither null, nor 0, nor empty), "in" (one of `values`), "startswith" or "endswith" (the only one
    of `values`) of a `member`, empty for the item itself; or "not", "and" or "or" of `parts`.
    """

    test: str
    member: str = ""
    values: tuple[Any, ...] = ()
    parts: tuple[Condition, ...] = ()

    def inverted(self) -> Condition:
        """Return the condition that holds where this one does not."""
        return Condition("not", parts=(self,))

    def mask(self, column: Callable[[str], pa.Array]) -> pa.Array:
        """Return where it holds (bool[n], without nulls). `column` returns a member of all items."""
        if self.test == "not":
            return pc.invert(self.parts[0].mask(column))
        if self.parts:
            masks = [part.mask(column) for part in self.parts]
            return reduce(pc.and_ if self.test == "and" else pc.or_, masks)
        values = column(self.member)
        if self.test == "in":
            holds = pc.is_in(values, pa.array([each for each in self.values if each is not None], values.type))
            return pc.or_(holds, pc.is_null(values)) if None in self.values else holds
        if self.test == "some":
            is_text = pa.types.is_string(values.type)
            holds = pc.greater(pc.binary_length(values), 0) if is_text else pc.not_equal(values, 0)
        else:
            holds = (pc.starts_with if self.test == "startswith" else pc.ends_with)(values, self.values[0])
        return holds.fill_null(False)  # noqa: FBT003 - Arrow's own order


class ConditionReader:
    """Reads conditions on an item that is called `name`.

    `types` has the types of its members by name, and `defaults` what stands for those that are missing; an item that
    is a scalar is its member "". `constant` returns what a name stands for in the mapping's module. Raises Unknown.
    """

    def __init__(
        self, name: str, types: Mapping[str, Any], defaults: Mapping[str, Any], constant: Callable[[str], object]
    ) -> None:
        self._name = name
        self._types = types
        self._defaults = defaults
        self._constant = constant

    def condition(self, tree: ast.expr) -> Condition:
        """Return a condition."""
        match tree:
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return self.condition(inner).inverted()
            case ast.BoolOp(op=operator, values=parts):
                return Condition(
                    "and" if isinstance(operator, ast.And) else "or", parts=tuple(map(self.condition, parts))
                )
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                return self._compared(self._member(left), operator, right)
            case ast.Call(
                func=ast.Attribute(value=inner, attr="startswith" | "endswith" as test),
                args=[ast.Constant(value=str(part))],
                keywords=[],
            ) if self._types[self._member(inner)] is str:
                return Condition(test, self._member(inner), (part,))
            case ast.Name() | ast.Attribute():
                return Condition("some", self._member(tree))
        raise Unknown

    def _compared(self, member: str, operator: ast.cmpop, right: ast.expr) -> Condition:
        match operator, right:
            case (ast.In() | ast.NotIn(), ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts)):
                values = tuple(map(self._value, parts))
            case (ast.In() | ast.NotIn(), ast.Name(id=name)) if isinstance(
                told := self._constant(name), tuple | frozenset
            ):
                values = tuple(told)
            case (ast.Eq() | ast.NotEq(), _):
                values = (self._value(right),)
            case (ast.Is() | ast.IsNot(), ast.Constant(value=None)):
                values = (None,)
            case _:
                raise Unknown
        known = str if self._types[member] in _TEXT else int
        if not all(is_constant(value) and isinstance(value, known | None) for value in values):
            raise Unknown
        holds = Condition("in", member, values)
        return holds.inverted() if isinstance(operator, ast.NotIn | ast.NotEq | ast.IsNot) else holds

    def _value(self, tree: ast.expr) -> object:
        match tree:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name) if (known := self._constant(name)) is not None:
                return known
        raise Unknown

    def _member(self, tree: ast.expr) -> str:
        match tree:
            case ast.Name(id=self._name):
                member = ""
            case ast.Attribute(value=ast.Name(id=self._name), attr=member):
                pass
            case _:
                raise Unknown
        if self._types.get(member) not in {*_TEXT, *_NUMBER}:
            raise Unknown
        return member


def is_constant(value: object) -> bool:
    """Tell whether a value is one that a column can have: None, a text, an integer of 64 bits."""
    return type(value) in {str, NoneType} or (type(value) is int and value in _64_BITS)
