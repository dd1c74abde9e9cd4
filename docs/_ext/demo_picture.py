"""Draws the picture of the demonstration in README.md: run it to draw it again.

It runs ``simplex-trio demo`` without pauses and takes down two of its screens, and the account at
the end.  Ports and times differ from run to run, so no test compares the picture.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import trio
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from simplex_trio.cli.demo.events import Act, Event, Finding, RouterSaw, Scene
from simplex_trio.cli.demo.live import Picture, draw_account
from simplex_trio.cli.demo.plain import verdict
from simplex_trio.cli.demo.stage import open_stage
from simplex_trio.cli.demo.story import tell_story

TARGET = Path(__file__).parents[1] / "demo.svg"
WIDTH = 100


async def happened() -> list[Event]:
    """Everything that happens."""
    events: list[Event] = []
    async with open_stage() as stage:
        await tell_story(stage, events.append)
    return events


def drawn(events: list[Event]) -> str:
    """The conversation, what became of the messages, and the account, as SVG."""
    console = Console(width=WIDTH, record=True, file=io.StringIO(), force_terminal=True)
    picture = Picture()
    for event in events:
        if isinstance(event, Scene) and event.act is Act.ACCOUNT:
            break
        picture.add(event)
        if isinstance(event, RouterSaw) and event.router == 2:
            console.print(picture.draw(WIDTH))
    console.print(picture.draw(WIDTH))
    console.print()
    findings = [event for event in events if isinstance(event, Finding)]
    console.print(draw_account(findings))
    console.print()
    console.print(Text(verdict(held=all(each.holds for each in findings)), style="bold green"))
    svg = console.export_svg(title="simplex-trio demo", theme=MONOKAI, unique_id="demo")
    # Nothing is to be fetched when it is looked at: any font of fixed width will do.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S).replace(
        "Fira Code", "ui-monospace, Menlo, Consolas"
    )


if __name__ == "__main__":
    TARGET.write_text(drawn(trio.run(happened)))
