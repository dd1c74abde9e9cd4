"""Transmissions: a command or an answer with what correlates, addresses and authorizes it.

::

    transmission = authorization [service signature] authorized
    authorized   = [session id] correlation id, entity id, command

Everything but the command is a short string.  From the version on where the session id is implied
it is no longer sent, but still leads the bytes that are authorized, so that no authorization is
worth anything on another connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen

from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, large, maybe, short
from simplex_trio.wire.session import SessionParameters

__all__ = [
    "MAX_TRANSMISSIONS",
    "BadTransmission",
    "Batch",
    "Transmission",
    "UnsentTransmission",
    "WrongSession",
    "batches",
    "parse_transmission",
    "prepare_transmission",
    "split_block",
]

MAX_TRANSMISSIONS = 255
"""A batch counts its transmissions in one byte."""

_PAD_LENGTH = 2
_TAG_SIZE = 16  # kept free at every version: a batch fits, encrypted or not

_COUNT_SIZE = 1
_SIGNATURE_SIZE = 64


class BadTransmission(DecodeError):
    """Bytes that should be a transmission are not; there is nothing to correlate an answer with."""


class WrongSession(DecodeError):
    """A transmission names the session id of another connection."""

    def __init__(self, correlation_id: bytes) -> None:
        super().__init__("the transmission belongs to another session")
        self.correlation_id = correlation_id


@frozen(repr=False)
class Transmission(Redacted):
    """A parsed transmission whose command is still bytes.

    ``authorized`` is what its authorization covers, the session id included.
    """

    authorization: bytes
    service_signature: bytes | None
    authorized: bytes
    correlation_id: bytes
    entity_id: bytes
    command: bytes


@frozen(repr=False)
class UnsentTransmission(Redacted):
    """A transmission on its way out: what is to be authorized, and how to finish it."""

    authorized: bytes
    _sent: bytes
    _has_service_signature: bool

    def finish(self, authorization: bytes = b"", service_signature: bytes | None = None) -> bytes:
        """The bytes to send; without an authorization there is no service signature either."""
        if authorization and self._has_service_signature:
            return short(authorization) + maybe(service_signature, short) + self._sent
        return short(authorization) + self._sent


def prepare_transmission(
    session: SessionParameters, correlation_id: bytes, entity_id: bytes, command: bytes
) -> UnsentTransmission:
    """Lay out an encoded command for sending on ``session``."""
    plain = short(correlation_id) + short(entity_id) + command
    authorized = session.authorized_prefix + plain
    return UnsentTransmission(
        authorized,
        plain if session.implies_session_id else authorized,
        session.has_service_signatures,
    )


def parse_transmission(data: bytes, session: SessionParameters) -> Transmission:
    """Take a transmission apart; its authorization is not judged here.

    Raises `BadTransmission`, or `WrongSession` where the session id is sent and is another's.
    """
    reader = Reader(data)
    try:
        authorization = reader.short()
        service_signature = None
        if authorization and session.has_service_signatures:
            service_signature = reader.maybe(reader.short)
            if service_signature is not None and len(service_signature) != _SIGNATURE_SIZE:
                raise BadTransmission("a service signature of the wrong length")
        start = reader.position
        session_id = None if session.implies_session_id else reader.short()
        correlation_id = reader.short()
        entity_id = reader.short()
        command = reader.tail()
    except DecodeError as exc:
        raise BadTransmission("not a transmission") from exc
    if session_id is None:
        authorized = session.authorized_prefix + data[start:]
    elif session_id == session.session_id:
        authorized = data[start:]
    else:
        raise WrongSession(correlation_id)
    return Transmission(
        authorization, service_signature, authorized, correlation_id, entity_id, command
    )


class Batch:
    """The content of one block being filled, in order, from the left.

    A block of a session without batches holds exactly one transmission, bare.
    """

    __slots__ = ("_counted", "_parts", "_size", "_space")

    def __init__(self, session: SessionParameters) -> None:
        self._counted = session.batches
        self._space = session.block_size - _PAD_LENGTH
        if self._counted:
            self._space -= _TAG_SIZE + _COUNT_SIZE
        self._parts: list[bytes] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, transmission: bytes) -> bool:
        """Append ``transmission`` if there is room; `TooLarge` if no block could hold it."""
        part = large(transmission) if self._counted else transmission
        if len(part) > self._space:
            raise TooLarge("a transmission does not fit into a block")
        most = MAX_TRANSMISSIONS if self._counted else 1
        if self._size + len(part) > self._space or len(self._parts) == most:
            return False
        self._parts.append(part)
        self._size += len(part)
        return True

    def content(self) -> bytes:
        """What the block holds, to be padded and, where agreed, encrypted."""
        joined = b"".join(self._parts)
        return b"%c%b" % (len(self._parts), joined) if self._counted else joined


def batches(transmissions: Iterable[bytes], session: SessionParameters) -> Iterator[Batch]:
    """Full blocks of transmissions, in order; each must fit alone, or `TooLarge` is raised."""
    batch = Batch(session)
    for transmission in transmissions:
        if not batch.add(transmission):
            yield batch
            batch = Batch(session)
            batch.add(transmission)
    if len(batch):
        yield batch


def split_block(content: bytes, session: SessionParameters) -> tuple[bytes, ...]:
    """The transmissions in the content of a block, still as bytes; `DecodeError` if malformed."""
    if not session.batches:
        return (content,)
    reader = Reader(content)
    parts = reader.listed(reader.large, at_least=1)
    reader.end()
    return parts
