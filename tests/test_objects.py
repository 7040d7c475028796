"""Objects in a store: conditional writes, cut connections, what a store refuses, what is no URL of one."""

from __future__ import annotations

import http.client
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore
from s3_server import CREDENTIALS, CUTS, Cut, S3Server

from intel_grapher.errors import GrapherError, StoreError, UsageError
from intel_grapher.objects import PROBE, Objects, checked, is_url

URL = "s3://bucket/some/prefix"


def test_an_object_is_written_once_and_read_by_whoever_opens_the_url(s3: S3Server) -> None:
    objects = Objects(URL)
    assert objects.put_new("raw/a", b"one")
    assert not objects.put_new("raw/a", b"one")
    with pytest.raises(StoreError, match="another content"):
        objects.put_new("raw/a", b"two")
    elsewhere = pickle.loads(pickle.dumps(objects))  # noqa: S301 - made here
    assert elsewhere.get("raw/a") == b"one"
    assert elsewhere.find("raw/b") is None
    with pytest.raises(StoreError, match=r"some/prefix/raw/b is not there"):
        elsewhere.get("raw/b")
    assert [each.name for each in objects.names()] == ["raw/a"]
    assert [(each.name, each.size) for each in objects.names("raw")] == [("raw/a", 3)]
    objects.delete(["raw/a", "raw/b"])
    assert list(objects.names()) == []
    assert all(path.startswith("/bucket") for _, path in s3.requests)


def test_a_name_of_somebody_else_that_is_none_here_is_told(s3: S3Server) -> None:
    objects = Objects(URL)
    objects.put_new("raw/a", b"one")
    connection = http.client.HTTPConnection(s3.endpoint.removeprefix("http://"))
    connection.request("PUT", "/bucket/some/prefix/notes//%1B%5B2J", b"x")
    assert connection.getresponse().status == 200
    connection.close()
    assert [each.name for each in objects.names("raw", "sets")] == ["raw/a"]
    with pytest.raises(StoreError, match="Move that object away") as refused:
        list(objects.names())
    assert str(refused.value).isprintable()


def test_writers_side_by_side_lose_no_update(s3: S3Server) -> None:
    assert s3

    def add(number: int) -> None:
        word = b"%d " % number
        Objects(URL).update(
            "words", lambda content: content if content and word in content else (content or b"") + word
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(10, 34)))
    assert sorted(Objects(URL).get("words").split()) == [b"%d" % number for number in range(10, 34)]


@pytest.mark.parametrize("how", [*CUTS, "busy"])
def test_a_cut_at_any_request_changes_nothing(s3: S3Server, how: Cut) -> None:
    def work(name: str) -> None:
        objects = Objects(f"{URL}/{name}")
        objects.prove_conditions()
        assert objects.put_new("a", b"1") in {True, False}
        objects.update("list", lambda content: content or b"first")
        objects.update("list", lambda content: content if content == b"first second" else b"first second")
        assert objects.get("list") == b"first second"
        assert sorted(each.name for each in objects.names()) == ["a", PROBE, "list"]
        objects.delete(["a"])
        assert objects.find("a") is None

    work("uncut")
    for number in range(len(s3.requests)):
        s3.cut(how, number)
        work(f"{how}-{number}")
        assert len(s3.requests) > number


def test_a_store_that_passes_over_conditions_is_refused(s3: S3Server) -> None:
    Objects(URL).prove_conditions()
    Objects(URL).prove_conditions()
    s3.unconditional = True
    with pytest.raises(StoreError, match="does not heed conditional writes"):
        Objects(URL).prove_conditions()


def test_what_a_store_refuses_is_said_without_a_secret(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.refuses = {"PUT"}
    with pytest.raises(StoreError, match="refuses") as refused:
        Objects(URL).put_new("a", b"1")
    assert len(s3.requests) == 1
    s3.refuses = set()
    another = Objects("s3://another")
    for ask in (lambda: another.find("a"), another.now, lambda: list(another.names()), another.prove_conditions):
        with pytest.raises(StoreError, match="no such bucket") as missing:
            ask()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="can't be reached") as away:
        Objects(URL).find("a")
    for error in (refused, missing, away):
        text = repr(error.getrepr()) + str(error.value)
        assert not any(secret in text for secret in CREDENTIALS.values())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://bucket/a", "begins with s3://"),
        ("s3://user:hunter2@bucket/a", "has no secrets"),
        ("az://container/a?sig=hunter2", "has no secrets"),
        ("s3://", "names no bucket"),
        ("s3:", "names no bucket"),
        ("s3:bucket/a", "write s3://bucket/a$"),
        ("GS:user:hunter2@bucket/a", "write gs://bucket/a$"),
        ("s3://../a", "names no bucket"),
        ("s3://bucket/a/../b", "a prefix has"),
        ("s3://bucket/a//b", "a prefix has"),
        ("s3://bucket/a b", "a prefix has"),
    ],
)
def test_a_url_of_no_use_is_refused_and_its_secret_not_shown(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        checked(url)
    assert "hunter2" not in str(refused.value)


def test_urls_have_one_form() -> None:
    assert checked("s3://bucket/a/b/") == checked("s3://bucket/a/b") == "s3://bucket/a/b"
    assert checked("gs://bucket/") == "gs://bucket"
    assert is_url("s3://bucket")
    assert is_url(Path("s3://bucket/a"))
    assert is_url("s3:bucket/a")
    assert checked(str(Path("s3://bucket/a"))) == "s3://bucket/a"
    assert not any(map(is_url, ("data", "/data", "a:b", "a:/b", "./s3:/bucket")))


def test_credentials_of_a_profile_are_read(s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("[case]\naws_access_key_id = canary\naws_secret_access_key = canary2\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "case")
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    assert Objects(URL).put_new("a", b"1")
    assert s3.requests


def test_without_the_package_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(GrapherError, match=r"pip install 'intel-grapher\[store\]'"):
        Objects(URL)


@pytest.mark.parametrize(
    ("url", "variables", "message"),
    [
        (URL, {"AWS_ENDPOINT_URL": "192.0.2.1:9000"}, "AWS_ENDPOINT_URL, is written as https://HOST:PORT"),
        (URL, {"AWS_PROFILE": "nope", "AWS_ACCESS_KEY_ID": ""}, r"~/.aws can't be read: .*\(nope\)"),
        ("az://bucket/case", {}, "can't be opened: .*Account must be specified"),
    ],
    ids=["an endpoint without a scheme", "an unknown profile", "no account"],
)
def test_settings_of_a_store_that_are_of_no_use_are_said(
    url: str, variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**CREDENTIALS, **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=message):
        Objects(url)


@pytest.mark.parametrize(
    ("url", "variable"),
    [
        ("s3://bucket/a", "AWS_ACCESS_KEY_ID"),
        ("gs://bucket/a", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://bucket/a", "AZURE_STORAGE_ACCOUNT"),
    ],
)
def test_without_credentials_the_stores_own_variables_are_named(
    url: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(*_: object) -> None:
        raise GenericError("Error performing GET http://169.254.169.254/metadata in 1s")

    objects = Objects(url, MemoryStore())
    monkeypatch.setattr("intel_grapher.objects.package", lambda: SimpleNamespace(get=get))
    with pytest.raises(StoreError, match=f"no credentials.*{variable}") as refused:
        objects.find("a")
    assert ("AWS" in str(refused.value)) is url.startswith("s3:")


def test_a_folder_whose_name_begins_like_a_url_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s3:bucket").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not is_url("s3:bucket/a")
    assert is_url("s3://bucket/a")


def test_a_file_of_aws_without_credentials_leaves_the_machines_role(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text("[default]\nregion = eu-west-1\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    assert Objects(URL).url == URL
