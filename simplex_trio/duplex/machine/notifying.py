"""What is to be done so that a device is notified of messages, and what comes of it.

It follows from the token, the queues and the time: a queue that nothing is known of gets a
notifier, and the notification router is told of it; what is not wanted any more is removed.  So
nothing has to be noted when a token becomes active, or a queue is made or replaced.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, final

from attrs import evolve

from simplex_trio.duplex.machine.connection import ReceivingQueue
from simplex_trio.duplex.machine.push_records import (
    MadeNotifier,
    NotificationMode,
    NotifiedQueue,
    OldSubscription,
    PushToken,
    Stage,
    current_token,
    drop_subscription,
)
from simplex_trio.duplex.machine.push_tokens import check_token
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.machine.work import Lane
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.ntf.statuses import SubscriptionState, TokenState

__all__ = [
    "AT_ONCE",
    "FIRST_CHECK",
    "NEXT_CHECK",
    "NO_CONNECTION",
    "RETRY_BUSY",
    "RETRY_REFUSED",
    "CheckSubscriptions",
    "CheckToken",
    "DeleteToken",
    "DisableNotifiers",
    "EnableNotifiers",
    "NotificationWork",
    "NotificationsDue",
    "RegisterToken",
    "ReplaceDevice",
    "SetPeriod",
    "Subscribe",
    "TokenWork",
    "Unsubscribe",
    "VerifyToken",
    "notifications_due",
    "notifiers_disabled",
    "notifiers_enabled",
    "put_off",
    "subscribed",
    "subscription_refused",
    "subscriptions_checked",
    "unsubscribed",
]

NO_CONNECTION = ""
"""Stands in a lane for the id of a connection."""

AT_ONCE = 150
"""Queues in one batch, as in the reference."""

FIRST_CHECK = 24 * 3600
"""Seconds after which it is checked that the notification router has subscribed to a queue."""

NEXT_CHECK = 3 * FIRST_CHECK
"""Seconds after which it is checked again, and again."""

RETRY_BUSY = 300
"""Seconds for which a queue is left out when a router answers that it cannot do it now."""

RETRY_REFUSED = 24 * 3600
"""The same if a router refuses it, which it does as long as nothing changes there."""

_DEAD = {
    SubscriptionState.END,
    SubscriptionState.DELETED,
    SubscriptionState.AUTH,
    SubscriptionState.ERR,
}
"""The notification router will not subscribe to these again by itself."""


# --- work ---------------------------------------------------------------------------------------


@frozen(repr=False, eq=False)
class _TokenWork(Redacted):
    token: PushToken

    @property
    def lane(self) -> Lane:
        """One at a time for each token, as each answer decides what is next."""
        return Lane(NO_CONNECTION, f"Token {self.token.name}")


@final
class RegisterToken(_TokenWork):
    """TNEW."""


@final
class ReplaceDevice(_TokenWork):
    """TRPL."""


@final
class VerifyToken(_TokenWork):
    """TVFY."""


@final
class SetPeriod(_TokenWork):
    """TCRN."""


@final
class CheckToken(_TokenWork):
    """TCHK."""


@final
class DeleteToken(_TokenWork):
    """TDEL."""


@frozen(repr=False, eq=False)
class _NotifierWork(Redacted):
    user: str
    server: ServerAddress
    queues: tuple[NotifiedQueue, ...]

    @property
    def lane(self) -> Lane:
        """One at a time for each user at each router, and another for what is to be undone."""
        return Lane(NO_CONNECTION, f"{type(self).__name__} {self.server} {self.user}")


@final
class EnableNotifiers(_NotifierWork):
    """NKEY."""


@final
class DisableNotifiers(_NotifierWork):
    """NDEL."""


@frozen(repr=False, eq=False)
class _SubscriptionWork(Redacted):
    token: PushToken
    queues: tuple[NotifiedQueue, ...]

    @property
    def lane(self) -> Lane:
        """One at a time for each kind."""
        return Lane(NO_CONNECTION, f"{type(self).__name__} {self.token.name}")


@final
class Subscribe(_SubscriptionWork):
    """SNEW."""


@final
class CheckSubscriptions(_SubscriptionWork):
    """SCHK."""


@final
@frozen(repr=False, eq=False)
class Unsubscribe(Redacted):
    """SDEL."""

    token: PushToken
    subscriptions: tuple[OldSubscription, ...]

    @property
    def lane(self) -> Lane:
        """One at a time."""
        return Lane(NO_CONNECTION, f"Unsubscribe {self.token.name}")


TokenWork: TypeAlias = (
    RegisterToken | ReplaceDevice | VerifyToken | SetPeriod | CheckToken | DeleteToken
)
NotificationWork: TypeAlias = (
    TokenWork | EnableNotifiers | DisableNotifiers | Subscribe | CheckSubscriptions | Unsubscribe
)


@final
@frozen(repr=False)
class NotificationsDue(Redacted):
    """What there is to do, now and later."""

    works: list[NotificationWork]
    next_at: int | None
    """When there will be more to do; `None` if that takes another step."""
    adds_notifiers: bool
    """Whether a new queue is to have a notifier from the start."""


def notifications_due(step: Step) -> NotificationsDue:
    """Everything that has to be done for notifications, as it is now."""
    rows, now = step.rows, step.moment.seconds
    works: list[NotificationWork] = []
    for each in rows.find(PushToken):
        works += _token_work(each)
    token = current_token(rows)
    if token is None or token.mode is NotificationMode.PERIODIC:
        works += _by_router(DisableNotifiers, rows.notified_queues(Stage.DISABLE, now, AT_ONCE))
    else:
        muted = rows.notified_queues(Stage.DISABLE_MUTED, now, AT_ONCE)
        works += _by_router(DisableNotifiers, muted)
    if token is None:
        return NotificationsDue(works, None, adds_notifiers=False)
    if token.state is TokenState.ACTIVE:
        old = rows.find(OldSubscription, limit=AT_ONCE, token=token.name)
        if old:
            works.append(Unsubscribe(token, tuple(old)))
    if not token.wants_subscriptions:
        return NotificationsDue(works, None, adds_notifiers=False)
    works += _by_router(EnableNotifiers, rows.notified_queues(Stage.ENABLE, now, AT_ONCE))
    new = rows.notified_queues(Stage.SUBSCRIBE, now, AT_ONCE)
    if new:
        works.append(Subscribe(token, tuple(queue for _, queue in new)))
    known = rows.notified_queues(Stage.CHECK, now, AT_ONCE)
    if known:
        works.append(CheckSubscriptions(token, tuple(queue for _, queue in known)))
    return NotificationsDue(works, rows.next_notification_at(now), adds_notifiers=True)


def _token_work(token: PushToken) -> Iterable[NotificationWork]:
    if token.is_deleted:
        yield DeleteToken(token)
    elif token.registration_due:
        yield RegisterToken(token)
    elif token.device_due:
        yield ReplaceDevice(token)
    elif token.code is not None:
        yield VerifyToken(token)
    elif token.minutes_due and token.state is TokenState.ACTIVE:
        yield SetPeriod(token)
    elif token.check_due:
        yield CheckToken(token)


def _by_router(
    kind: type[EnableNotifiers] | type[DisableNotifiers], queues: list[tuple[str, NotifiedQueue]]
) -> list[NotificationWork]:
    found: dict[tuple[str, ServerAddress], list[NotifiedQueue]] = {}
    for user, queue in queues:
        found.setdefault((user, queue.server), []).append(queue)
    return [kind(user, server, tuple(each)) for (user, server), each in found.items()]


# --- what comes of it ---------------------------------------------------------------------------


def notifiers_enabled(step: Step, made: Iterable[tuple[NotifiedQueue, MadeNotifier]]) -> None:
    """Routers have made notifiers; one that a queue had before is gone."""
    for asked, notifier in made:
        if not notifier.notifier_id:
            # That counts as none, and the router would be asked again at once, without an end.
            put_off(step, [asked], RETRY_REFUSED)
            continue
        queue = _queue(step, asked)
        if queue is not None:
            drop_subscription(step.rows, queue.subscription_id)
            _change(
                step,
                queue,
                notifier_key=notifier.key,
                notifier_id=notifier.notifier_id,
                notifier_secret=notifier.secret,
                subscription_id=b"",
                notify_due_at=0,
            )


def notifiers_disabled(step: Step, queues: Iterable[NotifiedQueue]) -> None:
    """Routers have removed notifiers, or know of none."""
    for asked in queues:
        queue = _queue(step, asked)
        if queue is not None and queue.notifier_id == asked.notifier_id:
            _remove_notifier(step, queue)


def subscribed(
    step: Step, token: PushToken, subscriptions: Iterable[tuple[NotifiedQueue, bytes]]
) -> None:
    """The notification router was told of notifiers, and has answered with ids."""
    due_at = step.moment.seconds + FIRST_CHECK
    is_current = _is_current(step, token)
    for asked, subscription_id in subscriptions:
        queue = _queue(step, asked)
        if is_current and queue is not None and queue.notifier_id == asked.notifier_id:
            _change(step, queue, subscription_id=subscription_id, notify_due_at=due_at)
        elif is_current:
            drop_subscription(step.rows, subscription_id)


def subscription_refused(step: Step, token: PushToken, queues: Iterable[NotifiedQueue]) -> None:
    """The notification router does not accept the token for these, which may be gone."""
    put_off(step, queues, RETRY_REFUSED)
    current = current_token(step.rows)
    if current is not None and current.name == token.name:
        check_token(step, current)


def subscriptions_checked(
    step: Step,
    token: PushToken,
    states: Iterable[tuple[NotifiedQueue, SubscriptionState | None]],
) -> None:
    """The notification router has told the states of subscriptions; `None` if it knows of none.

    Those that have ended are made anew, from the notifier on.
    """
    if not _is_current(step, token):
        return
    due_at = step.moment.seconds + NEXT_CHECK
    for asked, state in states:
        queue = _queue(step, asked)
        if queue is None or queue.subscription_id != asked.subscription_id:
            continue
        if state is None:
            _change(step, queue, subscription_id=b"", notifier_id=b"", notify_due_at=0)
        elif state in _DEAD:
            _remove_notifier(step, queue)
        else:
            _change(step, queue, notify_due_at=due_at)


def unsubscribed(step: Step, subscriptions: Iterable[OldSubscription]) -> None:
    """The notification router has deleted subscriptions, or knows of none."""
    step.notifications_changed = True
    for old in subscriptions:
        if step.rows.get(OldSubscription, old.token, old.subscription_id) is not None:
            step.rows.delete(old)


def put_off(step: Step, queues: Iterable[NotifiedQueue], seconds: int) -> None:
    """A router has refused what was to be done for these queues, so they wait."""
    due_at = step.moment.seconds + seconds
    for asked in queues:
        queue = _queue(step, asked)
        if queue is not None:
            _change(step, queue, notify_due_at=due_at)


# --- details ------------------------------------------------------------------------------------


def _queue(step: Step, asked: NotifiedQueue) -> ReceivingQueue | None:
    """The queue as it is now.

    Without its connection, whose keys take long to read: a batch may be about 150 of them.
    """
    step.notifications_changed = True
    for queue in step.rows.find(ReceivingQueue, connection_id=asked.connection_id):
        if (queue.number, queue.recipient_id) == (asked.number, asked.recipient_id):
            return queue
    return None


def _change(step: Step, queue: ReceivingQueue, **changes: object) -> None:
    step.rows.update(queue, evolve(queue, **changes))  # type: ignore[arg-type]


def _remove_notifier(step: Step, queue: ReceivingQueue) -> None:
    drop_subscription(step.rows, queue.subscription_id)
    _change(
        step,
        queue,
        notifier_key=None,
        notifier_id=b"",
        notifier_secret=None,
        subscription_id=b"",
        notify_due_at=0,
    )


def _is_current(step: Step, token: PushToken) -> bool:
    current = current_token(step.rows)
    return current is not None and current.name == token.name
