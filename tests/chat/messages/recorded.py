"""What is true of each message of the real chat program, and of each one that it has accepted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from simplex_trio.chat.messages.bodies import Chunk, Received, decode_body, decode_info
from simplex_trio.chat.messages.compression import decompress_frame
from simplex_trio.chat.messages.content import OtherPage, UnknownContent
from simplex_trio.chat.messages.event import UnknownEvent
from simplex_trio.chat.messages.events import UnknownReaction
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.records import Record
from tests.chat.messages.values import parts_of
from tests.vectors import Case

__all__ = ["check_fields", "check_info", "check_values", "check_versions", "read"]

_UNKNOWN = (UnknownEvent, UnknownContent, UnknownReaction, OtherPage)


def read(case: Case) -> tuple[Received, ...]:
    """The messages of a case, each of which can be read."""
    elements = decode_body(bytes.fromhex(case["bytes"]))
    assert all(isinstance(each, Received) for each in elements)
    return tuple(each for each in elements if isinstance(each, Received))


def check_fields(case: Case) -> None:
    """Every field is one that is known."""
    for part in parts_of(read(case)):
        assert not isinstance(part, _UNKNOWN)
        if isinstance(part, Record | ChatMessage):
            assert part.unknown == {}


def check_values(case: Case) -> None:
    """What is written is what was read."""
    said = [each.message for each in read(case)]
    again = [json.loads(each.encode()) for each in said if isinstance(each, ChatMessage)]
    assert again == list(_json_values(bytes.fromhex(case["bytes"])))


def check_info(case: Case) -> None:
    """What comes with a connection is one message."""
    if case["agent"] in ("REQ", "CONF", "INFO", "accept", "allow", "join"):
        (element,) = read(case)
        assert decode_info(bytes.fromhex(case["bytes"])) == element.message


def check_versions(case: Case) -> None:
    """The versions that both sides say go up to what a bot of this package implements, or more."""
    for each in read(case):
        if isinstance(each.message, Chunk):
            continue
        assert each.message.versions.lowest == 1
        assert each.message.versions.highest >= 16


def _json_values(body: bytes) -> Iterator[Any]:
    """The messages in a body, as Python reads them; a batch is taken apart by its lengths."""
    match body[:1]:
        case b"[":
            yield from json.loads(body)
        case b"X":
            assert body[1:3] == b"\x011"
            yield from _json_values(decompress_frame(body[5:]))
        case b"=":
            start = 2
            for _ in range(body[1]):
                end = start + 2 + int.from_bytes(body[start : start + 2], "big")
                yield from _json_values(body[start + 2 : end])
                start = end
            assert start == len(body)
        case b">":
            sender = 10 if body[1:2] == b"C" else 0
            if not sender:
                name = 3 + body[2]
                sender = name + 1 + body[name] + 8
            yield from _json_values(body[sender:])
        case b"/":
            yield from _json_values(body[3 + 66 * body[2] :])
        case b"F":
            return
        case _:
            yield json.loads(body)
