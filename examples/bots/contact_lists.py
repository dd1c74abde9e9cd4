"""`ContactList`: contacts of a bot that have something in common."""

from __future__ import annotations

from simplex_trio.chat import Bot, Contact, NotAllowed, SentMessage, UnknownContact
from simplex_trio.duplex import CannotSend


class ContactList:
    """Contacts with a mark, which is kept with them in the bot's file."""

    def __init__(self, mark: str) -> None:
        self._mark = mark

    async def add(self, contact: Contact) -> None:
        """Mark a contact."""
        await contact.state.put(self._mark, True)

    async def remove(self, contact: Contact) -> None:
        """Take the mark away, if there is one."""
        await contact.state.delete(self._mark)

    async def has(self, contact: Contact) -> bool:
        """Whether a contact has the mark."""
        return await contact.state.get(self._mark, bool, default=False)

    async def send(self, bot: Bot, text: str) -> list[SentMessage]:
        """Send a message to all that have it; it is stored when this returns."""
        sent = []
        for contact in await bot.contacts():
            try:
                if await self.has(contact):
                    sent.append(await contact.send(text))
            except (UnknownContact, CannotSend, NotAllowed):
                pass  # it has left, or cannot be reached any more
        return sent
