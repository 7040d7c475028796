"""A real S3 server (moto's) on the loopback interface, behind a front that cuts the connection at a chosen request."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Literal

import pytest

Cut = Literal["before", "after", "half", "busy"]
CUTS: tuple[Cut, ...] = ("before", "after", "half")
"""Before a request is forwarded; when the server has done it, with no answer; with half of the answer.

`busy` is no cut: the server says that it has too much to do.
"""
BUCKET = "bucket"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "canary-id", "AWS_SECRET_ACCESS_KEY": "canary-secret-of-a-store"}


class S3Server:
    """What tests set and see of the server.

    Attributes:
        requests: method and path of what came, in order.
        cut_at: numbers of the requests that are cut, from 0, and how; empty for none.
        refuses: methods that are refused, as to somebody who has no right to.
        unconditional: whether the conditions of writes are passed over.
    """

    def __init__(self, port: int) -> None:
        self.requests: list[tuple[str, str]] = []
        self.cut_at: dict[int, Cut] = {}
        self.refuses: set[str] = set()
        self.unconditional = False
        self._upstream = port
        self._one = Lock()  # moto compares and writes in two steps; a real server does that in one
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_any(self) -> None:
                front.serve(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_any  # noqa: N815 - names of the base class

            def log_message(self, *_: object) -> None:
                pass

        self._front = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._front.server_port}"
        Thread(target=self._front.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._front.shutdown()
        self._front.server_close()

    def environment(self) -> dict[str, str]:
        """Return the variables by which a command finds it."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": "us-east-1", "NO_PROXY": "127.0.0.1"}

    def cut(self, how: Cut, *numbers: int) -> None:
        """Begin to count requests anew, and cut those of some numbers."""
        with self._one:
            self.requests.clear()
            self.cut_at = dict.fromkeys(numbers, how)

    def serve(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        with self._one:
            how = self.cut_at.get(len(self.requests))
            self.requests.append((asked.command, asked.path))
            if how == "before":
                asked.close_connection = True
                return
            if how == "busy" or asked.command in self.refuses:
                asked.send_response_only(503 if how == "busy" else 403)
                asked.end_headers()
                return
            answer, content = self._forward(asked, body)
        if how == "after":
            asked.close_connection = True
            return
        asked.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding"}:
                asked.send_header(name, value)
        asked.end_headers()
        asked.wfile.write(content[: len(content) // 2] if how == "half" else content)

    def _forward(self, asked: BaseHTTPRequestHandler, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        headers = dict(asked.headers.items())
        if self.unconditional:
            headers = {name: value for name, value in headers.items() if not name.lower().startswith("if-")}
        connection = http.client.HTTPConnection("127.0.0.1", self._upstream)
        connection.request(asked.command, asked.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content


@contextmanager
def serving() -> Iterator[S3Server]:
    """Yield a server with an empty bucket, BUCKET."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - a second of imports, that most tests do without

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    server = S3Server(moto.get_host_and_port()[1])
    try:
        yield server
    finally:
        server.close()
        moto.stop()


def empty(server: S3Server) -> None:
    """Let the server have one empty bucket, and no orders."""
    server.cut_at, server.refuses, server.unconditional = {}, set(), False
    for method, path in (("POST", "/moto-api/reset"), ("PUT", f"/{BUCKET}")):
        connection = http.client.HTTPConnection(server.endpoint.removeprefix("http://"))
        connection.request(method, path)
        assert connection.getresponse().status == 200
        connection.close()
    server.requests.clear()


def use(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process find the server, and wait next to nothing after a cut."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("intel_grapher.objects.FIRST_WAIT", 0.001)
