"""The sizes of attacks, and the table of what they came to."""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = ["LONG", "TABLE", "note", "sized"]

LONG = os.environ.get("SIMPLEX_TRIO_ADVERSARY") == "long"


def sized(short: int, long: int) -> int:
    """How much of something, in the ordinary run and in the long one."""
    return long if LONG else short


class Row(NamedTuple):
    subject: str
    attack: str
    bound: str
    figure: str


TABLE: list[Row] = []


def note(subject: str, attack: str, bound: str, figure: str) -> None:
    """Put a line into the table; a subject is what is attacked."""
    TABLE.append(Row(subject, attack, bound, figure))
