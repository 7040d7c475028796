"""A service on the loopback address that answers as it is told to, and remembers what it was asked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import RESOLVES, Address, Hostname
from intel_grapher.source import ApiKey, Outcome, Rate, Source


@dataclass(frozen=True)
class Asked:
    """One request as it came: when (monotonic seconds), and what."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.query.get("q", "")


@dataclass(frozen=True)
class Answer:
    """What is sent back. `raw` is sent instead of a proper reply; `cut` bytes are held back at the end.

    `delay` is in seconds before the first byte; `drip` is a block that is sent for ever after the body.
    """

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int = 0
    raw: bytes = b""
    drip: bytes = b""


def found(*addresses: str, **more: str) -> Answer:
    return Answer(json.dumps({"found": True, "addresses": addresses, **more}).encode())


NOTHING = Answer(json.dumps({"found": False}).encode())
Script = Callable[[Asked], Answer]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, service: Loopback, *args: Any) -> None:  # noqa: ANN401 - as the base class has it
        self.service = service
        super().__init__(*args)

    def log_message(self, *_: object) -> None:
        pass

    def handle_any(self) -> None:
        at = time.monotonic()
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(at, self.command, parts.path, query, headers, self.rfile.read(length))
        with self.service.lock:
            self.service.asked.append(asked)
            answer = self.service.script(asked)
        try:
            time.sleep(answer.delay)
            if answer.raw:
                self.send_raw(answer)
            else:
                self.send(answer)
        except OSError:
            self.close_connection = True

    def send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        if answer.drip:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) - answer.cut])
        if answer.cut:
            self.close_connection = True
        while answer.drip:
            self.wfile.write(answer.drip)

    def send_raw(self, answer: Answer) -> None:
        self.close_connection = True
        self.wfile.write(answer.raw)
        while answer.drip:
            time.sleep(0.01)
            self.wfile.write(answer.drip)

    do_GET = do_POST = do_CONNECT = handle_any  # noqa: N815 - the base class asks for these names


class Loopback:
    """The server: `script` decides on each answer; `asked` has what came, in its order."""

    def __init__(self) -> None:
        self.script: Script = lambda _: found("192.0.2.1")
        self.asked: list[Asked] = []
        self.lock = Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self))
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client may hang up
        self.home = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def keys(self) -> list[str]:
        """What it was asked for, in order."""
        return [each.key for each in self.asked]


@contextmanager
def loopback() -> Iterator[Loopback]:
    service = Loopback()
    thread = Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.server.shutdown()
        service.server.server_close()
        thread.join()


class Reply(Struct):
    found: bool = True
    addresses: list[Address] = []
    next: str = ""


def source(
    home: str,
    name: str = "loopback",
    *,
    limits: tuple[Rate, ...] = (),
    key: ApiKey | None = None,
    retired: str = "",
) -> Source:
    """Return a source at the loopback service with one endpoint, `names`, that is asked for DNS names."""
    made = Source(
        name,
        title=name.title(),
        home=home,
        limits=limits,
        key=key,
        retired=retired,
        judge=lambda reply: Outcome.FOUND if reply.found else Outcome.NOT_FOUND,
    )

    @made.get("/names", {"q": "{key}"}, more=lambda reply: {"page": reply.next} if reply.next else None)
    def names(asked: Hostname, reply: Reply) -> Facts:
        """Addresses of a name."""
        yield RESOLVES.each(asked, reply.addresses)

    return made


def at_path(home: str) -> Source:
    """Return a source whose one endpoint has the address that is asked for in its path."""
    made = Source("pathed", title="Pathed", home=home, limits=())

    @made.get("/ip/{key}")
    def ip(asked: Address, reply: Reply) -> Facts:  # noqa: ARG001 - its type says how replies are read
        """Nothing but the address."""
        yield RESOLVES.each([], asked)

    return made
