"""What people bring: each row of ../shared/cases/intake.md, by its number, in a likeness with documentation names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command import Desk
from replies import RecordingGraph, told

from intel_grapher import keys
from intel_grapher.intake import read
from intel_grapher.registry import Registry
from intel_grapher.source import Outcome
from intel_grapher.verdict import judged

MD5, SHA1, SHA256 = "c" * 32, "b" * 40, "a" * 64
LIST = ("--source", "indicators", "--endpoint", "plain")
TABLE = ("--source", "indicators", "--endpoint", "table")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return an empty desk."""
    return Desk(tmp_path)


def reported(text: str | bytes, endpoint: str = "plain") -> set[str]:
    """Return the nodes that a list names, each as "Label key"."""
    found = told("indicators", endpoint, "k", text.encode() if isinstance(text, str) else text)
    assert found.outcome == "found"
    return {start for start, type_, _, _ in found.edges if type_ == "REPORTED_IN"}


def rejected(text: str, endpoint: str = "plain") -> dict[str, str]:
    """Return what is left out of a list, with the reasons."""
    return {value: reason for _, value, reason in told("indicators", endpoint, "k", text.encode()).rejects}


def judge(source: str, endpoint: str, status: int, body: bytes) -> Outcome:
    """Return the outcome of a reply."""
    known = Registry.installed().endpoint(source, endpoint)
    assert known
    return judged(known, status, body).outcome


def keep(desk: Desk, path: str, body: str | bytes) -> Path:
    """Write a file below the desk's folder."""
    file = desk.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body.encode() if isinstance(body, str) else body)
    return file


def nodes(desk: Desk) -> set[str]:
    """Return the nodes of the desk's flat files, each as "Label key"; the transform must read all replies."""
    ran = desk.run("transform", "--format", "csv", "--json")
    assert ran.code == 0, ran.err
    found = set()
    for path in (desk.folder / "import" / "nodes").glob("*.csv"):
        found |= {f"{path.stem} {line.split(chr(34))[1]}" for line in path.read_text().splitlines()[1:]}
    return found


# --- lists ------------------------------------------------------------------------------------------------------------


def test_1_a_url_keeps_its_port() -> None:
    assert reported("http://192.0.2.1:8080/bins/x\n") == {"URL http://192.0.2.1:8080/bins/x"}
    assert reported("https://example.org/?cb=192.0.2.4:9001\n") == {"URL https://example.org/?cb=192.0.2.4:9001"}


def test_2_all_names_of_a_line_are_read() -> None:
    names = [f"host{number}[.]example" for number in range(104)]
    assert len(reported(" ".join(names))) == 104


def test_3_a_line_of_a_hosts_file_may_have_several_names() -> None:
    assert reported("0.0.0.0 a.example b.example c.example\n") == {
        *("Domain a.example", "Domain b.example", "Domain c.example")
    }


def test_4_a_bullet_and_a_file_s_name_beside_a_hash() -> None:
    text = f"- {SHA256}  report.doc\n"
    assert (reported(text), rejected(text)) == ({f"Hash {SHA256}"}, {"report.doc": "a file name"})


@pytest.mark.parametrize("header", ["Indicator_type,Data,Note", "Indicator,Data,Notes"])
def test_5_the_values_say_which_column_has_the_indicators(header: str, desk: Desk) -> None:
    text = f"{header}\ndomain,evil.example,x\nsha256,{SHA256},y\nurl,hxxp://192.0.2.1/x,z\n"
    assert reported(text, "table") == {"Domain evil.example", f"Hash {SHA256}", "URL http://192.0.2.1/x"}
    assert rejected(text, "table") == {}
    keep(desk, "dull.csv", "name,colour\none,red\ntwo,blue\n")
    assert "no column of it holds indicators" in desk.run("cache", "add", "dull.csv", *TABLE).err
    keep(desk, "some.csv", "indicator,colour\nevil.example,red\nworse.example,blue\n")
    assert "these columns are left out: colour" in desk.run("cache", "add", "some.csv", *TABLE).err


def test_6_a_cell_may_hold_several_values() -> None:
    text = f'name,hashes\nx,"{SHA256},{SHA1},{MD5}"\n'
    assert reported(text, "table") == {f"Hash {SHA256}", f"Hash {SHA1}", f"Hash {MD5}"}


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_7_the_delimiter_is_told_by_the_lines(delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in (("ip", "note"), ("192.0.2.1", "c2"), ("192.0.2.2", "c2")))
    assert reported(text, "table") == {"IPAddress 192.0.2.1", "IPAddress 192.0.2.2"}


def test_8_composites_of_misp_are_parted() -> None:
    text = (
        "uuid,event_id,category,type,value,comment,to_ids,date\n"
        f"1,2,Payload delivery,filename|sha256,x.exe|{SHA256},c,1,20240103\n"
        "1,2,Network activity,domain|ip,evil.example|192.0.2.1,c,1,20240102\n"
        "1,2,Network activity,ip-dst|port,192.0.2.2|443,c,1,20240104\n"
    )
    assert reported(text, "table") == {
        *(f"Hash {SHA256}", "Domain evil.example", "IPAddress 192.0.2.1", "IPAddress 192.0.2.2"),
        "Service 192.0.2.2:443",
    }


def test_9_what_is_no_domain_costs_no_request(desk: Desk) -> None:
    keep(desk, "mine.txt", "it ran rundll32.exe, e.g. at 203.0.113.x or from apk.xrat\n\nexample.com\n")
    planned = desk.run("plan", "--file", "mine.txt", "--skip-bad", "--json")
    alone = desk.run("plan", "example.com", "--json")
    assert planned.json["requests"] == alone.json["requests"]
    assert desk.run("plan", "rundll32.exe", "203.0.113.x", "e.g.").code == 2


def test_10_names_of_files_and_members_of_scripts_are_no_domains() -> None:
    text = "xmlhttp.onreadystatechange\nload.dll\nevil.bit\nevil.bazar\nevil.onion\n"
    assert reported(text) == {"Domain evil.bit", "Domain evil.bazar", "Domain evil.onion"}
    assert set(rejected(text)) == {"xmlhttp.onreadystatechange", "load.dll"}


def test_11_a_digest_that_is_no_file_s_is_no_hash() -> None:
    certificates = f"# Listingdate,SHA1,Listingreason\n2024-01-02 10:11:12,{SHA1},X C&C\n2024-01-03 10:11:12,{SHA1},Y\n"
    assert told("indicators", "table", "k", certificates.encode()).edges == set()
    typed = f"type,value,note\nja3,{MD5},x\nmd5,{'d' * 32},y\n"
    assert reported(typed, "table") == {f"Hash {'d' * 32}"}
    assert rejected(typed, "table") == {MD5: "a fingerprint of another thing than a file"}


def test_12_a_hosts_file_s_own_addresses_are_reported_by_no_one() -> None:
    text = "255.255.255.255 broadcasthost\nff00:: ip6-mcastprefix\nff02::1 ip6-allnodes\n0.0.0.0 evil.example\n"
    assert reported(text) == {"Domain evil.example"}
    assert set(rejected(text)) == {"255.255.255.255", "ff00::", "ff02::1"}


def test_13_a_range_is_a_network() -> None:
    assert reported("192.0.2.0\t192.0.2.255\t24\n") == {"Network 192.0.2.0/24"}


def test_14_two_lists_of_one_name_are_two_and_a_newer_one_is_the_same(desk: Desk) -> None:
    for folder, name in (("one", "a.example"), ("two", "b.example")):
        keep(desk, f"{folder}/iocs.csv", f"domain\n{name}\n")
    assert desk.run("cache", "add", "one", "two", *TABLE).code == 0
    reports = {each for each in nodes(desk) if each.startswith("Report")}
    assert len(reports) == 2
    keep(desk, "copy/other-name.csv", "domain\na.example\n")  # the same content
    keep(desk, "two/iocs.csv", "domain\nc.example\n")  # a newer version
    assert desk.run("cache", "add", "copy", "two/iocs.csv", *TABLE).code == 0
    assert {each for each in nodes(desk) if each.startswith("Report")} == reports
    text = (desk.folder / "import" / "nodes" / "Report.csv").read_text()
    assert '"one/iocs.csv;copy/other-name.csv"' in text or '"copy/other-name.csv;one/iocs.csv"' in text


def test_14_only_a_newer_list_of_one_place_retires_what_it_does_not_repeat(desk: Desk) -> None:
    for folder, name in (("one", "a.example"), ("two", "b.example")):
        keep(desk, f"{folder}/iocs.csv", f"domain\n{name}\n")
    assert desk.run("cache", "add", "one", *TABLE, "--fetched-at", "2024-01-01").code == 0
    assert desk.run("cache", "add", "two", *TABLE, "--fetched-at", "2024-02-01").code == 0
    words = ("transform", "--format", "csv", "--seen-since", "indicators=2024-01-15")
    assert desk.run(*words).code == 0
    assert "a.example" in (desk.folder / "import" / "nodes" / "Domain.csv").read_text()
    keep(desk, "one/iocs.csv", "domain\nc.example\n")
    assert desk.run("cache", "add", "one", *TABLE, "--fetched-at", "2024-03-01").code == 0
    assert desk.run(*words).code == 0
    text = (desk.folder / "import" / "nodes" / "Domain.csv").read_text()
    assert [name in text for name in ("a.example", "b.example", "c.example")] == [False, True, True]


def test_14_two_lists_from_standard_input_are_two(desk: Desk) -> None:
    for text in ("a.example\n", "b.example\n", "a.example\n"):
        assert desk.run("cache", "add", "-", *LIST, text=text).code == 0
    assert len({each for each in nodes(desk) if each.startswith("Report")}) == 2


def test_15_a_list_keeps_its_name_in_any_script(desk: Desk) -> None:
    names = ("отчёт.txt", "報告書.txt", "APT 28.txt", "APT-28.txt")
    for number, name in enumerate(names):
        keep(desk, name, f"host{number}.example\n")
    assert desk.run("cache", "add", *names, *LIST).code == 0
    assert len({each for each in nodes(desk) if each.startswith("Report")}) == len(names)
    text = (desk.folder / "import" / "nodes" / "Report.csv").read_text()
    assert all(f'"{name}"' in text for name in names)


def test_16_networks_are_reported() -> None:
    text = "192.0.2.0/24\n2001:db8::/32 ; SBL1\nAS64500\n@someone\n"
    assert reported(text) == {*("Network 192.0.2.0/24", "Network 2001:db8::/32", "ASN AS64500", "TwitterUser someone")}


def test_17_a_comment_may_stand_behind_a_semicolon() -> None:
    text = f"{MD5};Some Tool http://blog.example/post\nevil.example;c2\n"
    assert reported(text) >= {f"Hash {MD5}", "Domain evil.example"}
    assert rejected(text) == {}


PAGE = '{"response_code":"1","resolutions":[{"ip_address":"192.0.2.1","last_resolved":"2020-01-01"}],"subdomains":[]}'


@pytest.mark.parametrize("name", ["2026-03-02_example.org.json", "example.net.json.bak", "a_example.org.json"])
def test_18_no_key_is_guessed_from_a_file_s_name(desk: Desk, name: str) -> None:
    file = keep(desk, f"threatcrowd/domain/{name}", PAGE)
    ran = desk.run("cache", "add", "threatcrowd")
    assert (ran.code, ran.out) == (3, "0 added, 0 there already, 1 left out\n")
    assert "say with --key" in ran.err
    assert desk.run("cache", "add", file, "--key", "example.org").code == 0
    assert nodes(desk) == {"Domain example.org", "IPAddress 192.0.2.1"}


def test_18_a_reply_that_names_its_subject_goes_by_that(desk: Desk) -> None:
    page = json.loads(PAGE) | {"permalink": "https://www.threatcrowd.org/domain.php?domain=example.net"}
    keep(desk, "threatcrowd/domain/example.net.json.bak", json.dumps(page))
    keep(desk, "internetdb/ip/2026-03-02_scan.json", '{"ip":"192.0.2.7","ports":[80],"hostnames":[]}')
    ran = desk.run("cache", "add", "threatcrowd", "internetdb")
    assert (ran.code, ran.out) == (0, "2 added, 0 there already, 0 left out\n")
    assert ran.err.count("goes by the name that it states itself") == 2
    assert nodes(desk) == {"Domain example.net", "IPAddress 192.0.2.1", "IPAddress 192.0.2.7", "Service 192.0.2.7:80"}


# --- undo -------------------------------------------------------------------------------------------------------------


def test_19_a_mistaken_add_is_taken_back_and_refuses_nothing_any_more(desk: Desk) -> None:
    good = keep(desk, "good/example.com.json", PAGE)
    words = ("--source", "threatcrowd", "--endpoint")
    assert desk.run("cache", "add", good, *words, "domain").code == 0
    expected = nodes(desk)
    wrong = keep(desk, "wrong/192.0.2.5.json", '{"unlike":"any"}')
    for endpoint, key in (("ip", "192.0.2.5"), ("domain", "no name"), ("nothing", "x.example")):
        ran = desk.run("cache", "add", wrong, *words, endpoint, "--key", key, "--json")
        assert ran.json["import"]
        desk.run("transform", "--format", "csv")
        assert desk.run("cache", "remove", ran.json["import"][:6]).code == 0
        assert nodes(desk) == expected  # with exit code 0
    assert desk.run("transform").code == 0
    assert desk.run("load").code == 0
    listed = desk.run("cache", "imports", "--json").json["imports"]
    assert [each["state"] for each in listed] == ["in use", "taken back", "taken back", "taken back"]
    assert desk.run("fetch", "failed").out.count("\n") == 1  # the header
    assert desk.run("cache", "verify").code == 0
    assert desk.run("cache", "remove", "threatcrowd", "domain", "EXAMPLE.com").code == 0
    assert desk.run("transform", "--json").json["manifest"]["replies"] == 0
    last = desk.run("cache", "imports", "--json").json["imports"][-1]
    assert desk.run("cache", "restore", last["id"]).code == 0
    assert nodes(desk) == expected
    assert desk.run("cache", "remove", "nothing").code == 2


def test_20_a_feed_s_own_index_files_are_no_replies(desk: Desk) -> None:
    event = {"Event": {"uuid": "5f1c0c1e-0000-4000-8000-000000000001", "info": "x", "date": "2024-01-02",
                       "Attribute": [{"type": "domain", "value": "evil.example"}]}}  # fmt: skip
    keep(desk, "misp/event/5f1c0c1e-0000-4000-8000-000000000001.json", json.dumps(event))
    keep(desk, "misp/event/manifest.json", json.dumps({"5f1c0c1e-0000-4000-8000-000000000001": {"info": "x"}}))
    keep(desk, "misp/event/hashes.csv", f"{MD5},5f1c0c1e-0000-4000-8000-000000000001\n")
    desk.run("cache", "add", "misp")
    assert "Domain evil.example" in nodes(desk)


# --- services' answers ------------------------------------------------------------------------------------------------


def test_21_a_status_outranks_a_damaged_body() -> None:
    """`tests/fetch/test_fetch.py` asks a server that sends a 429 with a damaged body."""
    assert judge("virustotal", "domains", 429, b"slow down") is Outcome.QUOTA


def test_22_a_quota_may_be_told_with_a_status_of_success() -> None:
    assert (
        judge("hackertarget", "hostsearch", 200, b"API count exceeded - Increase Quota with Membership")
        is Outcome.QUOTA
    )


def test_23_a_list_is_not_judged_by_its_first_character() -> None:
    assert reported("[2001:db8::1]\n<http://a.example/x>\n") == {"IPAddress 2001:db8::1", "URL http://a.example/x"}


# --- spellings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("https://bombay.example[.net/x", "URL https://bombay.example.net/x"),
        ("evil[.example", "Domain evil.example"),
        ("hxxp[s]://evil.example/a", "URL https://evil.example/a"),
        ("http(s)://evil.example/", "URL https://evil.example/"),
        ("user [at] example.com", "Email user@example.com"),
        ("example [.] com", "Domain example.com"),
        ("http:// example.com/x", "URL http://example.com/x"),
        ("h__p__://example.com/x", "URL http://example.com/x"),
        ("http//example.com/x", "URL http://example.com/x"),
        ("xxxx://example.com/x", "URL http://example.com/x"),
    ],
)
def test_24_and_25_what_was_defanged_is_read(line: str, expected: str) -> None:
    assert reported(line) == {expected}
    assert [each.key for each in read("user at example dot com").mentions] == ["user@example.com"]


OF_EACH_KIND = f"""192.0.2.1 # c2
192.0.2.2\tc2
192.0.2.3 ; x
192.0.2.4 // x
{SHA256} *sample.exe
192.0.2.5:8080
0.0.0.0 evil.example
192.0.2.6\t7
"""


def test_26_the_same_file_gives_the_same_everywhere(desk: Desk) -> None:
    """The page's paste calls `intake.read` as well; its tests are in tests/ui."""
    file = keep(desk, "mine.txt", OF_EACH_KIND)
    expected = {f"ip 192.0.2.{number}" for number in range(1, 7)} | {f"hash {SHA256}", "domain evil.example"}
    assert {f"{each.kind} {each.key}" for each in read(OF_EACH_KIND).mentions} == expected
    of_file = desk.run("plan", "--file", "mine.txt", "--json").json
    assert of_file["plan"]["indicators"] == len(expected)
    assert desk.run("plan", "--json", text=OF_EACH_KIND).json["requests"] == of_file["requests"]
    assert desk.run("fetch", "--file", "mine.txt", "--dry-run", "--json").json["requests"] == of_file["requests"]
    seen = desk.run("cache", "add", file, *LIST, "--dry-run", "--json").json["lists"][0]["indicators"]
    assert seen == {"domain": 1, "hash": 1, "ip": 6}
    labels = {"ip": "IPAddress", "hash": "Hash", "domain": "Domain"}
    services = {"Service 192.0.2.5:8080"}
    assert reported(OF_EACH_KIND) == {f"{labels[each.split()[0]]} {each.split()[1]}" for each in expected} | services


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "latin-1"])
def test_27_a_list_may_be_in_any_encoding(encoding: str, desk: Desk) -> None:
    text = "evil.example # r\u00e9sum\u00e9\r\n192.0.2.1\r\n"
    assert reported(text.encode(encoding)) == {"Domain evil.example", "IPAddress 192.0.2.1"}
    assert reported(
        f"value,note\r\n{text.split(maxsplit=1)[0]},\u00e9\r\n192.0.2.1,x\r\n".encode(encoding), "table"
    ) == {*("Domain evil.example", "IPAddress 192.0.2.1")}
    keep(desk, "mine.txt", text.encode(encoding))
    assert desk.run("plan", "--file", "mine.txt", "--json").json["plan"]["indicators"] == 2


def misp(*attributes: tuple[str, str]) -> RecordingGraph:
    """Return what a bare MISP event tells."""
    rows = [{"type": type_, "value": value} for type_, value in attributes]
    event = {"uuid": "5f1c0c1e-0000-4000-8000-000000000001", "info": "x", "date": "2024-01-02", "Attribute": rows}
    return told("misp", "event", "1", json.dumps(event).encode())


def test_28_and_30_a_bare_event_of_misp_with_defanged_values() -> None:
    found = misp(("domain", "evil[.]example"), ("url", "hxxp://evil.example/x"))
    assert {"Domain evil.example", "URL http://evil.example/x"} <= {start for start, *_ in found.edges}
    assert found.rejects == set()


def test_29_a_port_makes_a_service_of_an_address_or_a_name() -> None:
    assert reported("192.0.2.1:443\n[2001:db8::1]:8443\nevil.example:8080\n") == {
        *("IPAddress 192.0.2.1", "Service 192.0.2.1:443"),
        *("IPAddress 2001:db8::1", "Service [2001:db8::1]:8443"),
        *("Domain evil.example", "Service evil.example:8080"),
    }


def test_31_a_name_with_an_emoji_has_one_fate() -> None:
    assert keys.detect("\U0001f4a9.la") == keys.detect("xn--ls8h.la") == ("domain", "xn--ls8h.la")


def test_32_an_address_may_have_a_display_name() -> None:
    assert keys.detect("User <user@example.com>") == ("email", "user@example.com")
    assert reported("User <user@example.com>\n") == {"Email user@example.com"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"sha256:{'a' * 63}", "63 hex digits, which no digest has"),
        ("192.0.2.300", "an impossible address"),
        ("nothing.exe", "a file name"),
    ],
)
def test_33_a_reason_is_of_what_a_value_looks_like_and_tells_the_line(line: str, reason: str) -> None:
    text = f"evil.example\n\n{line}\nworse.example\n"
    assert list(rejected(text).values()) == [reason]
    assert [leftover.line for leftover in read(text).leftovers] == [3]


def test_34_a_url_may_lack_its_scheme() -> None:
    assert reported("evil.example/gate.php?x=1\n192.0.2.1:8080/a\n") == {
        *("URL http://evil.example/gate.php?x=1", "URL http://192.0.2.1:8080/a")
    }


def test_35_of_another_scheme_the_host_stays() -> None:
    text = "wss://a.example/x\ntcp://192.0.2.1:4444\nldap://b.example:1389/y\nudp://192.0.2.2:53\n"
    assert reported(text) == {
        *("Domain a.example", "IPAddress 192.0.2.1", "Service 192.0.2.1:4444", "Domain b.example"),
        *("Service b.example:1389", "IPAddress 192.0.2.2", "Service 192.0.2.2:53"),
    }


@pytest.mark.parametrize("url", ["http://0xc0000201", "http://3221225985", "http://0xC0000201:80/"])
def test_36_a_host_that_is_a_number_is_an_address(url: str) -> None:
    assert keys.detect(url) == ("url", "http://192.0.2.1/")


@pytest.mark.parametrize("text", ["CVE\u20112021\u201144228", "CVE 2021-44228", "cve-2021-44228"])
def test_37_a_cve_may_have_other_hyphens(text: str) -> None:
    assert reported(f"{text}\n") == {"Vulnerability CVE-2021-44228"}


def test_38_replies_may_come_in_containers(desk: Desk) -> None:
    """`tests/cache/test_containers.py` has each container."""
    told_by_curl = (
        f"HTTP/1.1 200 OK\r\nDate: Tue, 02 Jan 2024 10:11:12 GMT\r\nContent-Type: application/json\r\n\r\n{PAGE}"
    )
    file = keep(desk, "kept.txt", told_by_curl)
    words = ("--source", "threatcrowd", "--endpoint", "domain", "--key", "example.com")
    assert desk.run("cache", "add", file, *words).code == 0
    assert "Domain example.com" in nodes(desk)


@pytest.mark.parametrize(
    "line",
    [
        *("||evil.example^", "address=/evil.example/0.0.0.0", "evil.example CNAME .", "*.evil.example CNAME ."),
        'local-zone: "evil.example" always_nxdomain',
        'alert dns any any -> any any (dns.query; content:"evil.example"; sid:2;)',
    ],
)
def test_39_lines_of_blockers_and_resolvers_are_read(line: str) -> None:
    assert reported(line) == {"Domain evil.example"}


# --- what worked and has to stay --------------------------------------------------------------------------------------


def test_40_equal_values_meet_whatever_their_case_and_paths_keep_theirs() -> None:
    assert keys.detect("EVIL.Example") == keys.detect("evil.example.")
    assert keys.detect(MD5.upper()) == keys.detect(MD5)
    assert keys.detect("HTTP://Evil.Example/A")[1] == "http://evil.example/A"


def test_41_an_address_has_one_spelling() -> None:
    assert keys.detect("2001:DB8:0:0:0:0:0:1") == keys.detect("2001:db8::1") == ("ip", "2001:db8::1")


@pytest.mark.parametrize("text", ["192[.]0[.]2[.]1", "192.0.2[.]1"])
def test_42_defanged_addresses(text: str) -> None:
    assert keys.detect(text) == ("ip", "192.0.2.1")
    assert keys.detect("2001[:]db8[:][:]1") == ("ip", "2001:db8::1")


def test_43_a_label_below_a_domain_may_have_an_underscore() -> None:
    assert keys.detect("_dmarc.example.com") == ("domain", "_dmarc.example.com")


def test_44_composites_in_misp() -> None:
    found = misp(("filename|sha256", f"in|voice.exe|{SHA256}"), ("domain|ip", "evil.example|192.0.2.1"))
    starts = {start for start, *_ in found.edges}
    assert {f"Hash {SHA256}", "Domain evil.example", "IPAddress 192.0.2.1"} <= starts


def test_45_what_is_registrable() -> None:
    assert keys.registrable("a.b.github.io") == "b.github.io"
    assert keys.registrable("www.police.uk") == "www.police.uk" or keys.is_registrable("www.police.uk")


def test_46_dates_are_read_or_refused_with_a_reason() -> None:
    """`tests/test_times.py` has the formats."""
    text = "ip,first_seen\n192.0.2.1,02-Jan-2024\n192.0.2.2,2024-01-03\n"
    found = told("indicators", "table", "k", text.encode())
    assert {dict(each[3])["first_seen"] for each in found.edges} == {"2024-01-02", "2024-01-03"}


@pytest.mark.parametrize(
    ("source", "endpoint", "status", "body"),
    [
        ("shodan", "host", 404, b'{"error": "No information available for that IP."}'),
        ("virustotal", "domains", 404, b'{"error": {"code": "NotFoundError", "message": "x"}}'),
        ("rdap", "domain", 404, b""),
    ],
)
def test_47_not_found_is_no_failure(source: str, endpoint: str, status: int, body: bytes) -> None:
    """`tests/test_verdict.py` has the others."""
    assert judge(source, endpoint, status, body) is Outcome.NOT_FOUND


def test_48_a_page_in_place_of_json_is_a_failure() -> None:
    assert judge("crtsh", "identity", 200, b"<html><body>busy</body></html>") is Outcome.UNREADABLE


def test_49_time_and_memory_are_linear() -> None:
    """`benchmarks/NOTES.md` has the figures of two million lines."""
    text = "".join(f"host{number}.example\n" for number in range(20_000))
    assert len(read(text).mentions) == 20_000


def test_50_many_small_files_and_what_systems_leave_among_them(desk: Desk) -> None:
    for number in range(300):
        keep(desk, f"threatcrowd/domain/host{number}.example.json", PAGE)
    keep(desk, "threatcrowd/domain/.DS_Store", b"\x00")
    ran = desk.run("cache", "add", "threatcrowd", "--fetched-at", "2024-01-01")
    assert (ran.code, ran.out) == (0, "300 added, 0 there already, 0 left out\n")
    again = desk.run("cache", "add", "threatcrowd", "--fetched-at", "2024-01-01")
    assert again.out == "0 added, 300 there already, 0 left out\n"


def test_51_odd_characters_break_nothing() -> None:
    text = "evil.example # \u202e\u200b 'x' \"y\" ; \x00 tab\tend\n" + "http://a.example/" + "x" * 3_950 + "\n"
    assert len(reported(text)) == 2


def test_52_the_own_name_wins_over_a_wrong_file_name(desk: Desk) -> None:
    keep(desk, "internetdb/ip/192.0.2.9.json", '{"ip":"192.0.2.7","ports":[80],"hostnames":[]}')
    page = json.loads(PAGE) | {"permalink": "https://www.threatcrowd.org/domain.php?domain=example.net"}
    keep(desk, "threatcrowd/domain/example.com.json", json.dumps(page))
    whois = {"response_code": 1, "whois": "Domain Name: EXAMPLE.ORG\n", "resolutions": []}
    keep(desk, "virustotal_v2/domain_report/2026-03-02_x.json", json.dumps(whois))
    ran = desk.run("cache", "add", "internetdb", "threatcrowd", "virustotal_v2")
    assert (ran.code, ran.out) == (0, "3 added, 0 there already, 0 left out\n"), ran.err
    assert {each for each in nodes(desk) if re.match("Domain|IPAddress", each)} == {
        *("IPAddress 192.0.2.7", "Domain example.net", "IPAddress 192.0.2.1", "Domain example.org")
    }
