"""The base of all messages: which entity each is about."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from simplex_trio.wire.credentials import MessageEntity
from simplex_trio.wire.tagged import TagDecodeError, Tagged

__all__ = ["Message", "MessageDecodeError"]


class MessageDecodeError(TagDecodeError):
    """Bytes are not a message of a router."""


@frozen(repr=False)
class Message(Tagged):
    """What a router says to a client."""

    ENTITY: ClassVar[MessageEntity] = MessageEntity.REQUIRED
