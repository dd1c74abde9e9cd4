"""From the content of a block to commands, as a router reads them, or messages, as a client does.

Whatever is wrong with one transmission concerns that one alone: the others in its block are read,
and a router answers each with its own error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Generic, Protocol, TypeVar

from attrs import frozen

from simplex_trio.errors import DecodeError
from simplex_trio.redaction import Redacted
from simplex_trio.wire.authorization import Verifier, authorization_is_well_formed
from simplex_trio.wire.handshake import PeerService
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp.commands import NSUBS, SUBS, Command, CommandDecodeError, decode_command
from simplex_trio.wire.smp.credentials import MessageEntity
from simplex_trio.wire.smp.errors import Cmd, Code, CommandErrorKind, RouterErrorValue
from simplex_trio.wire.smp.tagged import SMPDecodeError
from simplex_trio.wire.transmissions import (
    Transmission,
    WrongSession,
    parse_transmission,
    split_block,
)

__all__ = [
    "ReceivedCommand",
    "ReceivedMessage",
    "RefusedTransmission",
    "read_commands",
    "read_messages",
    "service_refusal",
]


MessageT = TypeVar("MessageT", bound="HasEntity")


class HasEntity(Protocol):
    """A message of any protocol that says which entity it may come with."""

    ENTITY: ClassVar[MessageEntity]


@frozen(repr=False)
class ReceivedCommand(Redacted):
    """A command with its transmission, of the right form; whether it may be done is still open."""

    transmission: Transmission
    command: Command


@frozen(repr=False)
class ReceivedMessage(Redacted, Generic[MessageT]):
    """A message; what it answers has the same correlation id, and events have none."""

    correlation_id: bytes
    entity_id: bytes
    message: MessageT


@frozen(repr=False)
class RefusedTransmission(Redacted):
    """What cannot be read, and the error that stands for it; ids are empty where none was read."""

    correlation_id: bytes
    entity_id: bytes
    error: RouterErrorValue


def read_commands(
    content: bytes, session: SessionParameters
) -> list[ReceivedCommand | RefusedTransmission]:
    """What a router finds in a block, in order; at least one entry for any content."""
    try:
        parts = split_block(content, session)
    except DecodeError:
        return [RefusedTransmission(b"", b"", Code.BLOCK)]
    return [_read_command(part, session) for part in parts]


def _read_command(part: bytes, session: SessionParameters) -> ReceivedCommand | RefusedTransmission:
    try:
        transmission = parse_transmission(part, session)
    except WrongSession as exc:
        return RefusedTransmission(exc.correlation_id, b"", Code.SESSION)
    except DecodeError:
        return RefusedTransmission(b"", b"", Code.BLOCK)
    correlation_id, entity_id = transmission.correlation_id, transmission.entity_id
    if not authorization_is_well_formed(transmission.authorization):
        return RefusedTransmission(correlation_id, b"", Code.BLOCK)
    try:
        command = decode_command(transmission.command, session.version)
    except CommandDecodeError as exc:
        return RefusedTransmission(correlation_id, entity_id, exc.error)
    violation = command.CREDENTIALS.violation(
        has_authorization=bool(transmission.authorization), entity_id=entity_id
    )
    if violation is not None:
        return RefusedTransmission(correlation_id, entity_id, Cmd(violation))
    return ReceivedCommand(transmission, command)


def read_messages(
    content: bytes,
    session: SessionParameters,
    decode: Callable[[bytes, int], MessageT],
) -> list[ReceivedMessage[MessageT] | RefusedTransmission]:
    """What a client finds in a block, in order; at least one entry for any content.

    ``decode`` is the protocol's own: NTF has other messages than SMP.
    """
    try:
        parts = split_block(content, session)
    except DecodeError:
        return [RefusedTransmission(b"", b"", Code.BLOCK)]
    return [_read_message(part, session, decode) for part in parts]


def _read_message(
    part: bytes, session: SessionParameters, decode: Callable[[bytes, int], MessageT]
) -> ReceivedMessage[MessageT] | RefusedTransmission:
    try:
        transmission = parse_transmission(part, session)
    except WrongSession as exc:
        return RefusedTransmission(exc.correlation_id, b"", Code.SESSION)
    except DecodeError:
        return RefusedTransmission(b"", b"", Code.BLOCK)
    correlation_id, entity_id = transmission.correlation_id, transmission.entity_id
    try:
        message = decode(transmission.command, session.version)
    except SMPDecodeError as exc:
        return RefusedTransmission(correlation_id, entity_id, exc.error)
    violation = message.ENTITY.violation(entity_id)
    if violation is not None:
        return RefusedTransmission(correlation_id, entity_id, Cmd(violation))
    return ReceivedMessage(correlation_id, entity_id, message)


def service_refusal(
    received: ReceivedCommand, verifier: Verifier, service: PeerService | None
) -> RouterErrorValue | None:
    """Why a router does not take a command in a session with, or without, this service.

    This comes before the authorization by the key of a queue: first the role, then the service's
    own signature.  For the commands of a service about itself it is all there is to check.
    """
    command, transmission = received.command, received.transmission
    if service is not None and command.ROLE not in (None, service.role):
        return Cmd(CommandErrorKind.PROHIBITED)
    if isinstance(command, SUBS | NSUBS):
        accepted = verifier.accepts_as_service(transmission)
    else:
        accepted = verifier.accepts_service(transmission, is_used=command.USES_SERVICE_SIGNATURE)
    return None if accepted else Code.SERVICE
