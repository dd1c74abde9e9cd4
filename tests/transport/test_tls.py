from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count

import pytest
import trio
from trio.testing import (
    check_two_way_stream,
    lockstep_stream_pair,
    memory_stream_pair,
    wait_all_tasks_blocked,
)

from simplex_trio.errors import TLSFailed
from simplex_trio.transport.tls import (
    ServerContext,
    TlsCredentials,
    TlsStream,
    client_handshake,
    server_handshake,
)
from tests.transport.support import (
    ALPN,
    CONTEXT,
    PIN,
    ROUTER,
    ROUTER_TLS,
    SERVICE,
    SERVICE_TLS,
    cancelled_at_step,
    chain_of,
    now,
    pin_of,
    tls_pair,
    web_credentials,
)


async def test_both_sides_name_the_session_by_the_finished_message_of_the_client() -> None:
    client, server = await tls_pair()
    assert client.session.session_id == server.session.session_id
    assert len(client.session.session_id) == 32
    another, _ = await tls_pair()
    assert another.session.session_id != client.session.session_id


async def test_what_is_negotiated() -> None:
    client, server = await tls_pair()
    for session in (client.session, server.session):
        assert session.tls_version == "TLSv1.3"
        assert session.suite == "TLS_CHACHA20_POLY1305_SHA256"
        assert session.group == "x448"
        assert session.alpn == "smp/1"


async def test_each_side_knows_what_the_other_showed() -> None:
    client, server = await tls_pair()
    assert client.session.peer_chain == ROUTER.chain
    assert server.session.peer_chain is None
    assert not client.session.certificate_sent
    assert not server.session.certificate_sent
    assert client.session.server_name is None
    assert server.session.server_name is None


@pytest.mark.parametrize("length", [2, 3, 4])
async def test_the_identity_is_the_second_certificate(length: int) -> None:
    credentials = chain_of(length)
    context = ServerContext(credentials, alpn=ALPN)
    client, _ = await tls_pair(context=context, pin=pin_of(credentials))
    assert client.session.peer_chain is not None
    assert client.session.peer_chain.certificates == credentials.certificates


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ((), None),
        (("smp/1",), "smp/1"),
        (("http/1.1",), "http/1.1"),
        (("ntf/1", "http/1.1", "smp/1"), "http/1.1"),
        (("xftp/1",), None),
    ],
)
async def test_the_first_protocol_of_the_client_that_the_server_knows(
    offered: tuple[str, ...], agreed: str | None
) -> None:
    client, server = await tls_pair(alpn=offered)
    assert client.session.alpn == agreed
    assert server.session.alpn == agreed


async def test_a_service_shows_its_certificate() -> None:
    client, server = await tls_pair(credentials=SERVICE_TLS)
    assert client.session.certificate_sent
    assert server.session.certificate_sent
    assert server.session.peer_chain == SERVICE.chain


@pytest.mark.parametrize("length", [1, 2, 3, 4])
async def test_a_client_may_show_a_chain(length: int) -> None:
    credentials = chain_of(length)
    client, server = await tls_pair(credentials=credentials)
    assert client.session.certificate_sent
    assert server.session.peer_chain is not None
    assert server.session.peer_chain.certificates == credentials.certificates


async def test_a_service_is_not_asked_by_every_server() -> None:
    context = ServerContext(ROUTER_TLS, alpn=ALPN, asks_clients=False)
    client, server = await tls_pair(context=context, credentials=SERVICE_TLS)
    assert not client.session.certificate_sent
    assert not server.session.certificate_sent


async def test_a_server_name_is_only_sent_when_asked_for() -> None:
    _, server = await tls_pair(server_name="router.example")
    assert server.session.server_name == "router.example"


async def test_a_server_name_gets_the_web_credentials() -> None:
    web = web_credentials()
    context = ServerContext(ROUTER_TLS, alpn=ALPN, web=web)
    assert context.serves_web
    shown, session = await _as_browser(context, "router.example")
    assert shown == web.certificates[0]
    assert session.session.server_name == "router.example"
    assert session.session.alpn == "http/1.1"


async def test_without_a_server_name_a_web_port_is_the_router() -> None:
    context = ServerContext(ROUTER_TLS, alpn=ALPN, web=web_credentials())
    client, server = await tls_pair(context=context, alpn=("http/1.1",))
    assert client.session.peer_chain == ROUTER.chain
    assert client.session.alpn == "http/1.1"
    assert server.session.server_name is None
    assert client.session.suite == "TLS_CHACHA20_POLY1305_SHA256"


async def test_without_web_credentials_a_server_name_changes_nothing() -> None:
    assert not CONTEXT.serves_web
    client, server = await tls_pair(server_name="router.example")
    assert client.session.peer_chain == ROUTER.chain
    assert server.session.server_name == "router.example"


async def _as_browser(
    context: ServerContext, name: str | None, *, curve: str | None = None
) -> tuple[bytes | None, TlsStream]:
    """Connect with what the standard library offers, and return the certificate that is shown."""
    browser = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    browser.check_hostname = False
    browser.verify_mode = ssl.CERT_NONE
    browser.set_alpn_protocols(["h2", "http/1.1"])
    if curve is not None:
        browser.set_ecdh_curve(curve)
    ours, theirs = memory_stream_pair()
    stream = trio.SSLStream(ours, browser, server_hostname=name, https_compatible=True)
    accepted: list[TlsStream] = []

    async def serve() -> None:
        accepted.append(await server_handshake(theirs, context, clock=now))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await stream.do_handshake()
    return stream.getpeercert(binary_form=True), accepted[0]


async def test_a_web_port_also_serves_browsers_without_the_suite_of_routers() -> None:
    context = ServerContext(ROUTER_TLS, alpn=ALPN, web=web_credentials())
    _, session = await _as_browser(context, "router.example", curve="prime256v1")
    assert session.session.group == "secp256r1"


async def test_the_contract_of_streams_over_memory_and_lockstep() -> None:
    # Lockstep streams write nothing until the other side reads, so they show what a clogged
    # connection does; saying goodbye over one would wait for ever, as it has to.
    async def make_clogged() -> tuple[TlsStream, TlsStream]:
        return await tls_pair(lockstep_stream_pair())

    await check_two_way_stream(tls_pair, make_clogged)


@pytest.mark.parametrize("size", [1, 16_384, 16_385, 1 << 20])
async def test_all_of_one_write_arrives(size: int) -> None:
    client, server = await tls_pair()
    data = bytes(i * 31 % 251 for i in range(size))
    for sender, receiver in ((client, server), (server, client)):
        received = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sender.send_all, data)
            while len(received) < size:
                received += await receiver.receive_some()
        assert received == data


async def test_the_buffers_of_an_idle_connection_are_small() -> None:
    client, server = await tls_pair()

    def buffers(stream: TlsStream) -> tuple[object, object]:
        openssl = stream._connection._connection
        return openssl._into_ssl, openssl._from_ssl

    async def exchange(size: int) -> None:
        async def receive(stream: TlsStream) -> None:
            left = size
            while left:
                left -= len(await stream.receive_some())

        async with trio.open_nursery() as nursery:
            for stream in (client, server):
                nursery.start_soon(receive, stream)
            await wait_all_tasks_blocked()
            for stream in (client, server):
                nursery.start_soon(stream.send_all, bytes(size))

    await exchange(100)
    before = buffers(client) + buffers(server)
    await exchange(100)
    assert buffers(client) + buffers(server) == before
    await exchange(16_384)
    for old, new in zip(before, buffers(client) + buffers(server), strict=True):
        assert new is not old


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_any_kind_of_bytes_can_be_sent(kind: type[bytes]) -> None:
    client, server = await tls_pair()
    await client.send_all(kind(b"abc"))
    assert await server.receive_some() == b"abc"


async def test_a_goodbye_is_the_end() -> None:
    client, server = await tls_pair()
    await client.send_all(b"last")
    await client.aclose()
    assert await server.receive_some() == b"last"
    assert await server.receive_some() == b""
    assert await server.receive_some() == b""


async def test_a_connection_dropped_without_a_goodbye_has_ended_too() -> None:
    client, server = await tls_pair()
    await client.send_all(b"last")
    await client.transport_stream.aclose()
    assert await server.receive_some() == b"last"
    assert await server.receive_some() == b""
    assert await server.receive_some() == b""
    await server.aclose()


async def test_tampering_breaks_the_connection() -> None:
    ours, theirs = memory_stream_pair()
    client, server = await tls_pair((ours, theirs))
    await ours.send_all(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(trio.BrokenResourceError):
        await server.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await server.receive_some()
    await client.aclose()
    await server.aclose()


@pytest.mark.parametrize("times", [1, 3])
async def test_what_came_before_tampering_is_received(times: int) -> None:
    """What is behind it is told the next time, and keeps nothing alive."""
    ours, theirs = memory_stream_pair()
    client, server = await tls_pair((ours, theirs))
    for _ in range(times):
        await client.send_all(b"data")
    await ours.send_all(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert await server.receive_some() == b"data" * times
    tls = server._connection
    with pytest.raises(ssl.SSLError, match="bad record mac"):
        tls.decrypt(1)
    assert tls._failure is None
    with pytest.raises(ssl.SSLError) as caught:
        tls.decrypt(1)
    assert not isinstance(caught.value, ssl.SSLEOFError)
    with pytest.raises(trio.BrokenResourceError):
        await server.receive_some()


@pytest.mark.parametrize(
    ("most", "pieces"), [(100_000, [36_385]), (None, [32_768, 3_617]), (1, [1] * 10)]
)
async def test_several_records_are_received_at_once_with_the_goodbye_behind_them(
    most: int | None, pieces: list[int]
) -> None:
    client, server = await tls_pair()
    for size in (1, 16_384, 20_000):
        await client.send_all(bytes(size))
    await client.aclose()
    for size in pieces:
        assert await server.receive_some(most) == bytes(size)
    left = await server.receive_some(100_000)
    assert len(left) == 36_385 - sum(pieces)
    assert await server.receive_some(most) == b""


async def test_tiny_records_let_others_have_their_turn() -> None:
    client, server = await tls_pair()
    for _ in range(150):
        await client.send_all(b"x")
    assert [len(await server.receive_some()) for _ in range(3)] == [64, 64, 22]


@pytest.mark.parametrize("received", [0, 10])
async def test_closing_with_unread_data(received: int) -> None:
    client, server = await tls_pair()
    await client.send_all(bytes(40_000))
    if received:
        assert await server.receive_some(received) == bytes(received)
    await server.aclose()
    assert await client.receive_some() == b""


async def test_sessions_and_credentials_show_no_secrets() -> None:
    client, _ = await tls_pair()
    for value in (client, client.session, ROUTER_TLS):
        text = repr(value)
        assert "32 bytes" in text or "items" in text
        assert client.session.session_id.hex() not in text
        assert "b'" not in text


def test_a_key_that_is_not_the_certificates() -> None:
    with pytest.raises(ValueError, match="does not take"):
        ServerContext(TlsCredentials(ROUTER_TLS.certificates, SERVICE_TLS.private_key), alpn=ALPN)


@pytest.mark.parametrize("side", ["client", "server"])
async def test_cancelling_a_handshake_closes_the_stream(side: str) -> None:
    for step in count(1):
        ours, theirs = memory_stream_pair()

        async def be_client(stream: trio.abc.Stream = ours) -> TlsStream:
            return await client_handshake(stream, pin=PIN, clock=now)

        async def be_server(stream: trio.abc.Stream = theirs) -> TlsStream:
            return await server_handshake(stream, CONTEXT, clock=now)

        async def the_other(run: Callable[[], Awaitable[TlsStream]]) -> None:
            with suppress(TLSFailed):
                await run()

        run, other = (be_client, be_server) if side == "client" else (be_server, be_client)
        stream = ours if side == "client" else theirs
        async with trio.open_nursery() as nursery:
            nursery.start_soon(the_other, other)
            cancelled = await cancelled_at_step(step, run)
        if not cancelled:
            assert step > 2
            break
        with pytest.raises(trio.ClosedResourceError):
            await stream.send_all(b"anything")


async def test_a_peer_that_ends_its_own_side_is_still_answered() -> None:
    client, server = await tls_pair()
    below = client.transport_stream
    assert isinstance(below, trio.StapledStream)
    await client.send_all(b"the last question")
    await below.send_stream.aclose()
    assert await server.receive_some() == b"the last question"
    for _ in range(2):
        assert await server.receive_some() == b""
    await server.send_all(b"an answer")
    assert await client.receive_some() == b"an answer"
    await server.aclose()
    assert await client.receive_some() == b""
    await trio.aclose_forcefully(client)
