"""Links of groups, between an agent and a chat program that people use.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_AGENT that of one that runs an agent, and
SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

import json
from pathlib import Path

import trio

from simplex_trio.chat.messages.bodies import decode_info, encode_info
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XContact, XInfo
from simplex_trio.chat.messages.group_events import XGrpLinkInv
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionReady,
    DuplexEvent,
    LinkUpdated,
    RequestReceived,
)
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.transaction import Invitation
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import ContactKind
from simplex_trio.wire.text import to_base64url
from tests.interop.chat_program import open_chat_program
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE, open_driver

PROFILE = Profile("Bob")


def info(event: Event) -> bytes:
    return encode_info(ChatMessage(event), pq=False)


async def next_of(agent: DuplexAgent, kind: type[DuplexEvent]) -> DuplexEvent:
    with trio.fail_after(PATIENCE):
        async for event in agent.events:
            if isinstance(event, kind):
                return event
    raise AssertionError("the agent has ended")


# Without the name of a type, as the program writes it itself.
CLIENT_DATA = json.dumps({"groupLinkId": to_base64url(bytes(range(16)))})
SHOWN = json.dumps({"groupProfile": {"displayName": "gardeners", "fullName": ""}}).encode()


async def group_address(agent: DuplexAgent) -> Invitation:
    return await agent.create_address(
        data=SHOWN, client_data=CLIENT_DATA, kind=ContactKind.GROUP, pq=False
    )


async def test_an_address_is_read_as_the_link_of_a_group(router: str, tmp_path: Path) -> None:
    async with (
        open_chat_program(named("SIMPLEX_TRIO_CHAT"), router, tmp_path / "program") as program,
        open_duplex_agent(tmp_path / "ours.db", servers=[router]) as agent,
    ):
        address = await group_address(agent)
        answer = await program.command(f"/_connect plan 1 {address.short_link}")
        planned = answer["connectionPlan"]["groupLinkPlan"]
        assert planned["type"] == "ok"
        assert planned["groupSLinkData_"]["groupProfile"]["displayName"] == "gardeners"
        answer = await program.command(f"/_connect plan 1 {address.link}")
        assert answer["connectionPlan"]["groupLinkPlan"]["type"] == "ok"
        await program.command(f"/c {address.short_link}")
        request = await next_of(agent, RequestReceived)
        assert isinstance(request, RequestReceived)
        event = decode_info(request.info).event
        assert isinstance(event, XContact)
        assert event.first_message is None


async def test_client_data_stays_when_an_address_shows_something_else(
    router: str, tmp_path: Path
) -> None:
    path = str(tmp_path / "other.db")
    async with (
        open_driver(named("SIMPLEX_TRIO_AGENT"), router, path) as driver,
        open_duplex_agent(tmp_path / "ours.db", servers=[router]) as agent,
    ):
        address = await group_address(agent)
        for shown in (SHOWN, b"changed"):
            if shown != SHOWN:
                await agent.change_link(address.connection_id, shown)
                await next_of(agent, LinkUpdated)
            read = await driver.command("getConnectionShortLink", link=address.short_link)
            assert bytes.fromhex(read["userData"]) == shown
            request = parse_link(read["connReq"])
            assert isinstance(request, ContactURI)
            assert request.client_data == CLIENT_DATA


async def test_what_the_link_of_a_channel_says(router: str, tmp_path: Path) -> None:
    path = str(tmp_path / "other.db")
    async with (
        open_driver(named("SIMPLEX_TRIO_AGENT"), router, path) as driver,
        open_duplex_agent(tmp_path / "ours.db", servers=[router]) as agent,
    ):
        relay = await group_address(agent)
        created = await driver.command(
            "createConnection",
            mode="contact",
            pq="off",
            userData=b"shown".hex(),
            clientData=CLIENT_DATA,
            direct=False,
            relays=[relay.short_link],
        )
        read = await driver.command("getConnectionShortLink", link=created["shortLink"])
        seen = await agent.look(created["shortLink"])
        assert (seen.data, seen.client_data, seen.direct) == (b"shown", CLIENT_DATA, False)
        assert seen.relays == (parse_link(relay.short_link or ""),)
        assert (seen.owners, seen.entity_id, seen.can_join) == ((), None, False)
        assert seen.root_key is not None
        assert to_base64url(seen.root_key.der) == read["rootKey"]
        assert (await agent.look(created["fullLink"])).client_data == CLIENT_DATA


async def test_the_link_of_a_group_is_joined(router: str, tmp_path: Path) -> None:
    async with (
        open_chat_program(named("SIMPLEX_TRIO_CHAT"), router, tmp_path / "program") as program,
        open_duplex_agent(tmp_path / "ours.db", servers=[router]) as agent,
    ):
        group = await program.command('/_group 1 {"displayName":"gardeners","fullName":""}')
        group_id = group["groupInfo"]["groupId"]
        answer = await program.command(f"/_create link #{group_id} member")
        link = answer["groupLink"]["connLinkContact"]["connShortLink"]
        seen = await agent.look(link)
        assert seen.kind is ContactKind.GROUP
        assert "groupLinkId" in json.loads(seen.client_data or "{}")
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
