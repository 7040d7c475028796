"""Every way in which services write a date becomes UTC seconds with its precision.

A moment without a time zone is read as UTC, which is what the services that leave it out mean. A date without a time
is its midnight, UTC. Nothing here looks at the clock (`named` is told the time), so that the same replies always give
the same graph.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any, Literal, NamedTuple

from intel_grapher.errors import BadValue

Precision = Literal["day", "minute", "second"]


class Moment(NamedTuple):
    """A moment: epoch seconds, UTC, and how exact it is."""

    seconds: int
    precision: Precision


AGES = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Seconds of each unit of an age, such as 7d."""
MOMENTS = frozenset({"as_of", "done_at", "failed_at", "held_until", "opens", "until"})
"""Members of documents that are epoch seconds in the library."""
EARLIEST = 315_532_800  # 1980-01-01T00:00:00Z
LATEST = 4_102_444_800  # 2100-01-01T00:00:00Z, included

_MINUTE = 60
_HOUR = 3600
_DAY = 86_400
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MILLISECONDS_FROM = 10**11  # as seconds this would be the year 5138
_LONGEST = 64
_DAY_LENGTH = len("2021-03-05")
_SECOND_LENGTH = len("2021-03-05 10:11:12")

_AGE = re.compile(rf"([0-9]{{1,9}})([{''.join(AGES)}])")
_DAYS_AGO = {"today": 0, "yesterday": 1}
_PLACEHOLDERS = frozenset({"", "-", "--", "0", "none", "null", "nil", "n/a", "unknown", "not available"})
_ZEROS = re.compile(r"[0:./\-TZ +]+", re.IGNORECASE | re.ASCII)
_ZERO_YEAR = re.compile(r"0001-01-01")  # what a zero moment is in Go and .NET
_NUMBER = re.compile(r"-?[0-9]{9,15}(?:\.[0-9]+)?")
_UTC_TAIL = re.compile(r"(?:\.[0-9]{1,9})?(?:Z|\+00:00| UTC)?")
_CLOCK = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]+)?)?"
_ISO = re.compile(rf"([0-9]{{4}})([-/.:])([0-9]{{1,2}})\2([0-9]{{1,2}})(?:(?:T|\s+){_CLOCK})?\s*(.*)", re.IGNORECASE)
_PACKED = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T?([0-9]{2})([0-9]{2})([0-9]{2})(?:[.,][0-9]+)?)?([A-Z]?|[+-].*)", re.IGNORECASE
)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])([0-9]{1,2}):?([0-9]{2})?", re.IGNORECASE)
# Hours east of UTC; those of RFC 2822, and Japan's, which its whois writes. Others mean several things.
_ZONES = {
    "": 0, "z": 0, "utc": 0, "gmt": 0, "ut": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6,
    "pst": -8, "pdt": -7, "jst": 9,
}  # fmt: skip
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
            "sep sept september", "oct october", "nov november", "dec december",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
# The forms with a month's name or with day and month first; all in lower case, all with the same groups.
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[.,]?\s+)?"
_MONTH = r"(?P<month>[a-z]{3,9})\.?"
_DAY_OF_MONTH = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>[0-9]{4}|[0-9]{2})"
_TIME = r"(?P<clock>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)(?:\s?(?P<half>[ap]m))?"
_ZONE = r"(?P<zone>.*)"
_NUMERIC = r"(?P<first>[0-9]{1,2})(?P<separator>[-/.])(?P<second>[0-9]{1,2})(?P=separator)(?P<year>[0-9]{4})"
_WORDED = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_WEEKDAY}{_DAY_OF_MONTH}[-/.\s]\s*{_MONTH}[-/,\s]\s*{_YEAR}(?:,?\s+{_TIME})?(?:\s*|\s+{_ZONE})",
        rf"{_WEEKDAY}{_MONTH}[-\s]\s*{_DAY_OF_MONTH}[-,\s]\s*{_YEAR}(?:,?\s+{_TIME})?(?:\s*|\s+{_ZONE})",
        rf"{_WEEKDAY}{_MONTH}\s+{_DAY_OF_MONTH}\s+{_TIME}\s+{_YEAR}(?:\s*|\s+{_ZONE})",
        rf"{_WEEKDAY}{_MONTH}\s+{_DAY_OF_MONTH}\s+{_TIME}\s+{_ZONE}\s+{_YEAR}",
        rf"(?P<year>[0-9]{{4}})-{_MONTH}-{_DAY_OF_MONTH}(?:\s+{_TIME})?(?:\s*|\s+{_ZONE})",
        rf"{_NUMERIC}(?:,?\s+{_TIME})?(?:\s*|\s+{_ZONE})",
        rf"{_TIME}\s+{_NUMERIC}(?:\s*|\s+{_ZONE})",
    )
)
_COMMENT = re.compile(r"(?<=[a-z0-9])\s*\([^()]*\)\Z|(?<=[0-9])\s+[a-z]{3,5}\Z")  # "+0000 (UTC)", Go's "+0000 UTC"
# YYYYMMDDNN, as serial numbers of zones are written: as seconds it would be a day in 2033 to 2036.
_SERIAL = re.compile(r"(?:19[89]|20[0-9])[0-9](?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{2}")
_MONTHS_A_YEAR = 12
_HALF_DAY = 12


def parse(raw: str | float) -> Moment:
    """Return the moment that a service's date means.

    Known are epoch seconds and milliseconds (as number or digits), ISO 8601 and its kin (2021-03-05, 2021/03/05,
    "2021-03-05 10:11", fractions, Z, offsets, "… UTC"), ASN.1 (20220606094212Z), RFC 2822, Twitter's
    "Sat Jul 13 05:33:14 +0000 2019", whois's 05-Mar-2021, "March 5, 2021" and 05.03.2021 (with dots the day is first).
    Fractions of a second are cut. Raises BadValue: "placeholder date", "a date out of range" (before 1980 or after
    2100-01-01), "an ambiguous date" (05/03/2021, 05-Mar-21, 2021030501), "an unknown time zone" or "not a date".
    """
    if isinstance(raw, str):
        return _short_way(raw) or _checked(_from_text(raw.strip()))
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise BadValue("not a date")
    return _checked(Moment(_from_number(raw), "second"))


def named(raw: str, now: float) -> int:
    """Return the moment that a person names, in epoch seconds; `now` is the present one.

    Known are `now`; `today` and `yesterday`, which are their midnight (UTC); an age such as 30m, 12h, 7d or 2w, which
    is that long ago; and every date that `parse` reads. Raises BadValue as `parse` does.
    """
    word = raw.strip().lower().removesuffix(" ago")
    if word in _DAYS_AGO:
        return (int(now) // _DAY - _DAYS_AGO[word]) * _DAY
    if word == "now":
        return int(now)
    if match := _AGE.fullmatch(word):
        return _checked(Moment(int(now) - int(match[1]) * AGES[match[2]], "second")).seconds
    return parse(raw).seconds


def text(seconds: int) -> str:
    """Return epoch seconds as YYYY-MM-DDTHH:MM:SSZ; BadValue("a date out of range") outside the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()[:_SECOND_LENGTH] + "Z"
    except (ValueError, OverflowError, OSError):
        raise BadValue("a date out of range") from None


def dated(value: object) -> Any:  # noqa: ANN401 - whatever JSON has
    """Return a value as JSON has it, with the moments in it (MOMENTS) in ISO 8601; null for those that are not set."""
    import msgspec  # noqa: PLC0415 - the help and a typo on the command line go without it

    return _dated(msgspec.to_builtins(value, enc_hook=str))


def _dated(value: Any) -> Any:  # noqa: ANN401 - whatever JSON has
    if isinstance(value, list):
        return [_dated(item) for item in value]
    if isinstance(value, dict):
        return {name: _dated_moment(item) if name in MOMENTS else _dated(item) for name, item in value.items()}
    return value


def _dated_moment(value: Any) -> Any:  # noqa: ANN401 - a number, or what is no moment after all
    return (text(int(value)) if value else None) if isinstance(value, int | float) else value


def _short_way(raw: str) -> Moment | None:
    """Return the moment of YYYY-MM-DD, or of YYYY-MM-DD HH:MM:SS and its like in UTC, as most are; else None."""
    if len(raw) > _SECOND_LENGTH and _UTC_TAIL.fullmatch(raw, _SECOND_LENGTH):
        raw = raw[:_SECOND_LENGTH]
    length = len(raw)
    if length not in {_DAY_LENGTH, _SECOND_LENGTH} or raw[4] != "-" or raw[7] != "-" or not raw.isascii():
        return None
    try:
        if length == _DAY_LENGTH:
            found = Moment((date.fromisoformat(raw).toordinal() - _EPOCH_DAY) * _DAY, "day")
        elif raw[13] == raw[16] == ":" and raw[10] in " T":
            moment = datetime.fromisoformat(raw)
            clock = moment.hour * _HOUR + moment.minute * _MINUTE + moment.second
            found = Moment((moment.toordinal() - _EPOCH_DAY) * _DAY + clock, "second")
        else:
            return None
    except ValueError:
        return None  # 0000-00-00, 24:00:00 and a leap second take the long way
    return found if EARLIEST <= found.seconds <= LATEST else None


def _checked(moment: Moment) -> Moment:
    if moment.seconds == 0:
        raise BadValue("placeholder date")
    if not EARLIEST <= moment.seconds <= LATEST:
        raise BadValue("a date out of range")
    return moment


def _from_number(number: float) -> int:
    """Return epoch seconds; from 10^11 on the number is read as milliseconds."""
    try:
        return int(number // 1000 if number > _MILLISECONDS_FROM else number // 1)
    except (ValueError, OverflowError):  # nan, infinity
        raise BadValue("not a date") from None


def _from_text(value: str) -> Moment:
    folded = value.lower()
    if folded in _PLACEHOLDERS or _ZERO_YEAR.match(value) or (_ZEROS.fullmatch(value) and "0" in value):
        raise BadValue("placeholder date")
    if len(value) > _LONGEST:
        raise BadValue("not a date")
    if _SERIAL.fullmatch(value):
        raise BadValue("an ambiguous date")
    if _NUMBER.fullmatch(value) and not _PACKED.fullmatch(value):
        return Moment(_from_number(int(value.partition(".")[0])), "second")
    if match := _ISO.fullmatch(value):
        year, _, month, day, hour, minute, second, zone = match.groups()
        return _moment((year, month, day), (hour, minute, second), zone)
    if match := _PACKED.fullmatch(value):
        year, month, day, hour, minute, second, zone = match.groups()
        return _moment((year, month, day), (hour, minute, second), zone)
    return _from_words(folded)


def _from_words(value: str) -> Moment:
    match = next(filter(None, (form.fullmatch(value) for form in _WORDED)), None)
    if match is None:
        raise BadValue("not a date")
    parts = match.groupdict()
    if "first" in parts:
        day, month = _day_and_month(parts["first"], parts["second"], parts["separator"])
    elif parts["month"] in _MONTHS:
        day, month = parts["day"], str(_MONTHS[parts["month"]])
    else:
        raise BadValue("not a date")
    if len(parts["year"]) < len("2021"):
        raise BadValue("an ambiguous date")
    hour, minute, second = (*(parts["clock"] or "").partition(".")[0].split(":"), None, None)[:3]
    if parts["half"]:
        hour = _hour_of_day(hour or "", parts["half"])
    return _moment((parts["year"], month, day), (hour or None, minute, second), parts["zone"] or "")


def _day_and_month(first: str, second: str, separator: str) -> tuple[str, str]:
    """Return day and month of 05.03.2021, which is always so, or of 25/03/2021, where only one reading is possible."""
    if separator == "." or int(first) > _MONTHS_A_YEAR or int(first) == int(second):
        return first, second
    if int(second) > _MONTHS_A_YEAR:
        return second, first
    raise BadValue("an ambiguous date")


def _hour_of_day(hour: str, half: str) -> str:
    if not 1 <= int(hour) <= _HALF_DAY:
        raise BadValue("not a date")
    return str(int(hour) % _HALF_DAY + (_HALF_DAY if half == "pm" else 0))


def _moment(day: tuple[str, str, str], clock: tuple[str | None, str | None, str | None], zone: str) -> Moment:
    """Return the moment of a year, month and day, an hour, minute and second (None where unsaid) and a zone."""
    try:
        midnight = (date(*map(int, day)).toordinal() - _EPOCH_DAY) * _DAY
    except ValueError:
        raise BadValue("not a date") from None
    offset = _offset(zone)
    if clock[0] is None:
        return Moment(midnight, "day")
    hour, minute, second = (int(each or 0) for each in clock)
    # A leap second is the next minute's first, 24:00:00 the next day's; nothing else lies beyond the dial.
    if minute >= _MINUTE or second > _MINUTE or hour * _HOUR + minute * _MINUTE + second > _DAY:
        raise BadValue("not a date")
    since_midnight = hour * _HOUR + minute * _MINUTE + second
    return Moment(midnight + since_midnight - offset, "minute" if clock[2] is None else "second")


def _offset(zone: str) -> int:
    """Return the seconds east of UTC that a zone means."""
    zone = _COMMENT.sub("", zone.strip().lower()).strip("()")
    if zone in _ZONES:
        return _ZONES[zone] * _HOUR
    match = _OFFSET.fullmatch(zone)
    if match is None:
        raise BadValue("an unknown time zone" if zone.isalpha() else "not a date")
    seconds = int(match[2]) * _HOUR + int(match[3] or 0) * _MINUTE
    if seconds >= _DAY:
        raise BadValue("not a date")
    return -seconds if match[1] == "-" else seconds
