"""Many messages in few bodies: introductions and history, and what a host of a group passes on.

A host writes what members have said into the bodies of others, and a member who says something too
long must not keep the rest from arriving.  So what does not fit is left out here, and told, where
`pack` in `bodies` refuses all.

What is passed on has two forms.  Programs from version 17 on read binary batches, in which a
message stays as it is behind a few bytes about its author.  For older ones each message is inside
another one, an `XGrpMsgForward`, and these are in JSON arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from attrs import evolve

from simplex_trio.chat.messages.bodies import (
    MAX_ELEMENTS,
    MAX_MESSAGE,
    MAX_PARTS,
    Forwarded,
    Received,
    encode_array,
    encode_element,
    grouped,
    join_elements,
)
from simplex_trio.chat.messages.json_text import MAX_DEPTH, is_deeper
from simplex_trio.chat.messages.message import ChatMessage, XGrpMsgForward
from simplex_trio.chat.messages.names import short_name
from simplex_trio.chat.messages.scalars import ChatVersions, Timestamp
from simplex_trio.chat.messages.versions import ChatVersion
from simplex_trio.errors import EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = [
    "MAX_FORWARDED",
    "Packed",
    "as_forward",
    "pack_forwarded",
    "pack_group",
    "reads_binary",
]

MAX_FORWARDED = MAX_MESSAGE + 161
"""How long a body with one forwarded message may be.

A message is never longer than `MAX_MESSAGE`: the rest of the room is left for who said it.
"""

T = TypeVar("T")

_Join = Callable[[list[bytes]], Iterable[bytes]]
"""What makes bodies of messages that are encoded."""

_BINARY_FRAME, _JSON_FRAME = 2, 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@frozen(repr=False)
class Packed(Redacted):
    """Bodies, and the positions of the messages that are in none of them, as they do not fit.

    `MAX_MESSAGE` says how long a message can be, and `MAX_DEPTH` how deep it can be nested.
    """

    bodies: tuple[bytes, ...]
    left_out: tuple[int, ...] = ()


def reads_binary(versions: ChatVersions) -> bool:
    """Whether a program that speaks these versions reads binary batches."""
    return versions.highest >= ChatVersion.BINARY_BATCHES


def pack_group(messages: Iterable[ChatMessage], *, batches: bool = True) -> Packed:
    """Messages to a member of a group, in order, in as few bodies as possible.

    Each body is a message or a JSON array.  ``batches`` says whether the member's version has
    arrays in groups.  Connections in groups are without the post-quantum KEM, and nothing is
    compressed.
    """
    most = MAX_PARTS if batches else 1
    return _packed(messages, _encode, MAX_MESSAGE, _json(most))


def pack_forwarded(elements: Iterable[Received], *, binary: bool, batches: bool = True) -> Packed:
    """What a host passes on to a member, in order, in as few bodies as possible.

    Each element says by its ``forwarded`` whose message it is.  With ``binary`` the bodies are
    binary batches, even of a single element; otherwise they are messages or JSON arrays of them, in
    which signatures are lost.
    """
    if binary:
        limit = MAX_FORWARDED - 2 * _BINARY_FRAME
        return _packed(elements, _encode_forwarded, limit, _binary)
    most = MAX_PARTS if batches else 1
    return _packed(elements, lambda each: _encode(as_forward(each)), MAX_FORWARDED, _json(most))


def as_forward(element: Received) -> ChatMessage:
    """A forwarded message inside another one, as programs that read no binary batches expect it.

    Raises `EncodeError` for a chunk of a file.
    """
    message, by = element.message, _author(element)
    if not isinstance(message, ChatMessage):
        raise EncodeError("a chunk of a file is not forwarded in JSON")
    try:
        when = Timestamp.of(_EPOCH + timedelta(seconds=by.seconds))
    except OverflowError as exc:
        raise EncodeError("a time that is no date") from exc
    return ChatMessage(XGrpMsgForward(message, when, by.member_id, by.member_name))


def _author(element: Received) -> Forwarded:
    by = element.forwarded
    if by is None:
        raise ValueError("a message that is not said to be forwarded")
    return evolve(by, member_name=None if by.member_name is None else short_name(by.member_name))


def _encode(message: ChatMessage) -> bytes:
    """A message as a part of an array.

    What a peer has said is deeper in it than it was when it came, and one message that is too deep
    to be read would spoil the whole array.
    """
    encoded = message.encode()
    if is_deeper(encoded.decode(), MAX_DEPTH - 1):
        raise EncodeError("a message is nested too deep to be passed on")
    return encoded


def _encode_forwarded(element: Received) -> bytes:
    return encode_element(evolve(element, forwarded=_author(element)))


def _binary(parts: list[bytes]) -> Iterable[bytes]:
    return map(join_elements, grouped(parts, MAX_MESSAGE, _BINARY_FRAME, MAX_ELEMENTS))


def _json(most: int) -> _Join:
    def join(parts: list[bytes]) -> Iterable[bytes]:
        for group in grouped(parts, MAX_MESSAGE, _JSON_FRAME, most):
            yield group[0] if len(group) == 1 else encode_array(group)

    return join


def _packed(items: Iterable[T], encode: Callable[[T], bytes], limit: int, join: _Join) -> Packed:
    parts: list[bytes] = []
    left_out: list[int] = []
    for position, item in enumerate(items):
        try:
            part = encode(item)
        except EncodeError:
            left_out.append(position)
            continue
        if len(part) <= limit:
            parts.append(part)
        else:
            left_out.append(position)
    return Packed(tuple(join(parts)), tuple(left_out))
