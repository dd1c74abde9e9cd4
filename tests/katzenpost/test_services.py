"""Events, services, and messages to them."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.errors import RequestTimeout, TooLarge
from simplex_trio.katzenpost import (
    COURIER,
    ECHO,
    AnswerTooLate,
    ClientClosed,
    ClientConfig,
    ConnectionStatus,
    DaemonAway,
    DaemonConnected,
    DaemonDisconnected,
    DaemonError,
    Destination,
    MessageNotSent,
    MessageReply,
    MessageSent,
    MixnetOffline,
    NewDocument,
    NoDocument,
    NoSuchService,
    ReplyLost,
    ShuttingDown,
    ThinClient,
)
from simplex_trio.katzenpost.session.link import MAX_UNREAD
from simplex_trio.testing.kpclientd import Pace, SimulatedMixnet
from tests.katzenpost.support import STEADY, ScriptedDaemon, next_event, simulated

NOWHERE = Destination(bytes(32), b"nobody")


# --- events -------------------------------------------------------------------------------------


async def test_a_subscriber_first_learns_what_is_known() -> None:
    async with simulated() as (client, _), client.subscribe() as events:
        status, document = events.receive_nowait(), events.receive_nowait()
        assert isinstance(status, ConnectionStatus)
        assert status.is_connected
        assert isinstance(document, NewDocument)
        assert document.document == client.document
        with pytest.raises(trio.WouldBlock):
            events.receive_nowait()


async def test_the_mixnet_comes_and_goes() -> None:
    async with simulated() as (client, daemon), client.subscribe() as events:
        await next_event(events, ConnectionStatus)
        for online in (False, True):
            daemon.mixnet.set_online(online)
            assert (await next_event(events, ConnectionStatus)).is_connected is online
            assert client.is_connected is online
            assert client.daemon_is_connected


async def test_documents_of_several_epochs() -> None:
    async with simulated() as (client, daemon), client.subscribe() as events:
        await next_event(events, NewDocument)
        for epoch in range(1001, 1007):
            daemon.mixnet.start_epoch(epoch)
            assert (await next_event(events, NewDocument)).document.epoch == epoch
        assert client.document.epoch == 1006
        assert client.document_of(1002).epoch == 1002
        for epoch in (1001, 2000):
            with pytest.raises(NoDocument):
                client.document_of(epoch)


async def test_a_document_that_comes_late(autojump_clock: MockClock) -> None:
    mixnet = SimulatedMixnet(epoch=None)
    async with simulated(mixnet) as (client, daemon), client.subscribe() as events:
        assert trio.current_time() == 30  # for which the daemon waited as well
        assert (await events.receive()) == client.status
        assert (await events.receive()) == NewDocument(None)
        with pytest.raises(NoDocument):
            client.service(ECHO)
        with pytest.raises(DaemonError):
            await client.signed_document()
        daemon.mixnet.start_epoch(1000)
        assert (await next_event(events, NewDocument)).document.epoch == 1000
        assert client.service(ECHO)


async def test_what_happens_to_the_connection(autojump_clock: MockClock) -> None:
    async with simulated() as (client, daemon), client.subscribe() as events:
        daemon.drop_connections()
        lost = await next_event(events, DaemonDisconnected)
        assert not lost.graceful
        assert isinstance(lost.reason, trio.EndOfChannel | trio.BrokenResourceError)
        assert not client.is_connected
        assert await next_event(events, DaemonConnected) == DaemonConnected(
            same_daemon=True, resumed=True
        )
        await daemon.restart()
        await next_event(events, ShuttingDown)
        assert (await next_event(events, DaemonDisconnected)).graceful
        assert await next_event(events, DaemonConnected) == DaemonConnected(
            same_daemon=False, resumed=False
        )


async def test_who_subscribes_while_the_daemon_is_away_learns_that(
    autojump_clock: MockClock,
) -> None:
    async with simulated() as (client, daemon):
        async with client.subscribe() as events:
            daemon.drop_connections()
            await next_event(events, DaemonDisconnected)
        async with client.subscribe() as events:
            assert await next_event(events, DaemonDisconnected)
            await next_event(events, DaemonConnected)
        async with client.subscribe() as events:
            assert isinstance(events.receive_nowait(), ConnectionStatus)
            assert isinstance(events.receive_nowait(), NewDocument)
            with pytest.raises(trio.WouldBlock):
                events.receive_nowait()


async def test_events_end_with_the_client() -> None:
    async with simulated() as (client, _):
        events = client.subscribe()
    assert len([event async for event in events]) == 2


# --- finding services ---------------------------------------------------------------------------


async def test_services() -> None:
    async with simulated(SimulatedMixnet(idle_service_node=True)) as (client, _):
        assert {service.node_name for service in client.services(COURIER)} == {
            "servicenode1",
            "servicenode2",
        }
        assert client.service(ECHO) in client.services(ECHO)
        with pytest.raises(NoSuchService):
            client.service("nothing")


@pytest.mark.parametrize(("number", "index"), [(0.0, 0), (0.49, 0), (0.5, 1), (1.0, 1)])
async def test_one_of_them_is_chosen_at_random(number: float, index: int) -> None:
    async with simulated(config=ClientConfig(random_fraction=lambda: number)) as (client, _):
        assert client.service(ECHO) == client.services(ECHO)[index]


async def test_signed_documents() -> None:
    async with simulated() as (client, _):
        signed = await client.signed_document()
        assert signed.epoch == 1000
        assert signed.certificate
        assert await client.signed_document(1000) == signed
        with pytest.raises(DaemonError) as caught:
            await client.signed_document(5)
        assert caught.value.code == 10


async def test_authorities() -> None:
    async with simulated() as (client, _):
        found = await client.directory_authorities()
        assert [authority.identifier for authority in found] == ["auth1", "auth2", "auth3"]
    async with simulated(SimulatedMixnet(has_authorities=False)) as (client, _):
        with pytest.raises(DaemonError):
            await client.directory_authorities()


# --- messages -----------------------------------------------------------------------------------


async def test_a_message_without_a_reply() -> None:
    async with simulated() as (client, daemon):
        await client.send(client.service(ECHO), b"one")
        await client.send(client.service(COURIER).destination, b"two")
        await daemon.wait_asked("send_message", 2)
        assert [request["surbid"] for request in daemon.asked("send_message")] == [None, None]
        await trio.testing.wait_all_tasks_blocked()
        assert daemon.mixnet.received == [b"one", b"two"]


async def test_a_message_whose_reply_is_an_event() -> None:
    async with simulated() as (client, _), client.subscribe() as events:
        surb_id = await client.send_for_reply(client.service(ECHO), b"hello")
        sent = await next_event(events, MessageSent)
        assert sent.surb_id == surb_id
        assert sent.failure is None
        reply = await next_event(events, MessageReply)
        assert reply.surb_id == surb_id
        assert reply.payload.rstrip(b"\0") == b"hello"
        assert reply.error is None
        chosen = bytes(range(16))
        assert await client.send_for_reply(NOWHERE, b"", surb_id=chosen) == chosen
        assert (await next_event(events, MessageSent)).failure is not None


async def test_eight_of_eight_concurrent_questions_are_answered() -> None:
    async with simulated(SimulatedMixnet(pace=Pace(round_trip=0.001))) as (client, _):
        replies: dict[bytes, bytes] = {}

        async def ask(question: bytes) -> None:
            replies[question] = await client.ask(client.service(ECHO), question)

        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(ask, b"question %d" % number)
        assert len(replies) == 8
        for question, reply in replies.items():
            assert reply.rstrip(b"\0") == question


async def test_a_reply_that_does_not_come(autojump_clock: MockClock) -> None:
    async with simulated() as (client, _):
        with pytest.raises(AnswerTooLate):
            await client.ask(client.service(COURIER), b"it does not talk", timeout=5)
        assert trio.current_time() == 5
        with pytest.raises(AnswerTooLate):
            await client.ask(client.service(COURIER), b"it does not talk")
        assert trio.current_time() == 5 + STEADY.reply_timeout


async def test_a_message_that_could_not_be_sent() -> None:
    async with simulated() as (client, _):
        with pytest.raises(MessageNotSent):
            await client.ask(NOWHERE, b"hello")


async def test_a_message_that_is_too_large_is_not_sent() -> None:
    async with simulated() as (client, daemon):
        to = client.service(ECHO)
        assert len(await client.ask(to, bytes(2000))) == 2000
        for call in (client.ask, client.send, client.send_for_reply):
            with pytest.raises(TooLarge):
                await call(to, bytes(2001))
        assert len(daemon.asked("send_message")) == 1


async def test_no_message_is_sent_offline() -> None:
    async with simulated() as (client, daemon), client.subscribe() as events:
        to = client.service(ECHO)
        daemon.mixnet.set_online(False)
        await next_event(events, ConnectionStatus)
        await next_event(events, ConnectionStatus)
        for call in (client.ask, client.send, client.send_for_reply):
            with pytest.raises(MixnetOffline) as caught:
                await call(to, b"hello")
            assert caught.value.retryable


async def test_a_reply_comes_although_we_were_away(autojump_clock: MockClock) -> None:
    mixnet = SimulatedMixnet(pace=Pace(round_trip=0.5))
    async with simulated(mixnet) as (client, daemon), trio.open_nursery() as nursery:

        async def ask() -> None:
            assert (await client.ask(client.service(ECHO), b"hello")).startswith(b"hello")

        nursery.start_soon(ask)
        await daemon.wait_asked("send_message")
        daemon.drop_connections()
    assert len(daemon.asked("send_message")) == 1


async def test_a_reply_block_that_the_daemon_forgot(autojump_clock: MockClock) -> None:
    mixnet = SimulatedMixnet(pace=Pace(round_trip=10))
    async with simulated(mixnet) as (client, daemon), trio.open_nursery() as nursery:
        errors = []

        async def ask() -> None:
            with pytest.raises(ReplyLost) as caught:
                await client.ask(client.service(ECHO), b"hello")
            assert caught.value.retryable
            errors.append(caught.value)

        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await daemon.wait_asked("send_message", 2)
        await daemon.restart()
    assert trio.current_time() == 1
    assert errors[0] is not errors[1]  # each has a traceback of its own


async def test_while_the_daemon_is_away_nothing_is_sent(autojump_clock: MockClock) -> None:
    async with simulated() as (client, daemon), client.subscribe() as events:
        to = client.service(ECHO)
        await daemon.stop()
        await next_event(events, DaemonDisconnected)
        for call in (client.ask, client.send, client.send_for_reply):
            with pytest.raises(DaemonAway):
                await call(to, b"hello")


async def refused(client: ThinClient) -> None:
    with pytest.raises(DaemonError):
        await client.ask(NOWHERE, b"hello")


async def test_replies_that_are_errors_and_replies_to_no_request() -> None:
    async with ScriptedDaemon().client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(refused, client)
        surb_id = (await peer.next("send_message"))["surbid"]
        await peer.put("message_reply_event", {"surbid": bytes(16), "payload": b"to nobody"})
        await peer.put("message_reply_event", {"surbid": surb_id, "error_code": 2})
        await peer.put("message_reply_event", {"surbid": surb_id, "payload": b"again"})
        await trio.testing.wait_all_tasks_blocked()
        assert client.daemon_is_connected


async def test_a_crowd_of_messages_does_not_hold_up_the_rest(autojump_clock: MockClock) -> None:
    mixnet = SimulatedMixnet(pace=Pace(sending=2.0))
    async with simulated(mixnet) as (client, _), trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(client.send, client.service(ECHO), b"hello")
        await trio.testing.wait_all_tasks_blocked()
        await client.directory_authorities()
        assert trio.current_time() <= MAX_UNREAD * 2.0
        nursery.cancel_scope.cancel()


async def test_sending_ends_with_the_client(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, _), trio.open_nursery() as nursery:
        daemon.stop_reading()

        async def send() -> None:
            with pytest.raises(ClientClosed):
                await client.send(NOWHERE, b"hello")

        for _ in range(MAX_UNREAD + 2):
            nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        await client.aclose()


async def test_a_daemon_that_does_not_read(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, _):
        daemon.stop_reading()
        with pytest.raises(RequestTimeout):
            await client.send(NOWHERE, b"hello")
