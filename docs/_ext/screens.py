"""Draws the screens of the tutorials about bots: ``python docs/_ext/screens.py``.

They are no screenshots, so they stay right when colours and shapes of the apps change, and small.
What is said on them is what the bots of the tutorials say, which tests compare.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path

from simplex_trio.chat import CommandText, MentionText, parse_markdown

FOLDER = Path(__file__).parents[1] / "tutorial"

NAME = "Weather bot"
DESCRIPTION = "Forecasts for your town"
WELCOME = "Hello! Try /'weather Oslo'"
MENU = (
    ("The weather in a town", "/weather"),
    ("What to take with you", "/trip"),
    ("Show all commands", "/help"),
)
ANSWERED = (("/weather Oslo", "It rains in Oslo.", True),)
ASKED = (
    ("/trip", "Where do you go?", False),
    ("Bergen", "For how many days?", False),
    ("2", "2 umbrellas for Bergen, please.", True),
)
"""What the person says, what the bot answers, and whether the answer quotes it."""

GROUP, MODERATOR, NEWCOMER = "Garden", "Moderator", "Bob"
WELCOMED = (
    (MODERATOR, "Hello!  I take care of the /rules", ""),
    (MODERATOR, "@Bob Welcome!  Please read the /rules", ""),
    (NEWCOMER, "/rules", ""),
    (MODERATOR, "Be kind, and stay on topic.", "/rules"),
)
WARNED = (
    (NEWCOMER, "I have won the lottery", ""),
    (MODERATOR, "@Bob This word is not for this group.  Warning 1 of 3", ""),
)
BLOCKED = (
    (MODERATOR, "@Bob was blocked.", ""),
    ("", "/unblock Bob", ""),
)
"""Who says what in the group, and what it quotes; the one without a name has the phone."""

WIDTH, HEIGHT, GAP = 260, 400, 24
SENT, RECEIVED, QUOTED, ACCENT, FAINT = "#d8ecff", "#f0f1f4", "#c3dcf5", "#0a78e0", "#7b8190"
TICKS = "✓✓"


class Screen:
    """One phone, with a line on top and room below; things are put into it from top to bottom."""

    def __init__(self, left: int, caption: str) -> None:
        self.left = left
        self.y = 52
        self.parts: list[str] = []
        self.box(left, 0, WIDTH, HEIGHT, "#ffffff", radius=22, stroke="#9aa0ad")
        self.text(left + WIDTH / 2, HEIGHT + 22, caption, size=13, color=FAINT, anchor="middle")

    def box(
        self, x: float, y: float, width: float, height: float, fill: str, *,
        radius: float = 12, stroke: str = "none",
    ) -> None:  # fmt: skip
        """A rectangle with round corners."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" '
            f'fill="{fill}" stroke="{stroke}"/>'
        )

    def text(
        self, x: float, y: float, text: str, *,
        size: int = 14, color: str = "#16181d", anchor: str = "start", bold: bool = False,
        marked: bool = False,
    ) -> None:  # fmt: skip
        """A line of text, with links if it is ``marked``."""
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{color}" '
            f'text-anchor="{anchor}"{weight}>{_marked(text) if marked else escape(text)}</text>'
        )

    def line(self, y: float) -> None:
        """A line from one side to the other."""
        self.parts.append(
            f'<path d="M{self.left} {y:g}h{WIDTH}" stroke="#dcdfe5" stroke-width="1"/>'
        )

    def face(self, x: float, y: float, radius: float) -> None:
        """The picture of a bot that has none."""
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="#b9c0cc"/>')
        eye = radius / 7
        for side in (-1, 1):
            self.parts.append(
                f'<circle cx="{x + side * radius / 3:g}" cy="{y - eye:g}" r="{eye:g}" '
                'fill="#ffffff"/>'
            )
        self.box(x - radius / 2.4, y + radius / 4, radius / 1.2, eye, "#ffffff", radius=eye / 2)

    def heads(self, x: float, y: float, radius: float) -> None:
        """The picture of a group that has none."""
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="#b9c0cc"/>')
        for side in (-1, 1):
            center = x + side * radius / 3
            self.parts.append(
                f'<circle cx="{center:g}" cy="{y - radius / 5:g}" r="{radius / 4:g}" '
                'fill="#ffffff"/>'
            )
            self.box(center - radius / 3.4, y + radius / 7, radius / 1.7, radius / 3, "#ffffff",
                     radius=radius / 6)  # fmt: skip

    def head(self, name: str = NAME, *, is_group: bool = False) -> None:
        """Who this conversation is with."""
        self.text(self.left + 13, 32, "<", size=15, color=ACCENT)
        (self.heads if is_group else self.face)(self.left + 44, 27, 13)
        self.text(self.left + 66, 32, name, bold=True)
        self.line(50)
        self.y = 62

    def foot(self, text: str = "Message", *, color: str = FAINT) -> None:
        """The line in which people write, with the button for commands."""
        y = HEIGHT - 46
        self.line(y)
        self.box(self.left + 14, y + 9, 28, 28, "#eef3f9", radius=14)
        self.text(self.left + 28, y + 28, "/", color=ACCENT, anchor="middle", bold=True)
        self.text(self.left + 54, y + 28, text, color=color)

    def bubble(self, text: str, *, sent: bool = False, quoted: str = "") -> None:
        """A message, with ticks if the person has sent it."""
        lines = textwrap.wrap(text, 26)
        longest = max(len(line) for line in (*lines, quoted))
        bold = 14 if text.startswith("@") else 0
        width = longest * 7.4 + 24 + (30 if sent else 0) + bold
        height = len(lines) * 19 + 13 + (26 if quoted else 0)
        x = self.left + (WIDTH - width - 12 if sent else 12)
        self.box(x, self.y, width, height, SENT if sent else RECEIVED)
        top = self.y + 20
        if quoted:
            self.box(x + 6, self.y + 6, width - 12, 22, QUOTED, radius=7)
            self.text(x + 13, self.y + 21, quoted, size=12, color="#4a5160")
            top += 26
        for number, line in enumerate(lines):
            self.text(x + 12, top + 19 * number, line, marked=True)
        if sent:
            self.text(x + width - 10, self.y + height - 9, TICKS, size=12, color=ACCENT,
                      anchor="end")  # fmt: skip
        self.y += height + 9

    def in_group(self, said: tuple[tuple[str, str, str], ...]) -> None:
        """What members of a group have said."""
        for number, (author, text, quoted) in enumerate(said):
            if author and (not number or said[number - 1][0] != author):
                self.text(self.left + 24, self.y + 8, author, size=12, color=FAINT)
                self.y += 14
            self.bubble(text, sent=not author, quoted=quoted)

    def said(self, said: tuple[tuple[str, str, bool], ...]) -> None:
        """What person and bot have said."""
        for text, answer, quotes in said:
            self.bubble(text, sent=True)
            self.bubble(answer, quoted=text if quotes else "")


def _marked(text: str) -> str:
    """A text of a message as the apps show it, with commands as links."""
    return "".join(
        f'<tspan fill="{ACCENT}">/{escape(span.format.command)}</tspan>'
        if isinstance(span.format, CommandText)
        else f'<tspan fill="{ACCENT}" font-weight="600">{escape(span.text)}</tspan>'
        if isinstance(span.format, MentionText)
        else escape(span.text)
        for span in parse_markdown(text)
    )


def opened() -> Iterator[Screen]:
    """A person has opened the address."""
    screen = Screen(0, "The address was scanned")
    screen.box(0, 0, WIDTH, HEIGHT, "#6b7180", radius=22)
    screen.box(22, 90, WIDTH - 44, 210, "#ffffff", radius=16)
    screen.face(WIDTH / 2, 138, 28)
    screen.text(WIDTH / 2, 192, NAME, anchor="middle", bold=True, size=16)
    screen.text(WIDTH / 2, 216, DESCRIPTION, anchor="middle", color=FAINT, size=13)
    screen.parts.append(f'<path d="M22 246h{WIDTH - 44}" stroke="#dcdfe5"/>')
    screen.text(62, 277, "Cancel", color=ACCENT, anchor="middle")
    screen.text(168, 277, "Open new chat", color=ACCENT, anchor="middle", bold=True, size=13)
    yield screen

    left = WIDTH + GAP
    screen = Screen(left, "“Open new chat”: nothing is sent yet")
    screen.head()
    middle = left + WIDTH / 2
    screen.face(middle, 100, 26)
    screen.text(middle, 150, NAME, anchor="middle", bold=True, size=16)
    screen.text(middle, 172, DESCRIPTION, anchor="middle", color=FAINT, size=13)
    screen.text(middle, 198, "Tap Connect to use bot", anchor="middle", color=FAINT, size=13)
    screen.y = 226
    screen.bubble(WELCOME)
    screen.box(left + 40, HEIGHT - 58, WIDTH - 80, 38, ACCENT, radius=19)
    screen.text(middle, HEIGHT - 34, "Connect", color="#ffffff", anchor="middle", bold=True)
    yield screen


def menu() -> Iterator[Screen]:
    """A person looks for commands."""
    screen = Screen(0, "The button with the slash")
    screen.head()
    screen.bubble(WELCOME)
    y = HEIGHT - 46 - 40 * len(MENU)
    for number, (label, command) in enumerate(MENU):
        screen.line(y + 40 * number)
        screen.text(16, y + 25 + 40 * number, label, size=13)
        screen.text(WIDTH - 14, y + 25 + 40 * number, command, size=13, color=FAINT, anchor="end")
    screen.foot()
    yield screen

    left = WIDTH + GAP
    screen = Screen(left, "A tap on the first one")
    screen.head()
    screen.bubble(WELCOME)
    screen.foot("/weather <town>", color="#16181d")
    yield screen


def reply() -> Iterator[Screen]:
    """Person and bot talk."""
    screen = Screen(0, "A command and its answer")
    screen.head()
    screen.bubble(WELCOME)
    screen.said(ANSWERED)
    screen.foot()
    yield screen

    screen = Screen(WIDTH + GAP, "A command that asks")
    screen.head()
    screen.said(ASKED)
    screen.foot()
    yield screen


def invited() -> Iterator[Screen]:
    """The owner of a group invites the bot."""
    screen = Screen(0, "“Invite members” of the group")
    screen.text(13, 32, "<", size=15, color=ACCENT)
    screen.text(WIDTH / 2, 32, "Invite members", anchor="middle", bold=True)
    screen.heads(WIDTH / 2, 84, 22)
    screen.text(WIDTH / 2, 128, GROUP, anchor="middle", bold=True)
    for y, left, right in ((150, "New member role", "moderator ▾"), (188, "Invite to group", "✓")):
        screen.line(y)
        screen.text(16, y + 24, left, color=ACCENT if right == "✓" else "#16181d")
        screen.text(WIDTH - 16, y + 24, right, color=ACCENT, anchor="end")
    screen.line(226)
    screen.face(34, 258, 14)
    screen.text(58, 263, MODERATOR)
    screen.text(WIDTH - 16, 264, "●", color=ACCENT, anchor="end", size=18)
    screen.line(288)
    yield screen

    screen = Screen(WIDTH + GAP, "Bob has come, and has tapped /rules")
    screen.head(GROUP, is_group=True)
    screen.in_group(WELCOMED)
    screen.foot()
    yield screen


def warned() -> Iterator[Screen]:
    """A member says what it may not."""
    screen = Screen(0, "What all see of a forbidden word")
    screen.head(GROUP, is_group=True)
    screen.text(24, screen.y + 8, NEWCOMER, size=12, color=FAINT)
    screen.y += 14
    width = 7.4 * len(f"moderated by {MODERATOR}") + 32
    screen.box(12, screen.y, width, 32, RECEIVED)
    screen.text(24, screen.y + 20, f"moderated by {MODERATOR}", color=FAINT)
    screen.y += 41
    screen.in_group(WARNED[1:])
    screen.foot()
    yield screen

    left = WIDTH + GAP
    screen = Screen(left, "Later, on the phone of an admin")
    screen.head(GROUP, is_group=True)
    screen.in_group(BLOCKED)
    screen.text(left + WIDTH - 18, screen.y + 8, "✅ 1", size=13, anchor="end")
    screen.foot()
    yield screen


PICTURES = {
    "bot/opened": (opened, "What a phone shows of the address before and after opening a new chat"),
    "bot/menu": (menu, "The menu of commands, and a command in the input line"),
    "bot/reply": (reply, "Conversations with the bot; both ticks are at what the person has sent"),
    "moderator-bot/invited": (invited, "Inviting a bot to a group, and its first messages there"),
    "moderator-bot/warned": (warned, "A message that was moderated, and a member let write again"),
}


def drawn(name: str) -> str:
    """A picture, as SVG."""
    draw, title = PICTURES[name]
    screens = list(draw())
    width = len(screens) * (WIDTH + GAP) - GAP
    parts = [part for screen in screens for part in screen.parts]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 -1 {width + 2} {HEIGHT + 36}" '
        f'width="{width + 2}" font-family="system-ui, sans-serif" role="img">'
    )
    return "\n".join([head, f"<title>{escape(title)}</title>", *parts, "</svg>", ""])


if __name__ == "__main__":
    for each in PICTURES:
        (FOLDER / f"{each}.svg").write_text(drawn(each))
