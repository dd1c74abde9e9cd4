"""README, taken apart: what is to be typed, what is to be saved and run, and what is claimed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

__all__ = ["ROOT", "Block", "blocks", "figures", "from_source", "prose"]

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

_NUMBERS = "two three four five six seven eight nine ten eleven twelve dozen hundred thousand"
_FIGURE = re.compile(
    rf"(?<!\w)(?:\d(?:[\d.,]*\d)?|{'|'.join(_NUMBERS.split())})(?!\w)", re.IGNORECASE
)

_NOT_SAID = re.compile(r'\[[^\]]*\]\([^)]*\)|width="\d+"|``[^`]*``|`[^`]*`')
"""Links, which are titles of pages, sizes of pictures, and code."""


@frozen
class Block:
    """A block of commands or of a program, and what it prints, if that is said."""

    kind: str
    text: str
    output: str | None = None


def blocks() -> list[Block]:
    """The blocks in the order of README."""
    found: list[Block] = []
    for kind, text in _BLOCK.findall(TEXT):
        if kind == "output":
            found[-1] = Block(found[-1].kind, found[-1].text, text)
        else:
            found.append(Block(kind, text))
    return found


def from_source() -> str:
    """The command that stands in for the one that needs a release."""
    found = re.search(r"There is no release yet: from a copy of the source it is ``(.*?)``", TEXT)
    assert found is not None, "README does not say how to install from the source"
    return found[1]


def prose() -> str:
    """What README says outside of blocks, links and code, on one line."""
    return " ".join(_NOT_SAID.sub("", _BLOCK.sub("", TEXT)).split())


def figures() -> Iterator[re.Match[str]]:
    """Each figure of the prose."""
    return _FIGURE.finditer(prose())
