"""E-mail addresses, Twitter names, digests, and the numbers that services and standards give."""

from __future__ import annotations

import re

from intel_grapher.errors import BadValue
from intel_grapher.keys.looks import looks
from intel_grapher.keys.names import hostname
from intel_grapher.keys.words import PLACEHOLDER, PLACEHOLDERS

_NOT_AN_EMAIL = "not an e-mail address"
_LOCAL_PART = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]++(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]++)*")
_LONGEST_LOCAL_PART = 64
_SCREEN_NAME = re.compile(r"[a-z0-9_]{1,20}")
_HEX = re.compile(r"[0-9a-f]+")
_SHA256 = 64  # hex digits
_NUMBER = re.compile(r"0|[1-9][0-9]{0,38}")
_IN_A_LOG = re.compile(r"[a-z][a-z0-9_]{0,31}:[0-9]{1,38}")
_FINGERPRINTS = {"md5": 32, "sha1": 40, "sha256": _SHA256}
_ALGORITHMS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}  # by hex digits
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_ATTACK_ID = re.compile(r"T[0-9]{4}(?:\.[0-9]{3})?|TA[0-9]{4}|[SGM][0-9]{4}")


def email(raw: str) -> str:
    """Return local@domain in lower case, the domain canonical; a leading "mailto:" (and its "?…") is dropped.

    RFC 5321 leaves the local part's case to the receiver, yet no large one tells them apart, services disagree on how
    they spell it, and two spellings must meet in one node. Quoted and non-ASCII local parts are refused.
    Raises BadValue: "placeholder", "not an e-mail address", or hostname's for the domain.
    """
    value = raw.strip()
    if value[:7].lower() == "mailto:":
        value = value[7:].partition("?")[0]
    local, _, host = value.rpartition("@")
    local = local.lower() if local.isascii() else ""
    if not host or len(local) > _LONGEST_LOCAL_PART or not _LOCAL_PART.fullmatch(local):
        raise BadValue(PLACEHOLDER if value.lower() in PLACEHOLDERS else looks(value, "email", _NOT_AN_EMAIL))
    return f"{local}@{hostname(host)}"


def screen_name(raw: str) -> str:
    """Return a Twitter name in lower case without its @: 1 to 15 of a-z, 0-9 and _, and up to 20 for accounts of old.

    Raises BadValue: "placeholder" or "not a Twitter name". Words such as null are names that people do have.
    """
    if _SCREEN_NAME.fullmatch(raw):
        return raw
    name = raw.strip()
    if name[:1] in {"@", "\uff20"}:  # the full-width one, too
        name = name[1:]
    name = name.lower() if name.isascii() else ""
    if not _SCREEN_NAME.fullmatch(name):
        raise BadValue(PLACEHOLDER if raw.strip() in {"", "-"} else "not a Twitter name")
    return name


def digest(raw: str) -> str:
    """Return a file's digest in lower case hex; an empty file's is one, too.

    Raises BadValue: "placeholder", what it looks like (an ssdeep hash, hex of another length), or "not a hash".
    """
    if len(raw) in _ALGORITHMS and _HEX.fullmatch(raw):
        return raw
    value = raw.strip()
    value = value.lower() if value.isascii() else ""
    if len(value) not in _ALGORITHMS or not _HEX.fullmatch(value):
        placeholder = raw.strip().lower() in PLACEHOLDERS
        raise BadValue(PLACEHOLDER if placeholder else looks(raw.strip(), "digest", "not a hash"))
    return value


def digest_algorithm(value: str) -> str:
    """Return which algorithm a digest's length tells: md5, sha1, sha224, sha256, sha384 or sha512."""
    return _ALGORITHMS[len(digest(value))]


def number(raw: str) -> str:
    """Return a service's decimal number as it is told (a tweet's): kept as text, since many are beyond 2^53."""
    return _identifier(raw, _NUMBER, "not a number")


def certificate(raw: str) -> str:
    """Return a certificate's SHA-256 fingerprint in lower case hex, sha1: or md5: and that one, or `log:number`.

    Colons between the bytes are dropped, and so is a leading "sha256:".
    """
    value = raw.strip().lower()
    algorithm, _, digits = value.partition(":")
    if algorithm in _FINGERPRINTS:
        digits = digits.replace(":", "")
        if len(digits) == _FINGERPRINTS[algorithm] and _HEX.fullmatch(digits):
            return digits if algorithm == "sha256" else f"{algorithm}:{digits}"
    elif _IN_A_LOG.fullmatch(value):
        return value
    digits = value.replace(":", "")
    if len(digits) == _SHA256 and _HEX.fullmatch(digits):
        return digits
    raise BadValue(PLACEHOLDER if value in PLACEHOLDERS else "not a certificate's fingerprint or number")


def cve(raw: str) -> str:
    """Return a CVE number such as CVE-2021-44228, in upper case; else BadValue: "placeholder", "not a CVE number"."""
    return _identifier(raw, _CVE, "not a CVE number")


def attack_id(raw: str) -> str:
    """Return an ATT&CK id of a tactic, technique, software, group or mitigation, in upper case.

    Raises BadValue: "placeholder" or "not an ATT&CK id".
    """
    return _identifier(raw, _ATTACK_ID, "not an ATT&CK id")


def _identifier(raw: str, pattern: re.Pattern[str], reason: str) -> str:
    if pattern.fullmatch(raw):
        return raw
    value = raw.strip()
    value = value.upper() if value.isascii() else ""
    if not pattern.fullmatch(value):
        raise BadValue(PLACEHOLDER if raw.strip().lower() in PLACEHOLDERS else reason)
    return value
