"""`alert_text`: text that comes from anywhere, made fit for one message."""

from __future__ import annotations

from simplex_trio.chat.messages.escaping import escape
from simplex_trio.chat.messages.json_text import encode_json

__all__ = ["MAX_ALERT", "alert_text"]

MAX_ALERT = 12_000
"""How long the text of an alert may be, in bytes of JSON; of a longer one the beginning is sent.

That fits into a message on any connection, whatever it is compressed to."""

_NOTE = "\n[Too long for one message: this is the beginning.]"

_MAX_READ = 4 * MAX_ALERT
"""How many characters are looked at."""


def alert_text(text: str, *, markup: bool = False) -> str:
    """``text`` without formatting, unless ``markup`` is to be left in it, and not too long.

    If it is too long, the last line says so.
    """
    beginning = text[:_MAX_READ]
    shown = beginning if markup else escape(beginning)
    if len(beginning) == len(text) and _fits(shown):
        return shown
    low, high = 0, len(shown)
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(shown[:middle] + _NOTE):
            low = middle
        else:
            high = middle - 1
    return shown[:low] + _NOTE


def _fits(text: str) -> bool:
    return len(encode_json({"text": text})) <= MAX_ALERT
