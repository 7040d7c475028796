"""Every command as a user meets it: what it does when all is well, and what it says when it is not."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from command import THREE, Desk, install
from loopback import Answer, found, loopback
from places import INDICATORS, SAMPLES

CAMPAIGN = "example.com"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Give a desk with the sample campaign in the cache, the files and the embedded graph. Read it only."""
    desk = Desk(tmp_path_factory.mktemp("campaign"))
    assert desk.run("cache", "add", SAMPLES).code == 0
    ran = desk.run("run", "--file", INDICATORS, *THREE)
    assert ran.code == 0, ran.err
    return desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def filled(loaded: Desk, tmp_path: Path) -> Desk:
    """Give a desk like `loaded` to change."""
    shutil.copytree(loaded.folder, tmp_path / "desk")
    return Desk(tmp_path / "desk")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- when all is well -------------------------------------------------------------------------------------------------


def test_run_takes_indicators_by_kind_and_leaves_out_what_is_none(filled: Desk) -> None:
    refused = filled.run("run", "-d", CAMPAIGN, "-i", "192.0.2.999", *THREE)
    assert (refused.code, "192.0.2.999" in refused.err) == (2, True)
    shutil.rmtree(filled.folder / "data" / "graph")
    ran = filled.run("run", "-d", CAMPAIGN, "-i", "192.0.2.999", "--skip-bad", *THREE)
    assert ran.code == 3, ran.err
    assert (filled.folder / "data" / "graph").exists()


def test_the_main_job_asks_nothing_that_the_samples_answer(loaded: Desk) -> None:
    summary = loaded.run("fetch", "--file", INDICATORS, *THREE, "--json").json["summary"]["sources"]
    assert {name: each["asked"] for name, each in summary.items()} == {"threatcrowd": 0, "internetdb": 0, "doh": 0}
    assert all(each["cached"] for each in summary.values())


def test_transform_tells_what_it_made(filled: Desk) -> None:
    ran = filled.run("transform")
    assert ran.code == 0
    assert re.search(r"^node\tDomain\t[1-9]", ran.out, re.MULTILINE)
    assert re.search(r"^relationship\tDomain-RESOLVES-IPAddress\t[1-9]", ran.out, re.MULTILINE)
    assert re.search(r"^reject\tplaceholder\t[1-9]", ran.out, re.MULTILINE)


def test_load_tells_what_is_there_and_what_to_try_next(filled: Desk) -> None:
    ran = filled.run("load")
    assert ran.code == 0
    assert "files and database agree" in ran.out
    assert "next: intel-grapher show" in ran.err


def test_show_tells_properties_and_neighbours(loaded: Desk) -> None:
    ran = loaded.run("show", "hxxp://EXAMPLE[.]com"[7:])
    assert ran.code == 0
    assert ran.out.startswith("Domain example.com\n")
    assert re.search(r"^RESOLVES\t->\tIPAddress\t192\.0\.2\.10\t", ran.out, re.MULTILINE)


def test_what_is_not_in_the_graph_is_said_with_the_next_step(loaded: Desk) -> None:
    ran = loaded.run("show", "nowhere.example")
    assert (ran.code, ran.out) == (1, "")
    assert "not in the graph: Domain nowhere.example" in ran.err
    assert "next: intel-grapher fetch" in ran.err


def test_query_reads_and_does_nothing_else(loaded: Desk) -> None:
    ran = loaded.run("query", "MATCH (d:Domain)-[:RESOLVES]->(a) RETURN DISTINCT d.name AS name ORDER BY name LIMIT 2")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "name")
    before = contents(loaded.folder / "data" / "graph")
    for writing in ("CREATE (d:Domain {name: 'x'})", "MATCH (n) DETACH DELETE n", "DROP TABLE Domain"):
        refused = loaded.run("query", writing)
        assert (refused.code, refused.out) in {(1, ""), (2, "")}
    assert contents(loaded.folder / "data" / "graph") == before


def test_path_and_rank_find_what_hangs_together(loaded: Desk) -> None:
    assert "example.com" in loaded.run("path", "example.com", "example.net").out
    assert loaded.run("rank", "example.com", "invoice-portal.example").out.splitlines()[1:]


def test_sources_and_schema_list_what_there_is(loaded: Desk) -> None:
    assert re.search(r"^threatcrowd\t", loaded.run("sources").out, re.MULTILINE)
    assert "RESOLVES" in loaded.run("schema").out
    with_key = Desk(loaded.folder, more={"SHODAN_API_KEY": "canary-1234567890"})
    told = {each["source"]: each for each in with_key.run("sources", "--json").json["sources"]}
    assert told["greynoise"]["asks"] == ["IPAddress"]  # its searches are kept only: they ask about nothing
    assert told["indicators"]["asks"] == []
    assert (told["shodan"]["key"], told["shodan"]["key_set"]) == ("SHODAN_API_KEY", True)
    assert not told["virustotal"]["key_set"]
    assert "canary" not in with_key.run("sources").out


def test_the_cache_is_listed_shown_covered_and_verified(loaded: Desk) -> None:
    assert re.search(r"^raw\tthreatcrowd\tdomain\t", loaded.run("cache", "list").out, re.MULTILINE)
    shown = [json.loads(line) for line in loaded.run("cache", "show", "EXAMPLE.com").out.splitlines()]
    assert {each["key"] for each in shown} == {"example.com"}
    assert "$.permalink" in loaded.run("cache", "coverage").out
    assert loaded.run("cache", "verify").out == "the cache is whole\n"


def test_the_files_tell_what_is_a_hub_before_it_is_asked_about(loaded: Desk) -> None:
    words = ("plan", CAMPAIGN, "--hops", "1", "--hub", "8", *THREE, "--json")
    steps = loaded.run(*words).json["steps"]
    assert set(steps) < set(loaded.run(*words, "--import", "none-here").json["steps"])


def test_a_compacted_cache_gives_the_same_graph(filled: Desk) -> None:
    held, before = filled.run("cache", "list").out, filled.run("transform", "--json").json["manifest"]
    done = filled.run("cache", "compact", "--json").json
    assert done["closed"] == len(before["segments"])
    assert (done["mended"], done["lost"]) == (0, 0)
    assert filled.run("cache", "compact").out.startswith("0 files compressed, 0 mended: ")
    assert filled.run("cache", "list").out == held
    after = filled.run("transform", "--json").json["manifest"]
    assert {**after, "segments": []} == {**before, "segments": []}


JSON = (
    ("fetch", "example.com", *THREE),
    ("plan", "example.com"),
    ("transform",),
    ("load",),
    ("sources",),
    ("schema",),
    ("show", "example.com"),
    ("path", "example.com", "example.net"),
    ("rank", "example.com", "example.net"),
    ("query", "MATCH (d:Domain) RETURN d.name"),
    ("queries",),
    ("doctor",),
    ("cache", "add", str(SAMPLES)),
    ("cache", "list"),
    ("cache", "coverage"),
    ("cache", "verify"),
)


@pytest.mark.parametrize("words", JSON, ids=[" ".join(each[:2]) for each in JSON])
def test_json_is_one_document_with_a_version(filled: Desk, words: tuple[str, ...]) -> None:
    ran = filled.run(*words, "--json")
    assert ran.code in {0, 1}, ran.err
    assert len(ran.json) > 1


def test_version_and_help() -> None:
    desk = Desk(Path.cwd())
    assert re.fullmatch(r"intel-grapher \d+\.\d+\.\d+\S*\n", desk.run("--version").out)
    assert desk.run("--help").code == desk.run("fetch", "-h").code == 0
    assert "Usage" in desk.run().out + desk.run().err


def test_indicators_come_by_any_way(filled: Desk) -> None:
    ways = (
        filled.run("fetch", "-d", "example.com", "-i", "192.0.2.10", *THREE, "--json"),
        filled.run("fetch", *THREE, "--json", text="# two\nexample[.]com\n\n192.0.2[.]10\n"),
        filled.run("fetch", "--file", "-", *THREE, "--json", text="\ufeffexample.com\r\n192.0.2.10\r\n"),
        filled.run("fetch", "example.com", "EXAMPLE.COM.", "192.0.2.10", *THREE, "--json"),
    )
    cached = [{name: each["cached"] for name, each in ran.json["summary"]["sources"].items()} for ran in ways]
    assert cached == [{"threatcrowd": 2, "internetdb": 1, "doh": 5}] * len(ways)


def test_piped_output_is_plain(loaded: Desk) -> None:
    for words in (("show", "example.com"), ("sources",), ("doctor",), ("cache", "list")):
        ran = loaded.run(*words)
        assert "\x1b" not in ran.out + ran.err
        assert not re.search(r"[─│╭]", ran.out)


def test_data_import_and_db_lie_where_they_are_told(loaded: Desk, tmp_path: Path) -> None:
    other = Desk(
        tmp_path, more={"INTEL_GRAPHER_DATA": str(loaded.folder / "data"), "INTEL_GRAPHER_IMPORT": "elsewhere"}
    )
    assert other.run("transform").code == 0
    assert other.run("load", "--db", "graph-of-mine").code == 0
    assert other.run("show", CAMPAIGN, "--db", "graph-of-mine").code == 0
    assert {each.name for each in tmp_path.iterdir() if not each.name.startswith(".")} == {"elsewhere", "graph-of-mine"}


# --- what was asked wrongly -------------------------------------------------------------------------------------------


TYPOS = (
    ("exmaple..com", "an empty label"),
    ("66.0.543.66", "an impossible address"),
    ("example", "a single label"),
    ("*.example.com", "a wildcard"),
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
    assert f"not an indicator: {typo[:200]!r}: " in ran.err
    assert why in ran.err
    assert "example.com'" not in ran.err.replace(repr(typo), "")
    assert not (desk.folder / "data").exists()


def test_all_typos_are_named_at_once_and_can_be_left_out(filled: Desk) -> None:
    (filled.folder / "mine.txt").write_text("example.com\n\n# a note\nexmaple..com\n66.0.543.66\n")
    ran = filled.run("fetch", "--file", "mine.txt", *THREE)
    assert ran.code == 2
    assert "not an indicator: mine.txt, line 4: 'exmaple..com': an empty label\n" in ran.err
    assert "not an indicator: mine.txt, line 5: '66.0.543.66': an impossible address\n" in ran.err
    assert "not an indicator: standard input, line 2: '-'" in filled.run("fetch", text="example.com\n-\n").err
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


WRONG = (
    (("fetch",), "no indicator is given"),
    (("fetch", "--file", "missing.txt"), "missing.txt can't be read: No such file"),
    (("fetch", "--file", "."), "can't be read: Is a directory"),
    (("fetch", "example.com", "--source", "nobody"), "no source is called 'nobody'; there are: "),
    (("fetch", "example.com", "--max-age", "soon"), "'soon' is not an age; write it as"),
    (("fetch", "example.com", "--max-age", "nobody=7d"), "no source is called 'nobody'"),
    (("fetch", "example.com", "--no-such-option"), "No such option"),
    (("cache", "add", "missing.json"), "missing.json"),
    (("cache", "add", ".", "--source", "nobody"), "no source is called 'nobody'"),
    (("cache", "add", ".", "--source", "doh", "--fetched-at", "soon"), "--fetched-at 'soon': not a date; write it as"),
    (("cache", "show", "example.com"), "there is no cache at none-here"),
    (("transform", "--format", "xml"), "--format is one of parquet, csv, not xml"),
    (("transform", "--memory", "much"), "'much' is not a size; write it as"),
    (("transform", "--memory", "4096"), "'4096' is 4,096 bytes, too little to work with"),
    (("load", "--to", "oracle"), "a graph is called embedded or neo4j, not 'oracle'"),
    (("load", "--method", "magic"), "--method is auto, admin or bolt, not 'magic'"),
    (("load", "--yes"), "--yes goes with --prune"),
    (("query",), "give a question in Cypher"),
    (("query", "--saved", "nothing"), "nothing"),
    (("rank", "example.com"), "name two indicators or more"),
    (("frobnicate",), "No such command"),
)


@pytest.mark.parametrize(("words", "why"), WRONG, ids=[" ".join(each[0]) for each in WRONG])
def test_what_is_asked_wrongly_is_said_and_nothing_is_done(loaded: Desk, words: tuple[str, ...], why: str) -> None:
    before = contents(loaded.folder / "import")
    held = loaded.run("cache", "list").out
    ran = loaded.run(*(each.replace("cache show example.com", "") for each in words)) if "show" not in words else None
    if ran is None:
        ran = Desk(loaded.folder, more={"INTEL_GRAPHER_DATA": "none-here"}).run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert why in ran.err
    assert contents(loaded.folder / "import") == before
    assert loaded.run("cache", "list").out == held


# --- replies that can't be read ---------------------------------------------------------------------------------------


BAD_REPLIES = (
    ("html.example", b"<html>502 Bad Gateway</html>", "not JSON"),
    ("empty.example", b"", "an empty body"),
    ("cut.example", b'{"response_code":"1","resolutions":[{"ip_addr', "not JSON"),
    ("list.example", b"[1,2,3]", "wrong shape"),
    ("latin.example", b'{"response_code":"1","emails":["\xe4@example.com"]}', "not JSON"),
)


def test_replies_that_can_not_be_read_are_kept_counted_and_listed_and_the_run_goes_on(filled: Desk) -> None:
    before = filled.run("transform", "--json").json["manifest"]
    for key, body, _ in BAD_REPLIES:
        assert filled.adopt(f"{key}.json", body).code == 0
    ran = filled.run("transform", "--json")
    assert ran.code == 3
    assert f"{len(BAD_REPLIES)} replies could not be read; " in ran.err
    manifest = ran.json["manifest"]
    assert manifest["outcomes"]["unreadable"] == len(BAD_REPLIES)
    assert manifest["replies"] == before["replies"] + len(BAD_REPLIES)
    assert (manifest["nodes"], manifest["relationships"]) == (before["nodes"], before["relationships"])
    listed = [json.loads(line) for line in (filled.folder / "import" / "rejects.jsonl").read_text().splitlines()]
    told = {each["key"]: each["reason"] for each in listed if each["path"] == ""}
    assert told == {key: reason for key, _, reason in BAD_REPLIES}
    assert filled.run("cache", "show", "html.example").out.count("502 Bad Gateway") == 1


def test_a_bad_value_is_listed_with_its_place_and_the_rest_of_the_reply_stays(desk: Desk) -> None:
    rows = [{"ip_address": each, "last_resolved": "2026-01-02"} for each in ("-", "66.0.543.66", "192.0.2.77")]
    assert desk.adopt("example.com.json", json.dumps({"response_code": "1", "resolutions": rows}).encode()).code == 0
    ran = desk.run("transform", "--json")
    assert ran.code == 0
    assert ran.json["manifest"]["rejects"] == {"an impossible address": 1, "placeholder": 1}
    assert ran.json["manifest"]["relationships"]["Domain-RESOLVES-IPAddress"]["rows"] == 1
    listed = [json.loads(line) for line in (desk.folder / "import" / "rejects.jsonl").read_text().splitlines()]
    assert {(each["path"], each["value"], each["reason"]) for each in listed} == {
        ("$.resolutions[0].ip_address", "-", "placeholder"),
        ("$.resolutions[1].ip_address", "66.0.543.66", "an impossible address"),
    }


def test_what_can_not_be_added_is_said_and_the_rest_goes_in(desk: Desk) -> None:
    folder = desk.folder / "kept" / "threatcrowd_v2" / "domain"
    folder.mkdir(parents=True)
    (folder / "example.com__2019.json").write_bytes(b'{"response_code":"0"}')
    (desk.folder / "kept" / "nobody" / "x").mkdir(parents=True)
    (desk.folder / "kept" / "nobody" / "x" / "y.json").write_bytes(b"{}")
    ran = desk.run("cache", "add", "kept")
    assert (ran.code, ran.out) == (3, "1 added, 0 there already, 1 left out\n")
    assert "y.json: no source is called 'nobody'" in ran.err
    assert desk.run("cache", "add", "kept/threatcrowd_v2").out == "0 added, 1 there already, 0 left out\n"


def test_lines_of_bare_replies_tell_what_was_asked_for(desk: Desk) -> None:
    lines = "".join(json.dumps({"ip": f"192.0.2.{n}", "ports": [80]}) + "\n" for n in (1, 2))
    (desk.folder / "scans.jsonl").write_text(lines)
    words = ("cache", "add", "scans.jsonl", "--source", "internetdb", "--endpoint", "ip")
    refused = desk.run(*words)
    assert (refused.code, refused.out) == (3, "0 added, 0 there already, 2 left out\n")
    assert "scans.jsonl:1: one of several bare replies: say with --key-from" in refused.err
    assert desk.run(*words, "--key-from", "ip").out == "2 added, 0 there already, 0 left out\n"
    assert desk.run("cache", "show", "192.0.2.2").out.count("192.0.2.2") == 2
    assert desk.run(*words, "--key", "192.0.2.1", "--key-from", "ip").code == 2


def test_a_damaged_record_is_found_and_the_rest_is_read(filled: Desk) -> None:
    segment = next((filled.folder / "data" / "raw" / "threatcrowd" / "domain").iterdir())
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(bytes(data))
    ran = filled.run("cache", "verify")
    assert ran.code == 1
    assert "threatcrowd/domain" in ran.err
    ran = filled.run("transform", "--import", "afresh")  # what is staged of the files there is from before the damage
    assert ran.code == 3
    assert "damaged; `intel-grapher cache verify` tells where" in ran.err


# --- no room, no permission, someone else at work ---------------------------------------------------------------------


def test_before_there_is_anything_the_next_step_is_said(desk: Desk) -> None:
    ran = desk.run("load")
    assert (ran.code, ran.out) == (1, "")
    assert "run `intel-grapher transform` first" in ran.err
    ran = desk.run("show", CAMPAIGN)
    assert (ran.code, ran.out) == (1, "")
    assert "intel-grapher" in ran.err
    ran = desk.run("load", "--to", "neo4j")
    assert ran.code == 1
    assert "`intel-grapher neo4j up`" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("transform", "--import", "blocked/import"),
        ("load", "--db", "blocked/graph"),
        ("cache", "add", SAMPLES, "--data", "blocked/data"),
    ],
    ids=lambda words: words[0],
)
def test_where_nothing_can_be_written_that_is_said(filled: Desk, words: tuple[str, ...]) -> None:
    (filled.folder / "blocked").write_text("a file, not a folder")
    before = contents(filled.folder)
    ran = filled.run(*words)
    assert (ran.code, ran.out) == (1, "")
    assert "blocked" in ran.err
    assert ran.err.startswith("error: ")
    assert contents(filled.folder) == before


@pytest.mark.parametrize("words", [("transform",), ("load",)], ids=lambda words: words[0])
def test_with_no_room_the_old_output_stays(filled: Desk, words: tuple[str, ...]) -> None:
    places = [filled.folder / "import", filled.folder / "data" / "graph"]
    before = [contents(each) for each in places]
    ran = filled.process(*words, limit="ulimit -f 4")
    assert (ran.code, ran.out) == (1, ""), ran.err
    assert ran.err.startswith("error: ")
    assert [contents(each) for each in places] == before
    assert filled.run("show", CAMPAIGN).code == 0
    assert filled.run(*words).code == 0


def test_with_no_room_the_cache_stays_whole(filled: Desk) -> None:
    held = filled.run("cache", "list").out
    body = json.dumps({"response_code": "1", "references": [f"https://example.org/{n}" for n in range(9000)]}).encode()
    path = filled.folder / "big.example.json"
    path.write_bytes(body)
    words = ("cache", "add", path, "--source", "threatcrowd", "--endpoint", "domain")
    ran = filled.process(*words, limit="ulimit -f 100")
    assert ran.code == 1, ran.err
    assert ran.err.startswith("error: ")
    assert filled.run("cache", "verify").code == 0
    assert filled.run("cache", "list").out == held
    assert filled.run(*words).code == 0


def test_a_second_run_at_once_names_the_first(filled: Desk) -> None:
    with (filled.folder / "data" / ".lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate()
        lock.write(f"{os.getpid()} fetch\n")
        lock.flush()
        ran = filled.run("cache", "add", SAMPLES)
    assert (ran.code, ran.out) == (1, "")
    assert str(os.getpid()) in ran.err
    with (filled.folder / ".import.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = filled.run("transform")
        assert (ran.code, ran.out) == (1, "")
        assert "import" in ran.err
    assert filled.run("transform").code == 0


# --- keys and services ------------------------------------------------------------------------------------------------


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
