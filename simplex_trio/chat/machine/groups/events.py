"""Everything that members say in groups, and what follows from each of it."""

from __future__ import annotations

from collections.abc import Sequence

from simplex_trio.chat.machine.groups import changes, contacts, content, forwarding, members
from simplex_trio.chat.machine.groups.applicants import admitted_by_admin
from simplex_trio.chat.machine.groups.arriving import Arrival, Rules
from simplex_trio.chat.machine.groups.history import History, keeps_history, note_in_history
from simplex_trio.chat.machine.groups.own_links import update_link
from simplex_trio.chat.machine.groups.records import GroupRecord, MemberOrigin
from simplex_trio.chat.machine.groups.rules import can_host
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.group_events import XGrpInfo, XGrpLinkAcpt, XGrpMemDel, XGrpPrefs

__all__ = ["RULES", "pass_on"]

RULES: Rules = {
    **content.RULES,
    **contacts.RULES,
    **members.RULES,
    **changes.RULES,
    **forwarding.RULES,
}


def _note_in_history(a: Arrival, group: GroupRecord, event: Event) -> None:
    if not keeps_history(group):
        if isinstance(event, XGrpInfo | XGrpPrefs):
            History(a.groups.store.t.kept, group.group_id).remove_all()
        return
    if isinstance(event, XGrpMemDel):
        if event.messages:
            History(a.groups.store.t.kept, group.group_id).remove_all(event.member_id)
    elif a.message is not None and not a.author.is_blocked:
        note_in_history(
            *(a.groups, group, event, a.msg_id, a.author, a.at),
            versions=a.message.versions,
        )


def pass_on(allowed: Sequence[Arrival]) -> None:
    """Do what a host does about what a member has said, and was allowed to."""
    forwarding.pass_on(allowed)
    for a in allowed:
        event = None if a.message is None else a.message.event
        group = a.groups.group(a.group.group_id)
        if group is None or not can_host(group):
            continue
        if event is not None:
            _note_in_history(a, group, event)
        if isinstance(event, XGrpInfo | XGrpPrefs):
            update_link(a.groups, group)
        elif isinstance(event, XGrpLinkAcpt) and a.affected is not None:
            member = a.groups.member(group.group_id, a.affected.member_id)
            if member is not None and member.origin is MemberOrigin.INVITEE:
                admitted_by_admin(a.groups, a.settings, group, member, a.author)
