"""One text that should be one indicator."""

from __future__ import annotations

from intel_grapher import keys
from intel_grapher.errors import BadValue
from intel_grapher.intake import words
from intel_grapher.intake.text import read
from intel_grapher.keys import IndicatorKind


def single(text: str) -> tuple[IndicatorKind, str]:
    """Return the kind and the canonical key of the indicator that a text is, as a list's reader would.

    An address with a port is that address. Raises BadValue for what is none, and for what is no domain.
    """
    try:
        detected, key = keys.detect(text)
    except BadValue:
        mentions, leftovers, prose = read(text)
        if len(mentions) == 1 and not leftovers and not prose:
            return mentions[0].kind, mentions[0].key
        raise
    if detected == "domain":
        found = words.classify(key, is_value=True)
        if isinstance(found, words.Unusable):
            raise BadValue(found.reason)
    return detected, key
