"""`escape`: text in which the apps see no formatting.

The format has no escapes.  But a sign means something only where a fragment of a line begins, so an
invisible character before it is enough: a word joiner, at which no line is broken either.

Two signs look further ahead than their own fragment, ``#`` and ``!``: there an invisible character
before the next sign would stand where the app wants no space to be.  These two get one wherever
they could begin something.  The same goes for a row of digits, if numbers are to be left plain.
"""

from __future__ import annotations

import re

from simplex_trio.chat.messages.formatting import is_command, is_plain_word, read_fragment
from simplex_trio.chat.messages.spans import ContactLink, Span, Style

__all__ = ["JOINER", "escape"]

JOINER = "\u2060"
"""What is put before a sign: a character without width, at which no line is broken."""

_LOOKS_AHEAD = re.compile(
    r"#+[^ #]"
    r"|!(?:-|r(?:ed)?|g(?:reen)?|b(?:lue)?|y(?:ellow)?|c(?:yan)?|m(?:agenta)?|[1-6])\s[^ ]"
)
_NUMBER = re.compile(r"(?:\+[0-9]+)?(?:[ .-]?\([0-9]+\))?(?:[ .-]?[0-9]+)*")
_MIN_NUMBER = 7
_INSIDE_ADDRESSES = re.compile(r"(?=[.@])")


def escape(text: str, *, links: bool = True) -> str:
    """``text``, which may be anything, such that the apps see no formatting in it.

    Nothing is bold, hidden or a command then, no member is mentioned, and no link shows another
    text than its target.  Links, e-mail addresses and phone numbers stay what they are, unless
    ``links`` is false.

    Characters without width are added where that is necessary, and only there.
    """
    if is_command(text):
        slash = text.index("/")
        text = text[:slash] + JOINER + text[slash:]
    return "\n".join(_escaped_line(line, links) for line in text.split("\n"))


def _escaped_line(line: str, links: bool) -> str:
    escaped: list[str] = []
    start = 0
    while start < len(line):
        spans, end = read_fragment(line, start)
        if _has_to_be_escaped(line, start, spans, links):
            space = line.find(" ", start)
            end = len(line) if space < 0 else space
            escaped.append(_plain(line[start:end]))
        else:
            escaped.append(line[start:end])
        start = end
    return "".join(escaped)


def _has_to_be_escaped(line: str, start: int, spans: list[Span], links: bool) -> bool:
    if _LOOKS_AHEAD.match(line, start) or any(not _is_left(span, links) for span in spans):
        return True
    if links or line[start] not in "+0123456789":
        return False
    number = _NUMBER.match(line, start, start + 24)
    return number is not None and len(number[0]) >= _MIN_NUMBER


def _is_left(span: Span, links: bool) -> bool:
    match span.format:
        case None:
            return True
        case Style.URI | Style.EMAIL | Style.PHONE | ContactLink(shown=None):
            return links
        case _:
            return False


def _plain(word: str) -> str:
    joined = JOINER + word
    return joined if is_plain_word(joined) else _INSIDE_ADDRESSES.sub(JOINER, joined)
