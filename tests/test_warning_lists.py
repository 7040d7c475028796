"""Warning lists: one rule for what the page marks and for what a block list leaves out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from intel_grapher import warning_lists
from intel_grapher.model import NodeRef
from intel_grapher.warning_lists import WarningLists

DOMAIN, NAME, ADDRESS, NETWORK = "Domain", "SubDomain", "IPAddress", "Network"


@pytest.mark.parametrize(
    ("entry", "label", "key", "on"),
    [
        ("example.com", DOMAIN, "example.com", True),
        ("example.com", NAME, "a.b.example.com", True),
        ("www.example.com", DOMAIN, "example.com", False),
        ("ample.com", DOMAIN, "example.com", False),
        ("Example[.]COM.", NAME, "www.example.com", True),
        ("example.com", "URL", "https://www.example.com:8443/a?b=c", True),
        ("example.com", "URL", "https://example.net/example.com", False),
        ("example.com", "Email", "me@example.com", True),
        ("192.0.2.0/24", ADDRESS, "192.0.2.7", True),
        ("192.0.2.0/24", ADDRESS, "198.51.100.7", False),
        ("192.0.2.0/24", "URL", "http://192.0.2.7/x", True),
        ("192.0.2.0/24", "Service", "192.0.2.7:443/tcp", True),
        ("2001:db8::/32", "Service", "[2001:db8::1]:53/udp", True),
        ("example.com", "Service", "www.example.com:443/tcp", True),
        ("192.0.2.0/24", NETWORK, "192.0.2.128/25", True),
        ("192.0.2.128/25", NETWORK, "192.0.2.0/24", True),  # which would block what is listed
        ("192.0.2.7", NETWORK, "192.0.0.0/16", True),
        ("192.0.3.0", NETWORK, "192.0.2.0/24", False),
        ("192.0.1.255", NETWORK, "192.0.2.0/24", False),
        ("::/96", ADDRESS, "192.0.2.7", False),
        ("2001:db8::1", NETWORK, "2001:db8::/32", True),
        ("A" * 32, "Hash", "a" * 32, True),
        ("family x # of ours", "Malware", "Family X", True),
        ("# nothing", DOMAIN, "example.com", False),
    ],
)
def test_what_is_on_a_list(entry: str, label: str, key: str, *, on: bool) -> None:
    assert warning_lists.text("ours", f"\n{entry}\n").has(NodeRef(label, key)) == on


@pytest.mark.parametrize(
    ("kind", "entries", "key", "on"),
    [
        ("hostname", ["example.com"], "www.example.com", True),
        ("string", ["com", "example.com"], "www.example.com", False),
        ("string", ["www.example.com"], "www.example.com", True),
        ("substring", [".example."], "www.example.com", True),
        ("substring", [""], "www.example.com", False),
    ],
)
def test_types_of_misp(tmp_path: Path, kind: str, entries: list[str], key: str, *, on: bool) -> None:
    path = tmp_path / "list"
    path.write_text(json.dumps({"name": "made", "type": kind, "list": entries}))
    found = warning_lists.read(path)
    assert (found.name, found.has(NodeRef(NAME, key))) == ("made", on)


@pytest.mark.parametrize(
    ("name", "body"),
    [("a.json", b"[]"), ("b.json", b'{"name":"x","type":"regex","list":["."]}'), ("c.txt", b"\xff\xfe\x00")],
)
def test_what_is_no_list_is_refused(tmp_path: Path, name: str, body: bytes) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(ValueError, match=r"."):
        warning_lists.read(tmp_path / name)
    lists = WarningLists(tmp_path)
    assert lists.current() == []
    assert lists.faults[0].startswith(f"{name}: ")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="has no device without an end")
def test_a_file_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warning_lists, "LARGEST", 1 << 20)
    with pytest.raises(ValueError, match="more than 1 MiB"):
        warning_lists.read(Path("/dev/zero"))


def test_a_folder_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    lists = WarningLists(tmp_path / "lists")
    assert (lists.current(), lists.version) == ([], 0)
    path = tmp_path / "lists" / "deep" / "one.txt"
    path.parent.mkdir(parents=True)
    for number, text in enumerate(("example.com", "example.net"), 1):
        path.write_text(text)
        os.utime(path, (number, number))
        assert [each.name for each in lists.current()] == ["one"]
        assert lists.version == number
    assert lists.warned([NodeRef(DOMAIN, "example.net"), NodeRef(DOMAIN, "example.com")])["warned"] == [
        {"node": 0, "lists": [0]}
    ]
    path.unlink()
    assert (lists.current(), lists.version) == ([], 3)
