"""An event of a MISP: made once, then edited.

https://www.misp-project.org/openapi/. `events/add` makes an event by its UUID, and refuses one that is there.
`events/edit` adds the attributes and objects that it does not know by their UUIDs, changes the others, and leaves alone
what a request does not name. So an event is sent in parts: its head, its attributes and objects, then the references,
for a reference to what is not there yet is dropped. What is no longer there is sent with `deleted`.

A MISP drops an attribute that it does not like without a word: its log alone says why. So the attributes of each batch
are asked for, and what is missing is reported. An event that is edited is no longer published.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Final
from uuid import uuid4

import msgspec

from intel_grapher.errors import ServerError, UsageError
from intel_grapher.fetch.http import Client
from intel_grapher.push.sent import Todo, Unit, UnitState
from intel_grapher.push.server import Connection, RefusedError, Taken, shortened
from intel_grapher.push.target import Target
from intel_grapher.source import ApiKey, Request, Source

KEY: Final = "MISP_API_KEY"
HEAD, CONTENT, REFERENCES = range(3)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STUB: Final = ("uuid", "name", "meta-category", "template_uuid", "template_version")
"""What of an object goes with its references."""
Json = dict[str, Any]
_encode: Final = msgspec.json.encode


def event_named(text: str) -> str:
    """Return the UUID that an option names; a new one for `new`. Raises UsageError."""
    if text == "new":
        return str(uuid4())
    if not _UUID.fullmatch(text.lower()):
        raise UsageError(f"--event {text!r} is no UUID of an event; `new` makes another event")
    return text.lower()


def units(spool: BinaryIO) -> Iterator[Unit]:
    """Yield the units of an event that was written as `misp`: a head, then an attribute or object a line."""
    head = msgspec.json.decode(next(spool).rstrip() + b"]}}")["Event"]
    yield Unit(
        "event", HEAD, _encode({"Event": {name: value for name, value in head.items() if name != "Attribute"}}), "event"
    )
    kind = "Attribute"
    for line in spool:
        if line.startswith(b"]"):
            kind = "Object"
            continue
        made: Json = msgspec.json.decode(line.rstrip(b",\n"))
        references = made.pop("ObjectReference", [])
        what = made["type"] if kind == "Attribute" else f"object {made['name']}"
        yield Unit(made["uuid"], CONTENT, _encode({kind: made}), what)
        stub = {name: made[name] for name in _STUB if name in made}
        for each in references:
            yield Unit(each["uuid"], REFERENCES, _encode({"Object": stub | {"ObjectReference": [each]}}), "reference")


class MispEvent:
    """An event that is sent to. `is_there` says that the server has it, so that it is not made."""

    most = 200
    largest = 1 << 20

    def __init__(
        self, target: Target, event: str, key: str, *, is_there: bool, wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._url = target.url
        self._event = event
        self._is_there = is_there
        source = Source("misp_event", title="MISP", home=target.url, limits=(), key=ApiKey(KEY, header="Authorization"))
        self._connection = Connection(Client(source), key, KEY, wait)

    def close(self) -> None:
        """Close the connections."""
        self._connection.client.close()

    def title(self, content: bytes) -> str:
        """Return the type and the value of an attribute, or the name and the values of an object."""
        ((kind, made),) = msgspec.json.decode(content).items()
        if kind == "Attribute":
            return shortened(f"{made['type']} {made['value']}")
        return shortened(" ".join([made.get("name", kind), *(each["value"] for each in made.get("Attribute", ()))]))

    def start(self) -> None:
        """Learn whether it is a MISP. Raises GrapherError where it is none, or does not know the key."""
        found = self._ask("servers/getVersion", None)
        if not isinstance(found, dict) or "version" not in found:
            raise ServerError(f"{self._url} is no MISP: it tells no version")

    def send(self, batch: Sequence[Todo]) -> Taken:
        """Send a batch; see `Receiver`."""
        if batch[0].unit.phase == HEAD:
            for each in batch:
                self._head(msgspec.json.decode(each.unit.content)["Event"])
            return _all(batch)
        event: Json = {"uuid": self._event}
        for each in batch:
            self._put(event, each)
        answer = self._edit(event)
        if batch[0].unit.phase == REFERENCES or batch[0].state is UnitState.GONE:
            return _all(batch)
        return self._compared(batch, answer)

    def _head(self, head: Json) -> None:
        """Make the event, or change what is told of it as a whole."""
        if not self._is_there:
            try:
                self._ask("events/add/metadata:1", {"Event": head})
            except (RefusedError, ServerError) as refusal:
                if "already exists" not in str(refusal):
                    raise ServerError(f"{self._url} does not take the event: {refusal}") from refusal
            else:
                self._is_there = True
                return
            self._is_there = True
        self._edit({"uuid": self._event, **{name: head[name] for name in ("info", "date", "Tag") if name in head}})

    def _put(self, event: Json, todo: Todo) -> None:
        """Put a unit into the event that is sent: what is gone as deleted, and so what is gone of a changed object."""
        ((kind, made),) = msgspec.json.decode(todo.unit.content).items()
        if kind == "Event":  # of what is gone: an event is not deleted
            return
        deleted = todo.state is UnitState.GONE
        if todo.unit.phase == CONTENT:  # told of all: one that was deleted may have come back
            for each in (made, *made.get("Attribute", ())):
                each["deleted"] = deleted
        if deleted:
            for each in made.get("ObjectReference", ()):
                each["deleted"] = True
        elif todo.old is not None and kind == "Object" and todo.unit.phase == CONTENT:
            own = {each["uuid"] for each in made["Attribute"]}
            before = msgspec.json.decode(todo.old)["Object"]["Attribute"]
            made["Attribute"] += [{**each, "deleted": True} for each in before if each["uuid"] not in own]
        same = next((each for each in event.get(kind, ()) if each["uuid"] == made["uuid"]), None)
        if same is not None and todo.unit.phase == REFERENCES:
            same["ObjectReference"] += made["ObjectReference"]
        else:
            event.setdefault(kind, []).append(made)

    def _edit(self, event: Json) -> Any:  # noqa: ANN401 - whatever JSON has
        try:
            return self._ask(f"events/edit/{self._event}/metadata:1", {"Event": event})
        except ServerError as error:
            if "HTTP 404" in str(error):
                raise ServerError(
                    f"the event {self._event} is not at {self._url}, or no longer: `--event new` makes another one"
                ) from error
            raise

    def _compared(self, batch: Sequence[Todo], answer: object) -> Taken:
        """Return which units of a batch the server has, all attributes of each."""
        wanted = {each.unit.id: _attributes(each.unit) for each in batch}
        asked: Json = {"returnFormat": "json", "uuid": [uuid for uuids in wanted.values() for uuid in uuids]}
        told = self._ask("attributes/restSearch", asked)
        try:
            found = {each["uuid"] for each in told["response"]["Attribute"]}
        except (TypeError, KeyError) as wrong:
            raise ServerError(f"{self._url} does not tell which attributes it has") from wrong
        why = "the server left it out: the log of MISP says why"
        if isinstance(answer, dict) and answer.get("errors"):
            why = f"the server left it out: {_encode(answer['errors']).decode()[:200]}"
        done = [(each, each.unit.content) for each in batch if wanted[each.unit.id] <= found]
        return Taken(done, [(each, why) for each in batch if not wanted[each.unit.id] <= found])

    def _ask(self, path: str, body: Json | None) -> Any:  # noqa: ANN401 - whatever JSON has
        content = b"" if body is None else _encode(body)
        kind = "application/json"
        method = "GET" if body is None else "POST"
        return self._connection.answer(
            Request(f"{self._url}/{path}", method=method, accept=kind, content=content, content_type=kind)
        )


def _all(batch: Sequence[Todo]) -> Taken:
    return Taken([(each, each.unit.content) for each in batch], [])


def _attributes(unit: Unit) -> set[str]:
    """Return the UUIDs of a unit's attributes."""
    ((kind, made),) = msgspec.json.decode(unit.content).items()
    return {made["uuid"]} if kind == "Attribute" else {each["uuid"] for each in made["Attribute"]}
