"""Reports: brought in, reviewed, reported; nothing is asked or told of what is only mentioned."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command import Desk
from made_documents import docx, pdf

REPORT = pdf(
    "It asks hxxps://gate[.]evil[.]example/a and 192.0.2.9:8443,\nas www.google.com can tell; drops setup.exe.",
    "Hash: d195ce778dcb3eb032f7122fffaaca94",
)
HASH = "d195ce778dcb3eb032f7122fffaaca94"
URL = "https://gate.evil.example/a"


@pytest.fixture
def reported(desk: Desk) -> Desk:
    """Return a desk with one report in its cache."""
    (desk.folder / "report.pdf").write_bytes(REPORT)
    ran = desk.run("cache", "add", "report.pdf", "--url", "https://lab.example/report")
    assert ran.out == "1 added, 0 there already, 0 left out\n", ran.err
    assert "4 indicators mentioned, 1 of them marked" in ran.err
    return desk


def states(desk: Desk) -> dict[str, str]:
    [report] = desk.run("cache", "review", "report.pdf", "--json").json["reports"]
    return {each["indicator"]: each["state"] for each in report["mentions"]}


def rows(desk: Desk) -> dict[str, int]:
    manifest = desk.run("transform", "--json").json["manifest"]
    return {name: each["rows"] for part in ("nodes", "relationships") for name, each in manifest[part].items()}


def test_a_report_is_itself_by_its_content(reported: Desk) -> None:
    (reported.folder / "copy.bin").write_bytes(REPORT)
    assert reported.run("cache", "add", "report.pdf", "copy.bin").out == "0 added, 2 there already, 0 left out\n"
    [report] = reported.run("cache", "review", "--json").json["reports"]
    assert (report["title"], report["pages"], sorted(report["paths"])) == (
        *("A made-up report", 2),
        ["copy.bin", "report.pdf"],
    )
    assert report["counts"] == {"left": 4, "accepted": 0, "rejected": 0}
    assert report["marked"] == 1


def test_a_mention_is_no_node_until_it_is_accepted(reported: Desk) -> None:
    assert rows(reported) == {"Mention": 4, "Report": 1, "Mention-MENTIONED_IN-Report": 4}
    done = reported.run("cache", "review", "report.pdf", "--accept-all-but-marked")
    assert ": 3 accepted, 0 rejected, 0 left (entry " in done.out
    nodes = ("Hash", "IPAddress", "Mention", "Report", "Service", "SubDomain", "URL")
    reports = [f"{label}-REPORTED_IN-Report" for label in ("Hash", "IPAddress", "Service", "URL")]
    others = ("IPAddress-EXPOSES-Service", "URL-ON-SubDomain", "Mention-MENTIONED_IN-Report")
    assert rows(reported) == dict.fromkeys((*nodes, *reports, *others), 1)


def test_a_decision_can_be_made_anew_and_undone(reported: Desk) -> None:
    reported.run("cache", "review", "report.pdf", "--accept", "hxxps://gate[.]evil[.]example/a", "--accept", HASH)
    reported.run("cache", "review", "report.pdf", "--reject", URL, "--reject-marked")
    assert states(reported) == {
        URL: "rejected", "192.0.2.9:8443": "left", "www.google.com": "rejected", HASH: "accepted",
    }  # fmt: skip
    assert rows(reported) == {
        "Hash": 1, "Hash-REPORTED_IN-Report": 1, "Mention": 1, "Mention-MENTIONED_IN-Report": 1, "Report": 1,
    }  # fmt: skip
    reported.run("cache", "review", "--leave", URL, "--leave", HASH, "--leave", "www.google.com")
    assert set(states(reported).values()) == {"left"}
    assert rows(reported) == {"Mention": 4, "Report": 1, "Mention-MENTIONED_IN-Report": 4}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("report.pdf", "--accept", "other.example"), "no report here mentions 'other.example'; nothing was decided"),
        (("report.pdf", "--accept", URL, "--reject", URL), f"'{URL}' is decided twice"),
        (("other.pdf", "--accept-all"), "no report is called 'other.pdf'"),
        (("report.pdf", "--accept", "no indicator"), "'no indicator' is no indicator: "),
    ],
)
def test_what_can_not_be_decided_is_said_and_nothing_is(reported: Desk, words: tuple[str, ...], said: str) -> None:
    ran = reported.run("cache", "review", *words)
    assert ran.code == 2
    assert said in ran.err
    assert set(states(reported).values()) == {"left"}


def test_a_folder_of_anything_gives_its_reports_and_says_what_was_not_read(desk: Desk) -> None:
    folder = Path(desk.folder / "in" / "more")
    folder.mkdir(parents=True)
    (folder / "a.docx").write_bytes(docx("c2[.]evil[.]example"))
    (folder / "scan.pdf").write_bytes(pdf(""))
    (folder / "old.doc").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    (folder / "README.md").write_text("# About these files\n\nSee [there](https://there.example/).\n")
    (folder / "note.txt").write_text("On Monday we saw that the host asked for evil[.]example again and again. " * 3)
    ran = desk.run("cache", "add", "in")
    assert ran.code == 3
    assert ran.out.startswith("3 added, 0 there already, ")
    assert "scan.pdf: no text in its 1 page, as if scanned: run it through OCR, and add that" in ran.err
    assert "old.doc: a document of Office before 2007: save it as DOCX or PDF" in ran.err
    assert rows(desk)["Report"] == 3  # the scanned one, too: a later version may read it
    assert desk.run("transform").code == 0


def test_a_report_that_is_taken_back_is_gone_and_can_come_again(reported: Desk) -> None:
    [import_] = reported.run("cache", "imports", "--json").json["imports"]
    assert reported.run("cache", "remove", import_["id"]).code == 0
    assert reported.run("cache", "review", "--json").json["reports"] == []
    assert rows(reported) == {}
    assert reported.run("cache", "add", "report.pdf").out == "1 added, 0 there already, 0 left out\n"
    assert set(states(reported).values()) == {"left"}


def test_a_report_that_was_added_twice_stays_until_both_are_taken_back(reported: Desk) -> None:
    (reported.folder / "copy.bin").write_bytes(REPORT)
    os.utime(reported.folder / "copy.bin", (1, 1))
    before = rows(reported)
    for path in ("report.pdf", "copy.bin"):
        assert reported.run("cache", "add", path).out == "0 added, 1 there already, 0 left out\n"
    first, again, copy = [each["id"] for each in reported.run("cache", "imports", "--json").json["imports"]]
    assert reported.run("cache", "remove", first).code == 0
    assert rows(reported) == before
    assert reported.run("cache", "remove", again).code == 0
    assert rows(reported) == before
    assert reported.run("cache", "remove", copy).code == 0
    assert rows(reported) == {}


def test_what_was_accepted_goes_and_comes_back_with_its_report(reported: Desk) -> None:
    [first] = [each["id"] for each in reported.run("cache", "imports", "--json").json["imports"]]
    reported.run("cache", "review", "report.pdf", "--accept-all")
    accepted = rows(reported)
    assert "URL" in accepted
    assert reported.run("cache", "remove", first).code == 0
    assert rows(reported) == {}
    assert reported.run("cache", "restore", first).code == 0
    assert rows(reported) == accepted
    assert set(states(reported).values()) == {"accepted"}
