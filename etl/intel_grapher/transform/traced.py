"""Mappings as columns: which member of a reply each fact's keys and properties are, read off the mapping's source.

    yield WHAT.each(asked, [each.ip_address for each in reply.resolutions], seen=seen)

says that the starts are what was asked for, and the ends one member of all items of one list. Whatever a mapping says
in this way can be taken out of many decoded replies at once (`decoded`), and no Python runs for a single one of them. A
mapping that says anything else, were it in one place, is not traced, and is called for each reply.

What is known: names given to such columns, `WHAT.each` with them, members of the reply and of the items of its lists,
constants, and functions of the schema that make a key of a key (KEY_FUNCTIONS) or of a key and an item
(ITEM_FUNCTIONS). Of statements: `yield`, and `if reply.items:` before facts that have a row for each of these items.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import CodeType, FunctionType, NoneType
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from msgspec import inspect as types

from intel_grapher.model import Kind, Relationship, Type
from intel_grapher.schema import registered, registrable, service_name
from intel_grapher.source import Endpoint
from intel_grapher.transform.columns import property_of

KEY_FUNCTIONS = (registered, registrable)
ITEM_FUNCTIONS = (service_name,)
_TEXT_OR_NUMBER = {str | int, str | int | None}
_64_BITS = range(-(1 << 63), 1 << 63)


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


class MemberColumn(NamedTuple):
    """A column: of which member it has the values.

    `of` is the list whose items it has a value for; empty where it has one for each reply. Without a `member`, and not
    of a list, it is what was asked for. `function` makes its values: of what was asked for, and of the item, in the
    order of `arguments`. `is_whole`: its values are whole lists of texts.
    """

    of: str = ""
    member: str = ""
    function: Callable[..., str] | None = None
    arguments: tuple[str, ...] = ()
    is_whole: bool = False


class Constant(NamedTuple):
    """The same value for all rows."""

    value: Any


class TracedFact(NamedTuple):
    """One `WHAT.each` of a mapping."""

    what: Kind[Any] | Relationship[Any, Any]
    sides: tuple[MemberColumn, ...]
    properties: dict[str, MemberColumn | Constant]

    @property
    def of(self) -> str:
        """Return the list that has an item for each row of a fact; empty where a fact is one row."""
        return next((side.of for side in self.sides if side.of), "")


class Trace(NamedTuple):
    """What an endpoint's mapping says, as columns, and the fields of its replies by name."""

    facts: tuple[TracedFact, ...]
    fields: dict[str, Field]

    @property
    def schema(self) -> pa.Schema:
        """Return the Arrow schema of its replies, by the members' names in JSON."""
        return pa.schema([(field.encoded, field.arrow) for field in self.fields.values()])

    def path(self, value: MemberColumn) -> str:
        """Return the JSON path of a column's values, with {} for the index; empty where they are made of others."""
        if value.function or value.is_whole or not value.member:
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
    except _NotTracedError:
        return None
    is_tied = any(isinstance(fact.what, Kind) and fact.sides == (MemberColumn(),) for fact in found)
    return Trace(found, fields) if is_tied or endpoint.untied else None


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
                    if fact.of != of.name:
                        raise _NotTracedError
                    yield fact
                case ast.Expr(value=ast.Yield(value=ast.Call() as call)):
                    yield self._fact(call)
                case _:
                    raise _NotTracedError

    def _fact(self, call: ast.Call) -> TracedFact:
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="each"), args=sides, keywords=keywords):
                what = self._global(name)
            case _:
                raise _NotTracedError
        counts: dict[type, int] = {Kind: 1, Relationship: 2}
        if not isinstance(what, Kind | Relationship) or counts.get(type(what)) != len(sides):
            raise _NotTracedError
        columns = [self._column(side) for side in sides]
        keys = tuple(each for each in columns if isinstance(each, MemberColumn) and not each.is_whole)
        told = {each.arg: self._column(each.value) for each in keywords if each.arg}
        if len(keys) != len(sides) or len(told) != len(keywords) or not what.names.issuperset(told):
            raise _NotTracedError
        fact = TracedFact(what, keys, told)
        are_told = all(_can_be_told(property_of(what, name).type, value, fact.of) for name, value in told.items())
        if not are_told or any(each.of not in {"", fact.of} for each in keys):  # two lists need not be of one length
            raise _NotTracedError
        return fact

    def _column(self, tree: ast.expr) -> MemberColumn | Constant:
        match tree:
            case ast.Name(id=name) if name in self._given:
                return self._given[name]
            case ast.Constant(value=value) if type(value) in {str, NoneType} or (
                type(value) is int and value in _64_BITS
            ):
                return Constant(value)
            case ast.Call(func=ast.Name(id=name), args=[ast.Name(id=self._asked)], keywords=[]):
                return MemberColumn(function=self._function(name, KEY_FUNCTIONS), arguments=("",))
            case ast.ListComp(
                elt=item, generators=[ast.comprehension(target=ast.Name(id=name), iter=items, ifs=[])]
            ) if name not in {self._asked, self._reply}:
                return self._items(item, name, self._list(items))
            case ast.Attribute(value=ast.Name(id=self._reply), attr=member) if member in self._fields:
                return self._member(self._fields[member])
        return self._whole(tree)

    def _whole(self, tree: ast.expr) -> MemberColumn:
        """Return a column of lists of texts as they are."""
        match tree:
            case ast.List(elts=[ast.Attribute() as inner]) if self._list(inner).type is str:
                return MemberColumn("", self._list(inner).name, is_whole=True)
        raise _NotTracedError

    def _member(self, field: Field) -> MemberColumn:
        if field.items or field.type in _TEXT_OR_NUMBER:
            raise _NotTracedError
        return MemberColumn(field.name if field.is_list else "", field.name)

    def _items(self, item: ast.expr, name: str, field: Field) -> MemberColumn:
        """Return a column of what a comprehension has for each item of a list, which it calls `name`."""
        match item:
            case ast.Name(id=it) if it == name and not field.items:
                return MemberColumn(field.name, field.name)
            case ast.Attribute(value=ast.Name(id=it), attr=member) if it == name and member in field.items:
                if field.items[member].type not in _TEXT_OR_NUMBER:
                    return MemberColumn(field.name, member)
            case ast.Call(func=ast.Name(id=called), args=arguments, keywords=[]) if not field.items:
                names = [each.id for each in arguments if isinstance(each, ast.Name)]
                if len(names) == len(arguments) and set(names) <= {self._asked, name}:
                    order = tuple(field.name if each == name else "" for each in names)
                    return MemberColumn(field.name, field.name, self._function(called, ITEM_FUNCTIONS), order)
        raise _NotTracedError

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

    def _global(self, name: str) -> object:
        """Return what a name stands for in the mapping's module; None for one that the mapping sets itself."""
        return None if name in self._set else self._globals.get(name)


def _can_be_told(type_: Type, value: MemberColumn | Constant, of: str) -> bool:
    """Tell whether a column can be a property of facts with a row for each item of a list (`of`), or with one row."""
    if isinstance(value, Constant):
        return type_ is not Type.TEXTS
    if type_ is Type.TEXTS:
        return value.is_whole and not of
    return not value.is_whole and not value.function and bool(value.member) and value.of in {"", of}
