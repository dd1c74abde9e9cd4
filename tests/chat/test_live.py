"""Messages that grow, and messages that disappear, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from simplex_trio.chat.changes import MessageEdited
from simplex_trio.chat.errors import MessageForgotten, NotAllowed, UnknownContact
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.live import PACE
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.events import XMsgNew
from simplex_trio.chat.messages.preferences import Allow, Preferences, TimedMessages
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.people import Contact, IncomingMessage
from simplex_trio.duplex.transaction import Transaction
from simplex_trio.errors import TooLarge
from tests.duplex.quiet import open_quiet

from .people import Person, open_person, open_quiet_bot
from .test_files import say_to

Clock = trio.testing.MockClock

YES = Preferences(timed_messages=TimedMessages(Allow.YES))


@asynccontextmanager
async def open_pair(
    preferences: Preferences = YES, theirs: Preferences = YES
) -> AsyncIterator[tuple[Contact, Person]]:
    """A contact of a bot, and the person behind it."""
    profile = Profile("Bot", preferences=preferences)
    person = Profile("Alice", peer_type=PeerType.HUMAN, preferences=theirs)
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, profile, handlers=Handlers()) as bot,
        open_person(quiet, person) as alice,
    ):
        await alice.connect(bot.address)
        (contact,) = await bot.contacts()
        yield contact, alice


# --- live ---------------------------------------------------------------------------------------


async def _write(
    contact: Contact,
    first: str,
    seconds: float,
    second: str,
    then: Callable[[], Awaitable[object]],
    ttl: int | None = None,
) -> None:
    async with contact.live(ttl=ttl) as live:
        await live.update(first)
        await trio.sleep(seconds)
        await live.update(second)
        await then()


async def texts(alice: Person) -> list[tuple[str, bool]]:
    """What Alice sees, in order, up to the end of the message."""
    message = await alice.next(IncomingMessage)
    seen = [(message.text, message.is_live)]
    while seen[-1][1]:
        edited = await alice.next(MessageEdited)
        assert edited.message_id == message.id
        seen.append((edited.content.text, edited.is_live))
    return seen


async def test_a_fast_writer_sends_few_edits(autojump_clock: Clock) -> None:
    async with open_pair() as (contact, alice):
        async with contact.live() as live:
            assert live.message is None
            for number in range(100):
                await live.write(f"{number} ")
                await trio.sleep(0.1)
            assert live.message is not None
        whole = "".join(f"{number} " for number in range(100))
        assert live.text == whole
        seen = await texts(alice)
        assert seen[-1] == (whole, False)
        assert len(seen) <= 10 / PACE + 3
        assert [each for each, _ in seen] == sorted(each for each, _ in seen)


async def test_a_slow_writer_is_seen_at_once(autojump_clock: Clock) -> None:
    async with open_pair() as (contact, alice):
        async with contact.live() as live:
            await live.update("thinking")
            await trio.sleep(60)
            await live.update("done")
            await live.update("done, really")
            await trio.sleep(60)
            await live.update("done, really")
            await trio.sleep(60)
        seen = await texts(alice)
        assert seen[0] == ("thinking", True)
        assert [each for each in seen[1:] if each != ("done", True)] == [
            ("done, really", True),
            ("done, really", False),
        ]


async def test_what_is_written_at_once_is_one_message(autojump_clock: Clock) -> None:
    async with open_pair() as (contact, alice):
        async with contact.live():
            pass
        quoted = await contact.send("a question?")
        assert (await alice.next(IncomingMessage)).text == "a question?"
        async with contact.live(quote=quoted, pace=0.5) as live:
            await live.update("an answer")
        seen = await texts(alice)
        assert seen[-1] == ("an answer", False)
        assert live.message is not None
        assert await live.message.wait() is DeliveryState.DELIVERED


async def test_the_last_text_is_sent_whatever_happens(autojump_clock: Clock) -> None:
    async with open_pair() as (contact, alice):
        with suppress(ZeroDivisionError):
            async with contact.live() as live:
                await live.update("one")
                await trio.sleep(1)
                await live.update("one, two")
                raise ZeroDivisionError
        assert (await texts(alice))[-1] == ("one, two", False)
        with trio.move_on_after(1):
            async with contact.live() as live:
                await live.update("three")
                await trio.sleep_forever()
        assert (await texts(alice))[-1] == ("three", False)


async def test_a_text_that_cannot_be_sent_ends_with_the_last_one_that_could(
    autojump_clock: Clock,
) -> None:
    async with open_pair() as (contact, alice):
        long = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))
        with pytest.raises(TooLarge):
            await _write(contact, "short", 10, long, trio.sleep_forever)
        assert await texts(alice) == [("short", True), ("short", False)]
        with pytest.raises(TooLarge):
            await _write(contact, "short", 1, long, trio.lowlevel.checkpoint)
        assert await texts(alice) == [("short", True), ("short", False)]


async def test_a_contact_that_goes_while_it_is_written_to(autojump_clock: Clock) -> None:
    async with open_pair() as (contact, _):
        with pytest.raises(UnknownContact):
            await _write(contact, "one", 10, "two", contact.delete)


# --- messages that disappear --------------------------------------------------------------------


def _expiring(t: Transaction) -> int:
    return t.kept.count(".chat.expiring")


async def test_what_is_kept_of_a_message_disappears_with_it(autojump_clock: Clock) -> None:
    async with open_pair() as (contact, alice):
        short = await contact.send("for an hour", ttl=3600)
        long = await contact.send("for a day", ttl=24 * 3600)
        with pytest.raises(ValueError, match="so many seconds"):
            await contact.send("backwards", ttl=-1)
        assert (await alice.next(IncomingMessage)).ttl == 3600
        assert (await alice.next(IncomingMessage)).ttl == 24 * 3600
        core = contact._core
        await trio.sleep(3500)
        assert await core.step(lambda store: store.sent_as(contact.id, short.id)) is not None
        await trio.sleep(200)
        assert await core.step(lambda store: store.sent_as(contact.id, short.id)) is None
        assert await core.step(lambda store: store.sent_as(contact.id, long.id)) is not None
        with pytest.raises(MessageForgotten):
            await short.wait()
        await trio.sleep(24 * 3600)
        assert await core.step(lambda store: store.sent_as(contact.id, long.id)) is None
        assert await core.agent.transact(_expiring) == 0


async def test_the_usual_time_is_that_of_the_profile(autojump_clock: Clock) -> None:
    usual = Preferences(timed_messages=TimedMessages(Allow.YES, 60))
    async with open_pair(usual) as (contact, alice):
        sent = await contact.send("for a minute")
        assert (await alice.next(IncomingMessage)).ttl == 60
        await contact.send("for two", ttl=120)
        assert (await alice.next(IncomingMessage)).ttl == 120
        # An edit does not make it a message that stays.
        await sent.edit("for a minute, edited")
        await alice.next(MessageEdited)
        await trio.sleep(70)
        assert await contact._core.step(lambda store: store.sent_as(contact.id, sent.id)) is None


async def test_the_time_of_a_live_message_begins_when_it_ends(autojump_clock: Clock) -> None:
    async with open_pair() as (contact, _):
        core = contact._core
        async with contact.live(ttl=60) as live:
            await live.update("one")
            await trio.sleep(200)
            message = live.message
            assert message is not None
            assert await core.step(lambda store: store.sent_as(contact.id, message.id))
        await trio.sleep(50)
        assert await core.step(lambda store: store.sent_as(contact.id, message.id))
        await trio.sleep(20)
        assert await core.step(lambda store: store.sent_as(contact.id, message.id)) is None


async def test_where_messages_must_stay(autojump_clock: Clock) -> None:
    no = Preferences(timed_messages=TimedMessages(Allow.NO))
    async with open_pair(YES, no) as (contact, alice):
        with pytest.raises(NotAllowed):
            await contact.send("for a minute", ttl=60)
        with pytest.raises(NotAllowed):
            await _write(contact, "x", 10, "y", trio.sleep_forever, ttl=60)
        # What a contact sends with a time all the same stays, as in the apps.
        await say_to(contact, XMsgNew(Text("mine"), ttl=60), b"id")
        assert (await alice.next(IncomingMessage)).ttl is None


async def test_messages_beyond_those_that_are_kept_leave_nothing(autojump_clock: Clock) -> None:
    async with open_pair() as (contact, _):
        for number in range(103):
            await contact.send(str(number), ttl=3600)
        assert await contact._core.agent.transact(_expiring) == 100
        await contact.delete()
        await trio.sleep(1)
        assert await contact._core.agent.transact(_expiring) == 0
