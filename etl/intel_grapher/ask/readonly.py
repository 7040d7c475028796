"""What Cypher that only reads may not say.

Both graphs are opened read-only, and so refuse to be changed. That leaves clauses that read and write files and
addresses (LOAD CSV, COPY … TO, EXPORT, ATTACH), and procedures: these are refused here, before the engine sees them.
"""

from __future__ import annotations

import re

from intel_grapher.errors import UsageError

REFUSED = frozenset(
    {"alter", "attach", "call", "checkpoint", "commit", "copy", "create", "delete", "detach", "drop", "export"}
    | {"extension", "import", "insert", "install", "load", "merge", "remove", "rollback", "set", "transaction"}
    | {"uninstall", "update", "use"}
)
# Strings, quoted names and comments are passed over whole; a name after a dot, colon or $ is no clause.
_TOKEN = re.compile(
    r"""'(?:\\.|[^'\\])*(?:'|\Z) | "(?:\\.|[^"\\])*(?:"|\Z) | `(?:``|[^`])*(?:`|\Z) | //[^\n]* | /\*.*?(?:\*/|\Z)
    | [.:$&|!]\s*\w+ | (?P<word>\w+)(?=(?P<key>\s*:(?!:)))? | (?P<end>;)""",
    re.VERBOSE | re.DOTALL,
)


def check(cypher: str) -> None:
    """Raise UsageError for Cypher that does more than to read the graph, or that is more than one statement."""
    ended = False
    for match in _TOKEN.finditer(cypher):
        word = (match["word"] or "").lower()
        if match["end"]:
            ended = True
        elif ended and word:
            raise UsageError("one question at a time: there is more after the ;")
        elif word in REFUSED and match["key"] is None:
            raise UsageError(
                f"queries only read the graph: {match['word'].upper()} is refused; if it is a name, put it in backticks"
            )
