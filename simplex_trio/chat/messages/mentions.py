"""Mentions: members of a group who are named in a text, as ``@bob`` or ``@'Bob Smith'``.

The apps find the names in the text, as `parse_markdown` does, and a message says beside its text
which member each of the names stands for.  A name without a member is plain text, and so is a
member whose name is not in the text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Mapping

from simplex_trio.chat.messages.events import Mention
from simplex_trio.chat.messages.formatting import parse_markdown
from simplex_trio.chat.messages.spans import MentionText, Span
from simplex_trio.errors import EncodeError

__all__ = [
    "MAX_MENTIONS",
    "MAX_RECEIVED_MENTIONS",
    "mentioned_members",
    "mentioned_names",
    "unique_name",
    "write_mention",
]

MAX_MENTIONS = 3
"""How many members a message of the apps mentions."""

MAX_RECEIVED_MENTIONS = 5
"""How many members the apps honour in a message that arrives; more of them are plain text."""


def mentioned_names(text: str) -> tuple[str, ...]:
    """The names in a text, each once, in the order in which they are first mentioned."""
    found = (span.format for span in parse_markdown(text))
    return tuple(dict.fromkeys(each.name for each in found if isinstance(each, MentionText)))


def mentioned_members(
    text: str, members: Mapping[str, bytes], limit: int = MAX_MENTIONS
) -> dict[str, Mention]:
    """What a message says of the names in its text; ``members`` has the ids of members by name.

    As in the apps, a member is mentioned by the first of its names in the text, and after ``limit``
    members names are plain text.
    """
    found: dict[str, Mention] = {}
    seen: set[bytes] = set()
    for name in mentioned_names(text):
        member_id = members.get(name)
        if member_id is not None and member_id not in seen and len(found) < limit:
            found[name] = Mention(member_id)
            seen.add(member_id)
    return found


def unique_name(name: str, taken: Container[str]) -> str:
    """The name by which a text mentions a member, where others in ``taken`` have the same name.

    The apps number them: ``bob``, ``bob_1``, ``bob_2``.
    """
    number, unique = 0, name
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    return unique


def write_mention(name: str) -> str:
    """A mention of ``name`` in a text: ``@bob``, or ``@'Bob Smith'`` where quotes are needed.

    It belongs at the beginning of a line or behind a space.  One without quotes is read up to the
    next space, but for punctuation at its end.

    Raises `EncodeError` for a name that cannot be mentioned, such as one that begins with ``#`` or
    has both a space and a quote.
    """
    ends_in_mark = unicodedata.category(name[-1:] or " ")[0] == "P"
    quoted = ends_in_mark or any(map(str.isspace, name))
    for written in (f"@'{name}'",) if quoted else (f"@{name}", f"@'{name}'"):
        if name and parse_markdown(written) == (Span(written, MentionText(name)),):
            return written
    raise EncodeError("a name that cannot be mentioned in a text")
