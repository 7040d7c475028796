"""Whether a service accepts a key: what it is asked, and what is made of what it says."""

from __future__ import annotations

import pytest
from loopback import Answer, Loopback, source

from intel_grapher.fetch.key_check import KeyState, check
from intel_grapher.source import ApiKey

KEY = ApiKey("LOOPBACK_KEY", header="X-Key", free="/account")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, KeyState.ACCEPTED),
        (400, KeyState.REFUSED),
        (401, KeyState.REFUSED),
        (403, KeyState.REFUSED),
        (500, KeyState.UNREACHED),
    ],
)
def test_one_free_request_tells(
    service: Loopback, monkeypatch: pytest.MonkeyPatch, status: int, state: KeyState
) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", "canary-1")
    service.script = lambda _: Answer(b"{}", status)
    found = check(source(service.home, key=KEY))
    assert found.state is state
    assert "canary" not in found.detail
    assert [(each.path, each.headers["x-key"]) for each in service.asked] == [("/account", "canary-1")]


def test_the_refused_one_of_several_is_named(service: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", "good-key,bad-key")
    service.script = lambda asked: Answer(b"{}", 401 if asked.headers["x-key"] == "bad-key" else 200)
    assert check(source(service.home, key=KEY)) == (KeyState.REFUSED, "key 2 of 2")


def test_what_has_a_price_is_not_asked(service: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(source(service.home, key=KEY)).state is KeyState.MISSING
    monkeypatch.setenv("LOOPBACK_KEY", "canary-1")
    assert check(source(service.home, key=ApiKey("LOOPBACK_KEY", header="X-Key"))).state is KeyState.UNASKED
    assert service.asked == []
    assert check(source("http://127.0.0.1:1", key=KEY)).state is KeyState.UNREACHED
