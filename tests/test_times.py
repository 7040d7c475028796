"""Dates become UTC seconds with their precision; whatever is none is refused with a reason, and with nothing else."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import FIXTURES

from intel_grapher import times
from intel_grapher.errors import BadValue

thorough = settings(max_examples=300, deadline=None)


def refused(raw: str | float) -> str:
    with pytest.raises(BadValue) as bad:
        times.parse(raw)
    return bad.value.reason


@pytest.mark.parametrize(
    ("raw", "moment", "precision"),
    [
        ("2021-03-05", "2021-03-05T00:00:00Z", "day"),
        (" 2021-03-05\r", "2021-03-05T00:00:00Z", "day"),
        ("2021-03-05Z", "2021-03-05T00:00:00Z", "day"),
        ("2021/03/05", "2021-03-05T00:00:00Z", "day"),
        ("2021.03.05", "2021-03-05T00:00:00Z", "day"),
        ("2021-3-5", "2021-03-05T00:00:00Z", "day"),
        ("20210305", "2021-03-05T00:00:00Z", "day"),
        ("05-Mar-2021", "2021-03-05T00:00:00Z", "day"),
        ("2021-mar-05", "2021-03-05T00:00:00Z", "day"),
        ("March 5 2021", "2021-03-05T00:00:00Z", "day"),
        ("March 5, 2021", "2021-03-05T00:00:00Z", "day"),
        ("5th March 2021", "2021-03-05T00:00:00Z", "day"),
        ("05.03.2021", "2021-03-05T00:00:00Z", "day"),
        ("25/03/2021", "2021-03-25T00:00:00Z", "day"),
        ("03/25/2021", "2021-03-25T00:00:00Z", "day"),
        ("03/03/2021", "2021-03-03T00:00:00Z", "day"),
        ("2024-02-29", "2024-02-29T00:00:00Z", "day"),
        ("2021-03-05 10:11", "2021-03-05T10:11:00Z", "minute"),
        ("2021-03-05T10:11+02:00", "2021-03-05T08:11:00Z", "minute"),
        ("9:37 PM 5/22/2019", "2019-05-22T21:37:00Z", "minute"),
        ("12:00 AM 12/24/2003", "2003-12-24T00:00:00Z", "minute"),
        ("2021-03-05 10:11:12", "2021-03-05T10:11:12Z", "second"),
        ("2021-03-05T10:11:12", "2021-03-05T10:11:12Z", "second"),
        ("2021-03-05T10:11:12Z", "2021-03-05T10:11:12Z", "second"),
        ("2021-03-05T10:11:12.999Z", "2021-03-05T10:11:12Z", "second"),
        ("2021-03-05T10:11:12.123456", "2021-03-05T10:11:12Z", "second"),
        ("2021-03-05T10:11:12.123456+02:00", "2021-03-05T08:11:12Z", "second"),
        ("2021-03-05T10:11:12-0530", "2021-03-05T15:41:12Z", "second"),
        ("2021-03-05 10:11:12 +02", "2021-03-05T08:11:12Z", "second"),
        ("2022-01-02 01:44:00 UTC", "2022-01-02T01:44:00Z", "second"),
        ("2021/03/05 01:05:09 (JST)", "2021-03-04T16:05:09Z", "second"),
        ("2019:10:10 01:16:16+02:00", "2019-10-09T23:16:16Z", "second"),
        ("20220606094212Z", "2022-06-06T09:42:12Z", "second"),
        ("20220606094212", "2022-06-06T09:42:12Z", "second"),
        ("20220606T094212Z", "2022-06-06T09:42:12Z", "second"),
        ("Sat Jul 13 05:33:14 +0000 2019", "2019-07-13T05:33:14Z", "second"),
        ("Fri, 05 Mar 2021 10:11:12 GMT", "2021-03-05T10:11:12Z", "second"),
        ("5 Mar 2021 10:11:12 -0500 (EST)", "2021-03-05T15:11:12Z", "second"),
        ("Fri Mar  5 10:11:12 UTC 2021", "2021-03-05T10:11:12Z", "second"),
        ("Jun  6 09:42:12 2022 GMT", "2022-06-06T09:42:12Z", "second"),
        ("05-Mar-2021 10:11:12 UTC", "2021-03-05T10:11:12Z", "second"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", "second"),
        ("2021-03-05 24:00:00", "2021-03-06T00:00:00Z", "second"),
        (1622888811, "2021-06-05T10:26:51Z", "second"),
        (1622888811.9, "2021-06-05T10:26:51Z", "second"),
        (1622888811123, "2021-06-05T10:26:51Z", "second"),
        ("1622888811", "2021-06-05T10:26:51Z", "second"),
        ("1622888811.25", "2021-06-05T10:26:51Z", "second"),
        ("1622888811123", "2021-06-05T10:26:51Z", "second"),
        ("1980-01-01", "1980-01-01T00:00:00Z", "day"),
        ("2100-01-01", "2100-01-01T00:00:00Z", "day"),
        ("2021-03-05 10:11:12.123 +0000 UTC", "2021-03-05T10:11:12Z", "second"),  # as Go writes it
        ("2021-03-05 10:11:12 -0700 MST", "2021-03-05T17:11:12Z", "second"),
    ],
)
def test_date_is_read(raw: str | float, moment: str, precision: str) -> None:
    seconds, exact = times.parse(raw)
    assert (times.text(seconds), exact) == (moment, precision)


@pytest.mark.parametrize(
    ("reason", "dates"),
    [
        ("placeholder date", ["0000-00-00", "0000-00-00 00:00:00", "", " ", "-", "0", 0, 0.0, "None", "null", "N/A"]),
        ("placeholder date", ["1970-01-01", "1970-01-01T00:00:00.000000+0000", "0001-01-01T00:00:00Z"]),
        ("a date out of range", ["1979-12-31", "2100-01-02", "9999-12-31", -1, 1, 10**400, 1e300, "4246907690"]),
        ("an ambiguous date", ["2021030501", "05/03/2021", "5-3-2021", "9:37 PM 5/2/2019", "05-Mar-21"]),
        ("an unknown time zone", ["2021-03-05 10:11:12 CLST", "05-Mar-2021 10:11:12 XYZ"]),
        ("not a date", [True, False, float("nan"), float("inf"), float("-inf"), "nan", "1e9", "9" * 5000]),
        ("not a date", ["2021-02-29", "2021-13-01", "32 March 2021", "5 Mai 2021", "1999", "May", "2021-W01-1"]),
        ("not a date", ["2021-03-05 25:00:00", "2021-03-05 24:00:01", "2021-03-05x10:11:12"]),
        ("not a date", ["2021-03-05 10:60:00", "13:00 PM 5/22/2019"]),
        ("not a date", ["2021-03-05T10:11:12+99:00", "2014-01-15T05: 49: 56.283713", "2021-03-05" + " " * 100 + "x"]),
        ("not a date", ["before Aug-1996", "2014.3.20.0", "20686526", "190411-00", "\u0662\u0660\u0662\u0661-03-05"]),
        ("not a date", ["2019-01-02T10:00:00Z | 2019-01-03T10:00:00Z"]),
    ],
)
def test_what_is_no_date_is_refused(reason: str, dates: list[str | float]) -> None:
    for raw in dates:
        assert refused(raw) == reason, raw


@pytest.mark.parametrize("seconds", [10**18, -(10**18), 253402300800])
def test_a_moment_beyond_the_calendar_has_no_text(seconds: int) -> None:
    with pytest.raises(BadValue):
        times.text(seconds)


SERIAL = re.compile("(19[89]|20.).(0[1-9]|1[0-2])(0[1-9]|[12].|3[01])..")
"""A day with two digits more: as seconds it would be in 2033 to 2036, so it is ambiguous."""
moments = st.integers(times.EARLIEST, times.LATEST)
FRAGMENTS = [
    *"0129-/.:,+ TZ()\t\n\x00\u0661\u00a0\ud800",
    *("2021", "1999", "03", "31", "Mar", "march", "Sat", "UTC", "GMT", "+0000", "-0530", "AM", "pm", "th", "10:11:12"),
    *("2021-03-05", "20210305", "1622888811", "000", "e9", "nan", "inf", "05/03/", ".5", "24:00:00", "23:59:60"),
]
nasty = st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS), max_size=9).map("".join))


@thorough
@given(moments)
def test_text_and_parse_are_each_others_reverse(seconds: int) -> None:
    assert times.parse(times.text(seconds)) == (seconds, "second")


@thorough
@given(moments, st.integers(-14 * 60, 14 * 60))
def test_all_spellings_of_a_moment_meet(seconds: int, offset: int) -> None:
    utc = datetime.fromtimestamp(seconds, UTC)
    there = utc.astimezone(timezone(timedelta(minutes=offset)))
    spellings: list[str | float] = [
        seconds,
        float(seconds),
        *([] if SERIAL.fullmatch(str(seconds)) else [str(seconds)]),
        seconds * 1000 + 999,
        there.isoformat(),
        there.strftime("%Y-%m-%d %H:%M:%S %z"),
        there.strftime("%a %b %d %H:%M:%S %z %Y"),
        format_datetime(there),
        utc.strftime("%Y%m%d%H%M%SZ"),
        utc.strftime("%Y-%m-%d %H:%M:%S UTC"),
        utc.strftime("%Y-%m-%dT%H:%M:%S.123456"),
        utc.strftime("%d-%b-%Y %H:%M:%S"),
        utc.strftime("%B %d, %Y %H:%M:%S GMT"),
    ]
    for spelling in spellings:
        assert times.parse(spelling) == (seconds, "second"), spelling
    day = utc.replace(hour=0, minute=0, second=0)
    for form in ("%Y-%m-%d", "%Y%m%d", "%Y.%m.%d", "%d-%b-%Y", "%d %B %Y", "%d.%m.%Y"):
        assert times.parse(day.strftime(form)) == (int(day.timestamp()), "day"), form


@thorough
@given(st.one_of(nasty, st.integers(), st.floats(), st.booleans(), st.from_regex(r"[0-9]{1,20}(\.[0-9]*)?")))
def test_anything_is_refused_or_a_moment_in_range(raw: str | float) -> None:
    try:
        moment = times.parse(raw)
    except BadValue:
        return
    assert type(moment.seconds) is int
    assert times.EARLIEST <= moment.seconds <= times.LATEST
    assert times.parse(moment.seconds).seconds == moment.seconds
    assert times.parse(times.text(moment.seconds)).seconds == moment.seconds
    assert moment.precision in {"day", "minute", "second"}
    assert moment.precision != "day" or moment.seconds % 86_400 == 0


# --- real replies -----------------------------------------------------------------------------------------------------

# What services call their dates, and the few that are none.
DATED = frozenset(
    {"created_at", "created", "modified", "date", "last_resolved", "first_seen", "last_seen", "scan_date", "expires"}
    | {"first_submission_date", "issued", "creation_date", "not_before", "not_after", "entry_timestamp", "timestamp"}
    | {"eventDate", "whois_date", "last_update"}
)
NO_DATES = {
    "2014-01-15T05: 49: 56.283713",  # a reply that someone mended by hand
    4246907690,  # a forged compilation date, in 2104
}


def members(value: object, name: str = "") -> Iterator[tuple[str, str | float]]:
    if isinstance(value, str | int | float):
        yield name, value
    elif isinstance(value, list):
        for item in value:
            yield from members(item, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from members(item, key)


def test_dates_of_real_replies_are_read_and_nothing_else_fails() -> None:
    if not FIXTURES.is_dir():
        pytest.skip(f"no captured replies at {FIXTURES}: nothing real was tried")
    read = 0
    unread = set()
    for path in FIXTURES.rglob("*.json"):
        # urlscan's timestamps are a browser's clock, from the start of the page
        dated = DATED - {"timestamp"} if "urlscan" in path.parts else DATED
        for name, value in set(members(json.loads(path.read_bytes()))):
            try:
                times.parse(value)
                read += 1
            except BadValue:
                if name in dated:
                    unread.add(value)
    assert unread == NO_DATES
    assert read > 5_000


@pytest.mark.parametrize(
    ("raw", "moment"),
    [
        ("now", "2026-05-09T16:47:05Z"),
        ("today", "2026-05-09T00:00:00Z"),
        (" Yesterday ", "2026-05-08T00:00:00Z"),
        ("30s", "2026-05-09T16:46:35Z"),
        ("90m", "2026-05-09T15:17:05Z"),
        ("7d", "2026-05-02T16:47:05Z"),
        ("2w ago", "2026-04-25T16:47:05Z"),
        ("2026-05-01", "2026-05-01T00:00:00Z"),
        ("20260501", "2026-05-01T00:00:00Z"),
    ],
)
def test_a_moment_that_a_person_names(raw: str, moment: str) -> None:
    now = datetime(2026, 5, 9, 16, 47, 5, tzinfo=UTC).timestamp()
    assert times.text(times.named(raw, now + 0.75)) == moment


@pytest.mark.parametrize("raw", ["", "soon", "d", "7x", "-7d", "1.5d", "999999999w", "tomorrow", "ago"])
def test_what_is_no_moment_is_refused(raw: str) -> None:
    with pytest.raises(BadValue):
        times.named(raw, 1_778_345_225)
