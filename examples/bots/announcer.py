"""A group in which only the bot writes: each line of its standard input.

::

    mkfifo news; tail -f news |
        python examples/bots/announcer.py news.db --router smp://…@smp.example.com
    echo "We are open on Sunday." > news

It makes the group when it is started for the first time, and shows its link.  People who open that
link read.  Other programs, such as cron or a web hook, write into the pipe.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import AsyncIterator

import trio
from command_line import parser, run

from simplex_trio.chat import Bot, DeliveryState, Group, Handlers, Role, open_bot

WAIT = 60
"""Seconds for which a line waits for the routers of the members."""


async def the_group(bot: Bot, name: str) -> Group:
    """The group of the bot, which is made if there is none."""
    groups = await bot.groups()
    return groups[0] if groups else await bot.create_group(name)


async def announce(group: Group, lines: AsyncIterator[str]) -> None:
    """Send lines to a group, until there are no more."""
    async for line in lines:
        if not line.strip():
            continue
        sent = await group.send(line.strip())
        with trio.move_on_after(WAIT):
            await sent.wait(DeliveryState.SENT)
        reach = await sent.reach()
        print(f"sent to {reach.sent} of {reach.members}", flush=True)


async def lines_of_stdin() -> AsyncIterator[str]:
    """What is written to the program; the thread that waits for it may be left alone."""
    while line := await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
        yield line


async def main(arguments: Namespace) -> None:
    """Run the bot until cancelled."""
    async with open_bot(
        arguments.file,
        profile="News",
        handlers=Handlers(),
        servers=arguments.router,
        address=False,
    ) as bot:
        group = await the_group(bot, arguments.group)
        print(await group.create_link(role=Role.OBSERVER), flush=True)
        await announce(group, lines_of_stdin())
        await trio.sleep_forever()


if __name__ == "__main__":
    command = parser(__doc__)
    command.add_argument("--group", default="News", help="the name of the group")
    run(main, command.parse_args())
