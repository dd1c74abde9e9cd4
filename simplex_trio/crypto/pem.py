"""PEM (RFC 7468): the text format of certificate and key files."""

from __future__ import annotations

import base64
import binascii

from simplex_trio.errors import DecodeError

__all__ = ["from_pem", "to_pem"]

_LINE = 64


def to_pem(label: str, der: bytes) -> bytes:
    """Encode one block with this label."""
    text = base64.b64encode(der).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def from_pem(label: str, data: bytes) -> tuple[bytes, ...]:
    """Return the contents of all blocks with this label, in order; possibly none.

    Text outside of these blocks is ignored.  Raises `DecodeError` if a block has no end or is not
    base64, as in the old format for encrypted keys.
    """
    begin, end = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    blocks = []
    position = 0
    while (found := data.find(begin, position)) >= 0:
        start = found + len(begin)
        stop = data.find(end, start)
        if stop < 0:
            raise DecodeError("a PEM block has no end")
        try:
            blocks.append(base64.b64decode(b"".join(data[start:stop].split()), validate=True))
        except binascii.Error as exc:
            raise DecodeError("a PEM block is not base64") from exc
        position = stop + len(end)
    return tuple(blocks)
