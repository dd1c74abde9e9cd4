"""Which contact of a program is another program, and which of its groups another one has too."""

from __future__ import annotations

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.groups import Group
from simplex_trio.chat.people import Contact

__all__ = ["find_contact", "find_group"]


async def find_contact(bot: Bot, other: Bot) -> Contact | None:
    """The contact of a bot that the other one is."""
    codes = {await each.security_code() for each in await other.contacts()}
    for each in await bot.contacts():
        code = await each.security_code()
        if code is not None and code in codes:
            return each
    return None


async def find_group(bot: Bot, group: Group) -> Group | None:
    """A group of a bot, of what any of its members has, now or in an earlier life."""
    member_id = group._record.own_id
    for each in await bot.groups():
        if each._record.own_id == member_id or await each.member(member_id) is not None:
            return each
    return None
