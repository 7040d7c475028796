"""What the systems share: one request and its reply, what a refusal means, and how a batch is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from intel_grapher.errors import GrapherError, KeyMissingError, ServerError
from intel_grapher.fetch.http import CUT_SHORT, TIMED_OUT, TOO_SLOW, Client, HttpReply
from intel_grapher.fetch.patience import ask_again
from intel_grapher.push.sent import Todo
from intel_grapher.source import Request

PATIENCE: Final = 60.0
"""Seconds: the longest wait before a request is sent again."""
LONGEST_SAID: Final = 200
_SLOW: Final = frozenset({TIMED_OUT, TOO_SLOW, CUT_SHORT})
_REFUSED: Final = frozenset({400, 403, 405, 409, 413, 422})
_UNAUTHORISED: Final = 401
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class RefusedError(GrapherError):
    """The server refuses a batch as a whole: one of its units may be why, or its size."""


class Taken(NamedTuple):
    """What came of a batch: what the server has, each with the content that it has, and what it refused, with why."""

    done: list[tuple[Todo, bytes]]
    refused: list[tuple[Todo, str]]


class Receiver(Protocol):
    """A system that takes units. `most` units and `largest` bytes go into one request."""

    most: int
    largest: int

    def title(self, content: bytes) -> str:
        """Return what a unit is called in a message: its type and its values."""

    def start(self) -> None:
        """Learn what the server takes. Raises GrapherError where it takes nothing."""

    def send(self, batch: Sequence[Todo]) -> Taken:
        """Send a batch of one phase and state. Raises RefusedError, or GrapherError where it makes no sense to go on.

        What was sent before may be sent again.
        """

    def close(self) -> None:
        """Close the connections."""


@dataclass
class Connection:
    """Connections to one server. `variable` names its secret; `wait` waits so many seconds."""

    client: Client
    secret: str
    variable: str
    wait: Callable[[float], object] = time.sleep

    def ask(self, request: Request) -> HttpReply:
        """Return the last reply to a request, sent again while that may help."""
        return ask_again(self.client, request, self.secret, patience=PATIENCE, wait=self.wait)

    def answer(self, request: Request) -> Any:  # noqa: ANN401 - whatever JSON has
        """Return the JSON of a good reply. Raises KeyMissingError, RefusedError, or ServerError, each with why."""
        reply = self.ask(request)
        where = request.url
        if reply.fault:
            error = RefusedError if reply.fault in _SLOW and request.method == "POST" else ServerError
            raise error(f"{where}: {reply.fault}")
        if reply.status == _UNAUTHORISED or (reply.status == 403 and is_of_key(reply.body)):  # noqa: PLR2004 - HTTP's
            raise KeyMissingError(f"{where} refuses the key {self.variable}: {said(reply)}")
        if reply.status in _REFUSED:
            raise RefusedError(said(reply))
        if not 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's
            raise ServerError(f"{where}: {said(reply)}")
        try:
            return msgspec.json.decode(reply.body)
        except _NOT_JSON as wrong:
            raise ServerError(f"{where} answers something else than JSON: is that the right address?") from wrong


def said(reply: HttpReply) -> str:
    """Return what a server says of a request that it refused, in one short line."""
    told = ""
    try:
        body = msgspec.json.decode(reply.body)
    except _NOT_JSON:
        body = None
    if isinstance(body, dict):
        words = [body.get(name) for name in ("title", "name", "message", "description", "errors")]
        told = "; ".join(dict.fromkeys(shortened(each) for each in words if each))
    return f"HTTP {reply.status}" + (f": {told}" if told else "")


def shortened(value: object) -> str:
    """Return what a server said on one line, cut where it is long."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_SAID else f"{line[:LONGEST_SAID]}…"


def is_of_key(body: bytes) -> bool:
    """Tell whether a refusal with 403 is of the key, as MISP says it."""
    folded = body.lower()
    return b"authentication failed" in folded or b"api key" in folded
