"""Targets: bodies of the chat layer, data of links, formatting of texts."""

from __future__ import annotations

import json
from collections.abc import Iterator

from simplex_trio.chat.messages.addresses import AddressData, GroupLinkData
from simplex_trio.chat.messages.bodies import (
    MAX_BODY,
    Malformed,
    Received,
    decode_body,
    encode_element,
)
from simplex_trio.chat.messages.compression import decompress_frame
from simplex_trio.chat.messages.escaping import escape
from simplex_trio.chat.messages.formatting import parse_markdown
from simplex_trio.chat.messages.names import shown_name, valid_name
from simplex_trio.chat.messages.spans import ContactLink, Style
from simplex_trio.errors import DecodeError
from tests.fuzz.target import Target, hexes
from tests.fuzz.wire import text

__all__ = ["TARGETS"]

FILES = ("chat_live.json", "chat_live_6_5.json", "chat_live_7_0.json")
LINKS = (Style.URI, Style.EMAIL, Style.PHONE)


def body(data: bytes) -> None:
    """The messages of a body, and what they are written as; one that has none is an error."""
    found = decode_body(data)
    for element in found:
        if isinstance(element, Received):
            again = encode_element(element)
            if len(again) <= MAX_BODY:
                assert decode_body(again) == (element,)
    match found:
        case [Malformed(error=error)]:
            raise error


def link_data(data: bytes) -> None:
    for kind in (GroupLinkData, AddressData):
        try:
            value = kind.decode(data)
        except DecodeError:
            if kind is AddressData:
                raise
        else:
            assert type(value).from_json(value.to_json()) == value


def read_text(data: str) -> None:
    """What the apps see in a text, and that it can be escaped."""
    parse_markdown(data)
    for links in (True, False):
        for span in parse_markdown(escape(data, links=links)):
            is_link = span.format in LINKS or (
                isinstance(span.format, ContactLink) and span.format.shown is None
            )
            assert span.format is None or (links and is_link)
    assert valid_name(valid_name(data)) == valid_name(data)
    assert shown_name(data).isprintable()


def bodies() -> Iterator[bytes]:
    return hexes(FILES, "bytes", "chat_body")


def profiles() -> Iterator[bytes]:
    for each in bodies():
        if each[:1] == b"{" and "profile" in (params := json.loads(each)["params"]):
            yield json.dumps({"profile": params["profile"], "business": False}).encode()


def frames() -> Iterator[bytes]:
    for each in bodies():
        if each[:3] == b"X\x011":
            yield each[5:]


def texts() -> Iterator[bytes]:
    for each in bodies():
        if each[:1] == b"{":
            content = json.loads(each)["params"].get("content", {})
            yield content.get("text", "").encode()
    yield b"*bold* _it_ ~no~ `code` #secret# !1 red! [a](https://b.co) @'x y' /do 1234567 a@b.co"


TARGETS = (
    Target("chat-body", body, bodies),
    Target("chat-link-data", link_data, profiles),
    Target("chat-frame", decompress_frame, frames),
    Target("chat-text", text(read_text), texts),
)
