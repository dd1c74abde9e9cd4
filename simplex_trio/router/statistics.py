"""`RouterStatistics`: a router in numbers."""

from __future__ import annotations

from simplex_trio.frozen import frozen
from simplex_trio.router.core.state import RouterState
from simplex_trio.serving.statistics import ServingStatistics
from simplex_trio.transport.listen import SocketStatistics

__all__ = ["RouterStatistics", "take_statistics"]


@frozen(kw_only=True)
class RouterStatistics(ServingStatistics):
    """What a router has at the moment, and its counters."""

    queues: int
    messages: int
    """Waiting in all queues, quota notices included."""
    notifiers: int
    notifications: int
    """Waiting for notifiers."""
    services: int
    subscribed_queues: int
    """Each on its own, not through a service."""
    subscribed_services: int
    subscribed_notifiers: int
    subscribed_notifier_services: int


def take_statistics(
    state: RouterState, *, clients: int, sockets: SocketStatistics
) -> RouterStatistics:
    """The numbers now."""
    return RouterStatistics(
        queues=len(state.queues),
        messages=state.queues.message_count,
        notifiers=state.queues.notifier_count,
        notifications=len(state.notifications),
        services=len(state.services),
        clients=clients,
        subscribed_queues=state.recipients.queue_count,
        subscribed_services=state.recipients.service_count,
        subscribed_notifiers=state.notifiers.queue_count,
        subscribed_notifier_services=state.notifiers.service_count,
        sockets_accepted=sockets.accepted,
        sockets_closed=sockets.closed,
        sockets_active=sockets.active,
        sockets_leaked=sockets.leaked,
        sockets_turned_away=sockets.turned_away,
        counters=state.counters.values(),
    )
