"""Targets: bodies of the chat layer, data of links, formatting of texts."""

from __future__ import annotations

import json
from collections.abc import Iterator

from attrs import evolve

from simplex_trio.chat.messages.addresses import (
    AddressData,
    GroupLinkData,
    RelayLinkData,
    group_client_data,
    group_link_id,
)
from simplex_trio.chat.messages.batches import pack_forwarded
from simplex_trio.chat.messages.bodies import (
    MAX_BODY,
    Chunk,
    Forwarded,
    Malformed,
    Received,
    decode_body,
    encode_element,
)
from simplex_trio.chat.messages.compression import decompress_frame
from simplex_trio.chat.messages.escaping import escape
from simplex_trio.chat.messages.formatting import parse_markdown
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.mentions import (
    MAX_MENTIONS,
    mentioned_members,
    mentioned_names,
    write_mention,
)
from simplex_trio.chat.messages.names import short_name, shown_name, valid_name
from simplex_trio.chat.messages.rosters import decode_roster, encode_roster, roster_file
from simplex_trio.chat.messages.signing import Author, Trust, check_trust
from simplex_trio.chat.messages.spans import ContactLink, Style
from simplex_trio.crypto.keys import Ed25519PublicKey
from simplex_trio.errors import DecodeError, EncodeError, SignatureInvalid
from tests.fuzz.target import Target, hexes, recorded
from tests.fuzz.wire import text

__all__ = ["TARGETS"]

FILES = (
    "chat_live.json",
    "chat_live_6_4.json",
    "chat_live_6_5.json",
    "chat_live_7_0.json",
    "chat_groups_6_4.json",
    "chat_groups_6_5.json",
    "chat_groups_7_0.json",
)
CHANNELS = "chat_groups_7_0.json"
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


def passing_on(data: bytes) -> None:
    """What a host passes on of a body arrives, or is told to be left out."""
    found = [each for each in decode_body(data) if isinstance(each, Received)]
    elements = [evolve(each, forwarded=each.forwarded or Forwarded(0, b"id", "")) for each in found]
    for binary in (True, False):
        packed = pack_forwarded(elements, binary=binary)
        arrived = [each for body in packed.bodies for each in decode_body(body)]
        kept = [each for n, each in enumerate(elements) if n not in packed.left_out]
        assert len(arrived) == len(kept)
        assert not any(isinstance(each, Malformed) for each in arrived)
        if binary:
            assert arrived == list(map(with_short_name, kept))
    if not found:
        raise DecodeError("nothing to pass on")


def with_short_name(element: Received) -> Received:
    by = element.forwarded
    assert by is not None
    if by.member_name is None:
        return element
    return evolve(element, forwarded=evolve(by, member_name=short_name(by.member_name)))


def signed(data: bytes) -> None:
    """What is signed is believed, if it was not changed."""
    [keys] = recorded([CHANNELS], "channel_keys")
    members = {bytes.fromhex(each): bytes.fromhex(key) for each, key in keys["members"].items()}
    group_id = bytes.fromhex(keys["group_id"])
    trusted = []
    for element in decode_body(data):
        if not isinstance(element, Received) or element.signed is None:
            continue
        by = element.forwarded
        member_id = (by and by.member_id) or bytes.fromhex(keys["subscriber"])
        key = Ed25519PublicKey(members[member_id]) if member_id in members else None
        author = Author(member_id, Role.OWNER, key)
        trusted.append(check_trust(element, author, group_id, Role.OBSERVER))
    if Trust.SIGNATURE not in trusted:
        raise SignatureInvalid("nothing is signed")


def roster(data: bytes) -> None:
    members = decode_roster(data, roster_file(data))
    again = encode_roster(members)
    assert decode_roster(again, roster_file(again)) == members


def client_data(data: str) -> None:
    link_id = group_link_id(data)
    if link_id is None:
        raise DecodeError("not of a group")
    assert group_link_id(group_client_data(link_id)) == link_id


def link_data(data: bytes) -> None:
    for kind in (GroupLinkData, RelayLinkData, AddressData):
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
    members = {name: name.encode("utf-8", "surrogateescape") for name in mentioned_names(data)}
    assert len(mentioned_members(data, members)) == min(len(members), MAX_MENTIONS)
    try:
        mention = write_mention(data)
    except EncodeError:
        pass
    else:
        assert mentioned_names(f"to {mention} now") == (data,)
    assert valid_name(valid_name(data)) == valid_name(data)
    assert shown_name(data).isprintable()


def bodies() -> Iterator[bytes]:
    return hexes(FILES, "bytes", "chat_body")


def profiles() -> Iterator[bytes]:
    for each in bodies():
        if each[:1] == b"{" and "profile" in (params := json.loads(each)["params"]):
            yield json.dumps({"profile": params["profile"], "business": False}).encode()


def rosters() -> Iterator[bytes]:
    for each in decoded(CHANNELS):
        if isinstance(each.message, Chunk) and each.message.data is not None:
            yield each.message.data


def signed_bodies() -> Iterator[bytes]:
    for each in bodies():
        found = decode_body(each)
        if any(isinstance(element, Received) and element.signed for element in found):
            yield each


def decoded(file: str) -> Iterator[Received]:
    for each in hexes([file], "bytes", "chat_body"):
        yield from (element for element in decode_body(each) if isinstance(element, Received))


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
    Target("chat-passing-on", passing_on, bodies),
    Target("chat-signed", signed, signed_bodies, (DecodeError, SignatureInvalid)),
    Target("chat-roster", roster, rosters),
    Target("chat-client-data", text(client_data), lambda: [group_client_data(bytes(16)).encode()]),
)
