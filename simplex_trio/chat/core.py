"""`ChatCore`: the steps of a chat program, over an agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio
from attrs import define, field

from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.duplex.agent import DuplexAgent

__all__ = ["ChatCore"]

T = TypeVar("T")


@define(eq=False)
class _Wait:
    """A call that waits for a message to come further."""

    state: DeliveryState = DeliveryState.STORED
    changed: trio.Event = field(factory=trio.Event)


class ChatCore:
    """An agent, and what the program says of itself."""

    def __init__(self, agent: DuplexAgent, settings: Settings) -> None:
        self.agent = agent
        self.settings = settings
        self._waits: dict[tuple[int, bytes], list[_Wait]] = {}

    async def step(
        self, decide: Callable[[Store], T], *, takes_event: bool = False, durable: bool = True
    ) -> T:
        """Take a step in the agent's store; see `DuplexAgent.transact`."""
        return await self.agent.transact(
            lambda t: decide(Store(t)), takes_event=takes_event, durable=durable
        )

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
            sent = await self.step(lambda store: store.sent_as(contact_id, msg_id), durable=False)
            if sent is not None and ranks.index(sent.state) > ranks.index(wait.state):
                wait.state = sent.state
            while ranks.index(wait.state) < ranks.index(state):
                wait.changed = trio.Event()
                await wait.changed.wait()
            return wait.state
        finally:
            self._waits[key].remove(wait)
            if not self._waits[key]:
                del self._waits[key]
