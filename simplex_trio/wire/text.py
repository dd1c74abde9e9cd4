"""What the text forms share (addresses, links, push messages): base64 and decimal numbers.

The standard library is too lenient for both.  Its base64 skips what it does not know and ignores
spare bits, so that one value would have many spellings; here a value has one, with its padding or
without.  Its integers read any script's digits, and refuse very long input with another error.
"""

from __future__ import annotations

import base64
import re

from simplex_trio.errors import DecodeError

__all__ = ["decimal", "from_base64url", "to_base64url"]

_BASE64_DIGITS = re.compile(r"[0-9A-Za-z_-]*")
_DECIMAL_DIGITS = re.compile(r"[0-9]+")


def to_base64url(data: bytes) -> str:
    """``data`` in the alphabet that URLs keep as it is, padded."""
    return base64.urlsafe_b64encode(data).decode("ascii")


def from_base64url(text: str) -> bytes:
    """The bytes that ``text`` spells, without padding or with all of it; else `DecodeError`."""
    found = _BASE64_DIGITS.match(text)
    digits = found.group() if found else ""
    padding = text[len(digits) :]
    missing = "=" * (-len(digits) % 4)
    if padding not in ("", missing) or len(digits) % 4 == 1:
        raise DecodeError("not base64 of the kind that URLs use")
    data = base64.urlsafe_b64decode(digits + missing)
    if to_base64url(data) != digits + missing:
        raise DecodeError("base64 with spare bits that are not zero")
    return data


def decimal(digits: str, limit: int) -> int:
    """The number that ASCII digits spell, with or without leading zeros; up to ``limit``."""
    if not _DECIMAL_DIGITS.fullmatch(digits):
        raise DecodeError("not a decimal number")
    significant = digits.lstrip("0") or "0"
    if len(significant) > len(str(limit)) or int(significant) > limit:
        raise DecodeError(f"a number above {limit}")
    return int(significant)
