"""Whole files through routers that fail, lie, forget and come back."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.errors import ConnectionLost, RequestTimeout
from simplex_trio.transport.tls import utc_now
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description_text import decode_description, encode_description
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.xftp.client import XFTPClient, open_xftp_client
from simplex_trio.xftp.errors import (
    NoSuchReplica,
    NotDeleted,
    RouterUnreachable,
    XFTPRouterError,
)
from simplex_trio.xftp.files.delete import DeletedFile, delete_file
from simplex_trio.xftp.files.progress import Progress, Retrying, TransferEvent
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_file
from simplex_trio.xftp.http2 import client as http2_client
from simplex_trio.xftp.router.server import XFTPRouter, open_xftp_router
from tests.scenarios.xftp import IMPATIENT, names_in
from tests.xftp.files import (
    ONE_BY_ONE,
    failing,
    same,
    sent_to,
)
from tests.xftp.routers import bodies, config, routers

# --- several routers ------------------------------------------------------------------------------


async def test_replicas(tmp_path: Path, path: Path, folder: Path) -> None:
    async with routers(tmp_path, 3) as (a, b, c):
        servers = [each.address for each in (a, b, c)]
        sent = await send_file(path, servers, replicas=2, recipients=4, config=IMPATIENT)
        for packet in sent.sender.packets:
            assert len({replica.server for replica in packet.replicas}) == 2
        first, second, third, fourth = sent.recipients

        # A body that is another one.
        for body in bodies(tmp_path / "router0"):
            body.write_bytes(body.read_bytes()[::-1])
        received = await receive_file(first, folder, config=IMPATIENT)
        assert same(received.path, path)

        # A body that is too short.
        for body in bodies(tmp_path / "router0"):
            body.write_bytes(b"short")
        await receive_file(second, folder, config=IMPATIENT)

        # No body any more.
        for body in bodies(tmp_path / "router0"):
            body.unlink()
        await receive_file(third, folder, config=IMPATIENT)
        deleted = await delete_file(sent.sender, config=IMPATIENT)
        assert deleted == DeletedFile(2 * len(sent.sender.packets), 0)
        with pytest.raises(NoSuchReplica) as caught:
            await receive_file(fourth, folder, config=IMPATIENT)
        assert not caught.value.retryable
    assert len(names_in(folder)) == 3


async def test_a_router_that_is_gone(tmp_path: Path, path: Path, folder: Path) -> None:
    async with routers(tmp_path, 2) as (a, b):
        async with open_xftp_router() as gone:
            servers = [each.address for each in (a, b, gone)]
            sent = await send_file(path, servers, replicas=3, recipients=2, config=IMPATIENT)
        received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
        assert same(received.path, path)
        with pytest.raises(NotDeleted) as caught:
            await delete_file(sent.sender, config=IMPATIENT)
        assert caught.value.count == len(sent.sender.packets)
        assert caught.value.retryable
        assert a.statistics().packets == b.statistics().packets == 0

        # Sending goes on with the routers that there are.
        sent = await send_file(path, servers, replicas=2, config=IMPATIENT)
        assert gone.address not in sent.sender.servers
        with pytest.raises(RouterUnreachable) as unreachable:
            await send_file(path, servers, replicas=3, config=IMPATIENT)
        assert unreachable.value.retryable
        await receive_file(sent.recipients[0], folder, config=IMPATIENT)


async def test_a_router_that_refuses(tmp_path: Path, path: Path) -> None:
    async with (
        open_xftp_router(config(quota=1000)) as full,
        open_xftp_router(config(accept_new=False)) as closed,
        open_xftp_router() as good,
    ):
        servers = [each.address for each in (full, closed, good)]
        sent = await send_file(path, servers, config=IMPATIENT)
        assert sent.sender.servers == (good.address,)
        with pytest.raises(XFTPRouterError):
            await send_file(path, servers[:2], config=IMPATIENT)


async def test_no_router_has_it_for_the_moment(path: Path, folder: Path) -> None:
    async with open_xftp_router() as router:
        sent = await sent_to(router, path)
    with pytest.raises(NoSuchReplica) as caught:
        await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert caught.value.retryable
    assert isinstance(caught.value.__cause__, RouterUnreachable)
    assert names_in(folder) == []


class Connecting:
    """How often each router was connected to."""

    def __init__(self) -> None:
        self.counts: Counter[ServerAddress] = Counter()

    def open(self, server: ServerAddress, *args: Any) -> AbstractAsyncContextManager[XFTPClient]:
        self.counts[server] += 1
        return open_xftp_client(server, *args)


@pytest.fixture
def connecting() -> Connecting:
    return Connecting()


async def test_a_router_that_is_gone_is_asked_last(
    tmp_path: Path, path: Path, folder: Path, connecting: Connecting
) -> None:
    """Otherwise each packet would wait until there is no connection to it."""
    credentials = [generate_router_credentials(now=utc_now()) for _ in range(2)]
    settings = [config(tmp_path / f"router{number}") for number in range(2)]
    async with AsyncExitStack() as stack:
        both = [
            await stack.enter_async_context(open_xftp_router(each, credentials=own))
            for each, own in zip(settings, credentials, strict=True)
        ]
        addresses = [each.address for each in both]
        sent = await send_file(path, addresses, replicas=2, config=IMPATIENT)
    # As recipients have it: with the replicas of all packets in the same order.
    description = decode_description(encode_description(sent.recipients[0]))
    first = description.packets[0].replicas[0].server
    left = 1 - addresses.index(first)
    port = addresses[left].effective_port
    again = evolve(settings[left], ports=(port,))
    async with open_xftp_router(again, credentials=credentials[left]):
        counted = evolve(ONE_BY_ONE, connect=connecting.open)
        received = await receive_file(description, folder, config=counted)
    assert same(received.path, path)
    assert connecting.counts == {addresses[left]: 1, first: 1}


async def test_deleting_gives_up_a_router_that_is_gone(path: Path, connecting: Connecting) -> None:
    async with open_xftp_router() as router:
        sent = await sent_to(router, path)
    with pytest.raises(NotDeleted) as caught:
        await delete_file(sent.sender, config=evolve(ONE_BY_ONE, connect=connecting.open))
    assert caught.value.count == len(sent.sender.packets) > 1
    assert connecting.counts == {router.address: ONE_BY_ONE.attempts}


# --- afterwards -----------------------------------------------------------------------------------


async def test_packets_are_acknowledged_at_the_same_time(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await sent_to(router, path)
    packets = len(sent.sender.packets)
    original = XFTPClient.acknowledge
    waiting = 0
    all_wait = trio.Event()

    async def acknowledge(*args: Any) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == packets:
            all_wait.set()
        with trio.fail_after(20):
            await all_wait.wait()
        await original(*args)

    monkeypatch.setattr(XFTPClient, "acknowledge", acknowledge)
    await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert router.statistics().counters["recipients_acknowledged"] == packets


async def test_a_router_that_answers_no_acknowledgement_is_left_alone(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await sent_to(router, path)
    asked = 0

    async def acknowledge(*_: Any) -> None:
        nonlocal asked
        asked += 1
        raise RequestTimeout("nothing comes")

    monkeypatch.setattr(XFTPClient, "acknowledge", acknowledge)
    received = await receive_file(sent.recipients[0], folder, config=ONE_BY_ONE)
    assert same(received.path, path)
    assert asked == 1


# --- trying again ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["register", "upload"])
async def test_sending_is_tried_again(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    original = getattr(XFTPClient, method)
    lost = ConnectionLost("for a moment")
    told: list[TransferEvent] = []
    monkeypatch.setattr(XFTPClient, method, failing(2, original, lost))
    sent = await send_file(path, [router.address], config=ONE_BY_ONE, tell=told.append)
    retries = [event for event in told if isinstance(event, Retrying)]
    assert [(event.packet, event.error) for event in retries] == [(1, lost), (1, lost)]
    assert "Retrying(packet=1" in repr(retries[0])
    await receive_file(sent.recipients[0], folder, config=IMPATIENT)

    monkeypatch.setattr(XFTPClient, method, failing(3, original, lost))
    with pytest.raises(ConnectionLost):
        await send_file(path, [router.address], config=ONE_BY_ONE)


async def test_more_packets_than_buffers_each_given_up_once_in_the_middle(
    router: XFTPRouter, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "content"
    path.write_bytes(Random(1).randbytes(700_000))
    tried: set[bytes] = set()
    under_way = most = 0
    original = XFTPClient.upload

    async def upload(
        self: XFTPClient,
        key: AuthPrivateKey,
        sender_id: bytes,
        size: int,
        body: AsyncGenerator[memoryview],
    ) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            if sender_id not in tried:
                tried.add(sender_id)
                body = breaking(body)
            await original(self, key, sender_id, size, body)
        finally:
            under_way -= 1

    monkeypatch.setattr(XFTPClient, "upload", upload)
    sent = await send_file(path, [router.address], config=evolve(IMPATIENT, parallel=2))
    assert len(tried) == len(sent.sender.packets) > 2
    assert most <= 2
    received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert same(received.path, path)


async def breaking(body: AsyncGenerator[memoryview]) -> AsyncGenerator[memoryview]:
    """No more than a part of the first piece."""
    async with aclosing(body):
        first = await anext(body)
        yield first[: len(first) // 2]
        raise ConnectionLost("in the middle")


async def test_a_connection_that_breaks_while_receiving(
    router: XFTPRouter, path: Path, folder: Path
) -> None:
    sent = await sent_to(router, path)
    told: list[TransferEvent] = []

    def cut(event: TransferEvent) -> None:
        told.append(event)
        if isinstance(event, Progress) and len(told) == 3:
            clients.pop().cancel()

    clients: list[trio.CancelScope] = []
    original = http2_client.Http2Client.run

    async def run(self: Any, *args: Any, **kwargs: Any) -> None:
        clients.append(self._scope)
        await original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http2_client.Http2Client, "run", run)
        received = await receive_file(sent.recipients[0], folder, config=ONE_BY_ONE, tell=cut)
    assert same(received.path, path)
    assert any(isinstance(event, Retrying) for event in told)


async def test_deleting_is_tried_again(
    router: XFTPRouter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await sent_to(router, path)
    original = XFTPClient.delete
    monkeypatch.setattr(XFTPClient, "delete", failing(2, original, ConnectionLost("")))
    packets = len(sent.sender.packets)
    assert await delete_file(sent.sender, config=IMPATIENT) == DeletedFile(packets, 0)
    refusal = XFTPRouterError(XFTPCode.INTERNAL)
    monkeypatch.setattr(XFTPClient, "delete", failing(100, original, refusal))
    with pytest.raises(NotDeleted) as caught:
        await delete_file(sent.sender, config=IMPATIENT)
    assert caught.value.count == packets
