"""The only module that touches the network: sends one request of a source and returns its reply.

Nothing here raises for what a service or the network does: the exceptions of the libraries beneath quote URLs and
headers, and an API key may be in either. Every outcome is an `HttpReply`, with a fixed phrase for what went wrong. The
key is added when a request is sent, and taken out of the reply if the service quotes it.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import client
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

import intel_grapher
from intel_grapher.errors import SourceError
from intel_grapher.fetch.connections import POOLS, timing, under_way
from intel_grapher.fetch.private import is_reserved
from intel_grapher.source import Request, Source

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 30.0
WHOLE_SECONDS: Final = 120.0
"""A request that takes longer in all, from the connection to the reply's end, is given up and not sent again."""
MAX_BODY: Final = 64 << 20
"""Bytes, uncompressed."""
BLOCK: Final = 1 << 16
REDACTED: Final = b"[key]"
_SHORTEST_SECRET: Final = 6  # a shorter one is no secret, and would be found in innocent text
_SHORTEST_CUT: Final = 3  # of a key that a reply's end cuts

_HEADERS: Final = {
    "User-Agent": f"intel-grapher/{intel_grapher.__version__}",
    "Accept": "application/json, */*;q=0.1",
    "Accept-Encoding": "gzip, deflate",
}
_FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})

NO_CONNECTION: Final = "no connection"
NO_ROUTE: Final = "there is no route to it"
NO_NAME: Final = "its name can't be resolved"
NO_RESOLVER: Final = "no name server answers"
NOT_TRUSTED: Final = "its TLS certificate can't be trusted"
PROXY: Final = "the proxy can't be reached or refuses"
TIMED_OUT: Final = "timed out"
CUT_SHORT: Final = "the reply was cut short"
TOO_LARGE: Final = "the reply is too large"
TOO_SLOW: Final = "the reply came too slowly"
BAD_ENCODING: Final = "the reply's compression is damaged"
NOT_HTTP: Final = "the reply is not HTTP"
REDIRECTED: Final = "redirected elsewhere, which is refused"
CANT_SEND: Final = "the request can't be sent"
LASTING: Final = frozenset({NOT_TRUSTED, TOO_LARGE, TOO_SLOW, BAD_ENCODING, REDIRECTED, CANT_SEND})
"""Faults that another attempt does not mend."""
OWN_SIDE: Final = frozenset({NO_ROUTE, NO_RESOLVER, PROXY})
"""Faults on the way to any service, not of one: the first of them tells that there is no network."""
UNREACHED: Final = OWN_SIDE | {NO_CONNECTION, NO_NAME, TIMED_OUT}
"""Faults that a machine without a network has with every service."""


class _Silence(logging.Filter):
    """Drops every record: urllib3 logs URLs at DEBUG and in some warnings, and an API key may be in one."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - all of them
        return False


for _name in ("connectionpool", "connection", "response", "util.retry", "poolmanager"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_Silence())


def hang_up_on_the_slow() -> None:
    """End the requests that have taken longer than WHOLE_SECONDS in all. To be called now and then."""
    for started, connection in list(under_way.values()):
        if time.monotonic() - started > WHOLE_SECONDS:
            connection.hang_up()


class _Adapter(HTTPAdapter):
    """An adapter whose connections are cuttable, through a proxy too."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base class has it
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> urllib3.ProxyManager:  # noqa: ANN401 - the same
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager


@dataclass(frozen=True, slots=True)
class HttpReply:
    """The outcome of one request. `fault` is empty for a whole reply; `status` is 0 if no reply came.

    `headers` have lower-case names. `redirect` is the URL to send the request to again: at the same service, except for
    a source that forwards. `sent` is False if there was no connection, so that the service saw nothing of the request.
    `sent_at` is when the request was sent (epoch seconds), `seconds` the time until the reply began; 0 if none did.
    """

    status: int = 0
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    redirect: str = ""
    sent: bool = True
    sent_at: float = 0.0
    seconds: float = 0.0


class Client:
    """Connections to one source, for any thread. At most `connections` are kept open.

    Raises SourceError for a home that is no http or https URL. Proxies and certificates come from the usual environment
    variables.
    """

    def __init__(self, source: Source, connections: int = 1, max_body: int = MAX_BODY) -> None:
        self._source = source
        self._origin = _origin(source.home)
        if self._origin is None:
            raise SourceError(f"source {source.name}: its home {source.home!r} is not an http or https URL")
        self._origins = {self._origin}
        self._max_body = max_body
        with requests.Session() as usual:
            settings = usual.merge_environment_settings(source.home, {}, stream=True, verify=None, cert=None)
        self._verify = settings["verify"] or True
        self._proxies = settings["proxies"]
        self._adapter = _Adapter(pool_connections=1, pool_maxsize=connections)
        self._connected = threading.Event()

    @property
    def connected(self) -> bool:
        """Return whether any connection has come about, to the service or to the proxy."""
        return self._connected.is_set()

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def send(self, request: Request, secret: str = "") -> HttpReply:
        """Send a request once, with the source's API key, and return the whole reply."""
        prepared = self._prepare(request, secret)
        if prepared is None:
            return HttpReply(fault=CANT_SEND, sent=False)
        timing.started = time.monotonic()
        timing.sent, timing.answered = time.time(), 0.0
        timing.connected = self._connected
        try:
            reply = self._receive(prepared, request, secret, timing.started + WHOLE_SECONDS)
        finally:
            under_way.pop(threading.get_ident(), None)
        if reply.fault and time.monotonic() - timing.started > WHOLE_SECONDS:
            reply = replace(reply, fault=TOO_SLOW)
        return replace(reply, sent_at=timing.sent, seconds=max(0.0, timing.answered - timing.sent))

    def _receive(self, prepared: requests.PreparedRequest, request: Request, secret: str, deadline: float) -> HttpReply:
        try:
            response = self._adapter.send(
                prepared,
                stream=True,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                verify=self._verify,
                proxies=self._proxies,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return HttpReply(fault=_phrase(error), sent=not _is_any(error, _UNCONNECTED))
        timing.answered = time.time()
        try:
            body, fault = self._read(response.raw, deadline)
        finally:
            # A connection is used again only if the reply was read to its end.
            response.raw.release_conn() if _is_drained(response.raw) else response.raw.close()
        headers = {name.lower(): _clean(value, secret) for name, value in response.headers.items()}
        reply = HttpReply(response.status_code, _without(body, secret, cut=bool(fault)), headers, fault)
        if not fault and response.status_code in _FOLLOWED and "location" in response.headers:
            reply = self._redirected(reply, response.headers["location"], request, secret)
        return reply

    def _prepare(self, request: Request, secret: str) -> requests.PreparedRequest | None:
        """Return the request with its API key; None if it would go elsewhere than to the source's own address."""
        key = self._source.key
        headers = {**_HEADERS, "Accept": request.accept or _HEADERS["Accept"]}
        headers |= {"Content-Type": request.content_type} if request.content_type else {}
        query = dict(request.query)
        if key is not None and secret:
            if key.header:
                headers[key.header] = key.prefix + secret
            if key.query:
                query[key.query] = key.prefix + secret
        try:
            prepared = requests.Request(
                request.method,
                request.url,
                headers=headers,
                params=query,
                data=request.content or request.form,
                json=request.json,
            ).prepare()
        except (requests.RequestException, ValueError):
            return None
        path = urlsplit(request.url).path
        dotted = any(segment in {".", ".."} for segment in path.replace("%2e", ".").replace("%2E", ".").split("/"))
        if _origin(prepared.url or "") not in self._origins or dotted:
            return None
        return prepared

    def _read(self, raw: urllib3.BaseHTTPResponse, deadline: float) -> tuple[bytes, str]:
        """Return the body, uncompressed, as far as it came, and its fault (empty for none)."""
        blocks: list[bytes] = []
        size = 0
        try:
            while block := raw.read1(BLOCK, decode_content=True):
                blocks.append(block)
                size += len(block)
                if size > self._max_body:
                    return blocks[0], TOO_LARGE
                if time.monotonic() > deadline:
                    return b"".join(blocks), TOO_SLOW
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return b"".join(blocks), _phrase(error)
        # urllib3 does not always notice that fewer bytes came than were announced.
        cut = getattr(raw, "length_remaining", None) or _is_cut(raw)
        return b"".join(blocks), CUT_SHORT if cut else ""

    def _redirected(self, reply: HttpReply, location: str, request: Request, secret: str) -> HttpReply:
        """Return the reply with the URL to go on to, without the key; with a fault if that is not allowed."""
        try:
            target = urlsplit(urljoin(request.url, location))
        except ValueError:
            return replace(reply, fault=REDIRECTED)
        origin = _origin(target.geturl())
        if origin is not None and self._source.forwards and request.method == "GET" and is_public(origin):
            self._origins.add(origin)
        if request.method != "GET" or origin not in self._origins:
            return replace(reply, fault=REDIRECTED)
        hidden = self._source.key.query if self._source.key else ""
        query = [(name, value) for name, value in parse_qsl(target.query, keep_blank_values=True) if name != hidden]
        clean = urlunsplit((target.scheme, target.netloc, target.path, urlencode(query), ""))
        if secret and len(secret) >= _SHORTEST_SECRET and (secret in clean or quote(secret, safe="") in clean):
            return replace(reply, fault=REDIRECTED)
        return replace(reply, redirect=clean)


def _origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of an http or https URL without credentials; None for another URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port


def is_public(origin: tuple[str, str, int] | None) -> bool:
    """Return whether an origin is https at port 443 and all addresses of its host are public."""
    if origin is None or (origin[0], origin[2]) != ("https", 443):
        return False
    try:
        found = socket.getaddrinfo(origin[1], origin[2], type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return not any(is_reserved(ipaddress.ip_address(str(info[4][0]).partition("%")[0])) for info in found)


def _is_cut(raw: urllib3.BaseHTTPResponse) -> bool:
    """Return whether a compressed body ended within its stream, which urllib3's decoders do not notice."""
    decoder = getattr(raw, "_decoder", None)
    stream = getattr(decoder, "_obj", None)  # zlib's
    in_first_member = not getattr(decoder, "_state", 0)  # what follows the first may be garbage
    return stream is not None and in_first_member and raw.tell() > 0 and not stream.eof


def _is_drained(raw: urllib3.BaseHTTPResponse) -> bool:
    return bool(raw.closed) or getattr(raw, "length_remaining", None) == 0


def _without(body: bytes, secret: str, *, cut: bool = False) -> bytes:
    """Return the body without the key, in the spellings that a service quotes it in.

    The body may end in the middle of the key: such an end is taken out as well. In a body that is known to be `cut`,
    a shorter beginning of the key counts.
    """
    if len(secret) < _SHORTEST_SECRET:
        return body
    spellings = {secret, quote(secret, safe=""), quote(secret), secret.replace("/", "\\/")}
    for spelling in spellings:
        if (found := spelling.encode()) in body:
            body = body.replace(found, REDACTED)
    for found in (spelling.encode() for spelling in spellings):
        for size in range(len(found) - 1, (_SHORTEST_CUT if cut else _SHORTEST_SECRET) - 1, -1):
            if body.endswith(found[:size]):
                return body[:-size] + REDACTED
    return body


def _clean(value: str, secret: str) -> str:
    return _without(value.encode("utf-8", "replace"), secret).decode("utf-8", "replace")


_OF_PROXY: Final = (urllib3.exceptions.ProxyError, requests.exceptions.ProxyError)
_PHRASES: Final[tuple[tuple[type[BaseException], str], ...]] = (  # the first that a cause in the chain is
    *((kind, PROXY) for kind in _OF_PROXY),
    (urllib3.exceptions.SSLError, NOT_TRUSTED),
    (requests.exceptions.SSLError, NOT_TRUSTED),
    (urllib3.exceptions.NameResolutionError, NO_NAME),
    (urllib3.exceptions.NewConnectionError, NO_CONNECTION),
    (urllib3.exceptions.TimeoutError, TIMED_OUT),
    (requests.exceptions.Timeout, TIMED_OUT),
    (TimeoutError, TIMED_OUT),
    (urllib3.exceptions.DecodeError, BAD_ENCODING),
    (urllib3.exceptions.IncompleteRead, CUT_SHORT),
    (client.IncompleteRead, CUT_SHORT),
    (ConnectionError, NO_CONNECTION),
    (client.HTTPException, NOT_HTTP),
    (urllib3.exceptions.HTTPError, NO_CONNECTION),
    (requests.exceptions.ConnectionError, NO_CONNECTION),
    (requests.exceptions.InvalidHeader, CANT_SEND),
    (requests.exceptions.RequestException, CANT_SEND),
    (OSError, NO_CONNECTION),
    (ValueError, CANT_SEND),
)


_ROUTELESS: Final = frozenset({errno.ENETUNREACH, errno.ENETDOWN})
_UNCONNECTED: Final = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
"""To the service or to the proxy. A failed name resolution is a NewConnectionError."""


def _phrase(error: BaseException) -> str:
    """Return the fixed phrase for an error. The error's own words quote the URL."""
    of_system = {cause.errno for cause in _causes(error) if isinstance(cause, OSError)}
    if socket.EAI_AGAIN in of_system:
        return NO_RESOLVER
    if of_system & _ROUTELESS and not _is_any(error, _OF_PROXY):
        return NO_ROUTE
    return next(phrase for kind, phrase in _PHRASES if _is_any(error, kind))


def _is_any(error: BaseException, kinds: type[BaseException] | tuple[type[BaseException], ...]) -> bool:
    """Return whether an exception, or one in its chain of causes, is of these classes."""
    return any(isinstance(cause, kinds) for cause in _causes(error))


def _causes(error: BaseException) -> list[BaseException]:
    """Return an exception and the chain of its causes."""
    chain: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        cause = pending.pop()
        if isinstance(cause, BaseException) and cause not in chain:
            chain.append(cause)
            pending += [*cause.args, cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
    return chain
