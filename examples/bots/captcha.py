"""A group with a link, at which each newcomer has to do a sum before it is let in.

::

    python examples/bots/captcha.py captcha.db --router smp://…@smp.example.com --group "My town"

It makes the group when it is started for the first time, and shows its link.  Those who do the sum
are let in; nothing of the group is told to the others.
"""

from __future__ import annotations

import secrets
from argparse import Namespace
from contextlib import suppress

import trio
from command_line import parser, run

from simplex_trio.chat import Bot, Group, Handlers, MemberGone, MemberRequest, open_bot

TRIES = 3
PATIENCE = 600
"""Seconds that there are for all of them."""

handlers = Handlers()


@handlers.groups.on_member_request
async def asked(request: MemberRequest) -> None:
    """Let those in who can do a sum."""
    with suppress(MemberGone):
        if await is_answered(request):
            await request.approve()
        else:
            await request.reject()


async def is_answered(request: MemberRequest) -> bool:
    """Whether it does a sum, in time."""
    question = "Please write one number: how much is"
    with trio.move_on_after(PATIENCE):
        for _ in range(TRIES):
            one, two = secrets.randbelow(9) + 1, secrets.randbelow(9) + 1
            answer = await request.ask(f"{question} {one} and {two}?")
            if answer.text.strip() == str(one + two):
                return True
            question = "No.  How much is"
    return False


async def the_group(bot: Bot, name: str) -> Group:
    """The group of the bot, which is made if there is none."""
    groups = await bot.groups()
    return groups[0] if groups else await bot.create_group(name)


async def main(arguments: Namespace) -> None:
    """Run the bot until cancelled."""
    async with open_bot(
        arguments.file,
        profile="Doorkeeper",
        handlers=handlers,
        servers=arguments.router,
        address=False,
    ) as bot:
        group = await the_group(bot, arguments.group)
        print(await group.create_link(approval=True), flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    command = parser(__doc__)
    command.add_argument("--group", default="My town", help="the name of the group")
    run(main, command.parse_args())
