"""Precision and recall of reading reports: ours, and kept extractors at their best settings, on the same text.

The reports are those of `intake_corpus`. Each extractor gets the text that our reader takes out of a document, page by
page; ours gets the document. What an extractor finds is put into canonical form; what has none is wrong. A name or an
address that is only a part of a labelled value (a URL's host) counts neither for nor against anyone.

    all values       right is what the report names: its indicators, and its references
    its indicators   right is what it reports; what it only names is wrong. Ours: without what a review would mark
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "out" / "packages-intake"))

from intake_corpus import INDICATOR, LabelledReport, corpus  # noqa: E402

from intel_grapher import keys  # noqa: E402
from intel_grapher.errors import BadValue  # noqa: E402
from intel_grapher.extract.confined import extracted  # noqa: E402
from intel_grapher.extract.kinds import told  # noqa: E402
from intel_grapher.intake.documents import read_document  # noqa: E402

Value = tuple[str, str]
MEASURES = ("all precision", "all recall", "indicators precision", "indicators recall")
SEED = 10_000  # that no reader has been tried on while it was written
KINDS = frozenset({"ip", "domain", "url", "email", "hash", "cve"})


def canonical(raw: str) -> Value:
    """Return the kind and the canonical form of what an extractor found; ("none", raw) for what is no indicator."""
    try:
        kind, key = keys.detect(raw)
    except BadValue:
        return "none", raw
    return kind, key


def ours(report: LabelledReport, *, marked: bool) -> set[Value]:
    """Return what we find."""
    return {
        (each.kind, each.key)
        for each in read_document(report.content).spotted
        if each.kind in KINDS and (marked or not each.mark)
    }


def by_iocextract(text: str) -> Iterable[str]:
    """Yield what iocextract finds. A URL without scheme and path is a name."""
    import iocextract  # noqa: PLC0415

    for url in iocextract.extract_urls(text, refang=True, strip=True):
        parts = urlsplit(url)
        yield (
            parts.netloc
            if parts.path in {"", "/"} and f"{parts.netloc}" in text and "://" + parts.netloc not in text
            else url
        )
    for find in (iocextract.extract_ips, iocextract.extract_emails):
        yield from find(text, refang=True)
    yield from iocextract.extract_hashes(text)


def by_ioc_finder(text: str) -> Iterable[str]:
    """Yield what ioc-finder finds, without what it would take out of URLs and addresses."""
    from ioc_finder import find_iocs  # noqa: PLC0415

    found = find_iocs(
        text, parse_domain_from_url=False, parse_from_url_path=False, parse_domain_from_email_address=False,
        parse_address_from_cidr=False, parse_urls_without_scheme=False,
    )  # fmt: skip
    for kind in ("urls", "domains", "ipv4s", "ipv6s", "email_addresses", "md5s", "sha1s", "sha256s", "cves"):
        yield from found.get(kind, ())


def by_fanger_and_finder(text: str) -> Iterable[str]:
    """Yield what ioc-finder finds in what ioc_fanger has refanged."""
    import ioc_fanger  # noqa: PLC0415

    return by_ioc_finder(ioc_fanger.fang(text))


def by_iocsearcher(text: str) -> Iterable[str]:
    """Yield what iocsearcher finds."""
    found = _searcher().search_data(text)
    return [
        each.value
        for each in found
        if each.name in {"url", "fqdn", "ip4", "ip6", "email", "md5", "sha1", "sha256", "cve"}
    ]


def _searcher() -> object:
    from iocsearcher.searcher import Searcher  # noqa: PLC0415

    if "searcher" not in _made:
        _made["searcher"] = Searcher()
    return _made["searcher"]


_made: dict[str, object] = {}
PEERS: dict[str, Callable[[str], Iterable[str]]] = {
    "iocextract": by_iocextract, "ioc-finder": by_ioc_finder, "ioc_fanger + ioc-finder": by_fanger_and_finder,
    "iocsearcher": by_iocsearcher,
}  # fmt: skip


def parts_of(values: Iterable[Value]) -> set[Value]:
    """Return what is only a part of some values: the hosts of URLs and of e-mail addresses."""
    found: set[Value] = set()
    for kind, key in values:
        if kind == "url":
            host = (urlsplit(key).hostname or "").strip("[]")
        else:
            host = key.rpartition("@")[2] if kind == "email" else ""
        if host:
            found |= {canonical(host), ("url", f"http://{host}/")}
    return found


@dataclass
class Score:
    """What an extractor found of all reports."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    differences: list[str] = field(default_factory=list)

    def add(self, where: str, found: set[Value], right: set[Value], neutral: set[Value]) -> None:
        """Count what was found of one report."""
        wrong, missed = found - right - neutral, right - found
        self.right += len(found & right)
        self.wrong += len(wrong)
        self.missed += len(missed)
        self.differences += [f"{where}: missed {each}" for each in sorted(missed)]
        self.differences += [f"{where}: wrong {each}" for each in sorted(wrong)]

    @property
    def precision(self) -> float:
        """The share of what was found that is right."""
        return self.right / max(self.right + self.wrong, 1)

    @property
    def recall(self) -> float:
        """The share of what is there that was found."""
        return self.right / max(self.right + self.missed, 1)


def measured(reports: Sequence[LabelledReport]) -> dict[str, tuple[Score, Score]]:
    """Return the scores of all extractors: on all values, on the indicators alone."""
    scores = {name: (Score(), Score()) for name in ("ours", *PEERS)}
    for report in reports:
        every = {canonical(each.key) for each in report.labels}
        indicators = {canonical(each.key) for each in report.labels if each.role == INDICATOR}
        neutral = parts_of(every) - every
        kind = told(report.content)
        assert kind is not None, report.name  # noqa: S101
        text = "\n".join(page.text for page in extracted(report.content, kind).pages)
        scores["ours"][0].add(report.name, ours(report, marked=True), every, neutral)
        scores["ours"][1].add(report.name, ours(report, marked=False), indicators, neutral)
        for name, find in PEERS.items():
            found = {canonical(raw) for raw in find(text)}
            scores[name][0].add(report.name, found, every, neutral)
            scores[name][1].add(report.name, found, indicators, neutral)
    return scores


def main() -> None:
    """Print the table, and write it to `out/intake.json`."""
    reports = corpus(SEED)
    scores = measured(reports)
    print(f"{len(reports)} reports, {sum(len(report.labels) for report in reports)} values\n")
    print("| extractor | all values: precision | recall | its indicators: precision | recall |")
    print("| --- | --- | --- | --- | --- |")
    figures: dict[str, dict[str, float]] = {}
    for name, of in scores.items():
        cells = [measure for score in of for measure in (score.precision, score.recall)]
        print(f"| {name} | " + " | ".join(f"{cell:.1%}" for cell in cells) + " |")
        figures[name] = dict(zip(MEASURES, (round(cell, 4) for cell in cells), strict=True))
    best = {measure: max(figures[name][measure] for name in PEERS) for measure in MEASURES}
    ratios = {measure: round(figures["ours"][measure] / value, 4) for measure, value in best.items()}
    out = HERE / "out"
    out.mkdir(exist_ok=True)
    (out / "intake.json").write_text(json.dumps({"ratios": ratios, "figures": figures}, indent=1))
    differences = {name: [score.differences for score in of] for name, of in scores.items()}
    (out / "intake-differences.json").write_text(json.dumps(differences, indent=1))


if __name__ == "__main__":
    main()
