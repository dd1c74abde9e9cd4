"""The formatting that the apps see in a text.

There is no markup in a message: each app makes formatting of the asterisks and so on in its text,
all by the same rules.  `parse_markdown` follows them.  A line is read from the left: what begins
with a sign, at its beginning or after a space, may be formatted up to the next such sign; a word
may be a link.  So signs inside a word mean nothing, and formatting is never nested.

Links of the SimpleX network are recognized by `parse_link`, which takes some more than the apps do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from simplex_trio.chat.messages.spans import (
    Color,
    CommandText,
    ContactLink,
    Format,
    HyperLink,
    MentionText,
    NameText,
    Span,
    Style,
)
from simplex_trio.errors import DecodeError
from simplex_trio.wire.duplex.links import Link, NotALink, parse_link
from simplex_trio.wire.duplex.short_links import ShortContactLink, ShortInvitationLink
from simplex_trio.wire.smp.names import Domain

__all__ = ["is_command", "is_plain_word", "parse_markdown", "read_fragment"]


def parse_markdown(text: str) -> tuple[Span, ...]:
    """The parts of ``text`` as the apps show them; neighbours have different formats.

    A text of one line that begins with a slash is a command as a whole.
    """
    if is_command(text):
        return (Span(text, CommandText(text.lstrip(" ").removesuffix("\n")[1:])),)
    spans: list[Span] = []
    for number, line in enumerate(text.split("\n")):
        parts = _line(line)
        for span in [Span("\n"), *parts] if number else parts:
            if spans and spans[-1].format == span.format:
                spans[-1] = Span(spans[-1].text + span.text, span.format)
            elif span.text:
                spans.append(span)
    return tuple(spans)


def is_command(text: str) -> bool:
    """Whether all of a text is one command."""
    stripped = text.lstrip(" ").removesuffix("\n")
    return len(stripped) > 1 and stripped[0] == "/" and "\n" not in stripped


# --- a line -------------------------------------------------------------------------------------

_Found = tuple[list[Span], int] | None
"""Spans, and where the text goes on; `None` where there is nothing of the kind."""


def _line(line: str) -> list[Span]:
    spans: list[Span] = []
    start = 0
    while start < len(line):
        more, start = read_fragment(line, start)
        spans += more
    return spans


def read_fragment(line: str, start: int) -> tuple[list[Span], int]:
    """What begins at ``start`` in a line, and where the next fragment begins."""
    for read in _READERS.get(line[start], ()):
        found = read(line, start)
        if found is not None:
            return found
    return _word(line, start)


def _end(line: str, stop: str, start: int) -> int:
    found = line.find(stop, start)
    return len(line) if found < 0 else found


def _is_bare(text: str) -> bool:
    """Whether text between signs is without a space at either end."""
    return bool(text) and text[0] != " " and text[-1] != " "


def _spaces(line: str, start: int) -> _Found:
    end = start
    while line.startswith(" ", end):
        end += 1
    return [Span(line[start:end])], end


def _between(line: str, start: int) -> _Found:
    sign = line[start]
    end = _end(line, sign, start + 1)
    inside, after = line[start + 1 : end], min(end + 1, len(line))
    if end < len(line) and _is_bare(inside):
        return [Span(inside, Style(sign))], after
    return [Span(line[start:after])], after


_SECRET = re.compile(r"#(#*)([^#]*)(#+)")


def _secret(line: str, start: int) -> _Found:
    found = _SECRET.match(line, start)
    if found is None or not _is_bare(found[2]):
        return None
    return [Span(found[0][1:-1], Style.SECRET)], found.end()


_STYLED = re.compile(
    r"!(-|r(?:ed)?|g(?:reen)?|b(?:lue)?|y(?:ellow)?|c(?:yan)?|m(?:agenta)?|[1-6])\s"
    r"([^ !][^!]*)!"
)
_COLORS = dict(zip("rgbycm123456", [*Color, *Color], strict=True))


def _styled(line: str, start: int) -> _Found:
    found = _STYLED.match(line, start)
    if found is None or found[2][-1] == " ":
        return None
    style: Format = Style.SMALL if found[1] == "-" else _COLORS[found[1][0]]
    return [Span(found[2], style)], found.end()


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char)[0] == "P"


def _split_punctuation(word: str, keeping: str = "") -> tuple[str, str]:
    """A word, and the punctuation at its end; ``keeping`` does not count as punctuation."""
    end = len(word)
    while end and word[end - 1] not in keeping and _is_punctuation(word[end - 1]):
        end -= 1
    return word[:end], word[end:]


def _spans(text: str, style: Format, rest: str) -> list[Span]:
    return [Span(text, style), Span(rest)] if rest else [Span(text, style)]


# --- names, mentions, commands ------------------------------------------------------------------

_LABEL = re.compile(r"[0-9A-Za-z]+(?:-[0-9A-Za-z]+)*")
_MAX_LABEL = 63


def _channel_name(line: str, start: int) -> _Found:
    return _name(line, start, _is_label)


def _contact_name(line: str, start: int) -> _Found:
    return _name(line, start, lambda name: False)


def _name(line: str, start: int, is_short_name: Callable[[str], bool]) -> _Found:
    end = _end(line, " ", start)
    name, rest = _split_punctuation(line[start + 1 : end])
    if is_short_name(name):
        return _spans(line[start] + name, NameText(name), rest), end
    try:
        Domain.parse(name)
    except DecodeError:
        return None
    return _spans(line[start] + name, NameText(name), rest), end


def _is_label(name: str) -> bool:
    return len(name) <= _MAX_LABEL and _LABEL.fullmatch(name) is not None


def _hash_word(line: str, start: int) -> _Found:
    end = _end(line, " ", start)
    return [Span(line[start:end])], end


def _reference(line: str, start: int) -> tuple[str, str, int] | None:
    """A name, perhaps in quotes: the name, the punctuation behind it, and where it ends."""
    if line.startswith("'", start):
        end = line.find("'", start + 1)
        if end < 0 or not _begins_reference(line, start + 1):
            return None
        return line[start + 1 : end], "", end + 1
    if not _begins_reference(line, start):
        return None
    end = start
    while end < len(line) and not line[end].isspace():
        end += 1
    name, rest = _split_punctuation(line[start:end])
    return name, rest, end


def _begins_reference(line: str, start: int) -> bool:
    return start < len(line) and line[start] > " " and line[start] not in "#@'"


def _mention(line: str, start: int) -> _Found:
    found = _reference(line, start + 1)
    if found is None:
        return None
    name, rest, end = found
    shown = line[start : end - len(rest)]
    return _spans(shown, MentionText(name), rest), end


def _command(line: str, start: int) -> _Found:
    found = _reference(line, start + 1)
    if found is None:
        return None
    command, rest, end = found
    words = command.split()
    if not words or not all(_is_letter_or_digit(each) for each in words[0]):
        return None
    shown = line[start : end - len(rest)]
    return _spans(shown, CommandText(command), rest), end


def _is_letter_or_digit(char: str) -> bool:
    return char == "_" or char.isalpha() or "0" <= char <= "9"


# --- links, and what else a word can be ---------------------------------------------------------

_PHONE = re.compile(r"(?:\+[0-9]+)?(?:[ .-]?\([0-9]+\))?(?:[ .-]?[0-9]+)*")
_PHONE_LENGTHS = range(7, 23)

_URI = re.compile(
    r"https?://(?:[^/?#@\s]*@)?(?P<host>[^/?#@:\s\[\]]*)(?::[0-9]+)?"
    r"(?:/[^?#\s]*)?(?:\?[^#\s]*)?(?:#\S*)?"
)
_DOMAIN = re.compile(r"(?:[^.]{3,8}\.)?[A-Za-z]{1,24}\.[A-Za-z]{2,8}")
_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_MAX_EMAIL = 320
_MIN_URI = 10
_SCHEMES = ("http://", "https://", "simplex:/")


def _hyperlink(line: str, start: int) -> _Found:
    # Searching for one character takes no time, even if the text is made of openings alone.
    middle = line.find("]", start)
    end = line.find(")", middle)
    if middle < 0 or end < 0 or line[middle + 1] != "(":
        return None
    shown, target, text = line[start + 1 : middle], line[middle + 2 : end], line[start : end + 1]
    if not shown or not target:
        return None
    # A text that looks like an address has to be the address.
    looks_like_one = any(_is_punctuation(each) and each not in "-_" for each in shown)
    if looks_like_one and target not in (shown, f"https://{shown}"):
        return None
    link = _link(target)
    if link is None:
        if not _is_uri(target):
            return None
        return [Span(text, HyperLink(shown, target))], end + 1
    if not isinstance(link, ShortContactLink | ShortInvitationLink):
        return None
    return [Span(text, ContactLink(link, shown))], end + 1


def _phone(line: str, start: int) -> _Found:
    # A number that goes on behind the longest one does not count, so there is no need to look.
    found = _PHONE.match(line, start, start + _PHONE_LENGTHS.stop + 1)
    if found is None or len(found[0]) not in _PHONE_LENGTHS:
        return None
    return [Span(found[0], Style.PHONE)], found.end()


def _word(line: str, start: int) -> tuple[list[Span], int]:
    end = _end(line, " ", start + 1)
    word = line[start:end]
    bare, rest = _split_punctuation(word, keeping="/)_!")
    style = _style_of_word(word, bare)
    return (_spans(bare, style, rest) if style else [Span(word)]), end


def is_plain_word(word: str) -> bool:
    """Whether a word that begins with no sign is neither a link nor an address."""
    return _style_of_word(word, _split_punctuation(word, keeping="/)_!")[0]) is None


def _style_of_word(word: str, bare: str) -> Format | None:
    if len(bare) >= _MIN_URI and bare.startswith(_SCHEMES):
        link = _link(word)
        if link is not None:
            return ContactLink(link)
        return Style.URI if _is_uri(bare) else None
    if _DOMAIN.fullmatch(bare):
        return Style.URI
    is_email = "@" in bare and len(bare) <= _MAX_EMAIL and _EMAIL.fullmatch(bare)
    return Style.EMAIL if is_email else None


def _link(text: str) -> Link | None:
    if not text.startswith(("https://", "simplex:/")):
        return None
    try:
        return parse_link(text)
    except NotALink:
        return None


def _is_uri(text: str) -> bool:
    found = _URI.fullmatch(text)
    return found is not None and "." in found["host"]


_READERS: dict[str, tuple[Callable[[str, int], _Found], ...]] = {
    " ": (_spaces,),
    "*": (_between,),
    "_": (_between,),
    "~": (_between,),
    "`": (_between,),
    "#": (_secret, _channel_name, _hash_word),
    "!": (_styled,),
    "@": (_contact_name, _mention),
    "/": (_command,),
    "[": (_hyperlink,),
    **dict.fromkeys("+0123456789", (_phone,)),
}
