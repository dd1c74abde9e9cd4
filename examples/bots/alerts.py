"""A bot that sends each line of its standard input to everybody who wants that.

::

    tail -F /var/log/syslog | grep --line-buffered -i error |
        python examples/bots/alerts.py alerts.db --router smp://…@smp.example.com

People subscribe with /start and end it with /stop.  The bot goes on when its input has ended.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import AsyncIterator

import trio
from command_line import parser, run
from contact_lists import ContactList

from simplex_trio.chat import Bot, DeliveryState, Handlers, IncomingMessage, escape, open_bot

WAIT = 60
"""Seconds for which an alert waits for the routers of the subscribers."""


class Alerts:
    """The subscribers, and what is sent to them."""

    def __init__(self) -> None:
        self.subscribers = ContactList("wants alerts")
        self.handlers = Handlers()
        self.handlers.command(self.start)
        self.handlers.command(self.stop)

    async def start(self, message: IncomingMessage) -> None:
        """Get alerts."""
        await self.subscribers.add(message.contact)
        await message.answer("You get alerts now, until you write /stop.")

    async def stop(self, message: IncomingMessage) -> None:
        """Get no more alerts."""
        await self.subscribers.remove(message.contact)
        await message.answer("You get no more alerts.")

    async def send(self, bot: Bot, alert: str) -> int:
        """Send an alert to all; returns how many routers have taken it within a minute.

        For the others it is stored, and sent when that is possible.
        """
        sent = await self.subscribers.send(bot, f"⚠ {escape(alert)}")
        states: list[DeliveryState] = []
        with trio.move_on_after(WAIT):
            for each in sent:
                states.append(await each.wait(DeliveryState.SENT))
        return sum(state is not DeliveryState.FAILED for state in states)

    async def run(self, bot: Bot, lines: AsyncIterator[str]) -> None:
        """Send lines, until there are no more."""
        async for line in lines:
            if line.strip():
                print(f"sent to {await self.send(bot, line.strip())}", flush=True)


async def lines_of_stdin() -> AsyncIterator[str]:
    """What is written to the program; the thread that waits for it may be left alone."""
    while line := await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
        yield line


async def main(arguments: Namespace) -> None:
    """Run the bot until cancelled."""
    alerts = Alerts()
    async with open_bot(
        arguments.file,
        profile="Alerts",
        handlers=alerts.handlers,
        servers=arguments.router,
        welcome="Write /start to get alerts.",
    ) as bot:
        print(bot.address, flush=True)
        await alerts.run(bot, lines_of_stdin())
        await trio.sleep_forever()


if __name__ == "__main__":
    run(main, parser(__doc__).parse_args())
