"""`ChatCore`: the steps of a chat program, over an agent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

import trio
from attrs import define, field

from simplex_trio.chat.copies import Copies
from simplex_trio.chat.errors import ChatError, MessageForgotten, UnknownContact
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.happenings import Delivered
from simplex_trio.chat.machine.outgoing import known_contact
from simplex_trio.chat.machine.records import ContactRecord, DeliveryState, SentRecord
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.transfers import OnProgress, ProgressBoard, Transfers
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.transaction import Invitation, Transaction

__all__ = ["ChatCore"]

T = TypeVar("T")

_logger = logging.getLogger(__name__)


def _log_error(where: str, exc: Exception) -> None:
    # Not the error's text, which may show what people have said.
    _logger.error("%s has raised %s", where, type(exc).__name__)


@define(eq=False)
class _Wait:
    """A call that waits for a message to come further."""

    state: DeliveryState = DeliveryState.STORED
    error: ChatError | None = None
    """Why nothing more will be known of it."""
    changed: trio.Event = field(factory=trio.Event)

    def wake(self) -> None:
        self.changed.set()


def _error(store: Store, key: tuple[int, bytes]) -> ChatError | None:
    """Why nothing more will be known of a message after a step."""
    if key[0] in store.removed:
        return UnknownContact("the contact was deleted, by either side")
    return (
        MessageForgotten("too many were sent after it, or it has disappeared")
        if key in store.forgotten
        else None
    )


def _sent(store: Store, contact_id: int, msg_id: bytes) -> SentRecord:
    contact = known_contact(store, contact_id)
    sent = store.sent_as(contact.contact_id, msg_id)
    if sent is None:
        raise MessageForgotten("too many were sent after it, or it has disappeared")
    return sent


class ChatCore:
    """An agent, and what the program says of itself."""

    def __init__(
        self, agent: DuplexAgent, settings: Settings, copies: Copies | None = None
    ) -> None:
        self.agent: DuplexAgent = agent
        self.settings: Settings = settings
        self.copies: Copies = Copies(None) if copies is None else copies
        self.progress: ProgressBoard = ProgressBoard()
        self.transfers: Transfers = Transfers(self)
        self.upkeep_due: trio.Event = trio.Event()
        """Set when a step has left something that is to be done later; the upkeep renews it."""
        self.describes_later: bool = False
        """Whether the upkeep knows that descriptions of files wait."""
        self.contact_removed: Callable[[int], None] = lambda contact_id: None
        """Called with the id of each contact that is gone."""
        self.member_silenced: Callable[[int, bytes | None], None] = lambda group_id, member_id: None
        """Called with each group and member of whom nothing more is to be expected."""
        self.notice_added: Callable[[GroupNoticed], None] = lambda noticed: None
        """Called with what is noticed without an event of the agent."""
        self.error_unhandled: Callable[[str, Exception], object] = _log_error
        """Called with each error of the program's functions that none of them deals with."""
        self._waits: dict[tuple[int, bytes], list[_Wait]] = {}

    async def step(
        self, decide: Callable[[Store], T], *, takes_event: bool = False, durable: bool = True
    ) -> T:
        """Take a step in the agent's store; see `DuplexAgent.transact`."""

        def take(t: Transaction) -> tuple[T, Store, dict[int, ContactRecord | None]]:
            store = Store(t)
            value = decide(store)
            ids = {each.contact_id for each in store.changed_files}
            return value, store, {each: store.contact(each) for each in ids}

        value, store, contacts = await self.agent.transact(
            take, takes_event=takes_event, durable=durable
        )
        # Nothing may come between the step and those who wait for what it has changed.
        for file in store.changed_files:
            self.transfers.changed(file, contacts.get(file.contact_id))
        for copy in store.unused_copies:
            self.copies.remove_later(copy)
        is_new = store.has_descriptions and not self.describes_later
        self.describes_later |= store.has_descriptions
        if store.unused_copies or store.is_expiring or is_new:
            self.upkeep_due.set()
        if store.forgotten or store.removed:
            for key, waits in self._waits.items():
                for wait in waits:
                    if (error := _error(store, key)) is not None:
                        wait.error = error
                        wait.changed.set()
        for contact_id in store.removed:
            self.contact_removed(contact_id)
        for group_id, member_id in store.silenced:
            self.member_silenced(group_id, member_id)
        return value

    async def create_with(self, decide: Callable[[Store], str]) -> Invitation:
        """Make an invitation in a step, and wait for its links; see `DuplexAgent.create_with`.

        The step concerns neither contacts nor files.
        """
        return await self.agent.create_with(lambda t: decide(Store(t)))

    def delivered(self, happenings: Iterable[Delivered]) -> None:
        """Messages have come further."""
        for each in happenings:
            self.delivery_changed(each.contact.contact_id, each.sent.msg_id, each.sent.outcome)

    def delivery_changed(self, contact_id: int, msg_id: bytes, state: DeliveryState) -> None:
        """A message has come further."""
        for wait in self._waits.get((contact_id, msg_id), ()):
            wait.state = state
            wait.changed.set()

    async def wait_for_delivery(
        self,
        contact_id: int,
        msg_id: bytes,
        state: DeliveryState,
        on_progress: OnProgress | None = None,
    ) -> DeliveryState:
        """Wait until a message has come as far as that, or was given up, and say how far it is."""
        ranks = list(DeliveryState)
        wait, key = _Wait(), (contact_id, msg_id)
        self._waits.setdefault(key, []).append(wait)
        try:
            sent = await self.step(lambda store: _sent(store, contact_id, msg_id), durable=False)
            if ranks.index(sent.outcome) > ranks.index(wait.state):
                wait.state = sent.outcome
            file_id = None if sent.file is None else sent.file.file_id
            with self.progress.watch(file_id, wait.wake, on_progress) as watch:
                while ranks.index(wait.state) < ranks.index(state):
                    if wait.error is not None:
                        raise wait.error
                    wait.changed = trio.Event()
                    await wait.changed.wait()
                    watch.show()
            return wait.state
        finally:
            self._waits[key].remove(wait)
            if not self._waits[key]:
                del self._waits[key]
