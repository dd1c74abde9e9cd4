"""`Outlet`: where something is said, to a contact or to a group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress

from simplex_trio.chat.errors import NotAllowed, UnknownContact, UnknownGroup
from simplex_trio.chat.machine.records import SentRecord
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.event import Event
from simplex_trio.duplex.errors import CannotSend, LimitReached
from simplex_trio.errors import TooLarge
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["Outlet", "Queued"]


@frozen(repr=False)
class Queued(Redacted):
    """What the agent has queued of one message."""

    copies: tuple[tuple[str, int], ...]
    """The connections, and the agent's ids for the message in each of them."""
    failed: int = 0
    """For how many connections it could not be queued."""


class Outlet(ABC):
    """A conversation, as something is said in it.

    What differs between contacts and groups is here: what is allowed, to whom it goes, and what is
    kept so that its delivery is recognised.
    """

    def __init__(self, store: Store, settings: Settings, *, scope: bytes | None = None) -> None:
        self.store: Store = store
        self.settings: Settings = settings
        self.scope: bytes | None = scope
        """In a group, whose conversation with the admins is meant; `None` for the whole group."""

    @property
    @abstractmethod
    def conversation_id(self) -> int:
        """The id of the contact, or of the group."""

    # --- what is allowed ------------------------------------------------------------------------

    @abstractmethod
    def check(self, content: Content, before: Content | None = None) -> None:
        """Raise `NotAllowed` for content that is not allowed here, in place of that ``before``."""

    @abstractmethod
    def check_reaction(self) -> None:
        """Raise `NotAllowed` if reactions are not allowed here."""

    @abstractmethod
    def check_deletion(self, author_id: bytes | None) -> None:
        """Raise `NotAllowed` if a message may not be deleted, of the program or of a member."""

    @property
    @abstractmethod
    def may_disappear(self) -> bool:
        """Whether messages may disappear after a while."""

    @property
    @abstractmethod
    def usual_ttl(self) -> int | None:
        """After how many seconds messages disappear where they may, unless they say so."""

    # --- saying ---------------------------------------------------------------------------------

    @abstractmethod
    def queue(self, event: Event, msg_id: bytes | None) -> Queued:
        """Queue one message of the chat protocol.

        Raises `CannotSend`, `LimitReached`, `TooLarge`, `NotAllowed` if there is no one left that
        it is for, and `UnknownContact` or `UnknownGroup`.
        """

    def queue_if_possible(self, event: Event, msg_id: bytes | None) -> None:
        """Queue a message that the others can do without."""
        with suppress(CannotSend, LimitReached, NotAllowed, TooLarge, UnknownContact, UnknownGroup):
            self.queue(event, msg_id)

    @abstractmethod
    def keep(self, queued: Queued, sent: SentRecord) -> None:
        """Keep a new message, and by which its delivery is recognised."""

    @abstractmethod
    def keep_description(self, queued: Queued, msg_id: bytes) -> None:
        """Keep by what the delivery of a file's description is recognised."""
