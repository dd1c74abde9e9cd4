"""Decoding the content of blocks: commands for a router, messages for a client.

An invalid transmission does not affect the others in its block: they are decoded, and a router
answers each invalid one with its own error.  Each protocol passes the decoder of its commands or
messages; SMP and NTF share their errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Generic, Protocol, TypeVar

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.authorization import authorization_is_well_formed
from simplex_trio.wire.credentials import CommandCredentials, MessageEntity
from simplex_trio.wire.errors.values import Cmd, Code, RouterErrorValue
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.tagged import TagDecodeError
from simplex_trio.wire.transmissions import (
    Transmission,
    WrongSession,
    parse_transmission,
    split_block,
)

__all__ = [
    "AnyMessage",
    "ReceivedCommand",
    "ReceivedMessage",
    "RefusedTransmission",
    "read_commands",
    "read_messages",
]


class _AnyCommand(Protocol):
    CREDENTIALS: ClassVar[CommandCredentials]


class AnyMessage(Protocol):
    """A message of a protocol of transmissions."""

    ENTITY: ClassVar[MessageEntity]


CommandT = TypeVar("CommandT", bound=_AnyCommand)
MessageT = TypeVar("MessageT", bound=AnyMessage)


@frozen(repr=False)
class ReceivedCommand(Redacted, Generic[CommandT]):
    """A well-formed command and its transmission; its authorization is not verified yet."""

    transmission: Transmission
    command: CommandT


@frozen(repr=False)
class ReceivedMessage(Redacted, Generic[MessageT]):
    """A message; answers have the correlation id of their request, events have an empty one."""

    correlation_id: bytes
    entity_id: bytes
    message: MessageT


@frozen(repr=False)
class RefusedTransmission(Redacted):
    """An invalid transmission and the error for it; ids that could not be read are empty."""

    correlation_id: bytes
    entity_id: bytes
    error: RouterErrorValue


def read_commands(
    content: bytes, session: SessionParameters, decode: Callable[[bytes, int], CommandT]
) -> list[ReceivedCommand[CommandT] | RefusedTransmission]:
    """Decode the commands in a block, in order; returns at least one entry for any content."""
    try:
        parts = split_block(content, session)
    except DecodeError as exc:
        return [_unreadable(exc)]
    return [_read_command(part, session, decode) for part in parts]


def read_messages(
    content: bytes, session: SessionParameters, decode: Callable[[bytes, int], MessageT]
) -> list[ReceivedMessage[MessageT] | RefusedTransmission]:
    """Decode the messages in a block, in order; returns at least one entry for any content."""
    try:
        parts = split_block(content, session)
    except DecodeError as exc:
        return [_unreadable(exc)]
    return [_read_message(part, session, decode) for part in parts]


def _unreadable(error: DecodeError) -> RefusedTransmission:
    """The refusal of bytes that are not a block, or not a transmission of this session."""
    if isinstance(error, WrongSession):
        return RefusedTransmission(error.correlation_id, b"", Code.SESSION)
    return RefusedTransmission(b"", b"", Code.BLOCK)


def _read_command(
    part: bytes,
    session: SessionParameters,
    decode: Callable[[bytes, int], CommandT],
) -> ReceivedCommand[CommandT] | RefusedTransmission:
    try:
        transmission = parse_transmission(part, session)
    except DecodeError as exc:
        return _unreadable(exc)
    correlation_id, entity_id = transmission.correlation_id, transmission.entity_id
    if not authorization_is_well_formed(transmission.authorization):
        return RefusedTransmission(correlation_id, b"", Code.BLOCK)
    try:
        command = decode(transmission.command, session.version)
    except TagDecodeError as exc:
        return RefusedTransmission(correlation_id, entity_id, exc.error)
    violation = command.CREDENTIALS.violation(
        has_authorization=bool(transmission.authorization), entity_id=entity_id
    )
    if violation is not None:
        return RefusedTransmission(correlation_id, entity_id, Cmd(violation))
    return ReceivedCommand(transmission, command)


def _read_message(
    part: bytes,
    session: SessionParameters,
    decode: Callable[[bytes, int], MessageT],
) -> ReceivedMessage[MessageT] | RefusedTransmission:
    try:
        transmission = parse_transmission(part, session)
    except DecodeError as exc:
        return _unreadable(exc)
    correlation_id, entity_id = transmission.correlation_id, transmission.entity_id
    try:
        message = decode(transmission.command, session.version)
    except TagDecodeError as exc:
        return RefusedTransmission(correlation_id, entity_id, exc.error)
    violation = message.ENTITY.violation(entity_id)
    if violation is not None:
        return RefusedTransmission(correlation_id, entity_id, Cmd(violation))
    return ReceivedMessage(correlation_id, entity_id, message)
