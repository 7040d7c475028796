"""Lines of the lists that blockers, resolvers and firewalls read: which words of them are values."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import NamedTuple

from intel_grapher.errors import BadValue
from intel_grapher.keys import ip_address

NOT_BLOCKED = "an exception of the list, which it does not report"
NO_INDICATOR = "an address of the list's own machinery"
HIDDEN = "hidden on a page, not reported"
# What docs/intake.md says of each form of line: the format, what is read, what is left out.
READS = (
    ("hosts file", "every name of a line; an address of the world before names, too",
     "`localhost` and its like; broadcast, multicast and `ff00::`"),
    ("adblock list", "the name of `||name^` and `|name|`", "exceptions (`@@`), names that only hide parts of pages"),
    ("dnsmasq", "the names of `address=/…/`, `server=/…/`, `local=/…/`, `ipset=/…/`; `host-record`, `cname`",
     "where they are sent"),
    ("RPZ", "the owner of a CNAME; the network of `…rpz-ip`", "`rpz-passthru`"),
    ("unbound", "`local-zone`, `local-data`", "zones of the type `transparent`"),
    ("Suricata, Snort", "addresses in a rule's header, names in its contents",
     "variables, patterns, messages; what `!` excepts"),
    ("iptables, ipset, nginx, Apache", "the address or network that is denied", "ports, chains and targets"),
    ("range", "`192.0.2.0 - 192.0.2.255`, `192.0.2.1-9`, `start end length`, `name:first-last`: as networks",
     "a range of more than 32 networks"),
)  # fmt: skip


class LineValues(NamedTuple):
    """The words of a line that are values, and those that look like values and are none, with the reason."""

    values: list[str]
    others: list[tuple[str, str]] = []  # noqa: RUF012 - a NamedTuple's default is never changed


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


_HOSTS = re.compile(
    r"([0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]{0,45}:[0-9A-Fa-f:.]{1,45}(?:%\w+)?)\s+([^\s#]+(?:\s+[^\s#]+)*)"
)
_NAME = _compiled(r"(?:[\w*-]+\.)*[\w-]+\.?")
_ADDRESS_FIRST = re.compile(r"[0-9]+\.[0-9]|[0-9A-Fa-f]*:[0-9A-Fa-f]*:")
_DOTTED = re.compile(r"\w[.@]\w")
_ADBLOCK_PATH = _compiled(r"(@@)?\|{1,2}(?:\*\.)?((?:https?://)?[^\s/^$|*]+/[^\s^$|*]+)[\^|]?(?:\$.*)?")
_ADBLOCK = _compiled(r"(@@)?\|{1,2}(?:\*\.)?([^\s/^$|*]+)[\^|/]?(?:\$.*)?")
_COSMETIC = re.compile(r"([^#\s]*)#[@?$%]?#.*")
_DNSMASQ = _compiled(r"(?:address|server|local|ipset|nftset)=/((?:[^/\s]+/)+)\S*")
_DNSMASQ_RECORD = _compiled(r"(?:host-record|cname)=(\S+)")
_RPZ_ADDRESS = _compiled(r"(\d+)\.((?:(?:[0-9a-f]+|zz)\.)+)rpz-ip(?:\.\S*)?\s+.*")
_RPZ = _compiled(r"(\*\.)?(\S+?)\.?\s+(?:\d+\s+)?(?:IN\s+)?CNAME\s+(\S+)")
_ZONE_OWN = _compiled(r"\$(?:ORIGIN|TTL|INCLUDE|GENERATE)\s.*|\S+\s+(?:\d+\s+)?(?:IN\s+)?(?:SOA|NS)\s.*")
_ZONE_ADDRESS = _compiled(r"(?:\*\.)?(\S+?)\.?\s+(?:\d+\s+)?(?:IN\s+)?(?:A|AAAA)\s+([0-9a-f.:]+)")
_UNBOUND_ZONE = _compiled(r'local-zone:\s*"?([^"\s]+?)\.?"?\s+(\S+)')
_UNBOUND_DATA = _compiled(r'local-data(?:-ptr)?:\s*["\'](\S+?)\.?\s+.*')
_RULE = _compiled(r"(?:alert|drop|reject|block|pass)\s+\S+\s+(\S+)\s+\S+\s+(?:->|<>|<-)\s+(\S+)\s+\S+\s+\((.*)\)\s*")
_RULE_CONTENT = re.compile(r'content:\s*(!?)\s*"((?:[^"\\]|\\.)*)"')
_RULE_NAME = re.compile(r"(?:[\w-]+\.)+[\w-]{2,}|https?://\S+", re.IGNORECASE)
_RULE_LABEL = re.compile(r"\|([0-9a-f]{2})\|([\w-]+)", re.IGNORECASE)  # a length and a label, as DNS sends names
_FIREWALL = (
    _compiled(r"(?:iptables\s+|ip6tables\s+)?-[AI]\s+\S+.*?\s(?:-s|-d|--source|--destination)\s+(\S+).*"),
    _compiled(r"(?:ipset\s+)?(?:add|-A)\s+\S+\s+(\S+)(?:\s.*)?"),
    _compiled(r"(?:deny|block|drop|reject)\s+(?:from\s+|ip\s+|in\s+from\s+)?(\S+?);?"),
    _compiled(r"Require\s+not\s+ip\s+(\S+)"),
    _compiled(r"set\s+\S+\s+\{\s*(.+?)\s*\}.*"),
)
_RANGE = re.compile(
    r"([0-9.]+|[0-9A-Fa-f:]{1,45}:[0-9A-Fa-f:.]{0,45})(\s*(?:-|\u2013|\s)\s*)"
    r"([0-9.]+|[0-9A-Fa-f:]{1,45}:[0-9A-Fa-f:.]{0,45})"
    r"(?:\s+[0-9]+(?=\s|\Z))?"
)
_NAMED_RANGE = re.compile(r".*:([0-9.]{7,15}\s*-\s*[0-9.]{7,15})")  # as PeerGuardian has them
_PADDED = re.compile(r"[0-9]{3}(?:\.[0-9]{3}){3}")  # as eMule has them, in decimal
RULE_PATTERN = "a pattern of a rule, which is no name"
BESIDE_RANGE = "beside a range, whose owner or comment it is"
_LARGEST_RANGE = 32  # networks that one range is parted into


def values_of(line: str) -> LineValues | None:
    """Return the values of a line of a known list format; None for any other line."""
    for recognise in _FORMATS:
        found = recognise(line)
        if found is not None:
            return found
    return None


def _range(line: str) -> LineValues | None:
    named = _NAMED_RANGE.fullmatch(line)
    line = named[1] if named else line
    match = _RANGE.match(line)
    if match is None:
        return None
    try:
        if match[3].startswith("255.") and match[2].isspace():  # an address and a netmask
            networks = [str(ipaddress.ip_network(f"{match[1]}/{match[3]}", strict=False))]
        else:
            first, last = ipaddress.ip_address(_unpadded(match[1])), ipaddress.ip_address(_unpadded(_last(match)))
            networks = [str(network) for network in ipaddress.summarize_address_range(first, last)]
    except (ValueError, TypeError):
        is_meant = match[1].count(".") == match[3].count(".") == 3 and not match[2].isspace()  # noqa: PLR2004 - of IPv4
        return LineValues([], [(match[0], "a range of impossible addresses")]) if is_meant else None
    rest = line[match.end() :].strip()
    if match[2].isspace() and (len(networks) > 1 or match[1] == match[3] or _ADDRESS_FIRST.match(rest)):
        return None  # addresses on a line: only the first and the last one of a network are a range so
    if rest and not rest.startswith(("#", ";", ",", "|", ":")) and not re.match(r"\s", line[match.end() :]):
        return None
    others = [] if rest.startswith("#") else [(word, BESIDE_RANGE) for word in rest.split() if _DOTTED.search(word)]
    if len(networks) > _LARGEST_RANGE:
        return LineValues([], [(match[0], "a range of many networks"), *others])
    return LineValues(list(map(_without_length, networks)), others)


def _last(match: re.Match[str]) -> str:
    """Return the last address of a range; that of 192.0.2.1-10 is 192.0.2.10."""
    is_short = match[3].isdigit() and not match[2].isspace()
    return f"{match[1].rpartition('.')[0]}.{match[3]}" if is_short else match[3]


def _unpadded(address: str) -> str:
    return ".".join(str(int(part)) for part in address.split(".")) if _PADDED.fullmatch(address) else address


def _hosts(line: str) -> LineValues | None:
    match = _HOSTS.fullmatch(line.partition("#")[0].rstrip())
    if match is None:
        return None
    names = match[2].split()
    if not all(_NAME.fullmatch(name) for name in names):
        return None
    address = match[1].partition("%")[0]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    dotted = [name for name in names if "." in name.strip(".")]
    if not _is_nowhere(parsed):
        # An address of the world before names: a pair of a list, both are values. Words after it are a comment.
        return LineValues([address, *dotted]) if len(dotted) == len(names) else None
    skipped = (
        [(address, NO_INDICATOR)] if parsed.is_multicast or not (parsed.is_loopback or parsed.is_unspecified) else []
    )
    return LineValues([name for name in dotted if not _is_local(name)], skipped)


def _is_nowhere(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether hosts files send names to an address, or keep it for the machine itself."""
    return (
        address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local
        or str(address) in {"255.255.255.255", "ff00::", "fe00::"}
    )  # fmt: skip


def _is_local(name: str) -> bool:
    return name.lower().rstrip(".") in {"localhost.localdomain", "local", "localhost", "broadcasthost"}


def _adblock(line: str) -> LineValues | None:
    if match := _ADBLOCK.fullmatch(line) or _ADBLOCK_PATH.fullmatch(line):
        return LineValues([], [(match[2], NOT_BLOCKED)]) if match[1] else LineValues([match[2]])
    if match := _COSMETIC.fullmatch(line):
        return LineValues([], [(name, HIDDEN) for name in match[1].split(",") if "." in name])
    return None


def _dnsmasq(line: str) -> LineValues | None:
    if match := _DNSMASQ_RECORD.fullmatch(line):
        return LineValues([value for value in match[1].split(",") if _DOTTED.search(value) or ":" in value])
    match = _DNSMASQ.fullmatch(line)
    return LineValues([name for name in match[1].split("/") if name]) if match else None


def _rpz(line: str) -> LineValues | None:
    if match := _RPZ_ADDRESS.fullmatch(line):
        return _rpz_network(match[1], match[2].rstrip(".").split("."))
    if _ZONE_OWN.fullmatch(line):
        return LineValues([], [(word, NO_INDICATOR) for word in line.split() if _DOTTED.search(word)])
    if match := _ZONE_ADDRESS.fullmatch(line):
        return _zone_address(match[1], match[2])
    match = _RPZ.fullmatch(line)
    if match is None:
        return None
    if match[3].rstrip(".").lower() == "rpz-passthru":
        return LineValues([], [(match[2], NOT_BLOCKED)])
    return LineValues([match[2]])


def _zone_address(name: str, address: str) -> LineValues | None:
    """Return the name that has an address record, and the address unless names are sent nowhere by it."""
    try:
        nowhere = (parsed := ipaddress.ip_address(address)).is_unspecified or _is_nowhere(parsed)
    except ValueError:
        return None
    return LineValues([name], [(address, NO_INDICATOR)]) if nowhere else LineValues([name, address])


def _rpz_network(length: str, reversed_parts: list[str]) -> LineValues | None:
    """Return the network of an RPZ trigger: its prefix length, then the address's parts in reverse, zz for ::."""
    parts = reversed_parts[::-1]
    text = ".".join(parts) if len(parts) == 4 and "zz" not in parts else ":".join(parts).replace("zz", "")  # noqa: PLR2004
    if ":" in text:
        text = text.replace(":::", "::") if text.count(":") > 1 else f"{text}:"
    return LineValues([_without_length(f"{text}/{length}")])


def _unbound(line: str) -> LineValues | None:
    if match := _UNBOUND_ZONE.fullmatch(line):
        return LineValues([], [(match[1], NOT_BLOCKED)]) if match[2] == "transparent" else LineValues([match[1]])
    match = _UNBOUND_DATA.fullmatch(line)
    return LineValues([match[1]]) if match else None


def _rule(line: str) -> LineValues | None:
    """Return the values of a rule of Suricata or Snort: addresses of its header, names in its contents."""
    match = _RULE.fullmatch(line)
    if match is None:
        return None
    others: list[tuple[str, str]] = []
    values: list[str] = []
    for side in match.group(1, 2):
        for part in side.strip("![]").split(","):
            is_denied = side.startswith("!") or part.startswith("!")
            address = part.strip("![] ")
            if re.match(r"[0-9]|[0-9A-Fa-f]*:", address):
                others += [(address, NOT_BLOCKED)] if is_denied else []
                values += [] if is_denied else [address]
    for denied, content in _RULE_CONTENT.findall(match[3]):
        name = _of_labels(content).strip(".")
        if not _RULE_NAME.fullmatch(name):
            others += [(name, RULE_PATTERN)] if _DOTTED.search(name) else []
        elif denied:
            others.append((name, NOT_BLOCKED))
        else:
            values.append(name)
    return LineValues(values, others)


def _of_labels(content: str) -> str:
    """Return a name that is written as DNS sends it, |04|evil|07|example|00|; any other content as it is."""
    bare = content.removesuffix("|00|")
    labels = _RULE_LABEL.findall(bare)
    is_name = labels and "".join(f"|{size}|{label}" for size, label in labels) == bare
    return (
        ".".join(label for _, label in labels)
        if is_name and all(int(size, 16) == len(label) for size, label in labels)
        else content
    )


def _firewall(line: str) -> LineValues | None:
    for pattern in _FIREWALL:
        if match := pattern.fullmatch(line):
            values = [_without_length(value) for value in re.split(r"[\s,]+", match[1]) if re.search(r"[.:]", value)]
            return LineValues(values) if values and all(map(_is_address, values)) else None
    return None


def _without_length(value: str) -> str:
    """Return a network of one address as that address."""
    address, _, length = value.partition("/")
    return address if length == ("128" if ":" in address else "32") else value


def _is_address(value: str) -> bool:
    try:
        ip_address(value.partition("/")[0])
    except BadValue:
        return False
    return True


_FORMATS: tuple[Callable[[str], LineValues | None], ...] = (
    *(_range, _hosts, _adblock, _dnsmasq, _unbound, _rpz, _rule, _firewall),
)


def comment_of(line: str) -> tuple[str, str]:
    """Return a line's content and the comment behind it: after #, ; or // with white space before it."""
    match = re.search(r"\s+(?:#|;|//)\s?|\s*#\s+", line)
    return (line[: match.start()], line[match.end() :]) if match else (line, "")
