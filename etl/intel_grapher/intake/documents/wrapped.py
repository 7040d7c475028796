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
_MOST_LINES: Final = 12  # lines of one value
_NEAR: Final = 12  # lines around one by which its column's width is judged
_FULL: Final = 0.72  # of that width: proportional type makes lines of one length differ in their number of characters

_HEX_END = re.compile(r"(?:^|[^0-9A-Za-z])([0-9A-Fa-f]{4,})$")
_HEX_START = re.compile(r"([0-9A-Fa-f]{1,})(?![0-9A-Za-z])")
_HOST_CHARS = r"[A-Za-z0-9\[\](){}.:_@-]"
_ADDRESS_END = re.compile(
    r"(?:^|[\s\"'<(|,;=])((?:[a-z][a-z0-9+.\[\]*-]{1,9}\[?:\]?//|h[tx*_]{2}ps?\[?:|www\[?\.)\S*|"
    r"[\w.+-]+(?:@|\[@\]|\[at\]|\(at\))[\w-]*|"
    rf"{_HOST_CHARS}+(?:\[\.\]?|\[dot\]|\(\.\)|\(dot\)|\.){_HOST_CHARS}*(?:/\S*)?)$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"[\]./?&=%_~+-]")
_MORE_OF_IT = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%{}-]+")
_NEW_VALUE = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,9}\[?:\]?//|h[tx*_]{2}ps?\[?:|www\[?\.|[0-9A-Fa-f]{32,}$|\d{1,3}(?:\[?\.\]?\d{1,3}){3})",
    re.IGNORECASE,
)
# What begins a line and is no rest of anything: an item of a list, a reference's number, a date.
_NO_REST = re.compile(r"[-*\u2022>\u2013\u2014]+(?:\s|$)|\[[0-9]{1,3}\]|[0-9]{4}-[0-9]{2}-[0-9]{2}\b|[0-9]{1,3}[.)]\s")
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
    ends: set[int] = set()  # lines behind an empty one, over which nothing goes on
    offset = 0
    for line in text.splitlines(keepends=True):
        stripped = line.strip()
        if stripped:
            lines.append((stripped, offset + len(line) - len(line.lstrip())))
        else:
            ends.add(len(lines))
        offset += len(line)
    if not wrapped:
        return [WholeLine(line, [0], [start]) for line, start in lines]
    found: list[WholeLine] = []
    at = 0
    while at < len(lines):
        whole, count = lines[at][0], 1
        width = max(len(line) for line, _ in lines[max(at - _NEAR, 0) : at + _NEAR])
        while count < _MOST_LINES and at + count < len(lines) and at + count not in ends:
            end = next((each for each in range(at + count, at + _MOST_LINES) if each in ends), at + _MOST_LINES)
            following = [line for line, _ in lines[at + count : end]]
            is_full = len(lines[at + count - 1][0]) >= _FULL * width
            more = _rest_of_digest(whole, following) or _goes_on(whole, following[0], is_full=is_full)
            if not more:
                break
            whole += "".join(following[:more])
            count += more
        found.append(_together(lines[at : at + count]))
        at += count
    return found


def _together(lines: Sequence[tuple[str, int]]) -> WholeLine:
    starts, size = [], 0
    for line, _ in lines:
        starts.append(size)
        size += len(line)
    return WholeLine("".join(line for line, _ in lines), starts, [offset for _, offset in lines])


def _rest_of_digest(whole: str, following: Sequence[str]) -> int:
    """Return how many of the following lines begin with the rest of a digest; 0 where the digits add up to none."""
    end = _HEX_END.search(whole)
    if end is None:
        return 0
    digits, best = end[1], 0
    is_one = len(digits) in _DIGESTS
    for count, line in enumerate(following, 1):
        start = _HEX_START.match(line)
        if start is None or (is_one and (count > 1 or len(start[1]) in _DIGESTS)):
            break
        digits += start[1]
        if len(digits) in _DIGESTS and any(map(str.isdigit, digits)):
            best = count
        if start.end() < len(line) or len(digits) >= _DIGESTS[0]:
            break
    return best


def _goes_on(whole: str, following: str, *, is_full: bool) -> int:
    """Return 1 where an address at a line's end goes on in the following line, else 0."""
    end = _ADDRESS_END.search(whole)
    return int(end is not None and not _NO_REST.match(following) and _continues(end[1], following, is_full=is_full))


def _continues(address: str, following: str, *, is_full: bool) -> bool:
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
        return _completes(host, head, is_full=is_full, is_begun=bool(scheme) or "@" in host)
    is_marked = bool(scheme or _MARK.search(address))
    return (is_marked or is_full) and _path_goes_on(address, head, is_full=is_full, is_alone=is_alone)


def _path_goes_on(address: str, head: str, *, is_full: bool, is_alone: bool) -> bool:
    """Tell whether a URL's path goes on with what the following line begins with; `is_alone`: nothing follows."""
    if _completes_extension(address, head):
        return True
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


def _completes_extension(address: str, head: str) -> bool:
    """Tell whether a path's last part gets the extension of a file with what follows: load.ph and p."""
    name, dot, begun = re.split(r"[/?&=]", address)[-1].rpartition(".")
    extension = f"{begun}{re.split(r'[/?&=#]', head)[0]}".lower()
    return bool(name and dot) and begun.lower() not in EXTENSIONS and extension in EXTENSIONS


def _completes(host: str, head: str, *, is_full: bool, is_begun: bool) -> bool:
    """Tell whether a name that is no whole one becomes one with the rest of it in the next line.

    `is_begun` says that something stands before the name that only stands before names: a scheme, an @.
    """
    bare = _MARK.sub(".", host)
    port = re.sub(r":[0-9]*$", "", bare)
    last = port.rpartition(".")[2].lower()
    rest = _MARK.sub(".", re.split(r"[/?:]", head, maxsplit=1)[0])
    before = bare.rstrip(".").rpartition(".")[2].lower()
    if bare.endswith(".") and not _MARK.search(host[-6:]) and (before in top_level() or before.isdigit()):
        return False  # a sentence's end
    if bare != port and head[0].isdigit() and "/" in head:
        return True  # within a port
    if "." not in bare or not last or last.isdigit():
        is_unfinished = (is_begun and "." not in bare) or (bare.endswith((".", "-")) and is_full)
        return is_unfinished and bool(re.match(r"[A-Za-z0-9.\[-]+", head))
    if last in top_level() and not _MARK.match(head) and not head.startswith((".", "/", "?")):
        return False
    if head.startswith(("/", "?")):
        return is_full
    whole = f"{port}{rest}".rpartition(".")[2].lower()
    is_sure = is_full or "." in rest or is_begun
    return is_sure and whole in top_level() and (head[0].islower() or head[0] in ".[-" or head[0].isdigit())


def _starts_a_name(head: str) -> bool:
    """Tell whether what a line begins with is a host by itself: the next value of a list."""
    host = _MARK.sub(".", re.split(r"[/?:]", head, maxsplit=1)[0])
    last = host.rpartition(".")[2].lower()
    return "." in host.strip(".") and last in top_level() and (last not in EXTENSIONS or bool(_MARK.search(head)))
