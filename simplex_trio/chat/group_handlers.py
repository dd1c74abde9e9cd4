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

    Commands are also those that begin with a mention of the program: ``@Bot /rules``.

    A function can be for messages of contacts and of groups: decorate it with both.  The functions
    of one group are called one after the other, and those of different groups at the same time.
    """

    _PREFIX = "group "
    _HAS_MEMBERS = True

    def __repr__(self) -> str:
        return f"<GroupHandlers: {len(self._commands)} commands, {len(self._messages)} of messages>"

    def on_invited(self, function: FunctionT) -> FunctionT:
        """Call a function with each `GroupInvitation`: a contact invites the program to a group."""
        return self._add("group invited", function)

    def on_joined(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Group` that the program has become a member of."""
        return self._add("group joined", function)

    def on_history(self, function: FunctionT) -> FunctionT:
        """Call a function with each `GroupMessage` that was sent before the program was a member.

        Hosts send newcomers up to a hundred messages.  No other functions are called with them, so
        that no command is answered that was meant for others, or that was answered long ago.
        """
        return self._add("group history", function)

    def on_pending(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Group` whose host or admins are to approve the program.

        Until they have, it can talk with them alone.  `Group.status` says who decides; if that
        changes, it is called again.
        """
        return self._add("group pending", function)

    def on_not_joined(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Group` that the program could not join.

        The host does not let it in (`Group.rejection`), or has not answered.
        """
        return self._add("group not joined", function)

    def on_lost(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Group` in which the program cannot be reached any more.

        The last member with whom it was connected has gone, mostly its host; or the program has
        removed that one itself.
        """
        return self._add("group lost", function)

    def on_ended(self, function: FunctionT) -> FunctionT:
        """Call a function with each `GroupEnded`: the program was removed, or the group deleted."""
        return self._add("group ended", function)

    def on_changed(self, function: FunctionT) -> FunctionT:
        """Call a function with each `GroupChanged`: another name, picture or preferences."""
        return self._add("group changed", function)

    def on_role(self, function: FunctionT) -> FunctionT:
        """Call a function with each `RoleChanged`, of a member or of the program."""
        return self._add("group role", function)

    def on_customer(self, function: FunctionT) -> FunctionT:
        """Call a function with the `Group` of each customer who comes by a business address.

        See `open_bot` with ``business``.
        """
        return self._add("group customer", function)

    def on_member_request(self, function: FunctionT) -> FunctionT:
        """Call a function with each `MemberRequest`: the program decides who is let in by a link.

        Links for which `Group.create_link` has ``approval=False`` let everyone in without it.
        """
        return self._add_deciding("group request", function)

    def on_member_joined(self, function: FunctionT) -> FunctionT:
        """Call a function with each `Member` that comes after the program."""
        return self._add("group member joined", function)

    def on_member_left(self, function: FunctionT) -> FunctionT:
        """Call a function with each `MemberLeft`: it has left, or was removed."""
        return self._add("group member left", function)

    def on_contact_request(self, function: FunctionT) -> FunctionT:
        """Call a function with each `MemberContactRequest`: a member wants to be a contact."""
        return self._add("group contact request", function)

    def on_member_blocked(self, function: FunctionT) -> FunctionT:
        """Call a function with each `MemberBlocked`."""
        return self._add("group member blocked", function)

    def on_member_profile(self, function: FunctionT) -> FunctionT:
        """Call a function with each `MemberProfileChanged`."""
        return self._add("group member profile", function)

    def on_report(self, function: FunctionT) -> FunctionT:
        """Call a function with each `GroupReport`; they come to moderators, admins and owners."""
        return self._add("group report", function)
