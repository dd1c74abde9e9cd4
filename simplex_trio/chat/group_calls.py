"""`GroupCalls`: the calls that say something in a group, to all members or to the admins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from simplex_trio.chat.errors import UnknownGroup
from simplex_trio.chat.machine.groups.outlet import GroupOutlet
from simplex_trio.chat.machine.groups.saying import known_group
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.outlet import Outlet
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.events import Mention
from simplex_trio.chat.messages.mentions import MAX_MENTIONS, mentioned_members, unique_name
from simplex_trio.chat.sending_calls import SendingCalls, as_content

if TYPE_CHECKING:
    from simplex_trio.chat.group_messages import SentGroupMessage
    from simplex_trio.chat.groups import Member
    from simplex_trio.chat.message_calls import Quotable

__all__ = ["GroupCalls"]


class GroupCalls(SendingCalls["SentGroupMessage"]):
    """Messages to members of a group."""

    __slots__ = ()

    @property
    def _scope(self) -> bytes | None:
        """The member whose conversation with the admins is meant."""
        return None

    def _outlet(self, store: Store) -> Outlet:
        group = known_group(GroupStore(store), self.id)
        return GroupOutlet(store, self._core.settings, group, scope=self._scope)

    def _gone(self) -> UnknownGroup:
        return UnknownGroup("the group was deleted")

    def _mentioned(self, content: Content, members: Iterable[Member]) -> Mapping[str, Mention]:
        """What a message says of the members whom its text mentions."""
        names: dict[str, bytes] = {}
        for each in members:
            names[unique_name(each.name, names)] = each.id
        if not names:
            return {}
        if len(names) > MAX_MENTIONS:
            raise ValueError(f"more than {MAX_MENTIONS} members are mentioned")
        return mentioned_members(content.text, names)

    async def send(
        self,
        content: Content | str,
        *,
        quote: Quotable | None = None,
        ttl: int | None = None,
        live: bool = False,
        mentions: Iterable[Member] = (),
    ) -> SentGroupMessage:
        """Send a message; it returns when that is stored, and nothing can lose it.

        It goes to all members that the program is connected with, and through its host to the
        others.  ``mentions`` are members whom the text mentions, at most three: `Member.mention` is
        how.  After ``ttl`` seconds it disappears, or after the time that the group has for that.
        ``quote`` and ``live`` are as for `Contact.send`.

        Raises `NotAllowed` for what the program's role or the preferences of the group do not
        allow, `UnknownGroup`, `CannotSend` if it cannot be sent to any member, `LimitReached`, and
        `TooLarge`.
        """
        said = as_content(content)
        mentioned = self._mentioned(said, mentions)
        return await self._core.step(
            self._sending(said, quote=quote, ttl=ttl, live=live, mentions=mentioned)
        )
