"""Keys, links, suspension and deletion, by the owners of queues."""

from __future__ import annotations

import pytest

from simplex_trio.crypto.hashes import sender_id
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.replies import DeferredLink
from simplex_trio.router.store.records import Suspended
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.commands import DEL, LDEL, LGET, LKEY, LSET, OFF, RKEY, SUB, Command
from simplex_trio.wire.smp.commands import KEY as KEY_COMMAND
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import OK, SOK
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingLink,
    MessagingRequest,
    QueueRequest,
)
from tests.router.core.bench import KEY, OTHER_KEY, Bench, BenchClient, OwnedQueue, error

DATA = QueueLinkData(b"fixed", b"user")
OTHER_DATA = QueueLinkData(b"fixed", b"another")
CORRELATION_ID = b"\x0c" * 24
CHOSEN = sender_id(CORRELATION_ID)
LINK_ID = b"the id of a link"


def with_link(request: QueueRequest) -> tuple[Bench, BenchClient, OwnedQueue]:
    bench = Bench()
    client = bench.client()
    return bench, client, client.create(request, correlation_id=CORRELATION_ID)


def contact() -> tuple[Bench, BenchClient, OwnedQueue]:
    return with_link(ContactRequest(ContactLink(LINK_ID, CHOSEN, DATA)))


def invitation() -> tuple[Bench, BenchClient, OwnedQueue, bytes]:
    bench, client, queue = with_link(MessagingRequest(MessagingLink(CHOSEN, DATA)))
    assert queue.ids.link_id is not None
    return bench, client, queue, queue.ids.link_id


# --- links --------------------------------------------------------------------------------------


def test_any_client_can_use_a_contact_link() -> None:
    _, client, _ = contact()
    deferred = client.ask(LGET(), LINK_ID)
    assert isinstance(deferred, DeferredLink)
    assert deferred.link_id == LINK_ID
    assert error(client.ask(LKEY(OTHER_KEY.public), LINK_ID, OTHER_KEY)) is Code.AUTH
    assert error(client.ask(LGET(), b"no such link")) is Code.AUTH


def test_invitation_link_is_for_one() -> None:
    _, client, queue, link_id = invitation()
    assert error(client.ask(LGET(), link_id)) is Code.AUTH
    assert isinstance(client.ask(LKEY(OTHER_KEY.public), link_id, OTHER_KEY), DeferredLink)
    assert isinstance(client.ask(LKEY(OTHER_KEY.public), link_id, OTHER_KEY), DeferredLink)
    assert error(client.ask(LKEY(KEY.public), link_id, KEY)) is Code.AUTH
    assert client.send(queue, key=OTHER_KEY) == OK()


def test_link_is_gone_when_the_invited_one_has_sent() -> None:
    bench, client, queue, link_id = invitation()
    client.ask(LKEY(OTHER_KEY.public), link_id, OTHER_KEY)
    client.send(queue, key=OTHER_KEY)
    assert error(client.ask(LKEY(OTHER_KEY.public), link_id, OTHER_KEY)) is Code.AUTH
    assert not bench.kept.links


def test_link_of_a_queue_that_is_not_secured_stays() -> None:
    _, client, queue, link_id = invitation()
    client.send(queue)
    assert isinstance(client.ask(LKEY(OTHER_KEY.public), link_id, OTHER_KEY), DeferredLink)


def test_user_data_can_be_replaced() -> None:
    bench, client, queue = contact()
    assert client.ask(LSET(LINK_ID, OTHER_DATA), queue.recipient_id, KEY) == OK()
    assert bench.kept.links[queue.recipient_id] == OTHER_DATA


@pytest.mark.parametrize(
    ("link_id", "data"),
    [(LINK_ID, QueueLinkData(b"other", b"user")), (b"another id", DATA)],
    ids=["fixed part", "id"],
)
def test_fixed_part_and_id_cannot_be_changed(link_id: bytes, data: QueueLinkData) -> None:
    bench, client, queue = contact()
    assert error(client.ask(LSET(link_id, data), queue.recipient_id, KEY)) is Code.AUTH
    assert bench.kept.links[queue.recipient_id] == DATA


def test_link_can_come_later() -> None:
    bench = Bench()
    client = bench.client()
    queue = client.create(ContactRequest())
    assert client.ask(LSET(LINK_ID, DATA), queue.recipient_id, KEY) == OK()
    assert isinstance(client.ask(LGET(), LINK_ID), DeferredLink)
    other = client.create(ContactRequest())
    assert error(client.ask(LSET(LINK_ID, DATA), other.recipient_id, KEY)) is Code.AUTH


def test_secured_messaging_queue_gets_no_link() -> None:
    client = Bench().client()
    for request, allowed in ((MessagingRequest(), False), (None, False), (ContactRequest(), True)):
        queue = client.create(request)
        client.ask(KEY_COMMAND(OTHER_KEY.public), queue.recipient_id, KEY)
        answer = client.ask(LSET(LINK_ID, DATA), queue.recipient_id, KEY)
        assert answer == OK() if allowed else error(answer) is Code.AUTH


def test_deleting_a_link() -> None:
    bench, client, queue = contact()
    assert client.ask(LDEL(), queue.recipient_id, KEY) == OK()
    assert error(client.ask(LGET(), LINK_ID)) is Code.AUTH
    assert client.ask(LDEL(), queue.recipient_id, KEY) == OK()
    assert not bench.kept.links
    assert client.ask(LSET(b"another", DATA), queue.recipient_id, KEY) == OK()


def test_queue_without_a_kind_is_for_contact_until_it_is_secured() -> None:
    client = Bench().client()
    queue = client.create(None)
    client.ask(LSET(LINK_ID, DATA), queue.recipient_id, KEY)
    assert isinstance(client.ask(LGET(), LINK_ID), DeferredLink)
    client.ask(KEY_COMMAND(OTHER_KEY.public), queue.recipient_id, KEY)
    assert error(client.ask(LGET(), LINK_ID)) is Code.AUTH


# --- keys ---------------------------------------------------------------------------------------


def test_owners_of_contact_queues_can_change_and_be_several() -> None:
    client = Bench().client()
    queue = client.create(ContactRequest())
    command = RKEY((OTHER_KEY.public, KEY.public))
    assert client.ask(command, queue.recipient_id, KEY) == OK()
    assert client.ask(SUB(), queue.recipient_id, KEY) == SOK()
    assert client.ask(RKEY((OTHER_KEY.public,)), queue.recipient_id, OTHER_KEY) == OK()
    assert error(client.ask(SUB(), queue.recipient_id, KEY)) is Code.AUTH
    assert client.ask(SUB(), queue.recipient_id, OTHER_KEY) == SOK()


@pytest.mark.parametrize("request_", [None, MessagingRequest()])
def test_owner_of_another_queue_stays(request_: QueueRequest | None) -> None:
    client = Bench().client()
    queue = client.create(request_)
    answer = client.ask(RKEY((OTHER_KEY.public,)), queue.recipient_id, KEY)
    assert error(answer) is Code.AUTH


# --- the end ------------------------------------------------------------------------------------


def test_suspending() -> None:
    bench = Bench()
    client = bench.client()
    queue = client.create()
    for _ in range(2):
        assert client.ask(OFF(), queue.recipient_id, KEY) == OK()
        bench.now += 100
    assert bench.kept.queues[queue.recipient_id].status == Suspended(bench.now - 200)
    assert bench.state.counters[Count.QUEUES_SUSPENDED] == 1


def test_deleting() -> None:
    bench, client, queue = contact()
    client.add_notifier(queue, OTHER_KEY)
    client.send(queue)
    client.send(queue, notify=True)
    assert client.ask(DEL(), queue.recipient_id, KEY) == OK()
    kept = bench.kept
    for table in (kept.queues, kept.messages, kept.links, kept.notifications):
        assert not table
    assert len(bench.state.queues) == bench.state.queues.message_count == 0
    assert len(bench.state.notifications) == 0
    assert error(client.ask(LGET(), LINK_ID)) is Code.AUTH
    assert error(client.send(queue)) is Code.AUTH
    assert bench.state.counters[Count.QUEUES_DELETED] == 1


def test_ids_of_a_deleted_queue_can_be_used_again() -> None:
    _, client, queue = contact()
    client.ask(DEL(), queue.recipient_id, KEY)
    again = ContactRequest(ContactLink(LINK_ID, CHOSEN, DATA))
    assert client.create(again, correlation_id=CORRELATION_ID).sender_id == CHOSEN


@pytest.mark.parametrize(
    "command",
    [
        *(OFF(), DEL(), LDEL(), LSET(LINK_ID, OTHER_DATA), RKEY((OTHER_KEY.public,))),
        KEY_COMMAND(OTHER_KEY.public),
    ],
)
def test_owners_only(command: Command) -> None:
    bench, client, queue = contact()
    before = bench.kept.queues[queue.recipient_id]
    assert error(client.ask(command, queue.recipient_id, OTHER_KEY)) is Code.AUTH
    assert bench.kept.queues[queue.recipient_id] == before


def test_use_is_noted_once_a_day() -> None:
    bench, client, queue = contact()
    first_day = bench.kept.queues[queue.recipient_id].updated_day
    bench.now += 86400
    client.send(queue)
    assert bench.kept.queues[queue.recipient_id].updated_day == first_day + 1
    assert bench.kept.queues[queue.recipient_id].created_day == first_day
