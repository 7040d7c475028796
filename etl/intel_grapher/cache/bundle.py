"""Evidence bundles: raw replies in one archive that can be checked, for a place that no network reaches.

    .bundle/manifest.json                                       what it is, how it was chosen, each file's SHA-256
    .bundle/signature.json                                      a signature of the manifest, where there is one
    raw/threatcrowd/domain/000001-18211-9f86d081884c7d65.jsonl.zst     replies, as the cache itself keeps them
    .bundle/SHA256SUMS                                          digests of all files above: `sha256sum -c` reads it

It is a plain tar (ustar), so that it can be read without this program. `verify` lets pass only what `write` makes, byte
for byte: each header, each file, what fills up the blocks, the end. So a change anywhere is found. A change with a
new manifest is found by the signature alone. `cache add` of a bundle verifies it, and adds what the cache lacks.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

import msgspec

from intel_grapher import disk
from intel_grapher.cache.envelope import Entry, Envelope, encode
from intel_grapher.cache.segment import Corruption, Segment
from intel_grapher.cache.signing import Signature, Signer, signature_fault
from intel_grapher.cache.store import Cache
from intel_grapher.cache.writer import SEGMENT_BYTES, pack
from intel_grapher.errors import CacheError, UsageError

VERSION: Final = 1
KIND: Final = "intel-grapher evidence bundle"
FOLDER: Final = ".bundle/"
"""What begins with a dot is passed over by all that reads archives of replies."""
MANIFEST: Final = f"{FOLDER}manifest.json"
SIGNATURE: Final = f"{FOLDER}signature.json"
SUMS: Final = f"{FOLDER}SHA256SUMS"
_NOT_JSON: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_BLOCK: Final = tarfile.BLOCKSIZE
_LONGEST_NAME: Final = 256
_CHUNK: Final = 1 << 20
_LARGEST_MANIFEST: Final = 64 << 20
_SIZE: Final = slice(124, 136)  # of a tar header: octal digits


class BundledFile(msgspec.Struct, frozen=True):
    """One file of replies: its name, how many it has, its bytes, and its SHA-256 digest."""

    path: str
    records: int
    size: int
    sha256: str


class BundleManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle has, and how it was chosen.

    `chosen` are the options as they were given, `left_out` counts by reason what of them was not taken.
    """

    kind: str = KIND
    version: int = VERSION
    chosen: dict[str, str]
    replies: int
    left_out: dict[str, int]
    files: list[BundledFile]


NOT_ASKED: Final = "-"
Refuse = Callable[[Envelope], str]
"""Returns why a reply does not go into a bundle: empty for one that does, NOT_ASKED for one that nobody asked for."""


def write(
    cache: Cache,
    path: Path,
    *,
    refuse: Refuse,
    chosen: dict[str, str],
    signer: Signer | None = None,
    on_corruption: Callable[[Corruption], None] = lambda _: None,
) -> BundleManifest:
    """Write the replies of a cache that are in use, and that `refuse` lets pass, to a new bundle at `path`.

    What was there is replaced when the bundle is whole. Raises CacheError where it can't be written, UsageError where
    it is a folder, or no reply is left.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file, such as {path / 'evidence.tar'}")
    left_out: Counter[str] = Counter()
    target = disk.real(path)
    with (
        disk.failing(path, CacheError, "What was there is as it was."),
        TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder,
    ):
        parts = Path(folder)
        files = []
        for (source, endpoint), segments in _by_endpoint(cache.segments()).items():
            lines = _lines(cache, segments, refuse, left_out, on_corruption)
            files += list(_packed(parts, f"raw/{source}/{endpoint}", lines))
        if not files:
            raise UsageError(
                "no reply is left to be exported: name other sources, an earlier date, or a stricter level"
            )
        made = BundleManifest(
            chosen=chosen,
            replies=sum(each.records for each in files),
            left_out=dict(sorted(left_out.items())),
            files=files,
        )
        with disk.create(parts / "whole") as out:
            _assemble(out, parts, made, signer)
        disk.replace(parts / "whole", target)
    return made


def is_bundle(path: Path) -> bool:
    """Tell whether a file begins as a bundle does."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(MANIFEST) + 1) == MANIFEST.encode() + b"\0"
    except OSError:
        return False


def verify(path: Path, trusted: Iterable[bytes] = ()) -> tuple[BundleManifest, str]:
    """Return the manifest of a whole bundle, and whose signature it has, as text (empty for none).

    `trusted` are public keys: where there are any, the bundle must be signed by one of them. Raises CacheError where it
    is not byte for byte what was written, or not signed so.
    """
    trusted = list(trusted)
    try:
        with path.open("rb") as file:
            return _Reading(path, file).verified(trusted)
    except OSError as error:
        raise CacheError(f"{path} can't be read: {error.strerror}") from error


class _Reading:
    """A bundle that is being read: every byte of it is compared."""

    def __init__(self, path: Path, file: BufferedReader) -> None:
        self.path = path
        self.file = file
        self.sums: list[tuple[str, str]] = []

    def verified(self, trusted: list[bytes]) -> tuple[BundleManifest, str]:
        body = self._small(MANIFEST)
        try:
            manifest = msgspec.json.decode(body, type=BundleManifest)
        except _NOT_JSON as wrong:
            raise self._fault(f"its manifest is none ({wrong})") from wrong
        if manifest.kind != KIND or manifest.version != VERSION:
            raise CacheError(f"{self.path} is a bundle of version {manifest.version}: a later intel-grapher reads it")
        signature = self._signature()
        for each in manifest.files:
            self._header(each.path, each.size)
            if self._digest(each.path, each.size) != each.sha256:
                raise self._fault(f"{each.path} is not what its digest says")
        sums = _sums(self.sums)
        if self._small(SUMS) != sums:
            raise self._fault(f"{SUMS} does not fit the files")
        if self.file.read(2 * _BLOCK + 1) != bytes(2 * _BLOCK):
            raise self._fault("its end is missing, or something follows it")
        fault = signature_fault(signature, body, trusted)
        if fault:
            raise CacheError(f"{self.path}: {fault}; nothing was added")
        return manifest, signature.signer if signature else ""

    def _small(self, name: str) -> bytes:
        """Return the content of a file of the bundle's own."""
        header = self.file.read(_BLOCK)
        if len(header) < _BLOCK:
            raise self._fault(f"it ends before {name}")
        try:
            size = int(header[_SIZE].rstrip(b"\0 "), 8)
        except ValueError:
            raise self._fault(f"the header of {name} is damaged") from None
        if size > _LARGEST_MANIFEST or header != _header(name, size):
            raise self._fault(f"the header of {name} is damaged")
        body = self.file.read(size)
        self._padding(size)
        if name != SUMS:
            self.sums.append((name, hashlib.sha256(body).hexdigest()))
        return body

    def _signature(self) -> Signature | None:
        """Return the signature, if the next file is one."""
        place = self.file.tell()
        begins = self.file.read(_BLOCK).startswith(SIGNATURE.encode())
        self.file.seek(place)
        if not begins:
            return None
        try:
            return msgspec.json.decode(self._small(SIGNATURE), type=Signature)
        except _NOT_JSON as wrong:
            raise self._fault("its signature is none") from wrong

    def _header(self, name: str, size: int) -> None:
        try:
            header = _header(name, size)
        except ValueError:  # a name or a size that no header can have
            header = b""
        if self.file.read(_BLOCK) != header:
            raise self._fault(f"the header of {name[:_LONGEST_NAME]} is damaged")

    def _digest(self, name: str, size: int) -> str:
        """Return the digest of the next `size` bytes."""
        found = hashlib.sha256()
        left = size
        while left and (chunk := self.file.read(min(left, _CHUNK))):
            found.update(chunk)
            left -= len(chunk)
        if left:
            raise self._fault(f"it ends within {name}")
        self._padding(size)
        self.sums.append((name, found.hexdigest()))
        return found.hexdigest()

    def _padding(self, size: int) -> None:
        padding = -size % _BLOCK
        found = self.file.read(padding)
        if len(found) < padding:
            raise self._fault("it ends too early")
        if found != bytes(padding):
            raise self._fault("what fills up its blocks is not empty")

    def _fault(self, what: str) -> CacheError:
        return CacheError(f"{self.path} is not as it was written: {what}. Nothing was added; have it sent again")


def _by_endpoint(segments: Iterable[Segment]) -> dict[tuple[str, str], list[Segment]]:
    found: dict[tuple[str, str], list[Segment]] = {}
    for segment in segments:
        found.setdefault((segment.source, segment.endpoint), []).append(segment)
    return dict(sorted(found.items()))


def _lines(
    cache: Cache,
    segments: Iterable[Segment],
    refuse: Refuse,
    left_out: Counter[str],
    on_corruption: Callable[[Corruption], None],
) -> Iterator[bytes]:
    """Yield the replies that go out, each as a line, without the import that brought them here."""
    for segment in segments:
        for reply in cache.replies(segment, on_corruption):
            reason = refuse(reply)
            if not reason:
                yield encode(
                    Entry(
                        source=reply.source,
                        endpoint=reply.endpoint,
                        key=reply.key,
                        params=reply.params,
                        fetched_at=reply.epoch,
                        status=reply.status,
                        body=reply.content,
                    )
                )
            elif reason != NOT_ASKED:
                left_out[reason] += 1


def _packed(parts: Path, folder: str, lines: Iterator[bytes]) -> Iterator[BundledFile]:
    """Write lines as closed segments of a folder, and yield what each is."""
    (parts / folder).mkdir(parents=True)
    number = 0
    while True:
        number += 1
        path = pack(parts / folder, number, _some(lines))
        if path is None:
            return
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        records = int(path.name.split("-")[1])
        yield BundledFile(f"{folder}/{path.name}", records, path.stat().st_size, digest.hexdigest())


def _some(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield as many lines as a segment holds."""
    size = 0
    while size < SEGMENT_BYTES and (line := next(lines, None)) is not None:
        size += len(line)
        yield line


def _assemble(out: BinaryIO, parts: Path, made: BundleManifest, signer: Signer | None) -> None:
    body = msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"
    sums = [(MANIFEST, hashlib.sha256(body).hexdigest())]
    _put(out, MANIFEST, body)
    if signer is not None:
        signature = msgspec.json.encode(signer.sign(body)) + b"\n"
        sums.append((SIGNATURE, hashlib.sha256(signature).hexdigest()))
        _put(out, SIGNATURE, signature)
    for each in made.files:
        out.write(_header(each.path, each.size))
        with (parts / each.path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                out.write(chunk)
        out.write(bytes(-each.size % _BLOCK))
        sums.append((each.path, each.sha256))
    _put(out, SUMS, _sums(sums))
    out.write(bytes(2 * _BLOCK))


def _put(out: BinaryIO, name: str, body: bytes) -> None:
    out.write(_header(name, len(body)) + body + bytes(-len(body) % _BLOCK))


def _header(name: str, size: int) -> bytes:
    """Return the one header that a file of a bundle can have."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info.tobuf(format=tarfile.USTAR_FORMAT)


def _sums(sums: list[tuple[str, str]]) -> bytes:
    return "".join(f"{digest}  {name}\n" for name, digest in sums).encode()
