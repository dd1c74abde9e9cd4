"""Names, pictures, times, preferences, files, versions: the rules that go with values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.chat.messages.addresses import MAX_LINK_DATA, AddressData
from simplex_trio.chat.messages.content import Report, Text
from simplex_trio.chat.messages.event import Event, UnknownEvent
from simplex_trio.chat.messages.events import MemberScope, XContact, XMsgNew
from simplex_trio.chat.messages.files import (
    MAX_DESCRIPTION_PARTS,
    MAX_DESCRIPTION_TEXT,
    MAX_PART,
    DescriptionParts,
    FileDescr,
    FileInvitation,
    split_description,
)
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.chat.messages.names import check_name, shown_name, valid_name
from simplex_trio.chat.messages.pictures import MAX_PROFILE_PICTURE, Picture
from simplex_trio.chat.messages.preferences import (
    Allow,
    Command,
    Enabled,
    Feature,
    Menu,
    Preference,
    Preferences,
    TimedMessages,
)
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.messages.scalars import ChatVersions, Timestamp
from simplex_trio.chat.messages.versions import CHAT_VERSIONS, ChatVersion, agreed_version
from simplex_trio.errors import DecodeError, EncodeError, TooLarge, UnsupportedVersion
from tests.chat.messages.values import EVENTS

# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Weather bot", "Weather bot"),
        (" a  b ", "a b"),
        ("a\tb", "a b"),
        ("Dr. No", "Dr No"),
        ("#@'a'", "a"),
        ("a--b", "a-b"),
        ("a (b)", "a b"),
        ("> a", "a"),
        ("a > b", "a > b"),
        ("7 🚀", "7 🚀"),
        ("é\u0301", "é\u0301"),
        ("\u0301a", "a"),
        ("a & & b", "a & b"),
        ("x" * 60, "x" * 50),
        ("x" * 49 + " y", "x" * 49),
        ("...", ""),
        ("a\x00\u202eb", "ab"),
    ],
)
def test_names_of_our_own(text: str, name: str) -> None:
    assert valid_name(text) == name
    if name == text:
        check_name(name)
    else:
        with pytest.raises(EncodeError):
            check_name(text)


@given(st.text(max_size=80))
def test_names_for_any_text(text: str) -> None:
    name = valid_name(text)
    assert len(name) <= 50
    assert valid_name(name) == name
    shown = shown_name(text)
    assert len(shown) <= 50
    assert shown.isprintable()
    assert shown_name(shown) == shown


def test_names_of_others_are_shown_safely() -> None:
    assert shown_name("a\x1b[31mb\u202e\n c") == "a[31mb c"
    assert shown_name("x" * 100) == "x" * 49 + "…"
    assert Profile("\u200b").shown_name == ""
    assert GroupProfile("a\n\nb").shown_name == "a b"


def test_profiles_of_our_own() -> None:
    profile = Profile("Weather bot", short_descr="x" * 160, peer_type=PeerType.BOT)
    profile.check()
    assert profile.is_bot
    assert not Profile("alice").is_bot
    for wrong in (Profile("a.b"), Profile(""), Profile("a", short_descr="x" * 161)):
        with pytest.raises(EncodeError):
            wrong.check()


def test_what_is_required_is_always_written() -> None:
    assert Profile("a").to_json() == {"displayName": "a", "fullName": ""}
    assert AddressData(Profile("a")).to_json()["business"] is False
    assert Menu("m").to_json() == {"type": "menu", "label": "m", "commands": []}
    command = Command("w", "Weather", "<town>")
    assert Preferences(commands=(command,)).to_json() == {"commands": [command.to_json()]}
    assert Preferences().to_json() == {}


# --- pictures -----------------------------------------------------------------------------------

FILES = {
    "image/png": b"\x89PNG\r\n\x1a\n...",
    "image/jpg": b"\xff\xd8\xff...",
    "image/gif": b"GIF89a...",
    "image/webp": b"RIFF\x00\n\x00\x00WEBP...",
}


@pytest.mark.parametrize("kind", FILES)
def test_pictures(kind: str) -> None:
    picture = Picture.of(FILES[kind])
    assert picture
    assert picture.uri.startswith(f"data:{kind};base64,")
    assert (picture.content, picture.media_type) == (FILES[kind], kind)
    assert Picture.from_json(picture.to_json()) == picture


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "data:",
        "data:image/png;base64,",
        "data:image/png;base64,####",
        "data:image/png;base64,AAAAA",
        "data:image/png;base64,PHN2Zz4=",
        "data:text/html;base64,iVBORw0KGgo=",
        "data:image/png,iVBORw0KGgo=",
        "data:image/svg+xml;base64,PHN2Zz4=",
    ],
)
def test_pictures_that_are_none(uri: str) -> None:
    picture = Picture.from_json(uri)
    assert picture.content is None
    assert picture.media_type is None
    assert picture.to_json() == uri


def test_pictures_that_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="not a PNG"):
        Picture.of(b"<svg>")
    large = FILES["image/png"] + bytes(9_500)
    Picture.of(large)
    with pytest.raises(TooLarge):
        Picture.of(large, limit=MAX_PROFILE_PICTURE)
    assert not Picture.from_json("https://example.com/a.png")


# --- times --------------------------------------------------------------------------------------


def test_times_keep_their_text() -> None:
    stamp = Timestamp.from_json("2026-11-29T07:03:10.219389248Z")
    assert stamp.to_json() == "2026-11-29T07:03:10.219389248Z"
    assert stamp.moment == datetime(2026, 11, 29, 7, 3, 10, 219389, UTC)
    assert Timestamp("2016-12-31T23:59:60Z").moment.second == 59
    assert Timestamp("2026-01-01T01:00:00+02:00").moment == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert Timestamp("2026-01-01T01:00:00-0200").moment == datetime(2026, 1, 1, 3, tzinfo=UTC)
    assert Timestamp.of(datetime(2026, 1, 1, tzinfo=UTC)).text == "2026-01-01T00:00:00Z"
    ahead = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert Timestamp.of(ahead).text == "2025-12-31T23:00:00Z"
    with pytest.raises(ValueError, match="time zone"):
        Timestamp.of(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-29",
        "2026-13-29T07:03:10Z",
        "2026-02-30T07:03:10Z",
        "2026-11-29T25:03:10Z",
        "2026-11-29T07:03:10",
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        "2026-11-29T07:03:10.%sZ" % ("1" * 100),
        "\u0662026-11-29T07:03:10Z",
    ],
)
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(DecodeError):
        Timestamp.from_json(text)


# --- preferences --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (Allow.YES, Allow.YES, Enabled(True, True)),
        (Allow.ALWAYS, Allow.YES, Enabled(True, True)),
        (Allow.ALWAYS, Allow.ALWAYS, Enabled(True, True)),
        (Allow.YES, Allow.NO, Enabled(False, False)),
        (Allow.NO, Allow.YES, Enabled(False, False)),
        (Allow.NO, Allow.NO, Enabled(False, False)),
        (Allow.ALWAYS, Allow.NO, Enabled(False, True)),
        (Allow.NO, Allow.ALWAYS, Enabled(True, False)),
    ],
)
def test_both_sides_decide(ours: Allow, theirs: Allow, expected: Enabled) -> None:
    own, peer = Preferences(voice=Preference(ours)), Preferences(voice=Preference(theirs))
    assert own.enabled(Feature.VOICE, peer) == expected
    timed, peer_timed = (Preferences(timed_messages=TimedMessages(a)) for a in (ours, theirs))
    both = expected.for_us and expected.for_peer
    assert timed.enabled(Feature.TIMED_MESSAGES, peer_timed) == Enabled(both, both)


def test_defaults() -> None:
    assert {feature.value: Preferences().allows(feature).value for feature in Feature} == {
        "timed_messages": "yes",
        "full_delete": "no",
        "reactions": "yes",
        "voice": "yes",
        "files": "always",
        "calls": "yes",
        "sessions": "no",
    }
    assert Preferences(voice=Preference(Allow.NO)).enabled(Feature.VOICE, None) == Enabled(
        False, False
    )
    assert Preferences(files=Preference(Allow.NO)).enabled(Feature.FILES, None) == Enabled(
        True, False
    )


def test_roles_are_ordered() -> None:
    assert Role.OWNER.includes(Role.MODERATOR)
    assert Role.MEMBER.includes(Role.MEMBER)
    assert not Role.OBSERVER.includes(Role.MEMBER)


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, MAX_PART, MAX_PART + 1, 3 * MAX_PART, MAX_DESCRIPTION_TEXT])
def test_descriptions_are_split_and_put_together(size: int) -> None:
    text = "".join(chr(97 + n % 26) for n in range(size))
    parts = split_description(text)
    assert [part.file_descr_part_no for part in parts] == list(range(1, len(parts) + 1))
    assert [part.file_descr_complete for part in parts] == [False] * (len(parts) - 1) + [True]
    assert all(0 < len(part.file_descr_text) <= MAX_PART for part in parts)
    collected = DescriptionParts()
    for part in parts:
        assert collected.text is None
        collected = DescriptionParts.from_json(collected.adding(part).to_json())
    assert collected.text == text


def test_parts_that_are_refused() -> None:
    for text in ("", "a" * (MAX_DESCRIPTION_TEXT + 1)):
        with pytest.raises(TooLarge):
            split_description(text)
    first = DescriptionParts().adding(FileDescr("a", 1, False))
    for number in (0, 1, 3, -1):
        with pytest.raises(DecodeError, match="next"):
            first.adding(FileDescr("b", number, True))
    with pytest.raises(DecodeError, match="after the last"):
        first.adding(FileDescr("b", 2, True)).adding(FileDescr("c", 3, True))
    with pytest.raises(DecodeError, match="too long"):
        first.adding(FileDescr("b" * MAX_DESCRIPTION_TEXT, 2, False))
    many = DescriptionParts(("a",) * MAX_DESCRIPTION_PARTS)
    with pytest.raises(DecodeError, match="too long"):
        many.adding(FileDescr("b", MAX_DESCRIPTION_PARTS + 1, True))


def test_a_message_announces_a_file_whose_description_follows() -> None:
    assert FileInvitation.announcing("a.txt", 5).to_json() == {
        "fileName": "a.txt",
        "fileSize": 5,
        "fileDescr": {"fileDescrText": "", "fileDescrPartNo": 0, "fileDescrComplete": False},
    }


# --- links --------------------------------------------------------------------------------------


def test_long_data_of_a_link_is_compressed() -> None:
    short = AddressData(Profile("bot"), Text("a" * 10_000))
    assert short.encode()[:1] == b"{"
    long = AddressData(Profile("bot"), Text("a" * 30_000))
    assert long.encode()[:5] == b"X\x28\xb5\x2f\xfd"
    assert AddressData.decode(long.encode()) == long
    with pytest.raises(DecodeError):
        AddressData.decode(b"{" + b" " * MAX_LINK_DATA)
    with pytest.raises(DecodeError, match="declares"):
        AddressData.decode(AddressData(Profile("bot"), Text("a" * 70_000)).encode())


def test_data_of_a_link_that_does_not_fit() -> None:
    noise = "".join(chr(0x4E00 + n * n * 31 % 20_000) for n in range(12_000))
    with pytest.raises(TooLarge):
        AddressData(Profile("bot"), Text(noise)).encode()


def test_requests_have_a_first_message_if_all_of_it_is_there() -> None:
    assert XContact(Profile("a"), msg_id=b"i").first_message is None
    assert XContact(Profile("a"), content=Text("t")).first_message is None
    assert XContact(Profile("a"), msg_id=b"i", content=Text("t")).first_message == (b"i", Text("t"))


# --- versions and flags -------------------------------------------------------------------------


def test_versions() -> None:
    assert CHAT_VERSIONS.to_json() == "1-16"
    assert ChatVersions.from_json("3") == ChatVersions(3, 3)
    assert ChatVersions.from_json("1-19") == ChatVersions(1, 19)
    for wrong in ("", "-", "1-", "-1", "1-2-3", "2-1", "1 - 2", "\u0661", "65536", None, 1):
        with pytest.raises(DecodeError):
            ChatVersions.from_json(wrong)


@pytest.mark.parametrize(("peer", "agreed"), [("1-19", 16), ("1-9", 9), ("1", 1), ("18-19", 18)])
def test_the_agreed_version(peer: str, agreed: int) -> None:
    assert agreed_version(ChatVersions.from_json(peer)) == agreed


def test_what_needs_a_version() -> None:
    assert {name: kind.MIN_VERSION for name, kind in EVENTS.items() if kind.MIN_VERSION > 1} == {
        "x.grp.direct.inv": 2,
        "x.grp.msg.forward": 4,
        "x.grp.prefs": 11,
        "x.grp.link.reject": 14,
        "x.grp.link.acpt": 15,
    }
    assert XMsgNew(Text("")).required_version == 1
    assert XMsgNew(Report("spam")).required_version == ChatVersion.REPORTS
    assert XMsgNew(Text(""), scope=MemberScope(b"")).required_version == ChatVersion.SCOPES
    XMsgNew(Text("")).check_version(1)
    with pytest.raises(UnsupportedVersion):
        XMsgNew(Report("spam")).check_version(11)
    assert all(CHAT_VERSIONS.highest >= kind.MIN_VERSION for kind in EVENTS.values())


def test_what_wakes_a_phone_and_what_wants_a_receipt() -> None:
    assert named(kind for kind in EVENTS.values() if kind.NOTIFIES) == {
        "x.call.inv",
        "x.contact",
        "x.file",
        "x.grp.del",
        "x.grp.inv",
        "x.grp.mem.fwd",
        "x.msg.new",
    }
    assert named(kind for kind in EVENTS.values() if kind.WANTS_RECEIPT) == {
        "x.call.inv",
        "x.grp.inv",
        "x.msg.new",
    }
    assert not UnknownEvent("x.new").NOTIFIES


def named(kinds: Iterable[type[Event]]) -> set[str]:
    return {kind.EVENT for kind in kinds}
