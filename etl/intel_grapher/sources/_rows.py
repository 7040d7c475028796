"""Rows of the lists that services and analysts keep as CSV, one line a row, with # before what is no row."""

import re
from collections.abc import Iterator

from intel_grapher.intake.table import cells

# One line of words, none of which can be an indicator: "Too many connections", "HTTP 429 Too Many Requests".
_PROSE = re.compile(r"\s*[A-Za-z]{1,20}(?: (?:[A-Za-z'-]{1,20}|[0-9]{1,3}))+[.!]?\s*")
_LONGEST = 2_000  # characters of a sentence; each word of a longer one would take some of the pattern's memory


def rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each line that holds a row, with its cells. A line that is no CSV is one cell."""
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line, cells(line)


def is_prose(text: str) -> bool:
    """Return whether a text is one sentence: what a service says in place of a list, with a status of success."""
    return len(text) <= _LONGEST and _PROSE.fullmatch(text) is not None
