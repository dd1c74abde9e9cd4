"""Transmissions: a command or an answer with its correlation id, entity id and authorization.

::

    transmission = authorization [service signature] authorized
    authorized   = [session id] correlation id, entity id, command

All parts but the command are short strings.  From SMP version 7 and NTF version 2 on the session id
is implied: it is no longer sent, but it still precedes the authorized bytes, so that an
authorization is worthless on any other connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.frozen import frozen
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
    "headed_transmission",
    "parse_transmission",
    "plain_transmission",
    "prepare_transmission",
    "split_block",
    "transmission_heading",
]

MAX_TRANSMISSIONS = 255
"""The most transmissions in a batch: their count is one byte."""

_PAD_LENGTH = 2
_TAG_SIZE = 16  # reserved at every version, so that a batch fits whether encrypted or not

_COUNT_SIZE = 1
_ABSENT = 0x30  # "0", in place of an optional part
_SIGNATURE_SIZE = 64


class BadTransmission(DecodeError):
    """The bytes are not a transmission; there is no correlation id to answer to."""


class WrongSession(DecodeError):
    """The transmission names the session id of another connection."""

    def __init__(self, correlation_id: bytes) -> None:
        super().__init__("the transmission belongs to another session")
        self.correlation_id = correlation_id


@frozen(repr=False)
class Transmission(Redacted):
    """A parsed transmission whose command is not decoded yet.

    ``authorized`` is what the authorization covers, the session id included, and ``heading`` what
    precedes the command in what was sent: an answer begins with the same bytes.
    """

    authorization: bytes
    service_signature: bytes | None
    authorized: bytes
    correlation_id: bytes
    entity_id: bytes
    heading: bytes
    command: bytes


@frozen(repr=False)
class UnsentTransmission(Redacted):
    """A transmission before authorization: the bytes to authorize, and how to finish it."""

    authorized: bytes
    _sent: bytes
    _has_service_signature: bool

    def finish(self, authorization: bytes = b"", service_signature: bytes | None = None) -> bytes:
        """Return the bytes to send; without an authorization, the service signature is dropped."""
        if authorization and self._has_service_signature:
            return short(authorization) + maybe(service_signature, short) + self._sent
        return short(authorization) + self._sent


def prepare_transmission(
    session: SessionParameters, correlation_id: bytes, entity_id: bytes, command: bytes
) -> UnsentTransmission:
    """Prepare an encoded command for sending on ``session``."""
    plain = short(correlation_id) + short(entity_id) + command
    authorized = session.authorized_prefix + plain
    return UnsentTransmission(
        authorized,
        plain if session.implies_session_id else authorized,
        session.has_service_signatures,
    )


def transmission_heading(
    session: SessionParameters, correlation_id: bytes, entity_id: bytes
) -> bytes:
    """What precedes the command in a transmission."""
    session_id = b"" if session.implies_session_id else session.authorized_prefix
    return session_id + short(correlation_id) + short(entity_id)


def headed_transmission(heading: bytes, command: bytes) -> bytes:
    """The bytes to send for something without an authorization, such as what a router answers."""
    return b"\0" + heading + command


def plain_transmission(
    session: SessionParameters, correlation_id: bytes, entity_id: bytes, command: bytes
) -> bytes:
    """The same for ids."""
    return headed_transmission(transmission_heading(session, correlation_id, entity_id), command)


def parse_transmission(data: bytes, session: SessionParameters) -> Transmission:
    """Split a transmission into its parts, without verifying its authorization.

    Raises `BadTransmission`, or `WrongSession` if the transmission names another session id.
    """
    # All that a router is told passes here, so this counts bytes by itself.  A part that is cut off
    # ends behind the data, and is found out by the next look at the data or by the check below.
    try:
        position = 1 + data[0]
        authorization = data[1:position]
        service_signature = None
        if authorization and session.has_service_signatures:
            if data[position] == _ABSENT:
                position += 1
            else:
                service_signature, position = _service_signature(data, position)
        start = position
        session_id = None
        if not session.implies_session_id:
            position = start + 1 + data[start]
            session_id = data[start + 1 : position]
        entity = position + 1 + data[position]
        correlation_id = data[position + 1 : entity]
        command = entity + 1 + data[entity]
        entity_id = data[entity + 1 : command]
    except IndexError as exc:
        raise BadTransmission("not a transmission") from exc
    if command > len(data):
        raise BadTransmission("not a transmission")
    if session_id is None:
        authorized = session.authorized_prefix + data[start:]
    elif session_id == session.session_id:
        authorized = data[start:]
    else:
        raise WrongSession(correlation_id)
    return Transmission(
        authorization,
        service_signature,
        authorized,
        correlation_id,
        entity_id,
        data[start:command],
        data[command:],
    )


def _service_signature(data: bytes, position: int) -> tuple[bytes | None, int]:
    """The signature that may be at ``position``, and where the next part begins."""
    reader = Reader(data, position)
    try:
        signature = reader.maybe(reader.short)
    except DecodeError as exc:
        raise BadTransmission("not a transmission") from exc
    if signature is not None and len(signature) != _SIGNATURE_SIZE:
        raise BadTransmission("a service signature has the wrong length")
    return signature, reader.position


class Batch:
    """Collects the transmissions of one block, in order.

    In a session without batches, a block holds exactly one transmission, without a count.
    """

    __slots__ = ("_counted", "_most", "_parts", "_size", "_space")

    def __init__(self, session: SessionParameters) -> None:
        self._counted = session.batches
        self._space = session.block_size - _PAD_LENGTH
        if self._counted:
            self._space -= _TAG_SIZE + _COUNT_SIZE
        self._most = MAX_TRANSMISSIONS if self._counted else 1
        self._parts: list[bytes] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, transmission: bytes) -> bool:
        """Append ``transmission`` if it fits; raise `TooLarge` if no block could hold it."""
        part = large(transmission) if self._counted else transmission
        size = self._size + len(part)
        if size > self._space or len(self._parts) == self._most:
            if len(part) > self._space:
                raise TooLarge("a transmission does not fit into a block")
            return False
        self._parts.append(part)
        self._size = size
        return True

    def content(self) -> bytes:
        """Return the content of the block, to be padded and, if agreed, encrypted."""
        joined = b"".join(self._parts)
        return b"%c%b" % (len(self._parts), joined) if self._counted else joined


def batches(transmissions: Iterable[bytes], session: SessionParameters) -> Iterator[Batch]:
    """Group transmissions into blocks, in order; raise `TooLarge` if one does not fit alone."""
    batch = Batch(session)
    for transmission in transmissions:
        if not batch.add(transmission):
            yield batch
            batch = Batch(session)
            batch.add(transmission)
    if len(batch):
        yield batch


def split_block(content: bytes, session: SessionParameters) -> list[bytes]:
    """Split the content of a block into transmissions; raise `DecodeError` if it is malformed."""
    if not session.batches:
        return [content]
    # As in `parse_transmission`; a part that is cut off ends behind the content.
    parts: list[bytes] = []
    position = _COUNT_SIZE
    try:
        for _ in range(content[0]):
            start = position + 2
            position = start + (content[start - 2] << 8 | content[start - 1])
            parts.append(content[start:position])
    except IndexError as exc:
        raise DecodeError("a block with fewer transmissions than it says") from exc
    if not parts or position != len(content):
        raise DecodeError("a block without transmissions, or with more than these")
    return parts
