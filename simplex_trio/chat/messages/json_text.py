"""JSON from a peer, and for one.

Python's reader is too lenient for input from outside: it accepts numbers that are not JSON, text
that is not Unicode, and nesting until it runs out of stack.  Here all of that is a `DecodeError`.
Of two equal keys the first counts, as in the apps.

Known limits: `MAX_DEPTH` levels of arrays and objects, integers of 64 bits, and numbers with a
fraction or an exponent that a double can hold.  The apps accept more of all three where they ignore
the value; nothing that they send has it.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from simplex_trio.errors import DecodeError, EncodeError

__all__ = ["MAX_DEPTH", "decode_json", "encode_json", "is_deeper"]

MAX_DEPTH = 64
"""How deep arrays and objects may be nested; messages of the apps need about ten levels."""

_MAX_INTEGER_TEXT = len(str(-(2**63)))
_INT64 = range(-(2**63), 2**63)

# A string, closed or not, or a bracket.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _first_of_equal_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        members.setdefault(key, value)
    return members


def _integer(text: str) -> int:
    # The length comes first: converting takes quadratic time.
    if len(text) > _MAX_INTEGER_TEXT or (value := int(text)) not in _INT64:
        raise ValueError("a number has more than 64 bits")
    return value


def _fraction(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_reader = json.JSONDecoder(
    object_pairs_hook=_first_of_equal_keys,
    parse_int=_integer,
    parse_float=_fraction,
    parse_constant=_not_json,
)


def decode_json(data: bytes) -> Any:
    """The JSON value that ``data`` is, in UTF-8; raises `DecodeError` for anything else."""
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise DecodeError("not UTF-8") from exc
    if is_deeper(text, MAX_DEPTH):
        raise DecodeError("JSON is nested too deep")
    try:
        value = _reader.decode(text)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        raise DecodeError("text with a lone surrogate") from exc
    except ValueError as exc:
        raise DecodeError("not JSON") from exc
    return value


def is_deeper(text: str, levels: int) -> bool:
    """Whether arrays and objects in a JSON text are nested deeper than so many levels."""
    if text.count("[") + text.count("{") <= levels:
        return False
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        match found[0]:
            case "[" | "{":
                depth += 1
                if depth > levels:
                    return True
            case "]" | "}":
                depth -= 1
    return False


def encode_json(value: object) -> bytes:
    """The shortest JSON of ``value``; raises `EncodeError` for what JSON does not have."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except UnicodeEncodeError as exc:
        raise EncodeError("text with a lone surrogate") from exc
    except (TypeError, ValueError, RecursionError) as exc:
        raise EncodeError("a value that JSON does not have") from exc
