"""OpenIOC: indicators in XML, of versions 1.0 and 1.1, brought in with `cache add`.

https://github.com/mandiant/OpenIOC_1.1: a tree of terms that AND and OR join. Each term has a search, which says what
is compared (FileItem/Md5sum, DnsEntryItem/Host, PortItem/remoteIP), a condition and a content. Read are terms that say
`is` or `contains` of a digest, a name, an address, a URL or a sender; a name, size or digest that AND joins to a
digest is of the same file. All others are left out, and listed: file names alone, paths, registry keys, processes,
negated terms. An indicator is a Report, `openioc:` and its id. Links to a threat group blame it, links to a family
concern it, links to pages are cited. The raw XML is kept as it is.

XML with a document type is refused: nothing outside is read, and no entity is expanded. Looked at on 2026-11-26:
mandiant/OpenIOC_1.1 (its schema and examples), and indicators of version 1.0 as mandiant/ioc_writer reads them.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from intel_grapher.errors import BadValue
from intel_grapher.model import Facts, Kind, LeftOut
from intel_grapher.schema import (
    ADDRESS,
    BLAMES,
    CITES,
    CONCERNS,
    DIGEST,
    DIGEST_BY,
    EMAIL_ADDRESS,
    EXPOSES,
    HOSTNAME,
    LINK,
    REFERENCE,
    REPORTED_IN,
    Address,
    Digest,
    GroupId,
    Link,
    MalwareName,
    Reference,
    Term,
    on_hosts,
    same_file,
    service_name,
)
from intel_grapher.source import Outcome, Rate, Source
from intel_grapher.sources._ties import from_kind
from intel_grapher.sources._written import settled
from intel_grapher.sources._xml import build

# What docs/intake.md says of it: the format, what is read, what is left out.
READS = (
    (
        "OpenIOC 1.0, 1.1",
        "terms that say `is` or `contains` of a digest, name, address, URL or sender",
        "negated terms, paths, registry keys, processes, each listed; XML with a document type is refused",
    ),
)
_ROOT = re.compile(rb"<(?:\w+:)?(?:ioc|OpenIOC)\s[^>]*(?:schemas\.mandiant\.com|openioc\.org)[^>]*>", re.DOTALL)
_ID = re.compile(rb"""\sid\s*=\s*["']([0-9A-Za-z._-]{1,200})["']""")
_DIGEST = re.compile(r".*(md5|sha1|sha256)(?:sum)?", re.IGNORECASE)
_NOT_OF_THE_FILE = ("peinfo", "systeminfoitem", "arpentryitem", "localip")
_BY_LAST: dict[str, Kind[Any]] = {
    **dict.fromkeys(("host", "hostname", "recordname", "dns"), HOSTNAME),
    **dict.fromkeys(("remoteip", "ipv4address", "ipv6address"), ADDRESS),
    **dict.fromkeys(("url", "sourceurl", "uri", "referer"), LINK),
    **dict.fromkeys(("from", "sender", "replyto", "reply-to"), EMAIL_ADDRESS),
}
LONGEST_COMMENT = 500
_READ = {"is", "contains"}


class IndicatorTerm(Struct):
    """One term: what is compared, how, with what, and which AND it is in (0: none)."""

    search: str = ""
    condition: str = ""
    content: str = ""
    negated: bool = False
    together: int = 0


class PageLink(Struct):
    rel: str = ""
    text: str = ""


class Indicator(Struct):
    id: str = ""
    title: str = ""
    description: str = ""
    created: str | None = None
    links: list[PageLink] = []
    terms: list[IndicatorTerm] = []


class _Builder:
    """What expat calls: collects an Indicator."""

    def __init__(self) -> None:
        self.found = Indicator()
        self._path: list[str] = []
        self._texts: list[str] = []
        self._joined: list[int] = []
        self._groups = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._texts = []
        if len(self._path) == 1:
            if name not in {"ioc", "OpenIOC"}:
                raise BadValue("XML of another kind: an ioc or OpenIOC element is wanted")
            self.found.id = attributes.get("id", "")
        elif name == "Indicator":
            self._groups += 1
            self._joined.append(self._groups if attributes.get("operator", "").upper() == "AND" else 0)
        elif name == "IndicatorItem":
            negated = attributes.get("negate", "").lower() in {"true", "1"}
            term = IndicatorTerm(condition=attributes.get("condition", "").lower(), negated=negated)
            term.together = self._joined[-1] if self._joined else 0
            self.found.terms.append(term)
        elif name == "Context" and self.found.terms:
            self.found.terms[-1].search = attributes.get("search", "")
        elif name == "link":
            self.found.links.append(PageLink(attributes.get("rel", ""), attributes.get("href", "")))

    def text(self, text: str) -> None:
        self._texts.append(text)

    def end(self, name: str) -> None:
        self._path.pop()
        text, self._texts = "".join(self._texts).strip(), []
        if name == "Indicator":
            self._joined.pop()
        elif name == "Content" and self.found.terms:
            self.found.terms[-1].content = text
        elif name == "link" and text:
            self.found.links[-1].text = text
        elif name == "short_description":
            self.found.title = text
        elif name == "description" and "Indicator" not in self._path:
            self.found.description = text
        elif name == "authored_date":
            self.found.created = text or None


def prepare(body: bytes) -> bytes:
    """Return an indicator's XML as JSON. Raises BadValue for what is not XML, or has a document type."""
    builder = _Builder()
    build(body, builder)
    return msgspec.json.encode(builder.found)


def recognise(body: bytes) -> str | None:
    """Return the id of the indicator that a body is, or None."""
    root = _ROOT.search(body[:4096])
    if root is None:
        return None
    found = _ID.search(root[0])
    return found[1].decode() if found else ""


def judge(reply: Indicator) -> Outcome:
    """Tell an indicator without terms from one that has some."""
    return Outcome.FOUND if reply.terms else Outcome.NOT_FOUND


source = Source(
    "openioc",
    title="OpenIOC indicators",
    home="https://github.com/mandiant",
    limits=(Rate(1),),
    judge=judge,
    terms="each indicator's own",
    status="brought in with `cache add`",
)


def _named(term: IndicatorTerm) -> tuple[Kind[Any], str, int] | None:
    """Return the kind, the plain value and the port (0 for none) that a term names, or None."""
    search = term.search.lower()
    if term.negated or term.condition not in _READ or any(each in search for each in _NOT_OF_THE_FILE):
        return None
    last = search.rpartition("/")[2]
    if match := _DIGEST.fullmatch(last):
        return DIGEST_BY[match[1]], term.content, 0
    kind = _BY_LAST.get(last)
    if kind is None or (last == "uri" and "." not in term.content.partition("/")[0] and "://" not in term.content):
        return None  # a path alone
    return settled(kind, term.content)


@source.get("/{key}.ioc", kept_only="indicators are brought in with `cache add`", also=("ioc",), prepare=prepare,
            recognise=recognise)  # fmt: skip
def indicator(asked: Term, reply: Indicator) -> Facts:
    """Digests, names, addresses and URLs of an indicator, and whom it blames."""
    report = Reference(f"openioc:{reply.id or asked}")
    pages = [each.text for each in reply.links if "://" in each.text]
    yield REFERENCE.each(report, title=reply.title or None, created=reply.created, links=[pages])
    yield CITES.each(report, [Reference(each) for each in pages])
    others = [each for each in reply.links if each.text not in pages]
    yield BLAMES.each(report, [GroupId(each.text) for each in others if each.rel == "threatgroup"])
    yield CONCERNS.each(report, [MalwareName(each.text) for each in others if each.rel == "family"])
    yield from _reported(report, reply)
    yield from _together(reply)
    unread = [each.text for each in others if each.rel not in {"threatgroup", "family"} and each.text]
    yield LeftOut(unread, ["a link of a kind that is not read"] * len(unread))


def _reported(report: Reference, reply: Indicator) -> Facts:
    left_out: list[tuple[str, str]] = []
    of: dict[Kind[Any], dict[str, None]] = {}
    for term in reply.terms:
        found = _named(term)
        if found is None:
            left_out.append((term.content, _reason(term)))
            continue
        kind, value, port = found
        of.setdefault(kind, {})[value] = None
        if port:
            yield EXPOSES.each(Address(value), service_name(Address(value), port))
    comments = [reply.description[:LONGEST_COMMENT]] if reply.description else []
    for kind, values in of.items():
        yield from_kind(REPORTED_IN, kind).each([*values], report, comments=[comments] * len(values))
    yield on_hosts([Link(each) for each in of.get(LINK, ())])
    yield LeftOut([value for value, _ in left_out], [reason for _, reason in left_out])


def _reason(term: IndicatorTerm) -> str:
    if term.negated or "not" in term.condition:
        return "a term that says what is not there"
    return "a term that names no indicator" if term.condition in _READ else "a term that is more than equality"


def _together(reply: Indicator) -> Facts:
    """Yield what terms say of one file: those that one AND joins."""
    for group in {each.together for each in reply.terms} - {0}:
        terms = [each for each in reply.terms if each.together == group and each.condition == "is" and not each.negated]
        found = [(kind, value) for each in terms if (named := _named(each)) for kind, value, _ in [named]]
        files = [Digest(value) for kind, value in found if kind in DIGEST_BY.values()]
        if len({len(each) for each in files}) == len(files):
            yield same_file(*files)
            names = [each.content for each in terms if each.search.lower() == "fileitem/filename"]
            yield DIGEST.each(files, names=[names] * len(files))
