"""Peers that change their keys again and again, and ask for the same, which only OpenSSL can do."""

from __future__ import annotations

import ctypes
import ctypes.util

import pytest
import trio
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from simplex_trio.transport.tls import TlsStream, server_handshake
from tests.transport.support import CONTEXT

_SSL = ctypes.util.find_library("ssl")
_CRYPTO = ctypes.util.find_library("crypto")

pytestmark = pytest.mark.skipif(_SSL is None or _CRYPTO is None, reason="no OpenSSL of the system")

REQUESTS = 300

MOST_UNANSWERED = 4096 // 27 + 1


class Client:
    """A client of the system's OpenSSL without input and output."""

    def __init__(self) -> None:
        self._ssl, self._crypto = ctypes.CDLL(_SSL), ctypes.CDLL(_CRYPTO)
        context = self._new(self._ssl.SSL_CTX_new, self._new(self._ssl.TLS_client_method))
        self._ssl.SSL_CTX_set_ciphersuites(context, b"TLS_CHACHA20_POLY1305_SHA256")
        self._connection = self._new(self._ssl.SSL_new, context)
        self._incoming, self._outgoing = (
            self._new(self._crypto.BIO_new, self._new(self._crypto.BIO_s_mem)) for _ in range(2)
        )
        self._ssl.SSL_set_bio(self._connection, self._incoming, self._outgoing)
        self._ssl.SSL_set_connect_state(self._connection)

    def _new(self, function: object, *args: object) -> ctypes.c_void_p:
        function.restype = ctypes.c_void_p  # type: ignore[attr-defined]
        return ctypes.c_void_p(function(*args))  # type: ignore[operator]

    def shake_hands(self, arrived: bytes | bytearray = b"") -> tuple[bool, bytes]:
        self._crypto.BIO_write(self._incoming, bytes(arrived), len(arrived))
        done = self._ssl.SSL_do_handshake(self._connection) == 1
        return done, self._unsent()

    def take(self, arrived: bytes | bytearray) -> None:
        self._crypto.BIO_write(self._incoming, bytes(arrived), len(arrived))
        buffer = ctypes.create_string_buffer(1 << 14)
        assert self._ssl.SSL_read(self._connection, buffer, len(buffer)) > 0
        self._unsent()

    def new_keys(self, *, asking: bool) -> bytes:
        """A change of keys, which may ask for one of the other side."""
        assert self._ssl.SSL_key_update(self._connection, int(asking)) == 1
        assert self._ssl.SSL_do_handshake(self._connection) == 1
        return self._unsent()

    def record(self, data: bytes) -> bytes:
        assert self._ssl.SSL_write(self._connection, data, len(data)) == len(data)
        return self._unsent()

    def _unsent(self) -> bytes:
        buffer = ctypes.create_string_buffer(1 << 16)
        size = self._crypto.BIO_read(self._outgoing, buffer, len(buffer))
        return buffer.raw[: max(size, 0)]


async def connected() -> tuple[Client, trio.abc.Stream, TlsStream]:
    client, (ours, theirs) = Client(), memory_stream_pair()

    async def shake_hands() -> None:
        done, unsent = client.shake_hands()
        while not done:
            await ours.send_all(unsent)
            done, unsent = client.shake_hands(await ours.receive_some())
        await ours.send_all(unsent)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(shake_hands)
        server = await server_handshake(theirs, CONTEXT)
    return client, ours, server


async def receive_for_ever(stream: TlsStream) -> None:
    while True:
        await stream.receive_some()


@pytest.mark.parametrize("data", [b"", b"x"])
async def test_a_peer_that_asks_for_new_keys_without_reading_is_refused(data: bytes) -> None:
    """Data that it sends in between, one byte for 30 requests, does not help."""
    client, ours, server = await connected()
    for number in range(REQUESTS):
        await ours.send_all(client.new_keys(asking=True))
        if data and number % 30 == 29:
            await ours.send_all(client.record(data))
    with pytest.raises(trio.BrokenResourceError):
        await receive_for_ever(server)


async def test_requests_that_come_one_by_one_are_counted_too() -> None:
    client, ours, server = await connected()
    refused = 0

    async def read() -> None:
        nonlocal refused
        with pytest.raises(trio.BrokenResourceError):
            await server.receive_some()
        refused = 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        for _ in range(MOST_UNANSWERED):
            await ours.send_all(client.new_keys(asking=True))
            await wait_all_tasks_blocked()
            if refused:
                break
    assert refused


async def test_requests_are_answered_with_the_next_data() -> None:
    client, ours, server = await connected()
    for _ in range(3 * MOST_UNANSWERED // 30):
        for _ in range(30):
            await ours.send_all(client.new_keys(asking=True))
        await ours.send_all(client.record(b"question"))
        assert await server.receive_some() == b"question"
        await server.send_all(b"answer")
        client.take(await ours.receive_some())


@pytest.mark.parametrize("count", [63, 64, 1000])
async def test_many_records_without_data_at_once(count: int) -> None:
    """As many as one call opens are refused, fewer are skipped."""
    client, ours, server = await connected()
    for _ in range(count):
        await ours.send_all(client.new_keys(asking=False))
    await ours.send_all(client.record(b"data"))
    if count < 64:
        assert await server.receive_some() == b"data"
    else:
        with pytest.raises(trio.BrokenResourceError):
            await server.receive_some()


async def test_new_keys_between_data_let_others_have_their_turn() -> None:
    client, ours, server = await connected()
    for _ in range(200):
        await ours.send_all(client.new_keys(asking=False))
        await ours.send_all(client.record(b"x"))
    received: list[int] = []
    while sum(received) < 200:
        received.append(len(await server.receive_some()))
    assert received == [32] * 6 + [8]
