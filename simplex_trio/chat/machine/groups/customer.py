"""The program as a customer of a business: the conversation is a group, which staff can join.

The link of a business says that it is one if it is short.  A long one does not: the program asks as
for a contact, and learns by the answer that it is in a group.
"""

from __future__ import annotations

from simplex_trio.chat.machine.groups.business import business_preferences, called_after
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.links import answered
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.store import PATIENCE, GroupStore
from simplex_trio.chat.machine.noticing import read_info
from simplex_trio.chat.machine.records import ContactStatus
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.addresses import AddressData
from simplex_trio.chat.messages.group_events import XGrpLinkInv
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.duplex.events import ConfirmationReceived

__all__ = ["business_answers", "group_of_business"]


def group_of_business(data: AddressData) -> GroupProfile:
    """The group that a customer will have with a business, as its link shows it."""
    return called_after(data.profile, business_preferences(data.profile.preferences))


def business_answers(
    store: Store, settings: Settings, event: ConfirmationReceived
) -> list[GroupNoticed] | None:
    """The answer to a request at an address is that of a business: the contact is a group now.

    Returns `None` if it is not, or comes where the program has not asked.
    """
    contact, message = store.contact_of(event.connection_id), read_info(event.info)
    if (
        contact is None
        or contact.status is not ContactStatus.CONNECTING
        or contact.asked is not None
        or store.invitation(event.connection_id) is not None
        or message is None
        or not isinstance(message.event, XGrpLinkInv)
        or message.event.group_link_invitation.business is None
    ):
        return None
    groups = GroupStore(store)
    store.release_contact(contact)
    group = groups.put_group(
        GroupRecord(
            *(contact.contact_id, GroupStatus.JOINING, GroupProfile(""), b"", Role.OBSERVER),
            host_id=b"",
            own_profile=contact.own_profile,
            alias=contact.alias,
            is_by_link=True,
        )
    )
    host = groups.put_member(
        MemberRecord(
            *(group.group_id, b"", Role.ADMIN, MemberStatus.JOINING, MemberOrigin.HOST),
            connection_id=contact.connection_id,
        )
    )
    groups.wait_for(host, settings.seconds + PATIENCE)
    return answered(groups, settings, group, host, event)
