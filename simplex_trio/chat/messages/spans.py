"""What the parts of a text can be, in the eyes of an app."""

from __future__ import annotations

from enum import Enum

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.duplex.links import Link

__all__ = [
    "Color",
    "CommandText",
    "ContactLink",
    "Format",
    "HyperLink",
    "MentionText",
    "NameText",
    "Span",
    "Style",
]


class Style(Enum):
    """How a part of a text looks, or what it is."""

    BOLD = "*"
    ITALIC = "_"
    STRIKE_THROUGH = "~"
    SNIPPET = "`"
    """Code."""
    SECRET = "#"  # noqa: S105
    """Hidden until it is tapped."""
    SMALL = "-"
    URI = "uri"
    EMAIL = "email"
    PHONE = "phone"


class Color(Enum):
    """The colour of a part of a text."""

    RED = "1"
    GREEN = "2"
    BLUE = "3"
    YELLOW = "4"
    CYAN = "5"
    MAGENTA = "6"


@frozen(repr=False)
class HyperLink(Redacted):
    """A link to ``uri`` that shows another text."""

    shown: str
    uri: str


@frozen(repr=False)
class ContactLink(Redacted):
    """A link of the SimpleX network, and the text that is shown instead of it, if any."""

    link: Link
    shown: str | None = None


@frozen(repr=False)
class NameText(Redacted):
    """A name of the SimpleX network, of a channel (``#name``) or a contact (``@name.domain``)."""

    name: str


@frozen(repr=False)
class MentionText(Redacted):
    """The name of a member, which ``mentions`` of the message says more of."""

    name: str


@frozen(repr=False)
class CommandText(Redacted):
    """A command of a bot, without its slash."""

    command: str


Format = Style | Color | HyperLink | ContactLink | NameText | MentionText | CommandText
"""How a part of a text looks, or what it is."""


@frozen(repr=False)
class Span(Redacted):
    """A part of a text, and what it is; ``text`` is without the signs that made it so."""

    text: str
    format: Format | None = None
