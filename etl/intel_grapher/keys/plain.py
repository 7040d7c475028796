"""Which of many raw strings are canonical as they stand: told of a whole column at once, as most of them are.

Each function returns one number a string: the place of its label among its kind's, or null where the string has to be
looked at by itself. The result equals what the kind's own function gives; `tests/keys/test_plain.py`
compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.keys import names

Plain = Callable[["pa.Array"], "pa.Array"]

# In RE2's dialect, where $ is the end and nothing else.
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_ADDRESS = rf"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9][0-9]?)(?:\.{_OCTET}){{3}}"
_NAME = r"(?:[a-z0-9_]+(?:-+[a-z0-9_]+)*\.)+[a-z](?:[a-z0-9-]*[a-z0-9])"
_SHORT = range(1, 64)  # characters: no label of such a name is too long, nor such an address's local part


def _matching(pattern: str, lengths: range) -> Plain:
    def plain(raws: pa.Array) -> pa.Array:
        length = pc.binary_length(raws)
        allowed = pc.and_(pc.greater_equal(length, lengths.start), pc.less(length, lengths.stop))
        fits = pc.and_(allowed, pc.match_substring_regex(raws, f"^(?:{pattern})$"))
        return pc.if_else(fits, pa.scalar(0, pa.int8()), pa.scalar(None, pa.int8()))

    return plain


ip_address = _matching(_ADDRESS, range(7, 16))
email = _matching(rf"[a-z0-9_]+(?:[.+-][a-z0-9_]+)*@{_NAME}", _SHORT)
service = _matching(rf"{_ADDRESS}:(?:[1-9][0-9]{{0,3}}|[1-5][0-9]{{4}})(?:/(?:tcp|udp))?", range(9, 26))
cve = _matching("CVE-[0-9]{4}-[0-9]{4,19}", range(13, 29))
number = _matching("[1-9][0-9]*", range(1, 40))
screen_name = _matching("[a-z0-9_]+", range(1, 21))
asn = _matching("AS[1-9][0-9]*", range(3, 12))


_DIGEST_LENGTHS = (32, 40, 56, 64, 96, 128)


def digest(raws: pa.Array) -> pa.Array:
    """Return 0 for what has a digest's length, and nothing but hex digits in lower case."""
    beside_hex = pc.binary_length(pc.ascii_trim(raws, characters="0123456789abcdef"))
    lengths = pa.array(_DIGEST_LENGTHS, pa.int32())
    fits = pc.and_(pc.is_in(pc.binary_length(raws), lengths), pc.equal(beside_hex, 0))
    return pc.if_else(fits, pa.scalar(0, pa.int8()), pa.scalar(None, pa.int8()))


@cache
def _ruled() -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return what the Public Suffix List has rules of several labels on: the TLDs, the last two labels, "*.tld"."""
    rules = [rule.removeprefix("!").split(".") for rule in names.rules()]
    several = [labels for labels in rules if len(labels) > 1]
    return (
        pa.array(sorted({labels[-1] for labels in several}), pa.string()),
        pa.array(sorted({".".join(labels[-2:]) for labels in several}), pa.string()),
        pa.array(sorted({labels[1] for labels in several if labels[0] == "*" and len(labels) == 2}), pa.string()),  # noqa: PLR2004 - "*" and a TLD
    )


_name = _matching(_NAME, _SHORT)


def hostname(raws: pa.Array) -> pa.Array:
    """Return 0 for a plain name that is registrable, 1 for one that is not.

    Where no rule of the Public Suffix List ends in a name's last two labels, these are its registrable domain.
    """
    plain = _name(raws)
    labels = _last_labels(raws)
    places = pc.if_else(pc.equal(pc.list_value_length(labels), 2), pa.scalar(0, pa.int8()), pa.scalar(1, pa.int8()))
    places = pc.if_else(pc.is_valid(plain), places, plain)
    ruled = _is_ruled(labels, pc.is_valid(plain))
    if not pc.any(ruled).as_py():
        return places
    by_rule = [0 if names.is_registrable(name) else 1 for name in raws.filter(ruled).to_pylist()]
    return pc.replace_with_mask(places, ruled, pa.array(by_rule, pa.int8()))


def registrable(raws: pa.Array) -> pa.Array:
    """Return the domain that each plain name is, or lies beneath; null where the rules have to be looked at."""
    plain = pc.is_valid(_name(raws))
    labels = _last_labels(raws)
    known = pc.and_not(plain, _is_ruled(labels, plain))
    last = pc.subtract(labels.offsets[1:], 1).filter(known)
    tails = pc.binary_join_element_wise(labels.values.take(pc.subtract(last, 1)), labels.values.take(last), ".")
    return pc.replace_with_mask(pa.nulls(len(raws), pa.string()), known, tails)


def _last_labels(raws: pa.Array) -> pa.Array:
    """Return of each name what is before its last two labels, if there is something, and these two (list of string)."""
    return pc.split_pattern(raws, ".", max_splits=2, reverse=True)


def _is_ruled(labels: pa.Array, plain: pa.Array) -> pa.Array:
    """Tell of which plain names a rule of several labels ends in the last two labels, or may (bool[n])."""
    tlds, tails, wild = _ruled()
    last = pc.subtract(labels.offsets[1:], 1)
    tld = labels.values.take(last)
    near = pc.and_(plain, pc.is_in(tld, tlds))
    if not pc.any(near).as_py():
        return near
    tld = tld.filter(near)
    tail = pc.binary_join_element_wise(labels.values.take(pc.subtract(last.filter(near), 1)), tld, ".")
    return pc.replace_with_mask(near, near, pc.or_(pc.is_in(tail, tails), pc.is_in(tld, wild)))


def domain(raws: pa.Array) -> pa.Array:
    """Return 0 for a plain name that is registrable."""
    places = hostname(raws)
    return pc.if_else(pc.equal(places, 0), places, None)


def subdomain(raws: pa.Array) -> pa.Array:
    """Return 0 for a plain name that is not registrable."""
    places = hostname(raws)
    return pc.if_else(pc.equal(places, 1), pa.scalar(0, pa.int8()), None)


def without_transport(services: pa.Array) -> pa.Array:
    """Return the services without their transport; null for those that have none."""
    with_transport = pc.match_substring(services, "/")
    if not pc.any(with_transport).as_py():
        return pa.nulls(len(services), pa.string())
    bare = pc.utf8_slice_codeunits(services, 0, -len("/tcp"))
    return pc.if_else(with_transport, bare, pa.scalar(None, pa.string()))
