"""One simulation: an agent, routers, a network with trouble, and a program that uses the agent.

All of it follows from a seed.  There is a time of trouble and then a calm one, after which every
queue must be subscribed to and every message must have arrived.
"""

from __future__ import annotations

from random import Random

import trio
from attrs import frozen

# There is no public way to make Trio's scheduling follow from a seed.  Importing hypothesis makes
# it use nothing but this, for the same reason.
from trio._core._run import _r as trio_random
from trio.testing import MockClock

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.events import (
    AgentEvent,
    Disconnected,
    RouterEvent,
    SessionEvent,
    Subscribed,
)
from simplex_trio.client.smp.queues import MessageReceived, OwnedQueue, SealedMessage
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.engine.calls import EngineConfig
from simplex_trio.engine.timeouts import Timeouts
from simplex_trio.errors import SimplexError
from simplex_trio.router.config import Intervals, RouterConfig
from simplex_trio.testing.in_memory.connector import simulated_connector
from simplex_trio.testing.network import MemoryNetwork, Trouble

from .own_router import OwnRouter
from .router import SimulatedRouter

RouterInWorld = SimulatedRouter | OwnRouter

TROUBLED_SECONDS = 150
CALM_SECONDS = 3600
STEP = 5.0


@frozen
class Outcome:
    """What a simulation has shown; the same seed shows the same."""

    history: tuple[str, ...]
    """What happened when, without anything that is different in each run."""
    connections: int
    messages: int
    duplicates: int


class World:
    """Everything in one simulation."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.network = MemoryNetwork(
            random,
            Trouble(
                refused=random.choice([0, 0.2, 0.5]),
                breaks=random.choice([0, 0.5, 0.9]),
                falls_silent=random.choice([0, 0.3, 1.0]),
                after_bytes=random.choice([40_000, 150_000, 600_000]),
                delay=random.choice([0, 0.01, 0.5]),
            ),
        )
        self.routers = [self._router(number) for number in range(random.randint(1, 3))]
        self.queues: dict[RouterInWorld, dict[bytes, OwnedQueue]] = {}
        self.sent: set[bytes] = set()
        self.received: dict[bytes, int] = {}
        self.history: list[str] = []
        self._bodies = 0
        self.connections = 0
        self.sessions: dict[bytes, int] = {}

    def _router(self, number: int) -> RouterInWorld:
        name, random = f"router{number}.test", self.random
        if random.random() < 0.5:
            intervals = Intervals(end_events=random.choice([0, 15]))
            config = RouterConfig(intervals=intervals)
            return OwnRouter(self.network, name, random, number=number, config=config)
        delay = random.choice([0, 0.1, 2])
        return SimulatedRouter(self.network, name, random, number=number, max_delay=delay)

    async def _make_queues(self) -> None:
        for router in self.routers:
            queues = [
                await router.new_queue(Ed25519PrivateKey(self.random.randbytes(32)))
                for _ in range(self.random.choice([1, 5, 17]))
            ]
            self.queues[router] = {queue.recipient_id: queue for queue in queues}

    # --- the whole of it ----------------------------------------------------------------------

    async def run(self) -> Outcome:
        tasks_before = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as outside:
            for router in self.routers:
                await router.start(outside)
            await self._make_queues()
            await self._run_agent(outside)
            for router in self.routers:
                router.stop()
        assert trio.lowlevel.current_statistics().tasks_living == tasks_before
        assert self.sent <= self.received.keys()
        return Outcome(
            history=tuple(self.history),
            connections=self.connections,
            messages=len(self.sent),
            duplicates=sum(self.received.values()) - len(self.received),
        )

    async def _run_agent(self, outside: trio.Nursery) -> None:
        client_config = SMPClientConfig(
            engine=EngineConfig(
                connect_timeouts=Timeouts(background=10, interactive=10),
                request_timeouts=Timeouts(background=8, interactive=8),
                ping_interval=20,
                max_timeouts=2,
                silence=30,
                random=self.random.randbytes,
            )
        )
        config = AgentConfig(client=client_config, chunk=6, random_fraction=self.random.random)
        connector = simulated_connector(self.routers, self.random, client_config)
        async with (
            open_smp_agent(config, connector=connector) as agent,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._read, agent, nursery)
            nursery.start_soon(self._ask_for_queues, agent)
            with trio.move_on_after(TROUBLED_SECONDS):
                async with trio.open_nursery() as trouble:
                    trouble.start_soon(self._restart_routers, outside)
                    trouble.start_soon(self._send_messages)
                    trouble.start_soon(self._change_labels, agent)
            await self._calm_down(outside)
            await self._wait_until_nothing_is_missing(agent)
            # That the agent calls a queue active proves little; that it delivers does.
            for router, queues in self.queues.items():
                for queue in queues.values():
                    await self._send(router, queue)
            await self._wait_until_nothing_is_missing(agent)
            nursery.cancel_scope.cancel()

    async def _calm_down(self, outside: trio.Nursery) -> None:
        self.network.trouble = Trouble(delay=self.network.trouble.delay)
        for router in self.routers:
            if not self.network.is_up(router.name):
                await router.start(outside)
        self._note("calm")

    async def _wait_until_nothing_is_missing(self, agent: SMPClientAgent) -> None:
        deadline = trio.current_time() + CALM_SECONDS
        while missing := self._missing(agent):
            assert trio.current_time() < deadline, missing
            await trio.sleep(STEP)

    def _missing(self, agent: SMPClientAgent) -> list[str]:
        """What is not as it should be, as the agent and its program see it."""
        missing = []
        for router, queues in self.queues.items():
            view = agent.subscriptions(router.address)
            missing += [f"{queue!r} is pending" for queue in view.pending]
            missing += [f"{queue!r} is unknown" for queue in queues if queue not in view.active]
        missing += [f"{body!r} has not arrived" for body in self.sent - self.received.keys()]
        if agent.statistics().workers:
            missing.append("a worker is still there")
        return missing

    # --- the program --------------------------------------------------------------------------

    async def _ask_for_queues(self, agent: SMPClientAgent) -> None:
        """Ask for all queues, a few at a time, and for some of them twice."""
        for router, queues in self.queues.items():
            wanted = list(queues.values())
            while wanted:
                some, wanted = wanted[:4], wanted[4:]
                agent.subscribe(router.address, some)
                if self.random.random() < 0.5:
                    await trio.sleep(self.random.uniform(0, 20))
                    agent.subscribe(router.address, some[:1])

    async def _change_labels(self, agent: SMPClientAgent) -> None:
        """Move a few queues to a connection of their own and back."""
        while True:
            await trio.sleep(self.random.uniform(10, 60))
            router = self.random.choice(self.routers)
            some = self.random.sample(list(self.queues[router]), 1)
            agent.move(router.address, some, to_label="apart")
            try:
                await trio.sleep(self.random.uniform(0, 10))
            finally:
                agent.move(router.address, some, label="apart", to_label="")

    async def _read(self, agent: SMPClientAgent, nursery: trio.Nursery) -> None:
        slow = self.random.random() < 0.3
        async for event in agent.events:
            self._note_event(event)
            if slow and self.random.random() < 0.2:
                await trio.sleep(self.random.uniform(0, 5))
            if not isinstance(event, RouterEvent):
                continue
            match event.event:
                case SealedMessage(sealed=body) | MessageReceived(body=body) as message:
                    self.received[body] = self.received.get(body, 0) + 1
                    nursery.start_soon(self._acknowledge, agent, event, message.message_id)

    async def _acknowledge(
        self, agent: SMPClientAgent, event: RouterEvent, message_id: bytes
    ) -> None:
        (router,) = (each for each in self.routers if each.address == event.server)
        queue = self.queues[router][event.queue_id]
        try:
            client = await agent.client(event.server, label=event.label)
            await client.acknowledge(queue, message_id)
        except SimplexError:
            pass  # it comes again

    # --- the trouble --------------------------------------------------------------------------

    async def _restart_routers(self, outside: trio.Nursery) -> None:
        while True:
            await trio.sleep(self.random.uniform(5, 60))
            router = self.random.choice(self.routers)
            if self.random.random() < 0.5:
                self._note(f"cut {router.name}")
                self.network.cut_connections(router.name)
            else:
                self._note(f"restart {router.name}")
                router.stop()
                try:
                    await trio.sleep(self.random.uniform(0, 20))
                finally:
                    with trio.CancelScope(shield=True):
                        await router.start(outside)

    async def _send_messages(self) -> None:
        while True:
            await trio.sleep(self.random.uniform(0, 10))
            router = self.random.choice(self.routers)
            await self._send(router, self.random.choice(list(self.queues[router].values())))

    async def _send(self, router: RouterInWorld, queue: OwnedQueue) -> None:
        self._bodies += 1
        body = b"message %d" % self._bodies
        if await router.accept(queue, body):
            self.sent.add(body)

    # --- the history --------------------------------------------------------------------------

    def _note_event(self, event: AgentEvent) -> None:
        what = type(event).__name__
        if isinstance(event, SessionEvent):
            if event.session_id not in self.sessions:
                self.sessions[event.session_id] = len(self.sessions)
                self.connections += 1
            what += f" in session {self.sessions[event.session_id]}"
        match event:
            case Subscribed(queues=queues) | Disconnected(queues=queues):
                what += f": {queues}"
            case RouterEvent(event=SealedMessage(sealed=body) | MessageReceived(body=body)):
                what += f": {body!r}"
        self._note(f"{event.server.hosts[0]} {event.label} {what}")

    def _note(self, what: str) -> None:
        self.history.append(f"{trio.current_time():.6f} {what}")


def simulate(seed: int) -> Outcome:
    """Run the simulation of a seed."""
    trio_random.seed(seed)
    world = World(seed)
    return trio.run(world.run, clock=MockClock(autojump_threshold=0))
