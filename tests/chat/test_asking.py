"""What a bot that asks at an address says to the owner, a program that a test plays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
import trio
from attrs import define

from simplex_trio.chat.machine.records import ContactStatus
from simplex_trio.chat.messages.bodies import decode_info, encode_info
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XContact, XInfo, XOk
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.people import Contact
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.events import PeerInfo, RequestReceived
from tests.duplex.quiet import open_quiet

from .people import Person, open_person

EventT = TypeVar("EventT", RequestReceived, PeerInfo)

Clock = trio.testing.MockClock


@define(eq=False)
class Owner:
    """The owner of an address, who has been asked."""

    agent: DuplexAgent
    request: RequestReceived

    async def next(self, kind: type[EventT]) -> EventT:
        return await _next(self.agent, kind)

    async def answer(self, answer: Event | bytes) -> None:
        if isinstance(answer, Event):
            answer = encode_info(ChatMessage(answer), pq=False)
        await self.agent.accept(self.request, answer)


async def _next(agent: DuplexAgent, kind: type[EventT]) -> EventT:
    with trio.fail_after(3 * 24 * 3600):
        async for event in agent.events:
            if isinstance(event, kind):
                return event
    raise AssertionError("nothing more happens")


@asynccontextmanager
async def asked() -> AsyncIterator[tuple[Owner, Person, Contact]]:
    """The owner, the one who has asked, and the contact that the owner is for that one."""
    async with (
        open_quiet() as quiet,
        open_person(quiet, "Alice") as alice,
        quiet.open_agent() as agent,
    ):
        address = await agent.create_address()
        contact = await alice.bot.connect(address.link)
        yield Owner(agent, await _next(agent, RequestReceived)), alice, contact


async def test_the_answer_of_the_owner_is_answered_with_a_profile(autojump_clock: Clock) -> None:
    async with asked() as (owner, alice, contact):
        said = decode_info(owner.request.info).event
        assert isinstance(said, XContact)
        assert said.profile == alice.bot.profile
        await alice.bot.set_profile("Alicia")
        await owner.answer(XInfo(Profile("Owner")))
        assert decode_info((await owner.next(PeerInfo)).info).event == XInfo(alice.bot.profile)
        connected = await alice.next(Contact)
        assert (connected.id, connected.name) == (contact.id, "Owner")


@pytest.mark.parametrize("answer", [XOk(), b"no message"], ids=["no profile", "no message"])
async def test_an_owner_who_answers_with_no_profile_is_no_contact(
    autojump_clock: Clock, answer: Event | bytes
) -> None:
    async with asked() as (owner, alice, contact):
        await owner.answer(answer)
        failed = await alice.next(Contact)
        assert (failed.id, failed.status) == (contact.id, ContactStatus.FAILED)
        await failed.delete()
        await alice.bot.agent.drain()
        assert await alice.bot.contacts() == []
        assert await alice.bot.agent.connections() == []
