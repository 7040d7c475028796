"""What was sent to each service with each key, and what the services said of their limits.

One SQLite file, shared by all processes and kept over restarts. The counting is pyrate-limiter's; here it is put into
one transaction with the moment and with what the services said, so that no two processes can take the same place. A
key stands in it as a number that can't be turned back.
"""

from __future__ import annotations

import os
import sqlite3
import time
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import pyrate_limiter

from intel_grapher.errors import CacheError
from intel_grapher.fetch.told import Told
from intel_grapher.fetch.turns import REMEDY, Turn, failure
from intel_grapher.fetch.windows import Window, Windows, margin, period, strictest
from intel_grapher.source import DAYS, Rate, Source
from intel_grapher.sqlite import connect

LONGEST_HOLD: Final = 1 * DAYS
"""Seconds. A service that asks for a longer pause is tried again after this one."""

_VERSION: Final = 1
_LOOK_SECONDS: Final = 1.0
_FIRST_FEW: Final = 4
_SCHEMA: Final = """
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS salt (salt BLOB);
    INSERT INTO salt SELECT randomblob(16) WHERE NOT EXISTS (SELECT 1 FROM salt);
    CREATE TABLE IF NOT EXISTS accounts (
        id INTEGER PRIMARY KEY, source TEXT, key TEXT,
        hold_until REAL DEFAULT 0, hold_reason TEXT DEFAULT '',   -- nothing is sent before
        refusals INTEGER DEFAULT 0,                               -- 429 in a row that did not say how long to wait
        remaining INTEGER DEFAULT 0, reset REAL DEFAULT 0,        -- what the service said is left until then
        UNIQUE (source, key)
    );
    PRAGMA user_version = 1;
    COMMIT;
"""


class Slot(NamedTuple):
    """Leave to send one request: it is counted at `at` (epoch milliseconds)."""

    name: str
    at: int


class Left(NamedTuple):
    """Of a rate: how many requests may still be sent, and when the next one may where that is none (epoch seconds)."""

    rate: Rate
    left: int
    opens: float


class Ledger:
    """The file at `path`. Any thread may use it. Raises CacheError, everywhere, where the file can't be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._taken = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.db = connect(path)
        except (OSError, sqlite3.Error) as error:
            raise failure(path, error) from error
        try:
            (version,) = self.db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self.db.executescript(_SCHEMA)
            elif version != _VERSION:
                raise CacheError(f"{path} was written by another version of this program. {REMEDY}")
            (self._salt,) = self.db.execute("SELECT salt FROM salt").fetchone()
        except (sqlite3.Error, TypeError) as error:
            self.db.close()
            raise failure(path, error) from error
        self.turn = Turn(self.db, path)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def account(self, source: Source, secret: str = "") -> Account:
        """Return the account of one source with one key."""
        key = blake2b(secret.encode(), key=self._salt, digest_size=8).hexdigest() if secret else ""
        with self.turn:
            return Account(self, source, key)

    def slot_name(self) -> str:
        """Return a name that no other slot has. To be called within the turn."""
        self._taken += 1
        return f"{os.getpid()}-{self._taken}"


class Account:
    """One source with one key: what was sent, what may be sent. Made by `Ledger.account`; any thread may use it."""

    def __init__(self, ledger: Ledger, source: Source, key: str) -> None:
        self._ledger = ledger
        self.rates = strictest(source.limits)
        db = ledger.db
        db.execute("INSERT OR IGNORE INTO accounts (source, key) VALUES (?, ?)", (source.name, key))
        (self._id,) = db.execute("SELECT id FROM accounts WHERE source = ? AND key = ?", (source.name, key)).fetchone()
        self._table = f"sent_{self._id}"
        self._bucket: pyrate_limiter.SQLiteBucket | None = None
        if self.rates:
            db.execute(pyrate_limiter.SQLiteQueries.CREATE_BUCKET_TABLE.format(table=self._table))
            db.execute(
                pyrate_limiter.SQLiteQueries.CREATE_INDEX_ON_TIMESTAMP.format(
                    index_name=f"{self._table}_at", table_name=self._table
                )
            )
            windows: list[pyrate_limiter.Rate] = [Window(each) for each in self.rates]
            self._bucket = pyrate_limiter.SQLiteBucket(windows, db, self._table, ledger.turn, Windows())
            now = _now()
            self._bucket.leak(now)
            # The clock was ahead when these were noted: they would count until it gets there.
            db.execute(f"UPDATE {self._table} SET item_timestamp = ? WHERE item_timestamp > ?", (now, now))  # noqa: S608
        self._under_way = 0
        self._answered = 0
        self._fastest = 0.0
        self._looked = 0.0
        self._hold = 0.0
        self._troubled = True

    def take(self) -> Slot | float:
        """Return a slot when a request may be sent now, which is then counted; else the seconds to wait before."""
        if self._bucket is None and time.monotonic() - self._looked < _LOOK_SECONDS:
            wait = self._hold - time.time()  # without limits nobody else need be asked each time
            return Slot("", 0) if wait <= 0 else wait
        with self._ledger.turn:
            return self._take(_now())

    def _take(self, now: int) -> Slot | float:
        db = self._ledger.db
        hold, remaining, reset, refusals = db.execute(
            "SELECT hold_until, remaining, reset, refusals FROM accounts WHERE id = ?", (self._id,)
        ).fetchone()
        self._looked = time.monotonic()
        self._hold = hold
        self._troubled = bool(refusals)
        wait = max(hold, reset if remaining <= 0 else 0.0) - now / 1000
        if wait > 0:
            return float(wait)
        if self._bucket is None:
            return Slot("", 0)
        item = pyrate_limiter.RateItem(self._ledger.slot_name(), now)
        if reset > now / 1000:  # before the bucket commits
            db.execute("UPDATE accounts SET remaining = remaining - 1 WHERE id = ?", (self._id,))
        if self._bucket.put(item):
            self._under_way += 1
            return Slot(item.name, now)
        if db.in_transaction:
            db.execute("ROLLBACK")
        blocked = self._bucket.waiting(item)
        return max(blocked if isinstance(blocked, int) else 0, 1) / 1000

    def settle(self, slot: Slot, sent_at: float, seconds: float) -> None:
        """Note that a request was sent at a moment (epoch seconds) and answered in so many seconds (0 if it was not).

        It counts for the service when it gets there. One that came back later than the quickest may have got there
        late, and is counted as of then.
        """
        if self._bucket is None:
            return
        answered_at = sent_at + seconds if seconds else time.time()
        with self._ledger.turn:
            self._under_way -= 1
            self._answered += 1
            if seconds:
                self._fastest = min(self._fastest or seconds, seconds)
            # Of the first few it is not known whether any was quick: the way there takes half the time at most. Half
            # the margin is kept back, for the way there of the next one.
            quickest = self._fastest if self._answered > _FIRST_FEW else seconds / 2
            latest = round(max(sent_at, answered_at - quickest - margin(self.rates[0].per) / 2) * 1000)
            if latest > slot.at:
                self._execute(
                    f"UPDATE {self._table} SET item_timestamp = ? WHERE item_timestamp = ? AND name = ?",  # noqa: S608
                    (latest, slot.at, slot.name),
                )

    def give_back(self, slot: Slot) -> None:
        """Note that nothing was sent in a slot: it does not count. What a service told is left is not raised by it."""
        if self._bucket is None:
            return
        with self._ledger.turn:
            self._under_way -= 1
            self._execute(
                f"DELETE FROM {self._table} WHERE item_timestamp = ? AND name = ?",  # noqa: S608 - our own table
                (slot.at, slot.name),
            )

    def hold(self, seconds: float, reason: str) -> None:
        """Send nothing for so long, because the service asks for it. At most a day is noted."""
        until = time.time() + min(seconds, LONGEST_HOLD)
        self._hold = max(self._hold, until)
        self._execute(
            "UPDATE accounts SET hold_until = ?1, hold_reason = ?2 WHERE id = ?3 AND hold_until < ?1",
            (until, reason, self._id),
        )

    def refused(self, reason: str) -> float:
        """Take note of a "too many requests" that does not say how long to wait, and return how long that will be.

        Someone else may use the key. First the shortest window of the rates is waited for, then the next longer one.
        """
        if not self.rates:
            return 0.0
        with self._ledger.turn:
            (before,) = self._ledger.db.execute("SELECT refusals FROM accounts WHERE id = ?", (self._id,)).fetchone()
            now = time.time()
            wait = period(self.rates[min(before, len(self.rates) - 1)], now)[1] - now
            self._execute("UPDATE accounts SET refusals = refusals + 1 WHERE id = ?", (self._id,))
            self._troubled = True
            self.hold(wait, reason)
        return wait

    def answered(self) -> None:
        """Take note that the service answers again."""
        if self._troubled:
            self._troubled = False
            self._execute("UPDATE accounts SET refusals = 0 WHERE id = ?", (self._id,))

    def learn(self, told: Told) -> None:
        """Take note of what the service says is left of a quota. What is under way is not in its figure."""
        with self._ledger.turn:
            left = max(0, told.remaining - max(0, self._under_way - 1))
            self._execute("UPDATE accounts SET remaining = ?, reset = ? WHERE id = ?", (left, told.reset, self._id))
            self._looked = 0.0

    def held(self) -> tuple[float, str]:
        """Return until when nothing is sent (epoch seconds, 0 where it may be) and why."""
        hold, reason, remaining, reset = self._row("hold_until, hold_reason, remaining, reset")
        if remaining <= 0 and reset > max(hold, time.time()):
            return float(reset), "its quota is used up, it says"
        return (float(hold), str(reason)) if hold > time.time() else (0.0, "")

    def left(self) -> list[Left]:
        """Return what is left of each rate, and of a quota that the service told."""
        now = time.time()
        found: list[Left] = []
        for rate in self.rates:
            start, _ = period(rate, now)
            with self._ledger.turn:
                sent, oldest = self._ledger.db.execute(
                    f"SELECT count(*), min(item_timestamp) FROM {self._table} WHERE item_timestamp >= ?",  # noqa: S608
                    (round(start * 1000),),
                ).fetchone()
            opens = now
            if sent >= rate.requests:
                opens = period(rate, now if rate.calendar else oldest / 1000)[1]
            found.append(Left(rate, max(0, rate.requests - sent), opens))
        remaining, reset = self._row("remaining, reset")
        if reset > now:
            told = max(0, int(remaining))
            found = [
                each._replace(left=min(each.left, told), opens=each.opens if told else max(each.opens, reset))
                for each in found
            ]
        return found

    def _row(self, columns: str) -> tuple[float, ...]:
        with self._ledger.turn:
            row: tuple[float, ...] = self._ledger.db.execute(
                f"SELECT {columns} FROM accounts WHERE id = ?",  # noqa: S608 - only our own columns go in
                (self._id,),
            ).fetchone()
        return row

    def _execute(self, sql: str, values: tuple[object, ...]) -> None:
        with self._ledger.turn:
            self._ledger.db.execute(sql, values)


def _now() -> int:
    return time.time_ns() // 1_000_000
