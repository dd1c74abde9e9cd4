"""What happens in the demonstration, told as it happens.

An agent subscribes to queues on two routers, messages come directly and through a proxy, and in the
middle the connection to one router is cut.  `tell_story` ends with an account: what was to be
shown, line by line, and whether it held.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from itertools import chain

import trio
from attrs import define, evolve, field

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.events import (
    AgentEvent,
    CannotConnect,
    Connected,
    Disconnected,
    RouterEvent,
    Subscribed,
    SubscriptionEnded,
    SubscriptionError,
)
from simplex_trio.cli.addresses import place_of
from simplex_trio.cli.demo.account import Observations, account
from simplex_trio.cli.demo.events import (
    Act,
    ConnectionChanged,
    ConnectionState,
    Event,
    RouterReady,
    RouterSaw,
    Scene,
    SubscriptionState,
    Teller,
    Way,
)
from simplex_trio.cli.demo.ledger import Ledger
from simplex_trio.cli.demo.stage import Place, Stage
from simplex_trio.cli.demo.talk import ANSWERS, let_them_talk
from simplex_trio.cli.protected import open_protected_client
from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.client.smp.queues import MessageReceived, ReceivingQueue
from simplex_trio.engine.backoff import Backoff
from simplex_trio.errors import SimplexError, WrongIdentity
from simplex_trio.frozen import frozen
from simplex_trio.nursery import open_inner_nursery

__all__ = ["FAST", "WATCHED", "Pace", "tell_story"]

_LONGEST = 20.0
"""Seconds to wait for something that should happen."""

_WORDS = sorted(
    {word for text in chain(*ANSWERS.items()) for word in text.split() if len(word) > 4}
)
"""Words of the conversation that do not turn up in random bytes by chance."""

_CLEANING = 3.0
"""Seconds for deleting the queues."""

_BODY = re.compile(rb"message (\d{1,9})")


@frozen
class Pace:
    """How fast the story goes."""

    beat: float
    """Seconds of a pause in which the audience can read."""
    backoff: Backoff
    """How the agent waits between tries to connect."""

    async def pause(self, beats: float) -> None:
        """Let what was told be read."""
        await trio.sleep(self.beat * beats)


FAST = Pace(0, Backoff(initial=0.02))
"""For programs: without pauses."""

WATCHED = Pace(1, Backoff(initial=0.5))
"""For people: some ten seconds in all."""


async def tell_story(stage: Stage, tell: Teller, pace: Pace = FAST) -> bool:
    """Let it happen, and tell it; whether everything held that was to be shown.

    Raises what connecting to the routers and creating queues on them raises.  Cancelled, it still
    deletes its queues, if the routers answer soon.
    """
    async with AsyncExitStack() as stack:
        story = _Story(stage, tell, pace)
        story.direct = {
            place.number: await stack.enter_async_context(open_smp_client(place.address))
            for place in (stage.one, stage.two)
        }
        story.proxy = await stack.enter_async_context(open_smp_client(stage.two.address))
        config = AgentConfig(backoff=pace.backoff)
        story.agent = await stack.enter_async_context(open_smp_agent(config))
        await story.happen()
    tell(Scene(story.now, "This has shown, line by line:", Act.ACCOUNT))
    findings = account(story.ledger, story.seen, story.now)
    for finding in findings:
        tell(finding)
    return all(finding.holds for finding in findings)


@define(eq=False, repr=False)
class _Story:
    stage: Stage
    _tell: Teller
    pace: Pace
    direct: dict[int, SMPClient] = field(init=False)
    """Senders that show themselves to the queue's router."""
    proxy: SMPClient = field(init=False)
    """A sender that only ever connects to router two."""
    agent: SMPClientAgent = field(init=False)
    ledger: Ledger = field(factory=Ledger)
    seen: Observations = field(factory=Observations)
    _began: float = field(factory=trio.current_time)
    _queues: dict[int, ReceivingQueue] = field(factory=dict)
    _numbers: dict[bytes, int] = field(factory=dict)
    _unacknowledged: set[int] = field(factory=set)
    """Messages that the agent is not to acknowledge yet."""
    _changed: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    @property
    def now(self) -> float:
        return trio.current_time() - self._began

    def tell(self, event: Event) -> None:
        self._tell(event)
        self._changed.unpark_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something; give up on it after a while, which the account will show."""
        with trio.move_on_after(_LONGEST):
            while not condition():
                await self._changed.park()

    async def scene(self, text: str, act: Act = Act.QUEUES) -> None:
        self.tell(Scene(self.now, text, act))
        await self.pace.pause(0.6)

    # --- the scenes ---------------------------------------------------------------------------

    async def happen(self) -> None:
        async with open_inner_nursery() as nursery:
            nursery.start_soon(self._listen, nursery)
            try:
                await self._meet_routers()
                await self._talk()
                await self._subscribe()
                await self._send_both_ways()
                await self._cut()
                await self._be_away()
                await self._come_back()
                await self._look_for_leftovers()
            finally:
                with trio.move_on_after(_CLEANING, shield=True):
                    await self._delete_queues()
            nursery.cancel_scope.cancel()

    async def _meet_routers(self) -> None:
        await self.scene(
            "Two routers. Each has to prove that it is the one its address names.", Act.ROUTERS
        )
        for place in (self.stage.one, self.stage.two):
            address, version = place.address, self.direct[place.number].version
            embedded = place.router is not None
            self.tell(RouterReady(self.now, place.number, place_of(address), embedded, version))
        impostor = evolve(self.stage.one.address, key_hash=secrets.token_bytes(32))
        try:
            async with open_smp_client(impostor):
                pass
        except WrongIdentity:
            self.seen.impostor_found_out = True
        await self.pace.pause(0.6)

    async def _talk(self) -> None:
        await self.scene(
            "Two people talk: Alice receives on router one, Bob on router two. They trust neither.",
            Act.TALK,
        )
        stores = [
            (place.number, place.store)
            for place in (self.stage.one, self.stage.two)
            if place.store is not None
        ]

        def watch() -> None:
            for _, store in stores:
                store.look_for(_WORDS)

        with trio.move_on_after(_LONGEST):
            await let_them_talk(
                self.stage,
                self.seen.talk,
                self.tell,
                begins=watch,
                pause=partial(self.pace.pause, 0.3),
                now=lambda: self.now,
            )
        for number, store in stores:
            sizes = tuple(sorted(set(store.sizes)))
            saw = RouterSaw(self.now, number, len(store.sizes), sizes, store.found)
            self.seen.saw.append(saw)
            self.tell(saw)
        await self.pace.pause(1)

    async def _subscribe(self) -> None:
        await self.scene(
            "An agent subscribes to three queues on router one, and two on router two."
        )
        await self._add_queues(self.stage.one, 3)
        await self._add_queues(self.stage.two, 2)
        await self.until(lambda: self.ledger.count(SubscriptionState.ACTIVE) == 5)
        await self.pace.pause(0.2)

    async def _send_both_ways(self) -> None:
        await self.scene(
            "Messages arrive, sent directly or through router two as a proxy. "
            "A sender behind a proxy stays hidden from router one."
        )
        for queue, way in ((1, Way.DIRECT), (4, Way.DIRECT), (2, Way.PROXY), (3, Way.PROXY)):
            await self._send(queue, way)
            await self.pace.pause(0.2)
        await self.until(self._all_acknowledged)

    async def _cut(self) -> None:
        await self.scene(
            "Message 5 arrives, but before the agent can acknowledge it, "
            "the connection to router one is cut."
        )
        self._unacknowledged.add(5)
        await self._send(1, Way.DIRECT)
        await self.until(lambda: self.ledger.messages[5].receptions == 1)
        await self.pace.pause(0.4)
        self.stage.one.cable.cut()
        await self.until(lambda: self.ledger.count(SubscriptionState.LOST, router=1) == 3)
        self._unacknowledged.clear()
        await self.pace.pause(0.5)

    async def _be_away(self) -> None:
        await self.scene(
            "While the agent cannot reach it, router one keeps messages for it. "
            "Router two has a connection of its own, and goes on as before."
        )
        for queue, way in ((1, Way.DIRECT), (2, Way.DIRECT), (3, Way.PROXY), (4, Way.DIRECT)):
            await self._send(queue, way)
            await self.pace.pause(0.2)
        await self.until(lambda: self.ledger.messages[9].acknowledged)
        self.seen.waited = self.ledger.note_waiting()
        await self.pace.pause(0.4)

    async def _come_back(self) -> None:
        await self.scene("The cable is mended. The agent is not told; it finds out by itself.")
        mended = self.now
        self.stage.one.cable.mend()
        await self.until(lambda: self.ledger.count(SubscriptionState.ACTIVE) == 5)
        self.seen.seconds_to_return = self.now - mended
        await self.until(self._all_acknowledged)
        await self._send(3, Way.PROXY)
        await self.until(self._all_acknowledged)
        await self.pace.pause(0.2)

    async def _look_for_leftovers(self) -> None:
        await self.scene("At last the queues, which should be empty, are looked into and deleted.")
        for number, queue in self._queues.items():
            with suppress(SimplexError):
                client = await self.agent.client(self._place_of(number).cable.address)
                self.seen.empty += (await client.queue_info(queue)).size == 0
        router = self.stage.one.router
        if router is not None:
            self.seen.counted_as_proxied = router.statistics().counters["proxied_received"]

    async def _delete_queues(self) -> None:
        """Delete all queues, by new connections: when this is interrupted, the others end."""
        for place in (self.stage.one, self.stage.two):
            numbers = [queue.number for queue in self.ledger.at_router(place.number)]
            queues = [self._queues[number] for number in numbers]
            with suppress(trio.ClosedResourceError):  # an agent that was interrupted
                ids = [queue.recipient_id for queue in queues]
                self.agent.unsubscribe(place.cable.address, ids)
            try:
                async with open_smp_client(place.address) as client:
                    failures = await client.delete_many(queues)
            except SimplexError:
                continue
            for number, failure in zip(numbers, failures, strict=True):
                if failure is None:
                    self.seen.deleted += 1
                    state = SubscriptionState.ENDED
                    self.tell(self.ledger.subscription_is(number, state, self.now))

    # --- what the scenes are made of ------------------------------------------------------------

    def _all_acknowledged(self) -> bool:
        return all(each.acknowledged or each.refused for each in self.ledger.messages.values())

    def _place_of(self, queue: int) -> Place:
        return self.stage.one if self.ledger.queues[queue].router == 1 else self.stage.two

    async def _add_queues(self, place: Place, count: int) -> None:
        added = []
        async with open_protected_client(place.address) as client:
            for _ in range(count):
                queue = await client.create_queue(subscribe=False, basic_auth=place.password)
                event = self.ledger.asked_for(place.number, self.now)
                self._queues[event.queue] = queue
                self._numbers[queue.recipient_id] = event.queue
                added.append(queue)
                self.tell(event)
        await self.pace.pause(0.2)
        self.agent.subscribe(place.cable.address, added)

    async def _send(self, queue: int, way: Way) -> None:
        event = self.ledger.sending(queue, way, self.now)
        self.tell(event)
        body = f"message {event.message}".encode()
        sender_id, place = self._queues[queue].sender_id, self._place_of(queue)
        try:
            if way is Way.DIRECT:
                await self.direct[place.number].send(sender_id, body)
            else:
                password = self.stage.two.password
                relay = self.proxy.relay(place.address, basic_auth=password)
                await relay.send(sender_id, body)
        except SimplexError:
            self.tell(self.ledger.refused(event.message, self.now))
        else:
            self.tell(self.ledger.accepted(event.message, self.now))

    # --- the agent's program --------------------------------------------------------------------

    async def _listen(self, nursery: trio.Nursery) -> None:
        async for event in self.agent.events:
            self._heed(event, nursery)

    def _heed(self, event: AgentEvent, nursery: trio.Nursery) -> None:
        router = 1 if event.server == self.stage.one.cable.address else 2
        match event:
            case Connected():
                self.tell(ConnectionChanged(self.now, router, ConnectionState.CONNECTED))
            case CannotConnect():
                self.tell(ConnectionChanged(self.now, router, ConnectionState.TRYING))
            case Disconnected(queues=queues):
                self.tell(ConnectionChanged(self.now, router, ConnectionState.CUT))
                self._subscriptions_are(queues, SubscriptionState.LOST)
            case Subscribed(queues=queues):
                self._subscriptions_are(queues, SubscriptionState.ACTIVE)
            case SubscriptionError(failures=failures):
                refused = tuple(queue for queue, _ in failures)
                self._subscriptions_are(refused, SubscriptionState.REFUSED)
            case SubscriptionEnded(queue_id=queue):
                self._subscriptions_are((queue,), SubscriptionState.TAKEN)
            case RouterEvent(event=MessageReceived() as message):
                self._receive(message, event, nursery)

    def _subscriptions_are(self, queues: tuple[bytes, ...], state: SubscriptionState) -> None:
        for recipient_id in queues:
            self.tell(self.ledger.subscription_is(self._numbers[recipient_id], state, self.now))

    def _receive(self, message: MessageReceived, event: RouterEvent, nursery: trio.Nursery) -> None:
        number = _number(message.body)
        if number not in self.ledger.messages:
            return  # not a queue of the demonstration
        self.tell(self.ledger.received(number, self.now))
        if number not in self._unacknowledged:
            nursery.start_soon(self._acknowledge, number, message, event)

    async def _acknowledge(self, number: int, message: MessageReceived, event: RouterEvent) -> None:
        queue = self._queues[self._numbers[message.recipient_id]]
        try:
            client = await self.agent.client(event.server)
            await client.acknowledge(queue, message.message_id)
        except SimplexError:
            return  # then it comes again
        self.tell(self.ledger.acknowledged(number, self.now))


def _number(body: bytes) -> int:
    found = _BODY.fullmatch(body)
    return int(found[1]) if found else 0
