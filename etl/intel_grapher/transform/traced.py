"""Mappings as columns: what each fact's keys and properties are, read off the mapping's source.

    yield WHAT.each(asked, [each.ip_address for each in reply.resolutions], seen=seen)

says that the starts are what was asked for, and the ends one member of all items of one list. What a mapping says in
this way (`interpreter` has what is known) can be taken out of many decoded replies at once (`decoded`, `evaluated`). A
mapping that says anything else, even in one place, is not traced: it is called for each reply.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from functools import cache
from types import CodeType, FunctionType
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import inspect as types

from intel_grapher.model import Kind
from intel_grapher.source import Endpoint
from intel_grapher.transform.expressions import REPLIES, Member, Shape, Trace
from intel_grapher.transform.interpreter import run
from intel_grapher.transform.symbolic import NotTracedError, Tracer

_SCALARS = [(types.StrType(), pa.string()), (types.IntType(), pa.int64()), (types.BoolType(), pa.bool_())]
_TEXT_OR_NUMBER = {types.StrType, types.IntType}


@cache
def trace(endpoint: Endpoint) -> Trace | None:
    """Return what an endpoint's mapping says, as columns; None where it is not that simple."""
    mapping = endpoint.mapping
    if endpoint.format != "json" or endpoint.prepare or endpoint.of_files or endpoint.unmapped:
        return None
    if not (isinstance(mapping, FunctionType) and inspect.isgeneratorfunction(mapping)):
        return None
    if len(inspect.signature(mapping).parameters) != 2:  # noqa: PLR2004 - as usual
        return None
    tracer = Tracer(source_of)
    try:
        reply = _shape(types.type_info(endpoint.reply), ())
        if reply.is_scalar or reply.is_nullable:
            return None
        run(tracer, mapping, reply)
    except Exception:  # noqa: BLE001 - besides NotTracedError: a mapping may say anything; each reply tells what is wrong
        return None
    is_tied = any(
        isinstance(fact.what, Kind) and fact.rows is REPLIES and fact.sides[0].how == "asked" for fact in tracer.facts
    )
    return Trace(tuple(tracer.facts), reply, tuple(tracer.expressions), is_tied or bool(endpoint.untied))


def _object(type_: types.Type, within: tuple[type, ...], *, is_nullable: bool = False) -> Shape:
    """Return the shape of an object. Raises NotTracedError for one that is not decoded by its members alone."""
    if not isinstance(type_, types.StructType) or type_.cls in within:
        raise NotTracedError
    if any(hasattr(type_.cls, name) for name in ("__post_init__", "__bool__", "__len__")):
        raise NotTracedError
    if not type_.fields or type_.forbid_unknown_fields or type_.array_like:
        raise NotTracedError
    members = {field.name: _member(field, (*within, type_.cls)) for field in type_.fields}
    fields = [(each.encoded, each.shape.arrow) for each in members.values()]
    if type_.tag_field is None:
        return Shape(pa.struct(fields), is_nullable, None, type_.cls, members)
    if not isinstance(type_.tag, str):
        raise NotTracedError
    fields.append((type_.tag_field, pa.string()))
    return Shape(pa.struct(fields), is_nullable, None, type_.cls, members, (type_.tag_field, type_.tag))


def _member(field: types.Field, within: tuple[type, ...]) -> Member:
    shape = _shape(field.type, within)
    default = None if field.default is msgspec.NODEFAULT else field.default
    if shape.is_scalar:
        if type(default) not in {str, int, bool, type(None)}:
            raise NotTracedError
    elif shape.item is not None and not shape.is_nullable:
        if field.default_factory is not list and not field.required:
            raise NotTracedError
    elif shape.is_nullable or field.required:
        if default is not None:
            raise NotTracedError
    elif shape.of is None or default != shape.of():
        raise NotTracedError  # what is missing must say what an object without members says
    is_plain = shape.is_scalar or default is None
    return Member(field.name, field.encode_name, shape, field.required, default if is_plain else None)


def _shape(type_: types.Type, within: tuple[type, ...]) -> Shape:
    options = type_.types if isinstance(type_, types.UnionType) else (type_,)
    known = [each for each in options if each != types.NoneType()]
    is_nullable = len(known) < len(options)
    if {*map(type, known)} == _TEXT_OR_NUMBER:  # with a number in it, a reply is read by itself
        return Shape(pa.string(), is_nullable)
    lists = [each for each in known if isinstance(each, types.ListType)]  # with something else, it is likewise
    (only,) = known if len(known) == 1 else lists if len(lists) == 1 else (None,)
    for scalar, arrow in _SCALARS:
        if only == scalar:
            return Shape(arrow, is_nullable)
    if isinstance(only, types.ListType) and only == types.ListType(only.item_type):
        item = _shape(only.item_type, within)
        if item.is_nullable:
            raise NotTracedError
        return Shape(pa.list_(item.arrow), is_nullable, item)
    if only is None:
        raise NotTracedError
    return _object(only, within, is_nullable=is_nullable)


def source_of(function: Callable[..., Any]) -> ast.FunctionDef:
    """Return the source of a function as a tree.

    Raises NotTracedError where it is not at hand, or is not that of the code that runs.
    """
    if not isinstance(function, FunctionType) or function.__closure__:
        raise NotTracedError
    tree, codes = _module(function.__module__)
    line = function.__code__.co_firstlineno
    for node in ast.walk(tree) if function.__code__ in codes else ():
        if isinstance(node, ast.FunctionDef) and node.name == function.__name__:  # noqa: SIM102 - too long for one
            if line in {node.lineno, *(each.lineno for each in node.decorator_list)}:
                return node
    raise NotTracedError


@cache
def _module(name: str) -> tuple[ast.Module, list[CodeType]]:
    """Return the source of a module as a tree, and the code of its functions; nothing where it is not at hand."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[name]))
        codes = [compile(tree, "<mapping>", "exec", dont_inherit=True)]
    except (KeyError, OSError, TypeError, ValueError, SyntaxError):
        return ast.Module([], []), []
    for code in codes:
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
    return tree, codes
