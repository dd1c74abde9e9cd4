"""What a transmission must come with, and must not: an authorization, and the id of an entity.

Each command and message declares its rule.  The rules hold before anything is looked up, so a
router refuses what breaks them at no cost, and a client does not believe an answer out of place.
"""

from __future__ import annotations

from enum import Enum, auto

from simplex_trio.wire.errors.values import CommandErrorKind

__all__ = ["CommandCredentials", "MessageEntity"]


class CommandCredentials(Enum):
    """What comes with a command."""

    NONE = auto()
    KEY_ONLY = auto()
    """An authorization; the entity is about to be created."""
    ENTITY_ONLY = auto()
    """An entity whose id alone gives access."""
    ENTITY_AND_OPTIONAL_KEY = auto()
    """An entity that may have a key, or not yet."""
    KEY_AND_ENTITY = auto()

    def violation(self, *, has_authorization: bool, entity_id: bytes) -> CommandErrorKind | None:
        """What is wrong with a command that came so, or `None`."""
        match self:
            case CommandCredentials.KEY_AND_ENTITY:
                if not has_authorization or not entity_id:
                    return CommandErrorKind.NO_AUTH
            case CommandCredentials.ENTITY_AND_OPTIONAL_KEY:
                if not entity_id:
                    return CommandErrorKind.NO_ENTITY
            case CommandCredentials.ENTITY_ONLY:
                if not entity_id:
                    return CommandErrorKind.NO_ENTITY
                if has_authorization:
                    return CommandErrorKind.HAS_AUTH
            case CommandCredentials.KEY_ONLY:
                if not has_authorization:
                    return CommandErrorKind.NO_AUTH
                if entity_id:
                    return CommandErrorKind.HAS_AUTH
            case CommandCredentials.NONE:
                if has_authorization or entity_id:
                    return CommandErrorKind.HAS_AUTH
        return None


class MessageEntity(Enum):
    """Which entity a message is about."""

    NONE = auto()
    ANY = auto()
    REQUIRED = auto()

    def violation(self, entity_id: bytes) -> CommandErrorKind | None:
        """What is wrong with a message that came with ``entity_id``, or `None`."""
        if self is MessageEntity.REQUIRED and not entity_id:
            return CommandErrorKind.NO_ENTITY
        if self is MessageEntity.NONE and entity_id:
            return CommandErrorKind.HAS_AUTH
        return None
