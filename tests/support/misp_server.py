"""A MISP on the loopback address: the part of its API that a push uses, with what it refuses and leaves out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback import Answer, Asked, Loopback, loopback

KEY = "misp-canary-key-0123456789abcdef"
Json = dict[str, Any]


@dataclass
class Misp:
    """Its events by UUID. `bad` are values that it drops in silence, as MISP does what it finds no good value."""

    service: Loopback
    events: dict[str, Json] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)
    most: int = 1 << 20

    @property
    def home(self) -> str:
        return self.service.home

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != KEY:
            return _told(403, "Authentication failed. Please make sure you pass the API key of an API enabled user.")
        if asked.path == "/servers/getVersion":
            return Answer(json.dumps({"version": "2.5.1", "perm_sync": True}).encode())
        if len(asked.body) > self.most:
            return Answer(b"<html>Request Entity Too Large</html>", 413)
        return self._asked(asked.path, json.loads(asked.body))

    def _asked(self, path: str, body: Json) -> Answer:
        if path == "/attributes/restSearch":
            held = [each for event in self.events.values() for each in attributes(event) if not each.get("deleted")]
            there = [each for each in held if each["uuid"] in body["uuid"]]
            return Answer(json.dumps({"response": {"Attribute": there}}).encode())
        event = body["Event"]
        if path == "/events/add/metadata:1":
            if event["uuid"] in self.events:
                return _told(404, "Event already exists, if you would like to edit it, use the url in the location…")
            self.events[event["uuid"]] = {**event, "Attribute": [], "Object": []}
            return Answer(json.dumps({"Event": event}).encode())
        uuid = path.split("/")[3]
        if uuid not in self.events:
            return _told(404, "Invalid event")
        self.edit(self.events[uuid], event)
        return Answer(json.dumps({"Event": {"uuid": uuid}}).encode())

    def edit(self, event: Json, sent: Json) -> None:
        event |= {name: sent[name] for name in ("info", "date", "Tag") if name in sent}
        for made in sent.get("Attribute", []):
            self._put(event["Attribute"], made, event)
        for made in sent.get("Object", []):
            held = _held(event["Object"], made["uuid"])
            if held is None and self._is_elsewhere(made["uuid"], event):
                continue
            if held is None:
                held = {**made, "Attribute": [], "ObjectReference": []}
                event["Object"].append(held)
            held |= {name: made[name] for name in ("comment", "first_seen", "last_seen", "deleted") if name in made}
            for each in made.get("Attribute", []):
                self._put(held["Attribute"], each, event)
        known = {each["uuid"] for each in (*event["Attribute"], *event["Object"])}
        for made in sent.get("Object", []):
            held = _held(event["Object"], made["uuid"])
            for each in made.get("ObjectReference", []) if held else []:
                if each["referenced_uuid"] in known and held is not None:
                    held["ObjectReference"] = [it for it in held["ObjectReference"] if it["uuid"] != each["uuid"]]
                    held["ObjectReference"] += [] if each.get("deleted") else [each]

    def _put(self, among: list[Json], made: Json, event: Json) -> None:
        if made["value"] in self.bad or self._is_elsewhere(made["uuid"], event):
            return
        held = _held(among, made["uuid"])
        if held is None:
            among.append(dict(made))
        else:
            held |= made

    def _is_elsewhere(self, uuid: str, event: Json) -> bool:
        return any(
            uuid in {each["uuid"] for each in (*attributes(other), *other["Object"])}
            for other in self.events.values()
            if other is not event
        )


def attributes(event: Json) -> list[Json]:
    """Return the attributes of an event, those of its objects among them."""
    return [*event["Attribute"], *(each for one in event["Object"] for each in one["Attribute"])]


def there(event: Json) -> tuple[set[str], set[str], set[str]]:
    """Return the UUIDs of what is in an event and not deleted: attributes, objects, references."""
    objects = [each for each in event["Object"] if not each.get("deleted")]
    held = [each for each in event["Attribute"] if not each.get("deleted")]
    held += [each for one in objects for each in one["Attribute"] if not each.get("deleted")]
    references = {each["uuid"] for one in objects for each in one["ObjectReference"]}
    return {each["uuid"] for each in held}, {each["uuid"] for each in objects}, references


def exported(event: Json) -> tuple[set[str], set[str], set[str]]:
    """Return the UUIDs of an event as `export` writes it to a file."""
    references = {each["uuid"] for one in event["Object"] for each in one.get("ObjectReference", [])}
    return {each["uuid"] for each in attributes(event)}, {each["uuid"] for each in event["Object"]}, references


def _held(among: list[Json], uuid: str) -> Json | None:
    return next((each for each in among if each["uuid"] == uuid), None)


def _told(status: int, words: str) -> Answer:
    return Answer(json.dumps({"name": words, "message": words, "url": "/events"}).encode(), status)


@contextmanager
def misp() -> Iterator[Misp]:
    with loopback() as service:
        made = Misp(service)
        service.script = made.answer
        yield made
