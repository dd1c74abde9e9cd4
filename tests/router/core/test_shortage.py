"""While the store has no room, what takes room is refused, and now and then one tries."""

from __future__ import annotations

from simplex_trio.crypto.hashes import sender_id
from simplex_trio.router.core.shortage import RETRY_SECONDS, STORE_REFUSED, Shortage
from simplex_trio.wire.smp.commands import DEL, LSET, NEW
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import IDS, OK
from simplex_trio.wire.smp.new_queue import ContactLink, ContactRequest
from tests.router.core.bench import DH_KEY, KEY, Bench

CORRELATION_ID = b"\x0c" * 24
DATA = QueueLinkData(b"fixed", b"user")


def test_one_tries_after_a_while() -> None:
    shortage = Shortage()
    assert not shortage.refuses(0)
    shortage.begin(100)
    assert shortage.refuses(100)
    assert shortage.refuses(99 + RETRY_SECONDS)
    assert not shortage.refuses(100 + RETRY_SECONDS)
    assert shortage.refuses(100 + RETRY_SECONDS)
    shortage.end()
    assert not shortage.refuses(100 + RETRY_SECONDS)


def test_what_takes_room_is_refused() -> None:
    bench = Bench()
    client = bench.client()
    queue = client.create(ContactRequest())
    bench.state.shortage.begin(bench.instant)
    assert client.send(queue) == STORE_REFUSED
    assert client.ask(LSET(b"link", DATA), queue.recipient_id, KEY) == STORE_REFUSED
    link = ContactLink(b"link", sender_id(CORRELATION_ID), DATA)
    command = NEW(KEY.public, DH_KEY.public, queue_request=ContactRequest(link))
    assert client.ask(command, key=KEY, correlation_id=CORRELATION_ID) == STORE_REFUSED
    assert isinstance(client.ask(NEW(KEY.public, DH_KEY.public), key=KEY), IDS)
    assert client.ask(DEL(), queue.recipient_id, KEY) == OK()


def test_the_one_that_tries_ends_it() -> None:
    for command in ("SEND", "LSET"):
        bench = Bench()
        client = bench.client()
        queue = client.create(ContactRequest())
        bench.state.shortage.begin(bench.instant)
        bench.instant += RETRY_SECONDS
        if command == "SEND":
            assert client.send(queue) == OK()
        else:
            assert client.ask(LSET(b"link", DATA), queue.recipient_id, KEY) == OK()
        assert client.send(queue) == OK()
