"""Names of profiles: the rule for one of our own, and what to show of one from elsewhere."""

from __future__ import annotations

import re
import unicodedata

from simplex_trio.errors import EncodeError

__all__ = ["MAX_NAME", "check_name", "short_name", "shown_name", "valid_name"]

MAX_NAME = 50
"""How many characters a name of ours may have; those of others are taken as they come."""

_MAX_SHORT_NAME = 16
_NOT_IN_NAMES = frozenset(".,;/\\#@'\"`~")
_SPACES = re.compile(r"\s+")
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Categories of characters that are not shown, or that change how others are."""


def valid_name(text: str) -> str:
    r"""The name that the apps make of ``text``, perhaps an empty one.

    It has at most 50 characters.  It begins with a letter, a digit or a symbol, has neither two
    spaces nor two punctuation marks together, and none of ``.,;/\#@'"`~``, which mean something in
    texts.
    """
    kept: list[str] = []
    marks = 0  # punctuation since the last letter, with spaces between
    for each in text:
        char = " " if each.isspace() else each
        category = unicodedata.category(char)
        is_mark = category in ("Pc", "Pd", "Po")
        if char in _NOT_IN_NAMES or not _may_follow(kept, marks, char, category, is_mark):
            continue
        kept.append(char)
        if is_mark:
            marks += 1
        elif char != " ":
            marks = 0
    return "".join(kept[:MAX_NAME]).rstrip()


def _may_follow(kept: list[str], marks: int, char: str, category: str, is_mark: bool) -> bool:
    begins_name = category[0] == "L" or category in ("Nd", "So")
    begins_word = begins_name or category in ("Sc", "Sm")
    if not kept:
        return begins_name
    if kept[-1] == " ":
        return begins_word or (marks == 0 and is_mark)
    if marks > 0:
        return begins_word or char == " "
    return begins_word or char == " " or category[0] == "M" or is_mark


def check_name(name: str) -> None:
    """Raise `EncodeError` if the apps would change ``name``: see `valid_name`."""
    if not name or valid_name(name) != name:
        raise EncodeError("a name of a profile that the apps do not take")


def shown_name(name: str) -> str:
    """``name``, which may be anything, made fit to be shown in a line of text.

    Control characters, invisible ones and those that change the direction of writing are left out,
    spaces are single, and what is longer than 50 characters ends with an ellipsis.
    """
    visible = "".join(
        each
        for each in name[: 20 * MAX_NAME]
        if each.isspace() or unicodedata.category(each) not in _HIDDEN
    )
    shown = _SPACES.sub(" ", visible).strip()
    return shown if len(shown) <= MAX_NAME else shown[: MAX_NAME - 1].rstrip() + "…"


def short_name(name: str) -> str:
    """``name`` as a host writes it beside each message of a member that it passes on.

    It is a hint for those who do not know the member, so the apps cut it after 16 characters.
    """
    return name if len(name) <= _MAX_SHORT_NAME else name[:_MAX_SHORT_NAME] + "…"
