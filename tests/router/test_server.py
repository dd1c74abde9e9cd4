"""The router as a whole, over real TLS on loopback."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient, connect_smp_client, open_smp_client
from simplex_trio.client.smp.queues import MessageReceived, ReceivingQueue
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.session import ServiceCertificate, SMPSessionConfig
from simplex_trio.crypto.credentials import (
    generate_router_credentials,
    generate_service_credentials,
)
from simplex_trio.errors import ConnectionLost, DecodeError, StoreError, WrongIdentity
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.shortage import RETRY_SECONDS
from simplex_trio.router.server import EMBEDDED, Router, open_router, serve_router
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.serving.credentials import load_web_credentials
from simplex_trio.serving.toml import ConfigError
from simplex_trio.transport.config import ConnectConfig, WebPort
from simplex_trio.transport.connect import open_transport
from simplex_trio.transport.tls import TlsCredentials, utc_now
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.names import Domain, NameRecord
from simplex_trio.wire.smp.new_queue import MessagingRequest
from tests.router.house import NOW
from tests.router.stores import ReluctantStore
from tests.serving.credential_files import write_router, write_web


async def exchange(recipient: SMPClient, sender: SMPClient) -> None:
    """A message from here to there."""
    queue = await recipient.create_queue(MessagingRequest())
    await sender.send(queue.sender_id, b"hello")
    assert (await receive(recipient, queue)) == b"hello"


async def receive(client: SMPClient, queue: ReceivingQueue) -> bytes:
    event = await client.events.receive()
    assert isinstance(event, MessageReceived)
    await client.acknowledge(queue, event.message_id)
    return event.body


@asynccontextmanager
async def folder_router(folder: Path, **changes: Any) -> AsyncIterator[Router]:
    """A router with its credentials and store in a folder."""
    config = evolve(EMBEDDED, credentials=folder, store=folder / "router.sqlite", **changes)
    async with open_router(config) as router:
        yield router


# --- opening and closing ------------------------------------------------------------------------


async def test_embedded_router() -> None:
    async with (
        open_router() as router,
        open_smp_client(router.address) as recipient,
        open_smp_client(router.address) as sender,
    ):
        await exchange(recipient, sender)
        statistics = router.statistics()
        assert (statistics.clients, statistics.sockets_active) == (2, 2)
        assert (statistics.queues, statistics.messages) == (1, 0)
        assert statistics.counters[Count.MESSAGES_RECEIVED] == 1
        assert repr(router) == "<Router with 2 clients>"
    sockets = router.sockets
    assert (sockets.accepted, sockets.closed, sockets.active, sockets.leaked) == (2, 2, 0, 0)


async def test_routers_are_strangers_to_each_other() -> None:
    async with open_router() as one, open_router() as other:
        assert one.address.key_hash != other.address.key_hash
        wrong = evolve(one.address, port=other.address.port)
        with pytest.raises(WrongIdentity):
            async with open_smp_client(wrong):
                pass


async def test_served_in_a_nursery() -> None:
    async with trio.open_nursery() as nursery:
        router: Router = await nursery.start(serve_router, EMBEDDED)
        async with open_smp_client(router.address) as client:
            await client.ping()
        nursery.cancel_scope.cancel()
    assert router.sockets.leaked == router.sockets.active == 0


async def test_closing_ends_every_connection() -> None:
    async with trio.open_nursery() as nursery:
        async with open_router() as router:
            clients = [await connect_smp_client(nursery, router.address) for _ in range(5)]
            queue = await clients[0].create_queue()
            await clients[1].send(queue.sender_id, b"never acknowledged")
        for client in clients:
            await client.wait_disconnected()
            with pytest.raises(ConnectionLost):
                await client.ping()
    assert router.sockets.leaked == router.sockets.active == 0


async def test_store_that_does_not_answer_is_not_waited_for_forever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = ReluctantStore()
    config = evolve(EMBEDDED, intervals=evolve(EMBEDDED.intervals, close=0.05))
    async with open_router(config, store=store) as router:
        async with open_smp_client(router.address) as client:
            await client.ping()
        store.go = trio.Event()
    assert "did not take in time" in caplog.text


async def test_given_store_and_credentials() -> None:
    store, credentials = MemoryStore(), generate_router_credentials(now=utc_now())
    async with open_router(store=store, credentials=credentials) as router:
        assert router.address.key_hash == credentials.identity_fingerprint
        async with open_smp_client(router.address) as client:
            queue = await client.create_queue()
            await client.send(queue.sender_id, b"kept")
    async with (
        open_router(store=store, credentials=credentials) as router,
        open_smp_client(router.address) as client,
    ):
        await client.subscribe(queue)
        assert await receive(client, queue) == b"kept"


async def test_names() -> None:
    record = NameRecord(*("a.simplex", "", "", "", (), (), None, None, None, None, "0x1", "0x2"))

    async def resolver(domain: Domain) -> NameRecord:
        await trio.lowlevel.checkpoint()
        return record

    async with (
        open_router(resolver=resolver) as router,
        open_smp_client(router.address) as client,
    ):
        assert await client.resolve_name(Domain.parse("a.simplex")) == record


async def test_a_router_that_asks_for_no_certificates() -> None:
    made = generate_service_credentials(now=utc_now())
    service = ServiceCertificate(ServiceRole.MESSAGING, made.chain, made.key)
    config = SMPClientConfig(session=SMPSessionConfig(service=service))
    plain = evolve(EMBEDDED, client_certificates=False)
    async with open_router(plain) as router:
        async with open_smp_client(router.address, config) as client:
            assert client.service is None
            await client.create_queue()
        assert router.statistics().services == 0
        done = await router.reload(EMBEDDED)
        assert done.changed == ("client_certificates",)
        async with open_smp_client(router.address, config) as client:
            assert client.service is not None


async def test_service_certificates_over_tls() -> None:
    made = generate_service_credentials(now=utc_now())
    service = ServiceCertificate(ServiceRole.MESSAGING, made.chain, made.key)
    config = SMPClientConfig(session=SMPSessionConfig(service=service))
    async with open_router() as router:
        ids = set()
        for _ in range(2):
            async with open_smp_client(router.address, config) as client:
                assert client.service is not None
                ids.add(client.service.id)
                await client.subscribe_service()
                await client.create_queue()
        assert len(ids) == 1
        assert router.statistics().services == 1


# --- files --------------------------------------------------------------------------------------


async def test_everything_survives_a_restart(tmp_path: Path) -> None:
    made = write_router(tmp_path)
    async with folder_router(tmp_path) as router:
        assert router.address.key_hash == made.identity_fingerprint
        async with open_smp_client(router.address) as client:
            queue = await client.create_queue(MessagingRequest())
            for body in (b"first", b"second"):
                await client.send(queue.sender_id, body)
    async with folder_router(tmp_path) as router:
        assert router.statistics().messages == 2
        assert router.statistics().counters[Count.MESSAGES_SENT] == 2
        async with open_smp_client(router.address) as client:
            await client.subscribe(queue)
            assert [await receive(client, queue) for _ in range(2)] == [b"first", b"second"]
    async with folder_router(tmp_path) as router:
        assert router.statistics().messages == 0
        assert router.statistics().queues == 1


async def test_damaged_store_is_reported(tmp_path: Path) -> None:
    write_router(tmp_path)
    (tmp_path / "router.sqlite").write_bytes(b"this is no database, but long enough to be one" * 99)
    with pytest.raises(StoreError):
        async with folder_router(tmp_path):
            pass


async def test_damaged_credentials_are_reported(tmp_path: Path) -> None:
    write_router(tmp_path)
    (tmp_path / "server.key").write_text("nonsense")
    with pytest.raises(DecodeError):
        async with folder_router(tmp_path):
            pass


async def test_port_that_is_taken() -> None:
    async with open_router() as router:
        config = evolve(EMBEDDED, ports=(0, router.ports[0]))
        with pytest.raises(OSError, match="in use"):
            async with open_router(config):
                pass


async def test_full_store_is_told_and_logged_without_details(
    caplog: pytest.LogCaptureFixture, mock_clock: MockClock
) -> None:
    caplog.set_level(logging.DEBUG)
    store = ReluctantStore()
    async with (
        open_router(store=store, clock=lambda: NOW) as router,
        open_smp_client(router.address) as client,
    ):
        queue = await client.create_queue()
        store.is_full = True
        with pytest.raises(RouterError, match="STORE"):
            await client.send(queue.sender_id, b"x")
        store.is_full = False
        mock_clock.jump(RETRY_SECONDS)
        await client.send(queue.sender_id, b"y")
    for secret in (queue.sender_id.hex(), repr(queue.sender_id), str(router.address)):
        assert secret not in caplog.text


# --- ports and addresses ------------------------------------------------------------------------


async def test_several_ports_and_hosts() -> None:
    config = evolve(EMBEDDED, hosts=("127.0.0.1", "localhost"), ports=(0, 0))
    async with open_router(config) as router:
        assert len(set(router.ports)) == 2
        assert router.address.port == router.ports[0]
        assert list(map(str, router.address.hosts)) == ["127.0.0.1", "localhost"]
        for port in router.ports:
            async with open_smp_client(evolve(router.address, port=port)) as client:
                await client.ping()


async def test_loopback_of_both_kinds() -> None:
    config = RouterConfig(hosts=("localhost",), ports=(0,), proxy=EMBEDDED.proxy)
    async with open_router(config) as router, open_smp_client(router.address) as client:
        await client.ping()


# --- browsers -----------------------------------------------------------------------------------


async def get(
    router: Router, path: str, certificate: bytes, *, name: str = "localhost"
) -> tuple[bytes, bytes]:
    """What a browser would get: the head and the body of the answer."""
    context = ssl.create_default_context(cadata=certificate.decode())
    context.set_alpn_protocols(["h2", "http/1.1"])
    stream = await trio.open_tcp_stream("127.0.0.1", router.ports[0])
    tls = trio.SSLStream(stream, context, server_hostname=name, https_compatible=True)
    async with tls:
        await tls.do_handshake()
        assert tls.selected_alpn_protocol() == "http/1.1"
        await tls.send_all(f"GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        received = b""
        async for data in tls:
            received += data
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


async def test_page_for_browsers(tmp_path: Path) -> None:
    write_router(tmp_path)
    certificate = write_web(tmp_path)
    async with folder_router(tmp_path, web_ports=(0,)) as router:
        head, body = await get(router, "/", certificate)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Security-Policy: default-src 'none'" in head
        assert str(router.address).encode() in body
        assert b"<svg" in body
        assert (await get(router, "/other", certificate))[0].startswith(b"HTTP/1.1 404")
        # And SMP over the same port, as always.
        async with open_smp_client(router.address) as client:
            await client.ping()


async def test_credentials_for_browsers_from_the_program(tmp_path: Path) -> None:
    certificate = write_web(tmp_path)
    web = await load_web_credentials(tmp_path)
    config = evolve(EMBEDDED, web_ports=(0,))
    async with open_router(config, web_credentials=web) as router:
        head, _ = await get(router, "/", certificate)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        async with open_smp_client(router.address) as client:
            await client.ping()


async def test_ports_and_credentials_for_browsers_belong_together() -> None:
    with pytest.raises(ConfigError, match="need credentials"):
        async with open_router(evolve(EMBEDDED, web_ports=(0,))):
            pass
    with pytest.raises(ConfigError, match="no web_ports"):
        async with open_router(web_credentials=TlsCredentials((b"certificate",), b"key")):
            pass


@pytest.mark.parametrize("alpn", [["smp/1"], ["http/1.1"], []])
async def test_alpn_of_every_kind_without_a_name(tmp_path: Path, alpn: list[str]) -> None:
    write_router(tmp_path)
    write_web(tmp_path)
    async with folder_router(tmp_path, web_ports=(0,)) as router:
        transport = ConnectConfig(web_port=WebPort.OFF)
        tls = await open_transport(router.address, alpn=alpn, config=transport)
        async with tls:
            assert tls.session.alpn == (alpn[0] if alpn else None)
            hello = await tls.receive_some(16384)
            highest = int.from_bytes(hello[4:6], "big")
            assert highest == (20 if alpn else 6)


async def test_name_on_a_port_that_is_not_for_browsers() -> None:
    async with open_router() as router:
        tls = await open_transport(router.address, alpn=["smp/1"], server_name="example.com")
        async with tls:
            assert len(await tls.receive_some(16384)) > 0  # the router's hello


# --- metrics ------------------------------------------------------------------------------------


async def test_metrics() -> None:
    config = evolve(EMBEDDED, metrics_port=0)
    async with open_router(config) as router, open_smp_client(router.address) as client:
        await client.create_queue()
        assert router.metrics_port is not None
        text = await fetch(router.metrics_port, "/metrics")
    assert b"simplex_router_queues 1.0\n" in text
    assert b"simplex_router_clients 1.0\n" in text
    assert b"simplex_router_queues_created_total 1.0\n" in text
    assert b"simplex_router_sockets_leaked 0.0\n" in text


async def test_nothing_else_beside_metrics() -> None:
    async with open_router(evolve(EMBEDDED, metrics_port=0)) as router:
        assert router.metrics_port is not None
        assert b" 404 " in await fetch(router.metrics_port, "/")


async def test_health(autojump_clock: MockClock) -> None:
    store = ReluctantStore()
    async with open_router(evolve(EMBEDDED, metrics_port=0), store=store) as router:
        port = router.metrics_port
        assert port is not None
        async with open_smp_client(router.address) as client:
            for page in ("/health/live", "/health/ready"):
                assert (await fetch(port, page)).startswith(b"HTTP/1.1 200 OK\r\n")
            store.is_full = True
            with pytest.raises(RouterError):
                await client.create_queue()
            assert (await fetch(port, "/health/live")).endswith(b"live\n")
            assert b"simplex_router_problems 1.0\n" in await fetch(port, "/metrics")
            unready = await fetch(port, "/health/ready")
            assert unready.startswith(b"HTTP/1.1 503 ")
            assert unready.endswith(b"\r\n\r\nthe store has no room\n")
            store.is_full = False
            await trio.sleep(RETRY_SECONDS + 1)
            await client.create_queue()
            assert router.problems() == ()


async def test_a_store_that_hangs_is_a_problem(autojump_clock: MockClock) -> None:
    store = ReluctantStore()
    config = evolve(EMBEDDED, intervals=evolve(EMBEDDED.intervals, statistics=10, close=1))
    async with open_router(config, store=store) as router:
        store.go = trio.Event()
        await trio.sleep(35)
        assert router.problems() == ()
        await trio.sleep(10)
        assert router.problems() == ("the store does not answer",)
        store.go.set()
        await trio.sleep(1)
        assert router.problems() == ()


async def fetch(port: int, path: str) -> bytes:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        return b"".join([data async for data in stream])
