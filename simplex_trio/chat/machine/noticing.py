"""What peers tell of themselves, and what programs are told of them."""

from __future__ import annotations

from contextlib import suppress

from simplex_trio.chat.machine.happenings import Happening, Noticed
from simplex_trio.chat.machine.records import (
    ContactRecord,
    FirstMessage,
    Notice,
    NoticeKind,
)
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import decode_info
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.duplex.errors import CannotAccept, UnknownConnection
from simplex_trio.duplex.events import RequestReceived
from simplex_trio.errors import DecodeError

__all__ = ["MAX_REQUEST_KEY", "notify", "read_info", "reject_request"]

MAX_REQUEST_KEY = 64
"""How many bytes of a peer's own id of its request are kept; the apps make ids of 16."""


def read_info(info: bytes) -> ChatMessage | None:
    """What a peer tells of itself with a connection, if it can be read."""
    try:
        return decode_info(info)
    except DecodeError:
        return None


def reject_request(store: Store, event: RequestReceived) -> None:
    """Refuse a request, which the peer is not told; it may be gone by now."""
    with suppress(CannotAccept, UnknownConnection):
        store.t.reject(event)


def notify(
    store: Store, contact: ContactRecord, kind: NoticeKind, first: FirstMessage | None = None
) -> list[Happening]:
    """Keep something that the program is to be told, unless it is to be told so already."""
    notice = store.add_notice(Notice(kind, contact.contact_id, first))
    return [] if notice is None else [Noticed(contact, notice)]
