"""`cache add` of what tools save: HAR files, `curl -i` output, arrays, standard input, events."""

from __future__ import annotations

import json
from pathlib import Path

from command import Desk

EVENT: dict[str, dict[str, object]] = {
    "Event": {
        "uuid": "8f4c3c1e-0000-4000-8000-000000000001",
        "info": "A campaign",
        "date": "2026-03-02",
        "Attribute": [{"type": "domain", "value": "example.org", "uuid": "8f4c3c1e-0000-4000-8000-000000000002"}],
    }
}


def rows(desk: Desk) -> dict[str, int]:
    """Return the replies of each endpoint that the cache holds."""
    held = desk.run("cache", "list", "--json").json["holdings"]
    return {f"{each['area']} {each['source']}/{each['endpoint']}": each["replies"] for each in held}


def saved(desk: Desk, name: str, content: object) -> Path:
    path = desk.folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_har_file_gives_the_replies_of_known_sources_and_keeps_no_secret(desk: Desk) -> None:
    def entry(url: str, body: object, status: int = 200) -> dict[str, object]:
        return {
            "startedDateTime": "2026-03-02T10:11:12Z",
            "request": {"method": "GET", "url": url, "headers": [{"name": "X-Key", "value": "secret-canary"}]},
            "response": {"status": status, "content": {"text": json.dumps(body)}},
        }

    entries = [
        entry("https://internetdb.shodan.io/192.0.2.10", {"ip": "192.0.2.10", "ports": [80], "hostnames": []}),
        entry("https://internetdb.shodan.io/192.0.2.11?key=secret-canary", {"detail": "No information"}, 404),
        entry("https://internetdb.shodan.io/192.0.2.12", "busy", 503),
        entry("https://fonts.example/a.css?token=secret-canary", ""),
    ]
    saved(desk, "session.har", {"log": {"version": "1.2", "entries": entries}})
    ran = desk.run("cache", "add", "session.har")
    assert (ran.code, ran.out) == (0, "3 added, 0 there already, 0 left out\n")
    assert "passed over: 1 (no source is at fonts.example)" in ran.err
    assert rows(desk) == {"raw internetdb/ip": 2, "failed internetdb/ip": 1}
    shown = json.loads(desk.run("cache", "show", "192.0.2.11").out)
    assert (shown["status"], shown["fetched_at"]) == (404, "2026-03-02T10:11:12Z")
    assert not [path for path in (desk.folder / "data").rglob("*") if path.is_file() and b"canary" in path.read_bytes()]


def test_what_curl_prints_with_headers_has_its_status_and_time(desk: Desk) -> None:
    head = "HTTP/2 200 \r\ndate: Mon, 02 Mar 2026 10:11:12 GMT\r\n\r\n"
    saved(desk, "192.0.2.10.txt", head + '{"ip": "192.0.2.10", "ports": [80]}')
    assert desk.run("cache", "add", "192.0.2.10.txt", "-s", "internetdb", "--endpoint", "ip").code == 0
    shown = json.loads(desk.run("cache", "show", "192.0.2.10").out)
    assert (shown["fetched_at"], shown["body"]["ports"]) == ("2026-03-02T10:11:12Z", [80])


def test_an_array_of_replies_is_several_unless_the_endpoint_answers_with_one(desk: Desk) -> None:
    names = ("--source", "internetdb", "--endpoint", "ip")
    saved(desk, "all.json", [{"ip": f"192.0.2.{n}", "ports": [80], "hostnames": []} for n in (1, 2)])
    refused = desk.run("cache", "add", "all.json", *names)
    assert (refused.code, refused.out) == (3, "0 added, 0 there already, 2 left out\n")
    assert "all.json[1]: one of several bare replies: say with --key-from" in refused.err
    assert desk.run("cache", "add", "all.json", *names, "--key-from", "ip").code == 0
    saved(desk, "keyed.json", [{"key": "192.0.2.3", "body": {"ip": "192.0.2.3", "ports": [22]}}])
    assert desk.run("cache", "add", "keyed.json", *names).code == 0
    saved(desk, "example.com.json", [{"id": 1, "name_value": "www.example.com", "not_before": "2026-03-02"}])
    assert desk.run("cache", "add", "example.com.json", "--source", "crtsh", "--endpoint", "identity").code == 0
    assert rows(desk) == {"raw internetdb/ip": 3, "raw crtsh/identity": 1}


def test_standard_input_is_one_reply_or_lines(desk: Desk) -> None:
    names = ("--source", "internetdb", "--endpoint", "ip")
    body = '{"ip": "192.0.2.1", "ports": [80], "hostnames": []}'
    unnamed = '{"Status": 0, "Answer": []}'
    refused = desk.run("cache", "add", "-", "--source", "doh", "--endpoint", "resolve", text=unnamed)
    assert (refused.code, "--key" in refused.err) == (3, True)
    assert desk.run("cache", "add", "-", *names, text=body).code == 0  # it says itself what it is about
    lines = "\n".join(json.dumps({"key": f"192.0.2.{n}", "body": json.loads(body)}) for n in (2, 3))
    assert desk.run("cache", "add", "-", *names, text=lines).out == "2 added, 0 there already, 0 left out\n"
    assert desk.run("cache", "add", "-", text=json.dumps(EVENT, indent=1)).code == 0
    assert rows(desk) == {"raw internetdb/ip": 3, "raw misp/event": 1}
    assert desk.run("cache", "show", "8f4c3c1e-0000-4000-8000-000000000001").code == 0


def test_a_form_of_one_source_alone_needs_no_word_of_whose_it_is(desk: Desk) -> None:
    feed = desk.folder / "feed"
    feed.mkdir()
    saved(desk, "feed/8f4c3c1e.json", EVENT)
    saved(
        desk,
        "feed/manifest.json",
        {"8f4c3c1e-0000-4000-8000-000000000001": {"info": "A campaign", "date": "2026-03-02"}},
    )
    saved(desk, "feed/hashes.csv", "d41d8cd98f00b204e9800998ecf8427e,8f4c3c1e-0000-4000-8000-000000000001\n")
    saved(desk, "bare.json", EVENT["Event"])
    saved(desk, "search.json", {"response": [EVENT, EVENT]})
    saved(desk, "list.json", [EVENT])
    ran = desk.run("cache", "add", "feed", "bare.json", "search.json", "list.json")
    assert (ran.code, ran.out) == (0, "6 added, 0 there already, 0 left out\n")
    assert rows(desk) == {"raw misp/event": 6}
    saved(desk, "other.json", {"a": 1})
    ran = desk.run("cache", "add", "other.json")
    assert (ran.code, "left out" in ran.out) == (3, True)


def test_a_reply_that_can_not_be_read_is_said_when_it_is_added(desk: Desk) -> None:
    saved(desk, "192.0.2.1.json", '{"ip": ["x"], "ports": 1')
    ran = desk.run("cache", "add", "192.0.2.1.json", "--source", "internetdb", "--endpoint", "ip", "--json")
    assert (ran.code, ran.json["added"], ran.json["unreadable"]) == (0, 1, {"not JSON": 1})
    assert "kept, but it can't be read: 192.0.2.1.json: not JSON" in ran.err


def test_a_source_alone_is_enough_where_the_form_or_the_only_endpoint_tells_the_rest(desk: Desk) -> None:
    saved(desk, "event.json", EVENT)
    assert desk.run("cache", "add", "event.json", "--source", "misp").code == 0
    bundle = {"type": "bundle", "id": "bundle--1", "objects": [{"type": "url", "value": "http://example.com/"}]}
    saved(desk, "page.txt", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + json.dumps(bundle))
    assert desk.run("cache", "add", "page.txt").code == 0
    saved(desk, "192.0.2.1.json", {"ip": "192.0.2.1", "ports": [80]})
    assert desk.run("cache", "add", "192.0.2.1.json", "--source", "internetdb").code == 0
    assert rows(desk) == {"raw internetdb/ip": 1, "raw misp/event": 1, "raw stix/bundle": 1}
