"""The Traffic Light Protocol: its levels, in tags and in what a service or a report says of itself.

https://www.first.org/tlp/, version 2.0, and STIX's identifiers of both versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

LEVELS: Final = ("clear", "green", "amber", "amber+strict", "red")
"""The levels, the least strict first. `white` is what version 1 calls clear."""
PREFIX: Final = "tlp:"
_WHITE: Final = "white"
_STATED: Final = re.compile(rb"tlp[^a-z0-9]{1,8}(amber\+strict|red|amber|green|clear|white)(?![a-z])", re.IGNORECASE)
STIX: Final = {
    "clear": ("613f2e26-407d-48c7-9eca-b8e91df99dc9", "94868c89-83c2-464b-929b-a1a8aa3c8487"),
    "green": ("34098fce-860f-48ae-8e50-ebd3cc5e41da", "bab4a63c-aed9-4cf5-a766-dfca5abac2bb"),
    "amber": ("f88d31f6-486f-44da-b317-01333bde0b82", "55d920b0-5e8b-4f79-9ee9-91f868d9b421"),
    "amber+strict": ("939a9414-2ddd-4d32-a0cd-375ea402b003",),
    "red": ("5e57c739-391a-4eb3-b6be-7d15ca92d5ed", "e828b379-4e03-4974-9ac4-e53a884c97c1"),
}
"""STIX's identifiers of the markings: those of version 1 of the protocol, then those of version 2."""
_BY_ID: Final = {id_.encode(): level for level, ids in STIX.items() for id_ in ids}


def of_tag(tag: str) -> str | None:
    """Return the level that a tag names, such as TLP:AMBER or tlp:white; None for another tag."""
    folded = tag.strip().lower()
    word = folded.removeprefix(PREFIX).strip()
    word = LEVELS[0] if word == _WHITE else word
    return word if folded.startswith(PREFIX) and word in LEVELS else None


def strictest(levels: Iterable[str | None]) -> str | None:
    """Return the strictest of some levels; None where there is none."""
    return max((each for each in levels if each is not None), key=LEVELS.index, default=None)


def stated(body: bytes) -> str | None:
    """Return the strictest level that a reply names anywhere, in a tag, a member or in prose; None for none.

    What is only spoken of counts as well: rather too much is held back than too little.
    """
    if b"tlp" not in body and b"TLP" not in body and b"marking-definition" not in body and b"Tlp" not in body:
        return None
    words = {found.lower().decode() for found in _STATED.findall(body)}
    by_id = (level for id_, level in _BY_ID.items() if id_ in body)
    return strictest([*(LEVELS[0] if word == _WHITE else word for word in words), *by_id])
