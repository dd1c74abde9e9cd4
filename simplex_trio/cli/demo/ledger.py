"""`Ledger`: all subscriptions and messages, and their states.  Pure.

Each change is returned as an event.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from simplex_trio.cli.demo.events import (
    MessageChanged,
    MessageState,
    SubscriptionChanged,
    SubscriptionState,
    Way,
)

__all__ = ["Ledger", "TrackedMessage", "TrackedQueue"]


@define
class TrackedQueue:
    """A queue, and how its subscription is doing."""

    number: int
    router: int
    state: SubscriptionState = SubscriptionState.PENDING
    activations: int = 0
    losses: int = 0
    arrivals: list[int] = field(factory=list)
    """Messages in the order in which they came, each once."""


@define
class TrackedMessage:
    """A message, and how far it has come."""

    number: int
    queue: int
    way: Way
    accepted: bool = False
    refused: bool = False
    receptions: int = 0
    acknowledged: bool = False
    waited: bool = False
    """Accepted, and not received, while the agent was away."""


@define
class Ledger:
    """All queues and messages by their numbers, which begin with 1."""

    queues: dict[int, TrackedQueue] = field(factory=dict)
    messages: dict[int, TrackedMessage] = field(factory=dict)

    # --- subscriptions ------------------------------------------------------------------------

    def asked_for(self, router: int, at: float) -> SubscriptionChanged:
        """A new queue at a router, which the agent is to subscribe to."""
        queue = TrackedQueue(len(self.queues) + 1, router)
        self.queues[queue.number] = queue
        return SubscriptionChanged(at, queue.number, router, queue.state)

    def subscription_is(
        self, number: int, state: SubscriptionState, at: float
    ) -> SubscriptionChanged:
        """What became of a subscription."""
        queue = self.queues[number]
        queue.state = state
        queue.activations += state is SubscriptionState.ACTIVE
        queue.losses += state is SubscriptionState.LOST
        return SubscriptionChanged(at, number, queue.router, state)

    def count(self, state: SubscriptionState, router: int | None = None) -> int:
        """How many subscriptions are in a state, at all routers or at one."""
        return sum(queue.state is state for queue in self.at_router(router))

    def at_router(self, router: int | None) -> Iterable[TrackedQueue]:
        """The queues at a router, or all of them."""
        return [each for each in self.queues.values() if router in (None, each.router)]

    # --- messages -----------------------------------------------------------------------------

    def sending(self, queue: int, way: Way, at: float) -> MessageChanged:
        """A new message is on its way to a queue."""
        message = TrackedMessage(len(self.messages) + 1, queue, way)
        self.messages[message.number] = message
        return self._told(message, MessageState.SENDING, at)

    def accepted(self, number: int, at: float) -> MessageChanged:
        """The sender knows that the router has it, which may have come further meanwhile."""
        message = self.messages[number]
        message.accepted = True
        return self._told(message, MessageState.ACCEPTED, at)

    def refused(self, number: int, at: float) -> MessageChanged:
        """The router did not accept it."""
        message = self.messages[number]
        message.refused = True
        return self._told(message, MessageState.REFUSED, at)

    def received(self, number: int, at: float) -> MessageChanged:
        """The agent has it, for the first time or once more."""
        message = self.messages[number]
        if not message.receptions:
            self.queues[message.queue].arrivals.append(number)
        message.receptions += 1
        state = MessageState.RECEIVED if message.receptions == 1 else MessageState.AGAIN
        return self._told(message, state, at)

    def acknowledged(self, number: int, at: float) -> MessageChanged:
        """The router knows that the agent has it, and has deleted it."""
        message = self.messages[number]
        message.acknowledged = True
        return self._told(message, MessageState.ACKNOWLEDGED, at)

    def note_waiting(self) -> int:
        """Remember which messages wait at a router, and say how many."""
        waiting = [each for each in self.messages.values() if each.accepted and not each.receptions]
        for message in waiting:
            message.waited = True
        return len(waiting)

    @property
    def in_order(self) -> bool:
        """Whether each queue brought its messages in the order in which they were sent."""
        return all(queue.arrivals == sorted(queue.arrivals) for queue in self.queues.values())

    @staticmethod
    def _told(message: TrackedMessage, state: MessageState, at: float) -> MessageChanged:
        return MessageChanged(at, message.number, message.queue, message.way, state)
