"""How wide text is, without asking a font: tables of DejaVu Sans, one of the widest in use.

What fits with these widths fits with the fonts of other systems, which are narrower.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

__all__ = ["Style", "width_of", "wrapped"]

# Thousandths of the font's size, from the space to the tilde.
_REGULAR = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337,
    636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531,
    1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787,
    603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500,
    500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,
    635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
)  # fmt: skip
_BOLD = (
    348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365,
    696, 696, 696, 696, 696, 696, 696, 696, 696, 696, 400, 400, 838, 838, 838, 580,
    1000, 774, 762, 734, 830, 683, 683, 821, 837, 372, 372, 775, 637, 995, 837, 850,
    733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838, 500,
    500, 675, 716, 593, 716, 678, 435, 716, 712, 343, 343, 665, 343, 1042, 712, 687,
    716, 716, 493, 595, 478, 712, 652, 924, 645, 652, 582, 712, 365, 712, 838,
)  # fmt: skip
_OTHER = 840
"""For characters that are in no table: arrows are as wide, quotation marks narrower."""
_FIXED = 605


_WORD = re.compile(r"[\d,.]+ (?:[KMG]iB|[mµ]?s)\b\S*|\S+")


class Style(Enum):
    """What a text is, with its size."""

    TITLE = 13.0
    """The name of a thing, in bold."""
    NOTE = 12.0
    """What there is to say about it."""
    CODE = 10.5
    """A name in the code, in a font of fixed width."""
    NAME = 12.5
    """The same where it is the name of a thing."""
    LABEL = 11.5
    """What is beside an arrow or in a corner of a frame."""


def width_of(text: str, style: Style) -> float:
    """The width of a text, in pixels."""
    size: float = style.value
    if style in (Style.CODE, Style.NAME):
        return len(text) * _FIXED * size / 1000
    table = _BOLD if style is Style.TITLE else _REGULAR
    places = (ord(character) - 32 for character in text)
    units = sum(table[place] if 0 <= place < len(table) else _OTHER for place in places)
    return units * size / 1000


def wrapped(text: str, style: Style, width: float) -> Sequence[str]:
    """The lines of a text that are not wider than this, unless a single word is.

    They are about equally long, so that no word is left alone at the end; a number stays with the
    unit behind it.
    """
    words = _WORD.findall(text)
    lines = _filled(words, style, width)
    while len(lines) > 1:
        width = max(width_of(line, style) for line in lines) - 1
        narrower = _filled(words, style, width)
        if len(narrower) > len(lines) or narrower == lines:
            break
        lines = narrower
    return lines


def _filled(words: Sequence[str], style: Style, width: float) -> Sequence[str]:
    lines: list[str] = []
    for word in words:
        if lines and width_of(f"{lines[-1]} {word}", style) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
