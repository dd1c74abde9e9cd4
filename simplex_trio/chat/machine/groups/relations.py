"""How far each two members of a group have come with each other, as their host knows it.

A host introduces members to each other, and passes on what they say until they are connected.  It
needs to know that of each two of them, and to find all that a member is introduced to whenever that
member says something.  So each member has a number, and with each number goes a row of bytes, one
for each other number.  A row is kept in pieces, so that one new member changes little in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum

from simplex_trio.duplex.kept import KeptRecords

__all__ = ["PIECE", "Relation", "Relations"]

_SPACE = ".chat.group-relations"
PIECE = 256
"""How many relations of one member are in one record; a new member changes one of each other."""


class Relation(IntEnum):
    """How far two members have come with each other."""

    NONE = 0
    INTRODUCED = 1
    """They know of each other."""
    INVITED = 2
    """The later one has sent the earlier one a link to connect by, through the host."""
    CONNECTED = 3
    """One of them has said that they are connected."""

    @property
    def needs_host(self) -> bool:
        """Whether what one of them says reaches the other through the host alone."""
        return self in (Relation.INTRODUCED, Relation.INVITED)


_NEEDING_HOST = re.compile(b"[" + bytes(each for each in Relation if each.needs_host) + b"]")


class Relations:
    """The relations of the members of one group, by their numbers, which begin with 1."""

    def __init__(self, kept: KeptRecords, group_id: int) -> None:
        self._kept = kept
        self._group = group_id.to_bytes(8, "big")

    def new_number(self) -> int:
        """A number that no member of the group has had."""
        number = int.from_bytes(self._kept.get(_SPACE, self._group) or b"", "big") + 1
        self._kept.put(_SPACE, self._group, number.to_bytes(8, "big"))
        return number

    def between(self, one: int, other: int) -> Relation:
        """How far two members have come; a member without a number has the number 0."""
        if not one or not other:
            return Relation.NONE
        piece = self._kept.get(_SPACE, self._key(one, other)) or b""
        place = other % PIECE
        return Relation(piece[place]) if place < len(piece) else Relation.NONE

    def row(self, number: int) -> Callable[[int], Relation]:
        """How far one member has come with each other; what is read is read once."""
        pieces: dict[int, bytes] = {}
        if number:
            prefix = self._group + number.to_bytes(8, "big")
            after: bytes | None = None
            while found := self._kept.scan(_SPACE, prefix, after=after):
                after = found[-1][0]
                pieces |= {int.from_bytes(key[16:], "big"): value for key, value in found}

        def relation(other: int) -> Relation:
            piece, place = pieces.get(other // PIECE, b""), other % PIECE
            return Relation(piece[place]) if place < len(piece) else Relation.NONE

        return relation

    def need_host(self, number: int) -> list[int]:
        """The numbers of the members that one member reaches only through the host."""
        if not number:
            return []
        found: list[int] = []
        prefix = self._group + number.to_bytes(8, "big")
        after: bytes | None = None
        while page := self._kept.scan(_SPACE, prefix, after=after):
            after = page[-1][0]
            for key, piece in page:
                first = int.from_bytes(key[16:], "big") * PIECE
                found += (first + each.start() for each in _NEEDING_HOST.finditer(piece))
        return found

    def put(self, one: int, other: int, relation: Relation) -> None:
        """Two members have come that far with each other."""
        for a, b in ((one, other), (other, one)):
            key, place = self._key(a, b), b % PIECE
            piece = bytearray(self._kept.get(_SPACE, key) or b"").ljust(place + 1, b"\0")
            piece[place] = relation
            stripped = bytes(piece).rstrip(b"\0")
            if stripped:
                self._kept.put(_SPACE, key, stripped)
            else:
                self._kept.delete(_SPACE, key)

    def forget(self, number: int) -> None:
        """Forget all relations of a member that is gone."""
        prefix = self._group + number.to_bytes(8, "big")
        while found := self._kept.scan(_SPACE, prefix):
            for key, piece in found:
                first = int.from_bytes(key[16:], "big") * PIECE
                for place, relation in enumerate(piece):
                    if relation:
                        self.put(number, first + place, Relation.NONE)
                self._kept.delete(_SPACE, key)

    def forget_all(self) -> None:
        """Forget the relations of a group that is gone."""
        while found := self._kept.scan(_SPACE, self._group):
            for key, _ in found:
                self._kept.delete(_SPACE, key)

    def _key(self, one: int, other: int) -> bytes:
        return self._group + one.to_bytes(8, "big") + (other // PIECE).to_bytes(8, "big")
