"""The bad values of a reply, until they are listed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

MAX_LISTED = 1000  # rejects of one reply; more are counted
MAX_NOTED = 20 * MAX_LISTED  # bad values of one column in one reply, of which the first in order are listed


class Missed:
    """The bad values of one reply: `noted` has what they are of, row, value and reason; `more` counts those beyond.

    Of each column the first MAX_NOTED are noted, so that what is listed does not depend on the batch's other replies.
    `paths` has where they are in the reply, an empty path where that is not known.
    """

    def __init__(self) -> None:
        self.noted: set[tuple[object, int, Any, str]] = set()
        self.paths: dict[Any, set[str]] = {}
        self.more: Counter[str] = Counter()
        self._counts: Counter[tuple[object, str]] = Counter()

    def add(self, what: object, column: str, row: int, value: object, reason: str) -> None:
        """Note a bad value, if its column has not too many of them."""
        self._counts[what, column] += 1
        if self._counts[what, column] <= MAX_NOTED:
            self.noted.add((what, row, value, reason))
        else:
            self.more[reason] += 1

    def located(self, text: bytes) -> list[tuple[str, object, str]] | None:
        """Return the bad values with their places and reasons, where the columns tell; None where they do not.

        A reply (`text`) has to be searched if a value stands elsewhere as well, may be written otherwise, has several
        reasons, or stands in more places than it is noted for: two properties of one row are noted once.
        """
        reasons = Counter((value, reason) for _, _, value, reason in self.noted)
        if self.more or len(self.noted) > MAX_LISTED or len(reasons) != len(self.paths) or b"\\" in text:
            return None
        found: list[tuple[str, object, str]] = []
        for (value, reason), count in reasons.items():
            paths = self.paths[value]
            if "" in paths or len(paths) > count or not isinstance(value, str):
                return None
            if text.count(msgspec.json.encode(value)) != len(paths):
                return None
            found += [(path, value, reason) for path in paths]
        return found
