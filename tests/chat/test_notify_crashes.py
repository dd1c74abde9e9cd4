"""A program that sends alerts may crash at any moment: what it has stored is sent, and once."""

from __future__ import annotations

import math
import sqlite3
from random import Random

import pytest
import trio
from attrs import define, field

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.chat.errors import NameTaken
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.notifying.notifier import GREETING, Notifier
from simplex_trio.chat.notifying.opening import run_notifier
from simplex_trio.chat.people import IncomingMessage
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, ProxyUse
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.testing.in_memory.connector import simulated_connector
from simplex_trio.testing.in_memory.crashes import Crash, CrashingDatabase, RouterInSight
from tests.duplex.quiet import Quiet, open_quiet

from .people import open_person

Clock = trio.testing.MockClock

_NOW = 1_800_000_000
ALERTS = 6


@define(eq=False)
class Sender:
    """The program, in all its lives."""

    quiet: Quiet
    random: Random
    loses_power: bool
    disk: sqlite3.Connection = field(factory=lambda: MemoryDatabase().connection)
    links: set[str] = field(factory=set)
    shown: trio.Event = field(factory=trio.Event)
    stored: list[int] = field(factory=list)
    """The alerts that were said to be stored."""
    done: trio.Event = field(factory=trio.Event)

    async def run(self) -> None:
        while not self.done.is_set():
            # Now and then there is a life that does not crash.
            at = int(math.exp(self.random.uniform(0, math.log(200))))
            await self._live(Crash(at, loses_power=self.loses_power))
            await trio.sleep(self.random.choice([0, 1, 30]))

    async def _live(self, crash: Crash) -> None:
        config = DuplexConfig(
            tuple(router.address for router in self.quiet.routers),
            pq=False,
            proxy=ProxyUse.NEVER,
            clock=lambda: _NOW + trio.current_time(),
        )
        routers = [RouterInSight(router, crash, self.random) for router in self.quiet.routers]
        connector = simulated_connector(routers, self.random, config.agent.client)
        database = CrashingDatabase(self.disk, crash)
        try:
            with crash.scope:
                async with open_smp_agent(config.agent, connector=connector) as below:
                    agent = DuplexAgent(config, DuplexStore(database), below, None)
                    async with trio.open_nursery() as nursery:
                        await nursery.start(agent.run)
                        async with run_notifier(agent, None, config) as notifier:
                            await self._work(notifier)
                        nursery.cancel_scope.cancel()
        except BaseException:
            if not crash.has_happened:
                raise
        finally:
            database.end()

    async def _work(self, notifier: Notifier) -> None:
        try:
            pairing = await notifier.pair("kitchen")
            if pairing.link is not None:
                self.links.add(pairing.link)
                self.shown.set()
            await pairing.wait()
        except NameTaken:
            pass  # it was at its end in an earlier life
        while len(self.stored) < ALERTS:
            number = len(self.stored)
            until = self.random.choice([DeliveryState.STORED, DeliveryState.SENT])
            told = await notifier.send("kitchen", f"alert {number}", until=until)
            assert told.state is not DeliveryState.FAILED
            self.stored.append(number)
        if await notifier.flush() == 0:
            self.done.set()


@pytest.mark.parametrize("seed", range(5))
async def test_what_was_stored_is_sent_whenever_the_program_crashes(
    autojump_clock: Clock, seed: int
) -> None:
    random = Random(seed)
    async with open_quiet() as quiet, open_person(quiet, "Alice") as alice:
        sender = Sender(quiet, random, loses_power=seed % 2 == 0)
        quiet.nursery.start_soon(sender.run)
        with trio.fail_after(24 * 3600):
            await sender.shown.wait()
            await alice.connect(min(sender.links))
            await sender.done.wait()
        await trio.sleep(3600)
        heard = [each.text for each in alice.heard() if isinstance(each, IncomingMessage)]
        assert len(sender.links) == 1
        assert heard.count(GREETING) == 1
        # An alert whose call had not returned before the crash was sent again by the next life.
        assert [f"alert {number}" for number in range(ALERTS)] == list(dict.fromkeys(heard[1:]))
