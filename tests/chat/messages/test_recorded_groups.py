"""What the real chat programs say in groups; `test_recorded` reads and writes all of it."""

from __future__ import annotations

from typing import Any

import pytest

from simplex_trio.chat.messages.batches import MAX_FORWARDED, as_forward, pack_forwarded
from simplex_trio.chat.messages.bodies import Received, decode_body
from simplex_trio.chat.messages.content import Report, Text
from simplex_trio.chat.messages.events import MemberScope, XMsgDel, XMsgNew
from simplex_trio.chat.messages.group_events import (
    Acceptance,
    BusinessSide,
    XGrpInfo,
    XGrpLinkAcpt,
    XGrpLinkInv,
    XGrpMemIntro,
)
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.mentions import mentioned_members
from simplex_trio.chat.messages.message import ChatMessage, XGrpMsgForward
from tests.chat.messages.recorded import read
from tests.vectors import Case, load

FILES = ["chat_groups_6_4.json", "chat_groups_6_5.json", "chat_groups_7_0.json"]

every_version = pytest.mark.parametrize("file", FILES)


def said(file: str, scenario: str, *, by_app: bool = True) -> list[tuple[Case, Received]]:
    """What the program, or this package, has said in a scenario, in order."""
    direction = "from_app" if by_app else "to_app"
    return [
        (case, element)
        for case in load(file)
        if case["name"].startswith(f"{scenario}-") and case.get("direction") == direction
        for element in read(case)
    ]


def events(file: str, scenario: str, kind: type[Any], *, by_app: bool = True) -> list[Any]:
    return [
        element.message.event
        for _, element in said(file, scenario, by_app=by_app)
        if isinstance(element.message, ChatMessage) and isinstance(element.message.event, kind)
    ]


@every_version
def test_each_scenario_is_there(file: str) -> None:
    scenarios = {case["name"].partition("-")[0] for case in load(file)}
    expected = {"business", "customer", "host", "hostlink", "link", "member", "review"}
    assert scenarios == expected | ({"channel"} if "7_0" in file else set())


@pytest.mark.parametrize("file", FILES[1:])
def test_a_host_forwards_in_binary_batches(file: str) -> None:
    forwarded = [each for each in said(file, "member") if each[1].forwarded is not None]
    assert forwarded
    for case, element in forwarded:
        body = bytes.fromhex(case["bytes"])
        assert body[:1] == b"="
        assert element.forwarded is not None
        assert element.forwarded.member_name == "Bob Smith"
        if body[1] == 1:
            [ours] = pack_forwarded([element], binary=True).bodies
            assert len(ours) == len(body)
            assert decode_body(ours) == (element,)
        as_forward(element)


def test_a_host_of_before_binary_batches_forwards_in_json() -> None:
    elements = said(FILES[0], "member")
    assert all(each.forwarded is None for _, each in elements)
    forwards = events(FILES[0], "member", XGrpMsgForward)
    assert len(forwards) >= 3
    assert {each.member_name for each in forwards} == {"Bob Smith"}
    for case, element in elements:
        assert isinstance(element.message, ChatMessage)
        if isinstance(element.message.event, XGrpMsgForward):
            assert bytes.fromhex(case["bytes"])[:1] in b"[{"


@every_version
def test_history_is_in_json_whatever_the_version(file: str) -> None:
    history = events(file, "link", XGrpMsgForward)
    texts = {each.msg.event.content.text for each in history if isinstance(each.msg.event, XMsgNew)}
    assert texts >= {"what was said", "and more of it", "says bob"}
    assert all(each.member_id is not None for each in history)
    bodies = [bytes.fromhex(case["bytes"]) for case, _ in said(file, "link")]
    assert max(map(len, bodies)) <= MAX_FORWARDED


@every_version
def test_mentions_are_in_the_text(file: str) -> None:
    [mentioning] = [each for each in events(file, "member", XMsgNew) if each.mentions]
    members = {name: each.member_id for name, each in mentioning.mentions.items()}
    assert set(members) == {"Raw", "Bob Smith"}
    assert mentioned_members(mentioning.content.text, members) == mentioning.mentions


@every_version
def test_reports_and_questions_are_for_the_admins(file: str) -> None:
    scoped = [each for each in events(file, "member", XMsgNew) if each.scope is not None]
    [report] = [each for each in scoped if isinstance(each.content, Report)]
    assert report.quote is not None
    assert Text("help me") in [each.content for each in scoped]
    assert len({each.scope for each in scoped}) == 1
    assert isinstance(report.scope, MemberScope)


@every_version
def test_moderation_names_the_author(file: str) -> None:
    deleted = events(file, "member", XMsgDel)
    assert [each for each in deleted if each.member_id is not None]


@every_version
def test_who_reviews_new_members(file: str) -> None:
    profiles = [each.group_profile for each in events(file, "member", XGrpInfo)]
    assert [each.reviews_members for each in profiles].count(True) == 1
    [waiting, accepted] = events(file, "review", XGrpLinkAcpt)
    assert waiting.acceptance is Acceptance.PENDING_REVIEW
    assert accepted.acceptance is Acceptance.ACCEPTED


@every_version
def test_a_host_says_what_the_members_speak(file: str) -> None:
    [intro, *_] = events(file, "link", XGrpMemIntro)
    assert intro.member_info.v is not None
    assert intro.member_info.v.highest >= 16
    assert intro.member_info.member_role is Role.MEMBER


@every_version
def test_a_business_says_who_is_who(file: str) -> None:
    [invitation] = events(file, "customer", XGrpLinkInv)
    business = invitation.group_link_invitation.business
    assert business.chat_type is BusinessSide.BUSINESS
    assert business.business_id == invitation.group_link_invitation.from_member.member_id
    assert business.customer_id == invitation.group_link_invitation.invited_member.member_id
