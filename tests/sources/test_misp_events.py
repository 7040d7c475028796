"""MISP: what real events tell, worked out by hand from their JSON."""

from __future__ import annotations

import json

import pytest
from replies import Edge, edge, fixture, node, told


def test_attributes_one_by_one_and_composite() -> None:
    found = told("misp", "event", "signsight", fixture("misp/event/eset_signsight__signsight-misp-event.json"))
    report = "Report misp:b5a79c58-fbd0-459c-8f19-8494f7f12b51"
    files = {
        "5c77a18880cf58df9fba102dd8267c3f369df449": "gca01-client-v2-x64-8.3.msi",
        "b0e4e9bb6ef8aa7a9fcb9c9e571d8162b1b2443a": "gca01-client-v2-x32-8.3.msi",
        "989334094ec5ba8e0e8f2238cdf34d5c57c283f2": "netapi32.dll",
    }
    nameless = ("9522f369ac109b03e6c16511d49d1c5b42e12a44", "5dfc07bb6034b4fda217d96441fb86f5d43b6c62")
    urls = [f"URL https://ca.gov.vn/documents/20182/6768590/{name}" for name in list(files.values())[:2]]

    comments = {
        "Hash 5c77a18880cf58df9fba102dd8267c3f369df449": "Trojanized installer",
        "Hash b0e4e9bb6ef8aa7a9fcb9c9e571d8162b1b2443a": "Trojanized installer",
        "Hash 989334094ec5ba8e0e8f2238cdf34d5c57c283f2": "PhantomNet backdoor",
        "Hash 9522f369ac109b03e6c16511d49d1c5b42e12a44": "Dropper",
        "Hash 5dfc07bb6034b4fda217d96441fb86f5d43b6c62": "PhantomNet plugin",
        "Domain office365.blogdns.com": "C&C server",
        "Domain vgca.homeunix.org": "C&C server",
    }

    def reported(indicator: str) -> Edge:
        return edge(indicator, "REPORTED_IN", report, "2020-12-16", comments=(comments[indicator],))

    assert found.rejects == set()
    assert found.nodes == {
        node(
            report,
            title="Operation SignSight: Supply-chain attack against a certification authority in Southeast Asia",
            created="2020-12-16",
            links=("https://www.welivesecurity.com/2020/12/17/operation-signsight-supply-chain-attack-southeast-asia",),
        ),
        *(node(f"Hash {digest}", names=(name,)) for digest, name in files.items()),
    }
    assert found.edges == {
        edge(
            report,
            "CITES",
            "Report https://www.welivesecurity.com/2020/12/17/operation-signsight-supply-chain-attack-southeast-asia",
        ),
        *(reported(f"Hash {digest}") for digest in (*files, *nameless)),
        *(reported(f"Domain {name}") for name in ("office365.blogdns.com", "vgca.homeunix.org")),
        *(
            edge(
                url,
                "REPORTED_IN",
                report,
                first_seen="2020-07-22T22:00:00Z",
                last_seen="2020-08-15T22:00:00Z",
                comments=("URL pointing to the malicious installers (now clean)",),
            )
            for url in urls
        ),
        *(edge(url, "ON", "Domain ca.gov.vn") for url in urls),
    }


def test_a_name_and_its_address_in_one_text() -> None:
    found = told("misp", "event", "coruscant", fixture("misp/event/eset_sshdoor__misp-events__coruscant.json"))
    report, day = "Report misp:5bbe58cb-eb4c-48ea-9cbc-79220a016219", "2018-10-10"
    name, address = "SubDomain patf.site90.net", "IPAddress 153.92.0.100"
    assert found.nodes == {node(report, title="SSHDoor : Coruscant", created=day, tags=("SSHDoor",))}
    assert found.edges == {
        edge("Hash 2d767d0ede311cf3a853e90d18f50ae102358590", "REPORTED_IN", report, day),
        edge(name, "REPORTED_IN", report, day),
        edge(address, "REPORTED_IN", report, day),
        edge(name, "RESOLVES", address),
    }
    assert found.rejects == set()


def test_objects_and_how_they_belong_together() -> None:
    path = "misp/event/eset_winter_vivern__misp-wintervivern.event.json"
    found = told("misp", "event", "winter_vivern", fixture(path))
    report = "Report misp:50c22e72-d95e-4ac9-a5d3-5ed05246d239"
    first_file = ("4115431725abf3ccba92535cbdeb7e5d", "97ed594ef2b5755f0549c6c5758377c0b87cfae0")
    first_sha256 = "Hash 05ae4c495c10835af57430ca2dfed387aad221ff0651bbe17fc75bbd1f96369a"
    second_file = ("fb09392006b0dbda865315e3333b6afa", "8bf7fcc70f6ce032217d9210ef30314ddd6b8135")
    second_sha256 = "Hash f6e074c38f0f0854aba8b8a43165f37509ed18c5bc009a4433f3868457da2ded"
    check, save = (f"URL https://recsecas.com/controlserver/{name}" for name in ("checkupdate.js", "saveMessage"))
    domain, address = "Domain recsecas.com", "IPAddress 38.180.76.31"
    assert found.rejects == set()
    assert {each for each in found.nodes if each[1] and each[0] != report} == {
        node(digest, names=("checkupdate.js",)) for digest in (first_sha256, *(f"Hash {each}" for each in first_file))
    }
    techniques = "T1041 T1071.001 T1087.003 T1114.002 T1190 T1203 T1566 T1583.001 T1583.004 T1587.004"
    assert found.edges == {
        *(edge(report, "CONCERNS", f"Technique {each}") for each in techniques.split()),
        edge(address, "REPORTED_IN", report, "2023-10-19", comments=("Winter Vivern C&C server.",)),
        edge(domain, "REPORTED_IN", report, "2023-10-11T00:00:00Z"),
        edge("Vulnerability CVE-2023-5631", "REPORTED_IN", report, "2023-10-19"),
        edge(
            "Email team.managment@outlook.com", "REPORTED_IN", report,
            first_seen="2023-10-11T00:00:00Z", last_seen="2023-10-12T00:00:00Z",
        ),
        *(edge(url, "REPORTED_IN", report, "2023-09-28T00:00:00Z") for url in (check, save)),
        *(edge(url, "ON", domain) for url in (check, save)),
        *(
            edge(digest, "REPORTED_IN", report, "2023-10-12T11:17:19Z", comments=("JavaScript loader.",))
            for digest in (first_sha256, *(f"Hash {each}" for each in first_file))
        ),
        *(
            edge(
                digest, "REPORTED_IN", report, "2023-10-16T16:11:53Z",
                comments=("JavaScript payload exfiltrating email messages from Roundcube.",),
            )
            for digest in (second_sha256, *(f"Hash {each}" for each in second_file))
        ),
        edge(first_sha256, "SAME_FILE", "Hash " + first_file[0]),
        edge(first_sha256, "SAME_FILE", "Hash " + first_file[1]),
        edge("Hash " + second_file[1], "SAME_FILE", second_sha256),
        edge(second_sha256, "SAME_FILE", "Hash " + second_file[0]),
        edge(min("Hash " + each for each in first_file), "SAME_FILE", max("Hash " + each for each in first_file)),
        edge(min("Hash " + each for each in second_file), "SAME_FILE", max("Hash " + each for each in second_file)),
        edge(first_sha256, "DETECTED_AS", "Malware JS/WinterVivern.B"),
        edge(second_sha256, "DETECTED_AS", "Malware JS/Kryptik.BIK"),
        edge(check, "DELIVERS", first_sha256),
        edge(second_sha256, "CONTACTS", save),
        edge(first_sha256, "DROPS", second_sha256),
        edge(domain, "RESOLVES", address),
    }  # fmt: skip


def test_a_host_under_the_type_url_is_a_host() -> None:
    found = told("misp", "event", "badiis", fixture("misp/event/eset_badiis__misp-badiis.json"))
    hosts = {("IPAddress 143.92.48.38"), "SubDomain www.allsoulu.com", "SubDomain xinxx.allsoulu.com"}
    assert hosts <= {each[0] for each in found.edges if each[1] == "REPORTED_IN"}
    assert {"SubDomain now.asmkpo.com", "URL http://speed.wlaspsd.com/vip.js"} <= {each[0] for each in found.edges}
    assert found.rejects == set()


def test_who_is_blamed_and_what_is_cited() -> None:
    path = "misp/event/eset_turla__misp-turla-crutch-event.json"
    found = told("misp", "event", "crutch", fixture(path))
    report = "Report misp:47b9e2de-7283-4fd3-bf41-dcf9f19d8c62"
    page = "https://www.welivesecurity.com/2020/12/02/turla-crutch-keeping-back-door-open"
    assert {each for each in found.edges if each[0] == report} == {
        edge(report, "BLAMES", "Group Turla Group"),
        edge(report, "CITES", f"Report {page}"),
    }


def test_hosts_techniques_and_the_group_of_a_real_event() -> None:
    path = "misp/event/eset_winnti_group__gaming_supply_chain.misp_event.json"
    found = told("misp", "event", "winnti", fixture(path))
    report, day = "Report misp:5c8ff618-0998-4b11-89d4-39d70a016219", "2019-03-18"
    comments = {
        "SubDomain api.goallbandungtravel.com": "2nd stage URL domain (HTTPS)",
        "SubDomain checkin.travelsanignacio.com": "2nd stage update server (HTTP)",
    }
    assert {each for each in found.edges if each[0] in comments} == {
        edge(host, "REPORTED_IN", report, day, comments=(comment,)) for host, comment in comments.items()
    }
    assert {each for each in found.edges if each[0] == report} == {
        edge(report, "BLAMES", "Group Axiom"),
        *(
            edge(report, "CONCERNS", f"Technique {each}")
            for each in ("T1009", "T1022", "T1032", "T1043", "T1050", "T1079", "T1195")
        ),
    }
    assert {each[:3] for each in found.edges if "SubDomain dump.gxxservice.com" in (each[0], each[2])} == {
        ("URL https://dump.gxxservice.com/common/up/up_base.php", "ON", "SubDomain dump.gxxservice.com"),
    }
    assert found.rejects == set()


def wrapped(event: object) -> list[object]:
    return [{"Event": event}, [{"Event": event}], {"response": [{"Event": event}]}, {"response": {"Event": event}}]


def test_an_event_is_found_however_it_is_wrapped_and_what_was_deleted_is_not() -> None:
    event = {
        "uuid": "1f2e3d4c-0000-4000-8000-000000000001",
        "date": "2026-05-09",
        "Attribute": [
            {"type": "domain", "value": "example.com"},
            {"type": "domain", "value": "example.net", "deleted": True},
            {"type": "imphash", "value": "d195ce778dcb3eb032f7122fffaaca94"},
        ],
    }
    told_each_way = [told("misp", "event", "x", json.dumps(each).encode()) for each in wrapped(event)]
    report = "Report misp:1f2e3d4c-0000-4000-8000-000000000001"
    for found in told_each_way:
        assert found.edges == {edge("Domain example.com", "REPORTED_IN", report, "2026-05-09")}


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        (b'{"response":[]}', "not found"),
        (b"[]", "not found"),
        (b'{"name":"Authentication failed.","message":"Authentication failed.","url":"/events"}', "unreadable"),
        (b'{"Event":{"uuid":"1f2e3d4c-0000-4000-8000-000000000001",}', "unreadable"),  # no JSON: a comma too many
    ],
)
def test_what_is_no_event(content: bytes, outcome: str) -> None:
    found = told("misp", "event", "x", content)
    assert (found.outcome, found.nodes, found.edges) == (outcome, set(), set())
