"""`Commands`: checks and executes the commands of clients.

An answer is a message, and with FILE the body that follows it.  Refused commands are answered with
an error; nothing that a client sends raises an exception here.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial

import trio

from simplex_trio.crypto.box import NONCE_SIZE, BoxKey
from simplex_trio.crypto.keys import AuthPublicKey, X25519PrivateKey
from simplex_trio.errors import (
    CryptoError,
    RequestTimeout,
    StoreError,
    StoreFull,
    StoreLost,
    StoreUnavailable,
)
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.serving.counters import Counters
from simplex_trio.serving.shares import Share
from simplex_trio.transport.turns import Turns
from simplex_trio.wire.authorization import Verifier, verification_cost
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.transmissions import Transmission
from simplex_trio.wire.xftp.commands import (
    FACK,
    FADD,
    FDEL,
    FGET,
    FNEW,
    FPUT,
    PING,
    Command,
)
from simplex_trio.wire.xftp.errors import XFTPCode, XFTPErrorValue
from simplex_trio.wire.xftp.messages import ERR, FILE, OK, PONG, RIDS, SIDS, Message
from simplex_trio.xftp.bodies import PIECE_SIZE, BodyReader
from simplex_trio.xftp.box_stream import BoxStream
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import DigestMismatch, WrongBodySize
from simplex_trio.xftp.router.body_files import OutgoingBody
from simplex_trio.xftp.router.config import PacketPolicy, XFTPClientLimits
from simplex_trio.xftp.router.records.interface import PacketRecord
from simplex_trio.xftp.router.records.limits import RecordLimits
from simplex_trio.xftp.router.short_lives import ShortLives
from simplex_trio.xftp.router.statistics import Count
from simplex_trio.xftp.router.storage import QuotaExhausted, Storage

__all__ = ["Answer", "Commands", "SealedBody"]

_log = logging.getLogger(__name__)

_HOUR = 3600


class SealedBody:
    """A body that is being sent to a recipient, encrypted for this download."""

    def __init__(
        self, body: OutgoingBody, box: BoxStream, share: Share, done: Callable[[], None]
    ) -> None:
        self._body = body
        self._box = box
        self._share = share
        self._done = done
        self._buffer = memoryview(bytearray(PIECE_SIZE))

    async def pieces(self) -> AsyncGenerator[bytes | memoryview]:
        """The encrypted body, with the tag at the end; each piece takes the place of the last."""
        while piece := await in_thread(self._next):
            yield piece
        yield self._box.tag()
        self._done()

    def _next(self) -> memoryview:
        piece = self._buffer[: self._body.read_into(self._buffer)]
        self._box.seal_in_place(piece)
        return piece

    def close(self) -> None:
        self._body.close()
        self._share.give_back()


@frozen(repr=False)
class Answer(Redacted):
    """The answer to a command; the caller closes it."""

    message: Message
    body: SealedBody | None = None
    """The body that follows the message."""

    def close(self) -> None:
        if self.body is not None:
            self.body.close()


def _refused(error: XFTPErrorValue) -> Answer:
    return Answer(ERR(error))


def _may_pass(error: StoreError) -> bool:
    """Whether a client should try again: it does after TIMEOUT, and not after FILE_IO."""
    return (
        isinstance(error, StoreUnavailable) and error.retryable and not isinstance(error, StoreFull)
    )


class Commands:
    """The commands of all clients of a router."""

    def __init__(
        self,
        storage: Storage,
        policy: PacketPolicy,
        limits: XFTPClientLimits,
        counters: Counters[Count],
        *,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        self._storage = storage
        self._policy = policy
        self._limits = limits
        self._counters = counters
        self._clock = clock
        self._random = random
        self._turns = Turns()
        self.short_lives: ShortLives = ShortLives(policy.max_packets)
        """Packets that are kept for less than an hour."""

    def reconfigure(self, policy: PacketPolicy, limits: XFTPClientLimits) -> None:
        """Apply other rules and limits from now on."""
        self._policy = policy
        self._limits = limits

    def _count(self, count: Count, by: int = 1) -> None:
        self._counters.add(count, by)

    def refuse(self, error: XFTPErrorValue) -> Answer:
        """The answer to a request that is not a command."""
        self._count(Count.REQUESTS_REFUSED)
        return _refused(error)

    def turn_away(self) -> Answer:
        """The answer to a request at the limit for open files."""
        self._count(Count.TRANSFERS_TURNED_AWAY)
        return _refused(XFTPCode.TIMEOUT)

    async def answer(
        self,
        received: ReceivedCommand[Command],
        verifier: Verifier,
        body: BodyReader,
        share: Share,
    ) -> Answer:
        """Execute a command, if it is authorized; ``body`` is the data that follows it.

        ``share`` is the client's share in the open files.
        """
        try:
            answer = await self._answer(received, verifier, body, share)
        except StoreLost:
            # It is not known what has happened, so no answer is right.  The router is about to end.
            await trio.sleep_forever()
        except StoreError as exc:
            _log.error("the storage fails: %s", exc)
            answer = _refused(XFTPCode.TIMEOUT if _may_pass(exc) else XFTPCode.FILE_IO)
        except RequestTimeout:
            answer = _refused(XFTPCode.TIMEOUT)
        if isinstance(answer.message, ERR):
            self._count(Count.REQUESTS_REFUSED)
        return answer

    async def _answer(
        self,
        received: ReceivedCommand[Command],
        verifier: Verifier,
        body: BodyReader,
        share: Share,
    ) -> Answer:
        command, transmission = received.command, received.transmission
        if not isinstance(command, FPUT) and not await body.at_end():
            return _refused(XFTPCode.HAS_FILE)
        if isinstance(command, PING):
            return Answer(PONG())
        if isinstance(command, FNEW):
            if not await self._accepts(verifier, transmission, [command.info.sender_key]):
                return _refused(XFTPCode.AUTH)
            return await self._register(command)
        entity_id = transmission.entity_id
        packet = await self._storage.find(entity_id, from_sender=command.FROM_SENDER)
        if not await self._accepts(verifier, transmission, [] if packet is None else [packet.key]):
            return _refused(XFTPCode.AUTH)
        assert packet is not None  # without a key nothing is accepted
        if packet.blocked is not None:
            return _refused(packet.blocked)
        match command:
            case FADD():
                return await self._add_recipients(command, packet)
            case FPUT():
                return await self._upload(packet, body, share)
            case FDEL():
                return await self._delete(packet)
            case FGET():
                return await self._download(command, packet, share)
            case FACK():
                await self._storage.acknowledge(entity_id)
                self._count(Count.RECIPIENTS_ACKNOWLEDGED)
                return Answer(OK())
            case _:
                return _refused(XFTPCode.INTERNAL)

    async def _accepts(
        self, verifier: Verifier, transmission: Transmission, keys: Sequence[AuthPublicKey]
    ) -> bool:
        """Check an authorization when it is the turn of this request."""
        await self._turns.take(verification_cost(transmission))
        spent = verifier.spent
        accepted = verifier.accepts(transmission, keys)
        self._turns.spend(verifier.spent - spent)
        return accepted

    # --- from senders -------------------------------------------------------------------------

    async def _register(self, command: FNEW) -> Answer:
        policy, keys = self._policy, command.recipient_keys
        if not (policy.accept_new and policy.accepts(command.basic_auth)):
            return _refused(XFTPCode.AUTH)
        if not policy.takes_size(command.info.size):
            return _refused(XFTPCode.SIZE)
        if len(keys) > policy.max_recipients:
            return _refused(XFTPCode.QUOTA)
        hour = int(self._clock()) // _HOUR
        ids = await self._storage.register(command.info, keys, hour, self._record_limits(hour))
        if ids is None:
            return _refused(XFTPCode.QUOTA)
        if policy.is_exact:
            self.short_lives.add(ids[0], self._clock())
        self._count(Count.PACKETS_REGISTERED)
        self._count(Count.RECIPIENTS_ADDED, len(keys))
        return Answer(SIDS(*ids))

    def _record_limits(self, hour: int) -> RecordLimits:
        policy = self._policy
        rows = policy.max_record_bytes // self._storage.row_bytes
        return RecordLimits(policy.max_packets, rows, hour - 1)

    async def _add_recipients(self, command: FADD, packet: PacketRecord) -> Answer:
        keys, hour = command.recipient_keys, int(self._clock()) // _HOUR
        ids = await self._storage.add_recipients(
            packet.sender_id, keys, self._policy.max_recipients, self._record_limits(hour)
        )
        if ids is None:
            is_gone = await self._storage.find(packet.sender_id, from_sender=True) is None
            return _refused(XFTPCode.AUTH if is_gone else XFTPCode.QUOTA)
        self._count(Count.RECIPIENTS_ADDED, len(keys))
        return Answer(RIDS(ids))

    async def _upload(self, packet: PacketRecord, body: BodyReader, share: Share) -> Answer:
        size = packet.info.size
        if await body.at_end():
            return _refused(XFTPCode.NO_FILE)
        if packet.has_body:
            # Bodies never change, but a client that repeats its upload must not get an error.
            return await self._receive_again(body, size)
        if not self._storage.has_room(size):
            return _refused(XFTPCode.QUOTA)
        if not share.take():
            return self.turn_away()
        try:
            return await self._receive_body(packet, body)
        finally:
            share.give_back()

    async def _receive_body(self, packet: PacketRecord, body: BodyReader) -> Answer:
        is_done = False
        try:
            with trio.move_on_after(self._limits.body_seconds):
                async with aclosing(_pieces(body, packet.info.size)) as pieces:
                    is_kept = await self._storage.store(packet, pieces)
                is_done = True
                if is_kept:
                    self._count(Count.PACKETS_UPLOADED)
                    return Answer(OK())
                return await self._outcome_of_another(packet)
        except WrongBodySize:
            return _refused(XFTPCode.SIZE)
        except DigestMismatch:
            return _refused(XFTPCode.DIGEST)
        except QuotaExhausted:
            return _refused(XFTPCode.QUOTA)
        finally:
            if not is_done:
                self._count(Count.UPLOADS_FAILED)
        return _refused(XFTPCode.TIMEOUT)

    async def _outcome_of_another(self, packet: PacketRecord) -> Answer:
        """The answer if another upload of the body was faster, or the packet has been deleted."""
        now = await self._storage.find(packet.sender_id, from_sender=True)
        if now is None:
            return _refused(XFTPCode.AUTH)
        return _refused(now.blocked) if now.blocked is not None else Answer(OK())

    async def _receive_again(self, body: BodyReader, size: int) -> Answer:
        with trio.move_on_after(self._limits.body_seconds):
            while size > 0 and (piece := await body.read_up_to(PIECE_SIZE)):
                size -= len(piece)
            is_whole = size == 0 and await body.at_end()
            return Answer(OK()) if is_whole else _refused(XFTPCode.SIZE)
        return _refused(XFTPCode.TIMEOUT)

    async def _delete(self, packet: PacketRecord) -> Answer:
        if not await self._storage.delete(packet.sender_id):
            return _refused(XFTPCode.AUTH)
        self._count(Count.PACKETS_DELETED)
        return Answer(OK())

    # --- from recipients ----------------------------------------------------------------------

    async def _download(self, command: FGET, packet: PacketRecord, share: Share) -> Answer:
        if not packet.has_body:
            return _refused(XFTPCode.NO_FILE)
        ephemeral, nonce = X25519PrivateKey(self._random(32)), self._random(NONCE_SIZE)
        try:
            box = BoxStream(BoxKey.agree(ephemeral, command.dh_key), nonce)
        except CryptoError:
            return _refused(XFTPCode.CRYPTO)
        if not share.take():
            return self.turn_away()
        body = None
        try:
            body = await self._storage.open_body(packet)
        finally:
            if body is None:
                share.give_back()
        if body is None:
            return _refused(XFTPCode.AUTH)
        done = partial(self._count, Count.PACKETS_DOWNLOADED)
        return Answer(FILE(ephemeral.public, nonce), SealedBody(body, box, share, done))


async def _pieces(body: BodyReader, size: int) -> AsyncGenerator[memoryview]:
    """A body of ``size`` bytes, and if it is longer, one byte more.

    Each piece takes the place of the last.
    """
    buffer = memoryview(bytearray(min(PIECE_SIZE, size + 1)))
    while piece := await body.read_into(buffer[: size + 1]):
        size -= len(piece)
        yield piece
        if size < 0:
            break
