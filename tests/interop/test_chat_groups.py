"""Bots in groups, and chat programs that people use.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

from pathlib import Path

import trio

from simplex_trio.chat import Handlers
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group, GroupInvitation
from tests.interop.driver import PATIENCE
from tests.interop.test_chat import Both, connect


async def test_a_contact_invites_the_bot(router: str, tmp_path: Path) -> None:
    handlers = Handlers()
    joined = trio.Event()

    @handlers.groups.on_invited
    async def accept(invitation: GroupInvitation) -> None:
        await invitation.accept()

    @handlers.groups.on_joined
    async def note(group: Group) -> None:
        joined.set()
        await group.send("hello, all")

    @handlers.groups.on_message()
    async def echo(message: GroupMessage) -> None:
        await message.reply(f"{message.member.name} says {message.text}")

    both = Both(router, tmp_path)
    async with both.bot(handlers) as bot, both.program() as program:
        contact_id = await connect(program, bot.bot.address)
        await program.command("/g #team")
        await program.command(f"/_add #1 {contact_id} member")
        with trio.fail_after(PATIENCE):
            await joined.wait()
        await program.item("hello, all")
        await program.command("#team hi bot")
        await program.item("Alice says hi bot")
