"""The page's server: on the loopback address, on a free port, with a token of its own."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable

import uvicorn

from intel_grapher.errors import UsageError
from intel_grapher.pipeline import Places
from intel_grapher.ui.app import Page, application
from intel_grapher.ui.guard import Guard

HOST = "127.0.0.1"
PORT = 8642
_TRIED = 20


def serve(places: Places, port: int | None, ready: Callable[[str], None]) -> None:
    """Serve the page until it is interrupted; `ready` is told its link, which holds the token.

    Without a port, 8642 is taken, or the next one that is free. Raises UsageError for a port that is not.
    """
    listening = _bound(port)
    port = int(listening.getsockname()[1])
    token = secrets.token_urlsafe(24)
    config = uvicorn.Config(
        Guard(application(Page.of(places)), port, token),
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
    )
    ready(f"http://{HOST}:{port}/#token={token}")
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _bound(port: int | None) -> socket.socket:
    wanted = [port] if port is not None else [*range(PORT, PORT + _TRIED), 0]
    for each in wanted:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, each))
            listening.listen(128)
        except OSError:
            listening.close()
        else:
            return listening
    raise UsageError(f"port {port} is in use: name another with --port, or none")
