"""Ports of the loopback interface."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return the number of a port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
