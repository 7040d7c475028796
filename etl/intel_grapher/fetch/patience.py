"""One request, sent again while that may help: to a server that is asked outside of a fetch, one request at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from intel_grapher.fetch import http
from intel_grapher.fetch.rate_headers import retry_after
from intel_grapher.fetch.service import backoff
from intel_grapher.source import Request

ATTEMPTS: Final = 4
MAX_REDIRECTS: Final = 3


def ask_again(
    client: http.Client, request: Request, secret: str, *, patience: float, wait: Callable[[float], object] = time.sleep
) -> http.HttpReply:
    """Return the last reply to a request. What is sent again must do no harm if it came the first time.

    `patience` is the longest wait in seconds; where the server asks for a longer one, its reply is returned.
    """
    redirects = 0
    for attempt in range(1, ATTEMPTS + 1):
        reply = client.send(request, secret)
        while reply.redirect and redirects < MAX_REDIRECTS:
            redirects += 1
            reply = client.send(replace(request, url=reply.redirect, query={}), secret)
        if not may_mend(reply):
            break
        told = retry_after(reply.headers.get("retry-after", ""), time.time())
        if attempt == ATTEMPTS or (told is not None and told > patience):
            break
        wait(backoff(attempt, patience) if told is None else told)
    return reply


def may_mend(reply: http.HttpReply) -> bool:
    """Tell whether another attempt may give an answer."""
    if reply.fault:
        return reply.fault not in http.LASTING
    return reply.status in {408, 425, 429} or reply.status >= 500  # noqa: PLR2004 - HTTP's
