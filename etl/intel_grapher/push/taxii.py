"""A TAXII 2.1 collection: objects are added to it, a newer version where they changed.

https://docs.oasis-open.org/cti/taxii/v2.1/os/taxii-v2.1-os.html, 4.3 (status), 5.2 and 5.5 (adding objects). A server
answers with a status: which objects it took, which it did not and why, which it is still at. An object is one version,
told by `modified`, and a server keeps what it has of the same version. So what changed without a newer `modified` gets
one. An object that is no longer there is sent as revoked; an observable can't be revoked, and stays.

A server may call it a failure that it has an object already. What failed is therefore asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, Final, TypeVar

import msgspec

from intel_grapher.errors import KeyMissingError, ServerError
from intel_grapher.fetch.service import backoff
from intel_grapher.fetch.taxii import ACCEPT, taxii_client
from intel_grapher.push.sent import Todo, Unit, UnitState
from intel_grapher.push.server import PATIENCE, Connection, RefusedError, Taken, shortened
from intel_grapher.push.target import Target
from intel_grapher.source import Request, Source

ENVELOPE: Final = 1 << 10
"""Bytes of an envelope around its objects, with the commas between them."""
_ASKED_AT_ONCE: Final = 20
"""Objects whose identifiers go into one URL."""
Json = dict[str, Any]
_T = TypeVar("_T")
_encode: Final = msgspec.json.encode


class _Root(msgspec.Struct):
    max_content_length: int = 0


class _Collection(msgspec.Struct):
    title: str = ""
    can_write: bool = False


class _Detail(msgspec.Struct):
    id: str
    message: str = ""


class _Status(msgspec.Struct):
    id: str
    status: str
    failures: list[_Detail] = []
    pendings: list[_Detail] = []
    failure_count: int = 0
    pending_count: int = 0


def units(spool: BinaryIO) -> Iterator[Unit]:
    """Yield the objects of a bundle that was written as `stix`: one a line."""
    next(spool)
    for line in spool:
        if line.startswith(b"]"):
            return
        content = line.rstrip(b",\n")
        id_ = msgspec.json.decode(content, type=_Detail).id
        yield Unit(id_, 0, content, id_.partition("--")[0])


class TaxiiCollectionPush:
    """A collection that is added to. `source` is the source that has the key; `key` is a token or USER:PASSWORD."""

    most = 500
    largest = 1 << 20

    def __init__(
        self, target: Target, source: Source, key: str, *, wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._url = target.url
        self._root = target.url.partition("/collections/")[0] + "/"
        client, secret = taxii_client(source, target.url, key)
        variable = source.key.variable if source.key else ""
        self._connection = Connection(client, secret, variable, wait)

    def close(self) -> None:
        """Close the connections."""
        self._connection.client.close()

    def title(self, content: bytes) -> str:
        """Return the type of an object, with its value or name where it has one."""
        made: Json = msgspec.json.decode(content)
        told = made.get("value") or made.get("name") or " ".join(made.get("hashes", {}).values())
        return shortened(f"{made['type']} {told}".strip())

    def start(self) -> None:
        """Learn what the collection takes. Raises GrapherError where it takes nothing."""
        try:
            found = self._read(self._url, _Collection)
        except RefusedError as refusal:
            raise ServerError(f"{self._url}: {refusal}") from refusal
        if not found.can_write:
            raise ServerError(f"{self._url} takes no objects: it says `can_write` is false for this key")
        try:
            most = self._read(self._root, _Root).max_content_length
        except (ServerError, RefusedError, KeyMissingError):  # not every key may read it
            return
        if most > 0:
            self.largest = max(1, min(self.largest, most - ENVELOPE))

    def send(self, batch: Sequence[Todo]) -> Taken:
        """Send a batch; see `Receiver`."""
        whole = [(each, _prepared(each)) for each in batch]
        now = [(each, content) for each, content in whole if content and len(content) <= self.largest]
        refused = [
            (each, f"{len(content):,} bytes, more than the server takes at once")
            for each, content in whole
            if content and len(content) > self.largest
        ]
        done = [(each, each.unit.content) for each, content in whole if not content]  # what can't be revoked
        if now:
            body = b'{"objects":[' + b",".join(content for _, content in now) + b"]}"
            failed = self._posted(body)
            there = self._there({each.unit.id: content for each, content in now if each.unit.id in failed})
            done += [(each, content) for each, content in now if each.unit.id not in failed or each.unit.id in there]
            refused += [
                (each, failed[each.unit.id]) for each, _ in now if each.unit.id in failed and each.unit.id not in there
            ]
        return Taken(done, refused)

    def _posted(self, body: bytes) -> dict[str, str]:
        """Add objects; return those that the server did not take, or is still at, each with why."""
        answer = self._connection.answer(
            Request(f"{self._url}objects/", method="POST", accept=ACCEPT, content=body, content_type=ACCEPT)
        )
        status = self._typed(answer, _Status)
        waited, attempt = 0.0, 1
        while status.status == "pending" and waited < PATIENCE:
            pause = backoff(attempt, PATIENCE / 4)
            self._connection.wait(pause)
            waited, attempt = waited + pause, attempt + 1
            status = self._read(f"{self._root}status/{status.id}/", _Status)
        failed = {each.id: shortened(each.message) or "the server gives no reason" for each in status.failures}
        failed |= {each.id: "the server is still at it" for each in status.pendings}
        if (status.failure_count and not status.failures) or (status.pending_count and not status.pendings):
            raise ServerError(
                f"{self._url} took not all of a batch, and does not say which: {status.failure_count} failed, "
                f"{status.pending_count} are pending"
            )
        return failed

    def _there(self, wanted: Mapping[str, bytes]) -> set[str]:
        """Return which of some objects the collection has, in this version or a later one."""
        found: set[str] = set()
        ids = list(wanted)
        for start in range(0, len(ids), _ASKED_AT_ONCE):
            some = ids[start : start + _ASKED_AT_ONCE]
            query = {"match[id]": ",".join(some), "limit": str(_ASKED_AT_ONCE)}
            try:
                answer = self._connection.answer(Request(f"{self._url}objects/", query=query, accept=ACCEPT))
            except (ServerError, RefusedError, KeyMissingError):  # it may not be read
                return found
            objects = answer.get("objects", []) if isinstance(answer, dict) else []
            for each in objects if isinstance(objects, list) else []:
                if isinstance(each, dict) and each.get("id") in wanted:
                    own = msgspec.json.decode(wanted[each["id"]]).get("modified", "")
                    if not own or _moment(str(each.get("modified", ""))) >= _moment(own):
                        found.add(each["id"])
        return found

    def _read(self, url: str, type_: type[_T]) -> _T:
        return self._typed(self._connection.answer(Request(url, accept=ACCEPT)), type_)

    def _typed(self, answer: object, type_: type[_T]) -> _T:
        try:
            return msgspec.convert(answer, type_)
        except msgspec.ValidationError as wrong:
            raise ServerError(f"{self._url} gives no TAXII 2.1: {wrong}") from wrong


def _prepared(todo: Todo) -> bytes:
    """Return an object as it is sent: newer than what was sent of it, if that differs. Empty where nothing can be."""
    made: Json = msgspec.json.decode(todo.unit.content)
    if todo.state is UnitState.GONE:
        if "modified" not in made or made["type"] == "marking-definition":
            return b""
        return _encode({**made, "modified": _after(made["modified"]), "revoked": True})
    if "modified" not in made or todo.old is None:
        return todo.unit.content
    before: Json = msgspec.json.decode(todo.old)
    if {**before, "modified": ""} == {**made, "modified": ""}:
        return todo.old
    if _moment(made["modified"]) <= _moment(before.get("modified", "")):
        made["modified"] = _after(before["modified"])
    return _encode(made)


def _moment(text: str) -> datetime:
    """Return a moment of STIX; one long ago for a text that is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _after(moment: str) -> str:
    """Return now, or a millisecond after a moment that is later, as STIX writes it."""
    later = max(datetime.now(UTC), _moment(moment) + timedelta(milliseconds=1))
    return later.strftime("%Y-%m-%dT%H:%M:%S.") + f"{later.microsecond // 1000:03}Z"
