"""`ById`: a table of a router that may have a million entries. Pure.

A dictionary that grows past 700,000 entries is copied in one go, which takes some 45 ms.  Here the
entries are in several dictionaries, by the last bits of their ids, which the router makes at
random; so each of them is copied for itself, and for a shorter time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final, Generic, TypeVar

__all__ = ["ById"]

ValueT = TypeVar("ValueT")

_PARTS: Final = 16


class ById(Generic[ValueT]):
    """Values by id, in no order."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: tuple[dict[bytes, ValueT], ...] = tuple({} for _ in range(_PARTS))

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __contains__(self, entity_id: bytes) -> bool:
        return entity_id in self._part(entity_id)

    def __setitem__(self, entity_id: bytes, value: ValueT) -> None:
        self._part(entity_id)[entity_id] = value

    def __delitem__(self, entity_id: bytes) -> None:
        del self._part(entity_id)[entity_id]

    def get(self, entity_id: bytes) -> ValueT | None:
        """The value for an id, if there is one."""
        # As `_part`, in one call, since every command gets something.
        return self._parts[entity_id[-1] % _PARTS if entity_id else 0].get(entity_id)

    def pop(self, entity_id: bytes) -> ValueT | None:
        """Remove and return the value for an id, if there is one."""
        return self._part(entity_id).pop(entity_id, None)

    def ids(self) -> Iterator[bytes]:
        """All ids, while entries come and go; what does so meanwhile may be among them."""
        for part in self._parts:
            yield from tuple(part)

    def values(self) -> Iterator[ValueT]:
        """All values; nothing may be added or removed meanwhile."""
        return chain.from_iterable(part.values() for part in self._parts)

    def _part(self, entity_id: bytes) -> dict[bytes, ValueT]:
        # A client may send an id without any bytes, which no entry has.
        return self._parts[entity_id[-1] % _PARTS if entity_id else 0]
