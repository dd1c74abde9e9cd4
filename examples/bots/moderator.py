"""A moderator: it greets new members, tells the rules, and keeps some words out of groups.

::

    python examples/bots/moderator.py moderator.db --router smp://…@smp.example.com

Open the address that it shows in your app, and invite it to a group, with the role "moderator".
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Awaitable, Callable

import trio
from command_line import parser, run

from simplex_trio.chat import (
    Group,
    GroupInvitation,
    GroupMessage,
    GroupMessageEdited,
    Handlers,
    IncomingMessage,
    Member,
    MemberGone,
    Role,
    from_role,
    open_bot,
)

RULES = "Be kind, and stay on topic."
FORBIDDEN = {"casino", "lottery"}
MOST_WARNINGS = 3

handlers = Handlers()


@handlers.groups.on_invited
async def invited(invitation: GroupInvitation) -> None:
    """Join a group in which it can do something."""
    if invitation.group.role in (Role.MODERATOR, Role.ADMIN, Role.OWNER):
        await invitation.accept()


@handlers.groups.on_joined
async def joined(group: Group) -> None:
    """Say hello to the group."""
    await group.send("Hello!  I take care of the /rules")


@handlers.groups.on_member_joined
async def greet(member: Member) -> None:
    """Greet a new member."""
    await member.group.send(f"{member.mention} Welcome!  Please read the /rules", mentions=[member])


@handlers.groups.command
async def rules(message: GroupMessage) -> None:
    """The rules of this group."""
    await message.reply(RULES)


@handlers.groups.command("unblock", from_role(Role.MODERATOR))
async def unblock(message: GroupMessage, member: Member) -> None:
    """Let a member write again, for moderators."""
    await member.unblock()
    await member.state.delete("warnings")
    await message.react("✅")


@handlers.use
async def moderate(
    message: IncomingMessage | GroupMessage, go_on: Callable[[], Awaitable[None]]
) -> None:
    """Look at each message first."""
    if isinstance(message, GroupMessage) and is_forbidden(message):
        await message.delete()
        await warn(message.member, message.id)
    else:
        await go_on()


@handlers.groups.on_message()
async def other(message: GroupMessage) -> None:
    """Do nothing about messages that are no commands; `moderate` has seen them."""


@handlers.groups.on_edited
async def edited(message: GroupMessageEdited) -> None:
    """Look at what a message says now."""
    if is_forbidden(message):
        await message.delete()
        await warn(message.member, message.message_id)


def is_forbidden(message: GroupMessage | GroupMessageEdited) -> bool:
    """Whether a member may not say that; moderators may say everything, and all to the admins."""
    if message.support is not None or message.member.has_role(Role.MODERATOR):
        return False
    return not FORBIDDEN.isdisjoint(re.findall(r"\w+", message.text.casefold()))


async def warn(member: Member, message_id: bytes | None) -> None:
    """Warn a member, or block it.

    What is kept are the ids of the messages, so that one which comes again after a crash, or is
    edited, counts once.
    """
    name = (message_id or b"").hex()

    def add(known: list[str] | None) -> list[str]:
        return [each for each in known or () if each != name] + [name]

    try:
        count = len(await member.state.update("warnings", add))
    except MemberGone:  # it has left meanwhile, and the bot has forgotten it
        return
    text = f"{member.mention} This word is not for this group.  Warning {count} of {MOST_WARNINGS}"
    if count > MOST_WARNINGS:
        await member.block()
        text = f"{member.mention} was blocked."
    await member.group.send(text, mentions=[member])


async def main(arguments: Namespace) -> None:
    """Run the bot until cancelled."""
    async with open_bot(
        arguments.file,
        profile="Moderator",
        handlers=handlers,
        servers=arguments.router,
        welcome="Hello!  Invite me to a group, as a moderator.",
    ) as bot:
        print(bot.address, flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    run(main, parser(__doc__).parse_args())
