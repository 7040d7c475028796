"""Lists of indicators from anywhere, brought in with `cache add`, as text or in columns. The key is the list's name.

`intel_grapher.intake` reads them: which words are indicators, which look like one and are left out, and why. The lists
are of no one vendor and have no documentation in common, so that there was none to look at.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from intel_grapher import intake
from intel_grapher.intake.table import RowIndicator, parse_columns, read_table
from intel_grapher.intake.text import Leftover
from intel_grapher.intake.words import Identified
from intel_grapher.model import Facts, Kind, LeftOut
from intel_grapher.schema import (
    ADDRESS,
    CVE_ID,
    DETECTED_AS,
    DIGEST,
    EMAIL_ADDRESS,
    EXPOSES,
    HOSTNAME,
    INDICATES,
    LINK,
    REFERENCE,
    REPORTED_IN,
    Address,
    Digest,
    Hostname,
    Link,
    MalwareName,
    Reference,
    Term,
    on_hosts,
    service_name,
)
from intel_grapher.source import Outcome, Rate, Source
from intel_grapher.sources._rows import is_prose

_MARKUP = re.compile(r"\s*<(?:!doctype|html|head|body|\?xml)\b", re.IGNORECASE)
_NO_ID = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_ID = 255
_TAGS = re.compile(r"\s*[,;|]\s*")
_TAGGED: dict[str, Kind[Any]] = {
    "ip": ADDRESS,
    "domain": HOSTNAME,
    "hash": DIGEST,
    "url": LINK,
    "email": EMAIL_ADDRESS,
    "cve": CVE_ID,
}


def judge(reply: str) -> Outcome:
    """Tell a list from a page, JSON or a sentence in its place."""
    if not reply.strip():
        return Outcome.NOT_FOUND
    return Outcome.FAILED if _MARKUP.match(reply) or is_prose(reply) or _is_json(reply) else Outcome.FOUND


def _is_json(reply: str) -> bool:
    if reply.lstrip()[:1] not in {"{", "["}:
        return False
    try:
        msgspec.json.decode(reply)
    except (ValueError, RecursionError):
        return False
    return True


source = Source(
    "indicators",
    title="Lists of indicators",
    home="https://urlhaus.abuse.ch/downloads",
    limits=(Rate(1, per=300.0),),
    judge=judge,
    terms="each list's own",
    status="brought in with `cache add`",
    also=("lists",),
)

BY_ADDING = "lists are brought in with `cache add`"


@source.get("/{key}/", kept_only=BY_ADDING, format="text", of_files="text", also=("list", "txt", "text"))
def plain(asked: Reference | Term, reply: str, kept: Mapping[str, str]) -> Facts:
    """Indicators in a text: that the list names them."""
    mentions, leftovers, _ = intake.read(reply)
    found = [Identified(mention.kind, mention.key, mention.port) for mention in mentions]
    yield from _about(asked, kept, found)
    yield from _reported(_report(asked), found, leftovers)


@source.get("/{key}/", kept_only=BY_ADDING, format="text", of_files="table", also=("csv",))
def table(asked: Reference | Term, reply: str, kept: Mapping[str, str]) -> Facts:
    """Indicators in columns: that the list names them, when they were seen, and what else a row says of them."""
    read = read_table(reply, parse_columns(kept.get("columns", "")))
    if read is None:
        yield from plain(asked, reply, kept)
        return
    rows = read.entries
    found = [row.found for row in rows]
    yield from _about(asked, kept, found)
    yield from _reported(
        _report(asked),
        found,
        read.leftovers,
        first_seen=[row.first or None for row in rows],
        last_seen=[row.last or None for row in rows],
        comments=[[row.comment] if row.comment else None for row in rows],
        confidence=[row.confidence for row in rows],
    )
    yield from _named(rows)


def _named(rows: list[RowIndicator]) -> Facts:
    """Yield the malware of which rows say that an indicator is its, and what they tag indicators with."""
    files = [row for row in rows if row.malware and row.found.kind == "hash"]
    yield DETECTED_AS.each(
        [Digest(row.found.key) for row in files],
        [MalwareName(row.malware) for row in files],
        confidence=[row.confidence for row in files],
    )
    others = [row for row in rows if row.malware and row.found.kind in {"ip", "domain", "url"}]
    yield INDICATES.each(
        [Hostname(row.found.key) for row in others],
        [MalwareName(row.malware) for row in others],
        confidence=[row.confidence for row in others],
    )
    for kind, label in _TAGGED.items():
        tagged = [row for row in rows if row.tags and row.found.kind == kind]
        yield label.each([row.found.key for row in tagged], tags=[_TAGS.split(row.tags) for row in tagged])


def _report(asked: Reference | Term) -> Reference:
    """Return what a list is known by: its URL, or its name."""
    return Reference(asked if "://" in asked else f"indicators:{_id(asked)}")


def _about(asked: Reference | Term, kept: Mapping[str, str], found: list[Identified]) -> Facts:
    """Yield what is known of a list that names something: its title, its content's digest, where it was."""
    if found and "path" in kept:
        digest, path = kept.get("sha256"), [kept["path"]]
        yield REFERENCE.each(_report(asked), title=kept.get("title"), digest=digest, paths=path)


def _reported(report: Reference, found: list[Identified], leftovers: list[Leftover], **said: list[Any]) -> Facts:
    """Yield that a list names indicators; `said` has a value of each property for each of them."""
    keys = [f"@{each.key}" if each.kind == "user" else each.key for each in found]
    yield REPORTED_IN.each([Hostname(key) for key in keys], report, **said)
    ported = [(index, each) for index, each in enumerate(found) if each.port]
    hosts = [Address(each.key) if each.kind == "ip" else Hostname(each.key) for _, each in ported]
    services = [service_name(host, each.port) for host, (_, each) in zip(hosts, ported, strict=True)]
    yield EXPOSES.each(hosts, services)
    of_services = {name: [values[index] for index, _ in ported] for name, values in said.items()}
    yield REPORTED_IN.each([Hostname(service) for service in services], report, **of_services)
    yield on_hosts([Link(each.key) for each in found if each.kind == "url"])
    yield LeftOut([leftover.raw for leftover in leftovers], [leftover.reason for leftover in leftovers])


def _id(name: str) -> str:
    """Return the id of a list that goes by a name; of a long one, its beginning and a digest."""
    escaped = _NO_ID.sub(_escaped, name)
    if len(escaped) <= _LONGEST_ID:
        return escaped
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{escaped[: _LONGEST_ID - len(digest) - 1]}~{digest}"


def _escaped(match: re.Match[str]) -> str:
    """Return the UTF-8 bytes of a character that no id has, each as ~ and two hex digits: no two names are one."""
    return "".join(f"~{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))
