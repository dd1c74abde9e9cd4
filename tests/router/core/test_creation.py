"""NEW in all its forms, and the ids and keys that come of it."""

from __future__ import annotations

import pytest

from simplex_trio.crypto.hashes import sender_id
from simplex_trio.crypto.keys import (
    Ed448PrivateKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.replies import DeferredLink
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.smp.commands import LGET, NEW
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import IDS, OK
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingLink,
    MessagingRequest,
    NotifierKeys,
    QueueRequest,
)
from tests.router.core.bench import DH_KEY, KEY, OTHER_KEY, Bench, error

DATA = QueueLinkData(b"fixed", b"user")
CORRELATION_ID = b"\x0c" * 24
CHOSEN = sender_id(CORRELATION_ID)
PROHIBITED = Cmd(CommandErrorKind.PROHIBITED)


@pytest.mark.parametrize(
    ("request_", "mode"),
    [
        (None, None),
        (MessagingRequest(), QueueMode.MESSAGING),
        (ContactRequest(), QueueMode.CONTACT),
    ],
    ids=["of no kind", "messaging", "contact"],
)
def test_plain_queue(request_: QueueRequest | None, mode: QueueMode | None) -> None:
    bench = Bench()
    queue = bench.client().create(request_)
    assert len(queue.recipient_id) == len(queue.sender_id) == 24
    assert queue.ids.queue_mode is mode
    assert queue.ids.link_id is None
    assert queue.ids.notifier is None
    record = bench.kept.queues[queue.recipient_id]
    assert record.mode is mode
    assert record.sender_key is None
    assert record.dh_secret == queue.box_key.subkey
    assert bench.state.counters[Count.QUEUES_CREATED] == 1


@pytest.mark.parametrize("kind", [Ed25519PrivateKey, Ed448PrivateKey, X25519PrivateKey])
def test_key_of_any_kind(
    kind: type[Ed25519PrivateKey] | type[Ed448PrivateKey] | type[X25519PrivateKey],
) -> None:
    client = Bench().client()
    queue = client.create(key=kind.generate())
    assert client.send(queue) == OK()


def test_key_must_sign_its_own_creation() -> None:
    answer = Bench().client().ask(NEW(KEY.public, DH_KEY.public), key=OTHER_KEY)
    assert error(answer) is Code.AUTH


def test_messaging_link() -> None:
    bench = Bench()
    request = MessagingRequest(MessagingLink(CHOSEN, DATA))
    queue = bench.client().create(request, correlation_id=CORRELATION_ID)
    assert queue.sender_id == CHOSEN
    assert queue.ids.link_id is not None
    assert bench.kept.links[queue.recipient_id] == DATA
    assert bench.state.queues.for_link(queue.ids.link_id) is not None


def test_contact_link() -> None:
    bench = Bench()
    client = bench.client()
    link = ContactLink(b"a link that the client chose", CHOSEN, DATA)
    queue = client.create(ContactRequest(link), correlation_id=CORRELATION_ID)
    assert queue.ids.link_id == link.link_id
    assert isinstance(client.ask(LGET(), link.link_id), DeferredLink)


@pytest.mark.parametrize(
    "request_",
    [
        MessagingRequest(MessagingLink(b"\x01" * 24, DATA)),
        ContactRequest(ContactLink(b"link", b"\x01" * 24, DATA)),
        MessagingRequest(MessagingLink(CHOSEN[:-1], DATA)),
    ],
    ids=["messaging", "contact", "too short"],
)
def test_sender_id_must_follow_from_correlation_id(request_: QueueRequest) -> None:
    bench = Bench()
    command = NEW(KEY.public, DH_KEY.public, queue_request=request_)
    answer = bench.client().ask(command, key=KEY, correlation_id=CORRELATION_ID)
    assert error(answer) == PROHIBITED
    assert not bench.kept.queues


def test_chosen_ids_can_be_used_once() -> None:
    bench = Bench()
    client = bench.client()
    link = ContactLink(b"link", CHOSEN, DATA)
    queue = client.create(ContactRequest(link), correlation_id=CORRELATION_ID)
    command = NEW(KEY.public, DH_KEY.public, queue_request=ContactRequest(link))
    assert error(client.ask(command, key=KEY, correlation_id=CORRELATION_ID)) is Code.AUTH
    assert list(bench.kept.queues) == [queue.recipient_id]


def test_random_ids_in_use_are_not_used_again() -> None:
    bench = Bench()
    client = bench.client()
    first = client.create()
    ids = iter([first.recipient_id, b"\x01" * 24, b"\x02" * 24, b"\x03" * 24])
    bench.state.random = lambda size: next(ids) if size == 24 else b"\x07" * size
    second = client.create()
    assert (second.recipient_id, second.sender_id) == (b"\x02" * 24, b"\x03" * 24)


def test_gives_up_when_all_random_ids_are_in_use() -> None:
    bench = Bench()
    client = bench.client()
    first = client.create()
    bench.state.random = lambda size: first.recipient_id if size == 24 else b"\x07" * size
    answer = client.ask(NEW(KEY.public, DH_KEY.public), key=KEY)
    assert error(answer) is Code.INTERNAL


def test_with_notifier() -> None:
    bench = Bench()
    queue = bench.client().create(notifier=OTHER_KEY)
    assert queue.ids.notifier is not None
    record = bench.kept.queues[queue.recipient_id].notifier
    assert record is not None
    assert record.notifier_id == queue.ids.notifier.notifier_id
    assert record.key == OTHER_KEY.public


def test_subscribes_unless_told_not_to() -> None:
    bench = Bench()
    client = bench.client()
    subscribed, unsubscribed = client.create(), client.create(subscribe=False)
    client.send(subscribed)
    client.send(unsubscribed)
    assert [event.entity_id for event in client.events] == [subscribed.recipient_id]


@pytest.mark.parametrize("version", [6, 8, 9, 14, 15, 16, 17, 20])
def test_at_each_version(version: int) -> None:
    client = Bench().client(version)
    queue = client.create(MessagingRequest() if version >= 9 else None)
    assert client.send(queue) == OK()


@pytest.mark.parametrize("password", [None, b"wrong", b"secret2", b""])
def test_password_is_needed(password: bytes | None) -> None:
    bench = Bench(QueuePolicy(password="secret"))
    answer = bench.client().ask(NEW(KEY.public, DH_KEY.public, password), key=KEY)
    assert error(answer) is Code.AUTH


def test_with_password() -> None:
    bench = Bench(QueuePolicy(password="secret"))
    answer = bench.client().ask(NEW(KEY.public, DH_KEY.public, b"secret"), key=KEY)
    assert isinstance(answer, IDS)


def test_new_queues_can_be_forbidden() -> None:
    bench = Bench(QueuePolicy(accept_new=False))
    assert error(bench.client().ask(NEW(KEY.public, DH_KEY.public), key=KEY)) is Code.AUTH


def test_degenerate_keys_are_no_keys() -> None:
    client = Bench().client()
    nothing = X25519PublicKey(bytes(32))
    syntax = Cmd(CommandErrorKind.SYNTAX)
    assert error(client.ask(NEW(KEY.public, nothing), key=KEY)) == syntax
    notifier = NotifierKeys(OTHER_KEY.public, nothing)
    command = NEW(KEY.public, DH_KEY.public, queue_request=MessagingRequest(), notifier=notifier)
    assert error(client.ask(command, key=KEY)) == syntax


def test_services_always_subscribe() -> None:
    bench = Bench()
    service = bench.client(service=(b"S" * 24, ServiceRole.MESSAGING))
    answer = service.ask(NEW(KEY.public, DH_KEY.public, subscribe=False), key=KEY)
    assert error(answer) == PROHIBITED
    queue = service.create()
    assert queue.ids.service_id == b"S" * 24
    assert bench.kept.queues[queue.recipient_id].service_id == b"S" * 24
