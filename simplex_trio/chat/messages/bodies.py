"""The bodies of agent messages: one message of the chat protocol in each, or several.

The first byte says what a body is:

| | |
|---|---|
| ``{`` | a message in JSON |
| ``[`` | a JSON array of messages |
| ``X`` | compressed parts, each of them one of the others |
| ``=`` | a binary batch: parts that are messages, chunks, signed or forwarded |
| ``F``, ``/``, ``>`` | such a part alone: a chunk of a file, something signed or forwarded |

One bad message of several does not spoil the others, so `decode_body` raises nothing: what cannot
be read is a `Malformed` in its place.  The information that comes with a connection is exactly one
message: `decode_info`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from simplex_trio.chat.messages.compression import (
    MAX_DECOMPRESSED,
    compress_frame,
    declared_size,
    decompress_frame,
)
from simplex_trio.chat.messages.json_text import decode_json
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.errors import DecodeError, EncodeError, TooLarge, without_traceback
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, int64, large, listed, short, utf8

__all__ = [
    "MAX_BODY",
    "MAX_COMPRESSED",
    "MAX_COMPRESSED_INFO",
    "MAX_ELEMENTS",
    "MAX_INFO",
    "MAX_MESSAGE",
    "MAX_PARTS",
    "Chunk",
    "Element",
    "Forwarded",
    "Malformed",
    "Received",
    "Signed",
    "compress",
    "decode_body",
    "decode_info",
    "encode_array",
    "encode_batch",
    "encode_element",
    "encode_info",
    "grouped",
    "join_elements",
    "pack",
]

T = TypeVar("T")

MAX_BODY = 16_384
"""How long a body can be: it comes in one block of a router."""

MAX_PARTS = 1_024
"""How many messages of one body are read; the apps put at most 300 or so into one."""

MAX_ELEMENTS = 255
"""How many elements a binary batch can have: their count is one byte."""

MAX_MESSAGE = 15_602
"""How long a message, or a batch of messages, may be before it is compressed."""

MAX_COMPRESSED = 13_380
"""How long a body may be on connections with the post-quantum KEM."""

MAX_INFO = 14_694
"""How long the information that comes with a connection may be."""

MAX_COMPRESSED_INFO = 10_968
"""How long it may be on connections with the post-quantum KEM."""

_MAX_STORED = 180
"""Bodies up to this length are not compressed."""

_CHUNK_CANCELLED = 0
_MAX_CHUNK = 255


# --- what is in a body --------------------------------------------------------------------------


@frozen(repr=False)
class Forwarded(Redacted):
    """Who said what a host passes on, and when; without an id it is a channel that says it."""

    seconds: int
    """When the host got it, in seconds since 1970."""
    member_id: bytes | None = None
    member_name: str | None = None


@frozen(repr=False)
class Signed(Redacted):
    """Signatures of what was said, over ``body`` as it came; nothing here verifies them."""

    binding: bytes
    """What the signatures bind it to: ``G`` for a group, ``D`` for a direct one, ``C`` channel."""
    signatures: tuple[bytes, ...]
    body: bytes


@frozen(repr=False)
class Chunk(Redacted):
    """A piece of a file in a message, numbered from 1; without data, the file is cancelled."""

    msg_id: bytes
    number: int
    data: bytes | None


@frozen(repr=False)
class Received(Redacted):
    """A message, or a chunk of a file, and how it came."""

    message: ChatMessage | Chunk
    forwarded: Forwarded | None = None
    signed: Signed | None = None


@frozen(repr=False)
class Malformed(Redacted):
    """A message that cannot be read; ``error`` says why, without anything of its content."""

    error: DecodeError


Element = Received | Malformed
"""What is in a body."""


# --- reading ------------------------------------------------------------------------------------


def decode_body(body: bytes) -> tuple[Element, ...]:
    """The messages in a body, in order; at least one.

    Raises `CompressionSupportMissing` alone: if the body is compressed, and nothing that can read
    it is installed.
    """
    try:
        if len(body) > MAX_BODY:
            raise DecodeError(f"a body of {len(body)} bytes, of at most {MAX_BODY}")
        found = [each for part in _uncompressed(body) for each in _elements(part)]
        if len(found) > MAX_PARTS:
            raise DecodeError(f"a body of {len(found)} messages, of at most {MAX_PARTS}")
    except DecodeError as exc:
        return (_malformed(exc),)
    return tuple(found)


def decode_info(body: bytes) -> ChatMessage:
    """The one message that comes with a connection; raises `DecodeError` for anything else."""
    match decode_body(body):
        case [Received(message=ChatMessage() as message, forwarded=None)]:
            return message
        case [Malformed(error=error)]:
            raise error
        case _:
            raise DecodeError("not one message")


def _malformed(error: DecodeError) -> Malformed:
    return Malformed(without_traceback(error))


def _uncompressed(body: bytes) -> list[bytes]:
    if body[:1] != b"X":
        return [body]
    reader = Reader(body, 1)
    parts = reader.listed(lambda: _compressed_part(reader), at_least=1)
    reader.end()
    total = sum(size for size, _ in parts)
    if total > MAX_DECOMPRESSED:
        raise DecodeError(f"a body declares {total} bytes, of at most {MAX_DECOMPRESSED}")
    return [content() for _, content in parts]


def _compressed_part(reader: Reader) -> tuple[int, Callable[[], bytes]]:
    """How large a part is, and what decompresses it."""
    match reader.take(1):
        case b"0":
            stored = reader.short()
            return len(stored), lambda: stored
        case b"1":
            frame = reader.large()
            return declared_size(frame), lambda: decompress_frame(frame)
        case _:
            raise DecodeError("a part of a compressed body of an unknown kind")


def _elements(body: bytes) -> Iterator[Element]:
    try:
        match body[:1]:
            case b"[":
                yield from (_guarded(_from_json, each) for each in _few(decode_json(body)))
            case b"=":
                reader = Reader(body, 1)
                batch = reader.listed(reader.large, at_least=1)
                reader.end()
                yield from (_guarded(_part, each) for each in batch)
            case _:
                yield _part(body)
    except DecodeError as exc:
        yield _malformed(exc)


def _few(parts: list[object]) -> list[object]:
    if not 1 <= len(parts) <= MAX_PARTS:
        raise DecodeError(f"an array of {len(parts)} messages, not 1 to {MAX_PARTS}")
    return parts


def _from_json(value: object) -> Received:
    return Received(ChatMessage.from_json(value))


def _guarded(read: Callable[[T], Element], value: T) -> Element:
    try:
        return read(value)
    except DecodeError as exc:
        return _malformed(exc)


def _part(part: bytes, forwarded: Forwarded | None = None) -> Received:
    reader = Reader(part, 1)
    match part[:1]:
        case b"{":
            return Received(ChatMessage.decode(part), forwarded)
        case b"F":
            return Received(_chunk(reader), forwarded)
        case b"/":
            binding = reader.take(1)
            if binding not in (b"G", b"D", b"C"):
                raise DecodeError("a signature that is bound to something unknown")
            signatures = reader.listed(lambda: _signature(reader), at_least=1)
            body = reader.tail()
            signed = Signed(binding, signatures, body)
            return Received(ChatMessage.decode(body), forwarded, signed)
        case b">":
            if forwarded is not None:
                raise DecodeError("something forwarded that is forwarded")
            sender = _sender(reader)
            return _part(reader.tail(), sender)
        case _:
            raise DecodeError("a body of an unknown kind")


def _signature(reader: Reader) -> bytes:
    reader.expect(b"M")
    return reader.short()


def _sender(reader: Reader) -> Forwarded:
    match reader.take(1):
        case b"M":
            member_id, name = reader.short(), reader.utf8()
            return Forwarded(reader.int64(), member_id, name)
        case b"C":
            return Forwarded(reader.int64())
        case _:
            raise DecodeError("something forwarded from an unknown kind of sender")


def _chunk(reader: Reader) -> Chunk:
    reader.short()  # the message's own id, which is empty
    msg_id, number = reader.short(), reader.byte()
    data = reader.tail()
    if number != _CHUNK_CANCELLED:
        return Chunk(msg_id, number, data)
    if data:
        raise DecodeError("a cancelled file with data")
    return Chunk(msg_id, number, None)


# --- writing ------------------------------------------------------------------------------------


def encode_info(message: ChatMessage, *, pq: bool) -> bytes:
    """The information that comes with a connection.

    ``pq`` says whether the connection is one with the post-quantum KEM, on which there is less
    room.  Only what is too long for that is compressed.  Raises `TooLarge`.
    """
    return _fitted(message.encode(), MAX_INFO, MAX_COMPRESSED_INFO if pq else None)


def pack(messages: Iterable[ChatMessage], *, pq: bool, batches: bool = True) -> list[bytes]:
    """Bodies for ``messages``, in order: as few as possible, each an array or a single message.

    ``batches`` says whether the peer's version has arrays.  ``pq`` says whether the connection is
    one with the post-quantum KEM: there is less room, and a message that is too long for that is
    compressed.  Raises `TooLarge` for one that does not fit even so, and then there are no bodies.
    """
    room = MAX_COMPRESSED if pq else MAX_MESSAGE
    limit = MAX_COMPRESSED if pq else None
    encoded = [message.encode() for message in messages]
    return [
        _fitted(group[0], MAX_MESSAGE, limit) if len(group) == 1 else encode_array(group)
        for group in grouped(encoded, room, 1, MAX_PARTS if batches else 1)
    ]


def encode_array(messages: Iterable[bytes]) -> bytes:
    """A JSON array of messages that are encoded already."""
    return b"[%b]" % b",".join(messages)


def grouped(parts: Iterable[bytes], room: int, frame: int, most: int) -> list[list[bytes]]:
    """Parts in order, in as few groups as possible, each for one body.

    A body has ``frame`` bytes and, before each of its parts, ``frame`` more; it has at most
    ``room`` bytes and ``most`` parts.  A part that has no room at all is a group alone.
    """
    groups: list[list[bytes]] = []
    length = 0
    for part in parts:
        length += frame + len(part)
        if not groups or length > room or len(groups[-1]) == most:
            groups.append([])
            length = 2 * frame + len(part)
        groups[-1].append(part)
    return groups


def _fitted(body: bytes, limit: int, compressed_limit: int | None) -> bytes:
    if len(body) > limit:
        raise TooLarge(f"a message of {len(body)} bytes, of at most {limit}")
    if compressed_limit is None or len(body) <= compressed_limit:
        return body
    smaller = compress(body)
    if len(smaller) > compressed_limit:
        raise TooLarge(f"a compressed message of {len(smaller)} bytes, of {compressed_limit}")
    return smaller


def compress(body: bytes) -> bytes:
    """A compressed body with one part; a short one is stored in it as it is."""
    if len(body) <= _MAX_STORED:
        return b"X\x010" + short(body)
    return b"X\x011" + large(compress_frame(body))


def encode_batch(elements: Iterable[Received]) -> bytes:
    """A binary batch of 1 to 255 elements."""
    return join_elements(map(encode_element, elements))


def join_elements(elements: Iterable[bytes]) -> bytes:
    """A binary batch of 1 to 255 elements that are encoded already."""
    parts = [large(each) for each in elements]
    if not 1 <= len(parts) <= MAX_ELEMENTS:
        raise EncodeError(f"a batch of {len(parts)} messages, not 1 to {MAX_ELEMENTS}")
    return b"=" + listed(parts)


def encode_element(element: Received) -> bytes:
    """A message as a part of a binary batch; what is signed is written as it came."""
    return _forwarding(element.forwarded) + _signed(element)


def _forwarding(forwarded: Forwarded | None) -> bytes:
    if forwarded is None:
        return b""
    seconds = int64(forwarded.seconds)
    if forwarded.member_id is None:
        return b">C" + seconds
    return b">M" + short(forwarded.member_id) + utf8(forwarded.member_name or "") + seconds


def _signed(element: Received) -> bytes:
    signed, message = element.signed, element.message
    if signed is not None:
        signatures = listed(b"M" + short(each) for each in signed.signatures)
        return b"/" + signed.binding + signatures + signed.body
    if isinstance(message, ChatMessage):
        return message.encode()
    number = _CHUNK_CANCELLED if message.data is None else message.number
    if (message.data is None) != (number == _CHUNK_CANCELLED) or not 0 <= number <= _MAX_CHUNK:
        raise EncodeError(f"a chunk is numbered from 1 to {_MAX_CHUNK}")
    return b"F" + short(b"") + short(message.msg_id) + bytes([number]) + (message.data or b"")
