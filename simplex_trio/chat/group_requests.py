"""`MemberRequest`: someone asks at the link of a group to be let in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, final

from attrs import define, field

from simplex_trio.chat.errors import MemberGone
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group, Member
from simplex_trio.chat.machine.groups.applicants import (
    admit,
    begin_talking,
    refuse,
    say_to_applicant,
)
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.records import GroupRecord, MemberRecord, MemberStatus
from simplex_trio.chat.machine.groups.saying import known_group
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import Notice, NoticeKind
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.group_events import RejectionReason
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.people import as_content
from simplex_trio.redaction import Redacted

if TYPE_CHECKING:
    from simplex_trio.chat.conversations import Turn

__all__ = ["MemberRequest"]

T = TypeVar("T")


@final
@define(eq=False, repr=False)
class MemberRequest(Redacted):
    """Someone asks at the link of a group to be let in.

    Until it is let in it hears nothing of the group.  The program may talk with it before, as with
    `ask`.  If the handler of the request finishes without a decision, it stays open: it can be
    decided about later, by `Group.requests`, and is refused after a week.
    """

    member: Member
    """Who asks, as the member that it is to be."""
    _turn: Turn | None = field(default=None, repr=False)

    @property
    def group(self) -> Group:
        """The group."""
        return self.member.group

    @property
    def name(self) -> str:
        """The name in the profile, fit to be shown in a line."""
        return self.member.name

    async def approve(self, *, role: Role | None = None) -> None:
        """Let it in, with the role that the link gives, or another one.

        If the admins of the group review new members, they are asked first; one that they have been
        asked about already is let in.

        Raises `NotAllowed` if the program may not, and `MemberGone` if it has gone away.
        """
        core = self.group._core

        def decide(
            groups: GroupStore, group: GroupRecord, member: MemberRecord
        ) -> list[GroupNoticed]:
            return admit(groups, core.settings, group, member, role)

        for each in await self._decide(decide):
            core.notice_added(each)

    async def reject(self, reason: RejectionReason | str = "") -> None:
        """Do not let it in.

        It is told the ``reason`` if nothing was said to it before; otherwise it learns that it was
        removed.  Raises `MemberGone` if it has gone away.
        """
        settings = self.group._core.settings

        def decide(groups: GroupStore, group: GroupRecord, member: MemberRecord) -> None:
            refuse(groups, settings, group, member, reason)

        await self._decide(decide)

    async def send(self, content: Content | str) -> None:
        """Say something to it, which it sees as from the admins of the group.

        Raises `MemberGone` if it has gone away.
        """
        await self._talk()
        await self._decide(self._saying(as_content(content)))

    async def ask(self, question: Content | str) -> GroupMessage:
        """Ask it something, and wait for its next message.

        Others have the turn meanwhile.  Only the handler of the request can ask, and after a
        restart it is called again.  How long it takes is up to the program: see
        `trio.move_on_after`.  Raises `MemberGone` if it has gone away.
        """
        turn = self._turn
        if turn is None:
            raise RuntimeError("only the handler of a request can ask")
        await self._talk()
        answer = await turn.ask(self._keeping(self._saying(as_content(question))))
        assert isinstance(answer, GroupMessage)
        return answer

    # --- steps ----------------------------------------------------------------------------------

    def _saying(
        self, content: Content
    ) -> Callable[[GroupStore, GroupRecord, MemberRecord], object]:
        settings = self.group._core.settings

        def decide(groups: GroupStore, group: GroupRecord, member: MemberRecord) -> object:
            return say_to_applicant(groups, settings, member, content)

        return decide

    async def _talk(self) -> None:
        """Be connected with it."""
        core = self.group._core
        settings = core.settings

        def begin(groups: GroupStore, group: GroupRecord, member: MemberRecord) -> bool:
            return begin_talking(groups, settings, group, member).is_connected

        def look(groups: GroupStore, group: GroupRecord, member: MemberRecord) -> bool:
            return member.is_connected

        async def wait(is_connected: bool) -> None:
            while not is_connected:
                changed = core.connection_changed
                is_connected = await self._decide(look)
                if not is_connected:
                    await changed.wait()

        if self._turn is None or self._turn.is_over:
            await wait(await self._decide(begin))
        elif not await self._decide(look):
            await self._turn.stand_aside(self._keeping(begin), wait)

    def _keeping(
        self, decide: Callable[[GroupStore, GroupRecord, MemberRecord], T]
    ) -> Callable[[Store], T]:
        """A step that leaves the request to be told of again, until its handler has finished."""
        turn = self._turn
        assert turn is not None
        take = self._taking(decide)

        def keep(store: Store) -> T:
            value = take(store)
            record = self.member._record
            notice = store.add_notice(
                Notice(NoticeKind.GROUP_REQUEST, record.group_id, member=record)
            )
            if notice is not None:
                turn.has_in_hand(lambda later: later.remove_notice(notice))
            return value

        return keep

    def _taking(
        self, decide: Callable[[GroupStore, GroupRecord, MemberRecord], T]
    ) -> Callable[[Store], T]:
        group_id, member_id = self.member._record.group_id, self.member._record.member_id

        def take(store: Store) -> T:
            groups = GroupStore(store)
            member = groups.member(group_id, member_id)
            if member is None or member.status in (MemberStatus.GONE, MemberStatus.REJECTED):
                raise MemberGone("there is no such member in the group, or no longer")
            return decide(groups, known_group(groups, group_id), member)

        return take

    async def _decide(self, decide: Callable[[GroupStore, GroupRecord, MemberRecord], T]) -> T:
        return await self.group._core.step(self._taking(decide))
