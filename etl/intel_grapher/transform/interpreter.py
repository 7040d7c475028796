"""A symbolic interpreter: a mapping is run once, on columns in place of values, and tells what it says of any reply.

Statements and expressions are read off the source, and so are functions that are called with lists or objects. A
function of texts and numbers alone is an operation on columns: it is called later, once for each distinct value. What
is not known here ends the trace. A list may be looped over, put into another and paired, but what is in it is not
counted; and what gives its values once, as a generator does, has no name.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import operator
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType
from typing import Any, ClassVar, NewType, cast

import pyarrow as pa

from intel_grapher.model import Fact, Facts, Kind, Relationship
from intel_grapher.transform.expressions import REPLIES, Expression, RowSet, Shape
from intel_grapher.transform.symbolic import (
    LISTS,
    SYMBOLIC,
    UNSET,
    Bound,
    Choice,
    EachCall,
    ListOf,
    NotTracedError,
    OnceOf,
    Tracer,
    Truth,
    Value,
    is_concrete,
    is_flat,
    names_given,
    unset,
)

TEXTS = Shape(pa.list_(pa.string()), item=Shape(pa.string()))
LISTING = ("split", "rsplit", "splitlines", "partition", "rpartition")
PLAIN_CALLS = (str, int, bool, len, isinstance)


@dataclass(frozen=True, eq=False, slots=True)
class Produced:
    """A call of a generator."""

    frame: Frame
    body: list[ast.stmt]


def _is_for_one_use(value: Value) -> bool:
    """Tell whether a value gives what is in it once, or something in it does."""
    if isinstance(value, tuple):
        return any(map(_is_for_one_use, value))
    return isinstance(value, OnceOf | Produced)


def _plain(type_: Value) -> Value:
    """Return the type that a type of texts, such as Address, stands for."""
    while isinstance(type_, NewType):
        type_ = type_.__supertype__
    return type_


def _in(value: Value, among: Value) -> bool:
    return value in among


def _not_in(value: Value, among: Value) -> bool:
    return value not in among


def _joined(*parts: object) -> str:
    return "".join(map(format, parts))


_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: _in,
    ast.NotIn: _not_in,
}


class Frame:
    """A call of a function: what its names stand for, and those of its module."""

    def __init__(self, tracer: Tracer, module: Mapping[str, Value], names: dict[str, Value]) -> None:
        self._tracer = tracer
        self._module = module
        self._names = names

    def _copy(self) -> Frame:
        return Frame(self._tracer, self._module, dict(self._names))

    # --- statements ---------------------------------------------------------------------------------------------------

    def run(self, body: Sequence[ast.stmt], rows: RowSet) -> RowSet | None:
        """Add the facts of statements for some rows, and return the rows that go on after them; None if none does."""
        going_on: RowSet | None = rows
        for statement in body:
            if going_on is None:
                break
            going_on = self._run(statement, going_on)
        return going_on

    def _run(self, statement: ast.stmt, rows: RowSet) -> RowSet | None:
        match statement:
            case ast.Assign(targets=[target], value=value):
                self.bind(target, self.value(value, rows), rows)
            case ast.Expr(value=value):
                self._yielded(value, rows)
            case ast.For(target=target, iter=items, body=body, orelse=[]):
                for inner, item in self._tracer.parts(self.value(items, rows), rows):
                    frame = self._copy()
                    frame._names |= unset(statement)  # noqa: SLF001 - its own; what the item before set is not known
                    frame.bind(target, item, inner)
                    if frame.run(body, inner) is not inner:
                        raise NotTracedError
                self._names |= unset(statement)
            case ast.If(test=test, body=then, orelse=otherwise):
                return self._branch(test, then, otherwise, rows)
            case ast.Return(value=None):
                return None
            case _:
                raise NotTracedError
        return rows

    def _yielded(self, tree: ast.expr, rows: RowSet) -> None:
        match tree:
            case ast.Constant():
                return
            case ast.Yield(value=ast.expr() as value):
                self._tracer.add_facts(self.value(value, rows), rows)
                return
            case ast.YieldFrom(value=ast.IfExp(test=test, body=then, orelse=otherwise)):
                both = [[cast("ast.stmt", ast.Expr(ast.YieldFrom(each)))] for each in (then, otherwise)]
                self._branch(test, both[0], both[1], rows)
                return
            case ast.YieldFrom(value=value) if isinstance(produced := self.value(value, rows), Produced):
                produced.frame.run(produced.body, rows)
                return
        raise NotTracedError

    def _branch(
        self, test: ast.expr, then: Sequence[ast.stmt], otherwise: Sequence[ast.stmt], rows: RowSet
    ) -> RowSet | None:
        """Add the facts of the rows that a test holds for, and of the others, and return the rows that go on."""
        tracer = self._tracer
        holds = self.holds(test, rows)
        if not isinstance(holds, Expression):
            return self.run(then if holds else otherwise, rows)
        left = []
        for body, where in ((then, holds), (otherwise, tracer.inverted(holds))):
            inner = tracer.where(rows, where)
            left.append((inner, self._copy().run(body, inner)))
            for statement in body:
                self._names |= unset(statement)
        going_on = [(inner, end) for inner, end in left if end is not None]
        if len(going_on) < len(left):
            return next((end for _, end in going_on), None)
        if any(end is not inner for inner, end in going_on):
            raise NotTracedError
        return rows

    def bind(self, target: ast.expr, value: Value, rows: RowSet) -> None:
        """Give a name to a value, or names to several. Raises NotTracedError for what can be used once only."""
        if _is_for_one_use(value):
            raise NotTracedError
        match target:
            case ast.Name(id=name):
                self._names[name] = value
            case ast.Tuple(elts=targets) if isinstance(value, tuple) and len(value) == len(targets):
                for each, part in zip(targets, value, strict=True):
                    self.bind(each, part, rows)
            case _:
                raise NotTracedError

    def returned(self, body: Sequence[ast.stmt], rows: RowSet) -> Value:
        """Return what a function returns for some rows."""
        for at, statement in enumerate(body):
            match statement:
                case ast.If(test=test, body=then, orelse=otherwise):
                    rest = body[at + 1 :]
                    holds = self.holds(test, rows)
                    return self._tracer.either(
                        holds,
                        partial(self._returned, (*then, *rest)),
                        partial(self._returned, (*otherwise, *rest)),
                        rows,
                    )
                case ast.Return(value=value):
                    return None if value is None else self.value(value, rows)
                case ast.Assign() | ast.Expr(value=ast.Constant()):
                    self._run(statement, rows)
                case _:
                    raise NotTracedError
        return None

    def _returned(self, body: Sequence[ast.stmt], rows: RowSet) -> Value:
        return self._copy().returned(body, rows)

    # --- expressions --------------------------------------------------------------------------------------------------

    def value(self, tree: ast.expr, rows: RowSet) -> Value:
        """Return what an expression stands for, where it is evaluated for some rows."""
        match tree:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                value = self._names.get(name, self._module.get(name, getattr(builtins, name, UNSET)))
                if value is not UNSET:
                    return value
            case ast.Attribute(value=inner, attr=name):
                return self._attribute(self.value(inner, rows), name, rows)
            case ast.NamedExpr(target=target, value=inner):
                value = self.value(inner, rows)
                self.bind(target, value, rows)
                return value
            case ast.ListComp(elt=element, generators=loops) | ast.GeneratorExp(elt=element, generators=loops):
                self._names |= dict.fromkeys(names_given(tree), UNSET)
                made = ListOf if isinstance(tree, ast.ListComp) else OnceOf
                return made(rows, tuple(self._copy().looped(element, loops, rows)))
        known = next((reader for kinds, reader in self._READERS if isinstance(tree, kinds)), None)
        if known is None:
            raise NotTracedError
        return known(self, tree, rows)

    def holds(self, tree: ast.expr, rows: RowSet) -> Truth:
        """Return which of some rows an expression is true of."""
        if not isinstance(tree, ast.BoolOp):
            return self._tracer.truth(self.value(tree, rows), rows)
        *before, last = tree.values
        first = self.holds(ast.BoolOp(tree.op, before) if before[1:] else before[0], rows)
        is_and = isinstance(tree.op, ast.And)
        if names_given(last):
            raise NotTracedError
        holds = first if is_and else self._tracer.inverted(first)
        return self._tracer.truth(
            self._tracer.either(holds, partial(self.holds, last), lambda _: not is_and, rows), rows
        )

    def _tested(self, tree: ast.expr, rows: RowSet) -> Value:
        tracer = self._tracer
        match tree:
            case ast.IfExp(test=test, body=then, orelse=otherwise) if not (names_given(then) or names_given(otherwise)):
                holds = self.holds(test, rows)
                return self._tracer.either(holds, partial(self.value, then), partial(self.value, otherwise), rows)
            case ast.BoolOp(op=op, values=[*before, last]) if not names_given(last):
                first = self.value(ast.BoolOp(op, before) if before[1:] else before[0], rows)
                holds = tracer.truth(first, rows)
                holds = holds if isinstance(op, ast.And) else tracer.inverted(holds)
                return self._tracer.either(holds, partial(self.value, last), lambda _: first, rows)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return tracer.inverted(self.holds(inner, rows))
            case ast.Compare(left=inner, ops=[ast.Is() | ast.IsNot() as op], comparators=[ast.Constant(value=None)]):
                value = self.value(inner, rows)
                is_null = tracer.expression(rows, "null", (value,)) if isinstance(value, Expression) else value is None
                if not isinstance(value, Choice):
                    return is_null if isinstance(op, ast.Is) else tracer.inverted(is_null)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARED:
                return self._made(_COMPARED[type(op)], (self.value(left, rows), self.value(right, rows)), rows)
        raise NotTracedError

    def _text(self, tree: ast.expr, rows: RowSet) -> Value:
        match tree:
            case ast.JoinedStr(values=values):
                return self._made(_joined, tuple(self.value(each, rows) for each in values), rows)
            case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
                return self.value(inner, rows)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._made(operator.add, (self.value(left, rows), self.value(right, rows)), rows)
            case ast.Subscript(value=inner, slice=ast.Slice(lower=lower, upper=upper, step=None)):
                bounds = [each and self.value(each, rows) for each in (lower, upper)]
                if not is_concrete(bounds):
                    raise NotTracedError
                return self._item(self.value(inner, rows), slice(*bounds), rows)
            case ast.Subscript(value=inner, slice=place):
                return self._item(self.value(inner, rows), self.value(place, rows), rows)
        raise NotTracedError

    def _item(self, value: Value, place: Value, rows: RowSet) -> Value:
        if isinstance(value, (tuple, dict)) and is_concrete(place):
            return value[place]
        return self._made(operator.getitem, (value, place), rows)

    def _display(self, tree: ast.expr, rows: RowSet) -> Value:
        """Return a list, tuple, set or dict."""
        if isinstance(tree, ast.Dict):
            return self._dict(tree.keys, tree.values, rows)
        parts: list[tuple[RowSet, Value]] = []
        for each in cast("ast.List", tree).elts:
            if isinstance(each, ast.Starred):
                parts += self._tracer.parts(self.value(each.value, rows), rows)
            else:
                parts.append((rows, self.value(each, rows)))
        found = tuple(item for _, item in parts)
        if all(part is rows for part, _ in parts):
            if isinstance(tree, ast.Tuple):
                return found
            if is_concrete(found):
                return set(found) if isinstance(tree, ast.Set) else list(found)
        if isinstance(tree, ast.Set):  # of equal values it has one
            raise NotTracedError
        return ListOf(rows, tuple(parts))

    def _dict(self, keys: Sequence[ast.expr | None], values: Sequence[ast.expr], rows: RowSet) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key, tree in zip(keys, values, strict=True):
            value = self.value(tree, rows)
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                value = {key.value: value}
            elif key is not None or not isinstance(value, dict):
                raise NotTracedError
            if not found.keys().isdisjoint(value):  # what a call fails at
                raise NotTracedError
            found |= value
        return found

    def looped(self, element: ast.expr, loops: list[ast.comprehension], rows: RowSet) -> Iterator[tuple[RowSet, Value]]:
        """Yield the parts of a comprehension."""
        if not loops:
            yield rows, self.value(element, rows)
            return
        first, *rest = loops
        for part, item in self._tracer.parts(self.value(first.iter, rows), rows):
            frame, inner, holds = self._copy(), part, cast("Truth", True)  # noqa: FBT003 - a truth
            frame.bind(first.target, item, inner)
            for test in first.ifs:
                holds = holds and frame.holds(test, inner)
                inner = self._tracer.where(inner, holds)
            if holds:
                yield from frame.looped(element, rest, inner)

    def _attribute(self, value: Value, name: str, rows: RowSet) -> Value:
        if isinstance(value, Choice):
            parts = [(part, self._attribute(item, name, part)) for part, item in self._tracer.chosen(value, rows)]
            return self._tracer.merged(rows, parts)
        if not isinstance(value, Expression):
            if isinstance(value, SYMBOLIC):
                raise NotTracedError
            return getattr(value, name)
        members = {} if value.shape is None else value.shape.members
        if name in members:
            return self._tracer.expression(rows, "member", (value,), members[name], members[name].shape)
        of = str if value.is_scalar else cast("Shape", value.shape).of
        found = inspect.getattr_static(of, name, None)
        if members:  # a member is read, since that fails where there is no object
            first = next(iter(members.values()))
            self._tracer.expression(rows, "member", (value,), first, first.shape)
        if isinstance(found, property) and found.fget is not None:
            return self._inlined(found.fget, (value,), {}, rows)
        if not isinstance(found, FunctionType | MethodDescriptorType):
            raise NotTracedError
        return Bound(found, value)

    # --- calls --------------------------------------------------------------------------------------------------------

    def _call(self, tree: ast.Call, rows: RowSet) -> Value:
        arguments = self._display(ast.Tuple(tree.args), rows)
        keys = [None if each.arg is None else ast.Constant(each.arg) for each in tree.keywords]
        named = self._dict(keys, [each.value for each in tree.keywords], rows)
        function = self.value(tree.func, rows)
        if not isinstance(arguments, tuple):
            raise NotTracedError
        if isinstance(function, Bound):
            arguments = (function.value, *arguments)
            function = cast("Value", function.function)
        owner = getattr(function, "__self__", None)
        if isinstance(owner, Kind | Relationship) and function.__name__ == "each":
            return EachCall(owner, arguments, named)
        if isinstance(function, NewType):
            return arguments[0]
        if function in LISTS and set(named) <= {"strict"}:
            return LISTS[function](self._tracer, arguments, rows)
        if function is isinstance and not is_flat(arguments[0]):
            return self._is_of(arguments[0], arguments[1], rows)
        if isinstance(function, FunctionType):
            return self._called(function, arguments, named, rows)
        is_text = isinstance(function, MethodDescriptorType) and function.__objclass__ is str
        is_known = function in PLAIN_CALLS or (
            isinstance(function, BuiltinFunctionType)
            and (isinstance(owner, (str, frozenset)) or (isinstance(owner, dict) and function.__name__ == "get"))
        )
        if named or not (is_text or is_known):
            raise NotTracedError
        return self._made(function, arguments, rows, TEXTS if is_text and function.__name__ in LISTING else None)

    def _is_of(self, value: Value, type_: Value, rows: RowSet) -> Truth:
        """Return where a list or an object is of a type: it is there, as what it is read as."""
        is_as_read = isinstance(value, Expression) and value.shape is not None and value.how != "made"
        if not is_as_read or not isinstance(type_, type):
            raise NotTracedError
        if not issubclass(list if value.shape.item is not None else cast("type", value.shape.of), type_):
            return False
        return self._tracer.inverted(self._tracer.expression(rows, "null", (value,)))

    def _called(
        self, function: FunctionType, arguments: tuple[Value, ...], named: dict[str, Value], rows: RowSet
    ) -> Value:
        try:
            returns = typing.get_type_hints(function).get("return")
        except NameError:
            returns = None
        if named or not all(map(is_flat, arguments)) or returns in (Fact, Facts, Iterator[Fact]):
            return self._inlined(function, arguments, named, rows)
        if typing.get_origin(returns) is list:
            return self._made(function, arguments, rows, TEXTS)
        kinds = {_plain(each) for each in typing.get_args(returns) or (returns,)}
        if not kinds <= {str, int, bool, type(None)}:
            raise NotTracedError
        return self._made(function, arguments, rows)

    def _made(
        self, function: Callable[..., Any], arguments: tuple[Value, ...], rows: RowSet, shape: Shape | None = None
    ) -> Value:
        """Return what a function makes of texts and numbers, or of what another made of them."""
        if all(map(is_concrete, arguments)):
            return function(*arguments)
        is_part = function is operator.getitem and isinstance(arguments[0], Expression) and arguments[0].how == "made"
        if not is_part and not all(map(is_flat, arguments)):
            raise NotTracedError
        return self._tracer.expression(rows, "made", arguments, function, shape)

    def _inlined(
        self, function: Callable[..., Any], arguments: tuple[Value, ...], named: dict[str, Value], rows: RowSet
    ) -> Value:
        if any(map(_is_for_one_use, (*arguments, *named.values()))):
            raise NotTracedError
        tree = self._tracer.source_of(function)
        bound = inspect.signature(function).bind(*arguments, **named)
        bound.apply_defaults()
        frame = Frame(self._tracer, cast("FunctionType", function).__globals__, {**unset(tree), **bound.arguments})
        if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in ast.walk(tree)):
            return Produced(frame, tree.body)
        return frame.returned(tree.body, rows)

    _READERS: ClassVar[list[tuple[Any, Callable[[Frame, Any, RowSet], Value]]]] = [
        (ast.Call, _call),
        (ast.Tuple | ast.List | ast.Set | ast.Dict, _display),
        (ast.IfExp | ast.BoolOp | ast.UnaryOp | ast.Compare, _tested),
        (ast.JoinedStr | ast.FormattedValue | ast.BinOp | ast.Subscript, _text),
    ]


def run(tracer: Tracer, mapping: FunctionType, reply: Shape) -> None:
    """Run a mapping on what was asked for, and on replies of a shape. Raises NotTracedError."""
    tree = tracer.source_of(mapping)
    asked, said = inspect.signature(mapping).parameters
    columns = {asked: tracer.expression(REPLIES, "asked"), said: tracer.expression(REPLIES, "reply", (), None, reply)}
    Frame(tracer, mapping.__globals__, {**unset(tree), **columns}).run(tree.body, REPLIES)
