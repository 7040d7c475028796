"""Replies from elsewhere: files, folders, lines, archives, and what is wrong with them."""

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from places import FIXTURES, ROOT

from intel_grapher.cache import Cache, Envelope, Found, Imported, import_replies
from intel_grapher.cache.frames import zstd
from intel_grapher.cli.cache_add import standing
from intel_grapher.errors import BadValue, UsageError

BY_STATUS = partial(standing, {})  # no source is known
MTIME = 1_500_000_000
BODY = b'{"response_code":"1"}'


def lay(path: Path, content: bytes = BODY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (MTIME, MTIME))
    return path


def add(root: Path, *paths: Path, **flags: object) -> Imported:
    with Cache(root) as cache, cache.writer() as writer:
        return import_replies(writer, paths, judge=BY_STATUS, **flags)  # type: ignore[arg-type] # the tests' own


def held(root: Path) -> dict[tuple[str, str, str], list[tuple[Found, Envelope]]]:
    found: dict[tuple[str, str, str], list[tuple[Found, Envelope]]] = {}
    with Cache(root) as cache:
        keys = {
            r.envelope.key for s in cache.segments(["raw", "failed"]) for r in s.read(lambda d: pytest.fail(str(d)))
        }
        for key in keys:
            for one in cache.history(key):
                found.setdefault((one.source, one.endpoint, key), []).append((one, cache.read(one)))
    return found


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("example.com.json", "example.com"),
        ("a@b.example__x.json", "a@b.example"),
        ("x__y__z.json", "x"),
        ("192.0.2.1.txt", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("www.example.com", "www.example.com"),
        ("d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e"),
        ("example.com.JSON", "example.com"),
        ("2001:db8::1.json", "2001:db8::1"),
    ],
)
def test_names_of_files_say_key_source_and_endpoint(tmp_path: Path, name: str, key: str) -> None:
    lay(tmp_path / "in" / "Threat-Crowd" / "domain-report" / name)
    outcome = add(tmp_path / "data", tmp_path / "in")
    assert (outcome.added, outcome.already_there, outcome.skipped) == (1, 0, [])
    (((place), [(found, envelope)]),) = held(tmp_path / "data").items()
    assert place == ("threat_crowd", "domain_report", key)
    assert (found.fetched_at, found.status, envelope.content) == (MTIME, 200, BODY)


def test_flags_say_more_than_names(tmp_path: Path) -> None:
    file = lay(tmp_path / "x" / "y" / "z.json")
    add(tmp_path / "data", file, source="dns", endpoint="a", key="example.org", fetched_at=5)
    assert [(place, found.fetched_at) for place, [(found, _)] in held(tmp_path / "data").items()] == [
        (("dns", "a", "example.org"), 5)
    ]


def test_one_given_file_is_found_by_its_folders_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path / "dns" / "a" / "example.com.json")
    monkeypatch.chdir(tmp_path / "dns" / "a")
    add(tmp_path / "data", Path("example.com.json"))
    assert list(held(tmp_path / "data")) == [("dns", "a", "example.com")]


def test_the_same_folder_again_adds_nothing_and_order_is_nothing(tmp_path: Path) -> None:
    for number in range(20):
        lay(tmp_path / "in" / "dns" / "a" / f"{number}.example.json", b"[%d]" % number)
        lay(tmp_path / "in" / "dns" / "b" / f"{number}.example.json", b"{\r\n}\n")
    assert add(tmp_path / "data", tmp_path / "in").added == 40
    again = add(tmp_path / "data", tmp_path / "in" / "dns" / "b", tmp_path / "in", tmp_path / "in")
    assert (again.added, again.already_there) == (0, 100)
    (tmp_path / "data" / "index.sqlite").unlink()
    assert add(tmp_path / "data", tmp_path / "in").already_there == 40
    lay(tmp_path / "in" / "dns" / "a" / "3.example.json", b"[33]")
    assert add(tmp_path / "data", tmp_path / "in").added == 1


def test_every_body_is_kept_whatever_it_is(tmp_path: Path) -> None:
    bodies = {"empty": b"", "text": b"Too many connections", "bytes": b"\xff\x00", "json": b"[1]", "html": b"<html>"}
    for name, body in bodies.items():
        lay(tmp_path / "in" / "dns" / "a" / f"{name}.txt", body)
    assert add(tmp_path / "data", tmp_path / "in").added == 5
    for (_, _, name), [(_, envelope)] in held(tmp_path / "data").items():
        assert envelope.content == bodies[name]


ENVELOPES = [
    {"source": "dns", "endpoint": "a", "key": "x.example", "fetched_at": "2024-05-01T12:00:00+02:00", "status": 200,
     "params": {"type": "A"}, "body": {"n": 1}},
    {"source": "dns", "endpoint": "a", "key": "x.example", "fetched_at": "2024-05-01T10:00:01", "status": 404,
     "text": ""},
    {"source": "dns", "endpoint": "a", "key": "y.example", "fetched_at": 7, "status": 503, "base64": "/w=="},
    {"key": "z.example", "body": [12345678901234567890123]},
]  # fmt: skip
LINES = b"\n".join(json.dumps(envelope).encode() for envelope in ENVELOPES) + b"\n\n"


def check_envelopes(root: Path, endpoint: str = "b") -> None:
    found = held(root)
    assert set(found) == {("dns", "a", "x.example"), ("dns", "a", "y.example"), ("dns", endpoint, "z.example")}
    (later, empty), (first, body) = found["dns", "a", "x.example"]
    assert (first.fetched_at, first.params, body.content) == (1_714_557_600, {"type": "A"}, b'{"n": 1}')
    assert (later.fetched_at, later.status, later.area, empty.content) == (1_714_557_601, 404, "raw", b"")
    ((failure, content),) = found["dns", "a", "y.example"]
    assert (failure.fetched_at, failure.area, content.content) == (7, "failed", b"\xff")
    ((bare, big),) = found["dns", endpoint, "z.example"]
    assert (bare.fetched_at, bare.status, big.content) == (MTIME, 200, b"[12345678901234567890123]")


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
def test_lines_of_envelopes(tmp_path: Path, packed: str) -> None:
    pack: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}
    file = lay(tmp_path / "dns" / "b" / f"some.jsonl{packed}", pack[packed](LINES))
    outcome = add(tmp_path / "data", file)
    assert (outcome.added, outcome.skipped) == (4, [])
    check_envelopes(tmp_path / "data")
    assert add(tmp_path / "data", file).already_there == 4


def test_lines_that_are_wrong_are_skipped_with_their_reasons(tmp_path: Path) -> None:
    wrong = [
        b'{"key":"k"}',
        b"nonsense",
        b'{"key":"k","body":1,"params":{"a":1}}',
        b'{"key":"k","body":1,"fetched_at":"?"}',
    ]
    wrong += [b'{"key":"k","body":1,"status":1000}', b'{"key":"k","body":1,"fetched_at":-1}', b'{"key":"k","bo']
    file = lay(tmp_path / "dns" / "b" / "some.ndjson", LINES + b"\n".join(wrong))
    outcome = add(tmp_path / "data", file)
    check_envelopes(tmp_path / "data")
    assert (outcome.added, len(outcome.skipped), outcome.reasons.total()) == (4, 7, 7)
    assert outcome.reasons["not an envelope"] == 4
    assert outcome.reasons["its fetched_at is no time"] == 1
    assert outcome.skipped[0].where == f"{file}:6"


def test_another_cache_is_taken_in_and_its_damage_is_not(tmp_path: Path) -> None:
    source = lay(tmp_path / "dns" / "b" / "some.jsonl", LINES)
    add(tmp_path / "one", source)
    with Cache(tmp_path / "one", segment_bytes=1) as cache, cache.writer() as writer:
        import_replies(writer, [source], judge=BY_STATUS, source="dns", endpoint="c", fetched_at=MTIME)
        import_replies(writer, [lay(tmp_path / "dns" / "a" / "last.example.json")], judge=BY_STATUS)
    opened = next(s.path for s in Cache(tmp_path / "one").segments() if not s.closed)
    outcome = add(tmp_path / "two", tmp_path / "one" / "raw", tmp_path / "one" / "failed")
    assert (outcome.added, outcome.skipped) == (6, [])
    assert held(tmp_path / "one").keys() == held(tmp_path / "two").keys()
    os.utime(source, (MTIME, MTIME))
    opened.write_bytes(opened.read_bytes().replace(b"z.example", b"w.example"))
    outcome = add(tmp_path / "three", tmp_path / "one")
    assert [reason for reason in outcome.reasons if "checksum" in reason]


@pytest.mark.parametrize("body", [b"", b'{"rrname":"a"}\r\n{"rrname":"b"}\n', b"\n\nnonsense\n\n", b"\n", b"[1]"])
def test_lines_that_are_no_envelopes_are_one_reply(tmp_path: Path, body: bytes) -> None:
    file = lay(tmp_path / "circl" / "pdns" / "www.example.com__1.ndjson", body)
    assert add(tmp_path / "data", file).added == 1
    (((_, _, key), [(_, envelope)]),) = held(tmp_path / "data").items()
    assert (key, envelope.content) == ("www.example.com", body)


BARE = b'{"id":"x.example","n":1}\n\n{"id":"y.example","n":2}\n{"n":3}\n{"key":"z.example","body":[4]}\nnonsense\n'


def test_bare_lines_are_a_reply_each_where_an_endpoint_answers_with_one_value(tmp_path: Path) -> None:
    file = lay(tmp_path / "dns" / "a" / "some.jsonl", BARE)
    places: list[tuple[str, str]] = []
    outcome = add(tmp_path / "data", file, key_from="id", one_reply=lambda *place: places.append(place))
    assert {place[1:] for place in held(tmp_path / "data")} == {("a", f"{each}.example") for each in "xyz"}
    assert (outcome.added, set(places)) == (3, {("dns", "a")})
    assert [(each.where, each.reason) for each in outcome.skipped] == [
        (f"{file}:4", "has no id that says what was asked for"),
        (f"{file}:6", "not an envelope"),
    ]


def test_bare_lines_without_keys_are_skipped_and_a_single_one_goes_by_the_files_name(tmp_path: Path) -> None:
    several = lay(tmp_path / "dns" / "a" / "some.jsonl", BARE)
    outcome = add(tmp_path / "data", several, key="x.example", one_reply=lambda *_: False)
    assert (outcome.added, outcome.skipped[0].where) == (1, f"{several}:1")
    assert "--key-from" in outcome.skipped[0].reason
    single = lay(tmp_path / "dns" / "a" / "w.example.jsonl", b'{"id":"v.example"}\n\n')
    assert add(tmp_path / "data", single, one_reply=lambda *_: False).added == 1
    assert add(tmp_path / "data", single, key_from="id").added == 1
    assert {place[2] for place in held(tmp_path / "data")} == {"z.example", "w.example", "v.example"}


def files_to_pack() -> dict[str, bytes]:
    return {
        "dns/a/x.example.json": BODY,
        "kept/dns/a/y.example__2.json": b"[]",
        "dns/b/z.example.json.gz": gzip.compress(b"[3]"),
        "dns/c/lines.jsonl": LINES,
        "dns/a/.hidden.json": b"{}",
        "__MACOSX/dns/a/._x.example.json": b"{}",
        "../../../../dns/a/evil.example.json": b"[4]",
        "/dns/a/root.example.json": b"[5]",
        "dns/a/inner.zip": b"PK",
        "dns/a/e\x1b[2J.json": b"[6]",
    }


def pack_tar(path: Path, mode: str) -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload] # a mode of the tests' own
        for name, content in files_to_pack().items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), MTIME
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("dns/a/link.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


def pack_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files_to_pack().items():
            archive.writestr(zipfile.ZipInfo(name, (2017, 7, 14, 2, 40, 0)), content)
        link = zipfile.ZipInfo("dns/a/link.json", (2017, 7, 14, 2, 40, 0))
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")


@pytest.mark.parametrize("name", ["all.zip", "all.tar", "all.tar.gz", "all.tgz", "all.tar.zst"])
def test_archives_are_looked_into_and_nothing_is_unpacked(tmp_path: Path, name: str) -> None:
    path = tmp_path / "in" / name
    path.parent.mkdir()
    if name.endswith(".zip"):
        pack_zip(path)
    elif name.endswith(".zst"):
        pack_tar(tmp_path / "plain.tar", "w")
        path.write_bytes(zstd.compress((tmp_path / "plain.tar").read_bytes()))
        (tmp_path / "plain.tar").unlink()
    else:
        pack_tar(path, "w" if name.endswith(".tar") else "w:gz")
    outcome = add(tmp_path / "data", tmp_path / "in")
    found = held(tmp_path / "data")
    assert set(found) == {("dns", "a", f"{key}.example") for key in ("x", "y", "evil", "root")} | {
        ("dns", "a", "e\x1b[2J"),
        ("dns", "b", "z.example"),
        ("dns", "c", "z.example"),
    }
    assert found["dns", "b", "z.example"][0][0].fetched_at == MTIME
    assert [one.content for _, one in found["dns", "b", "z.example"]] == [b"[3]"]
    assert sorted(outcome.reasons) == ["a link or a device, not a file", "not a whole archive (File is not a zip file)"]
    assert all("\x1b" not in skipped.where for skipped in outcome.skipped)
    assert {path.name for path in tmp_path.iterdir()} == {"in", "data"}
    assert add(tmp_path / "data", tmp_path / "in").added == 0


@pytest.mark.parametrize(
    "name", ["all.zip", "all.tar", "all.tar.gz", "lines.jsonl.gz", "lines.jsonl.zst", "x.json.zst"]
)
def test_packed_files_that_are_cut_short_are_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / "dns" / "a" / name
    path.parent.mkdir(parents=True)
    if name.endswith(".zip"):
        pack_zip(path)
    elif ".tar" in name:
        pack_tar(path, "w:gz" if name.endswith("gz") else "w")
    else:
        content = LINES + b"".join(
            b'{"key":"%d","text":"%s"}\n' % (n, os.urandom(50).hex().encode()) for n in range(5000)
        )
        frames = [zstd.compress(content[at : at + 50_000]) for at in range(0, len(content), 50_000)]
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else b"".join(frames))
    data = path.read_bytes()
    path.write_bytes(data[: 3000 if name == "all.tar" else len(data) * 2 // 3])
    outcome = add(tmp_path / "data", path)
    assert len(outcome.skipped) >= 1
    assert path.name in outcome.skipped[-1].where
    path.write_bytes(data)
    assert add(tmp_path / "data", path).added > 0


@pytest.mark.parametrize(
    ("name", "added", "reason"),
    [
        ("x.json.gz", 0, "larger than"),
        ("x.json.zst", 0, "larger than"),
        ("x.jsonl.zst", 0, "has a line larger than"),
        ("lines.jsonl.zst", 1, "expands out of all proportion"),
        ("x.tar.zst", 0, "not a whole archive"),
        ("x.zip", 12, "expands out of all proportion: the rest was left out"),
    ],
)
def test_bombs_are_stopped(tmp_path: Path, name: str, added: int, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intel_grapher.cache.unpack.FREE_BYTES", 64 << 20)
    monkeypatch.setattr("intel_grapher.cache.unpack.MAX_RATIO", 1)
    monkeypatch.setattr("intel_grapher.cache.imports.MAX_BODY", 16 << 20)
    monkeypatch.setattr("intel_grapher.cache.imports.MAX_LINE", 16 << 20)
    path = tmp_path / "dns" / "a" / name
    path.parent.mkdir(parents=True)
    block = b" " * (1 << 20)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(block * 128, 1))
    elif name == "lines.jsonl.zst":
        path.write_bytes(zstd.compress(LINES.splitlines(keepends=True)[0]) + zstd.compress(block + b"\n", 1) * 100)
    elif name.endswith(".zst"):
        path.write_bytes(zstd.compress(block, 1) * 512)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for number in range(30):
                archive.writestr(f"dns/a/{number}.json", block * 5)
    outcome = add(tmp_path / "data", path)
    assert outcome.added == added
    assert outcome.skipped[-1].reason.startswith(reason)


def test_a_tar_whose_headers_are_huge_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 50 << 20
    file = tarfile.TarInfo("dns/a/x.json").tobuf(tarfile.GNU_FORMAT)
    path.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + b"a" * (50 << 20) + file, 1))
    assert "out of all proportion" in add(tmp_path / "data", path).skipped[0].reason


def test_what_the_caller_can_not_place_is_skipped_with_its_reason(tmp_path: Path) -> None:
    def resolve(source: str, endpoint: str, key: str) -> tuple[str, str, str]:
        if source != "threatcrowd_v2":
            raise UsageError(f"no source {source!r}")
        if "." not in key:
            raise BadValue("not a domain")
        return "threatcrowd", endpoint, key.lower()

    lay(tmp_path / "in" / "threatcrowd_v2" / "domain" / "Example.COM.json")
    lay(tmp_path / "in" / "threatcrowd_v2" / "domain" / "nothing.json")
    lay(tmp_path / "in" / "other" / "domain" / "example.com.json")
    lay(tmp_path / "in" / ".hidden" / "domain" / "example.com.json")
    (tmp_path / "in" / "threatcrowd_v2" / "domain" / "link.json").symlink_to("/etc/passwd")
    outcome = add(tmp_path / "data", tmp_path / "in", resolve=resolve)
    assert outcome.reasons == {"no source 'other'": 1, "not a domain": 1, "a link or a device, not a file": 1}
    assert list(held(tmp_path / "data")) == [("threatcrowd", "domain", "example.com")]


def test_what_is_not_there_is_used_wrongly(tmp_path: Path) -> None:
    lay(tmp_path / "dns" / "a" / "x.example.json")
    with pytest.raises(UsageError, match="does not exist"):
        add(tmp_path / "data", tmp_path / "dns", tmp_path / "nothing")
    assert held(tmp_path / "data") == {}
    os.mkfifo(tmp_path / "pipe")
    assert add(tmp_path / "data", tmp_path / "pipe").reasons == {"a device, not a file": 1}


def test_names_without_a_source_are_told(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.json", "{}")
    outcome = add(tmp_path / "data", path, source="NO SUCH")
    assert "is no source" in outcome.skipped[0].reason


def test_real_replies_go_in(tmp_path: Path) -> None:
    if not FIXTURES.is_dir():
        pytest.skip(f"the captured replies are not at {FIXTURES}")
    files = [path for path in FIXTURES.rglob("*") if path.is_file() and path.parent != FIXTURES]
    folders = [path for path in FIXTURES.iterdir() if path.is_dir()]
    outcome = add(tmp_path / "data", *folders)
    assert (outcome.added, outcome.skipped) == (len(files), [])
    shutil.make_archive(str(tmp_path / "all"), "tar", FIXTURES)
    assert add(tmp_path / "data", tmp_path / "all.tar").already_there == len(files)


MEASURED = """
import sys
from pathlib import Path
from intel_grapher.cache import Cache, Standing, import_replies
with Cache(Path(sys.argv[1])) as cache, cache.writer() as writer:
    done = import_replies(
        writer, map(Path, sys.argv[3:]), judge=lambda _: Standing("raw"), source="dns", endpoint="a", key="x.example",
        fetched_at=1, key_from=sys.argv[2] or None,
    )
status = Path("/proc/self/status").read_text()
print(done.added, *done.reasons, int(status.partition("VmHWM:")[2].split()[0]) >> 10, sep="|")
"""


@pytest.mark.parametrize(
    ("make", "name", "key_from", "added"),
    [
        (lambda: bytes(60 << 20), "zeros.txt.gz", "", 1),
        (lambda: bytes(70 << 20), "large.txt.gz", "", 0),
        (lambda: b"\xff" * (40 << 20), "binary.gz", "", 1),
        (lambda: "\U0001f600".encode() * (10 << 20), "emoji.txt.gz", "", 1),
        (lambda: b'"' * (40 << 20), "quotes.txt.gz", "", 1),
        (lambda: b'{"id":"x","a":[' + b"[],\n" * (10 << 20) + b"[]]}", "lists.json.gz", "id", 1),
        (lambda: b"      \n" * (10 << 20), "blanks.jsonl.gz", "", 0),
        (lambda: b'{"a":1}\n' + b"x" * (130 << 20), "line.jsonl.gz", "", 0),
    ],
)
def test_a_small_file_that_expands_takes_little_memory(
    tmp_path: Path, make: Callable[[], bytes], name: str, key_from: str, added: int
) -> None:
    (tmp_path / name).write_bytes(gzip.compress(make(), 1))
    arguments = [str(tmp_path / "data"), key_from, str(tmp_path / name)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "etl")}
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    count, *reasons, mebibytes = ran.stdout.strip().split("|")
    assert int(count) == added
    assert added or "larger than" in " ".join(reasons)
    assert int(mebibytes) < 500
