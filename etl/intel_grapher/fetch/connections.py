"""Connections that another thread can end, and whose replies must have a whole head."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from http import client
from typing import Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection


class Timing(threading.local):
    """Times of this thread's request: `started` is monotonic seconds, the others epoch seconds (0 before).

    `connected` is set when a new connection comes about.
    """

    started = 0.0
    sent = 0.0
    answered = 0.0
    connected: threading.Event | None = None


class _Lines:
    """A reply's stream while its status line and headers are read: a line that the stream's end cuts is an error.

    `http.client` takes such a line, or the end of the stream, for the end of the headers.
    """

    def __init__(self, stream: Any) -> None:  # noqa: ANN401 - a file of http.client
        self.stream = stream
        self._begun = False

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self.stream.readline(limit)
        is_head = self._begun or line.startswith(b"HTTP/")  # else it is no HTTP, which `http.client` says
        if is_head and not line.endswith(b"\n") and len(line) != limit:
            raise client.IncompleteRead(line)
        self._begun = True
        return line

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what the stream has
        return getattr(self.stream, name)


class _Response(client.HTTPResponse):
    """A reply whose head must be whole."""

    def begin(self) -> None:
        stream, lines = self.fp, _Lines(self.fp)
        self.fp = lines  # type: ignore[assignment] # it has what is read here
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = stream


class Cuttable:
    """A connection that another thread can end, and that notes when a request has been sent.

    `_handle` is a second handle of its socket: it works whatever is wrapped around the first one, a TLS handshake that
    is under way too.
    """

    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        opened: socket.socket = super()._new_conn()  # type: ignore[misc] # the other base class has it
        self._handle = socket.socket(fileno=os.dup(opened.fileno()))
        under_way[threading.get_ident()] = (timing.started, self)
        if timing.connected is not None:
            timing.connected.set()
        return opened

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Send a request, and note when that was done."""
        under_way[threading.get_ident()] = (timing.started, self)
        super().request(*args, **kwargs)  # type: ignore[misc] # the other base class has it
        timing.sent = time.time()

    def close(self) -> None:
        """Close the connection and the second handle."""
        super().close()  # type: ignore[misc] # the other base class has it
        if self._handle is not None:
            self._handle.close()

    def hang_up(self) -> None:
        """End the connection: the thread that reads from it, or writes to it, gets an error."""
        if self._handle is not None:
            with suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)


timing: Final = Timing()
under_way: Final[dict[int, tuple[float, Cuttable]]] = {}
"""By thread: when its request began (monotonic seconds), and the connection it uses."""


class _PlainConnection(Cuttable, HTTPConnection):
    """A cuttable connection without TLS."""

    response_class = _Response


class _SecureConnection(Cuttable, HTTPSConnection):
    """A cuttable connection with TLS."""

    response_class = _Response


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS: Final = {"http": _PlainPool, "https": _SecurePool}
