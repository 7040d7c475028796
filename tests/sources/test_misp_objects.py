"""MISP: what objects, references, galaxies and single types of attribute give, each by an event of its own."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from replies import Edge, RecordingGraph, edge, node, told

from intel_grapher.cache import Cache, Entry
from intel_grapher.registry import Registry
from intel_grapher.transform.coverage import coverage

UUID = "1f2e3d4c-0000-4000-8000-000000000001"
REPORT = f"Report misp:{UUID}"
DAY = "2026-05-09"
A, B, C = "a" * 64, "b" * 64, "c" * 32
Attributes = list[dict[str, Any]]


def content(attributes: Attributes = (), objects: Attributes = (), **more: object) -> bytes:  # type: ignore[assignment]
    event = {"uuid": UUID, "info": "Example", "date": DAY, "Attribute": attributes, "Object": objects, **more}
    return json.dumps({"Event": event}).encode()


def read(attributes: Attributes = (), objects: Attributes = (), **more: object) -> RecordingGraph:  # type: ignore[assignment]
    return told("misp", "event", "x", content(attributes, objects, **more))


def made(name: str, /, **by_relation: Any) -> dict[str, Any]:  # noqa: ANN401 - pairs, or lists of pairs
    """Return an object of attributes by their relations, each a type and a value, or a list of such pairs."""
    uuid = by_relation.pop("uuid", None) or str(next(NUMBERS))
    attributes = [
        {"object_relation": relation, "type": type_, "value": value, "uuid": f"{uuid}-{relation}"}
        for relation, pairs in by_relation.items()
        for type_, value in (pairs if isinstance(pairs, list) else [pairs])
    ]
    return {"name": name, "uuid": uuid, "Attribute": attributes, "ObjectReference": []}


NUMBERS = count()


def named(*indicators: str, **properties: object) -> set[Edge]:
    return {edge(each, "REPORTED_IN", REPORT, DAY, **properties) for each in indicators}


def besides(found: RecordingGraph) -> set[Edge]:
    """Return the relationships that do not merely say that the report names something."""
    return {each for each in found.edges if each[1] != "REPORTED_IN"}


ATTRIBUTES = [
    ("AS", 64500, {"ASN AS64500"}),
    ("uri", "http://example.com/u", {"URL http://example.com/u"}),
    ("uri", "/gate.php", set()),
    ("x509-fingerprint-sha256", A, {f"Certificate {A}"}),
    ("x509-fingerprint-sha1", "a" * 40, {f"Certificate sha1:{'a' * 40}"}),
    ("hostname|port", "c2.example.com|8080", {"SubDomain c2.example.com"}),
    ("ip-src|port", "192.0.2.1|5000", {"IPAddress 192.0.2.1"}),
    ("filename|sha256", f"a|b.exe|{A}", {f"Hash {A}"}),
    ("filename|imphash", f"a.exe|{C}", set()),
    ("imphash", C, set()),
    ("ja3-fingerprint-md5", C, set()),
    ("sha3-256", A, set()),
    ("sha512/256", A, set()),
    ("twitter-id", "Example", {"TwitterUser example"}),
    ("url", "example.com", {"Domain example.com"}),
    ("domain", "192.0.2.1", {"IPAddress 192.0.2.1"}),
    ("target-email", "victim@example.org", set()),
    ("link", "https://example.org/", set()),
]


@pytest.mark.parametrize(("type_", "value", "indicators"), ATTRIBUTES, ids=[each[0] for each in ATTRIBUTES])
def test_an_attribute_is_what_its_type_says(type_: str, value: object, indicators: set[str]) -> None:
    found = read([{"type": type_, "value": value}])
    assert {each for each in found.edges if each[1] == "REPORTED_IN"} == named(*indicators)
    assert found.rejects == set()


def test_a_value_that_is_not_what_its_type_says_is_a_reject() -> None:
    rejects = read([{"type": "sha1", "value": C}, {"type": "ip-dst", "value": "a@example.com"}]).rejects
    assert {(path, value) for path, value, _ in rejects} == {
        ("$.Event.Attribute[0].value", C),
        ("$.Event.Attribute[1].value", "a@example.com"),
    }
    assert {reason for _, value, reason in rejects if value == C} == {"a digest by another algorithm"}


@pytest.mark.parametrize(
    ("type_", "value", "indicator"),
    [
        ("ip-dst", "192.0.2.0/24", "Network 192.0.2.0/24"),
        ("ip-src", "192.0.2[.]1", "IPAddress 192.0.2.1"),
        ("ip-dst", "192.0.2.5:8080", "IPAddress 192.0.2.5"),
        ("ip-dst", "[2001:db8::2]:443", "IPAddress 2001:db8::2"),
        ("domain", "evil[.]example[.]com", "SubDomain evil.example.com"),
        ("domain", "example.org:443", "Domain example.org"),
        ("url", "hxxp://example.org/a", "URL http://example.org/a"),
        ("url", "speed.example/vip.js", "URL http://speed.example/vip.js"),
        ("email-src", "User <user@example.com>", "Email user@example.com"),
    ],
)
def test_a_value_may_be_written_as_lists_have_it(type_: str, value: str, indicator: str) -> None:
    found = read([{"type": type_, "value": value}])
    assert {each for each in found.edges if each[1] == "REPORTED_IN"} == named(indicator)
    services = {each[2] for each in found.edges if each[1] == "EXPOSES"}
    told = {"192.0.2.5:8080": {"Service 192.0.2.5:8080"}, "[2001:db8::2]:443": {"Service [2001:db8::2]:443"}}
    assert services == told.get(value, set())
    assert found.rejects == set()


def test_a_page_without_its_scheme_is_refused_as_one() -> None:
    found = read([{"type": "link", "value": "speed.example/vip.js"}])
    assert found.rejects == {("$.Event.Attribute[0].value", "speed.example/vip.js", "a URL without its scheme")}
    assert found.edges == set()


def test_a_page_that_was_read_is_no_indicator() -> None:
    page = {"type": "url", "category": "External analysis", "to_ids": False, "value": "https://blog.example.com/report"}
    found = read([page])
    assert found.edges == {edge(REPORT, "CITES", "Report https://blog.example.com/report")}
    assert found.nodes == {
        node(REPORT, title="Example", created=DAY, links=("https://blog.example.com/report",)),
    }
    serving = read([page | {"to_ids": True}])
    assert serving.edges == {
        *named("URL https://blog.example.com/report"),
        edge("URL https://blog.example.com/report", "ON", "SubDomain blog.example.com"),
    }


def test_comments_tags_and_dates_of_an_attribute() -> None:
    found = read(
        [
            {
                "type": "email-src",
                "value": "a@example.com",
                "comment": "sender",
                "first_seen": "2026-01-02T03:04:05Z",
                "Tag": [{"name": "phishing"}, {"name": 'misp-galaxy:tool="ExampleRAT"'}],
            }
        ]
    )
    seen = "2026-01-02T03:04:05Z"
    assert found.edges == {edge("Email a@example.com", "REPORTED_IN", REPORT, seen, comments=("sender",))}
    assert node("Email a@example.com", tags=("phishing",)) in found.nodes


TEXT, DATE = "text", "datetime"
OBJECTS: dict[str, tuple[dict[str, Any], set[Edge]]] = {
    "network-connection": (
        made(
            "network-connection",
            **{
                "ip-src": ("ip-src", "192.0.2.10"),
                "hostname-src": ("hostname", "victim.example.org"),
                "ip-dst": ("ip-dst", "198.51.100.20"),
                "hostname-dst": ("hostname", "c2.example.com"),
            },
        ),
        {
            edge("SubDomain victim.example.org", "RESOLVES", "IPAddress 192.0.2.10"),
            edge("SubDomain c2.example.com", "RESOLVES", "IPAddress 198.51.100.20"),
            edge("IPAddress 192.0.2.10", "CONNECTS_TO", "IPAddress 198.51.100.20"),
        },
    ),
    "network-connection to a port": (
        made(
            "network-connection",
            **{
                "ip-src": ("ip-src", "192.0.2.10"),
                "ip-dst": ("ip-dst", "198.51.100.20"),
                "src-port": ("port", "5000"),
                "dst-port": ("port", "443"),
                "layer4-protocol": (TEXT, "TCP"),
                "layer7-protocol": (TEXT, "HTTP"),
            },
        ),
        {
            edge("IPAddress 192.0.2.10", "CONNECTS_TO", "Service 198.51.100.20:443/tcp"),
            edge("IPAddress 198.51.100.20", "EXPOSES", "Service 198.51.100.20:443/tcp"),
        },
    ),
    "dns-record": (
        made(
            "dns-record",
            **{
                "queried-domain": ("domain", "example.com"),
                "a-record": [("ip-dst", "203.0.113.1"), ("ip-dst", "203.0.113.2")],
                "aaaa-record": ("ip-dst", "2001:db8::1"),
                "ns-record": ("domain", "ns1.example.net"),
                "mx-record": ("domain", "mail.example.net"),
                "cname-record": ("domain", "www.example.net"),
                "txt-record": (TEXT, "v=spf1"),
                "spf-record": ("ip-dst", "203.0.113.9"),
            },
        ),
        {
            *(
                edge("Domain example.com", "RESOLVES", f"IPAddress {each}")
                for each in ("203.0.113.1", "203.0.113.2", "2001:db8::1")
            ),
            edge("Domain example.com", "NAME_SERVER", "SubDomain ns1.example.net"),
            edge("Domain example.com", "MAIL_SERVER", "SubDomain mail.example.net"),
            edge("Domain example.com", "ALIAS_OF", "SubDomain www.example.net"),
        },
    ),
    "passive-dns": (
        made(
            "passive-dns",
            rrname=(TEXT, "www.example.com."),
            rrtype=(TEXT, "A"),
            rdata=(TEXT, "203.0.113.1"),
            time_first=(DATE, "2026-01-02T00:00:00Z"),
            time_last=(DATE, "2026-02-03T00:00:00Z"),
            origin=(TEXT, "x"),
        ),
        {
            edge(
                "SubDomain www.example.com",
                "RESOLVES",
                "IPAddress 203.0.113.1",
                first_seen="2026-01-02T00:00:00Z",
                last_seen="2026-02-03T00:00:00Z",
                last_resolved="2026-02-03T00:00:00Z",
            ),
        },
    ),
    "whois": (
        made(
            "whois",
            **{
                "domain": ("domain", "example.com"),
                "registrar": ("whois-registrar", "Example Registrar"),
                "registrant-email": ("whois-registrant-email", "a@example.org"),
                "registrant-org": ("whois-registrant-org", "Example Org"),
                "nameserver": ("hostname", "ns1.example.net"),
                "creation-date": (DATE, "2020-01-02T00:00:00Z"),
            },
        ),
        {
            edge("Email a@example.org", "OWNS", "Domain example.com"),
            edge("Domain example.com", "REGISTERED_TO", "Organization Example Org"),
            edge("Domain example.com", "NAME_SERVER", "SubDomain ns1.example.net"),
        },
    ),
    "domain-ip": (
        made(
            "domain-ip",
            **{
                "domain": ("domain", "example.com"),
                "hostname": ("hostname", "www.example.com"),
                "ip": [("ip-dst", "203.0.113.1"), ("ip-dst", "203.0.113.2")],
                "first-seen": (DATE, "2026-01-02T00:00:00Z"),
                "last-seen": (DATE, "2026-02-03T00:00:00Z"),
            },
        ),
        {
            edge(
                name,
                "RESOLVES",
                f"IPAddress {address}",
                first_seen="2026-01-02T00:00:00Z",
                last_seen="2026-02-03T00:00:00Z",
                last_resolved="2026-02-03T00:00:00Z",
            )
            for name in ("Domain example.com", "SubDomain www.example.com")
            for address in ("203.0.113.1", "203.0.113.2")
        },
    ),
    "ip-port": (
        made(
            "ip-port",
            **{
                "ip": ("ip-dst", "203.0.113.1"),
                "dst-port": [("port", "80"), ("port", "443")],
                "protocol": (TEXT, "tcp"),
                "domain": ("domain", "example.com"),
                "AS": ("AS", "64500"),
            },
        ),
        {
            edge("IPAddress 203.0.113.1", "EXPOSES", "Service 203.0.113.1:80/tcp"),
            edge("IPAddress 203.0.113.1", "EXPOSES", "Service 203.0.113.1:443/tcp"),
            edge("Domain example.com", "RESOLVES", "IPAddress 203.0.113.1"),
            edge("IPAddress 203.0.113.1", "ANNOUNCED_BY", "ASN AS64500"),
        },
    ),
    "ip-port, several of both": (
        made(
            "ip-port",
            **{
                "ip": [("ip-dst", "203.0.113.1"), ("ip-dst", "203.0.113.2")],
                "dst-port": [("port", "80"), ("port", "443")],
                "domain": [("domain", "example.com"), ("domain", "example.net")],
            },
        ),
        set(),
    ),
    "url": (
        made(
            "url",
            url=("url", "http://www.example.com/a"),
            domain=("domain", "example.com"),
            ip=("ip-dst", "203.0.113.1"),
        ),
        {
            edge("URL http://www.example.com/a", "ON", "SubDomain www.example.com"),
            edge("URL http://www.example.com/a", "ON", "IPAddress 203.0.113.1"),
        },
    ),
    "http-request": (
        made(
            "http-request",
            **{
                "url": ("url", "http://c2.example.com/gate"),
                "uri": ("uri", "/gate"),
                "host": ("hostname", "c2.example.com"),
                "ip-src": ("ip-src", "192.0.2.10"),
                "ip-dst": ("ip-dst", "198.51.100.20"),
            },
        ),
        {
            edge("URL http://c2.example.com/gate", "ON", "SubDomain c2.example.com"),
            edge("URL http://c2.example.com/gate", "ON", "IPAddress 198.51.100.20"),
        },
    ),
    "shortened-link": (
        made(
            "shortened-link",
            **{
                "shortened-url": ("url", "https://s.example/1"),
                "redirect-url": ("url", "https://www.example.com/long"),
            },
        ),
        {
            edge("URL https://s.example/1", "REDIRECTS_TO", "URL https://www.example.com/long"),
            edge("URL https://s.example/1", "ON", "Domain s.example"),
            edge("URL https://www.example.com/long", "ON", "SubDomain www.example.com"),
        },
    ),
    "x509": (
        made(
            "x509",
            **{
                "x509-fingerprint-sha256": ("x509-fingerprint-sha256", A),
                "x509-fingerprint-sha1": ("x509-fingerprint-sha1", "b" * 40),
                "issuer": (TEXT, "CN=Example CA"),
                "dns_names": [("hostname", "www.example.com"), ("hostname", "mail.example.com")],
                "issuing_certificate": ("uri", "http://ca.example/ca.crt"),
            },
        ),
        {edge(f"Certificate {A}", "NAMES", f"SubDomain {each}.example.com") for each in ("www", "mail")},
    ),
    "asn": (
        made(
            "asn",
            **{
                "asn": ("AS", "64500"),
                "description": (TEXT, "EXAMPLE-AS"),
                "subnet-announced": [("ip-src", "192.0.2.0/24"), ("ip-src", "2001:db8::/32")],
            },
        ),
        {edge(f"Network {each}", "ANNOUNCED_BY", "ASN AS64500") for each in ("192.0.2.0/24", "2001:db8::/32")},
    ),
    "email": (
        made(
            "email",
            **{
                "from": ("email-src", "a@example.com"),
                "to": ("email-dst", "victim@example.org"),
                "received-header-ip": ("ip-src", "192.0.2.1"),
                "received-header-hostname": ("hostname", "mx.example.net"),
                "subject": ("email-subject", "Invoice"),
            },
        ),
        set(),
    ),
    "pe-section": (made("pe-section", md5=("md5", C), name=(TEXT, ".text")), set()),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_is_read_as_what_it_is(name: str) -> None:
    one, wanted = OBJECTS[name]
    found = read(objects=[one])
    assert besides(found) == wanted
    assert found.rejects == set()


def test_what_objects_say_of_their_nodes() -> None:
    whois, certificate, asn = (read(objects=[OBJECTS[each][0]]) for each in ("whois", "x509", "asn"))
    assert node("Domain example.com", registrar="Example Registrar", created="2020-01-02T00:00:00Z") in whois.nodes
    assert node(f"Certificate {A}", issuer="CN=Example CA", sha1="b" * 40) in certificate.nodes
    assert node("ASN AS64500", name="EXAMPLE-AS") in asn.nodes
    assert {each for each in certificate.edges if each[1] == "REPORTED_IN"} == named(
        f"Certificate {A}", "SubDomain www.example.com", "SubDomain mail.example.com"
    )


def test_a_sections_digest_and_a_rich_header_are_no_files() -> None:
    found = read(
        objects=[
            made("pe-section", md5=("md5", C)),
            made("elf-section", sha256=("sha256", A)),
            made("pe", richpe=("md5", C), imphash=("imphash", C)),
        ]
    )
    assert found.edges == set()


def test_a_file_with_its_digests_size_type_and_names() -> None:
    one = made(
        "file",
        **{
            "sha256": ("sha256", A),
            "malware-sample": ("malware-sample", f"a.exe|{C}"),
            "filename": ("filename", "b.exe"),
            "size-in-bytes": ("size-in-bytes", "1024"),
            "mimetype": ("mime-type", "application/zip"),
            "imphash": ("imphash", "d" * 32),
            "state": (TEXT, "Malicious"),
        },
    )
    found = read(objects=[one | {"comment": "the loader"}])
    said = {"size": 1024, "mime_type": "application/zip", "imphash": "d" * 32, "names": ("a.exe", "b.exe")}
    assert {each for each in found.nodes if each[0] != REPORT} == {node(f"Hash {each}", **said) for each in (A, C)}
    assert found.edges == {
        *named(f"Hash {A}", f"Hash {C}", comments=("the loader",)),
        edge(f"Hash {A}", "SAME_FILE", f"Hash {C}"),
    }


FILE_A, FILE_B = made("file", uuid="a", sha256=("sha256", A)), made("file", uuid="b", sha256=("sha256", B))
URL = made("url", uuid="u", url=("url", "http://example.com/x"))
HOST = made("domain-ip", uuid="h", domain=("domain", "example.net"), ip=("ip-dst", "192.0.2.1"))
SCANNED = made("av-signature", uuid="s", signature=(TEXT, "Trojan.Example"))
A_, B_, U_, N_, I_ = f"Hash {A}", f"Hash {B}", "URL http://example.com/x", "Domain example.net", "IPAddress 192.0.2.1"
REFERENCES = [
    ("a", "extracted-from", "b", {(B_, "CONTAINS", A_)}),
    ("a", "included-in", "b", {(B_, "CONTAINS", A_)}),
    ("a", "contains", "b", {(A_, "CONTAINS", B_)}),
    ("a", "dropped-by", "b", {(B_, "DROPS", A_)}),
    ("a", "drops", "b", {(A_, "DROPS", B_)}),
    ("a", "executed-by", "b", {(B_, "EXECUTES", A_)}),
    ("a", "downloaded-from", "u", {(U_, "DELIVERS", A_)}),
    ("u", "downloaded", "a", {(U_, "DELIVERS", A_)}),
    ("a", "downloads", "b", {(A_, "DROPS", B_)}),
    ("a", "communicates-with", "h", {(A_, "CONTACTS", N_), (A_, "CONTACTS", I_)}),
    ("a", "connected-to", "u", {(A_, "CONTACTS", U_)}),
    ("h", "communicates-with", "a", {(A_, "CONTACTS", N_), (A_, "CONTACTS", I_)}),
    ("h", "used-by", "a", {(N_, "ASSOCIATED", A_), (I_, "ASSOCIATED", A_)}),
    ("u", "extracted-from", "a", {(U_, "ASSOCIATED", A_)}),
    ("a", "detected-as", "s", {(A_, "DETECTED_AS", "Malware Trojan.Example")}),
    ("a", "connected-to", "h-domain", {(A_, "CONTACTS", N_)}),
    ("a", "signed-by", "h", set()),
    ("a", "drops", "nowhere", set()),
]


@pytest.mark.parametrize(
    ("one", "how", "other", "wanted"), REFERENCES, ids=[f"{r[0]} {r[1]} {r[2]}" for r in REFERENCES]
)
def test_references_become_relationships(one: str, how: str, other: str, wanted: set[tuple[str, str, str]]) -> None:
    objects = [FILE_A, FILE_B, URL, HOST, SCANNED]
    alone = besides(read(objects=objects))
    reference = [{"relationship_type": how, "referenced_uuid": other}]
    found = read(objects=[each | {"ObjectReference": reference if each["uuid"] == one else []} for each in objects])
    assert {each[:3] for each in besides(found) - alone} == wanted


def test_galaxies_of_an_event_whole_or_as_tags() -> None:
    actor = {"type": "threat-actor", "GalaxyCluster": [{"value": "Example Bear", "meta": {"synonyms": ["Bruin"]}}]}
    group = {
        "type": "mitre-intrusion-set",
        "GalaxyCluster": [{"value": "Example Cat - G9001", "meta": {"synonyms": ["Tom"]}}],
    }
    software = {"type": "mitre-malware", "GalaxyCluster": [{"value": "ExampleRAT - S9001"}]}
    found = read(
        Galaxy=[actor, group, software],
        Tag=[
            {"name": 'misp-galaxy:threat-actor="Example Bear"'},
            {"name": 'misp-galaxy:malpedia="ExampleBot"'},
            {"name": 'misp-galaxy:mitre-attack-pattern="Phishing - T1566"'},
            {"name": 'misp-galaxy:country="nowhere"'},
        ],
    )
    assert found.edges == {
        edge(REPORT, "BLAMES", "Group Example Bear"),
        edge(REPORT, "BLAMES", "Group G9001"),
        edge(REPORT, "CONCERNS", "Software S9001"),
        edge(REPORT, "CONCERNS", "Malware ExampleBot"),
        edge(REPORT, "CONCERNS", "Technique T1566"),
    }
    assert {each for each in found.nodes if each[0] != REPORT} == {
        node("Group Example Bear", name="Example Bear", aliases=("Bruin",)),
        node("Group G9001", name="Example Cat", aliases=("Tom",)),
        node("Software S9001", name="ExampleRAT"),
        node("Malware ExampleBot"),
    }


def test_galaxies_of_one_indicator_belong_to_it() -> None:
    tags = [{"name": 'misp-galaxy:malpedia="ExampleBot"'}, {"name": 'misp-galaxy:threat-actor="Example Bear"'}]
    found = read([{"type": "sha256", "value": A, "Tag": tags}, {"type": "domain", "value": "example.com", "Tag": tags}])
    assert besides(found) == {
        edge(A_, "DETECTED_AS", "Malware ExampleBot"),
        edge("Domain example.com", "INDICATES", "Malware ExampleBot"),
        edge(A_, "ATTRIBUTED_TO", "Group Example Bear"),
        edge("Domain example.com", "ATTRIBUTED_TO", "Group Example Bear"),
    }


# --- other shapes -----------------------------------------------------------------------------------------------------

LONE = {"type": "domain", "value": "example.com"}
OF_EVENT = {"uuid": UUID, "info": "Example", "date": DAY}
SHAPES = {
    "bare": {**OF_EVENT, "Attribute": [LONE]},
    "a list of bare ones": [{**OF_EVENT, "Attribute": [LONE]}],
    "search for events": {"response": [{"Event": {**OF_EVENT, "Attribute": [LONE]}}]},
    "search for attributes": {"response": {"Attribute": [LONE | {"Event": OF_EVENT}]}},
    "search for objects": {"response": [{"Object": {"name": "x", "Attribute": [LONE], "Event": OF_EVENT}}]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_an_event_is_known_in_all_its_shapes(shape: str) -> None:
    found = told("misp", "event", "x", json.dumps(SHAPES[shape]).encode())
    assert found.edges == named("Domain example.com")
    assert found.nodes == {node(REPORT, title="Example", created=DAY)}


def test_an_attribute_of_no_known_event_is_known() -> None:
    found = told("misp", "event", "x", json.dumps({"response": {"Attribute": [LONE]}}).encode())
    assert (found.nodes, found.edges) == ({node("Domain example.com")}, set())


def test_a_feeds_manifest_and_hashes_are_known() -> None:
    manifest = {UUID: {"info": "Example", "date": DAY, "Tag": [{"name": "tlp:clear"}], "timestamp": "1778313600"}}
    listed = told("misp", "event", "manifest", json.dumps(manifest).encode())
    assert (listed.outcome, listed.edges) == ("found", set())
    assert listed.nodes == {node(REPORT, title="Example", created=DAY, tags=("tlp:clear",))}
    hashes = told("misp", "event", "hashes", f"{C},{UUID}\n{'d' * 32},{UUID}\n".encode())
    assert (hashes.outcome, hashes.nodes, hashes.edges) == ("found", {node(REPORT)}, set())


@pytest.mark.parametrize("nothing", [{"response": {"Attribute": []}}, {"response": []}, []])
def test_a_search_that_finds_nothing(nothing: object) -> None:
    assert told("misp", "event", "x", json.dumps(nothing).encode()).outcome == "not found"


def test_what_no_mapping_takes_leaves_a_trace_by_its_type(tmp_path: Any) -> None:  # noqa: ANN401 - a path
    body = content(
        [{"type": "pdb", "value": "x"}, {"type": "domain", "value": "example.com"}],
        [
            made("registry-key", key=("regkey", "HKLM")),
            FILE_A | {"ObjectReference": [{"relationship_type": "signed-by"}]},
        ],
    )
    with Cache(tmp_path) as cache:
        with cache.writer() as writer:
            writer.add(Entry(source="misp", endpoint="event", key="x", fetched_at=1, status=200, body=body))
        (covered,) = coverage(cache, Registry.installed())
    assert {path: places for path, places in covered.unread.items() if "=" in path} == {
        "$.Event.Attribute[].type=pdb": 1,
        "$.Event.Object[].name=registry-key: key (regkey)": 1,
        "$.Event.Object[].ObjectReference[].relationship_type=signed-by": 1,
    }


def test_a_registration_is_of_the_domain_that_was_registered() -> None:
    asked = ("www.example.com", "tenant.github.io")
    one = made("whois", domain=[("domain", each) for each in asked], registrar=("whois-registrar", "Example Registrar"))
    assert {each for each in read(objects=[one]).nodes if each[0] != REPORT} == {
        node("Domain example.com", registrar="Example Registrar"),
        node("Domain tenant.github.io", registrar="Example Registrar"),
    }
