"""`ContactList`: contacts of a bot that have something in common, kept in the bot's file."""

from __future__ import annotations

from functools import partial

import trio

from simplex_trio.chat import Bot, Contact, NotAllowed, SentMessage, UnknownContact
from simplex_trio.duplex import CannotSend, Transaction


class ContactList:
    """Contacts in a list that has a name of its own in the bot's file.

    Handlers may be called before the program has the bot in its hands, and wait for that here.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._bot: Bot | None = None
        self._is_open = trio.Event()

    def opened(self, bot: Bot) -> None:
        """The bot is open."""
        self._bot = bot
        self._is_open.set()

    async def bot(self) -> Bot:
        """The bot, as soon as it is open."""
        await self._is_open.wait()
        assert self._bot is not None
        return self._bot

    async def add(self, contact: Contact) -> None:
        """Add a contact, if it is not in the list yet."""
        key = str(contact.id).encode()
        agent = (await self.bot()).agent
        await agent.transact(lambda t: t.kept.put(self._name, key, b""))

    async def remove(self, contact: Contact) -> None:
        """Remove a contact, if it is in the list."""
        key = str(contact.id).encode()
        agent = (await self.bot()).agent
        await agent.transact(lambda t: t.kept.delete(self._name, key))

    async def has(self, contact: Contact) -> bool:
        """Whether a contact is in the list."""
        key = str(contact.id).encode()
        agent = (await self.bot()).agent
        return await agent.transact(lambda t: t.kept.get(self._name, key)) is not None

    async def contacts(self) -> list[Contact]:
        """All of them that are still there."""
        bot = await self.bot()
        keys: list[bytes] = []
        while page := await bot.agent.transact(partial(self._page, keys[-1] if keys else None)):
            keys += page
        found = [await bot.contact(int(key)) for key in keys]
        return [each for each in found if each is not None]

    def _page(self, after: bytes | None, t: Transaction) -> list[bytes]:
        return [key for key, _ in t.kept.scan(self._name, after=after)]

    async def send(self, text: str) -> list[SentMessage]:
        """Send a message to all; it is stored when this returns."""
        sent = []
        for contact in await self.contacts():
            try:
                sent.append(await contact.send(text))
            except (UnknownContact, CannotSend, NotAllowed):
                await self.remove(contact)  # it has left, or cannot be reached any more
        return sent
