"""The little of YAML that descriptions of files need: mappings, lists and single lines of text.

Descriptions come from outside, and YAML proper is a language with references that multiply, tags
that construct, five ways to quote and values that guess their own type.  What is read here is block
mappings and lists of scalars that are text on one line, plain or in quotes; everything else raises
`DecodeError`, as do tabs, equal keys, and more than a few levels.  Time and memory are in
proportion to the input.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from simplex_trio.errors import DecodeError

__all__ = ["Node", "parse_yaml", "quoted"]

Node = str | None | list["Node"] | dict[str, "Node"]
"""A scalar (`None` for an absent one), a list or a mapping."""

_MAX_DEPTH = 8

_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*):(?: +(.*))?")
_ITEM = re.compile(r"-(?:( +)(.*))?")
_SINGLE_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_DOUBLE_QUOTED = re.compile(r'"([^"\\]*)"')

# What means something else at the start of a scalar, and what would end one in the middle.
_NOT_PLAIN = re.compile(r"[-?:](?: |$)|[\[\]{},#&*!|>'\"%@`]")
_ENDS_PLAIN = re.compile(r": | #|:$")
_NULL = ("", "~", "null")

# Lists and mappings without entries have no other form; writers of YAML use it for them.
_EMPTY: Mapping[str, Callable[[], Node]] = {"[]": list, "{}": dict}


@frozen
class _Line:
    indent: int
    text: str


def quoted(text: str) -> str:
    """``text`` as a scalar that no reader takes for a number."""
    return "'" + text.replace("'", "''") + "'"


def parse_yaml(text: str) -> Mapping[str, Node]:
    """The mapping that ``text`` is; else `DecodeError`."""
    lines = _lines(text)
    parser = _Parser(lines)
    if not lines:
        raise DecodeError("an empty document")
    value = parser.block(lines[0].indent, 0)
    if not parser.at_end or not isinstance(value, dict):
        raise DecodeError("a document that is not one mapping")
    return value


def _lines(text: str) -> list[_Line]:
    lines: list[_Line] = []
    for raw in text.split("\n"):
        line = raw.removesuffix("\r").rstrip(" ")
        if not line.isprintable():
            raise DecodeError("a character that no description has")
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
        """The mapping or list whose entries begin at ``indent``."""
        if depth > _MAX_DEPTH:
            raise DecodeError("values inside of values inside of values")
        if _ITEM.fullmatch(self._lines[self._at].text):
            return self._list(indent, depth)
        return self._mapping(indent, depth)

    def _next(self, indent: int) -> _Line | None:
        """The next line if it belongs to a block at ``indent``."""
        if self.at_end or self._lines[self._at].indent < indent:
            return None
        line = self._lines[self._at]
        if line.indent > indent:
            raise DecodeError("a line that is indented for no reason")
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
                # What follows the dash is the first line of a block of its own.
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
                raise DecodeError("neither a key nor an entry of a list")
            key, rest = found.groups()
            if key in fields:
                raise DecodeError("a key that comes twice")
            self._at += 1
            fields[key] = _scalar(rest) if rest else self._nested(indent, depth, in_list=False)
        return fields

    def _nested(self, indent: int, depth: int, *, in_list: bool) -> Node:
        """The value on the lines below a key or a dash; a list may begin right under its key."""
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
        raise DecodeError("a scalar that is not plain text")
    return None if text in _NULL else text
