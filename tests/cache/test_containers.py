"""Packed files in packed files, HAR files, `curl -i` output, arrays of replies and standard input."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
import tarfile
import zipfile
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from intel_grapher.cache import containers, unpack
from intel_grapher.cache.frames import zstd
from intel_grapher.cache.unpack import Unreadable
from intel_grapher.errors import BadValue
from intel_grapher.placing import Place, asked_at, recognised
from intel_grapher.registry import Registry

Pack = Callable[[str, bytes], tuple[str, bytes]]


def zipped(name: str, content: bytes) -> tuple[str, bytes]:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return "inner.zip", file.getvalue()


def tarred(name: str, content: bytes) -> tuple[str, bytes]:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return "inner.tar", file.getvalue()


def packed(suffix: str, pack: Callable[[bytes], bytes]) -> Pack:
    return lambda name, content: (name + suffix, pack(content))


PACKS: dict[str, Pack] = {
    "zip": zipped,
    "tar": tarred,
    "gz": packed(".gz", gzip.compress),
    "bz2": packed(".bz2", bz2.compress),
    "xz": packed(".xz", lzma.compress),
    "zst": packed(".zst", zstd.compress),
}


def found(*paths: Path) -> list[tuple[str, bytes]]:
    """Return the name and the content of each file, and the reason in place of what can't be read."""
    read: list[tuple[str, bytes]] = []
    for item in unpack.unpack(paths):
        if isinstance(item, Unreadable):
            read.append((item.reason, b""))
            continue
        try:
            read.append((item.path.name, item.stream.read()))
        except BadValue as bad:
            read.append((bad.reason, b""))
    return read


@pytest.mark.parametrize(
    "order",
    [
        *([each] for each in ("bz2", "xz", "zst")),
        *(["zip", "zip"], ["zip", "tar", "xz"], ["tar", "bz2", "zip"], ["gz", "zip", "zip", "tar", "gz"]),
        ["gz", "gz", "gz"],
    ],
    ids="-".join,
)
def test_what_is_packed_in_what_is_packed_is_read(tmp_path: Path, order: list[str]) -> None:
    name, content = "example.com.json", b'{"response_code":"1"}' * 100
    whole = content
    for each in order:
        name, whole = PACKS[each](name, whole)
    (tmp_path / name).write_bytes(whole)
    assert found(tmp_path / name) == [("example.com.json", content)]
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    assert found(tmp_path / name) != [("example.com.json", content)]
    assert all(reason for reason, _ in found(tmp_path / name))


def test_several_frames_and_padding_are_one_file(tmp_path: Path) -> None:
    (tmp_path / "x.xz").write_bytes(lzma.compress(b"one ") + bytes(8) + lzma.compress(b"two") + bytes(4))
    (tmp_path / "y.bz2").write_bytes(bz2.compress(b"one ") + bz2.compress(b"two"))
    assert found(tmp_path / "x.xz", tmp_path / "y.bz2") == [("x", b"one two"), ("y", b"one two")]


def test_a_packed_file_is_known_by_how_it_begins(tmp_path: Path) -> None:
    (tmp_path / "example.com.json").write_bytes(gzip.compress(b"{}"))
    (tmp_path / "list").write_bytes(lzma.compress(b"example.com\n"))
    assert found(tmp_path / "example.com.json", tmp_path / "list") == [
        ("example.com.json", b"{}"),
        ("list", b"example.com\n"),
    ]


def test_depth_members_and_size_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, deep = "x.json", b"{}"
    for _ in range(unpack.MAX_DEPTH + 1):
        name, deep = PACKS["zip"](name, deep)
    (tmp_path / "deep.zip").write_bytes(deep)
    assert found(tmp_path / "deep.zip") == [("packed more than 8 times over: unpack it first", b"")]
    monkeypatch.setattr(unpack, "MAX_MEMBERS", 3)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for number in range(5):
            archive.writestr(f"{number}.json", b"{}")
    (tmp_path / "many.tar").write_bytes(tarred("many.zip", inner.getvalue())[1])
    assert found(tmp_path / "many.tar") == [
        *(("0.json", b"{}"), ("1.json", b"{}")),
        ("holds more than 3 files: the rest was left out", b""),
    ]
    monkeypatch.setattr(unpack, "FREE_BYTES", 4 << 20)
    monkeypatch.setattr(unpack, "MAX_RATIO", 1)
    (tmp_path / "bomb.tar").write_bytes(tarred("bomb.zip", zipped("x.xz", lzma.compress(bytes(5 << 20)))[1])[1])
    assert found(tmp_path / "bomb.tar") == [("expands out of all proportion", b"")]


class _Stdin:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BufferedReader(io.BytesIO(content))


@pytest.mark.parametrize("how", [None, "gz", "zip", "tar", "bz2"])
def test_standard_input_may_be_packed(monkeypatch: pytest.MonkeyPatch, how: str | None) -> None:
    content = PACKS[how]("x.json", b"{}")[1] if how else b"{}"
    monkeypatch.setattr(sys, "stdin", _Stdin(content))
    assert [content for _, content in found(Path("-"))] == [b"{}"]


# --- what holds several replies ---------------------------------------------------------------------------------------


def entry(url: str, body: str, method: str = "GET", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {
        "startedDateTime": "2026-03-02T11:11:12.345+01:00",
        "request": {"method": method, "url": url, "headers": [{"name": "X-Key", "value": "secret-canary"}], **more},
        "response": {"status": 200, "content": {"size": 1, "mimeType": "application/json", "text": body}},
    }


def test_a_har_file_s_entries_are_told_by_what_was_asked() -> None:
    har = {"log": {"version": "1.2", "creator": {}, "entries": [
        entry("https://internetdb.shodan.io/192.0.2.10", '{"ip":"192.0.2.10"}'),
        {**entry("https://internetdb.shodan.io/192.0.2.11", ""), "response": {"status": 404, "content": {
            "text": b64encode(b'{"detail":"No information available"}').decode(), "encoding": "base64"}}},
        {**entry("https://internetdb.shodan.io/192.0.2.12", ""), "response": {"status": 200, "content": {}}},
        {"request": 1},
    ]}}  # fmt: skip
    read = containers.exchanges(json.dumps(har).encode())
    assert read is not None
    assert [each.answer if not isinstance(each, BadValue) else each.reason for each in read] == [
        containers.SavedAnswer(200, 1_772_446_272, b'{"ip":"192.0.2.10"}'),
        containers.SavedAnswer(404, 1_772_446_272, b'{"detail":"No information available"}'),
        "its content was not kept",
        "no entry of a HAR file: a request with its response",
    ]
    assert containers.exchanges(b'{"log": {"entries": 1}}') is None
    assert containers.exchanges(b'{"a": {"log": {"entries": []}}}') is None


def test_every_request_of_every_source_leads_back_to_its_endpoint() -> None:
    registry = Registry.installed()
    keys = [
        *("example.com", "www.example.com", "192.0.2.10", "2001:db8::1", "a@b.example", "https://example.com/a?b=c"),
        *("d41d8cd98f00b204e9800998ecf8427e", "user", "AS64500", "192.0.2.0/24", "CVE-2021-44228"),
    ]
    tried = 0
    for endpoint in registry.endpoints():
        if endpoint.kept_only or endpoint.given or endpoint.source.retired.startswith("never"):
            continue
        for key in keys:
            try:
                canonical = endpoint.canonical(key)
                requests = list(endpoint.requests(canonical))
            except BadValue:
                continue
            for request in requests if canonical in unquote(str(requests)) else []:  # some don't say it
                query = "&".join(f"{name}={_quoted(value)}" for name, value in request.query.items())
                url = f"{request.url}?{query}" if query else request.url
                place = asked_at(registry.values(), request.method, url, request.form or request.json or {})
                assert place == Place(endpoint.source.name, endpoint.name, canonical, request.params)
                tried += 1
    assert tried > 100


def _quoted(value: str) -> str:
    return "".join(f"%{byte:02X}" for byte in value.encode())


@pytest.mark.parametrize(
    ("method", "url", "reason"),
    [
        ("GET", "https://fonts.example/a.css?key=secret-canary", "no source is at fonts.example"),
        ("GET", "http://internetdb.shodan.io/192.0.2.10", "no source is at internetdb.shodan.io"),
        ("OPTIONS", "https://internetdb.shodan.io/192.0.2.10", "internetdb has no endpoint that is asked so: OPTIONS"),
        ("GET", "https://internetdb.shodan.io/favicon.ico", "internetdb has no endpoint that is asked so: GET"),
        ("GET", "https://[internetdb.shodan.io/", "its URL is none"),
    ],
)
def test_what_no_source_was_asked_is_said_without_its_query(method: str, url: str, reason: str) -> None:
    with pytest.raises(BadValue) as refused:
        asked_at(Registry.installed().values(), method, url, {})
    assert refused.value.reason == reason


def test_headers_before_a_body_tell_status_and_time() -> None:
    head = b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/2 404 \r\nDate: Mon, 02 Mar 2026 10:11:12 GMT\r\n"
    assert containers.answer(head + b"\r\n{}\n") == containers.SavedAnswer(404, 1_772_446_272, b"{}\n")
    assert containers.answer(b"HTTP/1.0 200 OK\nX: y\n\nHTTP is a protocol") == containers.SavedAnswer(
        200, None, b"HTTP is a protocol"
    )
    gzipped = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}")
    assert containers.answer(gzipped) == containers.SavedAnswer(200, None, b"{}")
    with pytest.raises(BadValue, match="damaged"):
        containers.answer(gzipped[:50] + b"\xff" * 30)
    assert containers.answer(b"HTTP, the protocol") is None


def test_an_array_s_items() -> None:
    assert list(containers.items(b' [ {"a": [1]}, 2 ]') or ()) == [b'{"a": [1]}', b"2"]
    assert containers.items(b"[]") is None
    assert containers.items(b"[1]") is None
    assert containers.items(b'[{"a":1}') is None


def test_a_file_of_very_many_items_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    array = b"[" + b"{}," * 20 + b"{}]"
    archive = b'{"log": {"entries": ' + array + b"}}"
    assert len(list(containers.items(array) or ())) == 21
    assert len(containers.exchanges(archive) or ()) == 21
    monkeypatch.setattr(containers, "MAX_ITEMS", 20)
    assert containers.items(array) is None
    assert containers.exchanges(archive) is None


def test_a_reply_of_very_many_objects_is_not_looked_at_for_its_form(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"type":"bundle","id":"bundle--5d0092c5-5f74-4287-9642-33f4c354e56d","objects":[{},{}]}'
    sources = Registry.installed().values()
    assert recognised(sources, body) is not None
    monkeypatch.setattr("intel_grapher.placing._MAX_OBJECTS", 2)
    assert recognised(sources, body) is None
