"""What the real chat program says to a bot, and what a bot says to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from simplex_trio.chat.messages.bodies import (
    Received,
    decode_body,
    decode_info,
    encode_batch,
)
from simplex_trio.chat.messages.calls import XCallEnd, XCallInv
from simplex_trio.chat.messages.compression import decompress_frame
from simplex_trio.chat.messages.content import (
    File,
    Link,
    OtherPage,
    Text,
    UnknownContent,
    Voice,
)
from simplex_trio.chat.messages.event import UnknownEvent
from simplex_trio.chat.messages.events import UnknownReaction, XContact, XInfo, XMsgNew, XMsgUpdate
from simplex_trio.chat.messages.files import DescriptionParts
from simplex_trio.chat.messages.group_events import XGrpInv
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.profiles import PeerType
from simplex_trio.chat.messages.records import Record
from tests.chat.messages.values import parts_of
from tests.vectors import Case, cases, load

FILE = "chat_live.json"
UNKNOWN = (UnknownEvent, UnknownContent, UnknownReaction, OtherPage)


def read(case: Case) -> tuple[Received, ...]:
    elements = decode_body(bytes.fromhex(case["bytes"]))
    assert all(isinstance(each, Received) for each in elements)
    return tuple(each for each in elements if isinstance(each, Received))


def json_values(body: bytes) -> Iterator[Any]:
    """The messages in a body, as Python reads them; a batch is taken apart by its lengths."""
    match body[:1]:
        case b"[":
            yield from json.loads(body)
        case b"X":
            assert body[1:3] == b"\x011"
            yield from json_values(decompress_frame(body[5:]))
        case b"=":
            assert body[1] == 1
            yield json.loads(body[body.index(b"{") :])
        case _:
            yield json.loads(body)


@pytest.mark.parametrize("case", cases(FILE, "chat_body"))
def test_every_field_is_understood(case: Case) -> None:
    for part in parts_of(read(case)):
        assert not isinstance(part, UNKNOWN)
        if isinstance(part, Record | ChatMessage):
            assert part.unknown == {}


@pytest.mark.parametrize("case", cases(FILE, "chat_body"))
def test_what_is_written_is_what_was_read(case: Case) -> None:
    body = bytes.fromhex(case["bytes"])
    said = [each.message for each in read(case)]
    again = [json.loads(each.encode()) for each in said if isinstance(each, ChatMessage)]
    assert again == list(json_values(body))


@pytest.mark.parametrize("case", cases(FILE, "chat_body"))
def test_what_comes_with_a_connection_is_one_message(case: Case) -> None:
    if case["agent"] in ("REQ", "CONF", "INFO", "accept", "allow", "join"):
        assert decode_info(bytes.fromhex(case["bytes"])) == read(case)[0].message


@pytest.mark.parametrize("case", cases(FILE, "chat_body"))
def test_versions(case: Case) -> None:
    for each in read(case):
        assert isinstance(each.message, ChatMessage)
        assert each.message.versions.lowest == 1
        assert each.message.versions.highest >= 16


# --- what is in them ----------------------------------------------------------------------------

FIRST = "address with link data; app scans, prepares, connects with a first message"


def events(action: str) -> list[Any]:
    """What the app said in the course of one action, in order."""
    return [
        each.message.event
        for case in load(FILE)
        if case["action"] == action and case["direction"] == "from_app"
        for each in read(case)
        if isinstance(each.message, ChatMessage)
    ]


def content(action: str) -> Any:
    [event, *_] = events(action)
    return event.content


def test_a_request_with_a_first_message() -> None:
    [request, info, *_] = events(FIRST)
    assert isinstance(request, XContact)
    assert isinstance(info, XInfo)
    assert request.first_message == (request.msg_id, Text("hello before connecting"))
    assert request.profile == info.profile
    assert request.profile.peer_type is PeerType.BOT

    [welcome] = [
        each.message.event
        for case in load(FILE)
        if case["action"] == FIRST and case["agent"] == "send"
        for each in read(case)
        if isinstance(each.message, ChatMessage)
    ]
    assert isinstance(welcome, XMsgUpdate)
    assert welcome.msg_id == request.welcome_msg_id


def test_contents() -> None:
    assert content("text") == Text("plain text with 'quotes', *bold* and émoji 🎉")
    assert len(content("long text, compressed").text) > 14_000
    assert content("file") == File("a note")
    assert content("voice") == Voice(2)
    link = content("link with preview")
    assert isinstance(link, Link)
    assert link.preview.uri == "https://example.com"
    for media in (content("image with file"), content("video"), link.preview):
        assert media.image.media_type == "image/png"


def test_quotes_say_who_had_sent_what_is_quoted() -> None:
    [own], [ours] = events("quote of own"), events("quote of the bot's message")
    assert own.quote.msg_ref.sent
    assert not ours.quote.msg_ref.sent
    assert ours.quote.content == Text("question?")


def test_the_description_of_a_file_follows_its_message() -> None:
    [message, described] = events("image with file")
    assert message.file.file_descr.file_descr_part_no == 0
    parts = DescriptionParts().adding(described.file_descr)
    assert parts.text is not None
    assert "party: recipient" in parts.text


def test_a_live_message() -> None:
    actions = ("live message begins", "live message grows", "live message ends")
    assert [event.live for each in actions for event in events(each)] == [True, True, None]


def test_reactions() -> None:
    [added], [removed] = events("reaction added"), events("reaction removed")
    assert (added.reaction.emoji, added.add, removed.add) == ("👍", True, False)


def test_a_call() -> None:
    [call], [end] = events("call invitation"), events("call ended")
    assert isinstance(call, XCallInv)
    assert isinstance(end, XCallEnd)
    assert call.call_id == end.call_id


def test_a_group() -> None:
    [invitation, *_] = events("bot is invited to the group")
    assert isinstance(invitation, XGrpInv)
    assert invitation.group_invitation.invited_member.member_role is Role.MEMBER
    [mention] = events("group mention of the bot")
    ours = invitation.group_invitation.invited_member.member_id
    assert mention.mentions["Doc bot"].member_id == ours


def test_a_forwarded_message() -> None:
    [case] = [each for each in load(FILE) if each["action"] == "group text by bob, forwarded"]
    [element] = read(case)
    assert element.forwarded is not None
    assert element.forwarded.member_name == "bob"
    assert isinstance(element.message, ChatMessage)
    assert isinstance(element.message.event, XMsgNew)
    assert decode_body(encode_batch([element])) == (element,)
