"""Text in the documentation can be read: its colours are far enough from what is behind them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STYLE = (
    Path(__file__).parents[2] / "docs" / "_themes" / "simplex_trio" / "static" / "theme.css"
).read_text()

COLOURS = {
    name: colours
    for name, *colours in re.findall(
        r"--([\w-]+): light-dark\(#(\w{6}), #(\w{6})\);", STYLE.partition("/* --- the frame")[0]
    )
}
TEXT = [name for name in COLOURS if name.startswith(("color-foreground", "color-brand-", "code-"))]
TEXT.remove("color-brand-faint")
BEHIND = ["color-background-primary", "color-background-secondary"]

ENOUGH = 4.5
"""The ratio that the Web Content Accessibility Guidelines (AA) ask for in text of ordinary size."""


def luminance(colour: str) -> float:
    """How light a colour is, from 0 to 1."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4))
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read(scheme: int) -> None:
    pairs = [(text, behind) for text in TEXT for behind in BEHIND]
    pairs += [
        ("color-brand-primary", "color-brand-faint"),
        ("color-warning", "color-warning-faint"),
    ]
    faint = {
        f"{text} on {behind}": round(found, 2)
        for text, behind in pairs
        if (found := contrast(COLOURS[text][scheme], COLOURS[behind][scheme])) < ENOUGH
    }
    assert faint == {}


def test_all_colours_that_are_used_have_a_value() -> None:
    used = set(re.findall(r"var\(--((?:color|code)-[\w-]+)\)", STYLE))
    assert len(used) > 15
    assert used <= COLOURS.keys()
