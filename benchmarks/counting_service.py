"""A quick service on the loopback address that counts what it is asked.

    counting_service.py LATENCY [REQUESTS PER]…

It answers every GET after so many seconds, and prints its port. `/counted` gives what it saw, and forgets it: how many
requests, over how many seconds, and how often one of the rates was broken.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

BODY = json.dumps({"found": True, "addresses": ["192.0.2.1", "192.0.2.2"], "next": ""}).encode()


class Service(asyncio.Protocol):
    """One connection."""

    latency = 0.0
    rates: tuple[tuple[int, float], ...] = ()
    times: list[float] = []  # noqa: RUF012 - one for all connections, on purpose

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream server has no other
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        """Count each request when its head is whole, and answer it."""
        now = time.monotonic()
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            if head.startswith(b"GET /counted"):
                self.send(json.dumps(counted()).encode())
                self.times.clear()
            else:
                self.times.append(now)
                asyncio.get_running_loop().call_later(self.latency, self.send, BODY)

    def send(self, body: bytes) -> None:
        """Answer."""
        if not self.transport.is_closing():
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self.transport.write(head.encode() + body)


def counted() -> dict[str, float]:
    """Tell what was seen."""
    times = Service.times
    broken = sum(
        later - at < per for requests, per in Service.rates for at, later in zip(times, times[requests:], strict=False)
    )
    return {"requests": len(times), "seconds": times[-1] - times[0] if times else 0.0, "broken": broken}


async def main() -> None:
    """Serve until the input ends."""
    Service.latency = float(sys.argv[1])
    Service.rates = tuple((int(n), float(per)) for n, per in zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
