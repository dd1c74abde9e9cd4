"""An agent that goes on from a real backup of its file, while its peer has gone on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from simplex_trio.duplex import (
    ConfirmationReceived,
    ConnectionReady,
    DeliveryFailed,
    DuplexAgent,
    DuplexConfig,
    DuplexEvent,
    Integrity,
    NotSynchronised,
    PeerMessage,
    Problem,
    RatchetBroken,
    Resynchronised,
    SecurityCodeChanged,
    Synchrony,
    open_duplex_agent,
)
from simplex_trio.errors import StoreIncomplete
from simplex_trio.router.server import Router, open_router

DEADLINE = 60
"""Seconds after which a test hangs; each takes less than two."""

CONFIG = DuplexConfig(pq=False)

EventT = TypeVar("EventT", bound=DuplexEvent)


@asynccontextmanager
async def run(
    path: Path, router: Router, *, accept_loss: bool = False
) -> AsyncIterator[DuplexAgent]:
    async with open_duplex_agent(
        path, servers=[router.address], config=CONFIG, accept_loss=accept_loss
    ) as agent:
        yield agent


async def next_of(agent: DuplexAgent, kind: type[EventT]) -> EventT:
    async for event in agent.events:
        if isinstance(event, kind):
            return event
    raise AssertionError("the agent has ended")


async def pass_on(
    sender: DuplexAgent, sending_id: str, receiver: DuplexAgent, body: bytes
) -> PeerMessage:
    await sender.send(sending_id, body)
    message = await next_of(receiver, PeerMessage)
    assert message.body == body
    await receiver.acknowledge(message)
    return message


def put_back(backup: Path, file: Path) -> None:
    for path in file.parent.glob(f"{file.name}-*"):
        if not path.name.endswith("-mark"):
            path.unlink()
    file.write_bytes(backup.read_bytes())


@pytest.mark.parametrize("who", ["the restored", "its peer"])
async def test_a_backup_that_takes_the_place_of_the_file(tmp_path: Path, who: str) -> None:
    file, backup = tmp_path / "bob.db", tmp_path / "bob.backup"
    with trio.fail_after(DEADLINE):
        async with open_router() as router, run(tmp_path / "alice.db", router) as alice:
            async with run(file, router) as bob:
                invitation = await alice.create()
                theirs, ours = await bob.join(invitation.link), invitation.connection_id
                await alice.accept(await next_of(alice, ConfirmationReceived))
                await next_of(alice, ConnectionReady)
                await next_of(bob, ConnectionReady)
                await pass_on(alice, ours, bob, b"before")
                await pass_on(bob, theirs, alice, b"before")
                await bob.drain()
                await bob.back_up(backup)
                await pass_on(alice, ours, bob, b"after")
                await pass_on(bob, theirs, alice, b"after")
                await bob.drain()
            put_back(backup, file)
            with pytest.raises(StoreIncomplete):
                async with run(file, router):
                    pass
            meanwhile = await alice.send(ours, b"meanwhile")
            async with run(file, router, accept_loss=True) as bob:
                broken = await next_of(bob, RatchetBroken)
                assert broken == RatchetBroken(theirs, must_resynchronise=True)
                with pytest.raises(NotSynchronised):
                    await bob.send(theirs, b"with a key that was used")
                if who == "the restored":
                    await bob.resynchronise(theirs)
                else:
                    await alice.resynchronise(ours, force=True)
                changed = await next_of(bob, SecurityCodeChanged)
                await next_of(bob, Resynchronised)
                failed = await next_of(alice, DeliveryFailed)
                # Bob's file has lost one, and could not decrypt the other.
                assert failed.problem is Problem.DECRYPTION
                assert meanwhile in failed.message_ids
                assert len(failed.message_ids) == 2
                await next_of(alice, Resynchronised)
                for agent, connection_id in ((alice, ours), (bob, theirs)):
                    status = await agent.status(connection_id)
                    assert status.synchrony is Synchrony.OK
                    assert status.security_code == changed.security_code
                for _ in range(2):
                    there = await pass_on(alice, ours, bob, b"again")
                    back = await pass_on(bob, theirs, alice, b"again")
                    assert there.integrity is back.integrity is Integrity.OK


async def test_nothing_is_made_anew_if_nothing_is_missing(tmp_path: Path) -> None:
    with trio.fail_after(DEADLINE):
        async with open_router() as router, run(tmp_path / "alice.db", router) as alice:
            async with run(tmp_path / "bob.db", router) as bob:
                invitation = await alice.create()
                theirs = await bob.join(invitation.link)
                await alice.accept(await next_of(alice, ConfirmationReceived))
                await next_of(bob, ConnectionReady)
                await bob.drain()
            async with run(tmp_path / "bob.db", router, accept_loss=True) as bob:
                assert (await bob.status(theirs)).synchrony is Synchrony.OK
                await pass_on(bob, theirs, alice, b"goes on")
