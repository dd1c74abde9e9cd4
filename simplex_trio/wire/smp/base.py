"""The bases of SMP's commands and messages: what a router requires of each of them."""

from __future__ import annotations

from typing import ClassVar

from simplex_trio.frozen import frozen
from simplex_trio.wire.credentials import CommandCredentials, MessageEntity
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.tagged import TagDecodeError, Tagged

__all__ = [
    "Command",
    "CommandDecodeError",
    "Message",
    "MessageDecodeError",
    "RecipientCommand",
    "SenderCommand",
]


class CommandDecodeError(TagDecodeError):
    """The bytes are not a command; ``error`` is the router's answer."""


@frozen(repr=False)
class Command(Tagged):
    """A request to a router."""

    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.KEY_AND_ENTITY

    ROLE: ClassVar[ServiceRole | None] = ServiceRole.MESSAGING
    """The role that a service needs to send this, or `None` if every role may.  Clients that are
    not services may send all commands."""

    USES_SERVICE_SIGNATURE: ClassVar[bool] = False
    """Whether a service signs this with its session key, in addition to the key of the queue."""


@frozen(repr=False)
class RecipientCommand(Command):
    """A command from the owner of a queue; the entity is the recipient id."""


@frozen(repr=False)
class SenderCommand(Command):
    """A command from the sender of a queue; the entity is the sender id."""


class MessageDecodeError(TagDecodeError):
    """The bytes are not a message of a router."""


@frozen(repr=False)
class Message(Tagged):
    """A message from a router to a client."""

    ENTITY: ClassVar[MessageEntity] = MessageEntity.REQUIRED
