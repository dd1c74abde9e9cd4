"""`Http2Server`: the server side of one connection, with a task for each request."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import trio
from h2 import events
from h2.errors import ErrorCodes
from h2.exceptions import H2Error

from simplex_trio.errors import ConnectionLost, RequestTimeout
from simplex_trio.xftp.errors import StreamReset
from simplex_trio.xftp.http2.connection import (
    Http2Connection,
    Http2ProtocolError,
    header_map,
)
from simplex_trio.xftp.http2.limits import Http2Limits
from simplex_trio.xftp.http2.stream import Http2Stream

__all__ = ["Handler", "Http2Server", "ServerRequest"]

_log = logging.getLogger(__name__)


class ServerRequest:
    """A request that a server has received; its body may still be on its way."""

    def __init__(
        self, server: Http2Server, stream: Http2Stream, headers: Mapping[bytes, bytes]
    ) -> None:
        self.headers = headers
        self.stream = stream
        self._server = server

    @property
    def method(self) -> bytes:
        return self.headers.get(b":method", b"")

    async def respond(
        self, headers: Mapping[str, str] | None = None, *, status: int = 200, end: bool = False
    ) -> None:
        """Send the head of the answer; the body goes through ``stream``."""
        await trio.lowlevel.checkpoint()
        self._server.send_head(self.stream, {":status": str(status), **(headers or {})}, end=end)

    async def drain(self, limit: int) -> None:
        """Receive and discard the rest of the body, up to ``limit`` bytes.

        Some clients read the answer only after they have sent the whole body.
        """
        while limit > 0 and (data := await self.stream.receive_some()):
            limit -= len(data)


Handler = Callable[[ServerRequest], Awaitable[object]]


class Http2Server(Http2Connection):
    """The server side; ``run`` serves until the connection ends.

    The handler of a request is cancelled when the client resets the request.  A request whose
    handler raises or ends without an answer is reset.
    """

    def __init__(
        self, stream: trio.abc.Stream, handler: Handler, limits: Http2Limits | None = None
    ) -> None:
        super().__init__(stream, client_side=False, limits=limits)
        self._handler = handler
        self._scopes: dict[int, trio.CancelScope] = {}
        self._idle_since: float = trio.current_time()

    @property
    def open_requests(self) -> int:
        """Requests whose handlers have not ended."""
        return len(self._scopes)

    @property
    def idle_seconds(self) -> float:
        """How long there has been no request; pings and the like do not count."""
        return 0 if self._scopes else trio.current_time() - self._idle_since

    def _handle(self, event: events.Event) -> None:
        match event:
            case events.RequestReceived():
                self._begin(event)
            case events.StreamReset():
                super()._handle(event)
                if scope := self._scopes.get(event.stream_id):
                    scope.cancel()
            case _:
                super()._handle(event)

    def _begin(self, event: events.RequestReceived) -> None:
        assert self._nursery is not None
        # h2 frees the place of a reset request at once, but its handler may need a moment to end.
        if len(self._scopes) >= 2 * self.limits.streams:
            self._say_goodbye(ErrorCodes.ENHANCE_YOUR_CALM)
            raise Http2ProtocolError("the client begins more requests than it may")
        stream = self._new_stream(event.stream_id)
        headers = header_map(event.headers)
        stream.put_headers(headers)
        scope = self._scopes[stream.id] = trio.CancelScope()
        self._nursery.start_soon(self._serve, ServerRequest(self, stream, headers), scope)

    async def _serve(self, request: ServerRequest, scope: trio.CancelScope) -> None:
        stream = request.stream
        try:
            with scope:
                await self._handler(request)
        except (StreamReset, ConnectionLost, RequestTimeout):
            _log.debug("a client has taken its request back, is too slow, or is gone")
        except Exception:
            _log.exception("a request failed")
        finally:
            del self._scopes[stream.id]
            self._idle_since = trio.current_time()
            self._finish(stream)

    def _finish(self, stream: Http2Stream) -> None:
        """Forget a request, and reset it if one side has not finished."""
        self._forget(stream)
        if self.is_usable and not (stream.sent_end and stream.received_end):
            code = ErrorCodes.NO_ERROR if stream.sent_end else ErrorCodes.INTERNAL_ERROR
            with suppress(H2Error):  # the client may have been first
                self._h2.reset_stream(stream.id, code)
            self.flush()

    def send_head(
        self, stream: Http2Stream, headers: Mapping[str, str], *, end: bool = False
    ) -> None:
        self.check()
        try:
            self._h2.send_headers(stream.id, list(headers.items()), end_stream=end)
        except H2Error as exc:
            raise ConnectionLost("the request is over") from exc
        stream.sent_end = end
        self.flush()
