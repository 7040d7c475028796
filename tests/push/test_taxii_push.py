"""A TAXII 2.1 collection: objects go to a real server (medallion), and to one that does what servers do on bad days."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from command import Desk, Ran
from loopback import Answer, Asked, Loopback, loopback
from medallion_server import ID, medallion

from intel_grapher.push.pushing import Pushed, send_all
from intel_grapher.push.sent import Unit, UnitState, opened
from intel_grapher.push.target import Target
from intel_grapher.push.taxii import TaxiiCollectionPush
from intel_grapher.sources.taxii import source

MEDIA = "application/taxii+json;version=2.1"
AROUND = ("--around", "example.com")
Json = dict[str, Any]


def push(desk: Desk, home: str, *arguments: str) -> Ran:
    return desk.run("export", "--to", f"taxii+{home}/api1/collections/{ID}/", *arguments)


def held(home: str) -> list[Json]:
    """Return the last version of each object of the real server's collection."""
    url = f"{home}/api1/collections/{ID}/objects/"
    found = requests.get(url, headers={"Accept": MEDIA}, auth=("user", "password"), timeout=30).json()
    objects: list[Json] = found.get("objects", [])
    return objects


def without(objects: list[Json], *names: str) -> dict[str, Json]:
    return {each["id"]: {name: value for name, value in each.items() if name not in names} for each in objects}


def test_a_real_server_gets_every_object_once_and_the_next_push_asks_nothing(desk: Desk, tmp_path: Path) -> None:
    with medallion(tmp_path, writable=True, most=50_000) as (home, _):
        ran = push(desk, home, *AROUND, "--json")
        assert ran.code == 0, ran.err
        desk.run("export", "--format", "stix", "-o", "file.stix.json", *AROUND)
        file = json.loads((desk.folder / "file.stix.json").read_text())["objects"]
        assert without(held(home)) == without(file) | {
            each["id"]: each | {"name": "intel-grapher around example.com, 1 hop, hub 500"}
            for each in file
            if each["type"] == "identity" and each["identity_class"] == "system"
        }
        assert ran.json["new"] == len(file)
        assert push(desk, home, *AROUND, "--json").json["there_already"] == len(file)
        # what is already there, as after a kill before the record was written, is no failure
        for path in (desk.folder / "data").glob("sent.sqlite*"):
            path.unlink()
        again = push(desk, home, *AROUND, "--json")
        assert (again.code, again.json["refused"]) == (0, []), again.err
        assert len(held(home)) == len(file)
        wrong = Desk(desk.folder, more={"TAXII_KEY": "user:canary-wrong"}).run(
            "export", "--to", f"taxii+{home}/api1/collections/{ID}/", "--around", "192.0.2.10"
        )
        assert (wrong.code, "TAXII_KEY" in wrong.err, "canary" in wrong.err) == (4, True, False)


# --- what changes, on the real server ---------------------------------------------------------------------------------


def relationship(number: int, modified: str = "2026-01-01T00:00:00.000Z", **more: str) -> Json:
    id_ = f"relationship--{number:08x}-0000-4000-8000-000000000000"
    ends = {"source_ref": "domain-name--" + id_[14:], "target_ref": "domain-name--" + id_[14:]}
    times = {"created": "2026-01-01T00:00:00.000Z", "modified": modified}
    return {"type": "relationship", "spec_version": "2.1", "id": id_, **times, "relationship_type": "x", **ends, **more}


def name(number: int) -> Json:
    id_ = f"domain-name--{number:08x}-0000-4000-8000-000000000000"
    return {"type": "domain-name", "spec_version": "2.1", "id": id_, "value": f"n{number}.example"}


@pytest.fixture
def sending(tmp_path: Path) -> Callable[..., Pushed]:
    def send(home: str, *objects: Json, prune: bool = False, scope: str = "", most: int = 1 << 20) -> Pushed:
        target = Target("taxii", f"{home}/api1/collections/{ID}/")
        with opened(tmp_path, target.url, scope) as sent:
            sent.compare((Unit(each["id"], 0, json.dumps(each).encode()) for each in objects), prune=prune)
            sent.begin()
            receiver = TaxiiCollectionPush(target, source, "user:password", wait=lambda _: None)
            receiver.largest = most
            return send_all(sent, receiver, lambda _: None)

    return send


def test_a_change_is_a_newer_version_and_what_is_gone_is_revoked_when_asked(
    sending: Callable[..., Pushed], tmp_path: Path
) -> None:
    with medallion(tmp_path, writable=True) as (home, _):
        sending(home, relationship(1), relationship(2), name(1))
        pushed = sending(home, relationship(1, description="seen again"), name(1))
        assert pushed.sent == {UnitState.NEW: 0, UnitState.CHANGED: 1, UnitState.GONE: 0}
        last = without(held(home))
        assert last[relationship(1)["id"]]["description"] == "seen again"
        assert last[relationship(1)["id"]]["modified"] > "2026-01-01T00:00:00.001Z"
        assert "revoked" not in last[relationship(2)["id"]]
        sending(home, relationship(2), scope="another part has it, too")
        pushed = sending(home, name(2), prune=True)
        assert (pushed.sent[UnitState.NEW], pushed.sent[UnitState.GONE]) == (1, 2)
        last = without(held(home))
        assert last[relationship(1)["id"]]["revoked"] is True
        assert "revoked" not in last[relationship(2)["id"]]
        assert name(1)["id"] in last  # what has no version can't be revoked
        sending(home, relationship(1, description="and again"), name(2))
        assert "revoked" not in without(held(home))[relationship(1)["id"]]


def test_a_collection_that_may_not_be_written(sending: Callable[..., Pushed], tmp_path: Path) -> None:
    with medallion(tmp_path) as (home, _):
        assert "`can_write` is false" in str(sending(home, name(1)).stopped)


# --- one that does what servers do on bad days ------------------------------------------------------------------------


def collection(asked: Asked) -> Answer | None:
    """Return the answer about the collection and its API root, None for another question."""
    if asked.method == "GET" and asked.path == f"/api1/collections/{ID}/":
        return Answer(json.dumps({"id": ID, "title": "One", "can_read": False, "can_write": True}).encode())
    return Answer(b"{}", 403) if asked.path == "/api1/" else None


def status(kind: str, failures: list[Json] | None = None, pendings: list[Json] | None = None) -> Answer:
    body = {"id": "s", "status": kind, "failures": failures or [], "pendings": pendings or []}
    counts = {"failure_count": len(failures or []), "pending_count": len(pendings or [])}
    return Answer(json.dumps(body | counts).encode(), 202)


def served(service: Loopback, posted: Callable[[Asked], Answer], later: Answer | None = None) -> None:
    def script(asked: Asked) -> Answer:
        known = collection(asked)
        if known is not None:
            return known
        if "/status/" in asked.path:
            return later or Answer(b"{}", 404)
        return posted(asked) if asked.method == "POST" else Answer(b"{}", 403)

    service.script = script


def test_what_a_server_does_not_take_is_named_with_its_reason(sending: Callable[..., Pushed]) -> None:
    with loopback() as service:
        served(service, lambda _: status("complete", [{"id": name(2)["id"], "message": "no\x1b[31m such\nthing"}]))
        pushed = sending(service.home, name(1), name(2))
        assert pushed.refused == [(name(2)["id"], "domain-name n2.example", "no\x1b[31m such thing")]
        assert pushed.sent[UnitState.NEW] == 1
        asked = [each for each in service.asked if each.method == "POST"]
        assert (asked[0].headers["content-type"], asked[0].headers["accept"]) == (MEDIA, MEDIA)
        served(service, lambda _: status("complete"))
        assert sending(service.home, name(1), name(2)).sent[UnitState.NEW] == 1  # that alone is sent again


def test_a_server_that_takes_its_time_is_asked_until_it_is_done(sending: Callable[..., Pushed]) -> None:
    with loopback() as service:
        served(service, lambda _: status("pending", pendings=[{"id": name(1)["id"]}]), status("complete"))
        assert sending(service.home, name(1)).sent[UnitState.NEW] == 1
        served(service, lambda _: status("pending"), status("pending", pendings=[{"id": name(2)["id"]}]))
        assert sending(service.home, name(1), name(2)).refused == [
            (name(2)["id"], "domain-name n2.example", "the server is still at it")
        ]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(b"{}", 500), "HTTP 500"),
        (Answer(b"{}", 429, {"Retry-After": "99999"}), "HTTP 429"),
        (Answer(b'{"status": 7}', 202), "gives no TAXII 2.1"),
        (Answer(b'{"id":"s","status":"complete","failure_count":1}', 202), "does not say which"),
        (Answer(b'{"id":"s"', 202, cut=4), ""),
    ],
)
def test_a_push_that_ends_early_keeps_what_was_sent(sending: Callable[..., Pushed], answer: Answer, says: str) -> None:
    with loopback() as service:
        turns = [status("complete"), *[answer] * 99]
        served(service, lambda _: turns.pop(0))
        pushed = sending(service.home, *(name(number) for number in range(600)))
        assert pushed.sent[UnitState.NEW] == 500
        assert says in str(pushed.stopped or pushed.refused[0][2])
        served(service, lambda _: status("complete"))
        assert sending(service.home, *(name(number) for number in range(600))).sent[UnitState.NEW] == 100


def test_an_object_that_is_too_large_and_one_that_is_refused_alone_are_left_out(sending: Callable[..., Pushed]) -> None:
    def posted(asked: Asked) -> Answer:
        return Answer(b'{"title":"bad"}', 422) if b"n7.example" in asked.body else status("complete")

    with loopback() as service:
        served(service, posted)
        large = name(1) | {"x_text": "c" * 9_000}
        pushed = sending(service.home, large, *(name(number) for number in range(2, 40)), most=2_000)
        assert {id_: why for id_, _, why in pushed.refused} == {
            name(1)["id"]: "9,142 bytes, more than the server takes at once",
            name(7)["id"]: "HTTP 422: bad",
        }
        assert pushed.sent[UnitState.NEW] == 37
