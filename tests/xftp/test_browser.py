"""Browsers: another certificate, no view of TLS, and questions before they ask anything."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import evolve
from h2 import events

from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.crypto.padding import pad, unpad
from simplex_trio.errors import StoreUnavailable
from simplex_trio.wire.buffer import Reader, short, word16
from simplex_trio.wire.certificates import decode_proven_key
from simplex_trio.wire.transmissions import prepare_transmission
from simplex_trio.wire.versions import VersionRange
from simplex_trio.wire.xftp.blocks import (
    XFTP_BLOCK_SIZE,
    read_response,
    seal_transmission,
    xftp_session,
)
from simplex_trio.wire.xftp.commands import FGET, FNEW, FPUT, Command, PacketInfo
from simplex_trio.wire.xftp.handshake import encode_client_hello
from simplex_trio.wire.xftp.messages import FILE, OK, SIDS, Message
from simplex_trio.xftp.router.pages import Page
from simplex_trio.xftp.router.server import EMBEDDED, XFTPRouter, open_xftp_router
from tests.scenarios.xftp import NewPacket, client_at
from tests.transport.support import web_credentials
from tests.xftp.browsers import Browser, browser_on

FOR_BROWSERS = evolve(EMBEDDED, web_ports=EMBEDDED.ports)


@asynccontextmanager
async def web_router() -> AsyncIterator[XFTPRouter]:
    async with open_xftp_router(FOR_BROWSERS, web_credentials=web_credentials()) as router:
        yield router


async def shake_hands(browser: Browser, identity: bytes) -> bytes:
    """As a page does it; the session id."""
    challenge = os.urandom(32)
    hello = pad(encode_client_hello(challenge), XFTP_BLOCK_SIZE)
    headers, answer = await browser.fetch(hello, {"xftp-web-hello": "1"})
    assert headers[b"access-control-allow-origin"] == b"*"
    reader = Reader(unpad(answer))
    assert VersionRange.decode(reader).highest == 3
    session_id = reader.short()
    proof = decode_proven_key(reader)
    assert proof.chain.identity_fingerprint == identity
    key = proof.chain.leaf_key()
    proof.signed_key.verify(key)
    key.verify(reader.short(), challenge + session_id)
    _, answer = await browser.fetch(
        pad(word16(3) + short(identity), XFTP_BLOCK_SIZE), {"xftp-handshake": "1"}
    )
    assert answer == b""
    return session_id


async def ask(
    browser: Browser,
    session_id: bytes,
    command: Command,
    key: Ed25519PrivateKey,
    entity_id: bytes = b"",
    body: bytes = b"",
) -> tuple[Message, bytes]:
    session = xftp_session(3, session_id)
    unsent = prepare_transmission(session, b"", entity_id, command.encode(3))
    block = seal_transmission(unsent.finish(key.sign(unsent.authorized)), session)
    headers, answer = await browser.fetch(block + body)
    assert headers[b"access-control-expose-headers"] == b"*"
    received = read_response(answer[:XFTP_BLOCK_SIZE], session)
    assert received.correlation_id == b""
    return received.message, answer[XFTP_BLOCK_SIZE:]


async def test_a_packet_from_a_browser() -> None:
    packet = NewPacket(recipients=1)
    sender_key, (recipient_key,) = packet.sender_key, packet.recipient_keys
    assert isinstance(sender_key, Ed25519PrivateKey)
    assert isinstance(recipient_key, Ed25519PrivateKey)
    async with web_router() as router, browser_on(router.ports[0]) as browser:
        session_id = await shake_hands(browser, router.address.key_hash)
        info = PacketInfo(sender_key.public, len(packet.body), packet.digest)
        command = FNEW(info, (recipient_key.public,))
        message, _ = await ask(browser, session_id, command, sender_key)
        assert isinstance(message, SIDS)
        message, _ = await ask(
            browser, session_id, FPUT(), sender_key, message.sender_id, packet.body
        )
        assert message == OK()

        async with client_at(str(router.address)) as client:
            other = NewPacket(recipients=1)
            await other.register(client)
            await other.upload(client)
        key = other.recipient_keys[0]
        assert isinstance(key, Ed25519PrivateKey)
        message, body = await ask(
            browser,
            session_id,
            FGET(X25519PrivateKey.generate().public),
            key,
            other.ids.recipient_ids[0],
        )
        assert isinstance(message, FILE)
        assert len(body) == len(other.body) + 16


async def test_asking_whether_it_may_ask() -> None:
    async with web_router() as router, browser_on(router.ports[0]) as browser:
        headers, body = await browser.fetch(method="OPTIONS")
        assert headers[b":status"] == b"200"
        assert headers[b"access-control-allow-methods"] == b"POST, OPTIONS"
        assert headers[b"access-control-allow-headers"] == b"*"
        assert body == b""
        headers, _ = await browser.fetch(method="PUT")
        assert headers[b":status"] == b"405"


async def test_a_session_that_the_router_does_not_know() -> None:
    async with web_router() as router, browser_on(router.ports[0]) as browser:
        _, answer = await browser.fetch(bytes(XFTP_BLOCK_SIZE))
        assert unpad(answer) == b"SESSION"
        await shake_hands(browser, router.address.key_hash)


async def test_two_tabs_on_one_connection() -> None:
    packet = NewPacket(recipients=1)
    key = packet.sender_key
    assert isinstance(key, Ed25519PrivateKey)
    info = PacketInfo(key.public, len(packet.body), packet.digest)
    async with web_router() as router, browser_on(router.ports[0]) as browser:
        first = await shake_hands(browser, router.address.key_hash)
        second = await shake_hands(browser, router.address.key_hash)
        assert first == second
        command = FNEW(info, (packet.recipient_keys[0].public,))
        message, _ = await ask(browser, first, command, key)
        assert isinstance(message, SIDS)


async def test_pages(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes(b"<!doctype html>")
    (tmp_path / "large.js").write_bytes(bytes(3_000_000))
    config = evolve(FOR_BROWSERS, pages=tmp_path)
    async with (
        open_xftp_router(config, web_credentials=web_credentials()) as router,
        browser_on(router.ports[0]) as browser,
    ):
        headers, body = await browser.fetch(method="GET")
        assert (headers[b":status"], body) == (b"200", b"<!doctype html>")
        assert headers[b"content-type"] == b"text/html; charset=utf-8"
        assert headers[b"x-content-type-options"] == b"nosniff"
        headers, body = await browser.fetch(method="HEAD")
        assert (headers[b"content-length"], body) == (b"15", b"")
        _, body = await browser.fetch(method="GET", headers={":path": "/large.js"})
        assert body == bytes(3_000_000)
        headers, body = await browser.fetch(method="GET", headers={":path": "/missing"})
        assert (headers[b":status"], body) == (b"404", b"")
        # The page that was loaded uses the same connection.
        await shake_hands(browser, router.address.key_hash)


async def test_no_pages(tmp_path: Path) -> None:
    async with web_router() as router, browser_on(router.ports[0]) as browser:
        # The page of the router itself, as every router has it.
        headers, body = await browser.fetch(method="GET")
        assert headers[b":status"] == b"200"
        assert headers[b"content-security-policy"].startswith(b"default-src 'none'")
        assert b"<title>XFTP router</title>" in body
        assert str(router.address).encode() in body
        assert headers[b"content-length"] == str(len(body)).encode()
        headers, body = await browser.fetch(method="HEAD")
        assert (headers[b":status"], body) == (b"200", b"")
        headers, body = await browser.fetch(method="GET", headers={":path": "/?x"})
        assert headers[b":status"] == b"200"
        headers, body = await browser.fetch(method="GET", headers={":path": "/missing"})
        assert headers[b":status"] == b"404"
        await shake_hands(browser, router.address.key_hash)
    with pytest.raises(ValueError, match="for browsers"):
        async with open_xftp_router(evolve(EMBEDDED, pages=tmp_path)):
            pass


async def test_a_page_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every client may ask for it: it is told in one line, and the connection stays."""
    (tmp_path / "index.html").write_bytes(b"<!doctype html>")

    async def failing(_: Page) -> bytes:
        raise StoreUnavailable("input/output error")

    monkeypatch.setattr(Page, "read", failing)
    config = evolve(FOR_BROWSERS, pages=tmp_path)
    async with (
        open_xftp_router(config, web_credentials=web_credentials()) as router,
        browser_on(router.ports[0]) as browser,
    ):
        browser.peer.h2.end_stream(browser.begin({":method": "GET"}))
        await browser.peer.flush()
        assert await browser.peer.see(events.ResponseReceived)
        assert await browser.peer.see(events.StreamReset)
        await shake_hands(browser, router.address.key_hash)
    (told,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert told.message == "a page cannot be read: input/output error"
    assert told.exc_info is None


async def test_a_connection_that_had_a_page_is_kept(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "index.html").write_bytes(b"<!doctype html>")
    config = evolve(FOR_BROWSERS, pages=tmp_path)
    async with (
        open_xftp_router(config, web_credentials=web_credentials()) as router,
        browser_on(router.ports[0]) as browser,
    ):
        await browser.fetch(method="GET")
        mock_clock.jump(config.limits.handshake_seconds + 1)
        await shake_hands(browser, router.address.key_hash)


async def test_a_router_without_credentials_for_browsers() -> None:
    """A name that the client looks for means nothing then."""
    async with open_xftp_router() as router, client_at(str(router.address)) as client:
        await client.ping()
    async with web_router() as router, client_at(str(router.address)) as client:
        await client.ping()
