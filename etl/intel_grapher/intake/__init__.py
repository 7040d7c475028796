"""The reader of text: indicators in any list, table or prose, and what of it was left out.

    bytes ─ encoding ─▶ text ─ lines (hosts, adblock, RPZ, …) or words ─▶ Mention | Leftover | prose (counted)

Every word that looks like a value becomes a mention or a leftover with its reason; prose is counted. The reader keeps
the order of the text and says each value's line. It knows no label and no source.
"""

from intel_grapher.encoding import decoded
from intel_grapher.intake.single import single
from intel_grapher.intake.text import NO_TYPOS, Leftover, Mention, TextReading, read

__all__ = ["NO_TYPOS", "Leftover", "Mention", "TextReading", "decoded", "read", "single"]
