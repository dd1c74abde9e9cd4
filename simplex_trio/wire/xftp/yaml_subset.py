"""The subset of YAML that file descriptions need: mappings, lists and single-line text.

Descriptions come from a peer, and full YAML has references that multiply, tags that construct
objects, five ways to quote, and values that guess their own type.  This parser reads block mappings
and lists of scalars, which are text on one line, plain or quoted.  Everything else raises
`DecodeError`, and so do tabs, duplicate keys, more than a few levels of nesting, and more than
`MAX_LINES` lines.  Time and memory are proportional to the input.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen

__all__ = ["MAX_LINES", "Node", "parse_yaml", "quoted"]

Node = str | None | list["Node"] | dict[str, "Node"]
"""A scalar (`None` if it is absent), a list or a mapping."""

MAX_LINES = 65_536
"""Twice as many as there are packets in the longest description: each takes 80 characters at least.
More are refused before they are looked at, since a line costs far more than its two bytes."""

_MAX_DEPTH = 8

_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*):(?: +(.*))?")
_ITEM = re.compile(r"-(?:( +)(.*))?")
# Possessive: nothing is remembered of the way, where each step would cost a hundred bytes.
_SINGLE_QUOTED = re.compile(r"'((?:[^']|'')*+)'")
_DOUBLE_QUOTED = re.compile(r'"([^"\\]*)"')

# Indicators at the start of a scalar, and text that would end one in the middle.
_NOT_PLAIN = re.compile(r"[-?:](?: |$)|[\[\]{},#&*!|>'\"%@`]")
_ENDS_PLAIN = re.compile(r": | #|:$")
_NULL = ("", "~", "null")

# Writers of YAML use this form for empty lists and mappings, which have no other.
_EMPTY: Mapping[str, Callable[[], Node]] = {"[]": list, "{}": dict}


@frozen
class _Line:
    indent: int
    text: str


def quoted(text: str) -> str:
    """Quote ``text``, so that no reader takes it for a number."""
    return "'" + text.replace("'", "''") + "'"


def parse_yaml(text: str) -> Mapping[str, Node]:
    """Parse a document that is one mapping; raise `DecodeError` for other text."""
    lines = _lines(text)
    parser = _Parser(lines)
    if not lines:
        raise DecodeError("the document is empty")
    value = parser.block(lines[0].indent, 0)
    if not parser.at_end or not isinstance(value, dict):
        raise DecodeError("the document is not one mapping")
    return value


def _lines(text: str) -> list[_Line]:
    if text.count("\n") >= MAX_LINES:
        raise DecodeError("a document of too many lines")
    lines: list[_Line] = []
    for raw in text.split("\n"):
        line = raw.removesuffix("\r").rstrip(" ")
        if not line.isprintable():
            raise DecodeError("an invalid character in a description")
        content = line.lstrip(" ")
        if content and not content.startswith("#") and (lines or line != "---"):
            lines.append(_Line(len(line) - len(content), content))
    return lines


class _Parser:
    def __init__(self, lines: Sequence[_Line]) -> None:
        self._lines = list(lines)
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._lines)

    def block(self, indent: int, depth: int) -> Node:
        """Parse the mapping or list whose entries begin at ``indent``."""
        if depth > _MAX_DEPTH:
            raise DecodeError("values are nested too deeply")
        if _ITEM.fullmatch(self._lines[self._at].text):
            return self._list(indent, depth)
        return self._mapping(indent, depth)

    def _next(self, indent: int) -> _Line | None:
        """Return the next line if it belongs to the block at ``indent``."""
        if self.at_end or self._lines[self._at].indent < indent:
            return None
        line = self._lines[self._at]
        if line.indent > indent:
            raise DecodeError("unexpected indentation")
        return line

    def _list(self, indent: int, depth: int) -> list[Node]:
        items: list[Node] = []
        while line := self._next(indent):
            found = _ITEM.fullmatch(line.text)
            if found is None:
                break
            spaces, rest = found.groups()
            if not rest:
                self._at += 1
                items.append(self._nested(indent, depth, in_list=True))
            elif _KEY.fullmatch(rest) or _ITEM.fullmatch(rest):
                # The rest of the line is the first line of a nested block.
                inner = indent + 1 + len(spaces)
                self._lines[self._at] = _Line(inner, rest)
                items.append(self.block(inner, depth + 1))
            else:
                self._at += 1
                items.append(_scalar(rest))
        return items

    def _mapping(self, indent: int, depth: int) -> dict[str, Node]:
        fields: dict[str, Node] = {}
        while line := self._next(indent):
            found = _KEY.fullmatch(line.text)
            if found is None:
                raise DecodeError("a line is not a key or a list item")
            key, rest = found.groups()
            if key in fields:
                raise DecodeError("duplicate key")
            self._at += 1
            fields[key] = _scalar(rest) if rest else self._nested(indent, depth, in_list=False)
        return fields

    def _nested(self, indent: int, depth: int, *, in_list: bool) -> Node:
        """Parse the value below a key or a dash; a list may begin at the indentation of its key."""
        if self.at_end:
            return None
        below = self._lines[self._at]
        is_item = _ITEM.fullmatch(below.text) is not None
        if below.indent > indent or (below.indent == indent and is_item and not in_list):
            return self.block(below.indent, depth + 1)
        return None


def _scalar(text: str) -> Node:
    if found := _SINGLE_QUOTED.fullmatch(text):
        return found[1].replace("''", "'")
    if found := _DOUBLE_QUOTED.fullmatch(text):
        return found[1]
    if text in _EMPTY:
        return _EMPTY[text]()
    if _NOT_PLAIN.match(text) or _ENDS_PLAIN.search(text):
        raise DecodeError("a scalar is not plain text")
    return None if text in _NULL else text
