"""New ratchets of `DuplexAgent` and another program's agent, over a router that both use.

See `tests.interop.test_duplex_agent` for the variables.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from simplex_trio.duplex import (
    CannotResynchronise,
    DeliveryFailed,
    DuplexAgent,
    DuplexConfig,
    NotSynchronised,
    Problem,
    RatchetBroken,
    ResynchronisationRequested,
    Resynchronised,
    SecurityCodeChanged,
    Synchrony,
    open_duplex_agent,
)
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE, Driver, open_driver
from tests.interop.test_duplex_agent import (
    both,
    connected,
    from_us,
    next_of,
    talk,
    they_invite,
    we_invite,
)

WAYS = [we_invite, they_invite]

ALLOWED = {"RSYNC", "ERR"}
"""Their agent has an error for each key that it does not take."""


def files(folder: Path, pattern: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob(pattern)}


def put_back(folder: Path, pattern: str, copy: dict[Path, bytes]) -> None:
    """Older files in place of those that match."""
    for path in folder.glob(pattern):
        path.unlink()
    for path, content in copy.items():
        path.write_bytes(content)


async def asked(driver: Driver, theirs: str, *, pq: bool, force: bool = False) -> None:
    """The other agent asks for a new ratchet."""
    await driver.command("synchronizeRatchet", connId=theirs, pq=pq, force=force)


async def is_synchronised(agent: DuplexAgent, driver: Driver, ours: str, theirs: str) -> bool:
    status = await agent.status(ours)
    stats = await driver.command("getConnectionServers", connId=theirs)
    code = await driver.command("getConnectionRatchetAdHash", connId=theirs)
    assert status.security_code is not None
    is_same = int(status.security_code.replace(" ", "")) == int(code, 16)
    return (status.synchrony, stats["ratchetSyncState"]) == (Synchrony.OK, "ok") and is_same


async def check_synchronised(
    agent: DuplexAgent, driver: Driver, ours: str, theirs: str, *, pq: bool
) -> None:
    """Both sides have the same ratchet, and messages go both ways."""
    # There may be several rounds, if both have asked, and another one may follow.
    in_a_row = 0
    with trio.fail_after(PATIENCE):
        while in_a_row < 5:
            same = await is_synchronised(agent, driver, ours, theirs)
            in_a_row = in_a_row + 1 if same else 0
            await trio.sleep(0.2)
    await talk(agent, driver, ours, theirs, pq=pq)


@asynccontextmanager
async def restarted(
    tmp_path: Path, router: str, config: DuplexConfig | None = None, *, accept_loss: bool = False
) -> AsyncIterator[DuplexAgent]:
    """Our agent alone, on its file."""
    async with open_duplex_agent(
        tmp_path / "ours.db", servers=[router], config=config, accept_loss=accept_loss
    ) as agent:
        yield agent


@pytest.mark.parametrize("pq", [True, False])
@pytest.mark.parametrize("way", WAYS)
async def test_we_ask(router: str, tmp_path: Path, way: Any, pq: bool) -> None:
    async with both(router, tmp_path) as (agent, driver):
        driver.allowed = ALLOWED
        ours, theirs = await connected(agent, driver, way, pq=pq)
        await talk(agent, driver, ours, theirs, pq=pq)
        before = (await agent.status(ours)).security_code
        with pytest.raises(CannotResynchronise):
            await agent.resynchronise(ours)
        for _ in range(4):  # in both roles, for these follow from the keys
            await agent.resynchronise(ours, force=True)
            with pytest.raises(NotSynchronised):
                await agent.send(ours, b"too early")
            changed = await next_of(agent, SecurityCodeChanged)
            assert changed.security_code != before
            await next_of(agent, Resynchronised)
            before = changed.security_code
            await check_synchronised(agent, driver, ours, theirs, pq=pq)


@pytest.mark.parametrize("pq", [True, False])
@pytest.mark.parametrize("way", WAYS)
async def test_they_ask(router: str, tmp_path: Path, way: Any, pq: bool) -> None:
    async with both(router, tmp_path) as (agent, driver):
        driver.allowed = ALLOWED
        ours, theirs = await connected(agent, driver, way, pq=pq)
        await talk(agent, driver, ours, theirs, pq=pq)
        for _ in range(4):
            await asked(driver, theirs, pq=pq, force=True)
            await next_of(agent, Resynchronised)
            await check_synchronised(agent, driver, ours, theirs, pq=pq)


@pytest.mark.parametrize("pq", [True, False])
async def test_both_ask_at_once(router: str, tmp_path: Path, pq: bool) -> None:
    async with both(router, tmp_path) as (agent, driver):
        driver.allowed = ALLOWED
        ours, theirs = await connected(agent, driver, we_invite, pq=pq)
        for _ in range(4):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(asked, driver, theirs, pq=pq, force=True))
                nursery.start_soon(partial(agent.resynchronise, ours, force=True))
            await next_of(agent, Resynchronised)
            await check_synchronised(agent, driver, ours, theirs, pq=pq)


async def test_they_force_it_while_our_key_waits(router: str, tmp_path: Path) -> None:
    """Which two agents of theirs may not survive."""
    async with both(router, tmp_path) as (agent, driver):
        driver.allowed = ALLOWED
        ours, theirs = await connected(agent, driver, we_invite, pq=True)
        for count in (2, 3, 2, 3):
            for _ in range(count):
                await asked(driver, theirs, pq=True, force=True)
            await next_of(agent, Resynchronised)
            await check_synchronised(agent, driver, ours, theirs, pq=True)


async def test_we_force_it_while_their_key_waits(router: str, tmp_path: Path) -> None:
    async with both(router, tmp_path) as (agent, driver):
        driver.allowed = ALLOWED
        ours, theirs = await connected(agent, driver, we_invite, pq=True)
        for count in (2, 3, 2, 3):
            for _ in range(count):
                await agent.resynchronise(ours, force=True)
                await trio.sleep(0.1)
            await check_synchronised(agent, driver, ours, theirs, pq=True)


@pytest.mark.parametrize("we_ask_first", [True, False])
async def test_their_database_is_restored(router: str, tmp_path: Path, we_ask_first: bool) -> None:
    async with both(router, tmp_path) as (agent, driver):
        driver.allowed = ALLOWED
        ours, theirs = await connected(agent, driver, they_invite, pq=True)
        await talk(agent, driver, ours, theirs, pq=True)
        await driver.command("stop")
        copy = files(tmp_path, "other.db*")
        await driver.start()
        await driver.command("subscribe", connId=theirs)
        await talk(agent, driver, ours, theirs, pq=True)
        await driver.command("stop")
        put_back(tmp_path, "other.db*", copy)
        await driver.start()
        await driver.command("subscribe", connId=theirs)
        lost = await agent.send(ours, b"cannot be decrypted")
        assert (await driver.event("RSYNC"))["state"] == "required"
        if we_ask_first:
            await agent.resynchronise(ours, force=True)
        else:
            await asked(driver, theirs, pq=True)
        failed: list[DeliveryFailed] = []
        with trio.fail_after(PATIENCE):
            async for event in agent.events:
                if isinstance(event, DeliveryFailed):
                    failed.append(event)
                if isinstance(event, Resynchronised):
                    break
        assert [event.problem for event in failed] == [Problem.DECRYPTION]
        assert lost in failed[0].message_ids
        await check_synchronised(agent, driver, ours, theirs, pq=True)


async def test_our_store_is_restored(router: str, tmp_path: Path) -> None:
    program = named("SIMPLEX_TRIO_AGENT")
    async with open_driver(program, router, str(tmp_path / "other.db")) as driver:
        driver.allowed = ALLOWED
        async with restarted(tmp_path, router) as agent:
            ours, theirs = await connected(agent, driver, we_invite, pq=True)
            await talk(agent, driver, ours, theirs, pq=True)
            await agent.back_up(tmp_path / "backup.db")
            await talk(agent, driver, ours, theirs, pq=True)
        [backup] = files(tmp_path, "backup.db").values()
        put_back(tmp_path, "ours.db*", {tmp_path / "ours.db": backup})
        async with restarted(tmp_path, router, accept_loss=True) as agent:
            await driver.command("sendMessage", connId=theirs, body=b"hello".hex(), pq=True)
            broken = await next_of(agent, RatchetBroken)
            assert broken.must_resynchronise
            with pytest.raises(NotSynchronised):
                await agent.send(ours, b"too early")
            await agent.resynchronise(ours)
            await next_of(agent, Resynchronised)
            await check_synchronised(agent, driver, ours, theirs, pq=True)


async def test_the_program_is_asked(router: str, tmp_path: Path) -> None:
    config = DuplexConfig(answers_resynchronisation=False)
    async with both(router, tmp_path, config) as (agent, driver):
        driver.allowed = ALLOWED
        ours, theirs = await connected(agent, driver, we_invite, pq=False)
        before = (await agent.status(ours)).security_code
        await asked(driver, theirs, pq=False, force=True)
        await next_of(agent, ResynchronisationRequested)
        status = await agent.status(ours)
        assert (status.synchrony, status.security_code) == (Synchrony.OK, before)
        await agent.resynchronise(ours)
        await next_of(agent, Resynchronised)
        await check_synchronised(agent, driver, ours, theirs, pq=False)


async def test_what_waits_is_sent_afterwards(router: str, tmp_path: Path) -> None:
    """Messages that were queued before are neither lost nor sent twice."""
    async with both(router, tmp_path) as (agent, driver):
        driver.allowed = ALLOWED
        ours, theirs = await connected(agent, driver, we_invite, pq=True)
        bodies = [b"message %d" % number for number in range(20)]
        for body in bodies:
            await agent.send(ours, body)
        await agent.resynchronise(ours, force=True)
        came = []
        for _ in bodies:
            event = await driver.event("MSG")
            assert event["meta"]["integrity"] == "OK"
            came.append(bytes.fromhex(event["body"]))
            await driver.command("ackMessage", connId=theirs, msgId=event["msgId"])
        assert came == bodies
        await check_synchronised(agent, driver, ours, theirs, pq=True)


@pytest.mark.parametrize("e2e", [[2, 2], [2, 3]])
async def test_encryption_of_version_2(router: str, tmp_path: Path, e2e: list[int]) -> None:
    async with both(router, tmp_path, e2eVRange=e2e) as (agent, driver):
        driver.allowed = ALLOWED
        ours, theirs = await connected(agent, driver, they_invite, pq=False)
        for by_us in (True, False, True):
            if by_us:
                await agent.resynchronise(ours, force=True)
            else:
                await asked(driver, theirs, pq=False, force=True)
            await next_of(agent, Resynchronised)
            await check_synchronised(agent, driver, ours, theirs, pq=False)


async def test_a_peer_that_knows_no_new_ratchets(router: str, tmp_path: Path) -> None:
    async with both(router, tmp_path, agentVRange=[2, 2]) as (agent, driver):
        ours, theirs = await connected(agent, driver, we_invite, pq=False)
        with pytest.raises(CannotResynchronise):
            await agent.resynchronise(ours, force=True)
        await from_us(agent, driver, ours, theirs, b"goes on", receipt=False)
