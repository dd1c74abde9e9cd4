"""What is signed in channels, and by whom."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from simplex_trio.chat.messages.bodies import (
    MAX_INFO,
    Chunk,
    Forwarded,
    Received,
    Signed,
    decode_body,
    decode_info,
    encode_batch,
)
from simplex_trio.chat.messages.channel_events import XGrpRoster, XMember
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XInfo, XMsgNew
from simplex_trio.chat.messages.group_events import XGrpInfo, XGrpLeave
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.rosters import decode_roster, encode_roster
from simplex_trio.chat.messages.signing import (
    MAX_SIGNATURES,
    Author,
    MemberSigner,
    Trust,
    check_trust,
    group_binding,
    requires_signature,
    verify,
)
from simplex_trio.crypto.keys import Ed25519PrivateKey, Ed25519PublicKey
from simplex_trio.errors import EncodeError, SignatureInvalid, TooLarge
from tests.chat.messages.recorded import read
from tests.chat.messages.values import EVENTS
from tests.vectors import load

GROUP = bytes(range(32))
MEMBER = b"member id"
KEY = Ed25519PrivateKey(bytes(range(32)))
OTHER = Ed25519PrivateKey(bytes(32)).public
SIGNER = MemberSigner(GROUP, MEMBER, KEY)

RENAMED = ChatMessage(XGrpInfo(GroupProfile("news")), b"id")
TEXT = ChatMessage(XMsgNew(Text("hello")), b"id")
PROFILE = ChatMessage(XInfo(Profile("bob")), b"id")
LEFT = ChatMessage(XGrpLeave(), b"id")


def signed_part(element: Received) -> Signed:
    assert element.signed is not None
    return element.signed


def over_the_wire(element: Received) -> Received:
    [received] = decode_body(encode_batch([evolve(element, forwarded=Forwarded(1, MEMBER, "bob"))]))
    assert isinstance(received, Received)
    return received


# --- signatures ---------------------------------------------------------------------------------


def test_what_is_signed_is_verified() -> None:
    element = over_the_wire(SIGNER.sign(RENAMED))
    assert element.message == RENAMED
    verify(signed_part(element), KEY.public, GROUP, MEMBER)


def test_a_signature_binds_a_message_to_a_group_and_a_member() -> None:
    assert group_binding(b"group", b"me") == b"G\x05group\x02me"
    signed = signed_part(SIGNER.sign(RENAMED))
    for group_id, member_id, key in (
        (GROUP, MEMBER, OTHER),
        (GROUP, b"another", KEY.public),
        (bytes(32), MEMBER, KEY.public),
        # The lengths are signed too: nothing can move from one id to the other.
        (GROUP + MEMBER[:1], MEMBER[1:], KEY.public),
    ):
        with pytest.raises(SignatureInvalid):
            verify(signed, key, group_id, member_id)
    with pytest.raises(EncodeError):
        group_binding(GROUP, bytes(256))


def test_nothing_can_be_changed() -> None:
    signed = signed_part(SIGNER.sign(RENAMED))
    [signature] = signed.signatures
    for tampered in (
        evolve(signed, body=signed.body.replace(b"news", b"fake")),
        evolve(signed, body=signed.body + b" "),
        evolve(signed, binding=b"C"),
        evolve(signed, binding=b"D"),
        evolve(signed, signatures=()),
        evolve(signed, signatures=(signature[:-1],)),
        evolve(signed, signatures=(bytes(64),)),
        evolve(signed, signatures=(signature, bytes(64))),
    ):
        with pytest.raises(SignatureInvalid):
            verify(tampered, KEY.public, GROUP, MEMBER)


def test_what_verifying_costs_has_a_bound() -> None:
    signed = signed_part(SIGNER.sign(RENAMED))
    verify(evolve(signed, signatures=signed.signatures * MAX_SIGNATURES), KEY.public, GROUP, MEMBER)
    many = evolve(signed, signatures=signed.signatures * (MAX_SIGNATURES + 1))
    with pytest.raises(SignatureInvalid, match="more than"):
        verify(many, KEY.public, GROUP, MEMBER)


def test_a_request_to_join_is_signed_by_the_key_in_it() -> None:
    event = XMember(Profile("bob"), MEMBER, KEY.public.der, b"relay")
    info = SIGNER.sign_info(ChatMessage(event))
    assert info[:3] == b"/G\x01"
    assert decode_info(info).event == event
    [element] = decode_body(info)
    assert isinstance(element, Received)
    verify(signed_part(element), KEY.public, GROUP, MEMBER)
    with pytest.raises(TooLarge):
        SIGNER.sign_info(ChatMessage(evolve(event, profile=Profile("b" * MAX_INFO))))


# --- what has to be signed ----------------------------------------------------------------------

KNOWN = Author(MEMBER, Role.MEMBER, KEY.public)
STRANGER = Author(MEMBER, Role.MEMBER)


def trust(element: Received, author: Author | None = KNOWN, own: Role = Role.OBSERVER) -> Trust:
    return check_trust(element, author, GROUP, own)


def refused(element: Received, author: Author | None = KNOWN, own: Role = Role.OBSERVER) -> bool:
    with pytest.raises(SignatureInvalid):
        trust(element, author, own)
    return True


def test_which_events_have_to_be_signed() -> None:
    required = {name for name, kind in EVENTS.items() if requires_signature(made(kind))}
    assert required == {
        "x.grp.del",
        "x.grp.info",
        "x.grp.leave",
        "x.grp.mem.del",
        "x.grp.mem.restrict",
        "x.grp.mem.role",
        "x.grp.prefs",
        "x.grp.relay.new",
        "x.grp.roster",
        "x.info",
    }


def made(kind: type[Event]) -> Any:
    """An event of a kind, without anything in it."""
    return object.__new__(kind)


def test_content_needs_no_signature_but_one_that_is_there_has_to_match() -> None:
    assert trust(Received(TEXT)) is Trust.RELAY
    assert trust(Received(TEXT), None) is Trust.RELAY
    assert trust(Received(Chunk(b"id", 1, b"data"))) is Trust.RELAY
    signed = SIGNER.sign(TEXT)
    assert trust(signed) is Trust.SIGNATURE
    assert trust(signed, STRANGER) is Trust.RELAY
    assert refused(signed, evolve(KNOWN, key=OTHER))
    bound_otherwise = evolve(signed, signed=evolve(signed_part(signed), binding=b"C"))
    assert trust(bound_otherwise) is Trust.RELAY


def test_what_changes_the_channel_has_to_be_signed() -> None:
    assert trust(SIGNER.sign(RENAMED)) is Trust.SIGNATURE
    assert refused(Received(RENAMED))
    assert refused(Received(RENAMED), None)
    assert refused(SIGNER.sign(RENAMED), STRANGER)
    assert refused(SIGNER.sign(RENAMED), evolve(KNOWN, key=OTHER))
    other = SIGNER.sign(RENAMED)
    assert refused(evolve(other, signed=evolve(signed_part(other), binding=b"D")))


@pytest.mark.parametrize("message", [PROFILE, LEFT])
def test_ordinary_members_are_believed_without_a_known_key(message: ChatMessage) -> None:
    signed = SIGNER.sign(message)
    assert trust(signed) is Trust.SIGNATURE
    assert trust(signed, STRANGER) is Trust.RELAY
    assert trust(signed, evolve(STRANGER, role="new role")) is Trust.RELAY
    assert refused(Received(message), STRANGER)
    assert refused(signed, evolve(STRANGER, role=Role.OWNER))
    assert refused(signed, STRANGER, Role.MODERATOR)


# --- what a relay of the real program has passed on ---------------------------------------------

CHANNEL = "chat_groups_7_0.json"


def recorded_keys() -> tuple[bytes, bytes, dict[bytes, Ed25519PublicKey]]:
    """The id of the recorded channel, that of its subscriber, and the keys of its members."""
    [case] = [each for each in load(CHANNEL) if each["kind"] == "channel_keys"]
    members = {
        bytes.fromhex(each): Ed25519PublicKey(bytes.fromhex(key))
        for each, key in case["members"].items()
    }
    return bytes.fromhex(case["group_id"]), bytes.fromhex(case["subscriber"]), members


def recorded_elements() -> list[tuple[Received, bytes]]:
    """What was signed in the recorded channel, and by whom."""
    return [
        (element, author_of(element))
        for case in load(CHANNEL)
        if case["kind"] == "chat_body" and case["name"].startswith("channel-")
        for element in read(case)
        if element.signed is not None
    ]


def author_of(element: Received) -> bytes:
    """Who has signed something; the subscriber itself, if it was not forwarded."""
    _, subscriber, _ = recorded_keys()
    by = element.forwarded
    return subscriber if by is None or by.member_id is None else by.member_id


def test_what_the_real_program_has_signed() -> None:
    group_id, _, members = recorded_keys()
    said = recorded_elements()
    for element, member_id in said:
        verify(signed_part(element), members[member_id], group_id, member_id)
        changed = evolve(signed_part(element), body=signed_part(element).body + b" ")
        with pytest.raises(SignatureInvalid):
            verify(changed, members[member_id], group_id, member_id)
        with pytest.raises(SignatureInvalid):
            verify(signed_part(element), members[member_id], group_id, b"another")
    names = {each.message.event.event for each, _ in said if isinstance(each.message, ChatMessage)}
    assert names >= {
        "x.grp.del",
        "x.grp.info",
        "x.grp.leave",
        "x.grp.mem.restrict",
        "x.grp.mem.role",
        "x.grp.roster",
        "x.info",
        "x.member",
    }


def test_the_roster_of_the_real_program() -> None:
    _, _, keys = recorded_keys()
    said = [each.message for case in load(CHANNEL) if "bytes" in case for each in read(case)]
    [announced] = [
        each.event.file_inv
        for each in said
        if isinstance(each, ChatMessage) and isinstance(each.event, XGrpRoster)
    ]
    [chunk] = [each for each in said if isinstance(each, Chunk)]
    assert chunk.data is not None
    [member] = decode_roster(chunk.data, announced)
    assert keys[member.member_id] == member.key
    assert encode_roster([member]) == chunk.data
