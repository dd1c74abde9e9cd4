"""What both languages for drawings have in common: texts, colors, arrows.

A text has lines, separated by `` / ``.  The first one is a title, others are notes, and what is in
backticks is a name of a program.  Long lines are broken where there is no room.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from attrs import frozen

from drawings.shapes import Area, Label, Tone
from drawings.text import Style, width_of, wrapped

__all__ = ["Arrow", "SourceError", "Text", "arrow", "statements", "toned"]

_ARROW = re.compile(r"(?P<one>.+?) +(?P<arrow><->|->|<-|\.\.>|<\.\.|--) +(?P<other>.+)")
_TONED = re.compile(r"(?P<subject>.*?)(?: *\((?P<tone>\w+)\))?")


class SourceError(ValueError):
    """A source has a line that makes no sense."""


@frozen
class Arrow:
    """Which two are connected, and how."""

    one: str
    other: str
    starts: bool
    ends: bool
    dashed: bool


def arrow(text: str) -> Arrow | None:
    """An arrow between two names, or `None` if the text is none."""
    found = _ARROW.fullmatch(text)
    if found is None:
        return None
    shape = found["arrow"]
    return Arrow(
        found["one"].strip(), found["other"].strip(), "<" in shape, ">" in shape, ".." in shape
    )


def toned(text: str) -> tuple[str, Tone]:
    """A name, and the color that is behind it in parentheses."""
    found = _TONED.fullmatch(text.strip())
    assert found is not None  # as everything matches
    if found["tone"] is None:
        return found["subject"], Tone.PLAIN
    try:
        return found["subject"], Tone(found["tone"])
    except ValueError:
        return text.strip(), Tone.PLAIN  # the parentheses belong to the name


def statements(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Lines that say something about something: ``subject: text``.

    A line that is indented goes on with the one before.
    """
    joined: list[str] = []
    for line in lines:
        if line[:1].isspace() and line.strip() and joined:
            joined[-1] += " " + line.strip()
        elif line.strip():
            joined.append(line.strip())
    for line in joined:
        subject, _, text = line.partition(": ")
        yield subject.removesuffix(":").strip(), text.strip()


@frozen
class Text:
    """Lines, each with its style."""

    lines: Sequence[tuple[str, Style]]

    @classmethod
    def parse(cls, text: str, first: Style = Style.TITLE) -> Text:
        """The text of a source."""
        lines: list[tuple[str, Style]] = []
        for number, line in enumerate(filter(None, map(str.strip, text.split(" / ")))):
            if line.startswith("`") and line.endswith("`"):
                is_name = not number and first is Style.TITLE
                lines.append((line.strip("`"), Style.NAME if is_name else Style.CODE))
            else:
                lines.append((line, Style.NOTE if number and first is Style.TITLE else first))
        return cls(lines)

    def fitted(self, width: float) -> Text:
        """The same with more lines, so that it is not wider than this."""
        return Text(
            [(part, style) for line, style in self.lines for part in wrapped(line, style, width)]
        )

    @property
    def width(self) -> float:
        return max((width_of(line, style) for line, style in self.lines), default=0)

    @property
    def height(self) -> float:
        return sum(Label.height(style) for _, style in self.lines)

    def labels(self, x: float, top: float, *, anchor: str = "middle") -> Iterator[Label]:
        """Its lines from a place downwards."""
        for line, style in self.lines:
            yield Label(x, top, line, style, anchor)
            top += Label.height(style)

    def centered(self, area: Area) -> Iterator[Label]:
        """Its lines in the middle of an area."""
        return self.labels(area.middle, area.center - self.height / 2)
