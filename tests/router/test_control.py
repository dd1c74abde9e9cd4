"""What the operator of a router for messages does with its clients and queues."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.client.smp.queues import MessageReceived, ReceivingQueue
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.engine.events import ErrorEvent, Notice
from simplex_trio.errors import StoreError, StoreIncomplete, StoreUnavailable
from simplex_trio.router.core.administration import QueueState
from simplex_trio.router.core.counters import Count
from simplex_trio.router.server import EMBEDDED, Router, open_router
from simplex_trio.router.session_info import origin_text
from simplex_trio.router.store.interface import PutQueue
from simplex_trio.router.store.sqlite import read_backup
from simplex_trio.serving.control import ask_router
from simplex_trio.serving.control_messages import ControlError
from simplex_trio.transport.networks import Origin
from simplex_trio.wire.errors.codes import BlockingReason
from simplex_trio.wire.errors.values import Blocked, BlockingNotice, Code
from simplex_trio.wire.smp.messages import DELD
from simplex_trio.wire.text import to_base64url
from tests.router.stores import ReluctantStore

SPAM = Blocked(BlockingReason.SPAM)


async def refused(client: SMPClient, sender_id: bytes) -> object:
    with pytest.raises(RouterError) as caught:
        await client.send(sender_id, b"hello")
    return caught.value.error


async def received(client: SMPClient, queue: ReceivingQueue) -> bytes:
    event = await client.events.receive()
    assert isinstance(event, MessageReceived)
    await client.acknowledge(queue, event.message_id)
    return event.body


async def test_blocking() -> None:
    async with (
        open_router() as router,
        open_smp_client(router.address) as owner,
        open_smp_client(router.address) as sender,
    ):
        queue = await owner.create_queue()
        for _ in range(2):  # the second time changes nothing, and tells nothing
            assert await router.block_queue(queue.sender_id, SPAM)
        assert await refused(sender, queue.sender_id) == SPAM
        event = await owner.events.receive()
        assert isinstance(event, ErrorEvent)
        assert event.entity_id == queue.recipient_id
        assert isinstance(event.error, RouterError)
        assert event.error.error == SPAM
        with pytest.raises(RouterError) as caught:
            await owner.subscribe(queue)
        assert caught.value.error == SPAM
        status = router.queue_status(queue.recipient_id)
        assert status is not None
        assert (status.state, status.blocked) == (QueueState.BLOCKED, SPAM)
        noticed = Blocked(BlockingReason.CONTENT, BlockingNotice(3600))
        assert await router.block_queue(queue.sender_id, noticed)
        assert await refused(sender, queue.sender_id) == noticed
        assert router.statistics().counters[Count.QUEUES_BLOCKED] == 2
        # The owner is still subscribed, for when it is unblocked.
        assert await router.resume_queue(queue.sender_id)
        await sender.send(queue.sender_id, b"again")
        await owner.events.receive()  # the second reason
        assert await received(owner, queue) == b"again"


async def test_an_owner_may_delete_what_is_blocked() -> None:
    async with open_router() as router, open_smp_client(router.address) as owner:
        queue = await owner.create_queue()
        assert await router.block_queue(queue.sender_id, SPAM)
        await owner.delete(queue)
        assert router.queue_status(queue.sender_id) is None


async def test_suspending() -> None:
    async with (
        open_router() as router,
        open_smp_client(router.address) as owner,
        open_smp_client(router.address) as sender,
    ):
        queue = await owner.create_queue()
        await sender.send(queue.sender_id, b"before")
        for _ in range(2):
            assert await router.suspend_queue(queue.sender_id)
        assert await refused(sender, queue.sender_id) is Code.AUTH
        assert await received(owner, queue) == b"before"
        status = router.queue_status(queue.sender_id)
        assert status is not None
        assert status.state is QueueState.SUSPENDED
        assert status.suspended_at is not None
        for _ in range(2):
            assert await router.resume_queue(queue.sender_id)
        await sender.send(queue.sender_id, b"after")
        assert await received(owner, queue) == b"after"
        assert router.statistics().counters[Count.QUEUES_SUSPENDED] == 1


async def test_deleting() -> None:
    async with open_router() as router, open_smp_client(router.address) as owner:
        queue = await owner.create_queue()
        assert await router.delete_queue(queue.sender_id)
        event = await owner.events.receive()
        assert isinstance(event, Notice)
        assert event.message == DELD()
        assert not await router.delete_queue(queue.sender_id)
        assert router.statistics().queues == 0
        assert router.statistics().counters[Count.QUEUES_DELETED] == 1


async def test_any_id_of_a_queue() -> None:
    async with open_router() as router, open_smp_client(router.address) as owner:
        queue = await owner.create_queue()
        key = Ed25519PrivateKey.generate()
        notifier = await owner.enable_notifications(queue, key.public)
        for queue_id in (queue.sender_id, queue.recipient_id, notifier.notifier_id):
            status = router.queue_status(queue_id)
            assert status is not None
            assert status.has_notifier
            assert status.is_subscribed
            assert not status.has_link
        assert router.queue_status(b"unknown") is None
        assert not await router.block_queue(b"unknown", SPAM)
        assert not await router.suspend_queue(b"unknown")
        assert not await router.resume_queue(b"unknown")


async def test_it_outlasts_the_router(tmp_path: Path) -> None:
    config = evolve(EMBEDDED, store=tmp_path / "router.sqlite")
    async with open_router(config) as router, open_smp_client(router.address) as owner:
        queue = await owner.create_queue()
        assert await router.block_queue(queue.sender_id, SPAM)
    async with open_router(config) as router, open_smp_client(router.address) as sender:
        assert await refused(sender, queue.sender_id) == SPAM


async def test_a_store_that_refuses() -> None:
    store = ReluctantStore()
    async with (
        open_router(store=store) as router,
        open_smp_client(router.address) as owner,
    ):
        queue = await owner.create_queue()
        store.is_full = True
        with pytest.raises(StoreError):
            await router.block_queue(queue.sender_id, SPAM)
        with pytest.raises(StoreError):
            await router.delete_queue(queue.sender_id)
        store.is_full = False
        status = router.queue_status(queue.sender_id)
        assert status is not None
        assert status.state is QueueState.ACTIVE
        await owner.ping()
        with pytest.raises(trio.WouldBlock):  # nothing was told
            owner.events.receive_nowait()


async def test_what_is_cancelled_happens_all_the_same() -> None:
    store = ReluctantStore()
    async with open_router(store=store) as router, open_smp_client(router.address) as owner:
        queue = await owner.create_queue()
        store.go = trio.Event()
        with trio.CancelScope() as scope:
            scope.cancel()
            await router.block_queue(queue.sender_id, SPAM)
        assert scope.cancelled_caught
        store.go.set()
        event = await owner.events.receive()
        assert isinstance(event, ErrorEvent)
        status = router.queue_status(queue.sender_id)
        assert status is not None
        assert status.state is QueueState.BLOCKED


async def test_on_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "control"
    config = evolve(EMBEDDED, control=path)
    async with open_router(config) as router, open_smp_client(router.address) as owner:
        queue = await owner.create_queue()
        queue_id = to_base64url(queue.sender_id)
        status = await ask_router(path, "status")
        assert status["router"] == "smp"
        assert status["address"] == str(router.address)
        assert status["now"]["queues"] == 1
        assert status["counters"]["queues_created"] == 1
        assert status["web_certificate_until"] is None
        found = await ask_router(path, "queue", id=queue_id)
        assert (found["state"], found["messages"], found["blocked"]) == ("active", 0, None)
        assert (await ask_router(path, "suspend", id=queue_id))["state"] == "suspended"
        assert (await ask_router(path, "resume", id=queue_id))["state"] == "active"
        found = await ask_router(path, "block", id=queue_id, reason="spam", notice=True)
        assert found["state"] == "blocked"
        assert found["blocked"] == {"reason": "spam", "notice": True, "notice_seconds": None}
        with pytest.raises(ControlError, match="must be spam or content"):
            await ask_router(path, "block", id=queue_id, reason="dislike")
        assert await ask_router(path, "delete", id=queue_id) == {"deleted_messages": 0}
        for command in ("queue", "suspend", "resume", "delete"):
            with pytest.raises(ControlError, match="no queue with this id") as caught:
                await ask_router(path, command, id=queue_id)
            assert caught.value.code == "not_found"
        with pytest.raises(ControlError, match="no file with its configuration"):
            await ask_router(path, "reload")
    assert not path.exists()


async def test_clients(tmp_path: Path) -> None:
    path = tmp_path / "control"
    config = evolve(EMBEDDED, control=path)
    async with (
        open_router(config) as router,
        open_smp_client(router.address) as owner,
        open_smp_client(router.address),
    ):
        queue = await owner.create_queue()
        answer = await ask_router(path, "clients")
        assert [each["queues"] for each in answer["clients"]] == [1, 0]
        assert answer["more"] == 0
        assert "address" not in answer["clients"][0]
        assert to_base64url(queue.recipient_id) not in str(answer)
        answer = await ask_router(path, "clients", addresses=True, limit=1)
        assert [each["address"] for each in answer["clients"]] == ["not public"]
        assert answer["more"] == 1


def test_origins() -> None:
    assert origin_text(None) == "not public"
    assert origin_text(Origin(bytes([9, 9, 9, 9]))) == "9.9.9.9"
    assert origin_text(Origin(bytes.fromhex("2606470047000000"))) == "2606:4700:4700::/64"


async def test_a_change_of_configuration_on_the_socket(tmp_path: Path) -> None:
    path, file = tmp_path / "control", tmp_path / "router.toml"
    config: Any = evolve(EMBEDDED, control=path)
    async with open_router(config) as router:
        router.config_loader = lambda: type(config).load(file)
        file.write_text("[queues]\nquota = 0")
        with pytest.raises(ControlError, match=r"stays as it was: .*quota"):
            await ask_router(path, "reload")
        file.write_text("[queues]\nquota = 5")
        answer = await ask_router(path, "reload")
        assert "queues.quota" in answer["changed"]
        assert "control" in answer["waiting"]
        assert answer["credentials"] is False
        assert isinstance(router, Router)
        await trio.lowlevel.checkpoint()


async def test_a_copy_of_the_store_on_the_socket(tmp_path: Path) -> None:
    store, socket = tmp_path / "router.sqlite", tmp_path / "control"
    (tmp_path / "beside").mkdir()
    async with (
        open_router(evolve(EMBEDDED, store=store, control=socket)) as router,
        open_smp_client(router.address) as client,
    ):
        await client.create_queue()
        assert await ask_router(socket, "back_up", folder="beside") == {}
        for wrong in ("..", "beside/..", "/tmp", "beside", "not there"):
            with pytest.raises(ControlError):
                await ask_router(socket, "back_up", folder=wrong)
        await client.create_queue()
    async with read_backup(tmp_path / "beside" / "router.sqlite") as reading:
        assert not reading.is_complete
        queues = [each for each in await reading.portion() if isinstance(each, PutQueue)]
    assert len(queues) == 1
    assert os.listdir(tmp_path / "beside") == ["router.sqlite"]


async def test_there_is_no_copy_of_a_store_that_is_no_file(tmp_path: Path) -> None:
    socket = tmp_path / "control"
    async with open_router(evolve(EMBEDDED, control=socket)):
        with pytest.raises(ControlError, match="not a file"):
            await ask_router(socket, "back_up", folder="beside")


async def test_a_program_backs_up_its_router(tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    async with (
        open_router(evolve(EMBEDDED, store=tmp_path / "router.sqlite")) as router,
        open_smp_client(router.address) as client,
    ):
        queue = await client.create_queue(subscribe=False)
        await client.send(queue.sender_id, b"hello")
        await router.back_up(backup)
        with pytest.raises(StoreUnavailable):
            await router.back_up(backup)
    with pytest.raises(StoreIncomplete):
        async with open_router(evolve(EMBEDDED, store=backup)):
            pytest.fail("it lacks what came later")
    async with (
        open_router(evolve(EMBEDDED, store=backup), accept_loss=True) as router,
        open_smp_client(router.address) as client,
    ):
        await client.subscribe(queue)
        assert await received(client, queue) == b"hello"


async def test_a_router_in_memory_has_nothing_to_back_up(tmp_path: Path) -> None:
    async with open_router() as router:
        with pytest.raises(StoreUnavailable, match="not a file"):
            await router.back_up(tmp_path / "backup")
