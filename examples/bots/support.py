"""A support desk: what customers write goes to the staff, who answer by quoting.

::

    SUPPORT_PASSWORD=… python examples/bots/support.py support.db --router smp://…@smp.example.com

People who write "/staff" and the password are staff.  They get each message of a customer with its
number, and their answer goes to the customer whose message they quote.  Customers never learn who
has answered.
"""

from __future__ import annotations

import hmac
import os
import re
from argparse import Namespace

import trio
from command_line import parser, run
from contact_lists import ContactList

from simplex_trio.chat import Bot, Handlers, IncomingMessage, UnknownContact, escape, open_bot

NUMBER = re.compile(r"#(\d{1,18}) ")
"""How each message to the staff begins: with the number of the customer."""

DELAY = 10
"""Seconds after which a wrong password is refused, and the next attempt can be made."""


class Desk:
    """Customers and staff."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()
        self._bot: Bot | None = None
        self._is_open = trio.Event()
        self.staff = ContactList("staff")
        self.handlers = Handlers()
        # Not a command, which would be in the menu that customers see.
        self.handlers.on_message(text=re.compile(r"\A/staff (.+)\Z"))(self.join)
        self.handlers.on_message()(self.message)

    async def join(self, message: IncomingMessage, match: re.Match[str]) -> None:
        """Let a person who knows the password join the staff."""
        if not hmac.compare_digest(match[1].encode(), self._password):
            await trio.sleep(DELAY)
            await message.answer("That is not the password.")
            return
        await self.staff.add(message.contact)
        await message.answer("Quote a message to answer it.")

    async def message(self, message: IncomingMessage) -> None:
        """Pass a message on, in one direction or the other."""
        if await self.staff.has(message.contact):
            await self.answer(message)
        else:
            await self.ask(message)

    async def ask(self, message: IncomingMessage) -> None:
        """Pass the message of a customer on to the staff."""
        customer = message.contact
        text = f"#{customer.id} {escape(customer.name)}: {escape(message.text)}"
        sent = await self.staff.send(await self.bot(), text)
        if not sent:
            await message.answer("Nobody is here.  Please try again tomorrow.")

    async def answer(self, message: IncomingMessage) -> None:
        """Pass the answer of the staff on to the customer whose message it quotes."""
        quoted = NUMBER.match("" if message.quote is None else message.quote.content.text)
        if quoted is None:
            await message.answer("Quote the message that you want to answer.")
            return
        customer = await (await self.bot()).contact(int(quoted[1]))
        try:
            if customer is None:
                raise UnknownContact("gone")
            await customer.send(message.content)
        except UnknownContact:
            await message.answer("This customer has left.")
        else:
            await message.react("✅")

    async def bot(self) -> Bot:
        """The bot; handlers may be called before the program has it in its hands, and wait."""
        await self._is_open.wait()
        assert self._bot is not None
        return self._bot

    async def run(self, bot: Bot) -> None:
        """Work with a bot, until cancelled."""
        self._bot = bot
        self._is_open.set()
        await trio.sleep_forever()


async def main(arguments: Namespace) -> None:
    """Run the bot until cancelled."""
    desk = Desk(os.environ["SUPPORT_PASSWORD"])
    async with open_bot(
        arguments.file,
        profile="Support",
        handlers=desk.handlers,
        servers=arguments.router,
        welcome="Hello! What can we do for you?",
    ) as bot:
        print(bot.address, flush=True)
        await desk.run(bot)


if __name__ == "__main__":
    run(main, parser(__doc__).parse_args())
