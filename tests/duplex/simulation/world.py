"""One simulation: programs with agents that connect over routers, in a network with trouble.

All of it follows from a seed.  There is a time of trouble, in which connections fail, routers are
restarted, and programs are restarted or crash; and then a calm one, after which all is as if there
had been no trouble.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from random import Random
from typing import Any, TypeVar
from unittest.mock import patch

import trio
from attrs import frozen

# There is no public way to make Trio's scheduling follow from a seed alone.
from trio._core import _run as trio_run
from trio.testing import MockClock

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, Isolation, Network, ProxyUse
from simplex_trio.duplex.machine.step import Spoken
from simplex_trio.duplex.status import ConnectionState
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.engine.calls import EngineConfig
from simplex_trio.engine.timeouts import Timeouts
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.testing.in_memory.connector import simulated_connector
from simplex_trio.testing.in_memory.crashes import Crash, CrashingDatabase, RouterInSight
from simplex_trio.testing.network import MemoryNetwork, Trouble
from simplex_trio.wire.duplex.x3dh_keys import RatchetVersion
from simplex_trio.wire.versions import SMP_VERSIONS, SMPVersion, VersionRange
from tests.agent.simulation.own_router import OwnRouter

from ..machines import QuickKEM
from .kem import SeededStock
from .notified import Notified
from .ntf_router import NTFRouter
from .program import Offer, Pairing, Program, Side, Way

TROUBLED_SECONDS = 60
CALM_SECONDS = 3 * 24 * 3600
STEP = 5.0
_NOW = 1_800_000_000

T = TypeVar("T")


@frozen
class Outcome:
    """What a simulation has shown; the same seed shows the same."""

    history: tuple[str, ...]
    messages: int
    crashes: int


class Machine:
    """A computer with a disk, on which a program runs, dies, and is started again."""

    def __init__(self, world: World, number: int) -> None:
        random = world.random
        self.world = world
        self.program = Program(f"program {number}", random, world.note)
        self.disk: sqlite3.Connection = MemoryDatabase().connection
        self.has_pq = random.random() < 0.5
        self.program.switches_pq = self.has_pq and random.random() < 0.3
        self.spoken = Spoken(
            agent=VersionRange(2, random.choice([7, 7, 7, 7, 6, 5, 3])),
            client=VersionRange(1, random.choice([4, 4, 4, 2])),
            ratchet=VersionRange(2, random.choice([3, 3, 3, 2])),
        )
        if self.spoken.ratchet.highest < RatchetVersion.KEM:
            # Who asks for the KEM announces it, as the reference does, whatever else is spoken; but
            # no real program asks for what it does not have.
            self.program.switches_pq = False
        own = random.sample(world.routers, random.randint(1, len(world.routers)))
        self.servers = tuple(router.address for router in own)
        self.proxy = random.choice([ProxyUse.NEVER, ProxyUse.NEVER, ProxyUse.UNKNOWN])
        if random.random() < 0.1:
            self.proxy = ProxyUse.ALWAYS
        self.isolation = random.choice([Isolation.USER, Isolation.USER, Isolation.QUEUE])
        self.is_interrupted = random.random() < 0.3
        self.crash = Crash(None)
        self.sleeps = False
        self.crashes = 0
        self.agent: DuplexAgent | None = None

    @property
    def speaks_for(self) -> int:
        return self.spoken.agent.highest

    async def run(self) -> None:
        """One life after the other."""
        world, random = self.world, self.world.random
        while not world.is_over:
            at = None
            if not world.is_calm and random.random() < 0.8:
                at = int(math.exp(random.uniform(0, math.log(400))))
            loses_power = world.may_lose_power and random.random() < 0.5
            sleeps = world.notified.may_sleep(self)
            await self._live(Crash(at, loses_power=loses_power), sleeps=sleeps)
            if self.crash.has_happened:
                self.crashes += 1
                world.note(f"{self.program.name} crashes {self.crash.place}")
                self.program.has_lost_power |= self.crash.loses_power
            if not world.is_over:
                await trio.sleep(random.choice([0, 0.5, 20]))

    async def _live(self, crash: Crash, *, sleeps: bool) -> None:
        """One life; a program that ``sleeps`` is subscribed to nothing."""
        self.crash, self.sleeps = crash, sleeps
        opening = self._open_agent(crash, subscribes=not sleeps)
        try:
            with crash.scope:
                async with opening as self.agent, trio.open_nursery() as nursery:
                    nursery.start_soon(self.program.run, self.agent)
                    notified = partial(self.world.notified.live, sleeps=sleeps)
                    nursery.start_soon(notified, self, self.agent)
                    if self.is_interrupted:
                        nursery.start_soon(self._interrupt, self.agent)
                    await self._wait_for_end(sleeps=sleeps)
                    self.agent = None  # it may take until after the end of the trouble to end
                    nursery.cancel_scope.cancel()
        except BaseException:
            if not crash.has_happened:
                raise
        finally:
            self.agent = None

    async def _interrupt(self, agent: DuplexAgent) -> None:
        """Pause the agent, and lose and change the network, until all is calm."""
        world, random = self.world, self.world.random
        while not world.is_calm:
            await trio.sleep(random.uniform(0, 30))
            world.note(f"{self.program.name} is interrupted")
            if random.random() < 0.5:
                await agent.pause(within=random.choice([0, 0.1, 5, 20]))
                await trio.sleep(random.uniform(0, 20))
                agent.resume()
            else:
                agent.set_network(random.choice([Network.LOST, Network.LOST, Network.SLOW]))
                await trio.sleep(random.uniform(0, 20))
                agent.set_network(Network.ORDINARY, changed=random.random() < 0.5)

    async def _wait_for_end(self, *, sleeps: bool) -> None:
        world = self.world
        with trio.move_on_after(world.random.choice([math.inf, 20, 60])):
            await world.calm.wait()
        if world.is_calm and not sleeps:
            await world.over.wait()

    def disarm(self) -> None:
        """No more crashes."""
        self.crash.at = None

    @asynccontextmanager
    async def _open_agent(self, crash: Crash, *, subscribes: bool) -> AsyncIterator[DuplexAgent]:
        world, random = self.world, self.world.random
        config = self._config()
        routers = [RouterInSight(router, crash, random) for router in world.routers]
        connector = simulated_connector(routers, random, config.agent.client)
        stock = SeededStock(QuickKEM(random.getrandbits(32)), random) if self.has_pq else None
        database = CrashingDatabase(self.disk, crash)
        store = DuplexStore(database)
        try:
            async with open_smp_agent(config.agent, connector=connector) as below:
                agent = DuplexAgent(
                    *(config, store, below, stock),
                    subscribes=subscribes,
                    ntf_connector=world.notified.connector(crash),
                )
                async with trio.open_nursery() as nursery:
                    await nursery.start(agent.run)
                    yield agent
                    nursery.cancel_scope.cancel()
        finally:
            try:
                await store.aclose()
            finally:
                database.end()

    def engine_config(self) -> EngineConfig:
        """How the programs of this world wait for routers."""
        return EngineConfig(
            connect_timeouts=Timeouts(background=10, interactive=10),
            request_timeouts=Timeouts(background=8, interactive=8),
            ping_interval=60,
            max_timeouts=2,
            silence=30,
            random=self.world.random.randbytes,
        )

    def _config(self) -> DuplexConfig:
        random = self.world.random
        client = SMPClientConfig(engine=self.engine_config())
        return DuplexConfig(
            servers=self.servers,
            pq=self.has_pq,
            isolation=self.isolation,
            proxy=self.proxy,
            agent=AgentConfig(client=client, chunk=6, random_fraction=random.random),
            spoken=self.spoken,
            clock=lambda: _NOW + trio.current_time(),
            random_bytes=random.randbytes,
        )

    # --- the end --------------------------------------------------------------------------------

    def missing(self) -> list[str]:
        """What is not done yet."""
        name, agent = self.program.name, self.agent
        found = [each for side in self.program.sides for each in side.missing()]
        found += self.world.notified.missing(self)
        for table in ("received_messages", "early_arrivals", "requests", "events"):
            found += [f"{name} has {table}"] * self.count(table)
        # Of a move that was given up the sender keeps copies for a queue that is never used.
        left = self.count("deliveries", "NOT is_taken")
        for side in self.program.sides:
            if side.connection_id and side.other.is_gone:
                # What waits for a peer that was deleted before there was a new ratchet expires; a
                # receipt for one that was deleted before its HELLO is never sent.
                kind = "is_held" if side.is_ready else "NOT is_taken"
                own = f"connection_id = X'{side.connection_id.encode().hex()}'"
                left -= self.count("deliveries", f"{kind} AND {own}")
        found += [f"{name} has deliveries"] * left
        moving = "SELECT connection_id FROM receiving_queues WHERE replaces"
        for (connection_id,) in self.disk.execute(moving):
            if self.program.has_peer(connection_id.decode()):
                found.append(f"{name} moves a queue")
        for side in self.program.sides:
            is_over = side.pairing.ends_early or side.is_deleted or side.other.is_deleted
            if side.connection_id is not None and not is_over:
                condition = f"synchrony AND connection_id = x'{side.connection_id.encode().hex()}'"
                if self.count("connections", condition):
                    found.append(f"{side.info!r} has no ratchet in common with its peer")
        if self.count("connections", "has_work"):
            found.append(f"{name} has still to store that it has done everything")
        if agent is None or self.sleeps:
            found.append(f"{name} does not run")
        else:
            for lanes in agent._lanes._running.values():
                found += [f"{name} has still to {lane.kind}" for lane in lanes]
        return found

    def count(self, table: str, condition: str = "1") -> int:
        (number,) = self.disk.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()
        return int(number)

    async def check(self) -> None:
        """Nothing is left of what was on its way, and the two sides agree."""
        agent = self.agent
        assert agent is not None
        kept = "number NOT IN (SELECT body FROM deliveries WHERE body IS NOT NULL)"
        assert not self.count("bodies", kept), self.program.name
        assert not agent._watches._waiting
        assert len(agent._subscriptions._queues) == self.count("receiving_queues")
        for side in self.program.sides:
            side.check()
            if not (side.pairing.ends_early or side.is_deleted or side.other.is_deleted):
                assert side.connection_id is not None
                status = await agent.status(side.connection_id)
                assert status.state is ConnectionState.READY
                assert status.can_send
                assert status.queued == 0
                # What one side sees of the handshake is what the other sees.
                code = self.world.codes.setdefault(side.pairing.number, status.security_code)
                assert status.security_code == code
        received = await agent.transact(lambda t: dict(t.kept.scan("received")))
        for side in self.program.sides:
            for number in side.acknowledged:
                assert received[side.key(number)] == side.received[number]
        expected = {side.connection_id for side in self.program.sides if not side.is_gone}
        expected |= {offer.connection_id for offer in self.program.offers if offer.way.is_address}
        found, expected = set(await agent.connections()), expected - {None}
        # A program that crashed while it joined may not have learned of it when all was over.
        unknown = [side for side in self.program.sides if side.connection_id is None]
        assert expected <= found
        assert len(found - expected) <= sum(side.pairing.ends_early for side in unknown)


class World:
    """Everything in one simulation."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.network = MemoryNetwork(
            random,
            Trouble(
                refused=random.choice([0, 0, 0.2, 0.5]),
                breaks=random.choice([0, 0.5, 0.9]),
                falls_silent=random.choice([0, 0.3, 1.0]),
                after_bytes=random.choice([150_000, 600_000, 2_000_000]),
                delay=random.choice([0, 0.01, 0.5]),
            ),
        )
        self.history: list[str] = []
        self.codes: dict[int, str | None] = {}
        self.calm = trio.Event()
        self.over = trio.Event()
        self.may_lose_power = random.random() < 0.3
        self._knows_links = random.random() < 0.8
        self.routers: list[OwnRouter] = []
        for number in range(random.randint(1, 3)):
            self.routers.append(self._router(number))
        self.machines = [Machine(self, number) for number in range(random.choice([2, 2, 2, 3]))]
        self.notified = Notified(self, seed)
        moves = Random(f"moves of {seed}")
        for machine in self.machines:
            if moves.random() < 0.4:
                machine.program.moves = moves
        self.pairings: list[Pairing] = []
        for _ in range(random.choice([1, 1, 2])):
            self._plan_offer()

    @property
    def is_calm(self) -> bool:
        return self.calm.is_set()

    @property
    def is_over(self) -> bool:
        return self.over.is_set()

    def note(self, what: str) -> None:
        self.history.append(f"{trio.current_time():.6f} {what}")

    # --- the plan -------------------------------------------------------------------------------

    def _router(self, number: int) -> OwnRouter:
        random = self.random
        config = RouterConfig(
            queues=QueuePolicy(quota=random.choice([3, 128])),
            highest_version=SMP_VERSIONS.highest if self._knows_links else SMPVersion.PROXY,
        )
        return OwnRouter(
            *(self.network, f"router{number}.test", random),
            number=number,
            config=config,
            relays=self.routers,
        )

    def _plan_offer(self) -> None:
        random = self.random
        owner, *others = random.sample(self.machines, len(self.machines))
        # Programs that speak nothing newer than queues without modes make no short links.
        makes_short = self._knows_links and owner.spoken.client.highest >= 4
        ways = [way for way in Way if makes_short or not way.is_short]
        offer = Offer(owner.program, random.choice(ways))
        owner.program.offers.append(offer)
        for joiner in others if offer.way.is_address else others[:1]:
            self._plan_pairing(offer, owner, joiner)

    def _plan_pairing(self, offer: Offer, owner: Machine, joiner: Machine) -> None:
        random, number = self.random, len(self.pairings)
        sides = [
            Side(machine.program, b"%b %d" % (role, number), random.choice([0, 2, 4]))
            for machine, role in ((owner, b"offering"), (joiner, b"joining"))
        ]
        offering, joining = sides
        has_receipts = min(owner.speaks_for, joiner.speaks_for) >= 4
        pairing = Pairing(number, offer, offering, joining, has_receipts)
        self.pairings.append(pairing)
        offer.pairings.append(pairing)
        offering.other, joining.other = joining, offering
        for side in sides:
            side.pairing = pairing
            side.program.sides.append(side)
        if min(owner.speaks_for, joiner.speaks_for) >= 3 and random.random() < 0.3:
            for side in random.choice([sides, sides[:1], sides[1:]]):
                side.to_resynchronise = random.choice([1, 1, 2, 3])
        if random.random() < 0.15:
            pairing.ends_early = True
            self._plan_deletion(random.choice(sides), random.uniform(0, TROUBLED_SECONDS))

    def _plan_deletion(self, side: Side, at: float) -> None:
        side.delete_at, side.after_delivery = at, self.random.random() < 0.5

    # --- the whole of it ------------------------------------------------------------------------

    async def run(self) -> Outcome:
        tasks_before = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as outside:
            for router in self._servers():
                await router.start(outside)
            async with trio.open_nursery() as nursery:
                for machine in self.machines:
                    nursery.start_soon(machine.run)
                with trio.move_on_after(TROUBLED_SECONDS):
                    await self._restart_routers(outside)
                await self._calm_down(outside)
                await self._finish()
                for machine in self.machines:
                    await machine.check()
                self.notified.check()
                self.over.set()
            for router in self._servers():
                router.stop()
        assert trio.lowlevel.current_statistics().tasks_living == tasks_before
        return Outcome(
            history=tuple(self.history),
            messages=sum(len(side.received) for side in self._sides()),
            crashes=sum(machine.crashes for machine in self.machines),
        )

    def _sides(self) -> Iterator[Side]:
        for pairing in self.pairings:
            yield pairing.offering
            yield pairing.joining

    def _servers(self) -> list[OwnRouter | NTFRouter]:
        notified = [self.notified.router] if self.notified.devices else []
        return [*self.routers, *notified]

    async def _restart_routers(self, outside: trio.Nursery) -> None:
        while True:
            await trio.sleep(self.random.uniform(5, 60))
            router = self.random.choice(self._servers())
            if self.random.random() < 0.5:
                self.note(f"cut {router.name}")
                self.network.cut_connections(router.name)
            else:
                self.note(f"restart {router.name}")
                router.stop()
                try:
                    await trio.sleep(self.random.uniform(0, 20))
                finally:
                    with trio.CancelScope(shield=True):
                        await router.start(outside)

    async def _calm_down(self, outside: trio.Nursery) -> None:
        self.network.trouble = Trouble(delay=self.network.trouble.delay)
        for router in self._servers():
            if not self.network.is_up(router.name):
                await router.start(outside)
        for machine in self.machines:
            machine.disarm()
        self.note("calm")
        self.calm.set()

    async def _finish(self) -> None:
        await self._wait_until_nothing_is_missing()
        # That connections are called ready proves little; that they deliver does.
        for side in self._sides():
            side.to_send = 1
        await self._wait_until_nothing_is_missing()
        now = trio.current_time()
        for pairing in self.pairings:
            sides = [pairing.offering, pairing.joining]
            if pairing.ends_early:
                for side in sides:
                    self._plan_deletion(side, now if side.delete_at is None else side.delete_at)
            elif self.random.random() < 0.3:
                first, second = self.random.sample(sides, 2)
                first.to_send = second.to_send = self.random.choice([0, 2])
                self._plan_deletion(first, now + self.random.uniform(0, 10))
                self._plan_deletion(second, now + 60)
        await self._wait_until_nothing_is_missing()

    async def _wait_until_nothing_is_missing(self) -> None:
        deadline = trio.current_time() + CALM_SECONDS
        while missing := self._missing():
            assert trio.current_time() < deadline, missing
            await trio.sleep(STEP)

    def _missing(self) -> list[str]:
        now = trio.current_time()
        found = [each for machine in self.machines for each in machine.missing()]
        found += [
            f"{side.info!r} is to be deleted"
            for side in self._sides()
            if side.connection_id and not side.is_gone
            if side.delete_at is not None and (self.is_calm or side.delete_at <= now)
        ]
        return found


@contextmanager
def _without_threads() -> Iterator[None]:
    """What would be done in a thread, whose end no clock tells, is done at once."""

    async def run_sync(function: Callable[..., T], *args: Any, **_options: Any) -> T:
        await trio.lowlevel.checkpoint()
        return function(*args)

    with patch.object(trio.to_thread, "run_sync", run_sync):
        yield


def simulate(seed: int) -> Outcome:
    """Run the simulation of a seed."""
    trio_run._r.seed(seed)
    world = World(seed)
    with _without_threads(), patch.object(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True):
        return trio.run(world.run, clock=MockClock(autojump_threshold=0))
