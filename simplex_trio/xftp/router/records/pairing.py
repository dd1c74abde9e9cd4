"""`Pairing`: which folder of bodies belongs to which records, where these are in a database.

At start, bodies without a record are removed, and records of bodies that are missing are changed.
With the wrong database, an old copy of either side, or a folder that is not mounted, that would be
all of them.  So both sides have the same random id, and a number that grows whenever they are
opened, and every few minutes: a copy of one of them is soon behind.  The database gets the number
first, and hears when the folder has it as well: only in between may the two be different.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Self

from attrs import evolve

from simplex_trio.errors import StoreCorrupted, StoreIncomplete
from simplex_trio.frozen import frozen

__all__ = ["Pairing", "next_pairing"]

_ID_SIZE: Final = 16

_TEXT: Final = re.compile(rb"folder ([0-9a-f]{32}), number ([0-9]{1,18})\n")


@frozen
class Pairing:
    """What a folder and its records both have."""

    folder_id: bytes
    number: int
    is_in_both: bool = True
    """Whether the folder has this number, as far as the records know."""

    @property
    def next(self) -> Self:
        """What both sides are to have after this; the same if one of them may not have this yet."""
        return evolve(self, number=self.number + 1, is_in_both=False) if self.is_in_both else self

    def encode(self) -> bytes:
        """The content of the file in the folder."""
        return b"folder %s, number %d\n" % (self.folder_id.hex().encode(), self.number)

    @classmethod
    def decode(cls, text: bytes) -> Pairing:
        """What `encode` has made; raises `StoreCorrupted`."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise StoreCorrupted("the file that says which records belong to the folder")
        return cls(bytes.fromhex(found[1].decode()), int(found[2]))


def next_pairing(
    in_folder: Pairing | None,
    in_records: Pairing | None,
    random: Callable[[int], bytes],
    *,
    is_empty: bool,
    accept_loss: bool,
) -> Pairing:
    """What both sides are to have from now on.

    Raises `StoreIncomplete` if they do not belong together, unless ``is_empty`` says that there are
    no bodies and no records of any, or ``accept_loss`` that what does not match is given up.
    """
    if in_folder is not None and in_records is not None:
        if in_folder.folder_id == in_records.folder_id:
            behind = in_records.number - in_folder.number
            if behind == 1 and not in_records.is_in_both:
                return in_records
            if behind and not (is_empty or accept_loss):
                earlier, later = ("database", "folder") if behind < 0 else ("folder", "database")
                problem = f"the {earlier} is from an earlier time than the {later}"
                raise StoreIncomplete(problem, None)
            number = max(in_records.number, in_folder.number)
            return Pairing(in_records.folder_id, number + 1, is_in_both=False)
        problem = "the folder has the packets of other records than the database"
    elif in_records is not None:
        problem = "the folder is not that of the records in the database, or is not mounted"
    else:
        problem = "the folder has packets whose records are not in the database"
    if not (is_empty or accept_loss):
        raise StoreIncomplete(problem, None)
    return Pairing(random(_ID_SIZE), 1, is_in_both=False)
