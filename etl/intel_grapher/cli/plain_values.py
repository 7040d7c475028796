"""Values of options and arguments, converted here where they are plain.

Typer's own converter imports pydantic, which takes 0.08 s of CPU, 0.2 on a busy machine: a fifth of `show`.

What is not plain, a faulty value above all, is left to that converter. So values and messages are the same.
"""

from __future__ import annotations

import os
import re
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from typer.models import ParameterInfo

_UNCLEAR: Final = object()
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,14}", re.ASCII)
_DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?", re.ASCII)
_BESIDE: Final = ("parser", "exists", "writable", "resolve_path", "allow_dash", "path_type", "clamp")
"""What of a declaration makes a conversion more than plain."""


class PlainFirst:
    """Converts the values of one parameter; it takes the place of Typer's converter, which it asks where it must."""

    def __init__(self, parameter: Any) -> None:  # noqa: ANN401 - typer's own click
        self._typers = partial(type(parameter).get_runtime_param, parameter)
        self._annotation = parameter.type_descriptor.annotation
        self._info: ParameterInfo = parameter.type_descriptor.parameter_info

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ANN401 - typer's own click
        """Return the value as the command takes it. Raises what Typer does."""
        is_list = param.multiple or param.nargs == -1
        if value is None:
            return () if is_list else None
        found = _UNCLEAR if is_list and isinstance(value, str) else _plain(value, self._annotation, self._info)
        return self._typers().coerce(value, param=param, ctx=ctx) if found is _UNCLEAR else found


def convert_plainly(command: Any) -> None:  # noqa: ANN401 - typer's own click
    """Convert the values of a command's parameters here where they are plain; of those of --help, too."""
    get_params = command.get_params

    def get_converted(ctx: Any) -> Any:  # noqa: ANN401 - typer's own click
        parameters = get_params(ctx)
        for each in parameters:
            if not hasattr(getattr(each, "type_descriptor", None), "parameter_info"):
                continue  # a later Typer converts in another way
            vars(each).setdefault("get_runtime_param", partial(PlainFirst, each))
        return parameters

    command.get_params = get_converted


def _plain(value: Any, annotation: Any, info: ParameterInfo) -> Any:  # noqa: ANN401, PLR0911 - any value; one line a type
    """Return a value as an annotation has it; _UNCLEAR where that takes more than a look."""
    if any(getattr(info, name, None) for name in _BESIDE) or not (info.file_okay and info.dir_okay and info.readable):
        return _UNCLEAR
    if get_origin(annotation) is list and isinstance(value, list | tuple):
        items = [_plain(item, get_args(annotation)[0], info) for item in value]
        return _UNCLEAR if any(item is _UNCLEAR for item in items) else items
    if annotation is bool and isinstance(value, bool):
        return value
    if annotation is str and isinstance(value, str) and _is_unicode(value):
        return value
    if annotation is Path and isinstance(value, str | Path) and _is_unicode(str(value)):
        return Path(value) if _may_be_read(value) else _UNCLEAR
    if annotation is int and not isinstance(value, bool) and (isinstance(value, int) or _matches(_INTEGER, value)):
        return _within(int(value), info)
    if annotation is float and (isinstance(value, float) or _matches(_DECIMAL, value)):
        return _within(float(value), info)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _member(value, annotation, info)
    if get_origin(annotation) is Literal and info.case_sensitive and isinstance(value, str):
        return value if value in get_args(annotation) else _UNCLEAR
    return _UNCLEAR


def _member(value: Any, annotation: type[Enum], info: ParameterInfo) -> Any:  # noqa: ANN401 - any value
    """Return the member of an enumeration that has a value, or is it; _UNCLEAR where none is."""
    named = {each.value: each for each in annotation} if info.case_sensitive else {}
    return value if isinstance(value, annotation) else named.get(value, _UNCLEAR)


def _within(number: float, info: ParameterInfo) -> Any:  # noqa: ANN401 - the number, or _UNCLEAR
    least_kept = info.min is None or number >= info.min
    most_kept = info.max is None or number <= info.max
    return number if least_kept and most_kept else _UNCLEAR


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_unicode(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _may_be_read(path: str | Path) -> bool:
    """Tell whether a path may be read, or nothing is there."""
    return os.access(path, os.R_OK) or not os.path.lexists(path)
