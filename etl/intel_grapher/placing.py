"""Where a reply belongs: the endpoint that was asked, told by the request's URL, or by what the reply holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from intel_grapher.errors import BadValue
from intel_grapher.source import Endpoint, Request, Source

_MAX_OBJECTS: Final = 1_000_000
_SECRETS: Final = ("key", "token", "secret", "auth", "pass", "sign", "session")


class Place(NamedTuple):
    """The names of a source and of its endpoint, the key that was asked for (empty: not told), and the parameters."""

    source: str
    endpoint: str
    key: str
    params: Mapping[str, str] = {}


def recognised(sources: Iterable[Source], body: bytes) -> Place | None:
    """Return the place of a reply whose form is one that a single endpoint has, as a MISP event's is.

    None where none or several know it.
    """
    if body.count(b"{") > _MAX_OBJECTS:  # no endpoint reads it (`reading`), and to look at it takes memory for each
        return None
    found = [
        Place(source.name, endpoint.name, key)
        for source in sources
        for endpoint in source.endpoints.values()
        if endpoint.recognise is not None and (key := endpoint.recognise(body)) is not None
    ]
    return found[0] if len(found) == 1 else None


def asked_at(sources: Iterable[Source], method: str, url: str, form: Mapping[str, str]) -> Place:
    """Return the place of the reply to a request. `form` is what was posted.

    Raises BadValue where no source is there, or no endpoint of it is asked so; the URL's query is not quoted.
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2].lower()
    except ValueError as wrong:
        raise BadValue("its URL is none") from wrong
    there = [source for source in sources if _is_at(source, parts.scheme, host, parts.path)]
    if not there:
        raise BadValue(f"no source is at {host or 'its URL'}")
    sent = dict(parse_qsl(parts.query, keep_blank_values=True))
    found = [
        (score, place)
        for source in there
        for endpoint in source.endpoints.values()
        if endpoint.method == method and endpoint.given is None
        for score, place in _places(endpoint, parts.path, sent, form)
    ]
    if not found:
        raise BadValue(f"{' or '.join(each.name for each in there)} has no endpoint that is asked so: {method}")
    return max(found, key=lambda each: each[0])[1]


def _is_at(source: Source, scheme: str, host: str, path: str) -> bool:
    home = urlsplit(source.home)
    return (home.scheme, home.netloc.lower()) == (scheme, host) and path.startswith(home.path)


def _places(
    endpoint: Endpoint, path: str, sent: Mapping[str, str], form: Mapping[str, str]
) -> Iterator[tuple[int, Place]]:
    """Yield the places that a request may be for, each with how much of it they explain.

    What may be the key is tried: the endpoint's own request for it must then be the one that was sent.
    """
    params = {name: sent[name] for name in endpoint.vary if name in sent}
    if endpoint.vary.keys() != params.keys():
        return
    for raw in dict.fromkeys(_parts(endpoint, path, sent, form)):
        try:
            key = endpoint.canonical(raw)
            requests = [endpoint.request(spelt, params) for spelt in dict.fromkeys((raw, key))]
        except (BadValue, ValueError, LookupError):
            continue
        for request in requests:
            if _same(request, unquote(path), sent, form):
                others = sent.keys() - request.query.keys() if endpoint.more else set()
                page = {name: sent[name] for name in sorted(others) if not _is_secret(endpoint, name)}
                explained = len(request.query) + len(request.form or {}) + len(request.json or {})
                yield explained, Place(endpoint.source.name, endpoint.name, key, {**params, **page})
                break


def _parts(endpoint: Endpoint, path: str, sent: Mapping[str, str], form: Mapping[str, str]) -> Iterator[str]:
    """Yield the parts of a request that may be the key; none where the request does not say it."""
    asked = [(endpoint.query, sent), (endpoint.form, form), (endpoint.json, form)]
    fixed = [(templates[name], values.get(name, "")) for templates, values in asked if isinstance(templates, Mapping)
             for name in templates]  # fmt: skip
    if isinstance(endpoint.path, str):
        fixed.append((urlsplit(endpoint.source.home).path + endpoint.path, unquote(path)))
    for template, value in fixed:
        if "{key}" in template and (match := _filled(template).fullmatch(value)):
            yield match["key"]
    if callable(endpoint.path):
        yield from map(unquote, path.split("/"))
    if callable(endpoint.form):
        yield from form.values()


def _filled(template: str) -> re.Pattern[str]:
    """Return the pattern of what a template becomes with a key in it."""
    before, *others = map(re.escape, template.split("{key}"))
    return re.compile(f"{before}(?P<key>.+?)" + "(?P=key)".join(others), re.DOTALL)


def _same(request: Request, path: str, sent: Mapping[str, str], form: Mapping[str, str]) -> bool:
    posted = request.form or request.json or {}
    return (
        unquote(urlsplit(request.url).path) == path
        and request.query.items() <= sent.items()
        and posted.items() <= form.items()
    )


def _is_secret(endpoint: Endpoint, name: str) -> bool:
    key = endpoint.source.key
    return (key is not None and name == key.query) or any(each in name.lower() for each in _SECRETS)
