"""What a source is: a service's address, rate, key and replies, with one mapping to facts for each endpoint.

A source is one file in `intel_grapher/sources/` (or in a package that offers the entry point group
`intel_grapher.sources`) with a module attribute `source`. The decorator `source.get` reads what it needs off the
mapping it is put on: its name is the endpoint's, the annotation of its first argument says what may be asked for, that
of its second how a reply is decoded, and its docstring is the docs' row.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from itertools import product
from typing import Any, Literal, NamedTuple, TypeVar, cast
from urllib.parse import quote

import msgspec

from intel_grapher import schema
from intel_grapher.errors import BadValue, SourceError
from intel_grapher.model import Fact, Facts, Kind, LeftOut

SECONDS = 1.0
MINUTES = 60.0
HOURS = 3600.0
DAYS = 86400.0
MONTHS = 31 * DAYS

NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
ABSENT = (404, 410)
"""The HTTP statuses that say "not found", unless a source says otherwise."""
_DOTS = frozenset({".", ".."})
NO_PARAMS: Mapping[str, str] = {}

Format = Literal["json", "lines", "text"]  # JSON, JSON Lines (the reply is a list), or a str
FileForm = Literal["", "text", "table"]
F = TypeVar("F", bound=Callable[..., Facts])


class Subject(NamedTuple):
    """Where a reply names what it is about: a member (`data.ip`, `Question.0.name`), and how the name is read off it.

    `sure` tells that it is what was asked for, whatever the file's name is. Else it only decides where that name is
    none, or in doubt: a hash of another algorithm, the domain above the name.
    """

    member: str
    read: Callable[[str], str] = str
    sure: bool = True


class Outcome(Enum):
    """What a reply says. A source's `judge` returns one of the first four; an unreadable reply does not get there."""

    FOUND = "found"
    NOT_FOUND = "not found"
    FAILED = "failed"
    QUOTA = "quota used up"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Rate:
    """At most `requests` in any `per` seconds; with `calendar`, in each UTC day (or month) instead."""

    requests: int
    per: float = SECONDS
    calendar: bool = False


@dataclass(frozen=True)
class ApiKey:
    """Where a service's key comes from (`variable`, see `credentials`) and where it goes (a header or query parameter).

    `free` is a path that is answered only to a valid key, and costs nothing: `keys check` asks it.
    """

    variable: str
    header: str = ""
    query: str = ""
    prefix: str = ""
    required: bool = True
    free: str = ""


@dataclass(frozen=True)
class Request:
    """One request to a service, without its secret. `params` tell it from the endpoint's others for the same key.

    `accept` is the media type that is asked for, where the service has one of its own. `content` is a body that is sent
    as it is, `content_type` its media type.
    """

    url: str
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    json: Mapping[str, str] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    accept: str = ""
    content: bytes = b""
    content_type: str = ""


class Given(NamedTuple):
    """What an endpoint's path needs beside the key: `{name}`, a value of the reply that another endpoint gave to it.

    `by` is the other's mapping. `value` returns the value out of a reply that found something, or None.
    """

    name: str
    by: Callable[[Any, Any], Facts]
    value: Callable[[Any], str | None]


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One thing that a source can be asked, and what its replies mean.

    `kept_only` says why it is never asked (it takes another key than the source's, …): its kept replies are read.
    `untied` says why what was asked for is no node of its own, or why the key may not tell it: else an answer that
    says something always makes it one.
    `prepare` returns the bytes of a reply's body as the declared type has them, where a service sends several shapes.
    `unmapped` yields what the mapping leaves out though its type declares the field: a value of an unknown kind.
    `recognise` tells of a body alone that it is a reply of this endpoint, where its form is one of its own: it returns
    the key that the body names itself, empty where it names none, and None for another body.
    `of_files` tells that a kept reply is a list in a file of somebody's, known by its content and its place: as a text,
    or as a table. The mapping then has a third argument, the parameters that it was kept with.
    """

    source: Source
    name: str
    kinds: tuple[Kind[Any], ...]
    reply: Any
    mapping: Callable[..., Facts]
    doc: str
    method: str
    path: str | Callable[[str], str]
    query: Mapping[str, str]
    form: Mapping[str, str] | Callable[[str], Mapping[str, str]] | None
    json: Mapping[str, str] | None
    vary: Mapping[str, tuple[str, ...]]
    more: Callable[[Any], Mapping[str, str] | None] | None
    format: Format
    kept_only: str
    also: tuple[str, ...]
    given: Given | None
    untied: str = ""
    prepare: Callable[[bytes], bytes] | None = None
    unmapped: Callable[[Any], Iterable[str]] | None = None
    recognise: Callable[[bytes], str | None] | None = None
    of_files: FileForm = ""

    @property
    def lookup(self) -> Endpoint | None:
        """Return the endpoint that must have answered before this one can be asked, or None."""
        return None if self.given is None else self.source.endpoints[self.given.by.__name__]

    def told(self, reply: Any) -> str:  # noqa: ANN401 - typed by the look-up
        """Return what its path needs of its look-up's reply (None: it found nothing); empty where that doesn't tell."""
        value = self.given.value(reply) if self.given is not None and reply is not None else None
        return "" if value is None or value in _DOTS else value

    def canonical(self, raw: str) -> str:
        """Return the canonical key of what is asked for; BadValue if this endpoint can't be asked for it."""
        reason = "not of a kind that is asked"
        for kind in self.kinds:
            try:
                return kind.canonical(raw)
            except BadValue as bad:
                reason = bad.reason
        raise BadValue(reason)

    def requests(self, key: str) -> Iterator[Request]:
        """Yield the requests for one canonical key; the key becomes one path segment, quoted, or a parameter."""
        for values in product(*self.vary.values()):
            yield self.request(key, dict(zip(self.vary, values, strict=True)))

    def request(self, key: str, params: Mapping[str, str], given: str = "") -> Request:
        """Return the request for one canonical key and one choice of parameters (a page's cursor is one).

        `given` is what its look-up told. BadValue for a key of dots alone, or such a `given`: as a segment of a path
        it would lead elsewhere.
        """
        if key in _DOTS or given in _DOTS:
            raise BadValue("not a name")

        def filled(template: Mapping[str, str]) -> dict[str, str]:
            return {name: value.replace("{key}", key) for name, value in template.items()}

        path = self.path if isinstance(self.path, str) else self.path(key)
        if self.given is not None:
            path = path.replace(f"{{{self.given.name}}}", quote(given, safe=""))
        form = self.form(key) if callable(self.form) else self.form
        return Request(
            url=self.source.home + path.replace("{key}", quote(key, safe="")),
            method=self.method,
            query={**filled(self.query), **params} if self.method == "GET" else filled(self.query),
            form=None if form is None else {**filled(form), **params},
            json=None if self.json is None else {**filled(self.json), **params},
            params=params,
        )

    def mapped(
        self,
        asked: str,
        reply: Any,  # noqa: ANN401 - typed by the mapping
        params: Mapping[str, str] = NO_PARAMS,
    ) -> tuple[list[Fact], list[LeftOut]]:
        """Return what the mapping yields for a canonical key and a typed reply: facts, and values it leaves out."""
        yielded = list(self.mapping(asked, reply, params) if self.of_files else self.mapping(asked, reply))
        left_out = [item for item in yielded if isinstance(item, LeftOut)]
        facts = [item for item in yielded if isinstance(item, Fact)] if left_out else cast("list[Fact]", yielded)
        return facts, left_out

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[Any]:
        """Return the decoder of its replies: numbers may come as strings, unknown members are passed over."""
        return msgspec.json.Decoder(self.reply, strict=False)


@dataclass(frozen=True, eq=False)
class Source:
    """A service. `judge` tells what a well-formed reply says; by default it is an answer with something in it.

    `judge` returns `Outcome.QUOTA` for a reply that says, with a status of success, that a quota is used up.

    `retired` says since when it no longer answers: it is then never asked, and its kept replies serve on.
    `also` are other names that kept replies of it go by. `absent` are the HTTP statuses that say "not found".
    `forwards` says that its address only points to others, which are then asked: only by https, at public addresses,
    and never with a key.
    `subjects` are the places where its replies name what they are about, so that none that was kept elsewhere goes by
    the name of its file alone; the first that names a key of the endpoint counts.
    """

    name: str
    title: str
    home: str
    limits: tuple[Rate, ...]
    key: ApiKey | None = None
    judge: Callable[[Any], Outcome] = lambda _reply: Outcome.FOUND
    retired: str = ""
    terms: str = ""
    status: str = ""
    also: tuple[str, ...] = ()
    absent: tuple[int, ...] = ABSENT
    forwards: bool = False
    subjects: tuple[Subject, ...] = ()
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise SourceError(f"a source's name is lower case letters, digits and _, not {self.name!r}")
        if self.forwards and self.key is not None:
            raise SourceError(
                f"source {self.name}: one that has a key can't forward, for the key would leave the service"
            )

    def get(
        self,
        path: str | Callable[[str], str],
        query: Mapping[str, str] | None = None,
        *,
        vary: Mapping[str, tuple[str, ...]] | None = None,
        more: Callable[[Any], Mapping[str, str] | None] | None = None,
        format: Format = "json",  # noqa: A002 - the field's term
        kept_only: str = "",
        also: tuple[str, ...] = (),
        given: Given | None = None,
        untied: str = "",
        prepare: Callable[[bytes], bytes] | None = None,
        unmapped: Callable[[Any], Iterable[str]] | None = None,
        recognise: Callable[[bytes], str | None] | None = None,
        of_files: FileForm = "",
    ) -> Callable[[F], F]:
        """Declare the mapping of what GET answers. `{key}` in the path or in a parameter is what is asked for.

        Where the path depends on what kind of key is asked for, it is a function that returns it, with its `{key}`.
        `vary` are parameters that are asked in turn, each with all its values. `more` returns the parameters of a
        reply's next page, or None. A reply in the format "lines" is a list with an item for each line of JSON, one in
        the format "text" a str. `kept_only` says why it is never asked, where it is not: its kept replies are read.
        `also` are other names that kept replies of the endpoint go by. `given` fills a `{name}` in the path from the
        answer of another endpoint, which is asked first; its answers are kept under the key all the same. `untied`,
        `prepare`, `unmapped`, `recognise` and `of_files` are as in Endpoint.
        """
        return self._declare(
            method="GET", path=path, query=query or {}, form=None, json=None, vary=vary or {}, more=more,
            format=format, kept_only=kept_only, also=also, given=given, untied=untied, prepare=prepare,
            unmapped=unmapped, recognise=recognise, of_files=of_files,
        )  # fmt: skip

    def post(
        self,
        path: str,
        *,
        form: Mapping[str, str] | Callable[[str], Mapping[str, str]] | None = None,
        json: Mapping[str, str] | None = None,
        kept_only: str = "",
        also: tuple[str, ...] = (),
        untied: str = "",
    ) -> Callable[[F], F]:
        """Declare the mapping of what POST answers to a form or to a JSON object.

        Where the form depends on the key, it is a function that returns it, with its `{key}`.
        """
        return self._declare(
            method="POST", path=path, query={}, form=form, json=json, vary={}, more=None, format="json",
            kept_only=kept_only, also=also, given=None, untied=untied,
        )  # fmt: skip

    def _declare(self, **request: Any) -> Callable[[F], F]:  # noqa: ANN401 - get and post type them
        def declare(mapping: F) -> F:
            name = mapping.__name__
            if not NAME.fullmatch(name) or name in self.endpoints:
                raise SourceError(f"source {self.name}: endpoint {name!r} has a bad name or is there already")
            kinds, reply = _annotations(self.name, mapping)
            doc = inspect.getdoc(mapping)
            if not doc:
                raise SourceError(f"source {self.name}: endpoint {name} needs a docstring; it is its row in the docs")
            made = Endpoint(
                source=self, name=name, kinds=kinds, reply=reply, mapping=mapping, doc=doc.splitlines()[0], **request
            )
            self._check_given(made)
            self.endpoints[name] = made
            return mapping

        return declare

    def _check_given(self, made: Endpoint) -> None:
        given = made.given
        if given is None:
            return
        lookup = self.endpoints.get(given.by.__name__)
        if lookup is None or lookup.mapping is not given.by or not set(made.kinds) <= set(lookup.kinds):
            raise SourceError(
                f"source {self.name}: what {made.name} is given must come from an endpoint that is declared before it "
                "and asked for the same kinds"
            )
        if lookup.kept_only or lookup.vary or lookup.more or lookup.given:
            raise SourceError(
                f"source {self.name}: {made.name} is given something by {lookup.name}, which must then be asked, have "
                "one answer to a key, and be given nothing itself"
            )
        if isinstance(made.path, str) and f"{{{given.name}}}" not in made.path:
            raise SourceError(f"source {self.name}: {made.name} has no {{{given.name}}} in its path")

    @property
    def asks(self) -> list[Kind[Any]]:
        """Return the kinds that it is asked about, or was until it retired; not those of what is only kept."""
        asked = [each for each in self.endpoints.values() if self.retired or not each.kept_only]
        return list(dict.fromkeys(kind for each in asked for kind in each.kinds if kind.labels))

    def endpoint(self, name: str) -> Endpoint | None:
        """Return the endpoint of that name, or of that other name, or None."""
        name = name.lower().replace("-", "_")
        return self.endpoints.get(name) or next((each for each in self.endpoints.values() if name in each.also), None)


def _annotations(source: str, mapping: Callable[..., Any]) -> tuple[tuple[Kind[Any], ...], Any]:
    """Read off a mapping which kinds it is asked for and which type its replies have."""
    hints = typing.get_type_hints(mapping)
    parameters = list(inspect.signature(mapping).parameters)
    try:
        asked, reply = (hints[name] for name in parameters[:2])
        return tuple(schema.KINDS[each] for each in typing.get_args(asked) or (asked,)), reply
    except (KeyError, ValueError) as wrong:
        raise SourceError(
            f"source {source}: {mapping.__name__}(asked, reply) must annotate asked with kinds of intel_grapher.schema "
            f"and reply with the type of its replies"
        ) from wrong
