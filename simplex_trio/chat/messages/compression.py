"""Compression of bodies with zstd, bounded before anything is decompressed.

Each frame has to say in its header how large its content is, as the apps demand, and all frames of
a body together may have 65,536 bytes.  So a body costs at most that much memory, however well it is
compressed.  A bound on the ratio would add nothing, and would refuse honest text: a page of one
letter is compressed a thousandfold.
"""

from __future__ import annotations

import sys
from functools import cache
from types import ModuleType

from simplex_trio.errors import DecodeError, SimplexError

__all__ = [
    "MAX_DECOMPRESSED",
    "CompressionSupportMissing",
    "compress_frame",
    "declared_size",
    "decompress_frame",
    "require_compression",
]

MAX_DECOMPRESSED = 65_536
"""How many bytes a body, or the data of a link, may have when it is decompressed."""

_LEVEL = 3
_MAGIC = b"\x28\xb5\x2f\xfd"
_SINGLE_SEGMENT = 0x20
_RESERVED = 0x08
_DICTIONARY_SIZES = (0, 1, 2, 4)
_CONTENT_SIZES = (0, 2, 4, 8)
_OFFSET_OF_TWO_BYTES = 256


class CompressionSupportMissing(SimplexError, ImportError):
    """The package that compresses, of the extra ``chat``, is not installed."""


@cache
def _zstd() -> ModuleType:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as exc:
        raise CompressionSupportMissing(
            "messages of the apps are compressed, which needs a package: "
            "pip install 'simplex-trio[chat]'"
        ) from exc
    return zstd


def require_compression() -> None:
    """Raise `CompressionSupportMissing` if nothing can be compressed here."""
    _zstd()


def declared_size(frame: bytes) -> int:
    """How large the content of a frame is, as its header says.

    Raises `DecodeError` for a header that does not say it, for one that needs a dictionary, and for
    bytes that do not begin as a frame does.
    """
    if frame[:4] != _MAGIC or len(frame) < 6:
        raise DecodeError("not a compressed frame")
    descriptor = frame[4]
    is_single = bool(descriptor & _SINGLE_SEGMENT)
    if descriptor & _RESERVED:
        raise DecodeError("a compressed frame of a future kind")
    if _DICTIONARY_SIZES[descriptor & 3]:
        raise DecodeError("a compressed frame that needs a dictionary")
    size = _CONTENT_SIZES[descriptor >> 6] or (1 if is_single else 0)
    start = 5 if is_single else 6
    if not size or len(frame) < start + size:
        raise DecodeError("a compressed frame that does not say how large its content is")
    declared = int.from_bytes(frame[start : start + size], "little")
    return declared + _OFFSET_OF_TWO_BYTES if size == 2 else declared


def decompress_frame(frame: bytes, limit: int = MAX_DECOMPRESSED) -> bytes:
    """The content of a frame of at most ``limit`` bytes; raises `DecodeError` for anything else."""
    size = declared_size(frame)
    if size > limit:
        raise DecodeError(f"a compressed frame declares {size} bytes, of at most {limit}")
    decompressor = _zstd().ZstdDecompressor()
    try:
        content: bytes = decompressor.decompress(frame, max_length=size + 1)
    except _zstd().ZstdError as exc:
        raise DecodeError("a damaged compressed frame") from exc
    if len(content) != size or not decompressor.eof or decompressor.unused_data:
        raise DecodeError("a compressed frame does not hold what it declares")
    return content


def compress_frame(content: bytes) -> bytes:
    """A frame that declares its size, with the level that the apps use."""
    frame: bytes = _zstd().compress(content, _LEVEL)
    return frame
