"""Tokens and what is done for notifications, decided without a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from attrs import evolve

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.duplex.errors import NoNotificationToken, PushNotReadable
from simplex_trio.duplex.events import NotificationTokenChanged
from simplex_trio.duplex.machine.connection import ReceivingQueue
from simplex_trio.duplex.machine.deleting import delete, queue_deleted
from simplex_trio.duplex.machine.notifying import (
    AT_ONCE,
    FIRST_CHECK,
    NEXT_CHECK,
    RETRY_REFUSED,
    CheckSubscriptions,
    CheckToken,
    DeleteToken,
    DisableNotifiers,
    EnableNotifiers,
    NotificationsDue,
    NotificationWork,
    RegisterToken,
    ReplaceDevice,
    SetPeriod,
    Subscribe,
    Unsubscribe,
    VerifyToken,
    notifications_due,
    notifiers_disabled,
    notifiers_enabled,
    put_off,
    subscribed,
    subscription_refused,
    subscriptions_checked,
    unsubscribed,
)
from simplex_trio.duplex.machine.push_records import (
    MadeNotifier,
    NotificationMode,
    PushToken,
    current_token,
)
from simplex_trio.duplex.machine.push_tokens import (
    check_token,
    code_refused,
    delete_token,
    device_replaced,
    period_set,
    register_device,
    token_checked,
    token_forgotten,
    token_not_registered,
    token_refused,
    token_registered,
    token_verified,
)
from simplex_trio.duplex.machine.pushes import Notification, open_push, verify_push
from simplex_trio.duplex.machine.queues import plan_receiving
from simplex_trio.duplex.machine.step import Step
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.ntf.push import PUSH_SIZE, PushMessage, encode_push_messages
from simplex_trio.wire.ntf.queues import NotifierQueue
from simplex_trio.wire.ntf.statuses import (
    InvalidReason,
    SubscriptionState,
    TokenState,
    TokenStatus,
)
from simplex_trio.wire.ntf.tokens import DeviceToken, PushProvider
from simplex_trio.wire.smp.bodies import NotificationMeta
from tests.duplex.machines import NOW, Machine
from tests.duplex.worlds import SERVERS, World

NTF = ServerAddress.parse(f"ntf://{'C' * 42}A=@ntf.example")
OTHER_NTF = ServerAddress.parse(f"ntf://{'D' * 42}A=@other.example")
DEVICE = DeviceToken(PushProvider.APNS_TEST, b"ab" * 32)
OTHER = DeviceToken(PushProvider.APNS_TEST, b"cd" * 32)
NONCE = bytes(24)

WorkT = TypeVar("WorkT", bound=NotificationWork)


class Device:
    """A machine, and the notification router that it asks."""

    def __init__(self) -> None:
        self.machine = Machine("a")
        self.world = World(self.machine, Machine("b"))
        self.router_key = X25519PrivateKey(b"\1" * 32)

    # --- what is to be done ---------------------------------------------------------------------

    def due(self) -> NotificationsDue:
        return self.machine.look(notifications_due)

    def only(self, kind: type[WorkT]) -> WorkT:
        """The one work that there is."""
        (work,) = self.due().works
        assert isinstance(work, kind), work
        return work

    def is_idle(self) -> bool:
        return not self.due().works

    @property
    def token(self) -> PushToken:
        token = current_token(self.machine.rows)
        assert token is not None
        return token

    def take(self, decide: Callable[..., object], *arguments: object) -> None:
        """A step, which is to notice that other things may be due."""

        def take(step: Step) -> None:
            decide(step, *arguments)
            assert step.notifications_changed

        self.machine.step(take)

    def told(self) -> list[TokenState]:
        news = self.machine.news()
        return [each.state for each in news if isinstance(each, NotificationTokenChanged)]

    # --- tokens ---------------------------------------------------------------------------------

    def register(
        self,
        device: DeviceToken = DEVICE,
        server: ServerAddress = NTF,
        mode: NotificationMode = NotificationMode.INSTANT,
        minutes: int = 0,
    ) -> None:
        self.machine.step(
            lambda step: register_device(step, device, server, mode=mode, minutes=minutes)
        )

    @property
    def push_key(self) -> BoxKey:
        return BoxKey.agree(self.router_key, self.token.dh_key.public)

    def registered(self, asked: PushToken | None = None) -> None:
        token = self.token
        self.take(token_registered, asked or token, token, b"token id", self.push_key)

    def push_code(self, code: bytes = b"code") -> None:
        sealed = self.push_key.seal_padded(NONCE, code, PUSH_SIZE)
        self.machine.step(lambda step: verify_push(step, NONCE, sealed))

    def activate(self, mode: NotificationMode = NotificationMode.INSTANT) -> None:
        self.register(mode=mode)
        self.registered()
        self.push_code()
        self.take(token_verified, self.token)
        self.told()

    # --- queues ---------------------------------------------------------------------------------

    def enable(self) -> list[MadeNotifier]:
        work = self.only(EnableNotifiers)
        made = [
            (queue, MadeNotifier(Ed25519PrivateKey(bytes([number]) * 32), b"n%d" % number, KEY))
            for number, queue in enumerate(work.queues)
        ]
        self.take(notifiers_enabled, made)
        return [notifier for _, notifier in made]

    def subscribe(self) -> None:
        work = self.only(Subscribe)
        ids = [(queue, b"sub of " + queue.notifier_id) for queue in work.queues]
        self.take(subscribed, work.token, ids)

    def queue(self, connection_id: str) -> ReceivingQueue:
        return next(iter(self.machine.connection(connection_id).receiving.values()))

    def notified(self) -> str:
        """A connection that the router was told of."""
        ready = self.world.invite(self.machine)
        self.enable()
        self.subscribe()
        return ready.connection_id


KEY = BoxKey(b"\7" * 32)


@pytest.fixture
def device() -> Device:
    return Device()


# --- tokens -------------------------------------------------------------------------------------


def test_a_token_is_registered_verified_and_active(device: Device) -> None:
    assert device.is_idle()
    device.register()
    assert device.only(RegisterToken).token.state is TokenState.NEW
    device.registered()
    assert device.is_idle()
    assert device.told() == [TokenState.REGISTERED]
    device.push_code()
    assert device.only(VerifyToken).token.code == b"code"
    device.take(token_verified, device.token)
    assert device.is_idle()
    assert device.told() == [TokenState.CONFIRMED, TokenState.ACTIVE]
    assert device.due().adds_notifiers


def test_the_code_may_come_before_the_answer_or_for_another_registration(device: Device) -> None:
    device.register()
    device.push_code()
    device.only(RegisterToken)
    device.registered()
    assert device.only(VerifyToken).token.code == b"code"
    assert device.told() == [TokenState.CONFIRMED]
    device = Device()
    device.register()
    device.machine.step(lambda step: verify_push(step, NONCE, bytes(100)))
    device.registered()
    assert device.is_idle()
    with pytest.raises(PushNotReadable):
        device.machine.step(lambda step: verify_push(step, NONCE, bytes(100)))


def test_a_device_that_is_not_verified_is_registered_again(device: Device) -> None:
    device.register()
    device.registered()
    first = device.token
    device.register()
    again = device.only(RegisterToken).token
    assert (again.auth_key, again.dh_key) == (first.auth_key, first.dh_key)
    device.push_code()
    device.registered()
    device.only(VerifyToken)


def test_an_active_token_is_checked_when_it_is_registered_again(device: Device) -> None:
    device.activate()
    device.register()
    work = device.only(CheckToken)
    device.take(token_checked, work.token, TokenStatus(TokenState.ACTIVE))
    assert device.is_idle()
    assert not device.told()


def test_another_device_takes_the_place_of_the_first(device: Device) -> None:
    device.activate()
    device.register(OTHER)
    asked = device.only(ReplaceDevice).token
    assert asked.device_token == OTHER
    # Another one again, while the router was asked.
    device.register(DEVICE)
    device.take(device_replaced, asked, device.token)
    asked = device.only(ReplaceDevice).token
    device.push_code(b"new")
    device.take(device_replaced, asked, device.token)
    assert device.told() == [TokenState.REGISTERED, TokenState.CONFIRMED]
    assert device.only(VerifyToken).token.code == b"new"


def test_another_device_before_the_first_was_registered(device: Device) -> None:
    device.register()
    asked = device.only(RegisterToken).token
    device.register(OTHER)
    device.registered(asked)
    assert device.only(ReplaceDevice).token.device_token == OTHER


@pytest.mark.parametrize("work", [VerifyToken, CheckToken, ReplaceDevice])
def test_a_token_that_the_router_does_not_know_is_registered_anew(
    device: Device, work: type[NotificationWork]
) -> None:
    device.activate()
    connection_id = device.notified()
    before = device.token
    if work is ReplaceDevice:
        device.register(OTHER)
    else:
        device.take(check_token, before)
    device.told()
    device.take(token_refused, device.token)
    token = device.only(RegisterToken).token
    assert (token.server, token.mode) == (before.server, before.mode)
    assert token.name != before.name
    assert token.auth_key != before.auth_key
    assert device.told() == [TokenState.NEW]
    # The queue keeps its notifier, and gets another subscription once the token is active.
    assert not device.queue(connection_id).subscription_id
    device.registered()
    device.push_code()
    device.take(token_verified, device.token)
    device.subscribe()
    assert device.queue(connection_id).subscription_id


def test_what_the_router_refuses_ends(device: Device) -> None:
    device.register()
    device.take(token_not_registered, device.token)
    assert device.is_idle()
    assert device.told() == [TokenState.INVALID]
    device.register()
    device.registered()
    device.push_code()
    device.take(code_refused, device.token)
    assert device.is_idle()
    assert device.told() == [TokenState.REGISTERED, TokenState.CONFIRMED, TokenState.REGISTERED]


def test_why_a_token_is_invalid(device: Device) -> None:
    device.activate()
    device.take(check_token, device.token)
    status = TokenStatus(TokenState.INVALID, InvalidReason.UNREGISTERED)
    device.take(token_checked, device.token, status)
    (event,) = device.machine.news()
    assert event == NotificationTokenChanged(TokenState.INVALID, InvalidReason.UNREGISTERED)
    assert not device.due().adds_notifiers
    device.register()
    device.only(RegisterToken)


def test_a_deleted_token_stays_until_the_router_knows(device: Device) -> None:
    device.activate()
    device.machine.step(delete_token)
    work = device.only(DeleteToken)
    assert current_token(device.machine.rows) is None
    device.register()
    assert len(device.due().works) == 2
    device.take(token_forgotten, work.token)
    device.only(RegisterToken)
    device.machine.step(delete_token)  # which the router may not know of, and forgets by itself
    assert device.is_idle()
    assert not device.machine.step(delete_token)
    with pytest.raises(NoNotificationToken):
        device.machine.step(lambda step: verify_push(step, NONCE, b""))


def test_another_router_takes_the_place_of_the_first(device: Device) -> None:
    device.activate()
    device.register(server=OTHER_NTF)
    kinds = {type(work) for work in device.due().works}
    assert kinds == {DeleteToken, RegisterToken}
    assert device.token.server == OTHER_NTF


def test_waking_up_regularly(device: Device) -> None:
    device.world.invite(device.machine)
    device.register(mode=NotificationMode.PERIODIC, minutes=20)
    device.registered()
    device.push_code()
    device.take(token_verified, device.token)
    asked = device.only(SetPeriod).token
    device.register(mode=NotificationMode.PERIODIC, minutes=30)
    device.take(period_set, asked, device.token)
    asked = next(each for each in device.due().works if isinstance(each, SetPeriod)).token
    assert asked.minutes == 30
    device.take(period_set, asked, device.token)
    device.take(token_checked, device.token, TokenStatus(TokenState.ACTIVE))
    assert device.is_idle()
    assert not device.due().adds_notifiers


# --- queues -------------------------------------------------------------------------------------


def test_a_queue_gets_a_notifier_and_a_subscription_which_is_checked(device: Device) -> None:
    ready = device.world.invite(device.machine)
    assert device.is_idle()
    device.activate()
    (notifier,) = device.enable()
    device.subscribe()
    assert device.is_idle()
    queue = device.queue(ready.connection_id)
    assert (queue.notifier_key, queue.notifier_secret) == (notifier.key, notifier.secret)
    assert device.due().next_at == NOW + FIRST_CHECK
    device.machine.now += FIRST_CHECK
    work = device.only(CheckSubscriptions)
    states = [(each, SubscriptionState.ACTIVE) for each in work.queues]
    device.take(subscriptions_checked, work.token, states)
    assert device.is_idle()
    assert device.due().next_at == NOW + FIRST_CHECK + NEXT_CHECK


@pytest.mark.parametrize("state", [*SubscriptionState, None])
def test_a_subscription_that_has_ended_is_made_anew(
    device: Device, state: SubscriptionState | None
) -> None:
    device.activate()
    connection_id = device.notified()
    device.machine.now += FIRST_CHECK
    work = device.only(CheckSubscriptions)
    device.take(subscriptions_checked, work.token, [(work.queues[0], state)])
    lives = state in {
        SubscriptionState.NEW,
        SubscriptionState.PENDING,
        SubscriptionState.ACTIVE,
        SubscriptionState.INACTIVE,
        SubscriptionState.SERVICE,
    }
    assert bool(device.queue(connection_id).subscription_id) is lives
    kinds = {type(each) for each in device.due().works}
    # What the router knows of is deleted there, although it has ended.
    ended = {EnableNotifiers} if state is None else {EnableNotifiers, Unsubscribe}
    assert kinds == (set() if lives else ended)


def test_a_connection_that_is_not_to_be_notified_of(device: Device) -> None:
    device.activate()
    connection_id = device.notified()
    device.machine.on(connection_id, lambda _, c: c.change(notify=False))
    work = device.only(DisableNotifiers)
    # Switched on again before anything was done, it stays as it is.
    device.machine.on(connection_id, lambda _, c: c.change(notify=True))
    assert device.is_idle()
    device.machine.on(connection_id, lambda _, c: c.change(notify=False))
    device.take(notifiers_disabled, work.queues)
    old = device.only(Unsubscribe)
    device.take(unsubscribed, old.subscriptions)
    assert device.is_idle()
    device.machine.on(connection_id, lambda _, c: c.change(notify=True))
    device.enable()
    device.subscribe()
    assert device.is_idle()


def test_nothing_is_subscribed_to_in_the_periodic_mode(device: Device) -> None:
    device.activate()
    device.notified()
    device.register(mode=NotificationMode.PERIODIC, minutes=20)
    (disabled,) = (each for each in device.due().works if isinstance(each, DisableNotifiers))
    device.take(notifiers_disabled, disabled.queues)
    assert any(isinstance(each, Unsubscribe) for each in device.due().works)


def test_without_a_token_there_are_no_notifiers(device: Device) -> None:
    device.activate()
    connection_id = device.notified()
    device.machine.step(delete_token)
    kinds = {type(each) for each in device.due().works}
    assert kinds == {DeleteToken, DisableNotifiers}  # with the token go its subscriptions
    (work,) = (each for each in device.due().works if isinstance(each, DisableNotifiers))
    device.take(notifiers_disabled, work.queues)
    device.only(DeleteToken)
    assert not device.queue(connection_id).notifier_id


def test_a_queue_that_is_deleted_or_replaced_needs_nothing_special(device: Device) -> None:
    device.activate()
    connection_id = device.notified()
    machine = device.machine

    def replace(step: Step) -> None:
        """As a rotation does, whatever it is called: another queue, and the first one is gone."""
        c = step.connection(connection_id)
        new = plan_receiving(c, step.moment)
        (status,) = {each.status for each in c.receiving.values() if each is not new}
        c.change_receiving(new.number, status=status, server=SERVERS[1], recipient_id=b"new")

    machine.step(replace)
    device.enable()
    device.subscribe()
    machine.on(connection_id, lambda step, c: queue_deleted(step, c, 1))
    work = device.only(Unsubscribe)
    assert [each.subscription_id for each in work.subscriptions] == [b"sub of n0"]
    device.take(unsubscribed, work.subscriptions)
    assert machine.connection(connection_id).receiving[2].subscription_id
    machine.on(connection_id, lambda step, c: delete(step, c, after_delivery=False))
    assert device.is_idle()  # the router deletes the notifier with the queue
    machine.on(connection_id, lambda step, c: queue_deleted(step, c, 2))
    device.only(Unsubscribe)


def test_a_notifier_without_an_id_counts_as_refused(device: Device) -> None:
    device.activate()
    device.world.invite(device.machine)
    (queue,) = device.only(EnableNotifiers).queues
    made = MadeNotifier(Ed25519PrivateKey(bytes(32)), b"", KEY)
    device.take(notifiers_enabled, [(queue, made)])
    assert device.is_idle()
    device.machine.now += RETRY_REFUSED
    device.enable()
    device.only(Subscribe)


def test_a_refused_token_is_checked_and_refused_queues_wait(device: Device) -> None:
    device.activate()
    ready = device.world.invite(device.machine)
    device.take(put_off, device.only(EnableNotifiers).queues, RETRY_REFUSED)
    assert device.is_idle()
    device.machine.now += RETRY_REFUSED
    device.enable()
    work = device.only(Subscribe)
    device.take(subscription_refused, work.token, work.queues)
    check = device.only(CheckToken)
    device.take(token_checked, check.token, TokenStatus(TokenState.EXPIRED))
    assert device.is_idle()
    device.register()
    device.registered()
    device.push_code()
    device.take(token_verified, device.token)
    device.subscribe()  # at once, although it was put off
    assert device.queue(ready.connection_id).subscription_id


def test_answers_about_what_is_not_there_any_more(device: Device) -> None:
    device.activate()
    connection_id = device.world.invite(device.machine).connection_id
    device.enable()
    work = device.only(Subscribe)
    device.machine.on(connection_id, lambda step, c: step.remove(c))
    device.take(subscribed, work.token, [(work.queues[0], b"too late")])
    old = device.only(Unsubscribe)
    assert old.subscriptions[0].subscription_id == b"too late"
    device.machine.step(delete_token)
    device.take(subscribed, work.token, [(work.queues[0], b"later still")])
    device.only(DeleteToken)


def test_many_queues_go_in_batches_by_router(device: Device) -> None:
    for _ in range(AT_ONCE + 1):
        device.world.invite(device.machine)
    device.activate()
    (first,) = device.due().works
    assert isinstance(first, EnableNotifiers)
    assert len(first.queues) == AT_ONCE
    device.enable()
    works = {type(each): each for each in device.due().works}
    assert len(works[EnableNotifiers].queues) == 1  # type: ignore[union-attr]
    assert len(works[Subscribe].queues) == AT_ONCE  # type: ignore[union-attr]


# --- pushes -------------------------------------------------------------------------------------


def pushed(device: Device, *messages: tuple[bytes, int], notifier_id: bytes = b"n0") -> bytes:
    """A push about messages, by their ids and times."""
    queue = NotifierQueue(SERVERS[0], notifier_id)
    said = [
        PushMessage(queue, at + 1, NONCE, NotificationMeta(message_id, at).seal(KEY, NONCE))
        for message_id, at in messages
    ]
    return device.push_key.seal_padded(NONCE, encode_push_messages(said), PUSH_SIZE)


def opened(device: Device, sealed: bytes, nonce: bytes = NONCE) -> list[Notification]:
    return open_push(device.machine.rows, nonce, sealed)


def test_a_push_tells_what_has_not_come_yet(device: Device) -> None:
    device.activate()
    connection_id = device.notified()
    seen = {"broker_id": b"seen", "broker_timestamp": NOW}
    device.machine.on(connection_id, lambda _, c: c.change_receiving(1, **seen))
    sealed = pushed(device, (b"old", NOW - 1), (b"seen", NOW), (b"same", NOW), (b"new", NOW + 1))
    assert opened(device, sealed) == [
        Notification(connection_id, NOW + 1, NOW),
        Notification(connection_id, NOW + 2, NOW + 1),
    ]


def test_pushes_that_cannot_be_opened(device: Device) -> None:
    with pytest.raises(NoNotificationToken):
        opened(device, b"")
    device.register()
    with pytest.raises(PushNotReadable):
        opened(device, b"")
    device.registered()
    device.push_code()
    device.take(token_verified, device.token)
    connection_id = device.notified()
    sealed = pushed(device, (b"new", NOW))
    with pytest.raises(PushNotReadable):
        opened(device, sealed[:-1] + b"?")
    with pytest.raises(PushNotReadable):
        opened(device, sealed, b"short")
    nonsense = device.push_key.seal_padded(NONCE, b"nonsense", PUSH_SIZE)
    with pytest.raises(PushNotReadable):
        opened(device, nonsense)
    assert opened(device, pushed(device, (b"new", NOW), notifier_id=b"unknown")) == []
    # With another notifier the time cannot be read.
    other = {"notifier_secret": BoxKey(bytes(32))}
    device.machine.on(connection_id, lambda _, c: c.change_receiving(1, **other))
    assert opened(device, sealed) == [Notification(connection_id, NOW + 1, None)]


def test_values_hide_what_is_in_them(device: Device) -> None:
    device.activate()
    device.notified()
    token = device.token
    shown = repr(token) + repr(device.due()) + repr(evolve(token, code=b"the code"))
    assert "the code" not in shown
    assert DEVICE.token.decode() not in shown
