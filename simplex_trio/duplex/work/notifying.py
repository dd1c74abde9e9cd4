"""`NotificationsWork`: what is done with notifiers, and at the notification router."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Generic, TypeAlias, TypeVar

from simplex_trio.client.ntf import NTFClient, RegisteredToken
from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import NotifierCredentials, QueueAccess
from simplex_trio.duplex.machine.notifying import (
    RETRY_BUSY,
    RETRY_REFUSED,
    CheckSubscriptions,
    CheckToken,
    DeleteToken,
    DisableNotifiers,
    EnableNotifiers,
    NotificationWork,
    RegisterToken,
    ReplaceDevice,
    SetPeriod,
    Subscribe,
    TokenWork,
    Unsubscribe,
    VerifyToken,
    notifiers_disabled,
    notifiers_enabled,
    put_off,
    subscribed,
    subscription_refused,
    subscriptions_checked,
    unsubscribed,
)
from simplex_trio.duplex.machine.push_records import MadeNotifier, NotifiedQueue, PushToken
from simplex_trio.duplex.machine.push_tokens import (
    check_refused,
    code_refused,
    device_replaced,
    period_set,
    token_checked,
    token_forgotten,
    token_not_registered,
    token_refused,
    token_registered,
    token_verified,
)
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.ntf_routers import NTFRouters
from simplex_trio.duplex.work.routers import NETWORK_ERRORS, Routers, is_temporary
from simplex_trio.engine.timeouts import BACKGROUND
from simplex_trio.errors import SimplexError
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.ntf.queues import NotifierQueue
from simplex_trio.wire.ntf.statuses import SubscriptionState

__all__ = ["NotificationsWork"]

ItemT = TypeVar("ItemT")

_Outcome: TypeAlias = Callable[[Step, PushToken], object]
"""What to store of a router's answer, given the token as it is then."""


class NotificationsWork:
    """Work that belongs to no connection.

    It raises what may pass by itself, and stores what is the outcome.
    """

    def __init__(self, core: Core, routers: Routers, ntf_routers: NTFRouters) -> None:
        self._core = core
        self._routers = routers
        self._ntf_routers = ntf_routers

    async def try_once(self, work: NotificationWork) -> None:
        """Try a work once."""
        match work:
            case EnableNotifiers():
                await self._at_routers(work, self._enable)
            case DisableNotifiers():
                await self._at_routers(work, self._disable)
            case Subscribe():
                await self._subscribe(work)
            case CheckSubscriptions():
                await self._check(work)
            case Unsubscribe():
                await self._unsubscribe(work)
            case _:
                await self._token(work)

    async def _settle(self, decide: Callable[[Step], object]) -> None:
        await self._core.step_persistently(decide)

    # --- the token ------------------------------------------------------------------------------

    async def _token(self, work: TokenWork) -> None:
        client = await self._ntf_routers.client(work.token.server)
        try:
            if isinstance(work, RegisterToken):
                await self._register(client, work.token)
                return
            outcome = await _ask(client, work)
        except NETWORK_ERRORS as exc:
            if is_temporary(exc):
                raise
            outcome = _refusal(work, exc)
        await self._about(work.token, outcome)

    async def _register(self, client: NTFClient, asked: PushToken) -> None:
        registered = await client.register_token(
            asked.device_token, key=asked.auth_key, dh_key=asked.dh_key, patience=BACKGROUND
        )
        token_id, push_key = registered.token_id, registered.push_key
        is_wanted = await self._about(
            asked, lambda step, token: token_registered(step, asked, token, token_id, push_key)
        )
        if not is_wanted:
            with suppress(*NETWORK_ERRORS):  # the router forgets what is never verified
                await client.delete_token(registered, patience=BACKGROUND)

    async def _about(self, token: PushToken, decide: _Outcome) -> bool:
        """Take a step about a token, if it still is what it was."""

        def take(step: Step) -> bool:
            step.notifications_changed = True
            current = step.rows.get(PushToken, token.name)
            if current is None or current.is_deleted != token.is_deleted:
                return False
            decide(step, current)
            return True

        return await self._core.step_persistently(take)

    async def check_token(self, token: PushToken) -> None:
        """Ask for the state of a token, now."""
        await self._token(CheckToken(token))

    # --- notifiers ------------------------------------------------------------------------------

    async def _at_routers(
        self,
        work: EnableNotifiers | DisableNotifiers,
        do: Callable[[SMPClient, Sequence[NotifiedQueue]], Awaitable[SimplexError | None]],
    ) -> None:
        """Do something with queues at one router, through the connections that they belong to."""
        by_label: dict[str, list[NotifiedQueue]] = {}
        for queue in work.queues:
            queue_id = queue.e2e_key.public.raw if self._routers.separates_queues else b""
            label = self._routers.label(work.user, queue.server, queue_id)
            by_label.setdefault(label, []).append(queue)
        failures = [
            await do(await self._routers.owner(work.server, label), queues)
            for label, queues in by_label.items()
        ]
        _raise_first(failures)

    async def _enable(
        self, client: SMPClient, queues: Sequence[NotifiedQueue]
    ) -> SimplexError | None:
        keys = [self._core.moment().ed25519_key() for _ in queues]
        results = await client.enable_notifications_many(
            [(_access(queue), key.public) for queue, key in zip(queues, keys, strict=True)]
        )
        made: list[tuple[NotifiedQueue, MadeNotifier]] = []
        answers = _Answers[NotifiedQueue]()
        for queue, key, result in zip(queues, keys, results, strict=True):
            if isinstance(result, NotifierCredentials):
                made.append((queue, MadeNotifier(key, result.notifier_id, result.key)))
            else:
                answers.add(queue, result)

        def decide(step: Step) -> None:
            notifiers_enabled(step, made)
            put_off(step, answers.busy, RETRY_BUSY)
            put_off(step, answers.refused, RETRY_REFUSED)

        await self._settle(decide)
        return answers.unanswered

    async def _disable(
        self, client: SMPClient, queues: Sequence[NotifiedQueue]
    ) -> SimplexError | None:
        results = await client.disable_notifications_many(map(_access, queues))
        done, failure = _done(queues, results)
        await self._settle(lambda step: notifiers_disabled(step, done))
        return failure

    # --- subscriptions --------------------------------------------------------------------------

    async def _subscribe(self, work: Subscribe) -> None:
        token = work.token
        client = await self._ntf_routers.client(token.server)
        notifiers = []
        for queue in work.queues:
            assert queue.notifier_key is not None
            notifiers.append((NotifierQueue(queue.server, queue.notifier_id), queue.notifier_key))
        results = await client.create_subscriptions(_registered(token), notifiers)
        made: list[tuple[NotifiedQueue, bytes]] = []
        answers = _Answers[NotifiedQueue]()
        for queue, result in zip(work.queues, results, strict=True):
            if isinstance(result, bytes):
                made.append((queue, result))
            else:
                answers.add(queue, result)

        def decide(step: Step) -> None:
            subscribed(step, token, made)
            put_off(step, answers.busy, RETRY_BUSY)
            if answers.refused:
                subscription_refused(step, token, answers.refused)

        await self._settle(decide)
        _raise_first([answers.unanswered])

    async def _check(self, work: CheckSubscriptions) -> None:
        token = work.token
        client = await self._ntf_routers.client(token.server)
        results = await client.check_subscriptions(
            _registered(token), [queue.subscription_id for queue in work.queues]
        )
        states: list[tuple[NotifiedQueue, SubscriptionState | None]] = []
        answers = _Answers[NotifiedQueue]()
        for queue, result in zip(work.queues, results, strict=True):
            match result:
                case RouterError(error=Code.AUTH):
                    states.append((queue, None))
                case SimplexError():
                    answers.add(queue, result)
                case status:
                    states.append((queue, status.state))

        def decide(step: Step) -> None:
            subscriptions_checked(step, token, states)
            put_off(step, answers.busy, RETRY_BUSY)
            put_off(step, answers.refused, RETRY_REFUSED)

        await self._settle(decide)
        _raise_first([answers.unanswered])

    async def _unsubscribe(self, work: Unsubscribe) -> None:
        client = await self._ntf_routers.client(work.token.server)
        results = await client.delete_subscriptions(
            _registered(work.token), [old.subscription_id for old in work.subscriptions]
        )
        done, failure = _done(work.subscriptions, results)
        await self._settle(lambda step: unsubscribed(step, done))
        _raise_first([failure])


class _Answers(Generic[ItemT]):
    """What a batch was about whose commands have failed."""

    def __init__(self) -> None:
        self.busy: list[ItemT] = []
        """A router cannot do it now."""
        self.refused: list[ItemT] = []
        self.unanswered: SimplexError | None = None
        """The error of those that are to be tried again with the next attempt."""

    def add(self, item: ItemT, error: SimplexError) -> None:
        if isinstance(error, RouterError) and error.retryable:
            self.busy.append(item)
        elif isinstance(error, RouterError) or not is_temporary(error):
            self.refused.append(item)
        else:
            self.unanswered = error


def _done(
    items: Iterable[ItemT], results: Iterable[SimplexError | None]
) -> tuple[list[ItemT], SimplexError | None]:
    """What is done or need not be, and the error of the rest."""
    done, failure = [], None
    for item, result in zip(items, results, strict=True):
        if result is None or not is_temporary(result):
            done.append(item)
        else:
            failure = result
    return done, failure


def _raise_first(failures: Iterable[SimplexError | None]) -> None:
    for failure in failures:
        if failure is not None:
            raise failure


def _access(queue: NotifiedQueue) -> QueueAccess:
    return QueueAccess(queue.recipient_id, queue.auth_key)


def _registered(token: PushToken) -> RegisteredToken:
    assert token.push_key is not None
    return RegisteredToken(token.token_id, token.auth_key, token.push_key)


async def _ask(client: NTFClient, work: TokenWork) -> _Outcome:
    asked = work.token
    match work:
        case ReplaceDevice():
            await client.replace_token(_registered(asked), asked.device_token, patience=BACKGROUND)
            return lambda step, token: device_replaced(step, asked, token)
        case VerifyToken():
            assert asked.code is not None
            await client.verify_token(_registered(asked), asked.code, patience=BACKGROUND)
            return token_verified
        case SetPeriod():
            await client.set_periodic_notifications(
                _registered(asked), asked.minutes, patience=BACKGROUND
            )
            return lambda step, token: period_set(step, asked, token)
        case CheckToken():
            status = await client.check_token(_registered(asked), patience=BACKGROUND)
            return lambda step, token: token_checked(step, token, status)
        case DeleteToken():
            await client.delete_token(_registered(asked), patience=BACKGROUND)
            return token_forgotten
        case RegisterToken():
            raise AssertionError


def _refusal(work: TokenWork, error: Exception) -> _Outcome:
    """What becomes of a token when a router refuses what was asked of it."""
    is_unknown = isinstance(error, RouterError) and error.error is Code.AUTH
    asked = work.token
    match work:
        case DeleteToken():
            return token_forgotten
        case RegisterToken() if not (is_unknown and asked.token_id):
            return token_not_registered
        case ReplaceDevice():
            return token_refused
        case _ if is_unknown:
            return token_refused
        case VerifyToken():
            return code_refused
        case SetPeriod():
            return lambda step, token: period_set(step, asked, token)
        case _:
            return check_refused
