"""The lines of a document made whole: a value that its layout broke into several lines is put together again.

Layouts break a long word where the line ends, without a hyphen. What goes on is told by the two ends: digits of a
digest that add up to one, an address that can't end there, or one that fills its line and whose rest looks like more of
it. When in doubt two lines stay two: a value that is cut is no value, while two that are joined make a wrong one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from intel_grapher.intake.suffixes import EXTENSIONS, top_level

_DIGESTS: Final = (128, 96, 64, 56, 40, 32)  # hex digits
_LEAST_PART: Final = 4  # hex digits of a part of a digest
_MOST_LINES: Final = 12  # lines of one value
_NEAR: Final = 12  # lines around one by which its column's width is judged
_FULL: Final = 0.72  # of that width: proportional type makes lines of one length differ in their number of characters

_HEX_END = re.compile(r"(?:^|[^0-9A-Za-z])([0-9A-Fa-f]{4,})$")
_HEX_START = re.compile(r"([0-9A-Fa-f]{1,})(?![0-9A-Za-z])")
_HOST_CHARS = r"[A-Za-z0-9\[\](){}.:_@-]"
_ADDRESS_END = re.compile(
    r"(?:^|[\s\"'<(|,;=])((?:[a-z][a-z0-9+.\[\]*-]{1,9}\[?:\]?//|h[tx*_]{2}ps?\[?:|www\[?\.)\S*|"
    rf"{_HOST_CHARS}+(?:\[\.\]?|\[dot\]|\(\.\)|\(dot\)|\.){_HOST_CHARS}*(?:/\S*)?)$",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(
    r"(?:\[\.?|\.|\[dot|\(|\(dot|://?|:|/|[-_=&?%~+@])$|%[0-9A-Fa-f]?$|(?:\[\.\]|\[dot\]|\(\.\))$", re.IGNORECASE
)
_GOES_ON = re.compile(r"[\]./?&=%_~+-]")
_MORE_OF_IT = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%{}-]+")
_NEW_VALUE = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,9}\[?:\]?//|h[tx*_]{2}ps?\[?:|www\[?\.|[0-9A-Fa-f]{32,}$|\d{1,3}(?:\[?\.\]?\d{1,3}){3})",
    re.IGNORECASE,
)
_MARK = re.compile(r"\[\.\]?|\[dot\]|\(\.\)|\(dot\)", re.IGNORECASE)


class WholeLine(NamedTuple):
    """A line put together: its text, and for each of its parts where it starts in the text and on the page."""

    text: str
    starts: list[int]
    offsets: list[int]

    def offset(self, column: int) -> int:
        """Return where a character of the line stands on the page."""
        part = bisect_right(self.starts, column) - 1
        return self.offsets[part] + column - self.starts[part]


def whole_lines(text: str, *, wrapped: bool) -> list[WholeLine]:
    """Return the lines of a page's text. Only where `wrapped` are broken values put together."""
    lines: list[tuple[str, int]] = []
    offset = 0
    for line in text.splitlines(keepends=True):
        stripped = line.strip()
        if stripped:
            lines.append((stripped, offset + len(line) - len(line.lstrip())))
        offset += len(line)
    if not wrapped:
        return [WholeLine(line, [0], [start]) for line, start in lines]
    found: list[WholeLine] = []
    at = 0
    while at < len(lines):
        count = _broken_digest(lines, at) or _broken_address(lines, at) or 1
        found.append(_together(lines[at : at + count]))
        at += count
    return found


def _together(lines: Sequence[tuple[str, int]]) -> WholeLine:
    starts, size = [], 0
    for line, _ in lines:
        starts.append(size)
        size += len(line)
    return WholeLine("".join(line for line, _ in lines), starts, [offset for _, offset in lines])


def _broken_digest(lines: Sequence[tuple[str, int]], at: int) -> int:
    """Return how many lines from `at` on hold one digest; 0 where its digits don't add up to one."""
    end = _HEX_END.search(lines[at][0])
    if end is None or len(end[1]) in _DIGESTS:
        return 0
    digits = end[1]
    best = 0
    for count in range(2, min(_MOST_LINES, len(lines) - at) + 1):
        line = lines[at + count - 1][0]
        start = _HEX_START.match(line)
        if start is None:
            break
        digits += start[1]
        if len(digits) in _DIGESTS and any(map(str.isdigit, digits)):
            best = count
        if start.end() < len(line) or len(digits) >= _DIGESTS[0]:
            break
    return best


def _broken_address(lines: Sequence[tuple[str, int]], at: int) -> int:
    """Return how many lines from `at` on hold one address; 0 where the next line begins something else."""
    width = max(len(line) for line, _ in lines[max(at - _NEAR, 0) : at + _NEAR])
    whole = lines[at][0]
    count = 1
    while at + count < len(lines) and count < _MOST_LINES:
        end = _ADDRESS_END.search(whole)
        following = lines[at + count][0]
        if end is None or not _continues(end[1], following, is_full=len(lines[at + count - 1][0]) >= _FULL * width):
            break
        whole += following
        count += 1
    return count if count > 1 else 0


def _continues(address: str, following: str, *, is_full: bool) -> bool:  # noqa: PLR0911 - a sign each
    """Tell whether an address at a line's end goes on in the following line."""
    more = _MORE_OF_IT.match(following)
    if more is None or following[more.end() : more.end() + 1] not in {"", " ", "\t", '"', "'", "<", ">", "|"}:
        return False
    head = more[0].rstrip(".,;:)")
    if not head or _NEW_VALUE.match(head):
        return False
    is_alone = more.end() == len(following)
    scheme, _, rest = address.rpartition("//")
    rest = rest or address
    has_path = "/" in rest or "?" in rest
    host = re.split(r"[/?]", rest, maxsplit=1)[0]
    if re.search(r"(?:\[\.?|\(|\[dot|\[\.\]|\(\.\)|\[dot\]|://?|\[:|\[:\]//)$", address, re.IGNORECASE):
        return True  # within a mark, or behind one: no name ends there
    if not has_path:
        return _completes(host, head, is_full=is_full)
    if not scheme and not _MARK.search(address) and not is_full:
        return False
    if _starts_a_name(head) and not re.search(r"[/=&?%-]$", address):
        return False
    if re.search(r"[=&?%]$|%[0-9A-Fa-f]$", address):
        return True
    if _GOES_ON.match(head):
        return is_full or is_alone
    looks_so = bool(re.search(r"[/?=&%_]", head) or (re.search(r"[0-9]", head) and re.search(r"[A-Za-z]", head)))
    ends_in_file = re.search(r"\.([a-z0-9]{2,5})$", head, re.IGNORECASE)
    looks_so = looks_so or (ends_in_file is not None and ends_in_file[1].lower() in EXTENSIONS)
    if re.search(r"[/_-]$", address):
        return looks_so or (is_alone and is_full)
    return is_full and (looks_so or (is_alone and not head.isalpha()))


def _completes(host: str, head: str, *, is_full: bool) -> bool:
    """Tell whether a name that is no whole one becomes one with the rest of it in the next line."""
    bare = _MARK.sub(".", host)
    port = re.sub(r":[0-9]*$", "", bare)
    last = port.rpartition(".")[2].lower()
    rest = _MARK.sub(".", re.split(r"[/?:]", head, maxsplit=1)[0])
    if "." not in bare or not last or last.isdigit():
        return bare.endswith((".", "-")) and is_full and bool(re.match(r"[a-z0-9-]+", head))
    if last in top_level() and not _MARK.match(head) and not head.startswith((".", "/", "?")):
        return False
    if head.startswith(("/", "?")):
        return is_full
    whole = f"{port}{rest}".rpartition(".")[2].lower()
    return is_full and whole in top_level() and (head[0].islower() or head[0] in ".[-" or head[0].isdigit())


def _starts_a_name(head: str) -> bool:
    """Tell whether what a line begins with is a host by itself: the next value of a list."""
    host = _MARK.sub(".", re.split(r"[/?:]", head, maxsplit=1)[0])
    last = host.rpartition(".")[2].lower()
    return "." in host.strip(".") and last in top_level() and (last not in EXTENSIONS or bool(_MARK.search(head)))
