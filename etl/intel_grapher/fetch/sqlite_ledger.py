"""The ledger of one machine: a SQLite file, shared by all its processes and kept over restarts.

Counting and taking a permit are one transaction.

    accounts    one row for each source and key: until when it is held, and what the service said is left
    sent_ID     one row for each request of the account ID: when it counts (`item_timestamp`, epoch milliseconds)

A table of its own for each account makes counting twice as quick as one for all: an index without the account.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Final, NamedTuple

from intel_grapher.errors import CacheError, UsageError
from intel_grapher.fetch.account import (
    LONGEST_HOLD,
    LOOK_SECONDS,
    USED_UP,
    Arrivals,
    Ledger,
    Left,
    Permit,
    Queue,
    key_digest,
    within,
)
from intel_grapher.fetch.exclusive import REMEDY, CrossProcessLock, failure
from intel_grapher.fetch.rate_headers import FARTHEST, QuotaHint
from intel_grapher.fetch.windows import length, period, strictest
from intel_grapher.source import Rate, Source
from intel_grapher.sqlite import connect

_VERSION: Final = 2
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS salt (salt BLOB)",
    "INSERT INTO salt SELECT randomblob(16) WHERE NOT EXISTS (SELECT 1 FROM salt)",
    """
    CREATE TABLE IF NOT EXISTS accounts (
        id INTEGER PRIMARY KEY, source TEXT, key TEXT,
        hold_until REAL DEFAULT 0, hold_reason TEXT DEFAULT '',   -- nothing is sent before
        refusals INTEGER DEFAULT 0,                               -- 429 in a row that did not say how long to wait
        remaining INTEGER DEFAULT 0, reset REAL DEFAULT 0,        -- what the service said is left until then
        UNIQUE (source, key)
    )
    """,
    "ALTER TABLE accounts ADD COLUMN noted REAL DEFAULT 0",  # our clock when a hold or a quota was written
)


class _State(NamedTuple):
    """What a service said of an account. Times are epoch seconds."""

    hold_until: float
    hold_reason: str
    refusals: int
    remaining: int
    reset: float


class SqliteLedger(Ledger):
    """The file at `path`, for any thread. Every method raises CacheError if the file can't be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.db = connect(path)
        except (OSError, sqlite3.Error) as error:
            raise failure(path, error) from error
        self.lock = CrossProcessLock(self.db, path)
        try:
            with self.lock:
                self._migrate()
                (self._salt,) = self.db.execute("SELECT salt FROM salt").fetchone()
        except CacheError:
            self.db.close()
            raise
        except (sqlite3.Error, TypeError) as error:
            self.db.close()
            raise failure(path, error) from error

    def _migrate(self) -> None:
        """Bring the tables to this version. Version 1 lacked `noted`."""
        (version,) = self.db.execute("PRAGMA user_version").fetchone()
        if version == _VERSION:
            return
        if version > _VERSION:
            raise CacheError(f"{self.path} was written by another version of this program. {REMEDY}")
        for statement in _SCHEMA:
            self.db.execute(statement)
        self.db.execute(f"PRAGMA user_version = {_VERSION}")

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def queue(self, name: str) -> Queue:
        """Raise UsageError: on one machine there is one fetch at a time."""
        raise UsageError(f"the queue {name!r} takes a ledger for several machines: INTEL_GRAPHER_LEDGER=redis://HOST")

    def account(self, source: Source, secret: str = "") -> SqliteAccount:
        """Return the account of one source with one API key."""
        with self.lock:
            return SqliteAccount(self, source, key_digest(secret, self._salt))


class SqliteAccount:
    """The rows of one source with one API key. `SqliteLedger.account` makes it; `account.Account` tells the methods."""

    def __init__(self, ledger: SqliteLedger, source: Source, key: str) -> None:
        self._ledger = ledger
        self.rates = strictest(source.limits)
        db = ledger.db
        db.execute("INSERT OR IGNORE INTO accounts (source, key) VALUES (?, ?)", (source.name, key))
        (self._id,) = db.execute("SELECT id FROM accounts WHERE source = ? AND key = ?", (source.name, key)).fetchone()
        table = self._table = f"sent_{self._id}"
        if self.rates:
            now = time.time()
            oldest, at = round(min(period(rate, now)[0] for rate in self.rates) * 1000), round(now * 1000)
            db.execute(f"CREATE TABLE IF NOT EXISTS {table} (name VARCHAR, item_timestamp INTEGER)")
            db.execute(f"CREATE INDEX IF NOT EXISTS {table}_at ON {table} (item_timestamp)")
            db.execute(f"DELETE FROM {table} WHERE item_timestamp < ?", (oldest,))  # noqa: S608 - our own table
            # Written while the clock was ahead: such a row would count until the clock gets there.
            db.execute(f"UPDATE {table} SET item_timestamp = ? WHERE item_timestamp > ?", (at, at))  # noqa: S608
        self._under_way = 0
        self._arrivals = Arrivals()
        self._looked = float("-inf")
        self._hold = 0.0
        self._troubled = True

    def take(self) -> Permit | float:
        """Return a permit if a request may be sent now, and count it; else the seconds to wait before asking again."""
        if not self.rates and time.monotonic() - self._looked < LOOK_SECONDS:
            wait = min(self._hold - time.time(), LONGEST_HOLD)  # without rates the file need not be asked each time
            return Permit(0, 0) if wait <= 0 else wait
        with self._ledger.lock:
            return self._take(time.time())

    def _take(self, now: float) -> Permit | float:
        state = self._state(now)
        self._looked = time.monotonic()
        self._hold = state.hold_until
        self._troubled = bool(state.refusals)
        wait = max(state.hold_until, state.reset if state.remaining <= 0 else 0.0) - now
        if wait > 0:
            return wait
        if not self.rates:
            return Permit(0, 0)
        at = round(now * 1000)
        waits = [self._wait(rate, now, at) for rate in self.rates]
        if (longest := max(waits)) > 0:
            return longest
        row = self._execute(f"INSERT INTO {self._table} (item_timestamp) VALUES (?)", (at,)).lastrowid or 0  # noqa: S608
        if state.reset > now:
            self._execute("UPDATE accounts SET remaining = remaining - 1 WHERE id = ?", (self._id,))
        self._under_way += 1
        return Permit(row, at)

    def _wait(self, rate: Rate, now: float, at: int) -> float:
        """Return in how many seconds the rate lets one more request out; 0 for at once."""
        start, end = period(rate, now)
        since = round(start * 1000)
        counted = f"FROM {self._table} WHERE item_timestamp >= ?"
        (sent,) = self._execute(f"SELECT count(*) {counted}", (since,)).fetchone()
        if sent < rate.requests:
            return 0.0
        if rate.calendar:
            return end - now
        (oldest,) = self._execute(
            f"SELECT item_timestamp {counted} ORDER BY item_timestamp LIMIT 1 OFFSET ?", (since, sent - rate.requests)
        ).fetchone()
        # The window has room when this one has left it, one millisecond later. One of the future is from a clock that
        # was ahead.
        return max((min(int(oldest), at) - at + 1) / 1000 + length(rate), 0.001)

    def settle(self, permit: Permit, sent_at: float, seconds: float) -> None:
        """Note when a request was sent (epoch seconds) and after how many seconds it was answered (0 for never).

        It counts for the service when it gets there. One that came back later than the quickest may have got there
        late, and is counted as of then.
        """
        if not self.rates:
            return
        answered_at = sent_at + seconds if seconds else time.time()
        with self._ledger.lock:
            self._under_way -= 1
            latest = round(self._arrivals.latest(sent_at, seconds, answered_at, self.rates[0].per) * 1000)
            if latest > permit.at:
                self._execute(f"UPDATE {self._table} SET item_timestamp = ? WHERE rowid = ?", (latest, permit.id))  # noqa: S608

    def give_back(self, permit: Permit) -> None:
        """Note that nothing was sent with a permit, so that it does not count. A service's own figure stays lowered."""
        if not self.rates:
            return
        with self._ledger.lock:
            self._under_way -= 1
            self._execute(f"DELETE FROM {self._table} WHERE rowid = ?", (permit.id,))  # noqa: S608

    def hold(self, seconds: float, reason: str) -> None:
        """Send nothing for so many seconds, at most a day, because the service asks for it."""
        now = time.time()
        with self._ledger.lock:
            state = self._state(now)
            until = max(state.hold_until, now + min(seconds, LONGEST_HOLD))
            self._hold = max(self._hold, until)
            if until > state.hold_until:
                self._execute(
                    "UPDATE accounts SET hold_until = ?, hold_reason = ?, noted = ? WHERE id = ?",
                    (until, reason, now, self._id),
                )

    def refused(self, reason: str) -> float:
        """Hold after a "too many requests" that does not say how long to wait, and return for how many seconds.

        Someone else may use the key. First the shortest window of the rates is waited for, then the next longer one.
        """
        if not self.rates:
            return 0.0
        with self._ledger.lock:
            now = time.time()
            before = self._state(now).refusals
            wait = period(self.rates[min(before, len(self.rates) - 1)], now)[1] - now
            self._execute("UPDATE accounts SET refusals = refusals + 1 WHERE id = ?", (self._id,))
            self._troubled = True
            self.hold(wait, reason)
        return wait

    def answered(self) -> None:
        """Note that the service answers again."""
        if self._troubled:
            self._troubled = False
            with self._ledger.lock:
                self._execute("UPDATE accounts SET refusals = 0 WHERE id = ?", (self._id,))

    def learn(self, hint: QuotaHint) -> None:
        """Note what the service says is left of a quota. Requests under way are not in its figure."""
        now = time.time()
        with self._ledger.lock:
            self._state(now)
            left = max(0, hint.remaining - max(0, self._under_way - 1))
            self._execute(
                "UPDATE accounts SET remaining = ?, reset = ?, noted = ? WHERE id = ?",
                (left, hint.reset, now, self._id),
            )
            self._looked = float("-inf")

    def held(self) -> tuple[float, str]:
        """Return until when nothing is sent (epoch seconds; 0 if requests may be sent) and the reason."""
        now = time.time()
        with self._ledger.lock:
            state = self._state(now)
        if state.remaining <= 0 and state.reset > max(state.hold_until, now):
            return state.reset, USED_UP
        return (state.hold_until, state.hold_reason) if state.hold_until > now else (0.0, "")

    def left(self) -> list[Left]:
        """Return what each rate leaves, and no more than the service said is left of a quota."""
        now = time.time()
        found: list[Left] = []
        with self._ledger.lock:
            state = self._state(now)
            for rate in self.rates:
                start, end = period(rate, now)
                sent, oldest = self._execute(
                    f"SELECT count(*), min(item_timestamp) FROM {self._table} WHERE item_timestamp >= ?",  # noqa: S608
                    (round(start * 1000),),
                ).fetchone()
                opens = now
                if sent >= rate.requests:
                    opens = end if rate.calendar else period(rate, min(oldest / 1000, now))[1]
                found.append(Left(rate, max(0, rate.requests - sent), opens))
        return within(found, state.remaining, state.reset, now)

    def _state(self, now: float) -> _State:
        """Return what the service said, in this clock's time. To be called with the lock held.

        If the clock was put back since it was written, the times are put back as well. No hold is longer than
        LONGEST_HOLD and no quota resets later than FARTHEST, whatever an older version wrote.
        """
        *values, noted = self._execute(
            "SELECT hold_until, hold_reason, refusals, remaining, reset, noted FROM accounts WHERE id = ?", (self._id,)
        ).fetchone()
        state = _State(*values)
        ahead = max(0.0, noted - now)
        hold = min(state.hold_until - ahead, now + LONGEST_HOLD)
        reset = state.reset - ahead
        if reset > now + FARTHEST:
            reset = now + LONGEST_HOLD
        if ahead or hold < state.hold_until or reset < state.reset:
            self._execute(
                "UPDATE accounts SET hold_until = ?, reset = ?, noted = ? WHERE id = ?", (hold, reset, now, self._id)
            )
        return state._replace(hold_until=hold, reset=reset)

    def _execute(self, sql: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        """Execute a statement. To be called with the lock held."""
        return self._ledger.db.execute(sql, values)
