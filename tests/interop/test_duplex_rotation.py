"""Queues of `DuplexAgent` and of another program's agent, moved from one router to another.

SIMPLEX_TRIO_AGENT is the path of a program that runs an agent, SIMPLEX_TRIO_ROUTER and
SIMPLEX_TRIO_ROUTER_2 are the routers.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import CannotRotate
from simplex_trio.duplex.events import (
    DeliveryFailed,
    Integrity,
    MessageSent,
    PeerMessage,
    ReceivingProblem,
    RotationPhase,
    RotationProgress,
    RotationSide,
)
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.wire.addresses import ServerAddress
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE, Driver, open_driver
from tests.interop.test_duplex_agent import connected, next_of, talk, they_invite, we_invite

MESSAGES = int(os.environ.get("SIMPLEX_TRIO_MESSAGES", "40"))

PHASES = ["started", "confirmed", "secured", "completed"]


@asynccontextmanager
async def both(
    routers: list[str], tmp_path: Path, config: DuplexConfig | None = None, **options: object
) -> AsyncIterator[tuple[DuplexAgent, Driver]]:
    """Our agent and the other one, which begin on the first router."""
    async with (
        open_driver(
            named("SIMPLEX_TRIO_AGENT"), routers[0], str(tmp_path / "other.db"), **options
        ) as driver,
        open_duplex_agent(tmp_path / "ours.db", servers=routers, config=config) as agent,
    ):
        yield agent, driver


@pytest.fixture
def routers(router: str, second_router: str) -> list[str]:
    return [router, second_router]


async def they_begin(driver: Driver, theirs: str, server: str) -> None:
    await driver.command("setSMPServers", smp=[server])
    await driver.command("switchConnection", connId=theirs)


async def hear_us(agent: DuplexAgent, side: RotationSide, *phases: str) -> RotationProgress:
    """Our program is told of these phases, in this order."""
    for phase in phases:
        while (event := await next_of(agent, RotationProgress)).side is not side:
            pass
        assert event.phase.value == phase
    return event


async def hear_them(driver: Driver, direction: str, *phases: str) -> None:
    """The same there, where the first two may be told in either order."""
    heard: list[str] = []
    while len(heard) < len(phases):
        event = await driver.event("SWITCH")
        if event["direction"] == direction:
            heard.append(event["phase"])
    assert sorted(heard[:2]) == sorted(phases[:2])
    assert heard[2:] == list(phases[2:])


async def place(agent: DuplexAgent, ours: str) -> ServerAddress:
    (server,) = (await agent.status(ours)).receives_from
    return server


# --- one after the other ------------------------------------------------------------------------


@pytest.mark.parametrize("way", [we_invite, they_invite])
@pytest.mark.parametrize("pq", [True, False])
async def test_they_move(routers: list[str], tmp_path: Path, way: Any, pq: bool) -> None:
    async with both(routers, tmp_path) as (agent, driver):
        ours, theirs = await connected(agent, driver, way, pq=pq)
        for server in (routers[1], routers[0]):
            await they_begin(driver, theirs, server)
            told = await hear_us(agent, RotationSide.SENDING, *PHASES)
            await hear_them(driver, "rcv", *PHASES[1:])
            assert str(told.to_server) == server
            status = await agent.status(ours)
            assert [str(each) for each in status.sends_to] == [server]
            assert status.rotations == ()
            await talk(agent, driver, ours, theirs, pq=pq)


@pytest.mark.parametrize("way", [we_invite, they_invite])
@pytest.mark.parametrize("pq", [True, False])
async def test_we_move(routers: list[str], tmp_path: Path, way: Any, pq: bool) -> None:
    async with both(routers, tmp_path) as (agent, driver):
        ours, theirs = await connected(agent, driver, way, pq=pq)
        for _ in range(2):
            before = await place(agent, ours)
            await agent.rotate(ours)
            told = await hear_us(agent, RotationSide.RECEIVING, *PHASES)
            await hear_them(driver, "snd", *PHASES)
            assert await place(agent, ours) == told.to_server != before == told.from_server
            await talk(agent, driver, ours, theirs, pq=pq)


@pytest.mark.parametrize(
    "versions", [{"agentVRange": [2, 4]}, {"smpClientVRange": [1, 2]}, {"agentVRange": [2, 6]}]
)
@pytest.mark.parametrize("way", [we_invite, they_invite])
async def test_with_peers_of_earlier_versions(
    routers: list[str], tmp_path: Path, way: Any, versions: dict[str, Any]
) -> None:
    async with both(routers, tmp_path, **versions) as (agent, driver):
        ours, theirs = await connected(agent, driver, way, pq=False)
        await agent.rotate(ours)
        await hear_us(agent, RotationSide.RECEIVING, *PHASES)
        await talk(agent, driver, ours, theirs, pq=False)
        await they_begin(driver, theirs, routers[1])
        await hear_us(agent, RotationSide.SENDING, *PHASES)
        await talk(agent, driver, ours, theirs, pq=False)


# --- given up, and begun again ------------------------------------------------------------------


async def test_they_think_better_of_it(routers: list[str], tmp_path: Path) -> None:
    """We are not there; then both offers come, and the second is used."""
    store = tmp_path / "ours.db"
    async with open_driver(
        named("SIMPLEX_TRIO_AGENT"), routers[0], str(tmp_path / "other.db")
    ) as driver:
        async with open_duplex_agent(store, servers=routers) as agent:
            ours, theirs = await connected(agent, driver, we_invite, pq=True)
            await agent.drain()
        await they_begin(driver, theirs, routers[1])
        await driver.command("abortSwitch", connId=theirs)
        async with open_duplex_agent(store, servers=routers) as agent:
            await hear_us(agent, RotationSide.SENDING, "started")
        # Its answer to ours is an error there, and nothing else happens.
        await driver.command("stop")
        await driver.start()
        await driver.command("subscribe", connId=theirs)
        await they_begin(driver, theirs, routers[1])
        async with open_duplex_agent(store, servers=routers) as agent:
            with trio.fail_after(PATIENCE):
                async for event in agent.events:
                    assert not isinstance(event, ReceivingProblem | DeliveryFailed)
                    if isinstance(event, RotationProgress) and event.phase.value == "completed":
                        break
            await hear_them_at_last(driver, "rcv", "completed")
            await talk(agent, driver, ours, theirs, pq=True)


async def hear_them_at_last(driver: Driver, direction: str, phase: str) -> None:
    """The same, whatever comes before; the other agent calls a late answer an error."""
    with trio.fail_after(PATIENCE):
        while True:
            event = driver._events.popleft() if driver._events else await driver._line()
            if (event.get("direction"), event.get("phase")) == (direction, phase):
                return


async def test_we_think_better_of_it(routers: list[str], tmp_path: Path) -> None:
    """They are not there; then both offers come, and the second is used."""
    async with both(routers, tmp_path) as (agent, driver):
        ours, theirs = await connected(agent, driver, they_invite, pq=True)
        await driver.command("stop")
        with pytest.raises(CannotRotate):
            await agent.abort_rotation(ours)
        await agent.rotate(ours)
        await hear_us(agent, RotationSide.RECEIVING, "started")
        await agent.abort_rotation(ours)
        await hear_us(agent, RotationSide.RECEIVING, "aborted")
        await agent.rotate(ours)
        await hear_us(agent, RotationSide.RECEIVING, "started")
        await agent.rotate(ours)
        await hear_us(agent, RotationSide.RECEIVING, "aborted", "started")
        await driver.start()
        await driver.command("subscribe", connId=theirs)
        await hear_us(agent, RotationSide.RECEIVING, *PHASES[1:])
        await hear_them_at_last(driver, "snd", "completed")
        await talk(agent, driver, ours, theirs, pq=True)


# --- messages under way -------------------------------------------------------------------------


def _is_without_queue(answer: dict[str, Any]) -> bool:
    """The other agent deletes its old queue before it has acknowledged what came from there."""
    error = answer.get("agentError", {})
    return bool(error.get("connErr") == {"type": "NOT_FOUND"})


@define
class Traffic:
    """What has come on both sides."""

    ours: str
    theirs: str
    came_here: list[bytes] = field(factory=list)
    came_there: list[bytes] = field(factory=list)
    sent: int = 0
    completed: set[RotationSide] = field(factory=set)
    completed_there: set[str] = field(factory=set)

    def hear(self, event: object) -> None:
        """What our agent tells."""
        assert not isinstance(event, ReceivingProblem | DeliveryFailed), event
        if isinstance(event, PeerMessage):
            assert event.integrity is Integrity.OK
            self.came_here.append(event.body)
        elif isinstance(event, MessageSent):
            self.sent += 1
        elif isinstance(event, RotationProgress) and event.phase is RotationPhase.COMPLETED:
            self.completed.add(event.side)

    async def listen(self, agent: DuplexAgent) -> None:
        async for event in agent.events:
            self.hear(event)
            if isinstance(event, PeerMessage):
                await agent.acknowledge(event)

    async def pump(self, driver: Driver) -> None:
        """Process the next event of the other agent, if there is one soon."""
        with trio.move_on_after(0.2):
            event = driver._events.popleft() if driver._events else await driver._line()
            match event.get("event"):
                case "MSG":
                    self.came_there.append(bytes.fromhex(event["body"]))
                    with trio.CancelScope(shield=True):
                        await self._acknowledge(driver, event["msgId"])
                case "SWITCH" if event["phase"] == "completed":
                    self.completed_there.add(event["direction"])
                case "ERR" | "MERR" | "RSYNC":
                    assert _is_without_queue(event), event
                case _:
                    pass

    async def _acknowledge(self, driver: Driver, message_id: int) -> None:
        try:
            await driver.command("ackMessage", connId=self.theirs, msgId=message_id)
        except AssertionError as exc:
            if not _is_without_queue(exc.args[0]):
                raise

    def check(self, count: int) -> None:
        expected = [b"%d" % number for number in range(count)]
        assert self.came_here == expected
        assert self.came_there == expected
        assert self.sent == count


@pytest.mark.parametrize("moves", ["we", "they", "both"])
async def test_messages_are_under_way(routers: list[str], tmp_path: Path, moves: str) -> None:
    """Everything comes once, in order, however the queues are moved meanwhile."""
    async with both(routers, tmp_path) as (agent, driver):
        ours, theirs = await connected(agent, driver, we_invite, pq=False)
        traffic = Traffic(ours, theirs)
        await driver.command("setSMPServers", smp=[routers[1]])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(traffic.listen, agent)
            for number in range(MESSAGES):
                body = b"%d" % number
                await agent.send(ours, body)
                await driver.command("sendMessage", connId=theirs, body=body.hex(), pq=False)
                if number == MESSAGES // 4 and moves != "we":
                    await driver.command("switchConnection", connId=theirs)
                if number == MESSAGES // 4 and moves != "they":
                    await agent.rotate(ours)
                if number % 3 == 0:
                    await traffic.pump(driver)
            wanted = {
                "we": ({RotationSide.RECEIVING}, {"snd"}),
                "they": ({RotationSide.SENDING}, {"rcv"}),
                "both": (set(RotationSide), {"rcv", "snd"}),
            }[moves]
            with trio.move_on_after(PATIENCE):
                while (traffic.completed, traffic.completed_there) != wanted or min(
                    len(traffic.came_here), len(traffic.came_there), traffic.sent
                ) < MESSAGES:
                    await traffic.pump(driver)
            assert (traffic.completed, traffic.completed_there) == wanted
            nursery.cancel_scope.cancel()
        traffic.check(MESSAGES)
        await agent.drain()
        await talk(agent, driver, ours, theirs, pq=False)


# --- restarts -----------------------------------------------------------------------------------


async def test_both_move_and_end_in_between(routers: list[str], tmp_path: Path) -> None:
    """Our agent is opened for one event at a time, and theirs is stopped again and again."""
    store = tmp_path / "ours.db"
    async with open_driver(
        named("SIMPLEX_TRIO_AGENT"), routers[0], str(tmp_path / "other.db")
    ) as driver:
        async with open_duplex_agent(store, servers=routers) as agent:
            ours, theirs = await connected(agent, driver, they_invite, pq=True)
            await agent.drain()
            await agent.rotate(ours)
            await agent.send(ours, b"0")
        await they_begin(driver, theirs, routers[1])
        await driver.command("sendMessage", connId=theirs, body=b"0".hex(), pq=True)
        traffic = Traffic(ours, theirs)
        for life in range(40):
            async with open_duplex_agent(store, servers=routers) as agent:
                with trio.move_on_after(2):
                    event = await next_of(agent, RotationProgress | PeerMessage | MessageSent)  # type: ignore[arg-type]
                    traffic.hear(event)
                    if isinstance(event, PeerMessage):
                        await agent.acknowledge(event)
                    else:
                        agent.events.take()
            for _ in range(2):
                await traffic.pump(driver)
            if life % 3 == 1:
                await driver.command("stop")
                await driver.start()
                await driver.command("subscribe", connId=theirs)
            done = traffic.completed, traffic.completed_there
            if done == (set(RotationSide), {"rcv", "snd"}) and traffic.came_here:
                break
        assert (traffic.completed, traffic.completed_there) == (
            set(RotationSide),
            {"rcv", "snd"},
        )
        assert (traffic.came_here, traffic.came_there) == ([b"0"], [b"0"])
        async with open_duplex_agent(store, servers=routers) as agent:
            await agent.drain()
            await talk(agent, driver, ours, theirs, pq=True)


async def test_they_are_offline(routers: list[str], tmp_path: Path) -> None:
    """What waits in the old queue comes, and nothing of it twice."""
    async with both(routers, tmp_path) as (agent, driver):
        ours, theirs = await connected(agent, driver, we_invite, pq=False)
        await driver.command("stop")
        await agent.rotate(ours)
        for number in range(20):
            await agent.send(ours, b"%d" % number)
        await hear_us(agent, RotationSide.RECEIVING, "started")
        await driver.start()
        await driver.command("subscribe", connId=theirs)
        for number in range(20):
            event = await driver.event("MSG")
            assert bytes.fromhex(event["body"]) == b"%d" % number
            assert event["meta"]["integrity"] == "OK"
            await driver.command("ackMessage", connId=theirs, msgId=event["msgId"])
        await hear_us(agent, RotationSide.RECEIVING, *PHASES[1:])
        await talk(agent, driver, ours, theirs, pq=False)
