"""Links of groups, between an agent and a chat program that people use.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

from pathlib import Path

import trio

from simplex_trio.chat.messages.bodies import decode_info, encode_info
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XContact, XInfo
from simplex_trio.chat.messages.group_events import XGrpLinkInv
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.events import ConfirmationReceived, ConnectionReady, DuplexEvent
from simplex_trio.duplex.opening import open_duplex_agent
from tests.interop.chat_program import open_chat_program
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE

PROFILE = Profile("Bob")


def info(event: Event) -> bytes:
    return encode_info(ChatMessage(event), pq=False)


async def next_of(agent: DuplexAgent, kind: type[DuplexEvent]) -> DuplexEvent:
    with trio.fail_after(PATIENCE):
        async for event in agent.events:
            if isinstance(event, kind):
                return event
    raise AssertionError("the agent has ended")


async def test_the_link_of_a_group_is_joined(router: str, tmp_path: Path) -> None:
    async with (
        open_chat_program(named("SIMPLEX_TRIO_CHAT"), router, tmp_path / "program") as program,
        open_duplex_agent(tmp_path / "ours.db", servers=[router]) as agent,
    ):
        group = await program.command('/_group 1 {"displayName":"gardeners","fullName":""}')
        group_id = group["groupInfo"]["groupId"]
        answer = await program.command(f"/_create link #{group_id} member")
        link = answer["groupLink"]["connLinkContact"]["connShortLink"]
        asked = info(XContact(PROFILE, contact_req_id=b"0123456789abcdef"))
        joined = await agent.join(link, asked, decides=True, pq=False)
        confirmation = await next_of(agent, ConfirmationReceived)
        assert isinstance(confirmation, ConfirmationReceived)
        assert confirmation.connection_id == joined
        event = decode_info(confirmation.info).event
        assert isinstance(event, XGrpLinkInv)
        assert event.group_link_invitation.group_profile.display_name == "gardeners"
        assert await agent.accept(confirmation, info(XInfo(PROFILE))) == joined
        await next_of(agent, ConnectionReady)
        member = (await program.event("joinedGroupMember"))["member"]
        assert member["localDisplayName"] == "Bob"
