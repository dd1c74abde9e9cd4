"""Who the other side says it is."""

from __future__ import annotations

from enum import StrEnum

from simplex_trio.chat.messages.names import check_name, shown_name
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.records import Lax, Record, Required
from simplex_trio.errors import EncodeError
from simplex_trio.frozen import frozen

__all__ = ["MAX_DESCRIPTION", "PeerType", "Profile"]

MAX_DESCRIPTION = 160
"""How many characters the short description of a profile of ours may have."""


class PeerType(StrEnum):
    """What a profile belongs to; the apps show bots with another icon, and their commands."""

    HUMAN = "human"
    BOT = "bot"


@frozen(repr=False)
class Profile(Record):
    """The profile of a person or a bot, as contacts see it.

    The apps refuse a profile with a word that they do not know in it.  Here such a part counts as
    absent, and stays in ``unknown``.
    """

    display_name: str
    """The name.  It comes from the other side and may be anything: see `shown_name`."""
    full_name: Required[str] = ""
    short_descr: str | None = None
    """At most 160 characters about the owner, in a profile of ours."""
    image: Picture | None = None
    contact_link: str | None = None
    """An address of the owner, to be read with `simplex_trio.wire.duplex.parse_link`."""
    peer_type: Lax[PeerType] | None = None
    """`None` is a person."""
    preferences: Lax[Preferences] | None = None

    @property
    def shown_name(self) -> str:
        """The name, made fit to be shown in a line of text."""
        return shown_name(self.display_name)

    @property
    def is_bot(self) -> bool:
        """Whether the profile says that it is a bot's."""
        return self.peer_type is PeerType.BOT

    def check(self) -> None:
        """Raise `EncodeError` if apps would not take this as a profile of ours."""
        check_name(self.display_name)
        if len(self.short_descr or "") > MAX_DESCRIPTION:
            raise EncodeError(f"a short description has more than {MAX_DESCRIPTION} characters")
