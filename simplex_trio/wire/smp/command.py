"""The base of all commands: what each must come with, and which services may send it."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from simplex_trio.wire.credentials import CommandCredentials
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.tagged import TagDecodeError, Tagged

__all__ = ["Command", "CommandDecodeError", "RecipientCommand", "SenderCommand"]


class CommandDecodeError(TagDecodeError):
    """Bytes are not a command; ``error`` is what a router answers."""


@frozen(repr=False)
class Command(Tagged):
    """What a client asks of a router."""

    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.KEY_AND_ENTITY

    ROLE: ClassVar[ServiceRole | None] = ServiceRole.MESSAGING
    """The role a service must have to send this, or `None` if any may; clients that are no service
    may send everything."""

    USES_SERVICE_SIGNATURE: ClassVar[bool] = False
    """Whether a service signs this with its session key in addition to the key of the queue."""


@frozen(repr=False)
class RecipientCommand(Command):
    """About a queue, from its owner; the entity is the recipient id."""


@frozen(repr=False)
class SenderCommand(Command):
    """About a queue, from its sender; the entity is the sender id."""
