"""`ChatCore`: the steps of a chat program, over an agent."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable
from typing import TypeVar

import trio
from attrs import define, field

from simplex_trio.chat.copies import Copies
from simplex_trio.chat.errors import ChatError, MessageForgotten
from simplex_trio.chat.machine.file_senders import FileSender, sender_of
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.records import DeliveryState, SentRecord
from simplex_trio.chat.machine.sending import find_outlet
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.transfers import OnProgress, ProgressBoard, Transfers
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.transaction import Invitation, Transaction

__all__ = ["ChatCore"]

T = TypeVar("T")

_logger = logging.getLogger(__name__)

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


def _log_error(where: str, exc: Exception) -> None:
    # Not the error's text, which may show what people have said.
    _logger.error("%s has raised %s%s", where, type(exc).__name__, _place_in_program(exc))


def _place_in_program(exc: Exception) -> str:
    """Where the program was that raised it: the last of its lines in the file of its function."""
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(exc.__traceback__)]
    files = [code.co_filename for code, _ in frames]
    file = next((each for each in files if not each.startswith(_PACKAGE)), None)
    places = [(code.co_name, line) for code, line in frames if code.co_filename == file]
    if file is None:
        return ""
    name, line = places[-1]
    return f", in {name} ({file}:{line})"


@define(eq=False)
class _Wait:
    """A call that waits for a message to come further."""

    gone: ChatError
    """The error if its conversation is gone."""
    state: DeliveryState = DeliveryState.STORED
    error: ChatError | None = None
    """Why nothing more will be known of it."""
    changed: trio.Event = field(factory=trio.Event)

    def wake(self) -> None:
        self.changed.set()

    def note(self, store: Store, key: tuple[int, bytes]) -> None:
        """A step has removed conversations, or has forgotten messages."""
        if key[0] in store.removed:
            self.error = self.gone
        elif key in store.forgotten:
            self.error = _forgotten()
        if self.error is not None:
            self.changed.set()


def _forgotten() -> MessageForgotten:
    return MessageForgotten("too many were sent after it, or it has disappeared")


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
        self.relays_due: trio.Event = trio.Event()
        """Set when a step has left relays of channels that are to be asked."""
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
        self.connection_changed: trio.Event = trio.Event()
        """Set when a connection or a link has come about, or cannot, and replaced by a new one."""
        self._waits: dict[tuple[int, bytes], list[_Wait]] = {}

    async def step(
        self, decide: Callable[[Store], T], *, takes_event: bool = False, durable: bool = True
    ) -> T:
        """Take a step in the agent's store; see `DuplexAgent.transact`."""

        def take(t: Transaction) -> tuple[T, Store, list[FileSender | None]]:
            store = Store(t)
            value = decide(store)
            return value, store, [sender_of(store, each) for each in store.changed_files]

        value, store, senders = await self.agent.transact(
            take, takes_event=takes_event, durable=durable
        )
        # Nothing may come between the step and those who wait for what it has changed.
        for file, sender in zip(store.changed_files, senders, strict=True):
            self.transfers.changed(file, sender)
        for copy in store.unused_copies:
            self.copies.remove_later(copy)
        is_new = store.has_descriptions and not self.describes_later
        self.describes_later |= store.has_descriptions
        if store.unused_copies or store.is_expiring or is_new:
            self.upkeep_due.set()
        if store.has_relays:
            self.relays_due.set()
        if store.forgotten or store.removed:
            for key, waits in self._waits.items():
                for wait in waits:
                    wait.note(store, key)
        for conversation_id, sent in store.delivered:
            self._delivery_changed(conversation_id, sent.msg_id, sent.outcome)
        if store.removed or store.silenced or store.has_lost_link:
            self.tell_connections()  # which will not come about
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

    def tell_connections(self) -> None:
        """A connection or a link has come about, or cannot."""
        self.connection_changed.set()
        self.connection_changed = trio.Event()

    def _delivery_changed(self, conversation_id: int, msg_id: bytes, state: DeliveryState) -> None:
        for wait in self._waits.get((conversation_id, msg_id), ()):
            wait.state = state
            wait.changed.set()

    async def wait_for_delivery(
        self,
        conversation_id: int,
        msg_id: bytes,
        state: DeliveryState,
        gone: ChatError,
        on_progress: OnProgress | None = None,
    ) -> DeliveryState:
        """Wait until a message has come as far as that, or was given up, and say how far it is.

        Raises ``gone`` if its contact or its group is.
        """
        ranks = list(DeliveryState)
        wait, key = _Wait(gone), (conversation_id, msg_id)

        def look_up(store: Store) -> SentRecord:
            if find_outlet(store, self.settings, conversation_id) is None:
                raise gone
            sent = store.sent_as(conversation_id, msg_id)
            if sent is None:
                raise _forgotten()
            return sent

        self._waits.setdefault(key, []).append(wait)
        try:
            sent = await self.step(look_up, durable=False)
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
