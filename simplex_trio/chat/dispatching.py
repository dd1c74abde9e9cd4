"""Which handlers are called with what has happened, and what becomes of their errors."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from simplex_trio.chat.changes import MessageDeleted, MessageEdited, ProfileChanged, ReactionChanged
from simplex_trio.chat.conversations import Job, Turn
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.handlers import ErrorHandler, Handlers, Route
from simplex_trio.chat.machine.happenings import Said
from simplex_trio.chat.messages.events import (
    Emoji,
    XDirectDel,
    XInfo,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.people import Contact, IncomingMessage

__all__ = ["dispatch", "told"]

_logger = logging.getLogger(__name__)


async def dispatch(handlers: Handlers, job: Job, turn: Turn) -> None:
    """Call the handlers for a job, and settle it."""
    turn.begin(job)
    value: Any = job.value
    if isinstance(value, IncomingMessage):
        value._turn = turn
        routes = await _routes_of(handlers, value)
    else:
        routes = handlers.for_other(job.kind, value)
    for each in routes:
        await _follow(each, value)
    await turn.end()


async def _routes_of(handlers: Handlers, message: IncomingMessage) -> list[Route]:
    try:
        route = handlers.for_message(message)
    except Exception as exc:  # of a filter
        await _failed(handlers.error_handlers, message, exc)
        return []
    return [] if route is None else [route]


async def _follow(route: Route, value: Any) -> None:
    async def go_on(place: int = 0) -> None:
        if place == len(route.middleware):
            await route.call()
        else:
            await route.middleware[place](value, partial(go_on, place + 1))

    try:
        await go_on()
    except Exception as exc:
        await _failed(route.error_handlers, value, exc)


async def _failed(handlers: tuple[ErrorHandler, ...], value: Any, exc: Exception) -> None:
    if not handlers:
        # Not the error's text, which may show what people have said.
        _logger.error("a handler has raised %s", type(exc).__name__)
    for handler in handlers:
        await handler(value, exc)


def told(core: ChatCore, said: Said) -> tuple[str, object]:
    """What handlers are given, and which."""
    contact = Contact(core, said.contact)
    match said.event:
        case XMsgNew() as new:
            return "message", IncomingMessage(
                contact,
                said.msg_id,
                new.content,
                new.quote,
                said.at,
                ttl=new.ttl,
                is_live=bool(new.live),
                is_repeated=said.is_repeated,
            )
        case XMsgUpdate() as update:
            edited = MessageEdited(contact, update.msg_id, update.content, bool(update.live))
            return "edited", edited
        case XMsgDel(msg_id=msg_id):
            return "deleted", MessageDeleted(contact, msg_id)
        case XMsgReact() as react:
            emoji = react.reaction.emoji if isinstance(react.reaction, Emoji) else None
            return "reaction", ReactionChanged(contact, react.msg_id, emoji, react.add)
        case XInfo(profile=profile):
            return "profile", ProfileChanged(contact, profile)
        case XDirectDel():
            return "left", contact
        case _:
            raise AssertionError("nothing that programs are told")
