"""The client, and routers whose answers and bodies are not what they should be."""

from __future__ import annotations

import errno
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from hashlib import sha256
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.crypto.keys import Ed25519PrivateKey, Ed25519PublicKey, X25519PublicKey
from simplex_trio.errors import (
    CryptoError,
    DecryptionFailed,
    EncodeError,
    MalformedResponse,
    RequestTimeout,
    SimplexError,
    StoreFull,
    UnexpectedResponseError,
)
from simplex_trio.wire.xftp.commands import FGET, FPUT
from simplex_trio.wire.xftp.errors import Blocked, BlockingReason, XFTPCode
from simplex_trio.wire.xftp.messages import ERR, FILE, OK, PONG, RIDS, SIDS
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.client_config import XFTPClientConfig
from simplex_trio.xftp.errors import (
    DigestMismatch,
    StreamReset,
    WrongBodySize,
    XFTPRouterError,
)
from tests.scenarios.xftp import pieces_of
from tests.xftp.support import Asked, client_of

KEY = Ed25519PrivateKey(bytes(32))


BODY = bytes(i % 251 for i in range(70_000))


DIGEST = sha256(BODY).digest()


async def download(client: XFTPClient, digest: bytes = DIGEST) -> bytes:
    received = bytearray()
    async with client.download(KEY, b"id", size=len(BODY), digest=digest) as pieces:
        async for piece in pieces:
            received += piece
    return bytes(received)


# --- answers --------------------------------------------------------------------------------------


async def test_answers_that_are_right() -> None:
    async def router(asked: Asked) -> None:
        assert len(asked.received.transmission.correlation_id) == 24
        await asked.answer(PONG())

    async with client_of(router) as client:
        await client.ping()
        assert repr(client) == "<XFTPClient at version 3: <Http2Client open, 0 requests>>"
        assert client.session_id == b"session".ljust(32)


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (XFTPCode.AUTH, False),
        (XFTPCode.QUOTA, True),
        (XFTPCode.TIMEOUT, True),
        (XFTPCode.DIGEST, False),
        (Blocked(BlockingReason.SPAM), False),
    ],
)
@pytest.mark.parametrize("named", [True, False])
async def test_errors(error: Any, retryable: bool, named: bool) -> None:
    async def router(asked: Asked) -> None:
        await asked.answer(ERR(error), **({} if named else {"correlation_id": b""}))

    async with client_of(router) as client:
        with pytest.raises(XFTPRouterError) as caught:
            await client.delete(KEY, b"id")
        assert caught.value.error == error
        assert caught.value.retryable is retryable
        assert str(caught.value) == str(error)
        assert client.is_usable


@pytest.mark.parametrize(
    "wrong",
    [
        {"correlation_id": bytes(24)},
        {"correlation_id": b""},
        {"entity_id": b"another"},
        {"entity_id": b"id", "message": PONG()},
        {"message": RIDS((b"x",))},
        {"message": ERR(XFTPCode.AUTH), "correlation_id": bytes(24)},
    ],
)
async def test_crossed_and_replayed_answers(wrong: dict[str, Any]) -> None:
    async def router(asked: Asked) -> None:
        await asked.answer(**{"message": OK(), **wrong})

    async with client_of(router) as client:
        with pytest.raises((UnexpectedResponseError, MalformedResponse)):
            await client.delete(KEY, b"id")
        assert client.is_usable


@pytest.mark.parametrize(
    "answer", [b"", b"x", bytes(16383), bytes(16384), b"\xff" * 16384], ids=range(5)
)
async def test_answers_that_are_none(answer: bytes) -> None:
    async def router(asked: Asked) -> None:
        await asked.send(answer)

    async with client_of(router) as client:
        with pytest.raises(MalformedResponse):
            await client.ping()


async def test_an_answer_with_something_behind_it() -> None:
    async def router(asked: Asked) -> None:
        await asked.send(asked.block(PONG()), b"more")

    async with client_of(router) as client:
        with pytest.raises(WrongBodySize):
            await client.ping()


async def test_the_answer_of_a_web_server() -> None:
    async def router(asked: Asked) -> None:
        await asked.request.respond(status=404, end=True)

    async with client_of(router) as client:
        with pytest.raises(UnexpectedResponseError):
            await client.ping()


async def test_a_request_that_is_reset() -> None:
    async def router(asked: Asked) -> None:
        await asked.send(b"half of a block", end=False)

    async with client_of(router) as client:
        with pytest.raises(StreamReset) as caught:
            await client.ping()
        assert caught.value.retryable
        assert client.is_usable


async def test_other_numbers_of_ids_than_of_keys() -> None:
    async def router(asked: Asked) -> None:
        message = RIDS((b"1",)) if asked.received.transmission.entity_id else SIDS(b"s", (b"1",))
        await asked.answer(message)

    keys = [KEY.public] * 2
    async with client_of(router) as client:
        with pytest.raises(UnexpectedResponseError):
            await client.add_recipients(KEY, b"id", keys)
        with pytest.raises(UnexpectedResponseError):
            await client.register(KEY, size=65536, digest=DIGEST, recipient_keys=keys)


async def test_more_recipients_than_fit() -> None:
    async def router(asked: Asked) -> None:
        raise AssertionError("nothing is sent")

    async with client_of(router) as client:
        with pytest.raises(EncodeError):
            await client.add_recipients(KEY, b"id", [Ed25519PublicKey(bytes(32))] * 256)
        with pytest.raises(EncodeError):
            await client.register(
                KEY,
                size=65536,
                digest=DIGEST,
                recipient_keys=[KEY.public],
                basic_auth=b"two words",
            )


# --- silence --------------------------------------------------------------------------------------


async def test_a_router_that_does_not_answer(autojump_clock: MockClock) -> None:
    async def router(asked: Asked) -> None:
        await trio.sleep_forever()

    async with client_of(router, XFTPClientConfig(request_seconds=20)) as client:
        with pytest.raises(RequestTimeout) as caught:
            await client.ping()
        assert trio.current_time() == pytest.approx(20, abs=0.1)
        assert caught.value.retryable
        with pytest.raises(RequestTimeout):
            await download(client)
        assert client.is_usable


async def test_a_router_that_takes_no_body(autojump_clock: MockClock) -> None:
    async def router(asked: Asked) -> None:
        await trio.sleep_forever()

    config = XFTPClientConfig(request_seconds=20, seconds_per_kib=0.1)
    async with client_of(router, config) as client:
        started = trio.current_time()
        with pytest.raises(RequestTimeout):
            await client.upload(KEY, b"id", 10 * 1024 * 1024, pieces_of(bytes(10 * 1024 * 1024)))
        assert trio.current_time() - started == pytest.approx(20 + 1024, abs=0.1)


async def test_a_body_that_stops(autojump_clock: MockClock) -> None:
    async def router(asked: Asked) -> None:
        block, body, _ = asked.file(BODY)
        await asked.send(block, body[:60_000], end=False)
        await trio.sleep_forever()

    async with client_of(router, XFTPClientConfig(request_seconds=20)) as client:
        with pytest.raises(RequestTimeout):
            await download(client)
        assert trio.current_time() == pytest.approx(20, abs=0.1)


async def test_a_body_that_drips(autojump_clock: MockClock) -> None:
    """It never stops for long, and is given up all the same."""

    async def router(asked: Asked) -> None:
        block, body, tag = asked.file(BODY)
        await asked.send(block, end=False)
        for byte in body + tag:
            await trio.sleep(1)
            await asked.request.stream.send(bytes([byte]))

    async with client_of(router, XFTPClientConfig(request_seconds=20)) as client:
        with pytest.raises(RequestTimeout):
            await download(client)
        assert 20 < trio.current_time() < 40


async def test_taking_time_over_a_body_is_no_fault_of_the_router(
    autojump_clock: MockClock,
) -> None:
    async def router(asked: Asked) -> None:
        await asked.send(*asked.file(BODY))

    async with client_of(router, XFTPClientConfig(request_seconds=20)) as client:
        received = bytearray()
        async with client.download(KEY, b"id", size=len(BODY), digest=DIGEST) as pieces:
            async for piece in pieces:
                await trio.sleep(1000)
                received += piece
        assert received == BODY


# --- bodies ---------------------------------------------------------------------------------------


async def test_a_body_that_is_right() -> None:
    async def router(asked: Asked) -> None:
        await asked.send(*asked.file(BODY))

    async with client_of(router) as client:
        assert await download(client) == BODY


def changed(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda body, tag: (body[:-1], b""), WrongBodySize),
        (lambda body, tag: (b"", b""), WrongBodySize),
        (lambda body, tag: (body, b""), WrongBodySize),
        (lambda body, tag: (body, tag[:-1]), WrongBodySize),
        (lambda body, tag: (body, tag + b"!"), WrongBodySize),
        (lambda body, tag: (body, tag + bytes(1_000_000)), WrongBodySize),
        (lambda body, tag: (body[:-1], tag), WrongBodySize),
        (lambda body, tag: (body, changed(tag)), DecryptionFailed),
        (lambda body, tag: (changed(body), tag), DecryptionFailed),
    ],
    ids=range(9),
)
async def test_bodies_that_are_not(change: Any, error: type[SimplexError]) -> None:
    async def router(asked: Asked) -> None:
        block, body, tag = asked.file(BODY)
        await asked.send(block, *change(body, tag))

    async with client_of(router) as client:
        with pytest.raises(error):
            await download(client)
        assert client.is_usable


async def test_a_degenerate_key() -> None:
    async def router(asked: Asked) -> None:
        await asked.send(asked.block(FILE(X25519PublicKey(bytes(32)), bytes(24))), BODY)

    async with client_of(router) as client:
        with pytest.raises(CryptoError):
            await download(client)
        assert client.is_usable


async def test_pieces_are_handled_where_they_are_decrypted() -> None:
    threads = []

    async def router(asked: Asked) -> None:
        await asked.send(*asked.file(BODY))

    def handle(piece: memoryview) -> bytes:
        threads.append(threading.current_thread())
        return piece[::-1].tobytes()

    async with (
        client_of(router) as client,
        client.download(KEY, b"id", size=len(BODY), digest=DIGEST, handle=handle) as found,
    ):
        pieces = [piece async for piece in found]
    assert b"".join(piece[::-1] for piece in pieces) == BODY
    assert threading.main_thread() not in threads
    assert len(threads) == len(pieces)


async def test_a_full_disk_while_a_piece_is_handled() -> None:
    async def router(asked: Asked) -> None:
        await asked.send(*asked.file(BODY))

    def handle(_: memoryview) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with client_of(router) as client:
        given = client.download(KEY, b"id", size=len(BODY), digest=DIGEST, handle=handle)
        async with given as found:
            with pytest.raises(StoreFull):
                await anext(aiter(found))
        assert client.is_usable


async def test_another_body_than_described() -> None:
    async def router(asked: Asked) -> None:
        await asked.send(*asked.file(BODY))

    async with client_of(router) as client:
        with pytest.raises(DigestMismatch):
            await download(client, bytes(32))


async def test_an_endless_body() -> None:
    async def router(asked: Asked) -> None:
        await asked.send(asked.file(BODY)[0], end=False)
        while True:
            await asked.request.stream.send(bytes(100_000))

    async with client_of(router) as client:
        with pytest.raises(WrongBodySize):
            await download(client)
        assert client.is_usable


# --- uploads --------------------------------------------------------------------------------------


async def test_the_answer_to_an_upload_may_come_early() -> None:
    async def router(asked: Asked) -> None:
        await asked.answer(ERR(XFTPCode.QUOTA))

    ended = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal ended
        try:
            while True:
                yield bytes(100_000)
        finally:
            ended += 1

    times = 10  # whichever comes first, the answer or that nothing more is taken
    async with client_of(router) as client:
        for _ in range(times):
            with pytest.raises(XFTPRouterError):
                await client.upload(KEY, b"id", 10**9, body())
        assert ended == times
        assert client.is_usable


@pytest.mark.parametrize("size", [69_999, 70_001])
async def test_a_body_of_another_size_than_said(size: int) -> None:
    received: list[bytes] = []

    async def router(asked: Asked) -> None:
        assert isinstance(asked.command, FPUT)
        received.append(await asked.body.read_up_to(1_000_000))
        await asked.answer(OK())

    async with client_of(router) as client:
        with pytest.raises(WrongBodySize):
            await client.upload(KEY, b"id", size, pieces_of(BODY, 1000))
        await client.upload(KEY, b"id", len(BODY), pieces_of(BODY, 1000))
        assert received[-1] == BODY
        assert all(len(body) <= len(BODY) for body in received)


@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_body_that_is_given_up_at_its_very_end(goes_on: bool) -> None:
    """All bytes were there, but not the end: the router must not have all of it."""
    received: list[bytes] = []

    async def router(asked: Asked) -> None:
        received.append(await asked.body.read_up_to(1_000_000))

    async def body() -> AsyncIterator[bytes]:
        yield BODY
        if goes_on:
            yield b"more"
        scope.cancel()
        await trio.sleep_forever()

    async with client_of(router) as client:
        for _ in range(2):
            with trio.CancelScope() as scope, suppress(WrongBodySize):
                await client.upload(KEY, b"id", len(BODY), body())
                raise AssertionError("it was not uploaded")
        await wait_all_tasks_blocked(0.01)
        assert all(len(each) < len(BODY) for each in received)


async def test_unread_downloads_do_not_stop_the_others(
    autojump_clock: MockClock,
) -> None:
    async def router(asked: Asked) -> None:
        if isinstance(asked.command, FGET):
            await asked.send(*asked.file(bytes(2 * 1024 * 1024)))
        else:
            await asked.answer(PONG())

    async with client_of(router) as client, AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_async_context(
                client.download(KEY, b"id", size=2 * 1024 * 1024, digest=DIGEST)
            )
        await client.ping()


async def test_three_requests_are_sent_at_a_time(autojump_clock: MockClock) -> None:
    sending = peak = 0

    async def router(asked: Asked) -> None:
        await asked.body.read_up_to(1_000_000)
        await trio.sleep(10)  # while it is being answered, others may be sent
        await asked.answer(OK())

    async def slow() -> AsyncIterator[bytes]:
        nonlocal sending, peak
        sending += 1
        peak = max(peak, sending)
        await trio.sleep(1)
        yield BODY
        sending -= 1

    async with client_of(router) as client, trio.open_nursery() as nursery:
        for _ in range(9):
            nursery.start_soon(client.upload, KEY, b"id", len(BODY), slow())
    assert peak == 3
    assert trio.current_time() == pytest.approx(3 + 10, abs=0.5)
