"""The password that a router may ask for: to create queues (NEW), or to be a proxy (PRXY)."""

from __future__ import annotations

from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.wire.addresses import is_basic_auth
from simplex_trio.wire.buffer import Reader, short

__all__ = ["decode_basic_auth", "encode_basic_auth"]


def encode_basic_auth(password: bytes) -> bytes:
    """The password behind its length, if it has no character that passwords never have."""
    if not is_basic_auth(password):
        raise EncodeError("a password with a character that none may have")
    return short(password)


def decode_basic_auth(reader: Reader) -> bytes:
    """Read what `encode_basic_auth` writes."""
    password = reader.short()
    if not is_basic_auth(password):
        raise DecodeError("a password with a character that none may have")
    return password
