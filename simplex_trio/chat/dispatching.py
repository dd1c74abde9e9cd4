"""Which handlers are called with what has happened, and what becomes of their errors."""

from __future__ import annotations

from functools import partial
from typing import Any

from attrs import evolve

from simplex_trio.chat.changes import (
    MessageDeleted,
    MessageEdited,
    PreferencesChanged,
    ProfileChanged,
    RatchetBroken,
    RatchetRepaired,
    ReactionChanged,
    SecurityCodeChanged,
)
from simplex_trio.chat.conversations import Job, Turn
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.files import IncomingFile
from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.group_requests import MemberRequest
from simplex_trio.chat.handlers import ErrorHandler, Handlers, Route
from simplex_trio.chat.machine.happenings import Noticed, Said
from simplex_trio.chat.machine.receiving_files import offered_by
from simplex_trio.chat.machine.records import NoticeKind
from simplex_trio.chat.messages.events import (
    Emoji,
    XDirectDel,
    XInfo,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.people import Contact, ContactRequest, IncomingMessage, SentMessage

__all__ = ["dispatch", "noticed", "told"]


async def dispatch(core: ChatCore, handlers: Handlers, job: Job, turn: Turn) -> None:
    """Call the handlers for a job, and settle it."""
    turn.begin(job)
    value: Any = job.value
    if job.is_message:
        value._turn = turn
        routes = await _routes_of(core, handlers, value)
    else:
        if isinstance(value, MemberRequest):
            value._turn = turn
        routes = handlers.for_other(job.kind, value)
    for each in routes:
        await _follow(core, each, value)
    await turn.end()


async def _routes_of(
    core: ChatCore, handlers: Handlers, message: IncomingMessage | GroupMessage
) -> list[Route]:
    try:
        route = handlers.for_message(message)
    except Exception as exc:  # of a filter
        await _failed(core, handlers.error_handlers, message, exc)
        return []
    return [] if route is None else [route]


async def _follow(core: ChatCore, route: Route, value: Any) -> None:
    async def go_on(place: int = 0) -> None:
        if place == len(route.middleware):
            await route.call()
        else:
            await route.middleware[place](value, partial(go_on, place + 1))

    try:
        await go_on()
    except Exception as exc:
        await _failed(core, route.error_handlers, value, exc)


async def _failed(
    core: ChatCore, handlers: tuple[ErrorHandler, ...], value: Any, exc: Exception
) -> None:
    if not handlers:
        core.error_unhandled("a handler", exc)
    for handler in handlers:
        try:
            await handler(value, exc)
        except Exception as another:
            # Such as when the contact is gone and cannot be told.  If that ended the bot, any
            # contact could end it, and after a restart the same message would do so again.
            core.error_unhandled("an error handler", another)


def told(core: ChatCore, said: Said) -> list[tuple[str, object]]:
    """What handlers are given, and which."""
    contact = Contact(core, said.contact)
    sent = said.referred
    referred = (
        None if sent is None else SentMessage(contact, sent.msg_id, sent.content, sent.sent_at)
    )
    match said.event:
        case XMsgNew() as new:
            message = IncomingMessage(
                contact,
                said.msg_id,
                new.content,
                new.quote,
                said.at,
                ttl=new.ttl,
                is_live=bool(new.live),
                is_repeated=said.is_repeated,
                quoted=referred,
                file=_file(core, contact, said),
            )
            return [("message", message)]
        case XMsgUpdate() as update:
            edited = MessageEdited(contact, update.msg_id, update.content, bool(update.live))
            return [("edited", edited)]
        case XMsgDel(msg_id=msg_id):
            return [("deleted", MessageDeleted(contact, msg_id))]
        case XMsgReact() as react:
            emoji = react.reaction.emoji if isinstance(react.reaction, Emoji) else None
            changed = ReactionChanged(contact, react.msg_id, emoji, react.add, referred)
            return [("reaction", changed)]
        case XInfo(profile=profile):
            return _introduced(contact, profile, said.before)
        case XDirectDel():
            return [("left", contact)]
        case _:
            raise AssertionError("nothing that programs are told")


def _file(core: ChatCore, contact: Contact, said: Said) -> IncomingFile | None:
    assert isinstance(said.event, XMsgNew)
    offered = offered_by(said.contact.contact_id, said.event, said.msg_id, core.settings.seconds)
    return None if offered is None else IncomingFile(contact, core, offered)


def _introduced(
    contact: Contact, profile: Profile, before: Profile | None
) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    if before is None or evolve(before, preferences=profile.preferences) != profile:
        found.append(("profile", ProfileChanged(contact, profile, before)))
    allowed = (before and before.preferences) or Preferences()
    allows = profile.preferences or Preferences()
    if allows != allowed:
        found.append(("preferences", PreferencesChanged(contact, allows, allowed)))
    return found


def noticed(core: ChatCore, happened: Noticed) -> tuple[str, object]:
    """What handlers are given, and which, for a notice that is kept until they have finished."""
    notice = happened.notice
    contact = Contact(core, happened.contact)
    match notice.kind:
        case NoticeKind.CONNECTED:
            return "connected", contact
        case NoticeKind.FAILED:
            return "failed", contact
        case NoticeKind.REQUESTED:
            return "request", ContactRequest(contact)
        case NoticeKind.BROKEN:
            return "broken", RatchetBroken(contact)
        case NoticeKind.REPAIRED:
            return "repaired", RatchetRepaired(contact)
        case NoticeKind.CODE_CHANGED:
            return "code", SecurityCodeChanged(contact)
        case NoticeKind.FIRST_MESSAGE:
            assert notice.first is not None
            first, now = notice.first, core.settings.seconds
            return "message", IncomingMessage(contact, first.msg_id, first.content, None, now)
        case _:
            raise AssertionError("files and groups are told of in other ways")
