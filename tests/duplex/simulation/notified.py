"""The devices of a simulation: some programs have one, and are woken up by it.

Their randomness is their own, so that worlds without them are as they were.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random
from sqlite3 import Connection
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from simplex_trio.agent.config import AgentConfig, AgentRole
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.errors import NoNotificationToken, PushNotReadable, UnknownConnection
from simplex_trio.duplex.machine.push_records import NotificationMode
from simplex_trio.duplex.work.ntf_routers import NTFConnector
from simplex_trio.errors import SimplexError
from simplex_trio.testing.in_memory.crashes import Crash, RouterInSight
from simplex_trio.wire.ntf.statuses import TokenState
from simplex_trio.wire.ntf.tokens import DeviceToken, PushProvider

from .ntf_router import NTFRouter, Push, simulated_ntf_connector

if TYPE_CHECKING:
    from .world import Machine, World

__all__ = ["Notified"]


@define(eq=False)
class Device:
    """A device that one program runs on, and what it was pushed while that did not look."""

    machine: Machine
    random: Random
    token: DeviceToken
    inbox: list[Push] = field(factory=list)
    has_news: trio.Event = field(factory=trio.Event)
    muted: set[str] = field(factory=set)

    def take_in(self, push: Push) -> None:
        self.inbox.append(push)
        self.has_news.set()

    async def next_push(self) -> Push:
        while not self.inbox:
            self.has_news = trio.Event()
            await self.has_news.wait()
        return self.inbox.pop(0)


class Notified:
    """The notification router of a world, and the devices."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = Random(f"devices {seed}")
        client = SMPClientConfig(engine=world.machines[0].engine_config())
        self.router = NTFRouter(
            world.network,
            "ntf.test",
            Random(f"notification router {seed}"),
            self._push,
            routers=world.routers,
            config=AgentConfig(AgentRole.NOTIFIER, client, random_fraction=self.random.random),
        )
        self.devices: dict[Machine, Device] = {}
        for machine in world.machines:
            if self.random.random() < 0.35:
                self.devices[machine] = Device(machine, self.random, self._new_token())

    def _new_token(self) -> DeviceToken:
        return DeviceToken(PushProvider.APNS_TEST, self.random.randbytes(8).hex().encode())

    def _push(self, push: Push) -> None:
        for device in self.devices.values():
            if device.token == push.device:
                device.take_in(push)

    # --- one life of a program ------------------------------------------------------------------

    def connector(self, crash: Crash) -> NTFConnector:
        """How a program reaches the router."""
        seen = RouterInSight(self.router, crash, self.random)
        return simulated_ntf_connector(
            [seen], self.random, SMPClientConfig(engine=self.world.machines[0].engine_config())
        )

    def may_sleep(self, machine: Machine) -> bool:
        """Whether a program lives without subscribing, and gets what its device is woken up for."""
        awake = machine not in self.devices or self.world.is_calm
        return not awake and self.random.random() < 0.4

    async def live(self, machine: Machine, agent: DuplexAgent, *, sleeps: bool) -> None:
        """Use notifications for as long as the program lives, if it has a device."""
        device = self.devices.get(machine)
        if device is None:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, device, agent, sleeps)
            await trio.sleep(self.random.uniform(0, 5))
            await self._register(device, agent)
            while not self.world.is_calm:
                with trio.move_on_after(self.random.uniform(5, 40)):
                    await self.world.calm.wait()
                if not self.world.is_calm:
                    await self._change_something(device, agent)
            await self._register(device, agent)

    async def _register(
        self,
        device: Device,
        agent: DuplexAgent,
        mode: NotificationMode = NotificationMode.INSTANT,
    ) -> None:
        await agent.notifications.register(device.token, self.router.address, mode=mode)

    async def _change_something(self, device: Device, agent: DuplexAgent) -> None:
        match self.random.randrange(6):
            case 0:
                await self._register(device, agent, NotificationMode.PERIODIC)
            case 1:
                device.token = self._new_token()
                await self._register(device, agent)
            case 2:
                with suppress(NoNotificationToken):
                    await agent.notifications.delete()
            case 3:
                self.router.forget()
            case 4:
                with suppress(NoNotificationToken, SimplexError):
                    await agent.notifications.check()
            case _:
                await self._mute(device, agent)

    async def _mute(self, device: Device, agent: DuplexAgent) -> None:
        for connection_id in await agent.connections():
            if self.random.random() < 0.5:
                is_muted = self.random.random() < 0.5
                with suppress(UnknownConnection):
                    await agent.notifications.set_enabled(connection_id, not is_muted)

    async def _listen(self, device: Device, agent: DuplexAgent, sleeps: bool) -> None:
        notifications = agent.notifications
        while True:
            push = await device.next_push()
            with suppress(PushNotReadable, NoNotificationToken):
                if push.is_code:
                    await notifications.verify(push.nonce, push.sealed)
                    continue
                opened = await notifications.open(push.nonce, push.sealed)
                if sleeps:
                    await self._fetch(agent, [each.connection_id for each in opened])

    # What has come is acknowledged by another task, which says nothing of it here.
    async def _fetch(self, agent: DuplexAgent, connection_ids: list[str]) -> None:
        with suppress(SimplexError, OSError), trio.move_on_after(30):
            while await agent.notifications.fetch(connection_ids):  # noqa: ASYNC110 - see above
                await trio.sleep(1)

    # --- the end --------------------------------------------------------------------------------

    def missing(self, machine: Machine) -> list[str]:
        """What is not done yet."""
        device, name = self.devices.get(machine), machine.program.name
        if device is None:
            return []
        found = [f"{name} has old subscriptions"] * machine.count("old_subscriptions")
        active = [
            each
            for each in self.router.tokens.values()
            if (each.device, each.state) == (device.token, TokenState.ACTIVE)
        ]
        if machine.count("push_tokens") != 1 or not active:
            found.append(f"{name} has no active token")
        if self.router.subscribed(device.token) != _wanted(machine.disk):
            found.append(f"{name} is not notified of what it wants to be")
        return found

    def check(self) -> None:
        """The router knows the notifiers of all queues, and of nothing else."""
        for machine, device in self.devices.items():
            name = machine.program.name
            muted = "connection_id IN (SELECT connection_id FROM connections WHERE NOT notify)"
            assert not machine.count("receiving_queues", f"notifier_id != x'' AND {muted}"), name
            known = self.router.subscribed(device.token)
            assert len(known) == machine.count("receiving_queues", f"NOT {muted}"), name


def _wanted(disk: Connection) -> set[bytes]:
    rows = disk.execute(
        "SELECT notifier_id FROM receiving_queues JOIN connections USING (connection_id) "
        "WHERE notify AND status > 0 AND NOT is_deleted"
    ).fetchall()
    return {notifier_id for (notifier_id,) in rows}
