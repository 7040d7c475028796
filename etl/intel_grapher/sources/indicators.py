"""Lists of indicators from anywhere, brought in with `cache add`: one a line, or as CSV. The key is the list's name.

A line may be a comment (#, ;, //, !), end in one, or be a line of a hosts file. In CSV the header's names say which
columns hold indicators and when they were seen; without a known name it is the first column. Defanged ones are
refanged. What is an indicator and of which kind, its form says. Looked at on 2026-11-26.
"""

import re
from collections.abc import Iterator

from intel_grapher.model import Facts
from intel_grapher.schema import REPORTED_IN, Hostname, Link, Reference, Term, on_hosts, refanged
from intel_grapher.source import Outcome, Rate, Source
from intel_grapher.sources._rows import cells, rows

COMMENTS = ("#", ";", "//", "!")
NOWHERE = {"0.0.0.0", "127.0.0.1", "::", "::1"}  # noqa: S104 - where hosts files send names
INDICATORS = {
    *("ioc", "ioc_value", "indicator", "value", "url", "domain", "hostname", "host", "fqdn", "email", "cve"),
    *("ip", "ip_address", "ipaddress", "address", "dst_ip", "src_ip"),
    *("hash", "md5", "sha1", "sha256", "md5_hash", "sha1_hash", "sha256_hash"),
}
FIRST = {"first_seen", "firstseen", "dateadded", "date_added", "date", "added", "created"}
LAST = {"last_seen", "lastseen", "last_online"}
_PORT = re.compile(r"([0-9]+(?:\.[0-9]+){3}):[0-9]+")
_NO_ID = re.compile(r"[^A-Za-z0-9._~-]+")


def judge(reply: str) -> Outcome:
    """Tell a list from a page or an object in its place."""
    start = reply.lstrip()[:1]
    return Outcome.FAILED if start in {"<", "{", "["} else Outcome.FOUND if start else Outcome.NOT_FOUND


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


@source.get("/{key}/", kept_only=BY_ADDING, format="text", also=("list", "txt", "text"))
def plain(asked: Reference | Term, reply: str) -> Facts:
    """Indicators, one a line: that the list names them."""
    found = [_indicator(line) for line in reply.splitlines() if line.strip() and not line.strip().startswith(COMMENTS)]
    yield from _named(asked, [(each, None, None) for each in found])


def _indicator(line: str) -> str:
    words = re.split(r"\s+[#;]|\s+//\s", line.strip(), maxsplit=1)[0].split()
    return words[1] if len(words) > 1 and words[0] in NOWHERE else words[0]


@source.get("/{key}/", kept_only=BY_ADDING, format="text", also=("csv",))
def table(asked: Reference | Term, reply: str) -> Facts:
    """Indicators in columns: that the list names them, and when they were seen."""
    yield from _named(asked, list(_in_columns(reply)))


def _in_columns(reply: str) -> Iterator[tuple[str, str | None, str | None]]:
    header: list[str] | None = None
    for line in reply.splitlines():
        names = [re.sub(r"[^a-z0-9]+", "_", cell.lower()).strip("_").removesuffix("_utc") for cell in cells(line)]
        if INDICATORS.intersection(names):
            header = names
            break
        if line.strip() and not line.lstrip().startswith("#"):
            break
    for _, row in rows(reply):
        by_name = dict(zip(header or ["value"], row, strict=False))
        first = next((by_name[name] for name in by_name if name in FIRST), None)
        last = next((by_name[name] for name in by_name if name in LAST), None)
        for name, cell in by_name.items():
            if name in INDICATORS and re.sub(r"[^a-z0-9]+", "_", cell.lower()) != name:  # not the header itself
                yield cell, first, last


def _named(asked: Reference | Term, found: list[tuple[str, str | None, str | None]]) -> Facts:
    report = Reference(asked if "://" in asked else f"indicators:{_NO_ID.sub('-', asked)[:255]}")
    indicators = [_PORT.sub(r"\1", refanged(each)) for each, _, _ in found]
    yield REPORTED_IN.each(
        [Hostname(each) for each in indicators],
        report,
        first_seen=[first for _, first, _ in found],
        last_seen=[last or first for _, first, last in found],
    )
    yield on_hosts([Link(each) for each in indicators if "://" in each])
