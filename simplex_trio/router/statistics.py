"""`RouterStatistics`: a router in numbers."""

from __future__ import annotations

from typing import Final

from simplex_trio.frozen import frozen
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.state import RouterState
from simplex_trio.serving.metrics import Aliases
from simplex_trio.serving.statistics import ServingStatistics
from simplex_trio.transport.listen import SocketStatistics

__all__ = ["REFERENCE_NAMES", "RouterStatistics", "take_statistics"]

_ALL = {"source": "all"}

REFERENCE_NAMES: Final[Aliases] = {
    "clients": [("simplex_smp_clients_total", {})],
    "messages": [("simplex_smp_messages_total", {})],
    "notifiers": [
        ("simplex_smp_queues_notify_total1", {}),
        ("simplex_smp_queues_notify_total2", {}),
    ],
    "queues": [("simplex_smp_queues_total1", {}), ("simplex_smp_queues_total2", {})],
    "sockets_accepted": [("simplex_smp_sockets_accepted", {})],
    "sockets_active": [("simplex_smp_sockets_active", {})],
    "sockets_closed": [("simplex_smp_sockets_closed", {})],
    "sockets_leaked": [("simplex_smp_sockets_leaked", {})],
    "subscribed_notifier_services": [("simplex_smp_subscribtion_nts_services_total", {})],
    "subscribed_notifiers": [("simplex_smp_subscription_ntf_total", {})],
    "subscribed_queues": [("simplex_smp_subscribtion_total", {})],
    "subscribed_services": [("simplex_smp_subscribtion_services_total", {})],
    Count.MESSAGES_EXPIRED: [("simplex_smp_messages_expired", {})],
    Count.MESSAGES_GOT: [("simplex_smp_messages_notify_get_sent", {})],
    Count.MESSAGES_SENT: [("simplex_smp_messages_sent", {})],
    Count.NOTIFICATIONS_EXPIRED: [("simplex_smp_messages_ntf_errors", {"type": "expired"})],
    Count.NOTIFICATIONS_SENT: [("simplex_smp_messages_ntf_successes", {})],
    Count.NOTIFIERS_CREATED: [("simplex_smp_queues_notify_created", {})],
    Count.NOTIFIERS_DELETED: [("simplex_smp_queues_notify_deleted", {})],
    Count.NOTIFIER_SUBSCRIPTIONS: [("simplex_smp_subscription_ntf_requests", {})],
    Count.PROXIED_RECEIVED: [("simplex_smp_relay_messages_received", {})],
    Count.QUEUES_BLOCKED: [("simplex_smp_queues_blocked", {})],
    Count.QUEUES_CREATED: [("simplex_smp_queues_created", {})],
    Count.QUEUES_DELETED: [("simplex_smp_queues_deleted", {"type": "all"})],
    Count.QUEUES_SECURED: [("simplex_smp_queues_secured", {})],
    Count.RELAY_SESSIONS_REQUESTED: [("simplex_smp_relay_sessions_requests", _ALL)],
    Count.SENDS_OVER_QUOTA: [("simplex_smp_messages_sent_errors", {"type": "quota"})],
    Count.SENDS_TOO_LARGE: [("simplex_smp_messages_sent_errors", {"type": "large"})],
    Count.SENDS_UNAUTHORIZED: [("simplex_smp_messages_sent_errors", {"type": "auth"})],
    Count.SUBSCRIPTIONS_MADE: [("simplex_smp_subscribtion_successes", {})],
    Count.SUBSCRIPTIONS_REFUSED: [("simplex_smp_subscribtion_errors", {"type": "prohibited"})],
    Count.SUBSCRIPTIONS_REPEATED: [("simplex_smp_subscribtion_errors", {"type": "duplicate"})],
}
"""What the reference calls metrics that mean the same there, as it spells them; others it counts in
another way: its messages received are without those by GET, for example, and ours with them."""


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
    state: RouterState,
    *,
    clients: int,
    sockets: SocketStatistics,
    problems: int,
    web_certificate_until: int | None,
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
        problems=problems,
        web_certificate_until=web_certificate_until,
        counters=state.counters.values(),
    )
