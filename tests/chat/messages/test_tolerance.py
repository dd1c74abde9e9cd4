"""What is refused, what counts as absent, and what is kept: as the apps do it, or laxer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simplex_trio.chat.messages.bodies import Malformed, Received, decode_body
from simplex_trio.chat.messages.content import Link, OtherPage, Text, UnknownContent
from simplex_trio.chat.messages.event import UnknownEvent
from simplex_trio.chat.messages.events import Emoji, UnknownReaction, XMsgNew, XMsgReact
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.scalars import ChatVersions
from simplex_trio.errors import DecodeError

ID = "QUJD"
PROFILE: dict[str, Any] = {"displayName": "alice", "fullName": ""}
TEXT: dict[str, Any] = {"type": "text", "text": "hello"}
PREVIEW = {"uri": "https://example.com", "title": "t", "description": "", "image": ""}
REF = {"sentAt": "2026-11-29T07:03:20Z", "sent": False}
DESCR = {"fileDescrText": "", "fileDescrPartNo": 0, "fileDescrComplete": False}
CALL = {"callType": {"media": "audio", "capabilities": {"encryption": True}}}
GROUP: dict[str, Any] = {"displayName": "team", "fullName": ""}
MEMBER = {"memberId": ID, "memberRole": "member"}


def read(event: str, params: object) -> ChatMessage:
    return ChatMessage.decode(json.dumps({"v": "1-19", "event": event, "params": params}).encode())


def said(content: dict[str, Any], **members: Any) -> XMsgNew:
    event = read("x.msg.new", {"content": content, **members}).event
    assert isinstance(event, XMsgNew)
    return event


# --- events -------------------------------------------------------------------------------------


def test_an_unknown_event_is_a_value_with_all_it_has() -> None:
    message = read("x.grp.rosters", {"version": 3, "fileInv": {"fileSize": 1}})
    assert message.event == UnknownEvent(
        "x.grp.rosters", {"version": 3, "fileInv": {"fileSize": 1}}
    )
    assert message.to_json()["params"] == {"version": 3, "fileInv": {"fileSize": 1}}
    # Anything may follow the letter.
    assert read("xftp", {}).event == UnknownEvent("xftp", {})


def test_members_of_a_message_that_are_not_known_are_kept() -> None:
    body = {"v": "1", "event": "x.ok", "params": {"new": [1]}, "later": {"a": None}}
    assert ChatMessage.decode(json.dumps(body).encode()).to_json() == body


def test_null_is_absent() -> None:
    body = {
        "v": None,
        "msgId": None,
        "event": "x.msg.new",
        "params": {"content": TEXT, "ttl": None},
    }
    message = ChatMessage.decode(json.dumps(body).encode())
    assert message == ChatMessage(XMsgNew(Text("hello")), versions=ChatVersions(1, 1))


REFUSED: list[tuple[str, Any]] = [
    ("y.foo", {}),
    ("", {}),
    ("x.ok", []),
    ("x.ok", None),
    ("x.msg.new", {}),
    ("x.msg.new", {"content": "hello"}),
    ("x.msg.new", {"content": {"text": "hello"}}),
    ("x.msg.new", {"content": {"type": "text"}}),
    ("x.msg.new", {"content": {"type": "text", "text": 1}}),
    ("x.msg.new", {"content": {"type": "link", "text": "", "preview": {"uri": "https://a.b"}}}),
    ("x.msg.new", {"content": {"type": "image", "text": ""}}),
    ("x.msg.new", {"content": {"type": "image", "text": "", "image": 1}}),
    ("x.msg.new", {"content": {"type": "video", "text": "", "image": ""}}),
    ("x.msg.new", {"content": {"type": "voice", "text": ""}}),
    ("x.msg.new", {"content": {"type": "voice", "text": "", "duration": 1.5}}),
    ("x.msg.new", {"content": {"type": "voice", "text": "", "duration": True}}),
    ("x.msg.new", {"content": {"type": "file"}}),
    ("x.msg.new", {"content": {"type": "report", "text": ""}}),
    ("x.msg.new", {"content": {"type": "chat", "text": "", "chatLink": {"type": "planet"}}}),
    ("x.msg.new", {"content": {"type": "new", "text": 1}}),
    ("x.msg.new", {"content": TEXT, "ttl": "a day"}),
    ("x.msg.new", {"content": TEXT, "live": "yes"}),
    ("x.msg.new", {"content": TEXT, "scope": {"type": "member"}}),
    ("x.msg.new", {"content": TEXT, "scope": {"type": "all", "memberId": ID}}),
    ("x.msg.new", {"content": TEXT, "mentions": {"bob": {}}}),
    ("x.msg.new", {"content": TEXT, "quote": {"content": TEXT, "msgRef": {"sent": True}}}),
    (
        "x.msg.new",
        {"content": TEXT, "quote": {"content": TEXT, "msgRef": {**REF, "sentAt": "now"}}},
    ),
    ("x.msg.new", {"content": TEXT, "file": {"fileName": "a"}}),
    ("x.msg.new", {"content": TEXT, "file": {"fileName": "a", "fileSize": 0}}),
    ("x.msg.new", {"content": TEXT, "file": {"fileName": "a", "fileSize": -1}}),
    ("x.msg.update", {"content": TEXT}),
    ("x.msg.update", {"content": TEXT, "msgId": "+/=="}),
    ("x.msg.del", {}),
    ("x.msg.react", {"msgId": ID, "reaction": {"type": "emoji", "emoji": "👍"}}),
    ("x.msg.react", {"msgId": ID, "reaction": "👍", "add": True}),
    ("x.msg.file.descr", {"msgId": ID, "fileDescr": {"fileDescrText": ""}}),
    ("x.info", {}),
    ("x.info", {"profile": {"displayName": "alice"}}),
    ("x.info", {"profile": {"fullName": ""}}),
    ("x.contact", {"profile": PROFILE, "content": {"type": "text"}}),
    ("x.call.end", {}),
    ("x.grp.inv", {"groupInvitation": {"fromMember": MEMBER}}),
    ("x.grp.link.acpt", {"acceptance": "perhaps", "role": "member", "memberId": ID}),
    ("x.grp.mem.role", {"memberId": ID}),
    ("x.grp.msg.forward", {"msgTs": REF["sentAt"], "msg": {"event": "y", "params": {}}}),
]


@pytest.mark.parametrize(("event", "params"), REFUSED)
def test_what_the_apps_refuse(event: str, params: object) -> None:
    with pytest.raises(DecodeError):
        read(event, params)


def test_an_error_says_where_and_never_what() -> None:
    with pytest.raises(DecodeError) as caught:
        read("x.msg.new", {"content": TEXT, "quote": {"msgRef": REF, "content": {"type": "text"}}})
    assert str(caught.value) == "x.msg.new: quote: content: text: missing"


@pytest.mark.parametrize(
    ("event", "params"),
    [
        ("zebra", {}),
        ("x.msg.new", {"content": {"type": "chat", "text": "", "chatLink": {"type": "zebra"}}}),
        ("x.grp.link.acpt", {"acceptance": "zebra", "role": "zebra", "memberId": ID}),
        ("x.msg.del", {"msgId": "zebra*"}),
        ("x.msg.new", {"content": TEXT, "parent": {**REF, "sentAt": "zebra"}}),
        ("x.msg.new", {"content": TEXT, "mentions": {"zebra": {}}}),
        ("x.msg.new", {"zebra": "\ud800"}),
    ],
)
def test_no_error_and_no_cause_of_one_has_anything_of_the_peer(event: str, params: object) -> None:
    with pytest.raises(DecodeError) as caught:
        read(event, params)
    error: BaseException | None = caught.value
    while error is not None:
        assert "zebra" not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "body",
    [
        {"v": "1-19", "params": {}},
        {"v": "1-19", "event": 1, "params": {}},
        {"v": "1-19", "event": "x.ok"},
        {"v": "2-1", "event": "x.ok", "params": {}},
        {"v": "1-70000", "event": "x.ok", "params": {}},
        {"v": "", "event": "x.ok", "params": {}},
        {"v": 1, "event": "x.ok", "params": {}},
        {"msgId": 1, "event": "x.ok", "params": {}},
        {"msgId": "*", "event": "x.ok", "params": {}},
        [],
    ],
)
def test_envelopes_that_make_no_sense(body: object) -> None:
    with pytest.raises(DecodeError):
        ChatMessage.decode(json.dumps(body).encode())


# --- open and strict words ----------------------------------------------------------------------


def test_unknown_content_is_shown_by_its_text() -> None:
    poll = {"type": "poll", "text": "Tea or coffee?", "options": ["tea", "coffee"]}
    content = said(poll).content
    assert content == UnknownContent("poll", "Tea or coffee?", unknown={"options": poll["options"]})
    assert content.to_json() == poll
    assert said({"type": "poll"}).content == UnknownContent("poll", "unknown message type")


OPEN: list[tuple[str, dict[str, Any]]] = [
    ("x.msg.new", {"content": {"type": "report", "text": "", "reason": "boredom"}}),
    ("x.msg.react", {"msgId": ID, "add": True, "reaction": {"type": "emoji", "emoji": "🐙"}}),
    ("x.msg.react", {"msgId": ID, "add": True, "reaction": {"type": "emoji", "emoji": "❤️"}}),
    ("x.msg.react", {"msgId": ID, "add": True, "reaction": {"type": "sticker", "no": 3}}),
    ("x.grp.mem.role", {"memberId": ID, "role": "emperor"}),
    ("x.grp.mem.restrict", {"memberId": ID, "memberRestrictions": {"restriction": "slow"}}),
    ("x.call.inv", {"callId": ID, "invitation": {"callType": {**CALL["callType"], "media": "3d"}}}),
    (
        "x.grp.link.reject",
        {
            "groupLinkRejection": {
                "fromMember": MEMBER,
                "invitedMember": MEMBER,
                "groupProfile": GROUP,
                "rejectionReason": "full",
            }
        },
    ),
]
LAX: list[tuple[str, dict[str, Any]]] = [
    ("x.info", {"profile": {**PROFILE, "peerType": "robot"}}),
    ("x.info", {"profile": {**PROFILE, "preferences": {"voice": {"allow": "maybe"}}}}),
    ("x.info", {"profile": {**PROFILE, "preferences": {"commands": [{"type": "button"}]}}}),
    ("x.info", {"profile": {**PROFILE, "preferences": 1}}),
    ("x.grp.info", {"groupProfile": {**GROUP, "groupPreferences": {"files": {"enable": "1"}}}}),
    ("x.grp.info", {"groupProfile": {**GROUP, "publicGroup": {"groupType": "channel"}}}),
    ("x.msg.new", {"content": TEXT, "file": {"fileName": "a", "fileSize": 1, "fileInline": "?"}}),
    ("x.grp.mem.del", {"memberId": ID, "messages": "all"}),
    ("x.call.inv", {"callId": ID, "invitation": {}}),
]


@pytest.mark.parametrize(("event", "params"), [*OPEN, *LAX])
def test_words_that_are_not_known_do_not_spoil_a_message(event: str, params: object) -> None:
    assert read(event, params).to_json()["params"] == params


def test_only_eight_emoji_are_reactions() -> None:
    kinds = []
    for emoji in [*"👍👎😀😂😢❤🚀✅", "❤️", "🐙", "👍👍", ""]:
        reaction = {"type": "emoji", "emoji": emoji}
        event = read("x.msg.react", {"msgId": ID, "add": True, "reaction": reaction}).event
        assert isinstance(event, XMsgReact)
        kinds.append(type(event.reaction))
    assert kinds == [Emoji] * 8 + [UnknownReaction] * 4


def test_what_a_link_leads_to_may_be_anything() -> None:
    for content in ({"type": "page"}, {"type": "video", "duration": 3}, {"type": "image"}):
        link = {"type": "link", "text": "", "preview": {**PREVIEW, "content": content}}
        assert said(link).content.to_json() == link
    for content in ({"type": "game", "level": 2}, {"type": "video", "duration": "long"}):
        link = {"type": "link", "text": "", "preview": {**PREVIEW, "content": content}}
        found = said(link).content
        assert isinstance(found, Link)
        assert isinstance(found.preview.content, OtherPage)
        assert said(link).content.to_json() == link


def test_a_picture_that_is_no_data_is_empty() -> None:
    image = {"type": "image", "text": "", "image": "https://tracker.example/pixel.png"}
    content = said(image).content
    assert content.to_json() == image | {"image": ""}


# --- bodies -------------------------------------------------------------------------------------


def test_one_bad_message_does_not_spoil_the_others() -> None:
    good = {"event": "x.ok", "params": {}}
    found = decode_body(json.dumps([good, {"event": "y", "params": {}}, 1, good]).encode())
    assert [type(each) for each in found] == [Received, Malformed, Malformed, Received]


def test_names_and_texts_come_as_they_are() -> None:
    text = "\x00\x07\u202eevil\u2066\ufeff"
    event = said({"type": "text", "text": text})
    assert event.content == Text(text)
    assert read("x.info", {"profile": {**PROFILE, "displayName": text}}).event.to_json() == {
        "profile": {**PROFILE, "displayName": text}
    }
