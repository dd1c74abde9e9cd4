"""What the program says to a whole group."""

from __future__ import annotations

from simplex_trio.chat.errors import NotAllowed
from simplex_trio.chat.machine.groups.own_profile import tell_own_profile
from simplex_trio.chat.machine.groups.records import GroupRecord, GroupStatus
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import SentRecord
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.events import Quote, XMsgNew
from simplex_trio.chat.messages.group_profiles import Role

__all__ = ["send_to_group"]


def send_to_group(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    content: Content,
    *,
    quote: Quote | None = None,
) -> SentRecord:
    """Queue a new message for all members; returns what is kept of it."""
    if group.status is not GroupStatus.READY or not has_role(group.own_role, Role.AUTHOR):
        raise NotAllowed("the program is not a member of the group that may write")
    tell_own_profile(groups, settings, group)
    msg_id = settings.new_message_id()
    event = XMsgNew(content, quote=quote)
    members = groups.current_members(group.group_id)
    say_to(groups, members, [(event, msg_id)], notify=event.NOTIFIES)
    record = SentRecord(msg_id, content, settings.seconds)
    store = groups.store
    store.add_sent(group.group_id, store.next_number(b"last sent"), record)
    return record
