"""Copy streams: the daemon's encoding, and the courier's decoding.  Pure.

A stream is a sequence of elements, each the plaintext of one box: flags, a length, and data.  The
data of all elements together is a sequence of envelopes, each with its length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from simplex_trio.errors import DecodeError
from simplex_trio.testing.kpclientd.boxes import MAX_PLAINTEXT, Envelope

__all__ = ["MAX_ENVELOPES", "StreamReader", "encode_elements"]

MAX_ENVELOPES = 65_536

_START, _FINAL = 1, 2
_OVERHEAD = 5
_DATA = MAX_PLAINTEXT - _OVERHEAD


def encode_elements(
    envelopes: Iterable[Envelope], buffer: bytes, *, is_start: bool, is_last: bool, flush: bool
) -> tuple[list[bytes], bytes]:
    """Return elements, and the remaining data.

    With ``is_last`` or ``flush`` no data remains, but only the former ends the stream.  The last
    full element is held back as well, since it may turn out to be the final one.
    """
    parts = [buffer]
    for envelope in envelopes:
        encoded = envelope.to_bytes()
        parts += [len(encoded).to_bytes(4, "big"), encoded]
    data = b"".join(parts)
    elements: list[bytes] = []
    position = 0
    while len(data) - position > _DATA or (position < len(data) and (is_last or flush)):
        chunk = data[position : position + _DATA]
        position += len(chunk)
        flags = _START if is_start and not elements else 0
        if is_last and position == len(data):
            flags |= _FINAL
        elements.append(bytes([flags]) + len(chunk).to_bytes(4, "big") + chunk)
    return elements, data[position:]


class StreamReader:
    """Reads the boxes of a copy stream in order, as a courier does."""

    def __init__(self) -> None:
        self.is_complete: bool = False
        self._data = b""

    def read(self, element: bytes) -> Iterator[Envelope]:
        """Yield the envelopes that this element completes; raises `DecodeError`."""
        size = int.from_bytes(element[1:_OVERHEAD], "big")
        if len(element) != _OVERHEAD + size:
            raise DecodeError("not a copy stream element")
        self.is_complete = bool(element[0] & _FINAL)
        self._data += element[_OVERHEAD:]
        while len(self._data) >= 4:
            end = 4 + int.from_bytes(self._data[:4], "big")
            if len(self._data) < end:
                break
            encoded, self._data = self._data[4:end], self._data[end:]
            yield Envelope.from_bytes(encoded)
