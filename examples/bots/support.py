"""A support desk: what customers write goes to the staff, who answer by quoting.

::

    SUPPORT_PASSWORD=… python examples/bots/support.py support.db --router smp://…@smp.example.com

People who write "/staff" and the password are staff.  They get each message of a customer with its
number, and their answer goes to the customer whose message they quote.  Customers never learn who
has answered.

With --business the address is that of a business: each customer gets a group of its own, and the
staff are invited to it, so that they see all that was said there and answer as themselves.  The
links with which up to five people become staff are printed::

    python examples/bots/support.py desk.db --business 2 --router smp://…@smp.example.com
"""

from __future__ import annotations

import hmac
import os
import re
from argparse import Namespace
from contextlib import suppress

import trio
from command_line import parser, run
from contact_lists import ContactList

from simplex_trio.chat import (
    Bot,
    CannotInvite,
    Contact,
    Group,
    Handlers,
    IncomingMessage,
    Role,
    UnknownContact,
    escape,
    open_bot,
)

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


class BusinessDesk:
    """Staff, who are invited to the groups of customers."""

    def __init__(self) -> None:
        self._bot: Bot | None = None
        self._is_open = trio.Event()
        self.handlers = Handlers()
        # Customers come by the address, so that all contacts are staff.
        self.handlers.on_connected(self.staff_has_come)
        self.handlers.groups.on_customer(self.customer_has_come)

    async def staff_has_come(self, person: Contact) -> None:
        """Invite one of the staff to the groups of all customers."""
        for group in await (await self.bot()).groups():
            await self.invite(group, person)

    async def customer_has_come(self, group: Group) -> None:
        """Invite the staff to the group of a customer."""
        staff = await (await self.bot()).contacts()
        for person in staff:
            await self.invite(group, person)
        if not staff:
            await group.send("Nobody is here yet.  Please wait a little.")

    async def invite(self, group: Group, person: Contact) -> None:
        """Invite one of the staff, unless that is not possible."""
        with suppress(CannotInvite):  # not connected any more, or in the group already
            await group.invite(person, role=Role.ADMIN)

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


async def run_business(arguments: Namespace) -> None:
    """Run the bot with a business address, until cancelled."""
    desk = BusinessDesk()
    async with open_bot(
        arguments.file,
        profile="Support",
        handlers=desk.handlers,
        servers=arguments.router,
        welcome="Hello! What can we do for you?",
        business=True,
    ) as bot:
        lines = [f"for customers: {bot.address}"]
        for _ in range(arguments.business):
            lines.append(f"for one of the staff: {await bot.invite(alias='staff')}")
        print("\n".join(lines), flush=True)
        await desk.run(bot)


async def main(arguments: Namespace) -> None:
    """Run the bot until cancelled."""
    if arguments.business is not None:
        await run_business(arguments)
        return
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
    made = parser(__doc__)
    made.add_argument(
        "--business",
        type=int,
        choices=range(6),
        metavar="STAFF",
        help="have a business address, and make links for so many of the staff",
    )
    run(main, made.parse_args())
