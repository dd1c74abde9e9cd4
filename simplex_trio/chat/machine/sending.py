"""Messages that are sent, edited and deleted, and reactions: the same to contacts and groups."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from simplex_trio.chat.errors import NotAllowed
from simplex_trio.chat.machine.groups.outlet import GroupOutlet
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.outgoing import ContactOutlet
from simplex_trio.chat.machine.outlet import Outlet
from simplex_trio.chat.machine.records import SentFile, SentRecord
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content, Text
from simplex_trio.chat.messages.events import (
    Emoji,
    Mention,
    Quote,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.files import FileInvitation
from simplex_trio.errors import TooLarge

__all__ = [
    "delete_message",
    "edit",
    "find_outlet",
    "is_known",
    "react",
    "send",
]

_MAX_QUOTED = 500
"""How many characters of a message are quoted if all of it does not fit."""

_TTLS = range(1, 100 * 366 * 24 * 3600)
"""After how many seconds messages can disappear: the apps offer up to a year."""


def find_outlet(
    store: Store, settings: Settings, conversation_id: int, scope: bytes | None = None
) -> Outlet | None:
    """Where something is said to the contact or the group with this id, if there is one."""
    contact = store.contact(conversation_id)
    if contact is not None:
        return ContactOutlet(store, settings, contact)
    group = GroupStore(store).group(conversation_id)
    return None if group is None else GroupOutlet(store, settings, group, scope=scope)


def is_known(store: Store, conversation_id: int) -> bool:
    """Whether there is a contact or a group with this id."""
    if store.contact(conversation_id) is not None:
        return True
    return GroupStore(store).group(conversation_id) is not None


def send(
    outlet: Outlet,
    content: Content,
    *,
    quote: Quote | None = None,
    ttl: int | None = None,
    live: bool = False,
    mentions: Mapping[str, Mention] | None = None,
    invitation: FileInvitation | None = None,
    file: SentFile | None = None,
) -> SentRecord:
    """Queue a new message; returns what is kept of it."""
    settings = outlet.settings
    outlet.check(content)
    if ttl is None and outlet.may_disappear:
        ttl = outlet.usual_ttl
    elif ttl is not None and not outlet.may_disappear:
        raise NotAllowed("messages that disappear are not allowed in this conversation")
    if ttl is not None and ttl not in _TTLS:
        raise ValueError("a message cannot disappear after so many seconds")
    msg_id = settings.new_message_id()
    event = XMsgNew(
        content, mentions or {}, quote=quote, ttl=ttl, live=live or None, file=invitation
    )
    try:
        queued = outlet.queue(event, msg_id)
    except TooLarge:
        if quote is None:
            raise
        # The longest messages leave no room for an answer with all of them in it.
        beginning = Text(quote.content.text[:_MAX_QUOTED])
        event = evolve(event, quote=evolve(quote, content=beginning))
        queued = outlet.queue(event, msg_id)
    now = settings.seconds
    expires_at = None if ttl is None or live else now + ttl
    record = SentRecord(
        msg_id, content, now, file=file, ttl=ttl, expires_at=expires_at, scope=outlet.scope
    )
    outlet.keep(queued, record)
    return record


def edit(
    outlet: Outlet,
    msg_id: bytes,
    content: Content,
    *,
    live: bool = False,
    mentions: Mapping[str, Mention] | None = None,
) -> None:
    """Give a message that was sent another content."""
    store, settings = outlet.store, outlet.settings
    sent = store.sent_as(outlet.conversation_id, msg_id)
    outlet.check(content, None if sent is None else sent.content)
    ttl = None if sent is None else sent.ttl
    event = XMsgUpdate(msg_id, content, mentions or {}, ttl=ttl, live=live or None)
    outlet.queue(event, settings.new_message_id())
    changes: dict[str, object] = {"content": content}
    if sent is not None and ttl is not None and sent.expires_at is None and not live:
        changes["expires_at"] = settings.seconds + ttl
    store.change_sent_as(outlet.conversation_id, msg_id, **changes)


def delete_message(outlet: Outlet, msg_id: bytes, author_id: bytes | None = None) -> None:
    """Delete a message that was sent, or that of a member, on the other side too."""
    outlet.check_deletion(author_id)
    outlet.queue(XMsgDel(msg_id, author_id), outlet.settings.new_message_id())


def react(
    outlet: Outlet, msg_id: bytes, emoji: str, *, add: bool, author_id: bytes | None = None
) -> None:
    """Add a reaction to a message of either side or of a member, or take it back."""
    outlet.check_reaction()
    event = XMsgReact(msg_id, Emoji(emoji), add, author_id)
    outlet.queue(event, outlet.settings.new_message_id())
