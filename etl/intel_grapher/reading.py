"""How one raw reply is read: typed, with its faulty members set aside one by one.

What a reply takes of memory once it is read is bounded: each object, value and line takes some, however short it is.
"""

from __future__ import annotations

import codecs
import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from intel_grapher import intake
from intel_grapher.errors import BadValue
from intel_grapher.source import Endpoint

MAX_TURNS = 200
MAX_WHOLE = 50
MAX_TRIALS = 500
MAX_FAULTS = 10_000
SHOWN = 200
FEW = 1 << 20  # bytes: a reply that is not larger can't have too many of anything
MAX_OBJECTS = 1_000_000  # in one reply
MAX_VALUES = 4_000_000
MAX_LINES = 2_000_000
MAX_WORDS = 8_000_000
_LINE_ENDS = b"\n\r\v\f\x1c\x1d\x1e"  # of str.splitlines, and those of more than one byte
_WORD_ENDS = b" \t,;|"
_LONG_LINE_ENDS = (b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
WRONG_TYPE = "wrong type"
_MISSING = "missing required field"
_NULL = ""  # a member that is null, or an empty list or object, says nothing, and is no fault
_AT = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_EXPECTED = re.compile("Expected `([^`]*)`, got")
_STEP = re.compile(r"\.(?P<member>[^.\[]+)|\[(?P<index>\d+)\]|(?P<any>\[\.\.\.\])")


class Fault(NamedTuple):
    """Something in a reply that can't be part of a fact: where it is, what it is, and why not.

    It stands for `more` of its kind, where a list has more than MAX_FAULTS of them.
    """

    path: str
    value: str
    reason: str
    more: int = 0


def read(endpoint: Endpoint, content: bytes | msgspec.Raw) -> tuple[Any, list[Fault]]:
    """Return the typed reply and what had to be left out of it, a member or list item each.

    BadValue tells why the reply as a whole can't be read: it is empty, not JSON, or not of the declared shape.
    """
    if endpoint.format == "text":
        return msgspec.convert(_text(endpoint, content), endpoint.reply), []
    content = _as_json(endpoint, content)
    try:
        return endpoint.decoder.decode(content), []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _prune(endpoint.reply, _decoded(content))


def plain(endpoint: Endpoint, content: bytes | msgspec.Raw) -> Any:  # noqa: ANN401 - a reply may be anything
    """Return a reply as plain JSON values, a text as its lines; BadValue tells why it can't be read."""
    return _text(endpoint, content).splitlines() if endpoint.format == "text" else _decoded(_as_json(endpoint, content))


def _decoded(content: bytes | msgspec.Raw) -> Any:  # noqa: ANN401 - a reply may be anything
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    whole = bytes(content)
    if not whole.strip():
        raise BadValue("an empty body")
    try:
        return msgspec.json.decode(_mended(whole))
    except (ValueError, RecursionError) as wrong:
        raise BadValue("not JSON") from wrong


def _mended(content: bytes) -> bytes:
    """Return JSON that only Python's reader takes as all do: after a byte order mark, with halves of characters."""
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return json.dumps(json.loads(content.decode(encoding)), ensure_ascii=False).encode("utf-8", "replace")


def _as_json(endpoint: Endpoint, content: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
    """Return a reply in the format "lines" as one JSON value, one in JSON as it is. No line is a list of nothing."""
    if endpoint.prepare is not None:
        content = endpoint.prepare(bytes(content))
    if len(content) > FEW:
        whole = bytes(content)
        _refuse_many(whole.count(b"{"), MAX_OBJECTS, "objects")
        _refuse_many(whole.count(b",") + whole.count(b"["), MAX_VALUES, "values")
    if endpoint.format == "lines":
        return b"[" + b",".join(line for line in bytes(content).splitlines() if line.strip()) + b"]"
    return content.removeprefix(BOM_UTF8) if isinstance(content, bytes) else content


def _text(endpoint: Endpoint, content: bytes | msgspec.Raw) -> str:
    """Return a reply in the format "text"."""
    whole = bytes(content) if endpoint.prepare is None else endpoint.prepare(bytes(content))
    if not whole.strip():
        raise BadValue("an empty body")
    if len(whole) > FEW:
        ends = len(whole) - len(whole.translate(None, _LINE_ENDS))
        _refuse_many(ends + sum(map(whole.count, _LONG_LINE_ENDS)), MAX_LINES, "lines")
        _refuse_many(len(whole) - len(whole.translate(None, _WORD_ENDS)), MAX_WORDS, "words")
    return intake.decoded(whole)


def _refuse_many(found: int, most: int, of: str) -> None:
    if found > most:
        raise BadValue(f"more than {most:,} {of}")


def _prune(type_: Any, reply: Any) -> tuple[Any, list[Fault]]:  # noqa: ANN401 - a reply may be anything
    """Convert a decoded reply, taking out what the type refuses, until the rest fits.

    Where that is too much one by one, the member of the reply that has the fault goes as a whole.
    """
    faults: list[Fault] = []
    kept: dict[int, list[int]] = {}  # for each list that lost items: the original places of those left
    trials = 0

    def refused() -> str:
        nonlocal trials
        trials += 1
        if trials > MAX_TRIALS:
            raise BadValue("wrong shape")
        try:
            msgspec.convert(reply, type_, strict=False)
        except msgspec.ValidationError as wrong:
            return str(wrong)
        return ""

    for turn in range(MAX_TURNS + MAX_WHOLE):
        try:
            return msgspec.convert(reply, type_, strict=False), faults
        except msgspec.ValidationError as wrong:
            message = str(wrong)
        found = _take_out(reply, message, kept, refused, whole=turn >= MAX_TURNS)
        if not found:
            continue
        beneath = faults[-1].path.startswith(found[0].path + ".") if faults else False
        if not (beneath and _MISSING in message):  # an object that lost a member it can't be without
            faults += [fault for fault in found if fault.value != _NULL]
    raise BadValue("wrong shape")


def _take_out(
    reply: Any,  # noqa: ANN401 - a reply may be anything
    message: str,
    kept: dict[int, list[int]],
    refused: Callable[[], str],
    *,
    whole: bool,
) -> list[Fault]:
    """Delete the member or item that msgspec's message points at; return it with its path in the original reply.

    Where another value is meant, that takes its place, and nothing is returned. Of a list, all items of a wrong JSON
    type go at once (texts do not: some may be read as numbers).
    """
    at = _AT.fullmatch(message)
    inside, place, path, above = None, None, "$", "$"
    here = reply
    for step in _STEP.finditer((at["path"] if at else None) or ""):
        member = _faulty(here, message, refused) if step["any"] else step["member"]
        inside, place, above = here, member if step["index"] is None else int(step["index"]), path
        original = kept[id(here)][place] if isinstance(place, int) and id(here) in kept else place
        path += f"[{original}]" if isinstance(place, int) else f".{shown(place)}"
        try:
            here = here[place]
        except (KeyError, IndexError, TypeError):  # a renamed member, or one with a dot in its name
            break
        if whole:
            break
    if inside is not None and not whole and (meant := _as_meant(here, message)) is not None:
        if isinstance(inside, list):
            inside[:] = [each if (instead := _as_meant(each, message)) is None else instead for each in inside]
        else:
            inside[place] = meant
        return []
    if isinstance(inside, list) and isinstance(place, int):
        originals = kept.setdefault(id(inside), list(range(len(inside))))
        alike = message.startswith("Expected `") and not isinstance(here, str)
        if not alike:
            del inside[place]
            return [Fault(f"{above}[{originals.pop(place)}]", shown(here), WRONG_TYPE)]
        out = [each for each, item in enumerate(inside) if type(item) is type(here)]
        found = [Fault(f"{above}[{originals[each]}]", shown(inside[each]), WRONG_TYPE) for each in out[:MAX_FAULTS]]
        found[-1] = found[-1]._replace(more=len(out) - len(found))
        gone = set(out)
        inside[:] = [item for each, item in enumerate(inside) if each not in gone]
        originals[:] = [original for each, original in enumerate(originals) if each not in gone]
        return found
    if isinstance(inside, dict) and place in inside:
        value = inside.pop(place)
        return [Fault(path, _NULL if value is None or value in ([], {}) else shown(value), WRONG_TYPE)]
    raise BadValue("wrong shape")


def _as_meant(value: object, message: str) -> list[Any] | str | None:
    """Return the value that one of a wrong type means: the list that PHP writes as {"0": …}, a number's digits.

    0 is a number, and as a text rather nothing.
    """
    expected = _EXPECTED.match(message)
    wanted = expected[1].split(" | ") if expected else []
    if "array" in wanted and isinstance(value, dict) and all(map(str.isdecimal, value)):
        return list(value.values())
    if "str" in wanted and isinstance(value, int) and not isinstance(value, bool) and value:
        return str(value)
    return None


def _faulty(among: dict[str, Any], message: str, refused: Callable[[], str]) -> str:
    """Return which member of an object with names of its own is meant: the message does not tell, so each is tried."""
    members = dict(among)
    try:
        for name, member in members.items():
            among.clear()
            among[name] = member
            if refused() == message:
                return name
    finally:
        among.clear()
        among.update(members)
    raise BadValue("wrong shape")


def shown(value: object) -> str:
    """Return a value as it is listed among the rejects: text as it is, else JSON, cut to a length one can read."""
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
