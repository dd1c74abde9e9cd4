"""Names for files that others have named.  Pure.

The name in a file's header is the sender's choice.  What becomes of it is one component of a path,
without anything that a system, a shell or a reader of the screen could take for something else.
"""

from __future__ import annotations

import os.path
import re
import unicodedata
from collections.abc import Iterator

__all__ = ["MAX_NAME_SIZE", "candidates", "safe_name"]

MAX_NAME_SIZE = 255
"""Bytes of a name that file systems take."""

_NAMELESS = "file"

# Separators of paths, and what Windows does not allow, or gives a meaning to.
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_SEPARATORS = re.compile(r"[/\\]")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)

# Control characters, directions of writing, halves of characters, and what has no meaning yet.
_INVISIBLE = ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")

_LONGEST_SUFFIX = 32
_ROOM_FOR_NUMBER = 8
_MAX_NUMBER = 10_000


def safe_name(name: str) -> str:
    """A name like ``name`` that is safe to create a file with."""
    last = _SEPARATORS.split(name)[-1]
    visible = "".join(c for c in last if unicodedata.category(c) not in _INVISIBLE)
    plain = _FORBIDDEN.sub("_", visible).strip(" .")
    if _DEVICES.fullmatch(plain):
        plain = "_" + plain
    return _shortened(plain) or _NAMELESS


def candidates(name: str) -> Iterator[str]:
    """Names for a file that is to be called ``name``, which others may be called already."""
    yield name
    stem, suffix = os.path.splitext(name)
    for number in range(1, _MAX_NUMBER):
        yield f"{stem}_{number}{suffix}"


def _shortened(name: str) -> str:
    """The name cut to what a file system takes with a number in it, its suffix kept."""
    limit = MAX_NAME_SIZE - _ROOM_FOR_NUMBER
    if len(name.encode()) <= limit:
        return name
    stem, suffix = os.path.splitext(name)
    if len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, suffix = name, ""
    cut = stem.encode()[: limit - len(suffix.encode())].decode(errors="ignore")
    return cut.rstrip(" .") + suffix
