"""`DuplexAgent` and another program's agent, over a router that both use.

SIMPLEX_TRIO_AGENT is the path of a program that runs an agent, SIMPLEX_TRIO_ROUTER the router.
SIMPLEX_TRIO_MESSAGES is how many messages go each way in the long conversation.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
from attrs import evolve

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionDeleted,
    ConnectionReady,
    DeliveryWarning,
    DuplexEvent,
    Integrity,
    LinkUpdated,
    PeerInfo,
    PeerMessage,
    Problem,
    ReceiptReceived,
    RequestReceived,
    SendingResumed,
)
from simplex_trio.duplex.machine.step import Spoken
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.wire.versions import VersionRange
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE, Driver, open_driver

MESSAGES = int(os.environ.get("SIMPLEX_TRIO_MESSAGES", "100"))

EventT = TypeVar("EventT", bound=DuplexEvent)


@asynccontextmanager
async def both(
    router: str, tmp_path: Path, config: DuplexConfig | None = None, **options: object
) -> AsyncIterator[tuple[DuplexAgent, Driver]]:
    """Our agent and the other one."""
    async with (
        open_driver(
            named("SIMPLEX_TRIO_AGENT"), router, str(tmp_path / "other.db"), **options
        ) as driver,
        open_duplex_agent(tmp_path / "ours.db", servers=[router], config=config) as agent,
    ):
        yield agent, driver


async def next_of(agent: DuplexAgent, kind: type[EventT]) -> EventT:
    """The next event of a kind, those of others being left out."""
    with trio.fail_after(PATIENCE):
        async for event in agent.events:
            if isinstance(event, kind):
                return event
    raise AssertionError("the agent has ended")


def without_modes(link: str) -> str:
    """A link as an initiator writes it that knows nothing of queues which the sender secures."""
    return re.sub(r"%26q%3Dm|%26k%3Ds", "", link)


# --- ways of connecting -------------------------------------------------------------------------


async def we_invite(agent: DuplexAgent, driver: Driver, pq: bool, short: bool) -> tuple[str, str]:
    invitation = await agent.create(info=b"ours", short=short, pq=pq)
    link = invitation.short_link if short else invitation.link
    joined = await driver.command("joinConnection", link=link, profile=b"other".hex(), pq=pq)
    confirmation = await next_of(agent, ConfirmationReceived)
    assert confirmation.info == b"other"
    ours = await agent.accept(confirmation)
    assert ours == invitation.connection_id
    info = await driver.event("INFO")
    assert bytes.fromhex(info["connInfo"]) == b"ours"
    return ours, joined["connId"]


async def they_invite(agent: DuplexAgent, driver: Driver, pq: bool, short: bool) -> tuple[str, str]:
    created = await driver.command(
        "createConnection", mode="invitation", pq="on" if pq else "off", shortLink=short
    )
    ours = await agent.join(created["shortLink" if short else "fullLink"], b"ours", pq=pq)
    await driver_allows(driver, created["connId"])
    assert (await next_of(agent, PeerInfo)).info == b"other"
    return ours, created["connId"]


async def they_ask(agent: DuplexAgent, driver: Driver, pq: bool, short: bool) -> tuple[str, str]:
    address = await agent.create_address(short=short, data=b"shown", pq=pq)
    link = address.short_link if short else address.link
    joined = await driver.command("joinConnection", link=link, profile=b"other".hex(), pq=pq)
    request = await next_of(agent, RequestReceived)
    assert (request.connection_id, request.info) == (address.connection_id, b"other")
    ours = await agent.accept(request, b"ours")
    await driver_allows(driver, joined["connId"])
    return ours, joined["connId"]


async def we_ask(agent: DuplexAgent, driver: Driver, pq: bool, short: bool) -> tuple[str, str]:
    shown = {"userData": b"shown".hex()} if short else {}
    created = await driver.command(
        "createConnection", mode="contact", pq="on" if pq else "off", **shown
    )
    ours = await agent.join(created["shortLink" if short else "fullLink"], b"ours", pq=pq)
    request = await driver.event("REQ")
    assert bytes.fromhex(request["connInfo"]) == b"ours"
    accepted = await driver.command(
        "acceptContact", invId=request["invId"], profile=b"other".hex(), pq=pq
    )
    return ours, accepted["connId"]


async def driver_allows(driver: Driver, connection: str) -> None:
    confirmation = await driver.event("CONF")
    assert bytes.fromhex(confirmation["connInfo"]) == b"ours"
    await driver.command(
        "allowConnection",
        connId=connection,
        confId=confirmation["confId"],
        profile=b"other".hex(),
    )


WAYS = [we_invite, they_invite, they_ask, we_ask]


async def connected(
    agent: DuplexAgent, driver: Driver, way: Any, *, pq: bool, short: bool = False
) -> tuple[str, str]:
    ours, theirs = await way(agent, driver, pq, short)
    await next_of(agent, ConnectionReady)
    await driver.event("CON")
    return ours, theirs


# --- talking ------------------------------------------------------------------------------------


async def from_us(
    agent: DuplexAgent, driver: Driver, ours: str, theirs: str, body: bytes, *, receipt: bool = True
) -> dict[str, Any]:
    message_id = await agent.send(ours, body)
    event = await driver.event("MSG")
    assert bytes.fromhex(event["body"]) == body
    assert event["meta"]["integrity"] == "OK"
    stated = {"receipt": b"seen".hex()} if receipt else {}
    await driver.command("ackMessage", connId=theirs, msgId=event["msgId"], **stated)
    if receipt:
        received = await next_of(agent, ReceiptReceived)
        assert received.message_id == message_id
        assert (received.intact, received.info) == (True, b"seen")
    return event


async def from_them(
    agent: DuplexAgent, driver: Driver, ours: str, theirs: str, body: bytes, *, pq: bool
) -> PeerMessage:
    sent = await driver.command("sendMessage", connId=theirs, body=body.hex(), pq=pq)
    message = await next_of(agent, PeerMessage)
    assert (message.connection_id, message.body) == (ours, body)
    assert (message.integrity, message.skipped) == (Integrity.OK, 0)
    await agent.acknowledge(message, receipt=True)
    receipt = await driver.event("RCVD")
    assert [each["agentMsgId"] for each in receipt["receipts"]] == [sent["msgId"]]
    await driver.command("ackMessage", connId=theirs, msgId=receipt["msgId"])
    return message


async def talk(
    agent: DuplexAgent, driver: Driver, ours: str, theirs: str, *, pq: bool, turns: int = 3
) -> None:
    for turn in range(turns):
        event = await from_us(agent, driver, ours, theirs, b"from us %d" % turn)
        message = await from_them(agent, driver, ours, theirs, b"from them %d" % turn, pq=pq)
    assert event["meta"]["pq"] is pq
    assert message.pq is pq


@pytest.mark.parametrize("pq", [True, False])
@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("way", WAYS)
async def test_every_way_of_connecting(
    router: str, tmp_path: Path, way: Any, short: bool, pq: bool
) -> None:
    async with both(router, tmp_path) as (agent, driver):
        ours, theirs = await connected(agent, driver, way, pq=pq, short=short)
        await talk(agent, driver, ours, theirs, pq=pq)
        status = await agent.status(ours)
        assert status.pq is pq
        code = await driver.command("getConnectionRatchetAdHash", connId=theirs)
        assert status.security_code is not None
        assert int(status.security_code.replace(" ", "")) == int(code, 16)


@pytest.mark.parametrize("versions", ["client 1..2", "client 1..3", "agent 2..4", "agent 2..6"])
@pytest.mark.parametrize("way", WAYS)
async def test_peers_of_earlier_versions(
    router: str, tmp_path: Path, way: Any, versions: str
) -> None:
    kind, bounds = versions.split()
    spoken = list(map(int, bounds.split("..")))
    options: dict[str, Any] = {"smpClientVRange" if kind == "client" else "agentVRange": spoken}
    async with both(router, tmp_path, **options) as (agent, driver):
        ours, theirs = await connected(agent, driver, way, pq=False)
        await talk(agent, driver, ours, theirs, pq=False)


@pytest.mark.parametrize("way", WAYS)
async def test_peers_without_the_kem(router: str, tmp_path: Path, way: Any) -> None:
    async with both(router, tmp_path, e2eVRange=[2, 2]) as (agent, driver):
        ours, theirs = await connected(agent, driver, way, pq=True)
        await talk(agent, driver, ours, theirs, pq=False)


@pytest.mark.parametrize("way", WAYS)
async def test_we_are_of_an_earlier_version(router: str, tmp_path: Path, way: Any) -> None:
    spoken = Spoken(VersionRange(2, 5), VersionRange(1, 3), VersionRange(2, 2))
    config = evolve(DuplexConfig(), spoken=spoken, pq=False)
    async with both(router, tmp_path, config) as (agent, driver):
        ours, theirs = await connected(agent, driver, way, pq=False)
        await talk(agent, driver, ours, theirs, pq=False)


@pytest.mark.parametrize("pq", [True, False])
async def test_the_slow_handshake_when_we_invite(router: str, tmp_path: Path, pq: bool) -> None:
    async with both(router, tmp_path) as (agent, driver):
        invitation = await agent.create(info=b"ours", pq=pq)
        link = without_modes(invitation.link)
        joined = await driver.command("joinConnection", link=link, profile=b"other".hex(), pq=pq)
        assert joined["sndSecure"] is False
        confirmation = await next_of(agent, ConfirmationReceived)
        await agent.accept(confirmation)
        await next_of(agent, ConnectionReady)
        await driver.event("CON")
        await talk(agent, driver, invitation.connection_id, joined["connId"], pq=pq)


@pytest.mark.parametrize("client", [[1, 2], [1, 4]])
async def test_the_slow_handshake_when_they_invite(
    router: str, tmp_path: Path, client: list[int]
) -> None:
    async with both(router, tmp_path, smpClientVRange=client) as (agent, driver):
        created = await driver.command("createConnection", mode="invitation", pq="off")
        ours = await agent.join(without_modes(created["fullLink"]), b"ours", pq=False)
        await driver_allows(driver, created["connId"])
        await next_of(agent, ConnectionReady)
        await driver.event("CON")
        await talk(agent, driver, ours, created["connId"], pq=False)


# --- what happens in between --------------------------------------------------------------------


async def test_a_long_conversation(router: str, tmp_path: Path) -> None:
    async with both(router, tmp_path) as (agent, driver):
        ours, theirs = await connected(agent, driver, we_invite, pq=True)
        for number in range(MESSAGES):
            await agent.send(ours, b"from us %d" % number)
        for number in range(MESSAGES):
            event = await driver.event("MSG")
            assert bytes.fromhex(event["body"]) == b"from us %d" % number
            assert event["meta"]["integrity"] == "OK"
            await driver.command("ackMessage", connId=theirs, msgId=event["msgId"], receipt="")
        for _ in range(MESSAGES):
            assert (await next_of(agent, ReceiptReceived)).intact
        for number in range(MESSAGES):
            body = b"from them %d" % number
            await driver.command("sendMessage", connId=theirs, body=body.hex(), pq=True)
        for number in range(MESSAGES):
            message = await next_of(agent, PeerMessage)
            assert message.body == b"from them %d" % number
            assert message.integrity is Integrity.OK
            await agent.acknowledge(message, receipt=True)
            # Unread receipts would fill the other agent's queue, and ours waits behind them to say
            # that it has read its own.
            receipt = await driver.event("RCVD")
            await driver.command("ackMessage", connId=theirs, msgId=receipt["msgId"])


async def test_restarts_in_between(router: str, tmp_path: Path) -> None:
    """Our agent is closed after every step of the handshake, and of a conversation."""
    store = tmp_path / "ours.db"

    def opened() -> Any:
        return open_duplex_agent(store, servers=[router])

    async with open_driver(
        named("SIMPLEX_TRIO_AGENT"), router, str(tmp_path / "other.db")
    ) as driver:
        async with opened() as agent:
            invitation = await agent.create(info=b"ours")
        joined = await driver.command(
            "joinConnection", link=invitation.link, profile=b"other".hex(), pq=True
        )
        theirs = joined["connId"]
        async with opened() as agent:
            await next_of(agent, ConfirmationReceived)
        async with opened() as agent:
            # It was not taken, since no further event was asked for.
            ours = await agent.accept(await next_of(agent, ConfirmationReceived))
        async with opened() as agent:
            await next_of(agent, ConnectionReady)
        await driver.event("CON")
        async with opened() as agent:
            await agent.send(ours, b"before the end")
        await driver.command("sendMessage", connId=theirs, body=b"first".hex(), pq=True)
        await driver.command("sendMessage", connId=theirs, body=b"second".hex(), pq=True)
        async with opened() as agent:
            first = await next_of(agent, PeerMessage)
        async with opened() as agent:
            again = await next_of(agent, PeerMessage)
            assert (again.message_id, again.body) == (first.message_id, b"first")
            await agent.acknowledge(again)
        async with opened() as agent:
            second = await next_of(agent, PeerMessage)
            assert (second.body, second.integrity) == (b"second", Integrity.OK)
            await agent.acknowledge(second, receipt=True)
            event = await driver.event("MSG")
            assert bytes.fromhex(event["body"]) == b"before the end"
            await driver.command("ackMessage", connId=theirs, msgId=event["msgId"])
            await driver.event("RCVD")


async def test_the_peer_is_offline(router: str, tmp_path: Path) -> None:
    async with both(router, tmp_path) as (agent, driver):
        created = await driver.command("createConnection", mode="invitation", pq="on")
        await driver.command("stop")
        ours = await agent.join(created["fullLink"], b"ours")
        assert (await agent.status(ours)).can_send
        await agent.send(ours, b"already")
        await driver.start()
        await driver.command("subscribe", connId=created["connId"])
        await driver_allows(driver, created["connId"])
        await next_of(agent, ConnectionReady)
        event = await driver.event("MSG")
        assert bytes.fromhex(event["body"]) == b"already"
        await driver.command("ackMessage", connId=created["connId"], msgId=event["msgId"])
        await talk(agent, driver, ours, created["connId"], pq=True)


async def test_the_kem_is_switched_on_and_off(router: str, tmp_path: Path) -> None:
    async with both(router, tmp_path) as (agent, driver):
        ours, theirs = await connected(agent, driver, we_invite, pq=False)
        for wanted in (True, False, True):
            seen = set()
            for turn in range(6):
                await agent.send(ours, b"turn %d" % turn, pq=wanted)
                event = await driver.event("MSG")
                await driver.command("ackMessage", connId=theirs, msgId=event["msgId"])
                await driver.command("sendMessage", connId=theirs, body="00", pq=wanted)
                message = await next_of(agent, PeerMessage)
                await agent.acknowledge(message)
                seen.add(message.integrity)
            assert seen == {Integrity.OK}
            assert message.pq is wanted
            assert event["meta"]["pq"] is wanted


async def test_a_full_queue(router: str, tmp_path: Path) -> None:
    """The peer does not read; when it does, everything comes, in order."""
    async with both(router, tmp_path) as (agent, driver):
        ours, theirs = await connected(agent, driver, we_invite, pq=False)
        count = 150
        ids = [await agent.send(ours, b"%d" % number) for number in range(count)]
        warning = await next_of(agent, DeliveryWarning)
        assert warning.problem is Problem.QUOTA
        assert warning.message_id in ids
        for number in range(count):
            event = await driver.event("MSG")
            assert bytes.fromhex(event["body"]) == b"%d" % number
            assert event["meta"]["integrity"] == "OK"
            await driver.command("ackMessage", connId=theirs, msgId=event["msgId"])
        await next_of(agent, SendingResumed)


async def test_we_are_full(router: str, tmp_path: Path) -> None:
    async with both(router, tmp_path) as (agent, driver):
        ours, theirs = await connected(agent, driver, they_invite, pq=False)
        count = 150
        for number in range(count):
            body = b"%d" % number
            await driver.command("sendMessage", connId=theirs, body=body.hex(), pq=False)
        await driver.event("MWARN")
        for number in range(count):
            message = await next_of(agent, PeerMessage)
            assert (message.body, message.connection_id) == (b"%d" % number, ours)
            assert message.integrity is Integrity.OK
            await agent.acknowledge(message)
        await driver.event("QCONT")


# --- links and endings --------------------------------------------------------------------------


async def test_what_links_show(router: str, tmp_path: Path) -> None:
    async with both(router, tmp_path) as (agent, driver):
        address = await agent.create_address(data=b"first")
        shown = await driver.command("getConnectionShortLink", link=address.short_link)
        assert bytes.fromhex(shown["userData"]) == b"first"
        await agent.change_link(address.connection_id, b"second" * 1000)
        assert (await next_of(agent, LinkUpdated)).problem is None
        shown = await driver.command("getConnectionShortLink", link=address.short_link)
        assert bytes.fromhex(shown["userData"]) == b"second" * 1000
        created = await driver.command(
            "createConnection", mode="contact", pq="on", userData=b"theirs".hex()
        )
        preview = await agent.look(created["shortLink"])
        assert (preview.data, preview.can_join, preview.is_invitation) == (b"theirs", True, False)
        created = await driver.command(
            "createConnection", mode="invitation", pq="on", userData=b"once".hex()
        )
        preview = await agent.look(created["shortLink"])
        assert (preview.data, preview.connection_id) == (b"once", None)
        ours = await agent.join(created["shortLink"], b"ours")
        await driver_allows(driver, created["connId"])
        await next_of(agent, ConnectionReady)
        await talk(agent, driver, ours, created["connId"], pq=True)


async def test_deleting(router: str, tmp_path: Path) -> None:
    async with both(router, tmp_path) as (agent, driver):
        ours, theirs = await connected(agent, driver, we_invite, pq=True)
        message_id = await agent.send(ours, b"the last")
        await agent.delete(ours, after_delivery=True)
        event = await driver.event("MSG")
        assert bytes.fromhex(event["body"]) == b"the last"
        assert message_id
        await next_of(agent, ConnectionDeleted)
        assert await agent.connections() == []
        await driver.command("sendMessage", connId=theirs, body="00", pq=True)
        with pytest.raises(AssertionError, match="AUTH"):
            await driver.event("SENT")
