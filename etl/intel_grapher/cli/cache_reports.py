"""How `cache add` takes reports: which files are some, what is kept of each, what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

import msgspec

from intel_grapher import intake
from intel_grapher.analyst.review import DOCUMENT, ORIGIN, SOURCE
from intel_grapher.cache import Cache, ToldReply
from intel_grapher.cli.output import say
from intel_grapher.errors import BadValue, UsageError
from intel_grapher.extract.kinds import refusal, told
from intel_grapher.intake.documents import Document, read_document
from intel_grapher.registry import Registry

MAX_TOLD = 20
_SURE = frozenset({"pdf", "docx", "email"})
_NO_PROSE = frozenset({b"{", b"[", b"<", b'"', b"%"})  # JSON, XML, other formats
# Files about the other files of a folder.
_ABOUT_OTHERS = frozenset({"readme", "license", "licence", "changelog", "notice", "contributing", "copying"})
_TABLES = frozenset({".csv", ".tsv", ".log"})
_LEAST_PROSE = 30  # words
_PROSE = 4  # words to an indicator


class ReportAdder:
    """Tells reports among the files of one `cache add`.

    `source` is what the user named, `url` where the reports were published. `unread` is the number of reports of which
    nothing or not all could be read.
    """

    def __init__(self, cache: Cache, registry: Registry, source: str | None, url: str = "") -> None:
        self._cache = cache
        self._registry = registry
        self._source = source
        self._url = url
        self._seen: set[tuple[str, bytes]] = set()
        self._told: list[str] = []
        self.unread = 0

    def __call__(self, where: str, path: PurePath, body: bytes) -> Sequence[ToldReply] | None:
        """Return what is to be kept of a file that is a report; None for any other file.

        Of a report that is there already it is the same, with the time of the first: the cache keeps it once, and
        notes that this import gave it, too. Nothing is returned for what came before in this import. Raises BadValue
        for a file that is named a report, or of no known place, and of a kind that is not read.
        """
        if not self._is_report(path, body):
            return None
        document = read_document(body)
        key = f"sha256:{document.digest}"
        origin = msgspec.json.encode({"path": where, "url": self._url})
        self._note(path, key, document)
        replies = [ToldReply(SOURCE, DOCUMENT, key, body), ToldReply(SOURCE, ORIGIN, key, origin, is_counted=False)]
        new = [self._as_kept(each) for each in replies if (each.key, each.body) not in self._seen]
        self._seen |= {(each.key, each.body) for each in replies}
        return new

    def tell(self) -> None:
        """Say of each report what it mentions, and what of it was not read."""
        for line in self._told[:MAX_TOLD]:
            say(line)
        if len(self._told) > MAX_TOLD:
            say(f"and {len(self._told) - MAX_TOLD} more; intel-grapher cache review lists all reports")

    def _is_report(self, path: PurePath, body: bytes) -> bool:
        if self._source is not None:
            return self._source == SOURCE
        kind = told(body)
        if kind in _SURE or kind is None:
            return kind is not None or (not self._is_placed(path) and _is_office(body))
        if self._is_placed(path):
            return False
        if kind == "html":
            return True
        is_other = (
            body.lstrip()[:1] in _NO_PROSE or path.stem.lower() in _ABOUT_OTHERS or path.suffix.lower() in _TABLES
        )
        return not is_other and (kind == "markdown" or _is_prose(body))

    def _is_placed(self, path: PurePath) -> bool:
        """Tell whether the folders above a file name an endpoint: it is a kept reply then."""
        *_, source, endpoint, _ = ("", "", *path.parts)
        try:
            return self._registry.named(source.lower().replace("-", "_")).endpoint(endpoint) is not None
        except UsageError:
            return False

    def _as_kept(self, reply: ToldReply) -> ToldReply:
        """Return a reply with the time of the same one in the cache, if there is one."""
        for found in self._cache.history(reply.key, reply.source, reply.endpoint):
            if found.area == "raw" and self._cache.read(found).content == reply.body:
                return reply._replace(fetched_at=found.fetched_at)
        return reply

    def _note(self, path: PurePath, key: str, document: Document) -> None:
        marked = sum(bool(each.mark) for each in document.spotted)
        short = key[: len("sha256:") + 12]
        found = f"{len(document.spotted)} indicators mentioned, {marked} of them marked as probably none"
        if document.spotted:
            self._told.append(f"{path.name}: {found}; next: intel-grapher cache review {short}")
        elif not document.faults:
            self._told.append(f"{path.name}: it mentions no indicator")
        self._told += [f"{path.name}: {fault}" for fault in document.faults]
        self.unread += bool(document.faults)


def _is_office(body: bytes) -> bool:
    """Raise BadValue, with what to do, for a document of a kind that is not read; else return False."""
    reason = refusal(body)
    if ("document" in reason and not reason.startswith("not a document")) or "Outlook" in reason:
        raise BadValue(reason)
    return False


def _is_prose(body: bytes) -> bool:
    """Tell a text in sentences from a list and a table."""
    lines = [line for line in body.splitlines() if line.strip()]
    if 2 * sum(b"\t" in line.strip() for line in lines) > len(lines):
        return False
    reading = intake.read(body, is_document=True)
    return reading.prose >= _LEAST_PROSE and reading.prose >= _PROSE * len(reading.mentions)
