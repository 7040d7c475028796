"""What a kept reply is about, where neither its user nor an envelope says it: the reply's own word, or its file's name.

A file's name is only a hint: people put dates before it and endings after it. A name of the DNS that no one can have
is no key, and a name in doubt is a question to the user (`--key`), never a node.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import blake2b, sha256
from pathlib import PurePath
from typing import Any, Final

import msgspec

from intel_grapher.cache import Cache, FileName, KeptFile
from intel_grapher.errors import BadValue, UsageError
from intel_grapher.intake import suffixes
from intel_grapher.model import Kind
from intel_grapher.registry import Registry
from intel_grapher.schema import HOSTNAME
from intel_grapher.source import Endpoint, Outcome
from intel_grapher.verdict import judged

TITLE: Final = "title"
PATH: Final = "path"
DIGEST: Final = "sha256"
COLUMNS: Final = "columns"
OnList = Callable[[Endpoint, KeptFile, str, Mapping[str, str]], None]
_DATED: Final = re.compile(r"(?:19|20)[0-9]{2}[-_.]?[01][0-9][-_.]?[0-3][0-9][-_.T]")
_ORIGIN: Final = 4  # bytes of the digest of a file's place that are part of its name
_LONGEST: Final = 60  # characters of a file's name that are part of its key
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")


def subject_of(endpoint: Endpoint, body: bytes) -> tuple[str, bool]:
    """Return the canonical key that a reply names itself, and whether it is sure to be what was asked for.

    Empty where it names none.
    """
    for subject in endpoint.source.subjects:
        try:
            value = subject.read(_member(body, tuple(subject.member.split("."))))
            if value and (key := _known(endpoint, value)[0]):
                return key, subject.sure
        except (msgspec.DecodeError, ValueError, LookupError, RecursionError):  # no text in that place
            continue
    return "", False


def key_of(endpoint: Endpoint, file: KeptFile) -> str:
    """Return the key of a reply that is a file: the one that it names itself, or its file's name if that is one.

    Where an endpoint takes free text as well (a search, a feed), any name will do; one in doubt has `file:` before it,
    so that it is no node. A name in doubt is enough for an answer that found nothing. Raises BadValue where there is no
    key or a doubt: the user has to say it.
    """
    name = file.name
    stated, sure = subject_of(endpoint, file.body)
    key, kind, fault = _known(endpoint, name.stem)
    doubt = _doubt(key, kind, cut=name.cut) if key else fault
    if stated and (sure or doubt):
        return stated
    if not doubt or (key and judged(endpoint, file.status, file.body).outcome is not Outcome.FOUND):
        return name.stem
    if any(not each.labels for each in endpoint.kinds):
        return f"file:{name.stem}" if key else name.stem
    raise BadValue(
        f"its name, {name.stem!r}, is no key to rely on ({doubt}), and it names none itself: say with --key what it is "
        "about"
    )


def _pass(_endpoint: Endpoint, _file: KeptFile, _key: str, _params: Mapping[str, str]) -> None:
    """Do nothing."""


class Naming:
    """Finds the keys of replies that are files, for the replies of one run of `cache add`.

    `columns` is a map of the columns of tables; it is kept with each. `on_list` is called with each list, its key and
    its parameters, and may raise BadValue to leave it out. `told` has the replies that go by another name than their
    file's: where they are, and the name.
    """

    def __init__(self, registry: Registry, cache: Cache, columns: str = "", on_list: OnList = _pass) -> None:
        self._registry = registry
        self._cache = cache
        self._columns = columns
        self._on_list = on_list
        self._lists: dict[tuple[str, str], dict[str, str]] = {}
        self.told: dict[str, str] = {}

    def __call__(self, file: KeptFile) -> tuple[str, dict[str, str]]:
        """Return the key of a reply that is a file, and its parameters. Raises BadValue where the key is in doubt."""
        try:
            known = self._registry.named(file.source).endpoint(file.endpoint)
        except UsageError:
            known = None
        if known is None:
            return file.key or file.name.stem, {}
        if known.of_files:
            return self._of_list(known, file)
        key = file.key or key_of(known, file)
        if not file.key and file.name.stem and _known(known, file.name.stem)[0] != _known(known, key)[0]:
            self.told.setdefault(file.name.where, key)
        return key, {}

    def _of_list(self, endpoint: Endpoint, file: KeptFile) -> tuple[str, dict[str, str]]:
        """Return the key of a list and its parameters. One of the same content has the key of the one that is there."""
        digest = sha256(file.body).hexdigest()
        place = endpoint.source.name, endpoint.name
        if place not in self._lists:
            kept = self._cache.questions(*place)
            self._lists[place] = {params[DIGEST]: own for own, params in kept if DIGEST in params}
        title = file.key or PurePath(file.name.where.rpartition("!")[2]).name
        key = file.key or self._lists[place].get(digest) or list_key(file.name, digest)
        if self._columns and endpoint.of_files != "table":
            raise BadValue("--columns is for a table: say --endpoint table")
        params = {TITLE: title, PATH: file.name.where, DIGEST: digest}
        params |= {COLUMNS: self._columns} if self._columns else {}
        self._on_list(endpoint, file, key, params)
        self._lists[place].setdefault(digest, key)
        return key, params


def list_key(name: FileName, digest: str) -> str:
    """Return the key of a list that a user keeps as a file: its name, and a digest of the place where it lies.

    Two lists of one name in two folders are two; a newer one in the same place is the same list. Standard input is no
    place: a list from there goes by the `digest` of its content.
    """
    place = name.place if name.stem else digest
    origin = blake2b(place.encode(errors="surrogateescape"), digest_size=_ORIGIN).hexdigest()
    plain = _NOT_PLAIN.sub("-", name.stem[:_LONGEST]).strip("-.") or "list"
    return f"{plain}.{origin}"


def _known(endpoint: Endpoint, raw: str) -> tuple[str, Kind[Any] | None, str]:
    """Return the canonical key and its kind, of a kind that is a node; else "" and the reason."""
    reason = ""
    for kind in endpoint.kinds:
        if kind.labels:
            try:
                return kind.canonical(raw), kind, ""
            except BadValue as bad:
                reason = reason or bad.reason
    return "", None, reason


def _doubt(key: str, kind: Kind[Any] | None, *, cut: bool) -> str:
    """Return why a file's name may not be the key that it looks like; empty where nothing speaks against it."""
    if _DATED.match(key) and not key.replace(".", "").isdigit():
        return "it begins with a date"
    if kind is None or not set(kind.labels) & set(HOSTNAME.labels):
        return ""
    *_, above, last = ["", *key.split(".")]
    if last not in suffixes.top_level() and not last.startswith("xn--"):
        return f"{last} is no top-level domain"
    if "_" in above:
        return "nobody registers a name with an underscore"
    if suffixes.ambiguous(last) and not cut:
        return f"{last} is a file's extension as well"
    return ""


def _member(body: bytes, path: tuple[str, ...]) -> str:
    """Return the text that stands in a place of a JSON value. Raises ValueError or LookupError where there is none."""
    value = body
    for step in path:
        value = bytes(_items.decode(value)[int(step)] if step.isdigit() else _object(step).decode(value).value)
    found: str | int = _text.decode(value)
    return str(found)


@cache
def _object(name: str) -> msgspec.json.Decoder[Any]:
    """Return a decoder that reads one member of an object and skips all others."""
    made = msgspec.defstruct("_Member", [("value", msgspec.Raw, msgspec.Raw(b'""'))], rename={"value": name})
    return msgspec.json.Decoder(made)


_items: Final = msgspec.json.Decoder(list[msgspec.Raw])
_text: Final = msgspec.json.Decoder(str | int)
