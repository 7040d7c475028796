from __future__ import annotations

import socket
from hashlib import sha256

import pytest
import requests
from places import ROOT
from ui_site import TOKEN, Site
from ui_sites import Sites

STATIC = ROOT / "etl" / "intel_grapher" / "ui" / "static"


@pytest.fixture
def plain(sites: Sites) -> Site:
    return sites.get("small", "embedded")


def post(site: Site, path: str = "/api/start", body: str = "{}", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(site.address + path, data=body, headers={TOKEN: site.token, **named}, timeout=30)


def test_with_the_token_it_answers(plain: Site) -> None:
    answer = post(plain)
    assert answer.status_code == 200
    assert answer.json()["nodes"] > 20


@pytest.mark.parametrize("token", ["", "x", "Å"])
def test_without_the_token_nothing_is_answered(plain: Site, token: str) -> None:
    headers = {TOKEN: token.encode("utf-8")} if token else {}
    answer = requests.post(plain.address + "/api/edit", data="{}", headers=headers, timeout=30)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example:1", "127.0.0.1:1", "0.0.0.0"],  # noqa: S104 - a name that is refused
)
def test_a_foreign_host_is_refused(plain: Site, host: str) -> None:
    assert post(plain, Host=host).status_code == 403
    assert requests.get(plain.address, headers={"Host": host}, timeout=30).status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
def test_another_sites_origin_is_refused(plain: Site, origin: str) -> None:
    assert post(plain, Origin=origin).status_code == 403
    assert post(plain, Sec_Fetch_Site="cross-site").status_code == 403
    assert post(plain, Origin=plain.address, Sec_Fetch_Site="same-origin").status_code == 200


def test_a_link_from_elsewhere_may_be_followed_to_the_page_but_nothing_else(plain: Site) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert requests.get(plain.address, headers=followed, timeout=30).status_code == 200
    assert requests.get(plain.address + "/static/main.js", headers=followed, timeout=30).status_code == 403


def test_every_answer_has_the_policy_and_no_other_origin_may_read(plain: Site) -> None:
    asked = [requests.get(plain.address + path, timeout=30) for path in ("/", "/static/main.js", "/nothing")]
    asked += [post(plain), post(plain, "/api/nothing"), post(plain, Host="evil.example")]
    for answer in asked:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert requests.options(plain.address + "/api/start", timeout=30).status_code in {401, 405}


def test_it_listens_on_the_loopback_address_alone(plain: Site) -> None:
    port = int(plain.address.rpartition(":")[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: it tells which address of ours leads out
        own = probe.getsockname()[0]
    if own.startswith("127."):
        pytest.skip("this machine has no other address")
    with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
        socket.create_connection((own, port), timeout=3)


@pytest.mark.parametrize(
    "cypher",
    [
        "MATCH (n) DETACH DELETE n",
        "LOAD FROM '/etc/passwd' (header=false) RETURN *",
        "COPY (MATCH (n:Domain) RETURN n.name) TO '/tmp/never.csv'",
        "CALL show_tables() RETURN *",
    ],
)
def test_queries_only_read(plain: Site, cypher: str) -> None:
    answer = requests.post(
        plain.address + "/api/query", json={"cypher": cypher}, headers={TOKEN: plain.token}, timeout=60
    )
    assert answer.status_code == 400
    assert "refused" in answer.json()["error"]


def test_queries_are_limited(plain: Site) -> None:
    asked = {"cypher": "MATCH (a), (b) RETURN a, b"}
    answer = requests.post(plain.address + "/api/query", json=asked, headers={TOKEN: plain.token}, timeout=60).json()
    assert len(answer["rows"]) == 1000
    assert answer["cut"]


@pytest.mark.parametrize("name", ["../graph", "/etc/passwd", ".hidden", "a/b", "a\x00b", "x" * 81, "", "..", "con."])
def test_an_investigations_name_is_never_a_path(plain: Site, name: str) -> None:
    for path, body in (("/api/save", {"name": name, "content": {}}), ("/api/open", {"name": name})):
        answer = requests.post(plain.address + path, json=body, headers={TOKEN: plain.token}, timeout=30)
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "path", ["/static/../../etl/intel_grapher/model.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/../app.py"]
)
def test_no_other_file_is_served(plain: Site, path: str) -> None:
    with socket.create_connection(("127.0.0.1", int(plain.address.rpartition(":")[2])), timeout=10) as connection:
        host = plain.address.removeprefix("http://")
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("body", ["", "[]", "{", '{"label": 1}', '{"label": "Nothing", "key": "x"}', "\xff"])
def test_a_question_that_makes_no_sense_is_told_so(plain: Site, body: str) -> None:
    assert post(plain, "/api/read", body).status_code == 400


def test_what_others_wrote_is_as_it_came_and_nothing_is_asked_of_the_network() -> None:
    lines = (STATIC / "vendor" / "README.md").read_text().splitlines()
    told = {line[66:]: line[:64] for line in lines if line[64:66] == "  "}
    files = {each.name: sha256(each.read_bytes()).hexdigest() for each in (STATIC / "vendor").glob("*.js")}
    assert files == told
    for each in [*STATIC.glob("*.js"), *STATIC.glob("*.html"), *STATIC.glob("*.css")]:
        text = each.read_text()
        for forbidden in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            " style=",
        ):
            assert forbidden not in text, (each.name, forbidden)
        names = ("w3.org", "graphdrawing.org", "gexf.net")  # of the formats' own namespaces: nothing is asked there
        outside = [word for word in text.split() if "://" in word and not any(name in word for name in names)]
        assert outside == [], each.name
