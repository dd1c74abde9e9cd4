"""`GroupGoverning`: what a program does in groups as their host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.machine.groups.hosting import invite
from simplex_trio.chat.machine.groups.records import GroupRecord
from simplex_trio.chat.machine.groups.saying import known_group
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.outgoing import known_contact
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.redaction import Redacted

if TYPE_CHECKING:
    from simplex_trio.chat.groups import Member
    from simplex_trio.chat.people import Contact

__all__ = ["GroupGoverning"]


@define(eq=False, repr=False)
class GroupGoverning(Redacted):
    """The part of `Group` that is for those who make and govern groups."""

    _core: ChatCore = field(repr=False)
    _record: GroupRecord = field(repr=False)

    def _member(self, record: object) -> Member:
        from simplex_trio.chat.groups import Group, Member

        assert isinstance(self, Group)
        return Member(self, record)  # type: ignore[arg-type]

    async def invite(self, contact: Contact, *, role: Role = Role.MEMBER) -> Member:
        """Invite a contact, who may join then.

        Again it is sent the same invitation, perhaps with another ``role``.

        Raises `NotAllowed` if the program is neither admin nor owner, or has a lower role than it
        would give, `CannotInvite`, `UnknownGroup` and `UnknownContact`.
        """
        settings, group_id, contact_id = self._core.settings, self._record.group_id, contact.id

        def decide(store: Store) -> Member:
            groups = GroupStore(store)
            group = known_group(groups, group_id)
            member = invite(groups, settings, group, known_contact(store, contact_id), role)
            return self._member(member)

        return await self._core.step(decide)
