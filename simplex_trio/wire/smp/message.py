"""The base of all messages: whether they name an entity."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from simplex_trio.wire.credentials import MessageEntity
from simplex_trio.wire.tagged import TagDecodeError, Tagged

__all__ = ["Message", "MessageDecodeError"]


class MessageDecodeError(TagDecodeError):
    """The bytes are not a message of a router."""


@frozen(repr=False)
class Message(Tagged):
    """A message from a router to a client."""

    ENTITY: ClassVar[MessageEntity] = MessageEntity.REQUIRED
