"""DNS names, and which of them are registrable."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, cached_property, lru_cache
from pathlib import Path

import idna
import publicsuffixlist

from intel_grapher.errors import BadValue
from intel_grapher.keys.addresses import ip_address
from intel_grapher.keys.looks import looks
from intel_grapher.keys.words import IMPOSSIBLE_ADDRESS, NOT_A_NAME, PLACEHOLDER, TOO_LONG

_LONGEST_LABEL = 63
_LONGEST_NAME = 253
_LOOKED_FOR = 100  # rules
_KEPT_SUFFIXES = 65_536  # names; some 15 MB when full

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# A name whose length alone (at most 63) says that no label is too long; all names in practice end in a letter's label.
PLAIN_NAME = r"(?:[a-z0-9_]++(?:-++[a-z0-9_]++)*+\.)++[a-z][a-z0-9-]*[a-z0-9]"
_PLAIN = re.compile(PLAIN_NAME)
# The last label is no number (decimal or hex): browsers and resolvers read such a name as an IPv4 address.
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?!(?:[0-9]+|0x[0-9a-f]*)\Z){_LABEL}")
_NAME_FAULTS = (
    ("a wildcard", re.compile(r"\*\.")),
    ("a URL, not a name", re.compile(r"[a-z0-9+.-]+://")),
    ("an e-mail address, not a name", re.compile(r"[^/]*@")),
    ("percent-escapes", re.compile(r".*%[0-9a-f]{2}", re.DOTALL)),
    ("a single label", re.compile(r"[a-z0-9_][a-z0-9_-]*\Z")),
    ("an empty label", re.compile(r"(?=\.|.*\.(?:\.|\Z))[^\s/:]+\Z")),
    (IMPOSSIBLE_ADDRESS, re.compile(rf"(?:{_LABEL}\.)+(?:[0-9]+|0x[0-9a-f]*)\Z")),
    ("a port after the host", re.compile(r"(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\]):[0-9]+\Z")),
    ("a URL without its scheme", re.compile(rf"(?:{_LABEL}\.)+{_LABEL}(?::[0-9]+)?[/?#]")),
    (TOO_LONG, re.compile(r"(?=.{254}|.*[a-z0-9_-]{64})[a-z0-9_.-]+\Z")),
)


def hostname(raw: str) -> str:
    """Return a DNS name in lower case and A-label form (IDNA 2008 after UTS 46), without its final dot.

    Underscores are kept, and so is a label that is an A-label already. Raises BadValue: "placeholder", "a wildcard",
    "an IP address, not a name", "an impossible address" (it ends in a number), "an e-mail address, not a name", "a URL,
    not a name", "a URL without its scheme", "a port after the host", "a single label", "an empty label",
    "percent-escapes", "too long" or "not a DNS name".
    """
    if len(raw) <= _LONGEST_LABEL and _PLAIN.fullmatch(raw):
        return raw
    name = raw.strip()
    name = (name.lower() if name.isascii() else _a_labels(name)).removesuffix(".")
    if len(name) <= _LONGEST_NAME and _NAME.fullmatch(name):
        return name
    raise BadValue(_name_fault(name))


def _a_labels(name: str) -> str:
    """Return the name with its non-ASCII labels as A-labels, or unchanged where IDNA has none for it."""
    try:
        mapped = idna.uts46_remap(name, std3_rules=False)
        # Label by label, because IDNA would refuse the underscores of the ASCII ones.
        return ".".join(each if each.isascii() else _a_label(each) for each in mapped.split("."))
    except UnicodeError:
        return name


def _a_label(label: str) -> str:
    """Return the A-label of a label. Some registries sell pictures (emoji), which IDNA 2008 forbids but IDNA 2003 had.

    Raises UnicodeError for a label that neither has.
    """
    try:
        return idna.alabel(label).decode()
    except UnicodeError:
        if not all(char.isascii() or unicodedata.category(char) in {"So", "Sk"} for char in label):
            raise
        return f"xn--{label.encode('punycode').decode()}"


def _name_fault(name: str) -> str:
    """Return why this is no DNS name."""
    try:
        ip_address(name)
    except BadValue as bad:
        if bad.reason in {IMPOSSIBLE_ADDRESS, PLACEHOLDER}:
            return bad.reason
    else:
        return "an IP address, not a name"
    plain = next((reason for reason, pattern in _NAME_FAULTS if pattern.match(name)), NOT_A_NAME)
    return looks(name, "name", plain)


class _Section:
    """Rules of the Public Suffix List as it was packaged; nothing is downloaded.

    The first few are looked for in its text: to parse it takes 15 ms of CPU, and a question is about one name or two.
    """

    def __init__(self, text: bytes) -> None:
        self._text = b"\n" + text
        self._asked = 0

    def __contains__(self, rule: str) -> bool:
        self._asked += 1
        if self._asked > _LOOKED_FOR or "xn--" in rule or not rule.isascii():
            return rule in self.rules
        return b"\n%b\n" % rule.encode() in self._text

    @cached_property
    def rules(self) -> frozenset[str]:
        """Return all of them: names, names after "*." and names after "!"."""
        lines = [line for line in self._text.splitlines() if line.strip() and not line.startswith(b"//")]
        plain = {line.split()[0].decode().lower() for line in lines if line.isascii()}
        # The package looks for an A-label form of each line, which takes five times as long as all else.
        others = publicsuffixlist.PublicSuffixList(b"\n".join(line for line in lines if not line.isascii()))
        return frozenset(plain | others._publicsuffix)  # noqa: SLF001 - it gives them no other way


@cache
def _sections() -> tuple[_Section, _Section]:
    """Return the ICANN section, and all of the list."""
    text = Path(publicsuffixlist.PSLFILE).read_bytes()
    icann, mark, _ = text.partition(b"// ===BEGIN PRIVATE DOMAINS===")
    if not mark:
        raise AssertionError(f"{publicsuffixlist.PSLFILE} has no private section")
    return _Section(icann), _Section(text)


def rules() -> frozenset[str]:
    """Return the Public Suffix List's rules, both sections: names, names after "*." and names after "!"."""
    return _sections()[1].rules


@lru_cache(_KEPT_SUFFIXES)
def _suffix(name: str) -> str:
    """Return the public suffix of a canonical name. An unknown TLD is one."""
    return _suffix_by(_sections()[1], name, _suffix)


@lru_cache(_KEPT_SUFFIXES)
def _icann_suffix(name: str) -> str:
    """Return the public suffix under the ICANN section alone: where names are registered."""
    return _suffix_by(_sections()[0], name, _icann_suffix)


def _suffix_by(known: _Section, name: str, suffix: Callable[[str], str]) -> str:
    """Return the public suffix of a canonical name by some rules; `suffix` does the same for its parent.

    The longest rule counts: a name's own, else that which its parent's "*." makes of it, else its parent's.
    """
    parent = name.partition(".")[2]
    if not parent or name in known or f"*.{name}" in known:
        return name
    if f"!{name}" in known:
        return parent
    return name if f"*.{parent}" in known and f"!{parent}" not in known else suffix(parent)


def registrable(name: str) -> str:
    """Return the Domain that a canonical name is, or lies beneath: www.tenant.github.io lies in tenant.github.io.

    Raises BadValue: "a public suffix" for a name that has none, such as co.uk, and "too long".
    """
    if len(name) > _LONGEST_NAME:
        raise BadValue(TOO_LONG)
    return _below(name, _suffix(name)) or registered(name)


def registered(name: str) -> str:
    """Return the domain under the ICANN section that a canonical name is, or lies beneath: there it is registered.

    The private section says where tenants part and not where registrations are made: tenant.github.io lies in
    github.io, which has a registrar. Raises BadValue as `registrable` does.
    """
    if len(name) > _LONGEST_NAME:
        raise BadValue(TOO_LONG)
    found = _below(name, _icann_suffix(name))
    if not found:
        raise BadValue("a public suffix")
    return found


def _below(name: str, suffix: str) -> str:
    """Return the part of a name that is one label longer than its suffix; empty where it is the suffix."""
    return "" if suffix == name else name[name.rfind(".", 0, -len(suffix) - 1) + 1 :]


def is_registrable(name: str) -> bool:
    """Return whether a canonical name is a Domain, and not a SubDomain.

    A Domain is a name one label below a public suffix of either section: example.co.uk, tenant.github.io. A suffix of
    the private section that is registered itself, github.io, is one as well.
    """
    parent = name.partition(".")[2]
    if not parent or len(name) > _LONGEST_NAME:
        return False
    suffix = _suffix.__wrapped__(name)
    if suffix == parent:
        return parent == _suffix(parent)
    return suffix == name != _icann_suffix(name) and parent == _icann_suffix(parent)


def domain(raw: str) -> str:
    """Return the canonical name of a Domain; else BadValue, as hostname's, "a public suffix" or "a sub-domain"."""
    name = hostname(raw)
    if not is_registrable(name):
        raise BadValue("a public suffix" if name == _icann_suffix(name) else "a sub-domain")
    return name


def subdomain(raw: str) -> str:
    """Return the canonical name of a SubDomain; else BadValue, as hostname's or "a registrable name"."""
    name = hostname(raw)
    if is_registrable(name):
        raise BadValue("a registrable name")
    return name
