"""`fetch` and `plan`: indicators however they come, typos, keys, services that fail, an interrupt."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from command import THREE, Desk, install
from loopback import Answer, found, loopback
from places import INDICATORS

from intel_grapher.cli.fetch import exit_code
from intel_grapher.fetch.summary import Summary, Tally


def test_the_main_job_asks_nothing_that_the_samples_answer(loaded: Desk) -> None:
    summary = loaded.run("fetch", "--file", INDICATORS, *THREE, "--json").json["summary"]["sources"]
    assert {name: each["asked"] for name, each in summary.items()} == {"threatcrowd": 0, "internetdb": 0, "doh": 0}
    assert all(each["cached"] for each in summary.values())


def test_indicators_come_by_any_way(filled: Desk) -> None:
    ways = (
        filled.run("fetch", "-d", "example.com", "-i", "192.0.2.10", *THREE, "--json"),
        filled.run("fetch", *THREE, "--json", text="# two\nexample[.]com\n\n192.0.2[.]10\n"),
        filled.run("fetch", "--file", "-", *THREE, "--json", text="\ufeffexample.com\r\n192.0.2.10\r\n"),
        filled.run("fetch", "example.com", "EXAMPLE.COM.", "192.0.2.10", *THREE, "--json"),
    )
    cached = [{name: each["cached"] for name, each in ran.json["summary"]["sources"].items()} for ran in ways]
    assert cached == [{"threatcrowd": 2, "internetdb": 1, "doh": 5}] * len(ways)


def test_the_files_tell_what_is_a_hub_before_it_is_asked_about(loaded: Desk) -> None:
    words = ("plan", "example.com", "--hops", "1", "--hub", "8", *THREE, "--json")
    steps = loaded.run(*words).json["steps"]
    assert set(steps) < set(loaded.run(*words, "--import", "none-here").json["steps"])


TYPOS = (
    ("exmaple..com", "an empty label"),
    ("66.0.543.66", "an impossible address"),
    ("example", "a single label"),
    ("somebody@", ""),
    ("d195ce778dcb3eb032f7122fffaaca9", ""),
    ("../../etc/passwd", ""),
    ("example.com\x01", "a control character"),
    ("x" * 5000, "too long"),
)


@pytest.mark.parametrize(("typo", "why"), TYPOS, ids=[each[0][:20].strip("\x01") for each in TYPOS])
def test_a_typo_is_named_with_its_fault_and_nothing_is_asked(desk: Desk, typo: str, why: str) -> None:
    ran = desk.run("fetch", "example.com", "--", typo)
    assert (ran.code, ran.out) == (2, "")
    assert f"not an indicator: {typo[:200]!r}" in ran.err
    assert why in ran.err
    assert "example.com'" not in ran.err.replace(repr(typo), "")
    assert not (desk.folder / "data").exists()


def test_all_typos_are_named_at_once_and_can_be_left_out(filled: Desk) -> None:
    (filled.folder / "mine.txt").write_text("example.com\n\n# a note\nexmaple..com\n66.0.543.66\n")
    ran = filled.run("fetch", "--file", "mine.txt", *THREE)
    assert ran.code == 2
    assert "not an indicator: mine.txt, line 4: 'exmaple..com': an empty label\n" in ran.err
    assert "not an indicator: mine.txt, line 5: '66.0.543.66': an impossible address\n" in ran.err
    assert (
        "not an indicator: standard input, line 2: 'example': "
        in filled.run("fetch", text="example.com\nexample\n").err
    )
    ran = filled.run("fetch", "--file", "mine.txt", *THREE, "--skip-bad", "--json")
    assert ran.code == 3
    assert ran.json["summary"]["sources"]["threatcrowd"]["cached"] == 1
    assert ran.err.count("not an indicator") == 2


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("-d", "192.0.2.1"), "it is of the kind ip, not domain"),
        (("-i", "example.com"), "it is of the kind domain, not ip"),
        (("-e", "example.com"), "it is of the kind domain, not email"),
        (("-hx", "example.com"), "it is of the kind domain, not hash"),
        (("-hx", "zzz"), "'zzz': not a hash"),
        (("-u", "far.too.long.for.a.name"), "not a Twitter name"),
    ],
)
def test_a_flag_takes_its_own_kind(desk: Desk, words: tuple[str, ...], why: str) -> None:
    ran = desk.run("fetch", *words)
    assert ran.code == 2
    assert why in ran.err


def test_a_missing_key_is_named(desk: Desk) -> None:
    ran = desk.run("fetch", "192.0.2.200", "--source", "shodan")
    assert ran.code == 4
    assert "SHODAN_API_KEY (Shodan)" in ran.err


def test_no_key_is_missed_where_nothing_is_left_to_ask(desk: Desk) -> None:
    reply = json.dumps({"data": {"ipAddress": "192.0.2.200", "abuseConfidenceScore": 5}}).encode()
    assert desk.run("fetch", "192.0.2.200", "--source", "abuseipdb").code == 4
    assert desk.adopt("192.0.2.200.json", reply, "abuseipdb", "check").code == 0
    ran = desk.run("fetch", "192.0.2.200", "--source", "abuseipdb")
    assert (ran.code, ran.err) == (0, "")
    assert desk.run("fetch", "192.0.2.200", "192.0.2.201", "--source", "abuseipdb").code == 4


SOURCE = """
from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import RESOLVES, Address, Hostname
from intel_grapher.source import Rate, Source

source = Source("{name}", title="{name}", home="{home}", limits=(Rate(1000),), status="a test's own")


class Reply(Struct):
    addresses: list[Address] = []


@source.get("/", {{"q": "{{key}}"}})
def names(asked: Hostname, reply: Reply) -> Facts:
    \"\"\"Addresses of a name.\"\"\"
    yield RESOLVES.each(asked, reply.addresses)
"""


def test_a_failing_service_stops_no_other(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    with loopback() as good, loopback() as bad:
        good.script = lambda _: found("192.0.2.1")
        bad.script = lambda _: Answer(b"<html>", status=403)
        install(packages, "good", SOURCE.format(name="good", home=good.home))
        install(packages, "bad", SOURCE.format(name="bad", home=bad.home))
        desk = Desk(tmp_path, packages)
        ran = desk.process("fetch", "example.com", "--source", "good", "--source", "bad", "--json")
    assert ran.code == 3
    tallies = ran.json["summary"]["sources"]
    assert (tallies["good"]["found"], sum(tallies["good"]["failed"].values())) == (1, 0)
    assert (tallies["bad"]["found"], sum(tallies["bad"]["failed"].values())) == (0, 1)
    assert desk.process("transform", "--json").json["manifest"]["nodes"]["Domain"]["rows"] == 1


def test_an_interrupted_fetch_keeps_what_was_answered_and_goes_on_from_there(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    with loopback() as slow:
        slow.script = lambda asked: found("192.0.2.1") if asked.key == "one.example.com" else Answer(delay=60)
        install(packages, "slow", SOURCE.format(name="slow", home=slow.home))
        desk = Desk(tmp_path, packages)
        words = ("fetch", "one.example.com", "two.example.com", "--source", "slow")
        process = desk.start(*words)
        try:
            while not {"one.example.com", "two.example.com"} <= set(slow.keys):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=30)
        finally:
            process.kill()
        assert process.returncode == 130, told
        assert "the same command goes on" in told
        slow.script = lambda _: found("192.0.2.2")
        ran = desk.process(*words, "--json")
    tally = ran.json["summary"]["sources"]["slow"]
    assert (ran.code, tally["cached"], tally["asked"], tally["found"]) == (0, 1, 1, 1)


def test_names_of_files_in_a_text_stop_nothing(desk: Desk) -> None:
    text = "The dropper report.pdf was served by\nhxxp://evil[.]example/x and 192.0.2.200:8080, with setup.zip.\n"
    ran = desk.run("plan", "--json", text=text)
    assert ran.code == 0, ran.err
    told = json.loads(ran.err)["messages"][0]
    assert told == "standard input: no indicators, passed over: 'report.pdf', 'setup.zip'"


def test_answers_that_have_more_pages_than_were_asked_for_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    summary = Summary({"otx": Tally(to_ask=2, asked=2, found=2, more_pages=2)}, indicators=2)
    assert exit_code(summary, []) == 0
    told = capsys.readouterr().err
    assert told == "2 answers have more pages than were asked for; --pages gives more of them\n"


def test_a_quoted_text_is_read_as_a_text(desk: Desk) -> None:
    several = desk.run("plan", "seen: hxxp://one.example[.]com and 192.0.2.7.", "--json")
    apart = desk.run("plan", "one.example.com", "192.0.2.7", "--json")
    assert several.json["plan"]["indicators"] == apart.json["plan"]["indicators"] == 2
    none = desk.run("plan", "nothing to see")
    assert none.code == 2
    assert none.err.splitlines()[0] == "not an indicator: 'nothing to see'"
