from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import formatdate
from itertools import chain
from pathlib import Path
from threading import Timer

import pytest
from loopback import source
from places import ROOT
from redis import Redis
from redis_server import RedisServer, serving

from intel_grapher.errors import CacheError
from intel_grapher.fetch.account import Account, Ledger, Left, Permit
from intel_grapher.fetch.forecast import Outlook, seconds, today
from intel_grapher.fetch.ledgers import open_ledger
from intel_grapher.fetch.rate_headers import QuotaHint, quota_hint, retry_after
from intel_grapher.fetch.sqlite_ledger import SqliteLedger
from intel_grapher.fetch.windows import margin, period, strictest
from intel_grapher.source import DAYS, HOURS, MINUTES, MONTHS, Rate

NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with serving(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The path of a ledger's file, or the URL of a Redis, with nothing in it."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.sqlite")
    server: RedisServer = request.getfixturevalue("redis")
    Redis.from_url(server.url).flushall()
    return server.url


@pytest.fixture
def ledger(place: str) -> Iterator[Ledger]:
    with open_ledger(place) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteLedger]:
    with SqliteLedger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def account(ledger: Ledger, *rates: Rate, name: str = "loopback", held: str = "") -> Account:
    return ledger.account(source("http://127.0.0.1:1", name, limits=rates), held)


def taken(of: Account, most: int = 100) -> int:
    """Return how many permits it gives at once, each for a request that is answered at once."""
    for number in range(most):
        permit = of.take()
        if not isinstance(permit, Permit):
            return number
        of.settle(permit, permit.at / 1000, 1e-6)
    return most


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


# --- what services tell -----------------------------------------------------------------------------------------------


def test_every_form_of_retry_after() -> None:
    assert retry_after("17", NOW) == 17
    assert retry_after(" 0 ", NOW) == 0
    assert retry_after("1.5", NOW) == 1.5
    assert retry_after(formatdate(NOW + 90, usegmt=True), NOW) == 90
    assert retry_after("Tuesday, 14-Nov-23 22:14:50 GMT", NOW) == 90
    assert retry_after(formatdate(NOW - 90, usegmt=True), NOW) == 0
    for endless in ("1000000000", "9" * 400, formatdate(NOW + 5e9, usegmt=True)):
        assert (retry_after(endless, NOW) or 0) > 1e8
    for nonsense in ("", "soon", "-5", "nan", "inf", "1e3", "Mon, 99 Foo 2024 99:99:99 GMT", "\x00", "²", "1 2"):
        assert retry_after(nonsense, NOW) is None, nonsense


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-rate-limit-remaining": "7", "x-rate-limit-reset": "1700000060"}, QuotaHint(7, NOW + 60)),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000060000"}, QuotaHint(0, NOW + 60)),
        ({"ratelimit-remaining": "3", "ratelimit-reset": "60"}, QuotaHint(3, NOW + 60)),
        ({"x-rate-limit-remaining": "1", "x-rate-limit-reset": "2023-11-14T22:14:20.000Z"}, QuotaHint(1, NOW + 60)),
        (
            {"x-rate-limit-remaining": "1", "x-rate-limit-reset": "soon", "x-rate-limit-reset-after": "9"},
            QuotaHint(1, NOW + 9),
        ),
        ({"x-ratelimit-remaining": "1"}, None),
        ({"x-ratelimit-remaining": "-1", "x-ratelimit-reset": "60"}, None),
        ({"x-ratelimit-remaining": "many", "x-ratelimit-reset": "60"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 30}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1600000000"}, None),
        ({}, None),
    ],
)
def test_what_the_headers_tell(headers: dict[str, str], expected: QuotaHint | None) -> None:
    assert quota_hint(headers, NOW) == expected


# --- windows ----------------------------------------------------------------------------------------------------------


def test_windows_are_a_little_longer_than_the_services() -> None:
    assert period(Rate(4, per=MINUTES), NOW) == (NOW - 61.5, NOW + 61.5)
    assert margin(0.001) == 0.01
    assert margin(DAYS) == 2.0


@pytest.mark.parametrize(
    ("per", "now", "start", "end"),
    [
        (DAYS, "2024-02-29 12:00:00", "2024-02-29 00:00:00", "2024-03-01 00:00:02"),
        (DAYS, "2024-03-01 00:00:01", "2024-02-29 00:00:00", "2024-03-01 00:00:02"),  # its clock may be behind
        (HOURS, "2024-02-29 12:10:00", "2024-02-29 12:00:00", "2024-02-29 13:00:02"),
        (MONTHS, "2024-02-29 12:00:00", "2024-02-01 00:00:00", "2024-03-01 00:00:02"),
        (MONTHS, "2024-12-31 23:59:59", "2024-12-01 00:00:00", "2025-01-01 00:00:02"),
        (MONTHS, "2025-01-01 00:00:02", "2025-01-01 00:00:00", "2025-02-01 00:00:02"),
    ],
)
def test_calendar_windows(per: float, now: str, start: str, end: str) -> None:
    assert period(Rate(1, per, calendar=True), at(now)) == (at(start), at(end))


def test_rates_that_another_one_implies_are_dropped() -> None:
    second, minute, day = Rate(1), Rate(60, per=MINUTES), Rate(500, per=DAYS)
    assert strictest([day, minute, second]) == [second, day]
    assert strictest([Rate(10), Rate(5, per=MINUTES)]) == [Rate(5, per=MINUTES)]
    assert strictest([Rate(500, DAYS, calendar=True), Rate(15500, MONTHS, calendar=True)]) == [
        Rate(500, DAYS, calendar=True)
    ]
    assert strictest([]) == []


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_no_more_than_the_rate_then_a_wait(ledger: Ledger) -> None:
    mine = account(ledger, Rate(3, per=MINUTES))
    assert taken(mine) == 3
    wait = mine.take()
    assert isinstance(wait, float)
    assert 60 < wait <= 61.6


def test_the_tightest_of_several_rates_counts(ledger: Ledger) -> None:
    mine = account(ledger, Rate(2, per=0.1), Rate(3, per=DAYS))
    began = time.monotonic()
    first = taken(mine)
    assert first == 2 or time.monotonic() - began > 0.1  # a machine at other work
    time.sleep(0.12)
    assert first + taken(mine) == 3
    wait = mine.take()
    assert isinstance(wait, float)
    assert wait > DAYS - 10


def test_it_survives_a_restart_and_keeps_accounts_apart(place: str) -> None:
    rate = Rate(2, per=DAYS)
    for first in (True, False):
        with open_ledger(place) as ledger:
            assert taken(account(ledger, rate)) == (2 if first else 0)
            assert taken(account(ledger, rate, held="key-one")) == (2 if first else 0)
            assert taken(account(ledger, rate, held="key-two")) == (2 if first else 0)
            assert taken(account(ledger, rate, name="other")) == (2 if first else 0)


def test_a_calendar_day_begins_anew_at_midnight(file: SqliteLedger) -> None:
    rate = Rate(3, per=DAYS, calendar=True)
    mine = account(file, rate)
    start, end = period(rate, time.time())
    rows = [
        (round(start * 1000) - 1,),
        (round(start * 1000) - 2,),
        (round(start * 1000),),
    ]
    file.db.executemany("INSERT INTO sent_1 (item_timestamp) VALUES (?)", rows)
    assert [(each.rate, each.left) for each in mine.left()] == [(rate, 2)]
    assert taken(mine) == 2
    wait = mine.take()
    assert wait == pytest.approx(end - time.time(), abs=1)
    assert mine.left()[0].opens == end


class Clock:
    """A wall clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now: float) -> None:
        self.now = now
        monkeypatch.setattr("time.time", lambda: self.now)


def test_what_was_noted_while_the_clock_was_ahead_does_not_block_for_ever(
    file: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, NOW)
    account(file, Rate(1))
    file.db.execute("INSERT INTO sent_1 (item_timestamp) VALUES (?)", (round((NOW + 10 * DAYS) * 1000),))
    mine = account(file, Rate(1))
    assert taken(mine) == 0
    clock.now += 1.1
    assert taken(mine) == 1


@pytest.mark.parametrize("ahead", [HOURS, 10 * DAYS, 730 * DAYS])
def test_what_a_service_said_while_the_clock_was_ahead_lasts_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    clock = Clock(monkeypatch, NOW + ahead)
    with SqliteLedger(tmp_path / "ledger.sqlite") as opened:
        held, told = account(opened, Rate(9), name="held"), account(opened, Rate(9), name="told")
        held.hold(600, "wait")
        told.learn(QuotaHint(0, clock.now + 600))
        clock.now = NOW  # put right, in the middle of a run
        for mine, reason in ((held, "wait"), (told, "its quota is used up, it says")):
            assert mine.take() == pytest.approx(600)
            until, why = mine.held()
            assert until == pytest.approx(NOW + 600)
            assert why == reason
        assert told.left()[0].opens == pytest.approx(NOW + 600)
        clock.now = NOW + 601
        assert isinstance(held.take(), Permit)
        assert isinstance(told.take(), Permit)


@pytest.mark.parametrize("rate", [Rate(3, per=MINUTES), Rate(3, per=DAYS, calendar=True)])
def test_a_clock_that_is_put_back_holds_for_one_window_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: Rate
) -> None:
    clock = Clock(monkeypatch, NOW + 730 * DAYS)
    with SqliteLedger(tmp_path / "ledger.sqlite") as opened:
        mine = account(opened, rate)
        assert taken(mine) == 3
        clock.now = NOW
        wait = mine.take()
        assert isinstance(wait, float)
        assert 0 < wait <= rate.per + 2
        assert mine.left()[0].opens <= NOW + rate.per + 2


def test_a_clock_that_was_behind_forgets_and_never_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 1000.0)
    with SqliteLedger(tmp_path / "ledger.sqlite") as opened:
        mine = account(opened, Rate(1, per=DAYS))
        mine.hold(600, "wait")
        clock.now = NOW
        assert isinstance(mine.take(), Permit)


def test_a_ledger_of_version_1_is_read_and_its_limits_are_kept(tmp_path: Path) -> None:
    path, now = tmp_path / "ledger.sqlite", time.time()
    old = sqlite3.connect(path)
    old.executescript(VERSION_1)
    old.execute(
        "INSERT INTO accounts (source, key, hold_until, hold_reason) VALUES ('held', '', ?, 'wait')", (now + 9,)
    )
    old.execute("INSERT INTO accounts (source, key, hold_until) VALUES ('ahead', '', ?)", (now + 730 * DAYS,))
    old.executemany("INSERT INTO sent_1 VALUES ('1-1', ?)", [(round(now * 1000),), (round((now - 1) * 1000),)])
    old.commit()
    old.close()
    for _ in range(2):
        with SqliteLedger(path) as opened:
            assert account(opened, Rate(3, per=DAYS)).left()[0].left == 1
            until, why = account(opened, name="held").held()
            assert until == pytest.approx(now + 9)
            assert why == "wait"
            wait = account(opened, name="ahead").take()
            assert isinstance(wait, float)
            assert DAYS - 60 < wait <= DAYS
    with sqlite3.connect(path) as kept:
        kept.execute("PRAGMA user_version = 9")
    with pytest.raises(CacheError, match=r"another version.*deleted"):
        SqliteLedger(path)


VERSION_1 = """
    CREATE TABLE salt (salt BLOB);
    INSERT INTO salt SELECT randomblob(16);
    CREATE TABLE accounts (
        id INTEGER PRIMARY KEY, source TEXT, key TEXT, hold_until REAL DEFAULT 0, hold_reason TEXT DEFAULT '',
        refusals INTEGER DEFAULT 0, remaining INTEGER DEFAULT 0, reset REAL DEFAULT 0, UNIQUE (source, key)
    );
    INSERT INTO accounts (source, key) VALUES ('loopback', '');
    CREATE TABLE sent_1 (name VARCHAR, item_timestamp INTEGER);
    CREATE INDEX sent_1_at ON sent_1 (item_timestamp);
    PRAGMA user_version = 1;
"""


def test_a_late_answer_counts_when_it_may_have_got_there(ledger: Ledger) -> None:
    mine = account(ledger, Rate(1, per=0.3))
    permit = mine.take()
    assert isinstance(permit, Permit)
    time.sleep(0.2)
    settled = time.monotonic()
    mine.settle(permit, permit.at / 1000, 0.2)
    time.sleep(0.2)  # 0.4 since it was sent, 0.2 since it may have got there
    early = taken(mine, 1)
    assert not early or time.monotonic() - settled > 0.3  # a machine at other work
    time.sleep(0.15)
    assert early or taken(mine, 1) == 1


def test_a_hold_is_seen_by_all_and_capped(place: str) -> None:
    with open_ledger(place) as one, open_ledger(place) as two:
        for rates in ((), (Rate(10),)):
            mine, theirs = account(one, *rates, name=f"n{len(rates)}"), account(two, *rates, name=f"n{len(rates)}")
            mine.hold(1e9, "it asks to wait")
            mine.hold(5, "less")
            for each in (mine, theirs):
                wait = each.take()
                assert isinstance(wait, float)
                assert DAYS - 5 < wait < DAYS + 1
                until, reason = each.held()
                assert (until > time.time() + DAYS - 5, reason) == (True, "it asks to wait")


def test_a_quota_that_the_service_tells_is_kept_to(place: str) -> None:
    with open_ledger(place) as one, open_ledger(place) as two:
        mine, theirs = account(one, Rate(100)), account(two, Rate(100))
        reset = time.time() + 0.4
        mine.learn(QuotaHint(3, reset))
        found = (theirs.left()[0].left, taken(mine, 2), taken(theirs, 2), theirs.held()[1], mine.left()[0].left)
        expected = (3, 2, 1, "its quota is used up, it says", 0)
        assert found == expected or time.time() > reset  # a machine at other work
        time.sleep(0.42)
        assert taken(mine, 5) == 5


def test_what_is_under_way_is_not_in_what_is_told(ledger: Ledger) -> None:
    mine = account(ledger, Rate(100))
    first, _, _ = mine.take(), mine.take(), mine.take()
    assert isinstance(first, Permit)
    mine.learn(QuotaHint(3, time.time() + 60))  # in the answer to the first; two more are on their way
    assert taken(mine) == 1


def test_refusals_without_a_word_wait_for_one_window_after_the_other(ledger: Ledger) -> None:
    mine = account(ledger, Rate(4, per=MINUTES), Rate(500, per=DAYS, calendar=True))
    assert mine.refused("429") == pytest.approx(61.5, abs=0.1)
    second = mine.refused("429")
    assert second == pytest.approx(period(Rate(500, per=DAYS, calendar=True), time.time())[1] - time.time(), abs=1)
    mine.answered()
    assert mine.refused("429") == pytest.approx(61.5, abs=0.1)
    assert account(ledger, name="limitless").refused("429") == 0


def test_no_key_is_in_the_file(tmp_path: Path) -> None:
    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
        taken(account(ledger, Rate(3), held="canary-12345"))
        files = list(tmp_path.iterdir())
        assert len(files) == 3
    assert all(b"canary" not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database, and long enough to be looked at " * 20)
    with pytest.raises(CacheError, match=r"ledger\.sqlite.*deleted"):
        SqliteLedger(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"ledger\.sqlite"):
        SqliteLedger(tmp_path / "file" / "ledger.sqlite")


TAKER = """
import sys, time
from loopback import source
from intel_grapher.fetch.account import Permit
from intel_grapher.fetch.ledgers import open_ledger
from intel_grapher.source import Rate
account = open_ledger(sys.argv[1]).account(source("http://127.0.0.1:1", limits=(Rate(20, per=0.5), Rate(50, per=2.0))))
end = time.time() + 2.5
while time.time() < end:
    permit = account.take()
    if isinstance(permit, Permit):
        print(permit.at)
        account.settle(permit, permit.at / 1000, 1e-6)
    else:
        time.sleep(min(permit, 0.01))
"""


def test_processes_share_the_rates(place: str) -> None:
    command = [sys.executable, "-c", TAKER, place]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT / "tests" / "support") for _ in range(3)
    ]
    each = [[int(line) for line in process.communicate(timeout=60)[0].split()] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    times = sorted(chain.from_iterable(each))
    assert sum(1 for one in each if one) > 1
    assert len(times) >= 50
    for requests, per in ((20, 500), (50, 2000)):
        assert all(later - at > per for at, later in zip(times, times[requests:], strict=False))


# --- forecasts --------------------------------------------------------------------------------------------------------


def test_when_it_will_be_done() -> None:
    minute, day = Rate(4, per=MINUTES), Rate(500, per=DAYS, calendar=True)
    midnight = (NOW // DAYS + 1) * DAYS + 2
    outlook = Outlook([Left(minute, 4, NOW), Left(day, 500, NOW)])
    assert outlook.seconds(4, NOW) == 0
    assert outlook.seconds(5, NOW) == pytest.approx(61.5)
    assert outlook.seconds(500, NOW) == pytest.approx(124 * 61.5)
    used = Outlook([Left(minute, 4, NOW), Left(day, 0, midnight)])
    assert used.seconds(4, NOW) == pytest.approx(midnight - NOW)
    assert used.seconds(8, NOW) == pytest.approx(midnight - NOW + 61.5)
    assert used.seconds(504, NOW) == pytest.approx(midnight - NOW + DAYS)
    assert seconds([outlook, outlook], 8, NOW) == 0
    assert seconds([Outlook()], 1_000_000, NOW) == 0
    assert Outlook([], NOW + 30, "why").seconds(1, NOW) == 30


def test_what_is_left_today() -> None:
    minute, day = Rate(4, per=MINUTES), Rate(500, per=DAYS, calendar=True)
    midnight = (NOW // DAYS + 1) * DAYS
    assert today([Outlook([Left(minute, 4, NOW), Left(day, 123, NOW)])], NOW) == 123
    assert today([Outlook([Left(day, 123, NOW)]), Outlook([Left(day, 500, NOW)])], NOW) == 623
    assert today([Outlook([Left(day, 123, NOW)], midnight + 1, "held")], NOW) == 0
    assert today([Outlook()], NOW) is None
    late = midnight - 100
    assert today([Outlook([Left(minute, 4, late)])], late) == 8


def test_a_file_that_another_process_begins_just_now_is_waited_for(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "ledger", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # SQLite refuses to change to a write-ahead log beside this without waiting
    later = Timer(0.3, other.commit)
    later.start()
    SqliteLedger(tmp_path / "ledger").close()
    later.join()
    other.close()
