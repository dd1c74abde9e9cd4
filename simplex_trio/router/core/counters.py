"""`Count`: the counters of a router."""

from __future__ import annotations

from enum import StrEnum

from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.wire.smp.commands import NSUBS, SUBS

__all__ = ["Count", "service_count"]


class Count(StrEnum):
    """The names of the counters; a value is what the store and the metrics call it."""

    QUEUES_CREATED = "queues_created"
    QUEUES_SECURED = "queues_secured"
    QUEUES_SUSPENDED = "queues_suspended"
    QUEUES_BLOCKED = "queues_blocked"
    """By the operator."""
    QUEUES_DELETED = "queues_deleted"
    QUEUES_EXPIRED = "queues_expired"
    MESSAGES_SENT = "messages_sent"
    MESSAGES_RECEIVED = "messages_received"
    """Acknowledged."""
    MESSAGES_GOT = "messages_got"
    """Answers to GET."""
    MESSAGES_EXPIRED = "messages_expired"
    SENDS_UNAUTHORIZED = "sends_unauthorized"
    SENDS_OVER_QUOTA = "sends_over_quota"
    SENDS_TOO_LARGE = "sends_too_large"
    SUBSCRIPTIONS_MADE = "subscriptions_made"
    SUBSCRIPTIONS_REPEATED = "subscriptions_repeated"
    SUBSCRIPTIONS_REFUSED = "subscriptions_refused"
    SUBSCRIPTIONS_ENDED = "subscriptions_ended"
    """END, ENDS and DELD, sent to connections."""
    NOTIFIERS_CREATED = "notifiers_created"
    NOTIFIERS_DELETED = "notifiers_deleted"
    NOTIFIER_SUBSCRIPTIONS = "notifier_subscriptions"
    NOTIFICATIONS_SENT = "notifications_sent"
    NOTIFICATIONS_EXPIRED = "notifications_expired"
    SERVICES_CREATED = "services_created"
    SERVICES_EXPIRED = "services_expired"
    SERVICE_SUBSCRIPTIONS = "service_subscriptions"
    """SUBS and NSUBS, where the service and the router agreed about its queues."""
    SERVICE_EXPECTED_MORE = "service_expected_more"
    SERVICE_EXPECTED_FEWER = "service_expected_fewer"
    SERVICE_EXPECTED_OTHERS = "service_expected_others"
    """As many queues as the router has, but not the same ones."""
    COMMANDS_REFUSED = "commands_refused"
    """Answered with an error because they are malformed or not authorized."""
    PROXIED_RECEIVED = "proxied_received"
    """As the destination of a proxy: commands that came through one."""
    RELAY_SESSIONS_REQUESTED = "relay_sessions_requested"
    RELAY_SESSIONS_REFUSED = "relay_sessions_refused"
    RELAY_SESSIONS_FAILED = "relay_sessions_failed"
    PROXIED_FORWARDED = "proxied_forwarded"
    """As a proxy: commands that the relay has answered."""
    PROXIED_FAILED = "proxied_failed"
    NAMES_REQUESTED = "names_requested"
    NAMES_RESOLVED = "names_resolved"


def service_count(command: SUBS | NSUBS, stored: ServiceSubs) -> Count:
    """The counter for how a service's expectation compares with its stored queues.

    A difference is counted, and never a reason to refuse.
    """
    if command.count == command.UNKNOWN_COUNT:
        return Count.SERVICE_SUBSCRIPTIONS
    if command.count < stored.count:
        return Count.SERVICE_EXPECTED_FEWER
    if command.count > stored.count:
        return Count.SERVICE_EXPECTED_MORE
    if command.ids_hash != stored.ids_hash:
        return Count.SERVICE_EXPECTED_OTHERS
    return Count.SERVICE_SUBSCRIPTIONS
