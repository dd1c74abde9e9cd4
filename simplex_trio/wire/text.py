"""Base64 and decimal numbers for the text forms: addresses, links, push messages.

The standard library is too lenient for both.  Its base64 skips unknown characters and ignores spare
bits, so that a value has many spellings; here it has one, with or without its padding.  Its
integers accept digits of any script, and very long input raises another error.
"""

from __future__ import annotations

import base64
import re

from simplex_trio.errors import DecodeError

__all__ = ["decimal", "from_base64url", "to_base64url"]

_BASE64_DIGITS = re.compile(r"[0-9A-Za-z_-]*")
_DECIMAL_DIGITS = re.compile(r"[0-9]+")


def to_base64url(data: bytes) -> str:
    """Encode ``data`` in URL-safe base64, with padding."""
    return base64.urlsafe_b64encode(data).decode("ascii")


def from_base64url(text: str) -> bytes:
    """Decode URL-safe base64, without padding or with all of it; otherwise raise `DecodeError`."""
    found = _BASE64_DIGITS.match(text)
    digits = found.group() if found else ""
    padding = text[len(digits) :]
    missing = "=" * (-len(digits) % 4)
    if padding not in ("", missing) or len(digits) % 4 == 1:
        raise DecodeError("not URL-safe base64")
    data = base64.urlsafe_b64decode(digits + missing)
    if to_base64url(data) != digits + missing:
        raise DecodeError("base64 whose spare bits are not zero")
    return data


def decimal(digits: str, limit: int) -> int:
    """Parse ASCII digits, with or without leading zeros, up to ``limit``."""
    if not _DECIMAL_DIGITS.fullmatch(digits):
        raise DecodeError("not a decimal number")
    significant = digits.lstrip("0") or "0"
    if len(significant) > len(str(limit)) or int(significant) > limit:
        raise DecodeError(f"a number above {limit}")
    return int(significant)
