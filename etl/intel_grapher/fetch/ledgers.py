"""Opens the ledger that a setting names: a path, or the URL of a Redis."""

from __future__ import annotations

import os
from pathlib import Path

from intel_grapher.errors import UsageError
from intel_grapher.fetch.account import Ledger
from intel_grapher.fetch.sqlite_ledger import SqliteLedger

SCHEMES = ("redis://", "rediss://", "unix://")


def is_shared(place: str | Path) -> bool:
    """Tell whether a ledger is one for several machines, named by a URL."""
    return str(place).startswith(SCHEMES)


def users_ledger() -> str:
    """Return the path or URL of what counts requests: one a user, for quotas belong to a key and not to a folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return os.environ.get("INTEL_GRAPHER_LEDGER") or str(Path(state) / "intel-grapher" / "ledger.sqlite")


def open_ledger(place: str | Path) -> Ledger:
    """Return the ledger at a path, which is made where there is none, or at a `redis://…` URL.

    Raises CacheError if it can't be used, UsageError for a URL without what it takes.
    """
    if not is_shared(place):
        return SqliteLedger(Path(place))
    try:
        from intel_grapher.fetch.redis_ledger import RedisLedger  # noqa: PLC0415 - an extra, for those who share
    except ModuleNotFoundError as error:
        raise UsageError(f"the ledger {place} takes the package redis: pip install 'intel-grapher[redis]'") from error
    return RedisLedger(str(place))


def find_ledger(place: str | Path) -> Ledger | None:
    """Return the ledger at a place; None for a file that is not there, so nothing was counted yet."""
    return open_ledger(place) if is_shared(place) or Path(place).exists() else None
