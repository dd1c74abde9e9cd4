"""Notifications of a `DuplexAgent`, through a real notification router and a push mock.

SIMPLEX_TRIO_NTF is the notification router, SIMPLEX_TRIO_ROUTER a router that it can reach.
SIMPLEX_TRIO_PUSH is a file with a certificate and its key, for the host to which the notification
router pushes.  For the provider ``apns_test`` that is localhost, port 443.  A router that refuses
this provider can be used with SIMPLEX_TRIO_PROVIDER=apns_dev, if it takes the name of that
provider's host for this machine.  The router has to trust who has signed the certificate.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import NoNotificationToken, PushNotReadable
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionReady,
    NotificationTokenChanged,
    PeerMessage,
    ReceiptReceived,
)
from simplex_trio.duplex.machine import pushes
from simplex_trio.duplex.machine.push_records import NotificationMode
from simplex_trio.duplex.notifications import Notifications
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.wire.ntf.statuses import TokenState
from simplex_trio.wire.ntf.tokens import DeviceToken, PushProvider
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE, open_driver
from tests.interop.push_mock import Push, PushMock, open_push_mock
from tests.interop.test_duplex_agent import next_of

CONFIG = DuplexConfig(pq=False)


@pytest.fixture
def certificate() -> str:
    return named("SIMPLEX_TRIO_PUSH")


def new_device() -> DeviceToken:
    """A device that no other run has used."""
    provider = PushProvider.parse(os.environ.get("SIMPLEX_TRIO_PROVIDER", "apns_test"))
    return DeviceToken(provider, os.urandom(32).hex().encode())


def open_mock(certificate: str) -> AbstractAsyncContextManager[PushMock]:
    return open_push_mock(certificate, 443)


@asynccontextmanager
async def run(path: Path, router: str, *, subscribe: bool = True) -> AsyncIterator[DuplexAgent]:
    async with open_duplex_agent(
        path, servers=[router], config=CONFIG, subscribe=subscribe
    ) as agent:
        yield agent


async def activate(agent: DuplexAgent, mock: PushMock, device: DeviceToken, ntf: str) -> None:
    """Register a device with the code that it is pushed."""
    await agent.notifications.register(device, ntf)
    await reach(agent, TokenState.REGISTERED)
    await verify(agent.notifications, await mock.next_push(device.token, is_code=True))
    await reach(agent, TokenState.ACTIVE)


async def verify(notifications: Notifications, push: Push) -> None:
    await notifications.verify(push.nonce, push.sealed)


async def reach(agent: DuplexAgent, state: TokenState) -> None:
    while (await next_of(agent, NotificationTokenChanged)).state is not state:
        pass


async def connect(alice: DuplexAgent, bob: DuplexAgent) -> tuple[str, str]:
    invitation = await alice.create()
    theirs = await bob.join(invitation.link, b"Bob")
    ours = await alice.accept(await next_of(alice, ConfirmationReceived))
    await next_of(alice, ConnectionReady)
    await next_of(bob, ConnectionReady)
    return ours, theirs


async def until_active(agent: DuplexAgent, connection_id: str, active: bool = True) -> None:
    with trio.fail_after(PATIENCE):
        while await agent.notifications.is_active(connection_id) is not active:  # noqa: ASYNC110
            await trio.sleep(0.1)


async def test_woken_up_by_our_own_agent(
    ntf_router: str, router: str, certificate: str, tmp_path: Path
) -> None:
    """Connected before and after the device was registered; opened, fetched, acknowledged."""
    device, path = new_device(), tmp_path / "alice.db"
    async with open_mock(certificate) as mock, run(tmp_path / "bob.db", router) as bob:
        async with run(path, router) as alice:
            before, their_before = await connect(alice, bob)
            await activate(alice, mock, device, ntf_router)
            after, their_after = await connect(alice, bob)
            for each in (before, after):
                await until_active(alice, each)
            state = await alice.notifications.check()
            assert (state.state, state.mode) == (TokenState.ACTIVE, NotificationMode.INSTANT)
        for ours, theirs in ((before, their_before), (after, their_after)):
            for body in (b"one", b"two", b"three"):
                await bob.send(theirs, body)
            async with run(path, router, subscribe=False) as alice:
                await wake_up(alice, mock, device, ours, [b"one", b"two", b"three"])
            for _ in range(3):
                await next_of(bob, ReceiptReceived)
        # What was left is received as ever.
        await bob.send(their_after, b"four")
        async with run(path, router) as alice:
            assert (await next_of(alice, PeerMessage)).body == b"four"


async def wake_up(
    agent: DuplexAgent,
    mock: PushMock,
    device: DeviceToken,
    connection_id: str,
    expected: list[bytes],
) -> None:
    """Get all that there is after a push, and end."""
    notifications = agent.notifications
    while True:
        push = await mock.next_push(device.token, is_code=False)
        opened = [
            each
            for each in await notifications.open(push.nonce, push.sealed)
            if each.connection_id == connection_id
        ]
        if opened:
            break
    assert all(each.message_at is not None for each in opened)
    bodies: list[bytes] = []
    with trio.fail_after(PATIENCE):
        while len(bodies) < len(expected):
            if await notifications.fetch([connection_id]):
                message = await next_of(agent, PeerMessage)
                bodies.append(message.body)
                await agent.acknowledge(message, receipt=True)
        assert not await notifications.fetch([connection_id])
        await agent.drain()
    assert bodies == expected


async def test_woken_up_by_another_agent(
    ntf_router: str, router: str, certificate: str, tmp_path: Path
) -> None:
    device, path = new_device(), tmp_path / "ours.db"
    program = named("SIMPLEX_TRIO_AGENT")
    async with (
        open_mock(certificate) as mock,
        open_driver(program, router, str(tmp_path / "other.db")) as driver,
    ):
        async with run(path, router) as agent:
            await activate(agent, mock, device, ntf_router)
            invitation = await agent.create(info=b"ours", pq=False)
            joined = await driver.command(
                "joinConnection", link=invitation.link, profile=b"other".hex(), pq=False
            )
            theirs = joined["connId"]
            ours = await agent.accept(await next_of(agent, ConfirmationReceived))
            await next_of(agent, ConnectionReady)
            await driver.event("CON")
            await until_active(agent, ours)
        sent = await driver.command(
            "sendMessage", connId=theirs, body=b"hello".hex(), pq=False, ntf=True
        )
        async with run(path, router, subscribe=False) as agent:
            await wake_up(agent, mock, device, ours, [b"hello"])
        received = await driver.event("RCVD")
        assert received["receipts"][0]["agentMsgId"] == sent["msgId"]


async def test_what_is_switched_off_and_on(
    ntf_router: str,
    router: str,
    certificate: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By connection, by mode, by another device, and all of it."""
    # This agent is subscribed, and may have a message before the push is opened.
    monkeypatch.setattr(pushes, "_is_news", lambda queue, meta: True)
    device, other = new_device(), new_device()
    async with (
        open_mock(certificate) as mock,
        run(tmp_path / "bob.db", router) as bob,
        run(tmp_path / "alice.db", router) as alice,
    ):
        notifications = alice.notifications
        await activate(alice, mock, device, ntf_router)
        ours, theirs = await connect(alice, bob)
        loud, loud_theirs = await connect(alice, bob)
        for each in (ours, loud):
            await until_active(alice, each)

        await notifications.set_enabled(ours, False)
        await until_active(alice, ours, False)
        await alice.drain()
        since = await next_second()
        await bob.send(theirs, b"in silence")
        await bob.send(loud_theirs, b"loud")
        assert await woken_for(alice, mock, device, since) == {loud}
        await notifications.set_enabled(ours, True)
        await until_active(alice, ours)
        since = await next_second()
        await bob.send(theirs, b"again")
        assert await woken_for(alice, mock, device, since) == {ours}

        await notifications.register(device, ntf_router, mode=NotificationMode.PERIODIC)
        await until_active(alice, ours, False)
        await until_active(alice, loud, False)
        await notifications.register(device, ntf_router)
        await until_active(alice, ours)
        since = await next_second()
        await bob.send(theirs, b"instantly")
        assert await woken_for(alice, mock, device, since) == {ours}

        await notifications.register(other, ntf_router)
        await reach(alice, TokenState.REGISTERED)
        await verify(notifications, await mock.next_push(other.token, is_code=True))
        await reach(alice, TokenState.ACTIVE)
        since = await next_second()
        await bob.send(theirs, b"to the other device")
        assert await woken_for(alice, mock, other, since) == {ours}

        await notifications.delete()
        await until_active(alice, ours, False)
        await alice.drain()
        with pytest.raises(NoNotificationToken):
            await notifications.check()
        await activate(alice, mock, device, ntf_router)
        await until_active(alice, ours)
        since = await next_second()
        await bob.send(theirs, b"after all")
        assert await woken_for(alice, mock, device, since) == {ours}


async def next_second() -> int:
    """Wait until what is sent has a later time than what was sent before, which is returned."""
    before = int(time.time())
    while int(time.time()) == before:  # noqa: ASYNC110 - nothing tells of that
        await trio.sleep(0.05)
    return before


async def woken_for(
    agent: DuplexAgent, mock: PushMock, device: DeviceToken, since: int
) -> set[str]:
    """The connections that the next push about something later than ``since`` is about."""
    while True:
        push = await mock.next_push(device.token, is_code=False)
        try:
            found = await agent.notifications.open(push.nonce, push.sealed)
        except PushNotReadable:
            continue
        later = [each for each in found if each.message_at is not None and each.message_at > since]
        if later:
            return {each.connection_id for each in later}
