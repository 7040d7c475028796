"""What services send in place of a value, and the reasons that several kinds of key share."""

from __future__ import annotations

PLACEHOLDER = "placeholder"
TOO_LONG = "too long"
NOT_A_NAME = "not a DNS name"
IMPOSSIBLE_ADDRESS = "an impossible address"
NOT_AN_ADDRESS = "not an IP address"

# What services send where they have nothing to say, in lower case.
PLACEHOLDERS = frozenset(
    {"", "-", "--", ".", "n/a", "none", "null", "nil", "unknown", "undefined", "unavailable", "not available"}
    | {"redacted", "redacted for privacy", "data redacted"}
)
