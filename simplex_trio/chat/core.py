"""`ChatCore`: the steps of a chat program, over an agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio
from attrs import define, field

from simplex_trio.chat.errors import MessageForgotten
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.transaction import Transaction

__all__ = ["ChatCore"]

T = TypeVar("T")


@define(eq=False)
class _Wait:
    """A call that waits for a message to come further."""

    state: DeliveryState = DeliveryState.STORED
    is_forgotten: bool = False
    changed: trio.Event = field(factory=trio.Event)


def _found(store: Store, contact_id: int, msg_id: bytes) -> DeliveryState | None:
    """How far a message has come; `None` if it is not kept any more."""
    if store.contact(contact_id) is None:
        return DeliveryState.FAILED
    sent = store.sent_as(contact_id, msg_id)
    return None if sent is None else sent.state


class ChatCore:
    """An agent, and what the program says of itself."""

    def __init__(self, agent: DuplexAgent, settings: Settings) -> None:
        self.agent = agent
        self.settings = settings
        self.contact_removed: Callable[[int], None] = lambda contact_id: None
        """Called with the id of each contact that is gone."""
        self._waits: dict[tuple[int, bytes], list[_Wait]] = {}

    async def step(
        self, decide: Callable[[Store], T], *, takes_event: bool = False, durable: bool = True
    ) -> T:
        """Take a step in the agent's store; see `DuplexAgent.transact`."""

        def take(t: Transaction) -> tuple[T, Store]:
            store = Store(t)
            return decide(store), store

        value, store = await self.agent.transact(take, takes_event=takes_event, durable=durable)
        for key in store.forgotten:
            for wait in self._waits.get(key, ()):
                wait.is_forgotten = True
                wait.changed.set()
        for contact_id in store.removed:
            for (owner, msg_id), waits in self._waits.items():
                if owner == contact_id and waits:
                    self.delivery_changed(contact_id, msg_id, DeliveryState.FAILED)
            self.contact_removed(contact_id)
        return value

    def delivery_changed(self, contact_id: int, msg_id: bytes, state: DeliveryState) -> None:
        """A message has come further."""
        for wait in self._waits.get((contact_id, msg_id), ()):
            wait.state = state
            wait.changed.set()

    async def wait_for_delivery(
        self, contact_id: int, msg_id: bytes, state: DeliveryState
    ) -> DeliveryState:
        """Wait until a message has come as far as that, or was given up, and say how far it is."""
        ranks = list(DeliveryState)
        wait, key = _Wait(), (contact_id, msg_id)
        self._waits.setdefault(key, []).append(wait)
        try:
            found = await self.step(lambda store: _found(store, contact_id, msg_id), durable=False)
            if found is None:
                wait.is_forgotten = True
            elif ranks.index(found) > ranks.index(wait.state):
                wait.state = found
            while ranks.index(wait.state) < ranks.index(state):
                if wait.is_forgotten:
                    raise MessageForgotten("too many messages were sent after it")
                wait.changed = trio.Event()
                await wait.changed.wait()
            return wait.state
        finally:
            self._waits[key].remove(wait)
            if not self._waits[key]:
                del self._waits[key]
