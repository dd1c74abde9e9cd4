"""`AgentLog`: what an agent does, in the log of the program, without telling with whom.

A router has a short name there that was made by chance for this run of the program: lines about the
same router can be told from those about others, and no line says which router it is.  Events tell
the program.
"""

from __future__ import annotations

import hashlib
import logging
import secrets

from simplex_trio.agent.config import AgentRole
from simplex_trio.agent.destination import Destination
from simplex_trio.agent.events import (
    AgentEvent,
    CannotConnect,
    Connected,
    Disconnected,
    ServiceDisconnected,
    ServiceEnded,
    ServiceSubscribed,
    ServiceSubscriptionError,
    ServiceUnavailable,
    Subscribed,
    SubscriptionEnded,
    SubscriptionError,
)
from simplex_trio.errors import safe_text

__all__ = ["AgentLog"]

_log = logging.getLogger("simplex_trio.agent")

_REFUSALS = (SubscriptionError, ServiceSubscriptionError, ServiceUnavailable)


class AgentLog:
    """The lines of one agent; proxies, which have many routers, write theirs for debugging only."""

    def __init__(self, role: AgentRole) -> None:
        self._level = logging.DEBUG if role is AgentRole.SENDER else logging.INFO
        self._salt = secrets.token_bytes(16)

    def note(self, event: AgentEvent) -> None:
        """Write down what an event says about a connection or a subscription."""
        level = logging.WARNING if isinstance(event, _REFUSALS) else self._level
        if not _log.isEnabledFor(level):
            return
        match event:
            case Connected():
                text = "connected"
            case Disconnected(queues=queues, reason=reason):
                why = safe_text(reason)
                text = f"the connection has ended, with {len(queues)} subscriptions: {why}"
            case CannotConnect(error=error):
                text = f"cannot connect, trying again: {safe_text(error)}"
            case Subscribed(queues=queues):
                text = f"{len(queues)} queues are subscribed to"
            case SubscriptionError(failures=failures):
                text = f"{len(failures)} subscriptions are refused"
            case SubscriptionEnded(deleted=True):
                text = "a queue was deleted"
            case SubscriptionEnded():
                text = "another client has taken over a subscription"
            case ServiceSubscribed():
                text = "the queues of the service are subscribed to"
            case ServiceSubscriptionError() | ServiceUnavailable():
                text = "the queues of the service are refused"
            case ServiceDisconnected():
                text = "the subscription of the service has ended with its connection"
            case ServiceEnded():
                text = "another client has taken over the subscription of the service"
            case _:
                return
        _log.log(level, "router %s: %s", self._name(event.destination), text)

    def _name(self, destination: Destination) -> str:
        place = f"{destination.server}|{destination.label}".encode()
        return hashlib.blake2b(place, digest_size=4, key=self._salt).hexdigest()
