"""One request of a client with its answer: blocks, the bodies that follow them, and their checks.

HTTP/2 matches answers with requests; the correlation id and the entity id must match as well, so
that the client notices a router that confuses or repeats answers.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from hashlib import sha256
from typing import TypeVar

import trio

from simplex_trio.errors import (
    ConnectionLost,
    DecodeError,
    MalformedResponse,
    RequestTimeout,
    UnexpectedResponseError,
)
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.xftp.blocks import XFTP_BLOCK_SIZE, read_response
from simplex_trio.wire.xftp.messages import ERR, Message
from simplex_trio.xftp.bodies import PIECE_SIZE, BodyReader
from simplex_trio.xftp.box_stream import TAG_SIZE, BoxStream
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import DigestMismatch, StreamReset, WrongBodySize, XFTPRouterError
from simplex_trio.xftp.http2.stream import Http2Stream

__all__ = ["Body", "Exchange", "check_status", "opened", "place_in", "time_limit"]

MessageT = TypeVar("MessageT", bound=Message)
T = TypeVar("T")

Body = AsyncIterable[bytes | memoryview]
"""What is uploaded, in pieces of any length."""


@asynccontextmanager
async def place_in(places: trio.Semaphore) -> AsyncIterator[Callable[[], None]]:
    """Hold a place until the end of the block, or until the yielded function is called."""
    await places.acquire()
    with ExitStack() as place:
        place.callback(places.release)
        yield place.close


@frozen(repr=False)
class Exchange(Redacted):
    """One request and its answer; each is sent, or received, once."""

    _stream: Http2Stream
    reader: BodyReader
    _session: SessionParameters
    _block: bytes
    _correlation_id: bytes
    _entity_id: bytes
    _sent: Callable[[], None]
    """Called when the request has been sent."""

    async def send(self, body: Body | None = None, size: int = 0) -> None:
        """Send the block of the request, and the body that follows it.

        A router may answer before it has received all of it, and stop reading: then this returns,
        and the answer counts.
        """
        try:
            await self._stream.send(self._block, end=body is None)
            if body is not None:
                await self._send_body(aiter(body), size)
        except (StreamReset, ConnectionLost):
            if not self._stream.received_end:
                raise
        self._sent()

    async def _send_body(self, pieces: AsyncIterator[bytes | memoryview], size: int) -> None:
        last = b""
        try:
            async for piece in pieces:
                size -= len(piece)
                if size < 0:
                    break
                if piece and not size:
                    # The router must not have all of it before its length has been checked.
                    last, piece = bytes(piece[-1:]), piece[:-1]
                await self._stream.send(piece)
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
        if size:
            raise WrongBodySize("a body does not have the announced length")
        await self._stream.send(last, end=True)

    async def answer(self, expected: type[MessageT]) -> MessageT:
        """The message that the answer begins with."""
        await check_status(self._stream)
        try:
            received = read_response(await self.reader.read_up_to(XFTP_BLOCK_SIZE), self._session)
        except DecodeError as exc:
            raise MalformedResponse("the router's answer cannot be read") from exc
        message = received.message
        is_ours = hmac.compare_digest(received.correlation_id, self._correlation_id)
        if isinstance(message, ERR) and (is_ours or not received.correlation_id):
            raise XFTPRouterError(message.error)
        if not is_ours:
            raise UnexpectedResponseError("an answer to another request")
        if received.entity_id != self._entity_id or not isinstance(message, expected):
            raise UnexpectedResponseError("the router's answer does not fit the request")
        return message

    async def conclude(self, expected: type[MessageT]) -> MessageT:
        """The message that is the whole answer."""
        message = await self.answer(expected)
        if not await self.reader.at_end():
            raise WrongBodySize("something follows the router's answer")
        return message


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Cancel the block after ``seconds``, and raise `RequestTimeout`."""
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise RequestTimeout("the router has not answered in time")


async def check_status(stream: Http2Stream) -> None:
    """Wait for the head of an answer; `UnexpectedResponseError` for any status but 200."""
    status = (await stream.receive_headers()).get(b":status")
    if status != b"200":
        raise UnexpectedResponseError("the router answers as a web server does")


async def opened(
    reader: BodyReader, box: BoxStream, size: int, digest: bytes, handle: Callable[[memoryview], T]
) -> AsyncGenerator[T]:
    """The body of a packet, decrypted piece by piece, and checked at its end.

    Yields what ``handle`` makes of each piece, in the worker thread that has decrypted it.  The
    next piece takes the place of it.
    """
    hashed = sha256()

    def open_piece(piece: memoryview) -> T:
        box.open_in_place(piece)
        hashed.update(piece)
        return handle(piece)

    left = size
    buffer = memoryview(bytearray(min(PIECE_SIZE, size)))
    while left:
        piece = await reader.read_into(buffer[:left])
        if not piece:
            raise WrongBodySize("the body of a packet ends too early")
        left -= len(piece)
        yield await in_thread(partial(open_piece, piece))
    tag = await reader.read_up_to(TAG_SIZE)
    if len(tag) != TAG_SIZE or not await reader.at_end():
        raise WrongBodySize("the body of a packet is not as long as it should be")
    box.verify(tag)
    if not hmac.compare_digest(hashed.digest(), digest):
        raise DigestMismatch("the router has something else than the packet")
