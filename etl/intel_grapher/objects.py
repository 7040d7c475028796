"""Objects in an object store, by URL: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX.

An object is written whole or not at all, and never in part of it. Two writes have a condition: `put_new` writes only
where there is nothing, `update` only over what it has read. By these two, writers on many machines need no lock.

Credentials come from where the stores' own tools look: the environment (AWS_ACCESS_KEY_ID, AWS_PROFILE,
GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME, …) or the machine's role. They are never in a URL, and
nothing here writes them. AWS_ENDPOINT_URL names another server that speaks S3. The package is obstore, an extra
(`intel-grapher[store]`): pyarrow's file systems and fsspec have no conditional write.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from intel_grapher import disk
from intel_grapher.errors import StoreError, UsageError
from intel_grapher.store_client import opened, package, reason

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")
SCHEMES: Final = ("s3", "gs", "az")
ATTEMPTS: Final = 6
"""How often a request is sent whose connection was cut, or that met a fault of the server."""
ROUNDS: Final = 60
"""How often an update is tried where other writers are first."""
LARGE: Final = 64 << 20
"""Bytes. A larger file is written in several requests."""
GRACE_SECONDS: Final = 7 * 86_400
"""So long what nothing names stays in a store: a writer may be about to name it, a reader may still read it."""
PROBE: Final = "conditional-writes"
"""The object by which `prove_conditions` finds out what a store does."""
FIRST_WAIT: Final = 0.05  # seconds
_PROBED: Final = b"intel-grapher tries here what the store does.\n"
_LONGEST_WAIT: Final = 5.0
_LONGEST_FOLDER: Final = 60
_MARK: Final = "store.url"
_LONGEST_MARK: Final = 4096
_UNCONDITIONAL: Final = (
    "writers would overwrite each other, so nothing is written there. Take a store that refuses If-None-Match and "
    "If-Match where they do not hold, as S3, MinIO, Google Cloud Storage and Azure do."
)
_RESTORE: Final = "Was it removed by hand? Put it back from a copy."
_NO_BUCKET: Final = re.compile("NoSuchBucket|ContainerNotFound|bucket does not exist")
_NOT_IMPLEMENTED: Final = re.compile("501 Not Implemented|<Code>NotImplemented")
_METADATA: Final = re.compile(r"//169\.254\.|//metadata\.google")
_CREDENTIALS: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_SCHEME: Final = re.compile(rf"({'|'.join(SCHEMES)}):|[a-zA-Z][a-zA-Z0-9+.-]+:(?=/|$)", re.IGNORECASE)
_BUCKET: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,221}")
_NAME: Final = re.compile(r"(?!\.\.?(/|$))[\w.@=+:-]+(/(?!\.\.?(/|$))[\w.@=+:-]+)*", re.ASCII)


class Stat(NamedTuple):
    """What a listing says of an object: its name, bytes, and when it was written (epoch seconds, the store's clock)."""

    name: str
    size: int
    modified: float


class Version(NamedTuple):
    """An object as it was read: its content, what tells it from what it is later (an ETag), when it was written."""

    content: bytes
    tag: str
    modified: float


def is_url(place: str | Path) -> bool:
    """Tell whether a place is a URL, not a path: any text with `scheme://`, also where a Path has made that `scheme:/`.

    So is `s3:bucket`, which `checked` refuses. A folder that is called `scheme:`, or `s3:bucket`, stays one.
    """
    text = str(place)
    match = _SCHEME.match(text)
    return match is not None and (text.startswith(f"{match[0]}//") or not Path(text.partition("/")[0]).exists())


def checked(url: str) -> str:
    """Return a store's URL in its one form, without a slash at its end. Raises UsageError for one of no use."""
    parts = urlsplit(re.sub(r"^(\w+):/(?!/)", r"\1://", url))
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if parts.scheme not in SCHEMES:
        raise UsageError(f"{shown} is not the URL of an object store: it begins with s3://, gs:// or az://")
    if not parts.netloc and parts.path[:1] not in {"", "/"}:
        meant = f"{parts.scheme}://{parts.path.rpartition('@')[2]}"
        raise UsageError(f"a URL has // after {parts.scheme}: and there is no folder of that name: write {meant}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"a URL has no secrets here: write {shown}, and set the credentials as the store's own tools read them "
            "(docs/scale.md)"
        )
    if not _BUCKET.fullmatch(parts.netloc):
        raise UsageError(f"{shown} names no bucket: write it as {parts.scheme}://BUCKET/PREFIX")
    prefix = parts.path.strip("/")
    if prefix and not _NAME.fullmatch(prefix):
        raise UsageError(f"{shown}: a prefix has letters, digits and . _ - = + : @, in parts with one / between them")
    return f"{parts.scheme}://{parts.netloc}{f'/{prefix}' if prefix else ''}"


class Objects:
    """The objects below a URL, by names relative to it. It can be pickled: it is opened again where it arrives.

    Every method raises StoreError, which says what to do, where the store can't be reached or refuses. A request that
    is cut off is sent again. Any thread may call.
    """

    def __init__(self, url: str, store: ObjectStore | None = None) -> None:
        self.url = checked(url)
        self._store: Any = store or opened(self.url)

    def __reduce__(self) -> tuple[type[Objects], tuple[str]]:
        return Objects, (self.url,)

    def __repr__(self) -> str:
        return f"Objects({self.url!r})"

    def get(self, name: str) -> bytes:
        """Return an object's content. Raises StoreError where there is none."""
        found = self.find(name)
        if found is None:
            raise StoreError(f"{self.url}/{name} is not there. {_RESTORE}")
        return found.content

    def find(self, name: str) -> Version | None:
        """Return an object as it is now; None where there is none."""

        def read() -> Version:
            found = package().get(self._store, name)
            written = found.meta["last_modified"].timestamp()
            return Version(bytes(found.bytes()), found.meta["e_tag"] or "", written)

        try:
            return self._sent(read)
        except FileNotFoundError:
            return None

    def put_new(self, name: str, content: bytes) -> bool:
        """Write an object where there is none of this name. False where one with the very same content is there.

        Raises StoreError where the one that is there has another content.
        """
        if self._put(name, content, "create"):
            return True
        found = self.find(name)
        if found is None or found.content != content:  # else it may be ours: the answer to an earlier sending was lost
            raise StoreError(f"{self.url}/{name} is there with another content. Move it away, and run this again.")
        if found.modified < time.time() - GRACE_SECONDS / 7:  # it may be taken for an orphan, and is about to be named
            self._put(name, content, "overwrite")
        return False

    def put_file(self, name: str, path: Path) -> None:
        """Write a file as an object whose name says its content, so that one that is there is the same."""
        if path.stat().st_size <= LARGE:
            self.put_new(name, path.read_bytes())
        else:  # in parts, which no condition goes with
            self._sent(partial(package().put, self._store, name, path))

    def get_file(self, name: str, path: Path) -> str:
        """Write an object's content to a new file, and return its SHA-256. Raises StoreError where there is none."""

        def read() -> str:
            digest = hashlib.sha256()
            with disk.create(path) as file:
                for chunk in package().get(self._store, name).stream():
                    digest.update(chunk)
                    file.write(chunk)
            return digest.hexdigest()

        try:
            return self._sent(read)
        except FileNotFoundError:
            raise StoreError(f"{self.url}/{name} is not there. {_RESTORE}") from None

    def update(self, name: str, change: Callable[[bytes | None], bytes]) -> bytes:
        """Replace an object by what `change` makes of its content (None where there is none), and return that.

        Where another writer was first, `change` is called again with what that one wrote; so it must give, from what
        has the change already, just that. Nothing is written where it gives what is there.
        """
        for attempt in range(ROUNDS):
            present = self.find(name)
            content = change(None if present is None else present.content)
            if present is not None and content == present.content:
                return content
            if self._put(name, content, "create" if present is None else {"e_tag": present.tag}):
                return content
            time.sleep(random.uniform(0, _pause(attempt)))  # noqa: S311 - so that two writers do not meet again
        raise StoreError(f"{self.url}/{name} is changed by too many writers at once. Run the command again.")

    def names(self, *prefixes: str) -> Iterator[Stat]:
        """Yield the objects below some prefixes, or all, in any order.

        Raises StoreError for a name that is none here, as one with // in it: nothing after it could be listed.
        """
        for prefix in prefixes or [None]:
            for batch in self._sent(partial(self._listed, prefix)):
                for each in batch:
                    yield Stat(each["path"], each["size"], each["last_modified"].timestamp())

    def _listed(self, prefix: str | None) -> list[Any]:
        return list(package().list(self._store, prefix))

    def stat(self, name: str) -> Stat | None:
        """Return what a listing says of an object, as it is now; None where there is none."""
        try:
            found = self._sent(partial(package().head, self._store, name))
        except FileNotFoundError:
            return None
        return Stat(name, found["size"], found["last_modified"].timestamp())

    def now(self) -> float:
        """Return the store's time, in epoch seconds: when a small object, PROBE, was written just now."""
        self._put(PROBE, _PROBED, "overwrite")
        there = self.stat(PROBE)
        if there is None:
            raise StoreError(f"{self.url}/{PROBE} was written, and is not there. Run the command again.")
        return there.modified

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects; one that is not there counts as removed."""
        for name in names:
            with suppress(FileNotFoundError):
                self._sent(partial(package().delete, self._store, name))

    def prove_conditions(self) -> None:
        """Raise StoreError where the store does not heed the conditions of a write: writers would lose replies.

        One small object, PROBE, stays there.
        """
        self._put(PROBE, _PROBED, "create")
        if self._put(PROBE, _PROBED, "create") or self._put(PROBE, _PROBED, {"e_tag": '"no-such-version"'}):
            raise StoreError(f"{self.url} does not heed conditional writes: {_UNCONDITIONAL}")

    def _put(self, name: str, content: bytes, mode: str | dict[str, str]) -> bool:
        """Write an object if the condition holds, and tell whether it did.

        False also where an earlier sending has written it, and its answer was lost.
        """
        from obstore.exceptions import (  # noqa: PLC0415 - an extra
            AlreadyExistsError,
            NotSupportedError,
            PreconditionError,
        )

        try:
            self._sent(partial(package().put, self._store, name, content, mode=mode))
        except (AlreadyExistsError, PreconditionError):
            return False
        except FileNotFoundError as error:
            raise self._without_bucket() from error
        except (NotSupportedError, NotImplementedError) as error:
            raise StoreError(f"{self.url} takes no conditional writes: {_UNCONDITIONAL}") from error
        return True

    def _without_bucket(self) -> StoreError:
        return StoreError(f"{self.url}: there is no such bucket. Make it, or name another one.")

    def _sent(self, send: Callable[[], T]) -> T:
        """Return what a request gives; it is sent again after a fault on the way. Raises StoreError after ATTEMPTS.

        The errors of a condition that does not hold, and of an object that is not there, are left to the caller.
        """
        from obstore.exceptions import (  # noqa: PLC0415 - an extra
            AlreadyExistsError,
            BaseError,
            NotSupportedError,
            PreconditionError,
        )

        for attempt in range(1, ATTEMPTS + 1):
            try:
                return send()
            except (AlreadyExistsError, PreconditionError, NotSupportedError):
                raise
            except FileNotFoundError as error:
                if _NO_BUCKET.search(str(error)):
                    raise self._without_bucket() from None
                raise
            except BaseError as error:
                if _NOT_IMPLEMENTED.search(str(error)):
                    raise NotImplementedError from error
                self._give_up(error)
                if attempt == ATTEMPTS:
                    raise StoreError(
                        f"{self.url} can't be reached: {reason(error)}. Check the network, the endpoint and the "
                        "credentials, and run the command again."
                    ) from error
            time.sleep(random.uniform(0.5, 1) * _pause(attempt))  # noqa: S311
        raise AssertionError

    def _give_up(self, error: Exception) -> None:
        """Raise StoreError for an error that a request would meet again."""
        from obstore.exceptions import (  # noqa: PLC0415 - an extra
            InvalidPathError,
            PermissionDeniedError,
            UnauthenticatedError,
        )

        if _NO_BUCKET.search(str(error)):
            raise self._without_bucket() from error
        if isinstance(error, InvalidPathError):
            raise StoreError(f"{self.url}: {reason(error)}. Move that object away.") from error
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            raise StoreError(
                f"{self.url} refuses: {reason(error)}. Give these credentials the right to do that there "
                "(docs/scale.md), or use others."
            ) from error
        if _METADATA.search(str(error)):
            raise StoreError(
                f"{self.url}: there are no credentials. Set those of the store in the environment, such as "
                f"{_CREDENTIALS[self.url[:2]]} (docs/scale.md)."
            ) from error


def _pause(attempt: int) -> float:
    """Return the longest wait after an attempt, in seconds."""
    return min(FIRST_WAIT * float(2**attempt), _LONGEST_WAIT)


def remember(path: Path, url: str, store: str, way_on: str) -> None:
    """Keep in a file what tells a store from others at its URL, if it is the one of before.

    Raises StoreError where it is another one: what this machine has of the one would be taken for the other's. `way_on`
    says what to do then.
    """
    known = ""
    with suppress(OSError, UnicodeDecodeError), disk.open_reading(path) as file:
        known = file.read(_LONGEST_MARK).decode()
    if known and known != store:
        raise StoreError(
            f"{url} is not the store that it was: it has been emptied or replaced, or the endpoint is another one. "
            f"{way_on}"
        )
    if store != known:
        with disk.failing(path, StoreError, "What is there stays in use."):
            path.parent.mkdir(parents=True, exist_ok=True)
            disk.write_atomically(path, store.encode())


def local_folder(url: str) -> Path:
    """Return the folder of this user in which a store's replies and files lie on this machine; it may not be there.

    It is no cache that may be deleted: replies that have still to be pushed are there, and what else belongs to a
    cache's folder.
    """
    url = checked(url)
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    readable = re.sub(r"[^a-zA-Z0-9.]+", "-", url.partition("://")[2])[:_LONGEST_FOLDER]
    return Path(base) / "intel-grapher" / "stores" / f"{readable}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def place(text: str | Path, name: str) -> Path:
    """Return the folder that a user's text means: a path, or `name` (data, import) in the local folder of a URL.

    The local folder of a URL is made, and keeps the URL, so that its path means the same as the URL. Raises UsageError
    for a URL of no use, StoreError where the folder can't be made.
    """
    if not is_url(text):
        return Path(text)
    folder = local_folder(str(text))
    with disk.failing(folder, StoreError, "Nothing was done."):
        if url_of(folder / name) is None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            disk.write_atomically(folder / _MARK, f"{checked(str(text))}\n".encode())
    return folder / name


def url_of(folder: Path) -> str | None:
    """Return the URL of the store that a folder is the local copy of; None for a folder that is none.

    Only the folders that `place` makes are: a file of that name elsewhere, as in somebody's project, says nothing.
    """
    home = Path(os.path.realpath(folder)).parent
    try:
        with disk.open_reading(home / _MARK) as file:
            url = checked(file.read(_LONGEST_MARK).decode().strip())
    except (OSError, UnicodeDecodeError, UsageError):
        return None
    return url if Path(os.path.realpath(local_folder(url))) == home else None


def shown(folder: Path) -> str:
    """Return what a user calls a folder: the store's URL where it is a local copy, else its path."""
    return url_of(folder) or str(folder)
