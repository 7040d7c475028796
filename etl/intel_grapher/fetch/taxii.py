"""The objects of a TAXII 2.1 collection, page by page, into the raw cache.

The server is one that the user names, so that it may be anywhere; it is asked by https alone, unless it is on this
machine, and only at its own address. Every page is kept as it came. Its parameters say what it is of: `added_after` and
`next` as they were sent, `then`, by which the next page is asked, and `added_last`, when its last object was added
there. So the next run knows where to go on: at the page that is missing, or with what was added since.
"""

from __future__ import annotations

import base64
import ipaddress
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit, urlunsplit

import msgspec

from intel_grapher.cache import Cache, Entry, FailedBody, Writer
from intel_grapher.errors import ServerError, UsageError
from intel_grapher.fetch import http
from intel_grapher.fetch.patience import ask_again
from intel_grapher.source import Endpoint, Outcome, Request, Source
from intel_grapher.verdict import Verdict, judged

ACCEPT: Final = "application/taxii+json;version=2.1"
ADDED_LAST: Final = "x-taxii-date-added-last"
ADDED_FIRST: Final = "x-taxii-date-added-first"
OBJECTS_A_PAGE: Final = "1000"
"""The limit that is sent; a server may give fewer. Some answer a `next` only with a limit beside it."""
_REFUSED: Final = range(400, 500)


class TaxiiCollection(msgspec.Struct):
    """A collection of a server, and the URL by which it is asked for its objects."""

    id: str
    title: str = ""
    description: str = ""
    can_read: bool = False
    url: str = ""


class _Found(msgspec.Struct):
    """A discovery (api_roots), an API root (versions), or a list of collections."""

    api_roots: list[str] = []
    default: str = ""
    versions: list[str] = []
    collections: list[TaxiiCollection] = []


class Gathered(NamedTuple):
    """What came of asking a collection: pages and objects kept, and why it ended early (empty: it did not)."""

    pages: int
    objects: int
    reason: str = ""


def collection_url(url: str) -> str | None:
    """Return the plain URL of the collection that a URL is of, ending in /; None for one of a server or an API root.

    Raises UsageError for a URL that is not asked: neither https nor on this machine, or with a user in it.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise UsageError(f"{url!r} is no https URL of a TAXII server without a user in it")
    if parts.scheme == "http" and not is_here(parts.hostname):
        raise UsageError(f"{url!r}: a TAXII server is asked by https, unless it is on this machine")
    segments = parts.path.rstrip("/").removesuffix("/objects").split("/")
    if "collections" not in segments[:-1] or segments[-2] != "collections":
        return None
    return urlunsplit((parts.scheme, parts.netloc, "/".join(segments) + "/", "", ""))


def is_here(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def taxii_client(source: Source, url: str, key: str) -> tuple[http.Client, str]:
    """Return connections to the server of a URL, and the secret that is sent there: a token, or USER:PASSWORD."""
    parts = urlsplit(url)
    prefix = "Basic " if ":" in key else "Bearer "
    own = source.key and replace(source.key, prefix=prefix)
    secret = base64.b64encode(key.encode()).decode() if ":" in key else key
    return http.Client(replace(source, home=f"{parts.scheme}://{parts.netloc}", key=own)), secret


@dataclass
class TaxiiServer:
    """A server at one address. `source` is the source that its pages are of, `key` a token or USER:PASSWORD.

    `patience` is the longest wait before a request is sent again, in seconds.
    """

    source: Source
    url: str
    key: str = ""
    patience: float = 60.0
    wait: Callable[[float], object] = time.sleep

    def __post_init__(self) -> None:
        self._client, self._secret = taxii_client(self.source, self.url, self.key)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def collections(self) -> list[TaxiiCollection]:
        """Return the collections at a URL: of a server's discovery, of an API root, or of its list.

        Raises ServerError where what is there is no TAXII.
        """
        return list(self._listed(self.url, deep=True))

    def _listed(self, url: str, *, deep: bool) -> Iterator[TaxiiCollection]:
        found = self._json(url)
        if found.collections:
            base = url.rstrip("/").removesuffix("/collections")
            for each in found.collections:
                yield msgspec.structs.replace(each, url=f"{base}/collections/{each.id}/")
        elif found.api_roots and deep:
            for root in found.api_roots:
                if urlsplit(urljoin(url, root))[:2] == urlsplit(self.url)[:2]:  # elsewhere, the key is not sent
                    yield from self._listed(urljoin(url, root).rstrip("/") + "/collections/", deep=False)
        elif found.versions and deep:
            yield from self._listed(url.rstrip("/") + "/collections/", deep=False)

    def _json(self, url: str) -> _Found:
        reply = self._ask(url, {})
        if reply.fault or reply.status != 200:  # noqa: PLR2004 - the only status that has one
            raise ServerError(f"{url} gives no TAXII: {reply.fault or f'HTTP {reply.status}'}")
        try:
            return msgspec.json.decode(reply.body, type=_Found)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            raise ServerError(f"{url} gives no TAXII 2.1: not its JSON") from wrong

    def _ask(self, url: str, query: Mapping[str, str]) -> http.HttpReply:
        """Return the last reply to a request, sent again while that may help."""
        request = Request(url, query=query, accept=ACCEPT)
        return ask_again(self._client, request, self._secret, patience=self.patience, wait=self.wait)

    def gather(
        self, cache: Cache, writer: Writer, collection: str, *, added_after: str | None = None, afresh: bool = False,
        pages: int | None = None,
    ) -> Gathered:  # fmt: skip
        """Keep the pages of a collection that the cache lacks; return what came of it.

        `added_after` says from when on; without it, the cache tells. `afresh` starts from the first object. At most
        `pages` are asked.
        """
        endpoint = self.source.endpoints["objects"]
        start = {"added_after": added_after} if added_after else {}
        query = start if start or afresh else resumed(cache, endpoint, collection)
        found = Gathered(0, 0)
        before: tuple[str | None, bytes] = None, b""
        while pages is None or found.pages < pages:
            reply = self._ask(f"{collection}objects/", {"limit": OBJECTS_A_PAGE, **query})
            verdict = _verdict(endpoint, reply)
            if not verdict.is_answer and reply.status in _REFUSED and not found.pages and "next" in query:
                query = {name: value for name, value in query.items() if name != "next"}  # the token is too old
                continue
            kept = _kept(endpoint, collection, query, reply, verdict)
            writer.add(kept, "raw" if verdict.is_answer else "failed")
            if not verdict.is_answer:
                return found._replace(reason=verdict.reason)
            objects = verdict.reply.objects or [] if verdict.reply is not None else []
            found = Gathered(found.pages + 1, found.objects + len(objects))
            then = kept.params.get("then")
            if then is None:
                return found
            if (then, reply.body) == before:  # some servers have one token for all pages
                return found._replace(reason="the server gives one page twice")
            before = then, reply.body
            query = {name: value for name, value in {**query, "next": then}.items() if value}
        return found._replace(reason="there are more pages")


def _verdict(endpoint: Endpoint, reply: http.HttpReply) -> Verdict:
    if reply.fault:
        return Verdict(Outcome.FAILED, reply.fault)
    return judged(endpoint, reply.status, reply.body)


def _kept(
    endpoint: Endpoint, collection: str, query: Mapping[str, str], reply: http.HttpReply, verdict: Verdict
) -> Entry:
    """Return the entry of a page; its parameters say how to go on."""
    params = dict(query)
    more = endpoint.more(verdict.reply) if endpoint.more and verdict.reply is not None else None
    last = reply.headers.get(ADDED_LAST) or reply.headers.get(ADDED_FIRST, "")  # a page of one may have that alone
    if verdict.is_answer:
        params |= {
            name: value for name, value in (("then", (more or {}).get("next", "")), ("added_last", last)) if value
        }
    return Entry(
        source=endpoint.source.name,
        endpoint=endpoint.name,
        key=collection,
        params=params,
        fetched_at=int(reply.sent_at or time.time()),
        status=reply.status,
        body=reply.body if verdict.is_answer else FailedBody.of(verdict.reason, reply.body),
    )


def resumed(cache: Cache, endpoint: Endpoint, collection: str) -> dict[str, str]:
    """Return what to ask a collection for next: the page that is missing, or what was added since the last one."""
    kept = [each for each in cache.history(collection, endpoint.source.name, endpoint.name) if each.area == "raw"]
    if not kept:
        return {}
    last = max(kept, key=lambda each: (each.fetched_at, each.segment, each.offset)).params
    if "then" in last:
        return {"next": last["then"], **({"added_after": last["added_after"]} if "added_after" in last else {})}
    added = max(each.params.get("added_last", "") for each in kept)
    return {"added_after": added} if added else {}
