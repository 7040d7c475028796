"""Evidence bundles: they carry what was asked for, merge without doubles, and a change of any byte is found."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest
from campaign import campaign
from command import Desk
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from judged import ENTRIES
from small_cache import entry
from transforming import bytes_of, transform

from intel_grapher import tlp
from intel_grapher.cache import Cache, Entry, bundle
from intel_grapher.cache.frames import uncompressed
from intel_grapher.cache.signing import Signer
from intel_grapher.errors import CacheError, UsageError
from intel_grapher.transform import Options

AT = 1_795_400_000


class Reply(NamedTuple):
    """A reply as what can be compared."""

    source: str
    endpoint: str
    key: str
    params: tuple[tuple[str, str], ...]
    fetched_at: int
    status: int
    body: bytes


def said(number: int, what: str, **body: object) -> Entry:
    body = {"author": "ana", **body}
    key = f"{0x900 + number:032x}"
    return Entry(source="analyst", endpoint=what, key=key, fetched_at=AT, status=200, body=json.dumps(body).encode())


MORE = [
    *ENTRIES,
    said(1, "take_out", node={"label": "Domain", "key": "example.net"}),
    said(2, "undo", undoes=f"{0x900 + 1:032x}"),
    said(3, "tag", about={"label": "IPAddress", "key": "203.0.113.5"}, tag="tlp:red"),
    said(4, "note", about={"label": "IPAddress", "key": "203.0.113.5"}, text="between us"),
]


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Give a desk with the campaign, verdicts, markings and an undone entry."""
    return Desk(campaign(tmp_path_factory.mktemp("sender"), *MORE, load=False))


@pytest.fixture
def receiver(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return new_key(tmp_path / "key")


def new_key(path: Path) -> Path:
    made = Ed25519PrivateKey.generate()
    path.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    path.with_suffix(".pub").write_bytes(b"# keys of friends\n" + public + b" somebody\n")
    return path


def exported(sender: Desk, to: Path, *options: str | Path) -> Path:
    ran = sender.run("cache", "export", "-o", to, *options)
    assert ran.code == 0, ran.err
    return to


def files(data: Path, folder: Path) -> dict[str, bytes]:
    """Return the flat files of a cache, without the list of its segments."""
    transform(Cache(data), folder, Options(processes=1))
    found = bytes_of(folder)
    manifest = json.loads(found["manifest.json"])
    del manifest["segments"]
    return found | {"manifest.json": json.dumps(manifest).encode()}


def test_both_sides_have_the_same_graph(sender: Desk, receiver: Desk, tmp_path: Path) -> None:
    file = exported(sender, tmp_path / "evidence.tar")
    ran = receiver.run("cache", "add", file)
    assert (ran.code, ran.out.split(",")[1:]) == (0, [" 0 there already", " 0 left out\n"])
    assert files(receiver.folder / "data", tmp_path / "one") == files(sender.folder / "data", tmp_path / "other")


def test_what_is_there_is_not_added_again(sender: Desk, receiver: Desk, tmp_path: Path) -> None:
    some = exported(sender, tmp_path / "some.tar", "--source", "doh", "--source", "misp", "--no-entries")
    every = exported(sender, tmp_path / "every.tar")
    assert receiver.run("cache", "add", some).code == 0
    assert receiver.run("cache", "add", every).code == 0
    assert receiver.run("cache", "add", every, "--json").json["added"] == 0
    assert files(receiver.folder / "data", tmp_path / "one") == files(sender.folder / "data", tmp_path / "other")


@pytest.mark.parametrize(
    "options",
    [
        ("--source", "threatcrowd", "-s", "doh"),
        ("--since", "2026-11-21"),
        ("--no-entries",),
        ("--max-tlp", "amber"),
        ("--max-tlp", "TLP:CLEAR", "--source", "misp"),
    ],
)
def test_it_has_the_replies_that_were_asked_for_and_no_others(
    options: tuple[str, ...], sender: Desk, receiver: Desk, tmp_path: Path
) -> None:
    file = exported(sender, tmp_path / "evidence.tar", *options)
    assert receiver.run("cache", "add", file).code == 0
    sent = {each for each in kept(sender.folder / "data") if wanted(each, options)}
    assert kept(receiver.folder / "data") == sent != kept(sender.folder / "data")


def kept(data: Path) -> set[Reply]:
    """Return all replies of a cache, as what can be compared."""
    with Cache(data) as cache:
        return {
            Reply(it.source, it.endpoint, it.key, tuple(it.params.items()), it.epoch, it.status, it.content)
            for segment in cache.segments()
            for it in cache.replies(segment)
        }


def wanted(reply: Reply, options: tuple[str, ...]) -> bool:
    """Tell by another way whether a reply is asked for."""
    of_entry, text = reply.source == "analyst", reply.body.decode().lower()
    if "--source" in options and not of_entry and reply.source not in options:
        return False
    if "--since" in options:
        return reply.fetched_at >= 1_795_219_200
    if "--no-entries" in options:
        return not of_entry
    if "--max-tlp" in options:
        levels = [level for level in tlp.LEVELS if f"tlp:{level}" in text]
        about = {"203.0.113.5": "red", "invoice-portal.example": "amber"}
        levels += [about[key] for key in about if reply.key == key or (of_entry and f'"{key}"' in text)]
        most = options[1].lower().removeprefix("tlp:")
        return all(tlp.LEVELS.index(level) <= tlp.LEVELS.index(most) for level in levels)
    return True


def test_what_is_held_back_is_counted(sender: Desk, tmp_path: Path) -> None:
    ran = sender.run("cache", "export", "-o", tmp_path / "e.tar", "--max-tlp", "green", "--json")
    assert ran.json["left_out"].keys() >= {"marked TLP:AMBER", "marked TLP:RED"}
    assert b"between us" not in b"".join(bytes_of(unpacked(tmp_path / "e.tar", tmp_path / "u")).values())


def unpacked(file: Path, to: Path) -> Path:
    with tarfile.open(file) as archive:
        archive.extractall(to, filter="data")
    for packed in to.rglob("*.zst"):
        packed.write_bytes(uncompressed(packed.read_bytes()))
    return to


@pytest.mark.parametrize("wrong", [{"path": "x" * 999}, {"size": -1}, {"size": 1 << 70}, {"path": "../../x"}])
def test_a_manifest_of_an_attackers_is_refused(wrong: dict[str, object], small: Path, tmp_path: Path) -> None:
    with tarfile.open(small) as archive:
        file = archive.extractfile(bundle.MANIFEST)
        assert file is not None
        manifest = json.loads(file.read())
    manifest["files"][0] |= wrong
    made, body = tmp_path / "made.tar", json.dumps(manifest).encode()
    header = tarfile.TarInfo(bundle.MANIFEST)
    header.size, header.mode = len(body), 0o644
    padded = header.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % 512)
    made.write_bytes(padded + small.read_bytes()[len(padded) :])
    with pytest.raises(CacheError, match=r"is damaged|digest"):
        bundle.verify(made)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a small signed bundle."""
    folder = tmp_path_factory.mktemp("small")
    with Cache(folder / "data") as cache:
        with cache.writer() as writer:
            for number in range(5):
                writer.add(entry(number, "a" if number % 2 else "b"))
        signer = Signer(new_key(folder / "key"))
        bundle.write(cache, folder / "small.tar", refuse=lambda _: "", chosen={}, signer=signer)
    return folder / "small.tar"


def test_the_same_replies_give_the_same_bytes(small: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tar"
    with Cache(small.parent / "data") as cache:
        bundle.write(cache, again, refuse=lambda _: "", chosen={}, signer=Signer(small.parent / "key"))
    assert again.read_bytes() == small.read_bytes()


def test_a_flipped_bit_anywhere_is_found(small: Path, tmp_path: Path) -> None:
    whole = small.read_bytes()
    bundle.verify(small)
    changed = tmp_path / "changed.tar"
    for place in range(0, len(whole), 3):
        changed.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        with pytest.raises(CacheError):
            bundle.verify(changed)


@pytest.mark.parametrize("change", [b"", b"\0", b"\0" * 512, b"x" * 1024])
def test_a_shorter_or_longer_file_is_found(change: bytes, small: Path, tmp_path: Path) -> None:
    whole = small.read_bytes()
    changed = tmp_path / "changed.tar"
    for body in (whole + change if change else whole[:-1], whole[: len(whole) // 2] + change, whole[:512], b""):
        changed.write_bytes(body)
        with pytest.raises(CacheError):
            bundle.verify(changed)


def test_a_changed_bundle_is_refused_and_nothing_of_it_is_added(sender: Desk, receiver: Desk, tmp_path: Path) -> None:
    file = exported(sender, tmp_path / "evidence.tar", "--source", "doh")
    body = file.read_bytes()
    for place in (5, 600, len(body) // 2, len(body) - 700):
        file.write_bytes(body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :])
        ran = receiver.run("cache", "add", file)
        assert ran.code in {1, 3}, ran.out
        assert "0 added" in ran.out or "Nothing was added" in ran.err
    assert not [*(receiver.folder / "data").rglob("raw/*")]


def test_who_packs_it_anew_is_found_by_the_signature_alone(small: Path, tmp_path: Path) -> None:
    with Cache(tmp_path / "data") as cache:
        with cache.writer() as writer:
            writer.add(entry(7))
        bundle.write(cache, tmp_path / "theirs.tar", refuse=lambda _: "", chosen={})
        other = Signer(new_key(tmp_path / "other"))
        bundle.write(cache, tmp_path / "signed.tar", refuse=lambda _: "", chosen={}, signer=other)
    trusted = Desk(tmp_path).run("cache", "add", "theirs.tar", "--signed-by", small.parent / "key.pub", "--data", "in")
    assert (trusted.code, "it is not signed" in trusted.err) == (1, True)
    trusted = Desk(tmp_path).run("cache", "add", "signed.tar", "--signed-by", small.parent / "key.pub", "--data", "in")
    assert (trusted.code, "none of the keys that you trust" in trusted.err) == (1, True)
    assert not (tmp_path / "in").exists()
    assert bundle.verify(tmp_path / "theirs.tar")[1] == ""


def test_a_signature_of_another_manifest_does_not_hold(small: Path, tmp_path: Path) -> None:
    """Take the signature off a bundle and put it on another one, with digests that fit."""
    with Cache(tmp_path / "data") as cache:
        with cache.writer() as writer:
            writer.add(entry(7))

        class Thief:
            def sign(self, _manifest: bytes) -> object:
                with tarfile.open(small) as archive:
                    file = archive.extractfile(bundle.SIGNATURE)
                    assert file is not None
                    return json.loads(file.read())

        bundle.write(cache, tmp_path / "x.tar", refuse=lambda _: "", chosen={}, signer=Thief())  # type: ignore[arg-type]
    with pytest.raises(CacheError, match="does not hold"):
        bundle.verify(tmp_path / "x.tar")


def test_signed_and_trusted(sender: Desk, receiver: Desk, key: Path, tmp_path: Path) -> None:
    file = exported(sender, tmp_path / "evidence.tar", "--sign", key, "--source", "doh")
    ran = receiver.run("cache", "add", file, "--signed-by", key.with_suffix(".pub"))
    assert ran.code == 0, ran.err
    assert "signed by ssh-ed25519 AAAA" in ran.err
    public = key.with_suffix(".pub").read_text().splitlines()[1].rsplit(" ", 1)[0]
    assert public in ran.err


def test_without_the_package_a_signature_is_said_to_be_unchecked_or_refused(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(small.parent / "key.pub", tmp_path / "key.pub")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    assert bundle.verify(small)[1]
    with pytest.raises(CacheError, match="signing"):
        bundle.verify(small, [b"x" * 32])
    ran = Desk(tmp_path).run("cache", "add", small, "--signed-by", "key.pub")
    assert (ran.code, "intel-grapher[signing]" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--max-tlp", "purple"], "no TLP level"),
        (["--source", "nobody"], "no source is called"),
        (["--since", "soon"], "--since"),
        (["--since", "2030-01-01"], "no reply is left"),
        (["--sign", "nothing"], "can't be read"),
        (["--sign", "data/index.sqlite"], "no private key"),
        (["--data", "nowhere"], "no cache"),
        (["--output", "data"], "is a folder"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left(options: list[str], says: str, sender: Desk) -> None:
    before = set(sender.folder.iterdir())
    ran = sender.run("cache", "export", "-o", "x.tar", *options)
    assert (ran.code, says in ran.err) == (1 if says == "no cache" else 2, True), ran.err
    assert set(sender.folder.iterdir()) == before


def test_a_path_that_is_no_bundle_is_not_taken_for_a_signed_one(sender: Desk, key: Path) -> None:
    ran = sender.run("cache", "add", "data/raw", "--signed-by", key.with_suffix(".pub"))
    assert (ran.code, "no evidence bundle" in ran.err) == (2, True)


def test_a_key_of_another_kind_is_refused(small: Path, tmp_path: Path) -> None:
    (tmp_path / "x.pub").write_text("ssh-rsa AAAAB3NzaC1yc2E nobody\n")
    ran = Desk(tmp_path).run("cache", "add", small, "--signed-by", "x.pub")
    assert (ran.code, "no public key" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("body", "level"),
    [
        ('{"TLP": "white"}', "clear"),
        ('{"tags":["tlp:amber","TLP:GREEN"]}', "amber"),
        ('{"Tag":[{"name":"tlp:amber+strict"}]}', "amber+strict"),
        ("For friends, TLP:RED.", "red"),
        ('{"tlp":"redirect"}', None),
        ('{"x":"marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"}', "red"),
        ('{"x":"nothing"}', None),
    ],
)
def test_the_level_that_a_reply_names(body: str, level: str | None) -> None:
    assert tlp.stated(body.encode()) == level


def test_a_folder_is_no_bundle_and_what_is_none_is_not_opened(tmp_path: Path) -> None:
    assert not bundle.is_bundle(tmp_path)
    assert not bundle.is_bundle(tmp_path / "nothing")
    with pytest.raises(CacheError):
        bundle.verify(tmp_path / "nothing")
    with pytest.raises(UsageError):
        Signer(tmp_path)
