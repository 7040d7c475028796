"""An event of a MISP: made once, edited then, whole after a kill, and what it does not take is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from command import Desk, Ran, contents
from loopback import Answer, Asked
from misp_server import KEY, Misp, exported, misp, there

from intel_grapher.push.misp import MispEvent, units
from intel_grapher.push.pushing import Pushed, send_all
from intel_grapher.push.sent import Unit, UnitState, opened
from intel_grapher.push.target import Target

AROUND = ("--around", "example.com", "--hops", "2")


def push(desk: Desk, server: Misp, *arguments: str) -> Ran:
    return desk.run("export", "--to", server.home.replace("http", "misp+http"), *arguments)


def edits(server: Misp) -> list[dict[str, Any]]:
    found = [json.loads(each.body)["Event"] for each in server.service.asked if "/events/edit" in each.path]
    server.service.asked.clear()
    return found


def test_an_event_is_made_and_has_all_that_the_file_has_and_the_next_push_asks_nothing(desk: Desk) -> None:
    with misp() as server:
        ran = push(desk, server, "--json")
        assert ran.code == 0, ran.err
        ((uuid, event),) = server.events.items()
        assert ran.json["event"] == uuid
        assert {each["name"] for each in event["Tag"]} == {"tlp:amber+strict"}
        desk.run("export", "--format", "misp", "-o", "file.misp.json")
        file = json.loads((desk.folder / "file.misp.json").read_text())["Event"]
        assert [len(each) for each in there(event)] == [len(each) for each in exported(file)]
        assert ran.json["new"] == 1 + sum(map(len, there(event)[1:])) + len(event["Attribute"])
        server.service.asked.clear()
        again = push(desk, server, "--json").json
        assert (again["new"], again["changed"], again["there_already"]) == (0, 0, ran.json["new"])
        assert server.service.asked == []
    for name, content in contents(desk.folder).items():
        assert KEY.encode() not in content, name


def test_two_parts_are_two_events_and_none_loses_what_both_have(desk: Desk) -> None:
    with misp() as server:
        for arguments in (AROUND, ("--around", "192.0.2.10")):
            assert push(desk, server, *arguments).code == 0
        one, other = server.events.values()
    values = [{each["value"] for each in event["Attribute"]} for event in (one, other)]
    assert "192.0.2.10" in values[0] & values[1]
    assert one["info"] == "intel-grapher around example.com, 2 hops, hub 500"


def test_a_dry_run_asks_nothing_and_keeps_nothing(desk: Desk) -> None:
    with misp() as server:
        ran = push(desk, server, *AROUND, "--dry-run", "--json")
        assert (ran.code, ran.json["dry_run"], ran.json["event"], server.service.asked) == (0, True, None, [])
        assert ran.json["new"] == sum(ran.json["kinds"].values()) > 10
        assert {"event", "domain", "object domain-ip", "reference"} <= ran.json["kinds"].keys()
        assert push(desk, server, *AROUND).code == 0
        ran = push(desk, server, *AROUND, "--dry-run")
        assert "would send 0 objects" in ran.err


def test_what_is_marked_more_strictly_never_leaves(desk: Desk) -> None:
    with misp() as server:
        ran = push(desk, server, "--max-tlp", "green")
        assert ran.code == 0
        assert re.search(r"left out: \d+ nodes marked more strictly than TLP:GREEN", ran.err)
        assert not any(b'"invoice-portal.example"' in each.body for each in server.service.asked)


def test_what_a_server_leaves_out_is_named(desk: Desk) -> None:
    with misp() as server:
        server.bad = {"192.0.2.10"}
        ran = push(desk, server, *AROUND, "--json")
        assert ran.code == 3
        refused = ran.json["refused"]
        assert all("left it out" in each["reason"] for each in refused)
        assert "ip-dst 192.0.2.10" in {each["what"] for each in refused}
        attribute = next(iter(server.events.values()))["Attribute"]
        assert "example.com" in {each["value"] for each in attribute}
        server.bad = set()
        again = push(desk, server, *AROUND, "--json").json
        assert (again["new"], again["refused"]) == (len(refused), [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "misp://u:secret@misp.example"], "no secret belongs into an address"),
        (["--to", "misp+http://misp.example"], "by https"),
        (["--to", "https://misp.example"], "does not say what is there"),
        (["--to", "misp://"], "is no address"),
        (["--to", "misp://misp.example:99999"], "is no address"),
        (["--to", "misp://misp.example/?a=1"], "is no address"),
        (["--to", "misp://misp.example", "--format", "stix"], "no other format than misp"),
        (["--to", "misp://misp.example", "-o", "a.json"], "takes no -o"),
        (["--to", "misp://misp.example", "--event", "7"], "is no UUID"),
        (["--to", "taxii+https://taxii.example/api/"], "is no collection"),
        (["--to", "taxii+http://taxii.example/api/collections/1/"], "asked by https"),
        (["--to", "taxii://taxii.example/api/collections/1/", "--event", "new"], "has no events"),
        (["--prune", "-o", "a.jsonl"], "--prune is for --to"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(desk: Desk, arguments: list[str], says: str) -> None:
    ran = desk.run("export", *arguments, *AROUND)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert "secret@" not in ran.err


def test_without_a_key_nothing_is_asked(desk: Desk) -> None:
    with misp() as server:
        ran = push(Desk(desk.folder), server, *AROUND)
        assert (ran.code, server.service.asked) == (4, [])
        assert push(Desk(desk.folder, more={"MISP_API_KEY": "canary-wrong"}), server, *AROUND).code == 4
    assert "keys set MISP_API_KEY" in ran.err


def test_a_push_that_is_killed_goes_on_and_doubles_nothing(desk: Desk) -> None:
    with misp() as server:
        at_work = server.service.script

        def slowly(asked: Asked) -> Answer:
            if sum("/events/edit" in each.path for each in server.service.asked) == 2:
                process.kill()
            return at_work(asked)

        server.service.script = slowly
        process = desk.start("export", "--to", server.home.replace("http", "misp+http"))
        process.communicate(timeout=120)
        server.service.script = at_work
        first = len(edits(server))
        ran = push(desk, server)
        assert ran.code == 0, ran.err
        assert first == 2
        ((_, event),) = server.events.items()
        named = [each["uuid"] for each in event["Attribute"]]
        assert len(named) == len(set(named))
        desk.run("export", "--format", "misp", "-o", "file.misp.json")
        assert [len(each) for each in there(event)] == [
            len(each) for each in exported(json.loads((desk.folder / "file.misp.json").read_text())["Event"])
        ]


# --- what changes -----------------------------------------------------------------------------------------------------


def attribute(number: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON has
    id_ = f"{number:08x}-0000-4000-8000-000000000000"
    return {"uuid": id_, "type": "domain", "category": "Network activity", "value": f"n{number}.example", **more}


def unit(kind: str, made: dict[str, Any]) -> Unit:
    return Unit(made["uuid"], 1, json.dumps({kind: made}).encode())


HEAD = Unit("event", 0, json.dumps({"Event": {"uuid": "", "info": "a", "date": "2026-01-01"}}).encode())


@pytest.fixture
def sending(tmp_path: Path) -> Callable[..., Pushed]:
    event = str(uuid4())
    head = Unit("event", 0, HEAD.content.replace(b'"uuid": ""', f'"uuid": "{event}"'.encode()))

    def send(server: Misp, *made: Unit, prune: bool = False) -> Pushed:
        target = Target("misp", server.home)
        with opened(tmp_path, target.url, "") as sent:
            counts = sent.compare([head, *made], prune=prune, event=event)
            assert counts.new + counts.changed + counts.gone + counts.same >= len(made)
            sent.begin(event)
            receiver = MispEvent(target, event, KEY, is_there=sent.has_head(), wait=lambda _: None)
            return send_all(sent, receiver, lambda _: None)

    return send


def test_what_changed_is_edited_and_what_is_gone_is_taken_back_when_asked(sending: Callable[..., Pushed]) -> None:
    object_ = {"uuid": attribute(9)["uuid"], "name": "file", "template_uuid": "x", "Attribute": [attribute(1)]}
    with misp() as server:
        sending(server, unit("Attribute", attribute(3)), unit("Attribute", attribute(4)), unit("Object", object_))
        changed = {**object_, "Attribute": [attribute(2)], "comment": "seen again"}
        pushed = sending(server, unit("Attribute", attribute(3, to_ids=True)), unit("Object", changed))
        assert pushed.sent == {UnitState.NEW: 0, UnitState.CHANGED: 2, UnitState.GONE: 0}
        ((_, event),) = server.events.items()
        assert [each["to_ids"] for each in event["Attribute"] if "to_ids" in each] == [True]
        assert there(event)[0] == {attribute(n)["uuid"] for n in (2, 3, 4)}  # what the object no longer has is deleted
        pushed = sending(server, unit("Object", changed), prune=True)
        assert pushed.sent[UnitState.GONE] == 2
        assert there(event)[:2] == ({attribute(2)["uuid"]}, {object_["uuid"]})
        sending(server, unit("Object", changed), unit("Attribute", attribute(4)))
        assert there(event)[0] == {attribute(n)["uuid"] for n in (2, 4)}  # it came back


def test_a_batch_that_is_too_large_is_halved_until_it_fits(sending: Callable[..., Pushed]) -> None:
    with misp() as server:
        server.most = 2_000
        many = [unit("Attribute", attribute(number)) for number in range(1, 60)]
        pushed = sending(server, *many, unit("Attribute", attribute(60, comment="c" * 3_000)))
        assert pushed.sent[UnitState.NEW] == 60  # the head among them
        assert pushed.refused == [(attribute(60)["uuid"], "domain n60.example", "HTTP 413")]
        assert pushed.stopped is None


def test_a_server_that_refuses_all_is_not_asked_about_each(sending: Callable[..., Pushed]) -> None:
    with misp() as server:
        sending(server)
        at_work = server.service.script
        server.service.script = lambda asked: (
            Answer(b'{"name":"not yours"}', 403) if "edit" in asked.path else at_work(asked)
        )
        pushed = sending(server, *(unit("Attribute", attribute(number)) for number in range(1, 150)))
        assert "nothing is taken: HTTP 403: not yours" in str(pushed.stopped)
        assert len(server.service.asked) < 60


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (Answer(b'{"name":"Authentication failed."}', 403), 4, "refuses the key MISP_API_KEY"),
        (Answer(b"{}", 401), 4, "refuses the key"),
        (Answer(b"<html>", 200), 1, "something else than JSON"),
        (Answer(b"{}", 200), 1, "is no MISP"),
        (Answer(b"", 302, {"Location": "https://elsewhere.example/"}), 1, "redirected elsewhere"),
        (Answer(b"{}", 429, {"Retry-After": "99999"}), 1, "HTTP 429"),
        (Answer(b"{}", 500), 1, "HTTP 500"),
        (Answer(raw=b"HTTP/1.1 nonsense\r\n\r\n"), 1, "not HTTP"),
        (Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b'{"version":"' + KEY.encode()), 1, "something else than JSON"),
    ],
)
def test_a_server_that_is_none_or_does_not_want_us(
    sending: Callable[..., Pushed], answer: Answer, code: int, says: str
) -> None:
    with misp() as server:
        server.service.script = lambda _: answer
        pushed = sending(server, unit("Attribute", attribute(1)))
    assert pushed.stopped is not None
    assert (pushed.done, pushed.stopped.exit_code) == (0, code)
    assert says in str(pushed.stopped)
    assert KEY not in str(pushed.stopped)


def test_an_event_that_was_deleted_there_is_said_to_be_gone(sending: Callable[..., Pushed]) -> None:
    with misp() as server:
        sending(server)
        server.events.clear()
        pushed = sending(server, unit("Attribute", attribute(1)))
        assert "`--event new` makes another one" in str(pushed.stopped)


def test_an_event_whose_making_was_not_recorded_is_not_made_twice(
    sending: Callable[..., Pushed], tmp_path: Path
) -> None:
    with misp() as server:
        sending(server, unit("Attribute", attribute(1)))
        for path in tmp_path.glob("sent.sqlite*"):
            path.unlink()
        pushed = sending(server, unit("Attribute", attribute(1)))
        assert pushed.sent[UnitState.NEW] == 2
        ((_, event),) = server.events.items()
        assert len(event["Attribute"]) == 1


def test_another_event_is_begun_with_everything_and_takes_nothing_back(desk: Desk) -> None:
    with misp() as server:
        first = push(desk, server, *AROUND, "--json").json
        again = push(desk, server, "--around", "example.com", "--hops", "2", "--event", "new", "--prune", "--json").json
        assert (again["new"], again["changed"], again["taken_back"]) == (first["new"], 0, 0)
        assert set(server.events) == {first["event"], again["event"]}
        one, other = (server.events[each["event"]] for each in (first, again))
        assert [len(each) for each in there(one)] == [len(each) for each in there(other)]


def test_units_of_a_file_are_its_head_its_parts_and_its_references(desk: Desk) -> None:
    desk.run("export", "--format", "misp", "-o", "units.misp.json")
    with (desk.folder / "units.misp.json").open("rb") as spool:
        found = list(units(spool))
    file = json.loads((desk.folder / "units.misp.json").read_text())["Event"]
    _, objects, references = exported(file)
    assert {each.id for each in found} == {"event", *objects, *references, *(it["uuid"] for it in file["Attribute"])}
    assert [each.phase for each in found if each.phase != 2][:2] == [0, 1]
