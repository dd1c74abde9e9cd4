"""What the real chat programs say to a bot, and what a bot says to them."""

from __future__ import annotations

from typing import Any

import pytest

from simplex_trio.chat.messages.bodies import decode_body, encode_batch
from simplex_trio.chat.messages.calls import XCallEnd, XCallInv
from simplex_trio.chat.messages.content import (
    File,
    Image,
    Link,
    SharedContact,
    SharedLink,
    Text,
    Voice,
)
from simplex_trio.chat.messages.events import (
    XContact,
    XFileCancel,
    XInfo,
    XMsgNew,
    XMsgUpdate,
)
from simplex_trio.chat.messages.files import DescriptionParts, split_description
from simplex_trio.chat.messages.group_events import XGrpInv
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.preferences import Allow, TimedMessages
from simplex_trio.chat.messages.profiles import PeerType
from simplex_trio.wire.xftp.description_text import decode_description
from tests.chat.messages.recorded import (
    check_fields,
    check_info,
    check_values,
    check_versions,
    read,
)
from tests.vectors import Case, cases, load

FILE = "chat_live.json"

VERSIONS = ["chat_live_6_5.json", "chat_live_7_0.json"]
"""Recorded by tests/interop/test_chat_recorded.py."""

GROUPS = ["chat_groups_6_4.json", "chat_groups_6_5.json", "chat_groups_7_0.json"]
"""Recorded by tests/interop/test_groups_recorded.py and the modules beside it."""

CASES = [case for file in (FILE, *VERSIONS, *GROUPS) for case in cases(file, "chat_body")]


@pytest.mark.parametrize("case", CASES)
def test_every_field_is_understood(case: Case) -> None:
    check_fields(case)


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_is_what_was_read(case: Case) -> None:
    check_values(case)


@pytest.mark.parametrize("case", CASES)
def test_what_comes_with_a_connection_is_one_message(case: Case) -> None:
    check_info(case)


@pytest.mark.parametrize("case", CASES)
def test_versions(case: Case) -> None:
    check_versions(case)


# --- what is in them ----------------------------------------------------------------------------

FIRST = "address with link data; app scans, prepares, connects with a first message"


def events(action: str, file: str = FILE, direction: str = "from_app") -> list[Any]:
    """What one side said in the course of one action, in order."""
    return [
        each.message.event
        for case in load(file)
        if case["action"] == action and case["direction"] == direction
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

    [_, welcome] = events(FIRST, direction="to_app")
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


@pytest.mark.parametrize("file", VERSIONS)
@pytest.mark.parametrize(("by", "direction"), [("", "from_app"), ("bot: ", "to_app")])
def test_the_description_of_a_large_file_has_several_parts(
    file: str, by: str, direction: str
) -> None:
    action = f"{by}file whose description has several parts"
    [message, *described] = events(action, file, direction)
    assert len(described) == 2
    parts = DescriptionParts()
    for number, each in enumerate(described, start=1):
        assert each.file_descr.file_descr_part_no == number
        assert parts.text is None
        parts = parts.adding(each.file_descr)
    assert parts.text is not None
    assert split_description(parts.text) == tuple(each.file_descr for each in described)
    description = decode_description(parts.text)
    assert description.size >= message.file.file_size


@pytest.mark.parametrize("file", VERSIONS)
def test_files_are_taken_back_by_either_side(file: str) -> None:
    [theirs] = events("file taken back", file)
    [ours] = events("bot: file taken back", file, "to_app")
    assert isinstance(theirs, XFileCancel)
    assert isinstance(ours, XFileCancel)


@pytest.mark.parametrize("file", VERSIONS)
def test_other_contents(file: str) -> None:
    [forwarded] = events("message forwarded", file)
    assert forwarded.forward
    [shared] = events("contact shared", file)
    assert isinstance(shared.content, SharedLink)
    assert isinstance(shared.content.chat_link, SharedContact)
    [image] = events("image without a file", file)
    assert isinstance(image.content, Image)
    assert image.file is None
    [timed] = events("message that disappears", file)
    assert timed.ttl == 60


@pytest.mark.parametrize("file", VERSIONS)
def test_infos_of_connections_with_large_pictures_are_compressed(file: str) -> None:
    actions = (
        "an app with a large picture opens an invitation",
        "bot: opens an invitation with a large picture",
    )
    found = {
        each["agent"]: bytes.fromhex(each["bytes"])[:1]
        for each in load(file)
        if each["action"] in actions
    }
    assert [found[each] for each in ("CONF", "INFO", "join")] == [b"X"] * 3


@pytest.mark.parametrize("file", VERSIONS)
def test_pictures_in_one_call_are_one_batch(file: str) -> None:
    [batch, *_] = [each for each in load(file) if each["action"] == "two pictures in one call"]
    assert len(read(batch)) == 2
    [quote] = events("quote of a picture", file)
    assert isinstance(quote.quote.content, Image)


@pytest.mark.parametrize("file", VERSIONS)
def test_profiles(file: str) -> None:
    [allowing] = events("preferences for one contact", file)
    assert allowing.profile.preferences.timed_messages == TimedMessages(Allow.YES, 3600)
    [changed] = events("profile changed", file)
    assert (changed.profile.full_name, changed.profile.short_descr) == ("Alice", "At home")
    assert changed.profile.image.media_type == "image/png"
    [request, *_] = events(
        "the app asks at the address again, incognito, without a look at it", file
    )
    assert isinstance(request, XContact)
    assert request.profile.display_name not in ("Alice", "Alicia")
    assert request.first_message is None
    assert request.welcome_msg_id is None


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
