"""`State`: what a program keeps of a contact or a group, or of its own, in the agent's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar, final, overload

from attrs import field

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.errors import ChatError, UnknownContact
from simplex_trio.chat.machine.groups.saying import check_is_there
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.sending import is_known
from simplex_trio.chat.machine.state import (
    StateOwner,
    conversation_owner,
    get_state,
    member_owner,
    put_state,
    state_of,
)
from simplex_trio.chat.machine.store import Store
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["State", "StateValue"]

StateValue: TypeAlias = str | int | float | bool | bytes | list[Any] | dict[str, Any] | None
"""What can be kept: bytes, or what JSON has."""

T = TypeVar("T")
OtherT = TypeVar("OtherT")

_PROGRAM = 0
"""In place of a contact's id, which begin with 1."""


@final
@frozen(eq=False, repr=False)
class State(Redacted):
    """Values by names, in the file of the bot, encrypted and backed up with it.

    Those of a contact, a group or a member are deleted with it.  Each call is stored when it
    returns.  At most 1,000 values of 65,536 bytes are kept of each of them, and of the program
    itself; what exceeds that is `TooLarge`.
    """

    _core: ChatCore = field(repr=False)
    _contact_id: int = field(default=_PROGRAM, repr=False)
    _gone: type[ChatError] = field(default=UnknownContact, repr=False)
    _member_id: bytes | None = field(default=None, repr=False)

    @property
    def _owner(self) -> StateOwner:
        if self._member_id is not None:
            return member_owner(self._contact_id, self._member_id)
        return conversation_owner(self._contact_id)

    @overload
    async def get(self, name: str) -> Any: ...

    @overload
    async def get(self, name: str, kind: type[T]) -> T | None: ...

    @overload
    async def get(self, name: str, kind: type[T], default: OtherT) -> T | OtherT: ...

    async def get(self, name: str, kind: type[Any] | None = None, default: Any = None) -> Any:
        """The value with this name, or ``default`` if there is none.

        With a ``kind``, such as `str`, a value of another one is `TypeError`.
        """
        value = await self._core.step(
            lambda store: get_state(store.t.kept, self._owner, name), durable=False
        )
        if value is None:
            return default
        if kind is not None and not isinstance(value, kind):
            raise TypeError(f"the value is {type(value).__name__}, and not {kind.__name__}")
        return value

    async def put(self, name: str, value: StateValue) -> None:
        """Keep a value, which JSON has, or bytes; `None` removes the one that is there.

        Raises `EncodeError` for what JSON would not give back as it was, such as a tuple;
        `TooLarge`; and `UnknownContact`, `UnknownGroup` or `MemberGone` if the one that it is of
        is gone.
        """

        def decide(store: Store) -> None:
            self._check(store)
            put_state(store.t.kept, self._owner, name, value)

        await self._core.step(decide)

    async def delete(self, name: str) -> None:
        """Remove a value, if there is one."""
        await self._core.step(lambda store: put_state(store.t.kept, self._owner, name, None))

    async def update(self, name: str, change: Callable[[Any], T]) -> T:
        """Replace a value by what ``change`` makes of it, or of `None`; returns the new one.

        No other change comes in between.  ``change`` is a plain function without effects of its
        own, as it may be called again, and quick, as the whole bot waits for it.
        """

        def decide(store: Store) -> T:
            self._check(store)
            kept = store.t.kept
            value = change(get_state(kept, self._owner, name))
            put_state(kept, self._owner, name, value)
            return value

        return await self._core.step(decide)

    async def all(self) -> Mapping[str, Any]:
        """All values, by their names."""
        return await self._core.step(
            lambda store: state_of(store.t.kept, self._owner), durable=False
        )

    def _check(self, store: Store) -> None:
        if self._member_id is not None:
            check_is_there(GroupStore(store), self._contact_id, self._member_id)
        elif self._contact_id != _PROGRAM and not is_known(store, self._contact_id):
            raise self._gone("there is no contact and no group with this id")
