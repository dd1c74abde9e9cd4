"""`GroupHandlers`: which function deals with what happens in groups."""

from __future__ import annotations

from typing import final

from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.routes import FunctionT, MessageHandlers

__all__ = ["GroupHandlers"]


@final
class GroupHandlers(MessageHandlers[GroupMessage]):
    """The part of a table that is for groups: `Handlers.groups`.

    ::

        @handlers.groups.command
        async def rules(message: GroupMessage) -> None:
            \"\"\"The rules of this group.\"\"\"
            await message.reply("Be kind.")

    A function can be for messages of contacts and of groups: decorate it with both.  The functions
    of one group are called one after the other, and those of different groups at the same time.
    """

    def __repr__(self) -> str:
        return f"<GroupHandlers: {len(self._commands)} commands, {len(self._messages)} of messages>"

    def on_invited(self, function: FunctionT) -> FunctionT:
        """Call a function with each `GroupInvited`: a contact invites the program to a group."""
        return self._add("group invited", function)

    def on_joined(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Group` that the program has become a member of."""
        return self._add("group joined", function)

    def on_failed(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Group` that the program could not join."""
        return self._add("group failed", function)
