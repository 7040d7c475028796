"""The zstd frames of a closed segment: whole lines, about FRAME_BYTES in each, each with a checksum of its content.

A damaged frame costs its own lines only: the next frame is found by its length, or by its first four bytes.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from intel_grapher.errors import BadValue

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FRAME_BYTES: Final = 1 << 20
LEVEL: Final = 3
_MAX_FRAME: Final = 1 << 30  # a frame has at most one line over FRAME_BYTES, and no line is longer than this
_MAX_HEADER: Final = 18  # bytes: RFC 8878, section 3.1.1.1, with the magic number
_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_OPTIONS: Final[dict[int, int]] = {
    zstd.CompressionParameter.compression_level: LEVEL,
    zstd.CompressionParameter.checksum_flag: 1,
}

__all__ = ["FRAME_BYTES", "blocks", "extents", "frames", "uncompressed", "zstd"]


def frames(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield compressed frames of about FRAME_BYTES (uncompressed) of lines. Each line has its newline."""
    compressor = zstd.ZstdCompressor(options=_OPTIONS)
    block: list[bytes] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if size >= FRAME_BYTES:
            yield compressor.compress(b"".join(block), zstd.ZstdCompressor.FLUSH_FRAME)
            block, size = [], 0
    if block:
        yield compressor.compress(b"".join(block), zstd.ZstdCompressor.FLUSH_FRAME)


def blocks(data: bytes, only: int | None = None) -> Iterator[tuple[int, bytes | None]]:
    """Yield (uncompressed offset, content) of each frame, with None for the content of a damaged one.

    With `only`, an uncompressed offset, the content of the frame that holds it, and of no other.
    """
    view = memoryview(data)
    position = 0
    offset = 0
    while position < len(data):
        end, size = _bounds(view, position)
        followed = end == len(data) or data.startswith(_MAGIC, end)
        block = None
        if only is None or offset <= only < offset + size or not followed:
            block = _content(view[position:end], size) if size else None
            if only is None or block is not None:
                yield offset, block
        if block is None and not (size and followed):  # where it ends is a guess: go to what looks like the next
            following = data.find(_MAGIC, position + 1)
            end, size = (len(data) if following < 0 else following), 0
        offset += size
        position = end


def extents(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each frame ends, and its uncompressed size. Raises BadValue where no whole frame begins."""
    view = memoryview(data)
    end = 0
    while end < len(data):
        end, size = _bounds(view, end)
        if not size:
            raise BadValue("no whole frame")
        yield end, size


def uncompressed(data: bytes) -> bytes:
    """Return the content of all whole frames."""
    return b"".join(block or b"" for _, block in blocks(data))


def _bounds(view: memoryview, start: int) -> tuple[int, int]:
    """Return where the frame at `start` ends, and its uncompressed size: 0 where no whole frame begins there."""
    try:
        end = start + zstd.get_frame_size(view[start:])
        size = zstd.get_frame_info(view[start : start + _MAX_HEADER]).decompressed_size
    except zstd.ZstdError:
        return len(view), 0
    return end, size if size is not None and size <= _MAX_FRAME else 0


def _content(frame: memoryview, size: int) -> bytes | None:
    """Return the content of a frame that states `size` bytes; None where it is damaged."""
    decompressor = zstd.ZstdDecompressor()
    with suppress(zstd.ZstdError):
        content = decompressor.decompress(frame, size + 1)
        if decompressor.eof and len(content) == size:
            return content
    return None
