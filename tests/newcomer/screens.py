"""Pictures of a terminal: a command in a terminal of some width, screen by screen, as SVG."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from select import select

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, MONOKAI
from rich.text import Text

__all__ = ["THEMES", "WIDTHS", "picture", "watch"]

WIDTHS = (60, 80, 120)
THEMES = {"dark": MONOKAI, "light": DEFAULT_TERMINAL_THEME}
HEIGHT = 48
"""Lines of the terminal: enough for the longest screen, the account of the demonstration."""

QUIET = 0.02
"""Seconds without a change after which a screen is complete."""

_RICH_NAMES = {"brown": "yellow", "default": None}

Screen = list[Text]


def watch(
    command: Sequence[str],
    *,
    width: int,
    folder: Path,
    environment: Mapping[str, str],
    scene: Callable[[list[str]], str],
) -> list[Screen]:
    """Run a command in a terminal, and return what it shows: the last screen of each scene.

    ``scene`` names the scene by the lines of the screen.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, width, 0, 0))
    environment = {**environment, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    screen = pyte.Screen(width, HEIGHT)
    stream = pyte.ByteStream(screen)
    shown: list[Screen] = []
    before, name = _taken(screen), ""
    while data := _read(ours):
        stream.feed(data)
        if select([ours], [], [], QUIET)[0]:
            continue  # the screen is half painted
        now = scene(screen.display)
        if name and now != name:
            shown.append(before)
        before, name = _taken(screen), now
    os.close(ours)
    if process.wait():
        raise SystemExit(f"{command} has failed")
    return [*shown, before]


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so when the other end is closed
        return b""


def _taken(screen: pyte.Screen) -> Screen:
    lines = []
    for number in range(HEIGHT):
        cells = [screen.buffer[number][column] for column in range(screen.columns)]
        line = Text()
        for style, same in groupby(cells, key=_style):
            line.append("".join(cell.data for cell in same), style)
        line.rstrip()
        lines.append(line)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _style(cell: pyte.screens.Char) -> Style:
    color = _RICH_NAMES.get(cell.fg, cell.fg)
    if color is not None and re.fullmatch("[0-9a-f]{6}", color):
        color = f"#{color}"
    return Style(color=color, bold=cell.bold, reverse=cell.reverse)


def picture(screens: Sequence[Screen], *, width: int, theme: str, title: str) -> str:
    """The screens one below the other, as SVG."""
    console = Console(width=width, record=True, file=io.StringIO(), force_terminal=True)
    for number, screen in enumerate(screens):
        if number:
            console.print()
        for line in screen:
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
    svg = console.export_svg(title=title, theme=THEMES[theme], unique_id="screens")
    # Nothing is to be fetched when it is looked at: any font of fixed width will do.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace(
        "Fira Code", "ui-monospace, Menlo, Consolas"
    )
