"""Links of groups and channels, and rosters."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from simplex_trio.chat.messages.addresses import (
    GROUP_LINK_ID_SIZE,
    GroupLinkData,
    RelayLinkData,
    group_client_data,
    group_link_id,
)
from simplex_trio.chat.messages.channel_events import InlineFile
from simplex_trio.chat.messages.group_events import MemberInfo
from simplex_trio.chat.messages.group_profiles import (
    GroupProfile,
    MemberAdmission,
    Reviewed,
    Role,
)
from simplex_trio.chat.messages.rosters import (
    MAX_ROSTER,
    MAX_ROSTER_BYTES,
    RosterMember,
    decode_roster,
    encode_roster,
    roster_file,
)
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.errors import DecodeError, TooLarge

KEY = Ed25519PrivateKey(bytes(range(32))).public

MEMBERS = (
    RosterMember(b"one", KEY, Role.MODERATOR),
    RosterMember(b"two", Ed25519PrivateKey(bytes(32)).public, Role.MEMBER),
)


# --- links --------------------------------------------------------------------------------------


def test_client_data_of_a_group() -> None:
    text = group_client_data(bytes(16))
    assert text == '{"groupLinkId":"AAAAAAAAAAAAAAAAAAAAAA=="}'
    assert group_link_id(text) == bytes(16)


def test_client_data_of_the_real_program() -> None:
    text = '{"groupLinkId":"yt_Xs_jVNbzbBxR38fqq-Q=="}'
    link_id = group_link_id(text)
    assert link_id is not None
    assert len(link_id) == GROUP_LINK_ID_SIZE
    assert group_client_data(link_id) == text


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        "[]",
        "{}",
        '{"type":"group"}',
        '{"groupLinkId":null}',
        '{"groupLinkId":"?"}',
        '{"groupLinkId":"\ud800"}',
    ],
)
def test_other_client_data(text: str | None) -> None:
    assert group_link_id(text) is None


def test_data_of_a_channel_and_its_relays() -> None:
    public = {
        "groupType": "channel",
        "groupLink": "https://smp.example/c#abc",
        "publicGroupId": "AAAA",
        "publicGroupAccess": {
            "groupWebPage": "https://example.com",
            "domainWebPage": False,
            "allowEmbedding": True,
        },
    }
    value = {
        "groupProfile": {"displayName": "news", "fullName": "", "publicGroup": public},
        "publicGroupData": {"publicMemberCount": 3},
    }
    data = GroupLinkData.decode(json.dumps(value).encode())
    assert data.group_profile.public_group is not None
    access = data.group_profile.public_group.public_group_access
    assert access is not None
    assert access.allow_embedding
    assert data.to_json() == value
    relay = {"relayProfile": {"displayName": "relay", "fullName": ""}}
    assert RelayLinkData.decode(json.dumps(relay).encode()).to_json() == relay


def test_who_reviews_new_members() -> None:
    profile = {"displayName": "team", "fullName": ""}
    for admission, reviews in ((None, False), ({}, False), ({"review": "all"}, True)):
        value = profile if admission is None else profile | {"memberAdmission": admission}
        found = GroupProfile.from_json(value)
        assert found.reviews_members is reviews
        assert found.to_json() == value
    odd = profile | {"memberAdmission": {"review": "some"}}
    assert GroupProfile.from_json(odd).member_admission is None
    assert GroupProfile.from_json(odd).to_json() == odd
    ours = GroupProfile("team", member_admission=MemberAdmission(Reviewed.ALL))
    assert ours.to_json() == profile | {"memberAdmission": {"review": "all"}}


def test_a_member_whose_versions_make_no_sense_is_introduced_all_the_same() -> None:
    value = {
        "memberId": "AAAA",
        "memberRole": "member",
        "profile": {"displayName": "bob", "fullName": ""},
        "v": "new",
    }
    assert MemberInfo.from_json(value).v is None
    assert MemberInfo.from_json(value).to_json() == value


# --- rosters ------------------------------------------------------------------------------------


def test_rosters() -> None:
    data = encode_roster(MEMBERS)
    assert data[:6] == b"\x00\x02\x03one"
    assert decode_roster(data, roster_file(data)) == MEMBERS
    assert decode_roster(encode_roster(()), roster_file(encode_roster(()))) == ()


def test_members_of_a_roster_are_in_it_once_and_have_a_role_that_it_gives() -> None:
    odd = [
        MEMBERS[0],
        evolve(MEMBERS[0], role=Role.ADMIN),
        evolve(MEMBERS[1], role=Role.OWNER),
        evolve(MEMBERS[1], role="king"),
    ]
    data = encode_roster(odd)
    assert decode_roster(data, roster_file(data)) == MEMBERS[:1]


def test_rosters_that_are_no_rosters() -> None:
    whole = encode_roster(MEMBERS)
    for data in (b"", b"\x00", whole[:-1], whole + b"\x00", b"\x01\x01" + whole[2:]):
        with pytest.raises(DecodeError):
            decode_roster(data, roster_file(data))
    too_long = bytes(MAX_ROSTER_BYTES + 1)
    with pytest.raises(DecodeError, match="bytes"):
        decode_roster(too_long, roster_file(too_long))
    with pytest.raises(DecodeError, match="announced"):
        decode_roster(whole, InlineFile(len(whole), bytes(64)))


def test_a_roster_has_a_limit() -> None:
    member = MEMBERS[0]
    full = encode_roster([member] * MAX_ROSTER)
    assert len(full) <= MAX_ROSTER_BYTES
    assert decode_roster(full, roster_file(full)) == (member,)
    with pytest.raises(TooLarge):
        encode_roster([member] * (MAX_ROSTER + 1))
