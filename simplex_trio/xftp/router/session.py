"""One client's connection to a router, from its handshake to its end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, closing, suppress
from http import HTTPStatus
from typing import Final

import trio

from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.errors import StoreError
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.serving.http import HttpResponse
from simplex_trio.serving.shares import Share
from simplex_trio.transport.places import Places
from simplex_trio.transport.tls import TlsStream
from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.transmissions import prepare_transmission
from simplex_trio.wire.xftp.blocks import (
    XFTP_BLOCK_SIZE,
    RefusedRequest,
    read_request,
    seal_transmission,
)
from simplex_trio.wire.xftp.handshake import (
    HANDSHAKE_HEADER,
    HELLO_HEADER,
    WebStep,
    XFTPAgreement,
    XFTPRouterHandshake,
    without_handshake,
)
from simplex_trio.xftp.bodies import BodyReader, WaitBudget
from simplex_trio.xftp.http2.limits import Http2Limits
from simplex_trio.xftp.http2.server import Http2Server, ServerRequest
from simplex_trio.xftp.router.commands import Commands, SealedBody
from simplex_trio.xftp.router.config import XFTPClientLimits
from simplex_trio.xftp.router.pages import Pages

__all__ = ["serve_client"]

_log = logging.getLogger(__name__)

_PREFLIGHT: Final = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, OPTIONS",
    "access-control-allow-headers": "*",
    "access-control-max-age": "86400",
}
"""The answer to the preflight request, by which browsers allow pages of other origins."""

_FOR_ANY_ORIGIN: Final = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "*",
}

_RETRY_AFTER: Final = "60"
"""Seconds; by then the files of stalled clients have been closed."""

_MIB = 1024 * 1024

_LARGEST_REST = 4 * _MIB
"""Bytes to receive of a body that is discarded: no more than a whole one."""


async def serve_client(
    tls: TlsStream,
    credentials: RouterCredentials,
    commands: Commands,
    limits: XFTPClientLimits,
    share: Share,
    places: Places,
    pages: Pages | None,
) -> None:
    """Serve a client until it disconnects, or is idle for too long.

    ``share`` is the connection's share in the router's open files, ``places`` are the router's
    places for connections, and ``pages`` are for browsers, on ports that serve them.
    """
    await _Session(tls, credentials, commands, limits, share, places, pages).run()


class _Session:
    def __init__(
        self,
        tls: TlsStream,
        credentials: RouterCredentials,
        commands: Commands,
        limits: XFTPClientLimits,
        share: Share,
        places: Places,
        pages: Pages | None,
    ) -> None:
        self._commands = commands
        self._share = share
        self._limits = limits
        self._places = places
        # Only browsers send the name of the server.
        self._pages = None if tls.session.server_name is None else pages
        self._is_web = self._pages is not None
        self._is_known = trio.Event()  # as a client, or as a browser that has had a page
        self._handshake: XFTPRouterHandshake | None = None
        self._agreement: XFTPAgreement | None = None
        if tls.session.alpn is None:
            self._agree(without_handshake(tls.session.session_id))
        else:
            self._handshake = XFTPRouterHandshake(
                session_id=tls.session.session_id,
                chain=credentials.chain,
                signing_key=credentials.key,
                session_key=X25519PrivateKey.generate(),
                is_web=self._is_web,
            )
        buffered = limits.buffered
        self._http = Http2Server(
            tls,
            self._serve,
            Http2Limits(
                streams=limits.requests,
                stream_window=min(buffered, _MIB),
                connection_window=buffered,
                write_seconds=limits.body_seconds,
            ),
        )

    def _agree(self, agreement: XFTPAgreement) -> None:
        self._agreement = agreement
        self._is_known.set()
        self._verifier = Verifier(agreement.session_key)

    async def run(self) -> None:
        try:
            async with open_inner_nursery() as nursery:
                nursery.start_soon(self._disconnect_idle, nursery.cancel_scope)
                await self._http.run()
                nursery.cancel_scope.cancel()
        finally:
            del self._http  # which has this session as its handler: a reference cycle

    async def _disconnect_idle(self, scope: trio.CancelScope) -> None:
        limits = self._limits
        with suppress(trio.TooSlowError), self._places.handshake(limits.first_seconds):
            await self._is_known.wait()
        if self._is_known.is_set():
            while True:
                left = limits.idle_seconds - self._http.idle_seconds
                if left <= 0:
                    break
                await trio.sleep(left)
        await self._http.aclose()
        scope.cancel()

    # --- requests -----------------------------------------------------------------------------

    async def _serve(self, request: ServerRequest) -> None:
        match request.method:
            case b"POST":
                await self._serve_post(request)
            case b"OPTIONS" if self._is_web:
                await request.respond(_PREFLIGHT, end=True)
            case b"GET" | b"HEAD" if self._pages is not None:
                await self._serve_page(request, self._pages)
            case _:
                await request.respond(status=HTTPStatus.METHOD_NOT_ALLOWED, end=True)

    async def _serve_page(self, request: ServerRequest, pages: Pages) -> None:
        if not self._share.take():
            self._commands.turn_away()
            await request.respond(
                {"retry-after": _RETRY_AFTER}, status=HTTPStatus.SERVICE_UNAVAILABLE, end=True
            )
            return
        try:
            await self._send_page(request, pages)
        except StoreError as exc:
            # Any client can cause this, so it gets a single line.
            _log.error("a page cannot be read: %s", exc)
        finally:
            self._share.give_back()

    async def _send_page(self, request: ServerRequest, pages: Pages) -> None:
        target = request.headers.get(b":path", b"")
        answer = pages.answer(target)
        if answer is not None:
            await self._send_answer(request, answer)
            return
        page = await pages.open(target)
        if page is None:
            await request.respond(status=HTTPStatus.NOT_FOUND, end=True)
            return
        self._is_known.set()
        with page:
            if request.method == b"HEAD":
                await request.respond(page.headers, end=True)
                return
            await request.respond(page.headers)
            async with aclosing(page.pieces()) as pieces:
                await self._send_body(request, pieces)

    async def _send_answer(self, request: ServerRequest, answer: HttpResponse) -> None:
        if answer.status is HTTPStatus.OK:
            self._is_known.set()
        headers = {name.lower(): value for name, value in answer.headers}
        headers |= {
            "content-type": answer.content_type,
            "content-length": str(len(answer.body)),
            "cache-control": "no-store",
        }
        body = b"" if request.method == b"HEAD" else answer.body
        with trio.move_on_after(self._limits.request_seconds):
            await request.respond(headers, status=answer.status, end=not body)
            if body:
                await request.stream.send(body, end=True)

    async def _send_body(
        self, request: ServerRequest, pieces: AsyncIterator[bytes | memoryview]
    ) -> None:
        """Send a body, or give up if the client does not read it in time.

        Its file is open during that time, so there are the same limits as for receiving a body.
        """
        limits = self._limits
        all_by = trio.current_time() + limits.body_seconds
        async for piece in pieces:
            deadline = min(all_by, trio.current_time() + limits.request_seconds)
            with trio.move_on_at(deadline) as scope:
                await request.stream.send(piece)
            if scope.cancelled_caught:
                return
        with trio.move_on_at(all_by):
            await request.stream.send(b"", end=True)

    async def _serve_post(self, request: ServerRequest) -> None:
        limits = self._limits
        budget = WaitBudget(limits.request_seconds + limits.body_seconds, limits.request_seconds)
        body = BodyReader(request.stream, budget)
        block = await body.read_up_to(XFTP_BLOCK_SIZE)
        if self._handshake is not None:
            step = WebStep(
                is_hello=HELLO_HEADER.encode() in request.headers,
                is_handshake=HANDSHAKE_HEADER.encode() in request.headers,
            )
            answer = self._handshake.answer(block, step)
            if self._handshake.agreement not in (None, self._agreement):
                assert self._handshake.agreement is not None
                self._agree(self._handshake.agreement)
            if answer is not None:
                await self._send(request, answer)
                return
        await self._serve_command(request, block, body)

    async def _serve_command(self, request: ServerRequest, block: bytes, body: BodyReader) -> None:
        agreement, verifier = self._agreement, self._verifier
        assert agreement is not None  # otherwise it would have been a part of the handshake
        received = read_request(block, agreement.session)
        if isinstance(received, RefusedRequest):
            correlation_id, entity_id = received.correlation_id, received.entity_id
            answer = self._commands.refuse(received.error)
        else:
            correlation_id = received.transmission.correlation_id
            entity_id = received.transmission.entity_id
            answer = await self._commands.answer(received, verifier, body, self._share)
        with closing(answer):
            session = agreement.session
            encoded = answer.message.encode(session.version)
            unsent = prepare_transmission(session, correlation_id, entity_id, encoded)
            await self._send(request, seal_transmission(unsent.finish(), session), answer.body)
        # A client that is refused may go on sending, and read the answer only afterwards.
        with trio.move_on_after(self._limits.body_seconds):
            await request.drain(_LARGEST_REST)

    async def _send(
        self, request: ServerRequest, block: bytes, body: SealedBody | None = None
    ) -> None:
        """Send an answer, or give up if the client does not read it in time."""
        with trio.move_on_after(self._limits.body_seconds) as scope:
            await request.respond(_FOR_ANY_ORIGIN if self._is_web else None)
            await request.stream.send(block, end=body is None)
        if body is not None and not scope.cancelled_caught:
            async with aclosing(body.pieces()) as pieces:
                await self._send_body(request, pieces)
