"""Names and texts as people write them, and what reports are known by."""

from __future__ import annotations

import re
import unicodedata

from intel_grapher.errors import BadValue
from intel_grapher.keys.urls import url
from intel_grapher.keys.words import PLACEHOLDER, PLACEHOLDERS, TOO_LONG

_LONGEST_NAME_TEXT = 500
_LONGEST_TEXT = 65_536
_LONGEST_HASHTAG = 280
_SERVICE_ID = re.compile(r"(?!https?:|ftp:)[a-z][a-z0-9_]{0,63}:(?!//)[A-Za-z0-9._~-]{1,255}")
# Controls, lone surrogates, and what shows nothing or turns the direction of writing.
_UNSEEN = "\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069"
_NOT_IN_A_NAME = re.compile(rf"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff{_UNSEEN}]+")
_NOT_IN_A_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]+")
_NOT_IN_A_HASHTAG = re.compile(r"[\s#\uff03]")
_JOINERS = dict.fromkeys((0x200C, 0x200D))  # they show nothing, yet Persian and others are not written without them


def hashtag(raw: str) -> str:
    """Return a hashtag without its #, case folded, NFC.

    Raises BadValue: "placeholder" (nothing after the #) or "not a hashtag" (white space, another #, or what does not
    print in it: controls, what is no character or only privately one, what turns the direction of writing).
    """
    tag = raw.strip()
    if tag[:1] in {"#", "\uff03"}:
        tag = tag[1:]
    if not tag:
        raise BadValue(PLACEHOLDER)
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", tag).casefold())
    prints = folded.translate(_JOINERS).isprintable()
    if len(folded) > _LONGEST_HASHTAG or not prints or _NOT_IN_A_HASHTAG.search(folded):
        raise BadValue("not a hashtag")
    return folded


def name_text(raw: str) -> str:
    """Return a name (of malware, an organisation, …) as it is spelt: NFC, single spaces, no controls, case kept.

    Raises BadValue: "placeholder" or "too long" (more than 500 characters: cut, two names could become one).
    """
    if raw.isascii() and raw.isprintable():
        name = " ".join(raw.split()) if "  " in raw else raw.strip()
    else:
        name = " ".join(unicodedata.normalize("NFC", _NOT_IN_A_NAME.sub("", raw)).split())
    if len(name) > _LONGEST_NAME_TEXT:
        raise BadValue(TOO_LONG)
    if (folded := name.lower()) in PLACEHOLDERS or folded == "error scanning file":
        raise BadValue(PLACEHOLDER)
    return name


def list_item(raw: str) -> str:
    """Return a name as an item of a list: like name_text, with "," for ";", which parts the items in CSV."""
    return name_text(raw).replace(";", ",")


def text(raw: str) -> str:
    r"""Return free text: NFC, lines ended by \n, without controls but \n and \t, cut to 65,536 characters."""
    if not (raw.isascii() and raw.isprintable()):
        raw = raw.replace("\r\n", "\n").replace("\r", "\n")
        raw = unicodedata.normalize("NFC", _NOT_IN_A_TEXT.sub("", raw))
    return raw[:_LONGEST_TEXT]


def mention(raw: str) -> str:
    """Return what an indicator's mention in a report is known by: the report, #, the indicator as it is canonical."""
    report, mark, indicator = raw.strip().partition("#")
    if not mark or not indicator or _NOT_IN_A_TEXT.search(indicator) or len(indicator) > _LONGEST_TEXT:
        raise BadValue("not a mention")
    return f"{reference(report)}#{indicator}"


def reference(raw: str) -> str:
    """Return what a report is known by: its URL, normalised, or its service and its id there, `service:id`."""
    value = raw.strip()
    if _SERVICE_ID.fullmatch(value):
        return value
    return url(value)
