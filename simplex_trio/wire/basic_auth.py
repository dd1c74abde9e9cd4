"""Basic auth: the password that a router may require for new queues, proxying or files."""

from __future__ import annotations

import re

from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.wire.buffer import Reader, short

__all__ = ["decode_basic_auth", "encode_basic_auth", "is_basic_auth"]

_PRINTABLE = re.compile(rb"[!-~\xa1-\xac\xae-\xff]*")
_EXCLUDED = frozenset(b"@:/")


def is_basic_auth(value: bytes) -> bool:
    """Whether ``value`` is a valid password: printable, without spaces, ``@``, ``:`` and ``/``."""
    return bool(_PRINTABLE.fullmatch(value)) and _EXCLUDED.isdisjoint(value)


def encode_basic_auth(password: bytes) -> bytes:
    """Encode a password with a length prefix; raise `EncodeError` for invalid characters."""
    if not is_basic_auth(password):
        raise EncodeError("the password has an invalid character")
    return short(password)


def decode_basic_auth(reader: Reader) -> bytes:
    """Read what `encode_basic_auth` writes."""
    password = reader.short()
    if not is_basic_auth(password):
        raise DecodeError("the password has an invalid character")
    return password
