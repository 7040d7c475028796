"""Mappings as columns: which member of a reply each fact's keys and properties are, read off the mapping's source.

    yield WHAT.each(asked, [each.ip_address for each in reply.resolutions], seen=seen)

says that the starts are what was asked for, and the ends one member of all items of one list. Whatever a mapping says
in this way can be taken out of many decoded replies at once (`decoded`), and no Python runs for a single one of them. A
mapping that says anything else, were it in one place, is not traced, and is called for each reply.

What is known: names given to such columns, `WHAT.each` with them, members of the reply and of the items of its lists,
constants, types of the schema (`Address(…)`), functions of the schema that make a key of a key (KEY_FUNCTIONS) or of a
key and an item (ITEM_FUNCTIONS), and of what can be done with a text TEXT_FUNCTIONS. Of statements: `yield`,
`if reply.items:` before facts that have a row for each of these items, and a loop over one list, with conditions
(`conditions`), whose facts have a row for each item that they hold for.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import CodeType, FunctionType
from typing import Any, NamedTuple, NewType, cast

import msgspec
import pyarrow as pa
from msgspec import inspect as types

from intel_grapher.model import Kind, Relationship, Type
from intel_grapher.schema import registered, registrable, service_name
from intel_grapher.source import Endpoint
from intel_grapher.transform.columns import property_of
from intel_grapher.transform.conditions import Condition, ConditionReader, Unknown, is_constant

KEY_FUNCTIONS = (registered, registrable)
ITEM_FUNCTIONS = (service_name,)
TEXT_FUNCTIONS = ("removesuffix", "removeprefix", "strip", "lower", "rpartition", "partition")
_TEXT_OR_NUMBER = {str | int, str | int | None}


class Field(NamedTuple):
    """A member of a reply, or of an item of a list: its name in the type and in JSON, and what it holds.

    `type` is the type of a scalar, and of a list's items if they are scalars. `items` are the fields of other items.
    `default` stands for a member that is missing or null.
    """

    name: str
    encoded: str
    arrow: pa.DataType
    type: Any
    is_list: bool = False
    items: dict[str, Field] = {}  # noqa: RUF012 - it is never changed
    is_required: bool = False
    default: str | int | None = None

    @property
    def may_be_null(self) -> bool:
        """Tell whether null says as much as no member at all; else what it costs is for `reading` to say."""
        return not self.is_required and self.type in {str | None, int | None, str | int | None}


class FactRows(NamedTuple):
    """What a fact has a row for: each item of the list `of` that all conditions hold for; of no list, each reply."""

    of: str = ""
    conditions: tuple[Condition, ...] = ()


class TextFunction(NamedTuple):
    """What is done with a text: a method of `str`, its arguments, and which part of what it returns counts, if any."""

    name: str
    arguments: tuple[str, ...]
    part: int | None

    def of(self, text: str) -> str:
        """Return what it makes of a text."""
        made = getattr(text, self.name)(*self.arguments)
        return cast("str", made if self.part is None else made[self.part])


class MemberColumn(NamedTuple):
    """A column: of which member it has the values.

    `rows` has the list whose items it has a value for; one of no list has one for each reply. Without a `member`, and
    not of a list, it is what was asked for. `function` makes its values: of what was asked for, and of the item, in the
    order of `arguments`. `texts` are what is then done with them, in order. `is_whole`: its values are whole lists of
    texts.
    """

    rows: FactRows = FactRows()
    member: str = ""
    function: Callable[..., str] | None = None
    arguments: tuple[str, ...] = ()
    texts: tuple[TextFunction, ...] = ()
    is_whole: bool = False

    @property
    def of(self) -> str:
        """Return the list of `rows`."""
        return self.rows.of


class Constant(NamedTuple):
    """The same value for all rows."""

    value: Any


class TracedFact(NamedTuple):
    """One `WHAT.each` of a mapping."""

    what: Kind[Any] | Relationship[Any, Any]
    sides: tuple[MemberColumn, ...]
    properties: dict[str, MemberColumn | Constant]

    @property
    def rows(self) -> FactRows:
        """Return what it has a row for."""
        return next((side.rows for side in self.sides if side.of), FactRows())


class Trace(NamedTuple):
    """What an endpoint's mapping says, as columns, and the fields of its replies by name.

    `is_tied`: whatever a reply says, what was asked for is a node by it.
    """

    facts: tuple[TracedFact, ...]
    fields: dict[str, Field]
    is_tied: bool

    @property
    def schema(self) -> pa.Schema:
        """Return the Arrow schema of its replies, by the members' names in JSON."""
        return pa.schema([(field.encoded, field.arrow) for field in self.fields.values()])

    def path(self, value: MemberColumn) -> str:
        """Return the JSON path of a column's values, with {} for the index; empty where they are made of others."""
        if value.function or value.texts or value.is_whole or value.rows.conditions or not value.member:
            return ""
        if not value.of:
            return f"$.{self.fields[value.member].encoded}"
        field = self.fields[value.of]
        member = f".{field.items[value.member].encoded}" if field.items else ""
        return f"$.{field.encoded}[{{}}]{member}"


class _NotTracedError(Exception):
    """A mapping says something else than columns, or its replies have something else than lists and scalars."""


@cache
def trace(endpoint: Endpoint) -> Trace | None:
    """Return what an endpoint's mapping says, as columns; None where it is not that simple."""
    if endpoint.format != "json" or endpoint.prepare or endpoint.of_files or endpoint.unmapped:
        return None
    function = _source(endpoint.mapping)
    if function is None or len(function.args.args) != 2:  # noqa: PLR2004 - what was asked for, and the reply
        return None
    try:
        fields = _fields(types.type_info(endpoint.reply))
        found = tuple(_MappingReader(endpoint.mapping.__globals__, function, fields).facts())
    except (_NotTracedError, Unknown):
        return None
    if len({id(fact.what) for fact in found}) < len(found):  # what is bad in a reply is told by the row of one `what`
        return None
    is_tied = any(isinstance(fact.what, Kind) and fact.sides == (MemberColumn(),) for fact in found)
    return Trace(found, fields, is_tied or bool(endpoint.untied))


def _fields(type_: types.Type) -> dict[str, Field]:
    """Return the fields of a struct. Raises _NotTracedError for one that is not decoded by its fields alone."""
    if not isinstance(type_, types.StructType) or hasattr(type_.cls, "__post_init__"):
        raise _NotTracedError
    if type_.tag is not None or type_.forbid_unknown_fields or type_.array_like:
        raise _NotTracedError
    return {field.name: _field(field) for field in type_.fields}


def _field(field: types.Field) -> Field:
    of = field.type
    if isinstance(of, types.ListType) and of == types.ListType(of.item_type) and field.default_factory is list:
        if isinstance(of.item_type, types.StructType):
            items = _fields(of.item_type)
            if any(each.is_list for each in items.values()):
                raise _NotTracedError
            arrow = pa.list_(pa.struct([(each.encoded, each.arrow) for each in items.values()]))
            return Field(field.name, field.encode_name, arrow, None, is_list=True, items=items)
        arrow, type_ = _scalar(of.item_type)
        return Field(field.name, field.encode_name, pa.list_(arrow), type_, is_list=True)
    options = of.types if isinstance(of, types.UnionType) else (of,)
    told = [_scalar(each) for each in options if each != types.NoneType()]
    default = None if field.default is msgspec.NODEFAULT else field.default
    if type(default) not in {str, int, type(None)}:
        raise _NotTracedError
    # A code may be a text or a number: as a text it is read in columns, with a number in it a reply is read by itself.
    arrow, type_ = told[0] if len(told) == 1 else (pa.string(), str | int)
    type_ = type_ if len(told) == len(options) else type_ | None
    return Field(field.name, field.encode_name, arrow, type_, is_required=field.required, default=default)


def _scalar(type_: types.Type) -> tuple[pa.DataType, Any]:
    if type_ == types.StrType():
        return pa.string(), str
    if type_ == types.IntType():
        return pa.int64(), int
    raise _NotTracedError


def _source(mapping: Callable[..., Any]) -> ast.FunctionDef | None:
    """Return the source of a function as a tree; None where it is not at hand, or is not that of the code that runs."""
    if not isinstance(mapping, FunctionType) or mapping.__closure__ or mapping.__defaults__ or mapping.__kwdefaults__:
        return None
    tree, codes = _module(mapping.__module__)
    if mapping.__code__ not in codes:
        return None
    line = mapping.__code__.co_firstlineno
    named = (each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == mapping.__name__)
    return next((each for each in named if line in {each.lineno, *(one.lineno for one in each.decorator_list)}), None)


@cache
def _module(name: str) -> tuple[ast.Module, list[CodeType]]:
    """Return the source of a module as a tree, and the code of its functions; nothing where it is not at hand."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[name]))
        constants = compile(tree, "<mapping>", "exec", dont_inherit=True).co_consts
    except (KeyError, OSError, TypeError, ValueError, SyntaxError):
        return ast.Module([], []), []
    return tree, [each for each in constants if isinstance(each, CodeType)]


class _MappingReader:
    """Reads the statements of one mapping. Raises _NotTracedError for what is not known."""

    def __init__(self, names: Mapping[str, Any], function: ast.FunctionDef, fields: dict[str, Field]) -> None:
        self._globals = names
        self._asked, self._reply = (each.arg for each in function.args.args)
        self._fields = fields
        self._body = function.body[1:]  # the first is the docstring, which every mapping has
        self._given: dict[str, MemberColumn | Constant] = {self._asked: MemberColumn()}
        self._set = {
            node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }

    def facts(self) -> Iterator[TracedFact]:
        """Yield what the mapping says."""
        for statement in self._body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in (self._asked, self._reply):
                    self._given[name] = self._column(value)
                case ast.If(test=test, body=[ast.Expr(value=ast.Yield(value=ast.Call() as call))], orelse=[]):
                    fact, of = self._fact(call), self._list(test)
                    if fact.rows.of != of.name:
                        raise _NotTracedError
                    yield fact
                case ast.Expr(value=ast.Yield(value=ast.Call() as call)):
                    yield self._fact(call)
                case ast.For(target=ast.Name(id=name), iter=items, body=body, orelse=[]) if self._is_new(name):
                    yield from self._loop(body, name, self._list(items), ())
                case _:
                    raise _NotTracedError

    def _is_new(self, name: str) -> bool:
        return name not in self._given and name != self._reply

    def _loop(
        self, body: list[ast.stmt], name: str, field: Field, conditions: tuple[Condition, ...]
    ) -> Iterator[TracedFact]:
        """Yield what the statements of a loop say, which calls each item of a list `name`, where conditions hold."""
        for statement in body:
            match statement:
                case ast.Expr(value=ast.Yield(value=ast.Call() as call)):
                    fact = self._fact(call, name, FactRows(field.name, conditions))
                    if fact.rows.of != field.name:
                        raise _NotTracedError
                    yield fact
                case ast.If(test=test, body=then, orelse=otherwise):
                    holds = self._condition(test, name, field)
                    yield from self._loop(then, name, field, (*conditions, holds))
                    yield from self._loop(otherwise, name, field, (*conditions, holds.inverted()))
                case _:
                    raise _NotTracedError

    def _condition(self, test: ast.expr, name: str, field: Field) -> Condition:
        types_ = {member: each.type for member, each in field.items.items()}
        defaults = {member: each.default for member, each in field.items.items()}
        return ConditionReader(name, types_ or {"": field.type}, defaults, self._global).condition(test)

    def _fact(self, call: ast.Call, item: str = "", rows: FactRows = FactRows()) -> TracedFact:  # noqa: B008 - never changed
        """Return what a call of `each` says; in a loop, which calls each of some rows `item`, of one item."""
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="each"), args=sides, keywords=keywords):
                what = self._global(name)
            case _:
                raise _NotTracedError
        counts: dict[type, int] = {Kind: 1, Relationship: 2}
        if not isinstance(what, Kind | Relationship) or counts.get(type(what)) != len(sides):
            raise _NotTracedError

        def column(tree: ast.expr) -> MemberColumn | Constant:
            if item and any(isinstance(node, ast.Name) and node.id == item for node in ast.walk(tree)):
                return self._item(tree, item, rows)
            made = self._column(tree)
            if item and isinstance(made, MemberColumn) and (made.of or made.is_whole):
                raise _NotTracedError  # a list in a loop
            return made

        columns = [column(side) for side in sides]
        keys = tuple(each for each in columns if isinstance(each, MemberColumn) and not each.is_whole)
        told = {each.arg: column(each.value) for each in keywords if each.arg}
        if len(keys) != len(sides) or len(told) != len(keywords) or not what.names.issuperset(told):
            raise _NotTracedError
        fact = TracedFact(what, keys, told)
        are_told = all(_can_be_told(property_of(what, name).type, value, fact.rows) for name, value in told.items())
        is_one = all(not each.of or each.rows == fact.rows for each in keys)  # two lists need not be of one length
        if not are_told or not is_one:
            raise _NotTracedError
        return fact

    def _column(self, tree: ast.expr) -> MemberColumn | Constant:
        match tree:
            case ast.Name(id=name) if name in self._given:
                return self._given[name]
            case ast.Constant(value=value) if is_constant(value):
                return Constant(value)
            case ast.Call(func=ast.Name(id=name), args=[ast.Name(id=self._asked)], keywords=[]):
                return MemberColumn(function=self._function(name, KEY_FUNCTIONS), arguments=("",))
            case ast.ListComp(
                elt=item, generators=[ast.comprehension(target=ast.Name(id=name), iter=items, ifs=tests)]
            ):
                if name not in {self._asked, self._reply}:
                    field = self._list(items)
                    conditions = tuple(self._condition(test, name, field) for test in tests)
                    return self._item(item, name, FactRows(field.name, conditions))
            case ast.Attribute(value=ast.Name(id=self._reply), attr=member) if member in self._fields:
                return self._member(self._fields[member])
        return self._whole(tree)

    def _whole(self, tree: ast.expr) -> MemberColumn:
        """Return a column of lists of texts as they are."""
        match tree:
            case ast.List(elts=[ast.Attribute() as inner]) if self._list(inner).type is str:
                return MemberColumn(member=self._list(inner).name, is_whole=True)
        raise _NotTracedError

    def _member(self, field: Field) -> MemberColumn:
        if field.items or field.type in _TEXT_OR_NUMBER:
            raise _NotTracedError
        return MemberColumn(FactRows(field.name if field.is_list else ""), field.name)

    def _item(self, item: ast.expr, name: str, rows: FactRows) -> MemberColumn:
        """Return a column of what is said of each of some rows, where the item of their list is called `name`."""
        field = self._fields[rows.of]
        match item:
            case ast.Name(id=it) if it == name and not field.items:
                return MemberColumn(rows, field.name)
            case ast.Attribute(value=ast.Name(id=it), attr=member) if it == name and member in field.items:
                if field.items[member].type not in _TEXT_OR_NUMBER:
                    return MemberColumn(rows, member)
            case ast.Call(func=ast.Name(id=called), args=[inner], keywords=[]) if self._is_type(called):
                return self._text(self._item(inner, name, rows))
            case ast.Call(func=ast.Attribute(value=inner, attr=method), args=arguments, keywords=[]):
                return self._with_text(self._item(inner, name, rows), method, arguments, None)
            case ast.Subscript(
                value=ast.Call(func=ast.Attribute(value=inner, attr=method), args=arguments, keywords=[]),
                slice=ast.Constant(value=int(part)),
            ) if part in range(3):
                return self._with_text(self._item(inner, name, rows), method, arguments, part)
            case ast.Call(func=ast.Name(id=called), args=arguments, keywords=[]) if not field.items:
                names = [each.id for each in arguments if isinstance(each, ast.Name)]
                if len(names) == len(arguments) and set(names) <= {self._asked, name}:
                    order = tuple(field.name if each == name else "" for each in names)
                    return MemberColumn(rows, field.name, self._function(called, ITEM_FUNCTIONS), order)
        raise _NotTracedError

    def _with_text(
        self, column: MemberColumn, method: str, arguments: list[ast.expr], part: int | None
    ) -> MemberColumn:
        told = tuple(each.value for each in arguments if isinstance(each, ast.Constant) and type(each.value) is str)
        has_parts = method.endswith("partition")
        is_known = method in TEXT_FUNCTIONS and has_parts == (part is not None) and len(told) == len(arguments)
        takes = {"lower": (0,), "strip": (0, 1)}.get(method, (1,))
        if not is_known or len(told) not in takes or (has_parts and not told[0]):
            raise _NotTracedError
        column = self._text(column)
        return column._replace(texts=(*column.texts, TextFunction(method, told, part)))

    def _text(self, column: MemberColumn) -> MemberColumn:
        """Return a column if all of its values are texts."""
        field = self._fields[column.of]
        type_ = field.items[column.member].type if field.items else field.type
        if column.function is None and type_ is not str:
            raise _NotTracedError
        return column

    def _list(self, tree: ast.expr) -> Field:
        """Return the list that an expression names."""
        match tree:
            case ast.Attribute(value=ast.Name(id=self._reply), attr=member) if member in self._fields:
                if (field := self._fields[member]).is_list:
                    return field
        raise _NotTracedError

    def _function(self, name: str, known: tuple[Callable[..., str], ...]) -> Callable[..., str]:
        found = self._global(name)
        for function in known:
            if found is function:
                return function
        raise _NotTracedError

    def _is_type(self, name: str) -> bool:
        """Tell whether a name stands for a type of texts, such as Address, which leaves a text as it is."""
        found = self._global(name)
        while isinstance(found, NewType):
            found = found.__supertype__
        return found is str and isinstance(self._global(name), NewType)

    def _global(self, name: str) -> object:
        """Return what a name stands for in the mapping's module; None for one that the mapping sets itself."""
        return None if name in self._set else self._globals.get(name)


def _can_be_told(type_: Type, value: MemberColumn | Constant, rows: FactRows) -> bool:
    """Tell whether a column can be a property of facts with these rows."""
    if isinstance(value, Constant):
        return type_ is not Type.TEXTS
    if type_ is Type.TEXTS:
        return value.is_whole and not rows.of
    is_plain = not value.is_whole and not value.function and not value.texts and bool(value.member)
    return is_plain and value.rows in {FactRows(), rows}
