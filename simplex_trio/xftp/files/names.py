"""`safe_name`: safe file names from names that senders chose.  Pure.

The result is one component of a path, without anything that a system, a shell or a reader of the
screen could take for something else.
"""

from __future__ import annotations

import os.path
import re
import unicodedata
from collections.abc import Iterator

__all__ = ["MAX_NAME_SIZE", "candidates", "safe_name", "shortened"]

MAX_NAME_SIZE = 255
"""Bytes of a name that file systems take."""

_NAMELESS = "file"

# Separators of paths, and what Windows does not allow, or gives a meaning to.
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_SEPARATORS = re.compile(r"[/\\]")
_DEVICES = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\..*)?", re.IGNORECASE
)

# Options and home folders, as programs and shells see the names that a pattern stands for.
_MEANT_OTHERWISE = re.compile(r"[-~]")

# Characters that are invisible, and so many spaces that the end is out of sight.
_BLANK = re.compile("[\u115f\u1160\u2800\u3164\uffa0]")
_SPACES = re.compile(r"\s+")

# Control characters, text directions, surrogates, and unassigned characters.
_INVISIBLE = ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")

_LONGEST_SUFFIX = 32
_ROOM_FOR_NUMBER = 8
_MAX_NUMBER = 10_000


def safe_name(name: str) -> str:
    """A name like ``name`` that is safe to create a file with."""
    last = _SEPARATORS.split(name)[-1]
    visible = "".join(c for c in last if unicodedata.category(c) not in _INVISIBLE)
    spaced = _SPACES.sub(" ", _BLANK.sub(" ", visible))
    plain = _FORBIDDEN.sub("_", spaced).strip(" .")
    if _DEVICES.fullmatch(plain) or _MEANT_OTHERWISE.match(plain):
        plain = "_" + plain
    return shortened(plain) or _NAMELESS


def candidates(name: str) -> Iterator[str]:
    """Names to try for a file: ``name``, and then with numbers, in case files exist already."""
    yield name
    stem, suffix = os.path.splitext(name)
    for number in range(1, _MAX_NUMBER):
        yield f"{stem}_{number}{suffix}"


def shortened(name: str, room: int = _ROOM_FOR_NUMBER) -> str:
    """``name`` shortened so that ``room`` bytes more fit into a file name; its suffix is kept."""
    limit = MAX_NAME_SIZE - room
    if _size(name) <= limit:
        return name
    stem, suffix = os.path.splitext(name)
    if _size(suffix) > _LONGEST_SUFFIX:
        stem, suffix = name, ""
    # Bytes that are not text are surrogates here, and take one byte each.
    cut = stem.encode(errors="replace")[: limit - _size(suffix)].decode(errors="ignore")
    return cut.rstrip(" .") + suffix


def _size(name: str) -> int:
    return len(name.encode(errors="replace"))
