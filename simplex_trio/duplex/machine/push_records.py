"""What is stored for notifications: the registration of a device, and what belongs to it.

An agent has one token, with all of its users.  A token that was deleted stays as a row until the
router knows.
"""

from __future__ import annotations

from enum import Enum
from typing import final

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.duplex.machine.rows import Rows
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.ntf.statuses import InvalidReason, TokenState
from simplex_trio.wire.ntf.tokens import DeviceToken, PushProvider

__all__ = [
    "MadeNotifier",
    "NotificationMode",
    "NotifiedQueue",
    "OldSubscription",
    "PushToken",
    "Stage",
    "current_token",
    "drop_subscription",
]


class NotificationMode(Enum):
    """When a device is woken up."""

    PERIODIC = 1
    """Regularly; the notification router learns of no queue."""
    INSTANT = 2
    """Whenever a message comes; the notification router subscribes to the notifiers of queues."""


@final
@frozen(repr=False)
class PushToken(Redacted):
    """A device token, and what is still to be done about it at its notification router."""

    name: str
    """This side's own, which is never used again."""
    server: ServerAddress
    provider: PushProvider
    device: bytes
    mode: NotificationMode
    minutes: int
    """How often the device is woken up in any case; 0 for never."""
    auth_key: Ed25519PrivateKey
    dh_key: X25519PrivateKey
    token_id: bytes = b""
    """The router's; empty until it has answered."""
    push_key: BoxKey | None = None
    """Opens the pushes."""
    state: TokenState = TokenState.NEW
    reason: InvalidReason | None = None
    registration_due: bool = True
    device_due: bool = False
    """Whether the router still has another device token."""
    sealed_code: bytes | None = None
    """A code that has come before the key to open it: the nonce and the box."""
    code: bytes | None = None
    """The code to be returned to the router."""
    minutes_due: bool = False
    check_due: bool = False
    is_deleted: bool = False

    @property
    def device_token(self) -> DeviceToken:
        return DeviceToken(self.provider, self.device)

    @property
    def wants_subscriptions(self) -> bool:
        """Whether the router can be told of queues at the moment."""
        return self.mode is NotificationMode.INSTANT and self.state is TokenState.ACTIVE


@final
@frozen(repr=False)
class OldSubscription(Redacted):
    """A subscription that the notification router is still to delete."""

    token: str
    """The name of the token that it was made with."""
    subscription_id: bytes


@final
@frozen(repr=False)
class NotifiedQueue(Redacted):
    """What setting up notifications needs of a queue; of one that exists on a router."""

    connection_id: str
    number: int
    server: ServerAddress
    recipient_id: bytes
    auth_key: Ed25519PrivateKey
    e2e_key: X25519PrivateKey
    notifier_key: Ed25519PrivateKey | None
    notifier_id: bytes
    subscription_id: bytes


@final
@frozen(repr=False)
class MadeNotifier(Redacted):
    """A queue's notifier, as its router has made it."""

    key: Ed25519PrivateKey
    notifier_id: bytes
    secret: BoxKey


class Stage(Enum):
    """What is next to be done about a queue, so that notifications tell of it or do not."""

    ENABLE = 1
    """It is to have a notifier."""
    SUBSCRIBE = 2
    """The notification router is to know the notifier."""
    CHECK = 3
    """The notification router is to be asked whether it still subscribes."""
    DISABLE_MUTED = 4
    """It is to have no notifier, because its connection is not to be notified of."""
    DISABLE = 5
    """The same, because no connection is."""


def current_token(rows: Rows) -> PushToken | None:
    """The token, unless it was deleted."""
    return next(iter(rows.find(PushToken, limit=1, is_deleted=False)), None)


def drop_subscription(rows: Rows, subscription_id: bytes) -> None:
    """Let the router delete a subscription; nothing is to be done if its token is gone."""
    token = current_token(rows)
    if subscription_id and token is not None:
        old = OldSubscription(token.name, subscription_id)
        if rows.get(OldSubscription, old.token, old.subscription_id) is None:
            rows.insert(old)
