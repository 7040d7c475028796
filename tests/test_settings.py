"""Settings and secrets: which of several wins, where each comes from, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from intel_grapher import credentials, objects, settings
from intel_grapher.errors import UsageError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder for the user's own files, and no variable of the tester's."""
    for name in os.environ:
        if name.startswith(("INTEL_GRAPHER_", "NEO4J_")) or "KEY" in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "intel-grapher"
    folder.mkdir(parents=True)
    return folder


def values(folder: Path, **environment: str) -> dict[str, tuple[str, str]]:
    return {it.setting.name: (it.value, it.origin) for it in settings.resolve(folder, environment)}


def keep(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment_wins_over_the_workspace_that_over_the_user_and_that_over_the_default(
    home: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    assert values(work)["max-age"] == ("", "default")
    user = keep(home / "config.toml", 'max-age = "30d"\nledger = "~/l.sqlite"\n')
    assert values(work)["max-age"] == ("30d", str(user))
    assert values(work)["ledger"] == (str(Path("~/l.sqlite").expanduser()), str(user))
    project = keep(work / "intel-grapher.toml", 'max-age = "7d"\n')
    assert values(work)["max-age"] == ("7d", str(project))
    assert values(work, INTEL_GRAPHER_MAX_AGE="1h")["max-age"] == ("1h", "environment")
    found = settings.as_environment(work, {})
    assert found == {"INTEL_GRAPHER_MAX_AGE": "7d", "INTEL_GRAPHER_LEDGER": str(Path("~/l.sqlite").expanduser())}
    assert "INTEL_GRAPHER_MAX_AGE" not in settings.as_environment(work, {"INTEL_GRAPHER_MAX_AGE": "1h"})


def test_a_workspace_is_found_from_below_and_its_paths_are_its_own(tmp_path: Path) -> None:
    below = tmp_path / "work" / "notes" / "today"
    below.mkdir(parents=True)
    assert settings.workspace(below) is None
    keep(tmp_path / "work" / "intel-grapher.toml", 'import = "flat"\ndebug = true\n')
    assert settings.workspace(below) == tmp_path / "work"
    found = values(below)
    assert found["data"] == ("../../data", "workspace")
    assert found["import"][0] == "../../flat"
    assert found["debug"][0] == "1"
    assert values(tmp_path / "work")["import"][0] == "flat"
    assert values(tmp_path / "work")["data"] == ("data", "default")
    (tmp_path / "work" / "keys.toml").touch()
    assert settings.as_environment(below, {})["INTEL_GRAPHER_KEYS"] == str(tmp_path / "work" / "keys.toml")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('impotr = "x"', "'impotr' is no setting; there are: import"),
        ('SHODAN_API_KEY = "x"', "keys belong in keys.toml"),
        ('neo4j-uri = "bolt://db.example:7687"', "can't be set by a workspace"),
        ('ledger = "mine"', "can't be set by a workspace"),
        ("data = 7\nimport = true", "import is a text"),
        ('debug = "yes"', "debug is true or false"),
        ('data = ""', "data is a text"),
        ("data", "is not TOML"),
    ],
)
def test_what_a_workspace_can_not_say_is_named(tmp_path: Path, text: str, fault: str) -> None:
    keep(tmp_path / "intel-grapher.toml", text)
    with pytest.raises(UsageError, match="intel-grapher.toml.*" + fault):
        settings.resolve(tmp_path, {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_another_user_does_not_hold(home: Path, tmp_path: Path) -> None:
    os.chown(keep(tmp_path / "intel-grapher.toml", 'data = "/etc"'), 12_345, -1)
    with pytest.raises(UsageError, match="belongs to another user"):
        settings.resolve(tmp_path, {})
    os.chown(keep(home / "keys.toml", 'A_KEY = "canary"'), 12_345, -1)
    with pytest.raises(UsageError, match="belongs to another user"):
        credentials.find("A_KEY")


def test_a_users_path_goes_with_no_folder(home: Path, tmp_path: Path) -> None:
    keep(home / "config.toml", 'data = "data"')
    with pytest.raises(UsageError, match="must begin with / or ~"):
        settings.resolve(tmp_path, {})


def test_a_key_comes_from_the_environment_the_workspace_or_the_user(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert credentials.find("A_KEY") == credentials.Secret()
    path = credentials.write("A_KEY", "of-the-user")
    assert path == home / "keys.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    credentials.write("B_KEY", 'odd"\\value')
    assert credentials.find("A_KEY") == credentials.Secret("of-the-user", str(path))
    assert credentials.find("B_KEY").value == 'odd"\\value'
    project = keep(tmp_path / "keys.toml", 'A_KEY = "of-the-workspace"\nB_KEY = ""\n')
    monkeypatch.setenv("INTEL_GRAPHER_KEYS", str(project))
    assert credentials.find("A_KEY") == credentials.Secret("of-the-workspace", str(project))
    assert credentials.find("B_KEY").value == 'odd"\\value'
    monkeypatch.setenv("A_KEY", "of-the-environment")
    assert credentials.find("A_KEY") == credentials.Secret("of-the-environment", "environment")


@pytest.mark.parametrize(
    ("text", "mode", "fault"),
    [
        ('A_KEY = "canary"', 0o640, "others can read .*: chmod 600"),
        ('A_KEY = "canary"', 0o604, "others can read"),
        ("A_KEY = canary", 0o600, "is not TOML"),
        ('a = "canary"', 0o600, "not a name in capitals"),
        ("A_KEY = 7", 0o600, "not a name in capitals"),
    ],
)
def test_a_keys_file_that_can_not_be_taken_is_named_and_not_quoted(
    home: Path, text: str, mode: int, fault: str
) -> None:
    keep(home / "keys.toml", text, mode)
    with pytest.raises(UsageError, match=fault) as raised:
        credentials.find("A_KEY")
    assert "canary" not in str(raised.value)


def test_the_keyring_is_asked_only_if_that_is_wished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "class errors:\n    class KeyringError(Exception): pass\n"
        "def get_password(service, name):\n"
        "    if name == 'LOCKED_KEY': raise errors.KeyringError\n"
        "    return {('intel-grapher', 'A_KEY'): 'of-the-keyring'}.get((service, name))\n"
    )
    (tmp_path / "keyring.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert credentials.find("A_KEY") == credentials.Secret()
    monkeypatch.setenv("INTEL_GRAPHER_KEYRING", "1")
    assert credentials.find("A_KEY") == credentials.Secret("of-the-keyring", "keyring")
    assert credentials.find("B_KEY") == credentials.find("LOCKED_KEY") == credentials.Secret()


def test_a_workspace_names_a_store_only_after_its_user_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    keep(tmp_path / settings.FILE, 'data = "s3://bucket/case"\n')
    with pytest.raises(UsageError, match="such files travel"):
        values(tmp_path)
    for words in (["cache", "list", "--data", "s3://bucket/case"], ["load", "--import=s3://bucket/case"]):
        assert settings.resolve(tmp_path, {}, words)[0].value == "s3://bucket/case", "it is named right now"
    with pytest.raises(UsageError, match="such files travel"):
        settings.resolve(tmp_path, {}, ["cache", "list", "--data", "s3://bucket/another"])
    objects.place("s3://bucket/case", "data")
    assert values(tmp_path)["data"] == ("s3://bucket/case", str(tmp_path / settings.FILE))
    keep(tmp_path / settings.FILE, 'data = "ftp://bucket/case"\n')
    with pytest.raises(UsageError, match="not the URL of an object store"):
        values(tmp_path)


@pytest.mark.parametrize("text", ["s3:/bucket/case", "./s3:/bucket/case", "below/s3:/bucket/case"])
def test_a_workspace_names_no_store_by_what_is_one_only_as_a_path(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    keep(tmp_path / settings.FILE, f'data = "{text}"\n')
    with pytest.raises(UsageError, match="such files travel"):
        values(tmp_path / "below" if text.startswith("below") else tmp_path)


def test_a_users_own_file_names_a_store(home: Path, tmp_path: Path) -> None:
    keep(home / settings.USER_FILE, 'import = "s3://bucket/case"\n')
    assert values(tmp_path)["import"] == ("s3://bucket/case", str(home / settings.USER_FILE))
