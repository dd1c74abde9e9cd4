"""Bots that play people, with routers in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeVar

import trio
from attrs import define, evolve, field

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.machine.outgoing import say
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.opening import open_bot
from simplex_trio.chat.people import Contact
from simplex_trio.chat.testing.people import listening
from simplex_trio.duplex.config import DuplexConfig, ProxyUse
from simplex_trio.testing.in_memory.connector import simulated_connector
from tests.duplex.quiet import Quiet

__all__ = [
    "PICTURE",
    "Person",
    "disobey",
    "listening",
    "open_person",
    "open_quiet_bot",
    "talk",
]

_NOW = 1_800_000_000

ValueT = TypeVar("ValueT")

PICTURE = Picture("data:image/png;base64,iVBORw0KGgo=")


@asynccontextmanager
async def open_quiet_bot(
    quiet: Quiet, profile: Profile | str, **options: Any
) -> AsyncIterator[Bot]:
    """A bot on the routers of ``quiet``."""
    now = trio.lowlevel.current_clock().current_time  # in any thread
    config = DuplexConfig(
        tuple(router.address for router in quiet.routers),
        pq=False,
        proxy=ProxyUse.NEVER,
        clock=lambda: _NOW + now(),
    )
    config = evolve(config, **options.pop("changes", {}))
    connector = simulated_connector(quiet.routers, Random(str(profile)), config.agent.client)
    options = {"path": None, "config": config, "connector": connector} | options
    async with open_bot(profile=profile, **options) as bot:
        yield bot


@define(eq=False)
class Person:
    """A person with an app, who writes down what happens."""

    bot: Bot
    _told: trio.MemoryReceiveChannel[object] = field(repr=False)
    _others: list[object] = field(factory=list, repr=False)

    async def next(self, kind: type[ValueT]) -> ValueT:
        """The next thing of a kind that happens; others are for later."""
        for each in self._others:
            if isinstance(each, kind):
                self._others.remove(each)
                return each
        with trio.fail_after(3 * 24 * 3600):
            async for each in self._told:
                if isinstance(each, kind):
                    return each
                self._others.append(each)
        raise AssertionError("nothing more happens")

    def heard(self) -> list[object]:
        """All that has happened and was not asked for yet."""
        while self._told.statistics().current_buffer_used:
            self._others.append(self._told.receive_nowait())
        return self._others

    async def connect(self, link: str) -> Contact:
        """Open a link, and wait until it is connected."""
        asked = await self.bot.connect(link)
        contact = await self.next(Contact)
        assert contact.id == asked.id
        return contact


@asynccontextmanager
async def open_person(
    quiet: Quiet, profile: Profile | str, **options: Any
) -> AsyncIterator[Person]:
    """A person, who allows what the apps allow if only a name is given."""
    handlers, told = listening()
    if isinstance(profile, str):
        profile = Profile(profile, peer_type=PeerType.HUMAN, preferences=Preferences())
    options = {"address": False} | options
    async with open_quiet_bot(quiet, profile, handlers=handlers, **options) as bot:
        yield Person(bot, told)


async def talk(bot: Person, person: Person) -> tuple[Contact, Contact]:
    """The two ends of a new connection: the bot's, and the person's."""
    theirs = await person.connect(bot.bot.address)
    return await bot.next(Contact), theirs


async def disobey(person: Person, contact: Contact, *events: Event, msg_id: bytes = b"id") -> None:
    """Say what a program of the other side should not."""

    def decide(store: Store) -> None:
        for event in events:
            say(store, contact._record, event, msg_id)

    await person.bot._core.step(decide)
