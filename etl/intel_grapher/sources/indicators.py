"""Lists of indicators from anywhere, brought in with `cache add`, as text or in columns. The key is the list's name.

`intel_grapher.intake` reads them: which words are indicators, which look like one and are left out, and why. The lists
are of no one vendor and have no documentation in common, so that there was none to look at.
"""

import re
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from intel_grapher import intake
from intel_grapher.intake.table import read_table
from intel_grapher.intake.text import Leftover
from intel_grapher.intake.words import Identified
from intel_grapher.model import Facts, LeftOut
from intel_grapher.schema import (
    EXPOSES,
    REFERENCE,
    REPORTED_IN,
    Address,
    Hostname,
    Link,
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


@source.get("/{key}/", kept_only=BY_ADDING, format="text", of_files=True, also=("list", "txt", "text"))
def plain(asked: Reference | Term, reply: str, kept: Mapping[str, str]) -> Facts:
    """Indicators in a text: that the list names them."""
    mentions, leftovers, _ = intake.read(reply)
    found = [Identified(mention.kind, mention.key, mention.port) for mention in mentions]
    yield from _reported(_report(asked), found, None, None, leftovers)
    yield from _about(asked, kept, found)


@source.get("/{key}/", kept_only=BY_ADDING, format="text", of_files=True, also=("csv",))
def table(asked: Reference | Term, reply: str, kept: Mapping[str, str]) -> Facts:
    """Indicators in columns: that the list names them, and when they were seen."""
    read = read_table(reply)
    if read is None:
        yield from plain(asked, reply, kept)
        return
    found = [entry.found for entry in read.entries]
    first, last = [entry.first or None for entry in read.entries], [entry.last or None for entry in read.entries]
    yield from _reported(_report(asked), found, first, last, read.leftovers)
    yield from _about(asked, kept, found)


def _report(asked: Reference | Term) -> Reference:
    """Return what a list is known by: its URL, or its name."""
    return Reference(asked if "://" in asked else f"indicators:{_id(asked)}")


def _about(asked: Reference | Term, kept: Mapping[str, str], found: list[Identified]) -> Facts:
    """Yield what is known of a list that names something: its title, its content's digest, where it was."""
    if found and "path" in kept:
        digest, path = kept.get("sha256"), [kept["path"]]
        yield REFERENCE.each(_report(asked), title=kept.get("title"), digest=digest, paths=path)


def _reported(
    report: Reference,
    found: list[Identified],
    first: list[str | None] | None,
    last: list[str | None] | None,
    leftovers: list[Leftover],
) -> Facts:
    keys = [f"@{each.key}" if each.kind == "user" else each.key for each in found]
    yield REPORTED_IN.each([Hostname(key) for key in keys], report, first_seen=first, last_seen=last)
    ported = [(index, each) for index, each in enumerate(found) if each.kind == "ip" and each.port]
    services = [service_name(Address(each.key), each.port) for _, each in ported]
    yield EXPOSES.each([Address(each.key) for _, each in ported], services)
    yield REPORTED_IN.each(
        [Hostname(service) for service in services],
        report,
        first_seen=first and [first[index] for index, _ in ported],
        last_seen=last and [last[index] for index, _ in ported],
    )
    yield on_hosts([Link(each.key) for each in found if each.kind == "url"])
    yield LeftOut([leftover.raw for leftover in leftovers], [leftover.reason for leftover in leftovers])
    names = [f"{each.key}:{each.port}" for each in found if each.kind == "domain" and each.port]
    yield LeftOut(names, ["a port of a name: services are known by their address"] * len(names))


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
