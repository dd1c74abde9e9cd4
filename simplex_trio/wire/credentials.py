"""Rules for the authorization and the entity id of a transmission: required, optional, forbidden.

Each command and message declares its rule.  Rules are checked before any lookup: a router refuses a
violation at no cost, and a client rejects a misplaced answer.
"""

from __future__ import annotations

from enum import Enum, auto

from simplex_trio.wire.errors.values import CommandErrorKind

__all__ = ["CommandCredentials", "MessageEntity"]


class CommandCredentials(Enum):
    """What a command must come with."""

    NONE = auto()
    KEY_ONLY = auto()
    """An authorization, and no entity: the command creates it."""
    ENTITY_ONLY = auto()
    """An entity, and no authorization: the id alone gives access."""
    ENTITY_AND_OPTIONAL_KEY = auto()
    """An entity, and an authorization if the entity has a key."""
    KEY_AND_ENTITY = auto()

    def violation(self, *, has_authorization: bool, entity_id: bytes) -> CommandErrorKind | None:
        """Return the error for a command with these credentials, or `None` if they are right."""
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
    """Whether a message must name an entity."""

    NONE = auto()
    ANY = auto()
    REQUIRED = auto()

    def violation(self, entity_id: bytes) -> CommandErrorKind | None:
        """Return the error for a message with ``entity_id``, or `None` if that is right."""
        if self is MessageEntity.REQUIRED and not entity_id:
            return CommandErrorKind.NO_ENTITY
        if self is MessageEntity.NONE and entity_id:
            return CommandErrorKind.HAS_AUTH
        return None
