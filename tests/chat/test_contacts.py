"""What a bot knows of its contacts, and how they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from simplex_trio.chat.changes import (
    RatchetBroken,
    RatchetRepaired,
    SecurityCodeChanged,
)
from simplex_trio.chat.errors import (
    MessageForgotten,
    UnknownContact,
)
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.records import MAX_SENT, ContactStatus, DeliveryState
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.opening import open_bot
from simplex_trio.chat.people import Contact, IncomingMessage
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import NotSynchronised
from simplex_trio.errors import EncodeError, TooLarge
from simplex_trio.router.server import open_router
from tests.duplex.quiet import open_quiet

from .people import Person, listening, open_person, open_quiet_bot, talk

Clock = trio.testing.MockClock


# --- state ----------------------------------------------------------------------------------------


async def test_state_is_kept_for_each_contact_and_for_the_bot(autojump_clock: Clock) -> None:
    handlers = Handlers()

    @handlers.command
    async def town(message: IncomingMessage, name: str = "") -> None:
        """Keep a town."""
        state = message.contact.state
        if name:
            await state.put("town", name)
        await message.answer(str(await state.get("town")))

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        from_alice, from_bob = await alice.connect(bot.address), await bob.connect(bot.address)
        for person, contact, text, answer in (
            (alice, from_alice, "/town Oslo", "Oslo"),
            (bob, from_bob, "/town", "None"),
            (bob, from_bob, "/town Bergen", "Bergen"),
            (alice, from_alice, "/town", "Oslo"),
        ):
            await contact.send(text)
            assert (await person.next(IncomingMessage)).text == answer
        first, second = await bot.contacts()
        values: dict[str, Any] = {"json": {"a": [1, 2.5, None, "ü"]}, "bytes": b"\0", "": False}
        for name, value in values.items():
            await first.state.put(name, value)
        assert await first.state.all() == values | {"town": "Oslo"}
        assert await second.state.all() == {"town": "Bergen"}
        assert await bot.state.all() == {}
        await first.state.delete("json")
        assert await first.state.get("json", dict) is None
        assert await first.state.get("json", dict, {}) == {}
        assert await first.state.get("bytes", bytes) == b"\0"
        with pytest.raises(TypeError, match="bytes, and not str"):
            await first.state.get("bytes", str)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(bot.state.update, "count", lambda count: (count or 0) + 1)
        assert await bot.state.get("count") == 20

        await first.delete()
        with pytest.raises(UnknownContact):
            await first.state.put("town", "Rome")
        with pytest.raises(UnknownContact):
            await first.state.update("town", lambda town: town)
        assert await first.state.all() == {}
        kept = await bot.agent.transact(lambda t: t.kept.count(".chat.state"))
        assert kept == 2


async def test_state_is_bounded(autojump_clock: Clock) -> None:
    async with open_quiet() as quiet, open_quiet_bot(quiet, "Echo", address=False) as bot:
        state = bot.state
        for wrong in ((1, 2), {1: 2}, 2**64, float("nan"), object(), "\ud800"):
            with pytest.raises(EncodeError):
                await state.put("x", wrong)  # type: ignore[arg-type]
        for name, value in (("x", "y" * 65_536), ("x", b"y" * 65_536), ("x" * 256, 1)):
            with pytest.raises(TooLarge):
                await state.put(name, value)

        def fill(store: Store) -> None:
            for number in range(1000):
                store.t.kept.put(".chat.state", bytes(8) + str(number).encode(), b"j0")

        await bot._core.step(fill)
        with pytest.raises(TooLarge, match="1000 values"):
            await state.put("new", 1)
        await state.put("5", 1)
        await state.put("5", None)
        await state.put("new", 1)
        assert len(await state.all()) == 1000
        assert "State" in repr(state)


# --- the end of contacts --------------------------------------------------------------------------


async def test_what_waits_for_a_contact_ends_with_it(autojump_clock: Clock) -> None:
    handlers = Handlers()
    ended: list[str] = []

    @handlers.on_message()
    async def ask(message: IncomingMessage) -> None:
        try:
            await message.ask("more?")
        except UnknownContact:
            ended.append(message.contact.name)

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        from_alice, from_bob = await alice.connect(bot.address), await bob.connect(bot.address)
        for person, contact in ((alice, from_alice), (bob, from_bob)):
            await contact.send("one")
            assert (await person.next(IncomingMessage)).text == "more?"
        to_alice, _ = await bot.contacts()
        quiet.stop()
        sent = await to_alice.send("never read")
        gone: list[str] = []

        async def wait() -> None:
            try:
                await sent.wait()
            except UnknownContact as exc:
                gone.append(str(exc))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            await to_alice.delete(tell=False)
        await wait()
        assert len(gone) == 2
        await quiet.start()
        await from_bob.delete()
        await trio.sleep(600)
        assert ended == ["Alice", "Bob"]
        assert await bot.contacts() == []
        assert bot._conversations is not None
        assert bot._conversations._open == {}


async def test_a_contact_deleted_without_a_word_fails(autojump_clock: Clock) -> None:
    handlers, told = listening()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        echo = Person(bot, told)
        contact, to_echo = await talk(echo, alice)
        await to_echo.delete(tell=False)
        await alice.bot.agent.drain()
        assert (await bot.contacts())[0].status is ContactStatus.READY
        sent = await contact.send("are you there?")
        assert await sent.wait() is DeliveryState.FAILED
        gone = await echo.next(Contact)
        assert (gone.id, gone.status) == (contact.id, ContactStatus.FAILED)
        await contact.delete()
        assert await bot.contacts() == []


async def test_what_is_queued_is_sent_before_a_contact_is_told_of_its_end(
    autojump_clock: Clock,
) -> None:
    handlers, told = listening()
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact, _ = await talk(Person(bot, told), alice)
        quiet.stop()
        for number in range(3):
            await contact.send(f"last words {number}")
        await contact.delete()
        with pytest.raises(UnknownContact):
            await contact.send("more")
        await quiet.start()
        for number in range(3):
            assert (await alice.next(IncomingMessage)).text == f"last words {number}"
        assert (await alice.next(Contact)).name == "Echo"


async def test_the_jobs_of_a_contact_that_is_deleted_are_left_out(autojump_clock: Clock) -> None:
    handlers = Handlers()
    calls: list[str] = []

    @handlers.on_message()
    async def delete(message: IncomingMessage) -> None:
        calls.append(message.text)
        await message.contact.delete()

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        one = b'{"v":"1","event":"x.msg.new","params":{"content":{"type":"text","text":"%d"}}}'
        batch = b"[" + b",".join(one % number for number in range(5)) + b"]"
        await alice.bot.agent.send(contact.connection_id, batch)
        await alice.next(Contact)
        await trio.sleep(60)
        assert calls == ["0"]


async def test_a_message_of_long_ago_is_forgotten(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Echo") as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        quiet.stop()
        first = await contact.send("first")
        errors: list[Exception] = []

        async def wait() -> None:
            with pytest.raises(MessageForgotten) as caught:
                await first.wait()
            errors.append(caught.value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            for number in range(MAX_SENT):
                await contact.send(str(number))
        assert len(errors) == 1
        with pytest.raises(MessageForgotten):
            await first.wait()


# --- security codes -------------------------------------------------------------------------------


async def test_who_has_not_answered_yet_has_no_security_code(tmp_path: Path) -> None:
    async with open_router() as router:
        async with open_bot(None, profile="Echo", servers=[router.address]) as echo:
            address = echo.address
        async with open_bot(
            tmp_path / "alice.db", profile="Alice", servers=[router.address], address=False
        ) as alice:
            asked = await alice.connect(address)
            assert await asked.security_code() is None
            assert not await asked.has_security_code("")


async def test_a_security_code_is_the_same_on_both_sides(tmp_path: Path) -> None:
    path, copy = tmp_path / "alice.db", tmp_path / "copy.db"

    @asynccontextmanager
    async def person(path: Path | None, **options: Any) -> AsyncIterator[Person]:
        handlers, told = listening()
        options |= {"config": DuplexConfig(pq=False), "servers": [router.address]}
        async with open_bot(path, handlers=handlers, **options) as bot:
            yield Person(bot, told)

    async with open_router() as router, person(None, profile="Echo") as echo:
        async with person(path, profile="Alice", address=False) as alice:
            bot = echo.bot
            await alice.bot.connect(bot.address)
            theirs, ours = await alice.next(Contact), await echo.next(Contact)
            code = await ours.security_code()
            assert code is not None
            assert await theirs.security_code() == code
            assert await theirs.has_security_code(f" {code[:5]} {code[5:]}\n")
            assert not await theirs.has_security_code(code[:-1])
            await alice.bot.agent.back_up(copy)
            for _ in range(3):
                await theirs.send("one")
                await (await echo.next(IncomingMessage)).answer("two")
                await alice.next(IncomingMessage)
        async with person(copy, profile="Alice", address=False, accept_loss=True) as alice:
            (theirs,) = await alice.bot.contacts()
            with suppress(NotSynchronised):  # it may have noticed by now
                await theirs.send("lost")
            assert (await echo.next(SecurityCodeChanged)).contact.id == ours.id
            await alice.next(SecurityCodeChanged)
            broken = [
                each for each in echo.heard() + alice.heard() if isinstance(each, RatchetBroken)
            ]
            assert broken
            assert {each.contact.id for each in broken} <= {ours.id, theirs.id}
            changed = await ours.security_code()
            assert changed not in (None, code)
            assert await theirs.security_code() == changed
            for side, known in ((alice, theirs), (echo, ours)):
                assert (await side.next(RatchetRepaired)).contact.id == known.id
            await theirs.send("hello again")
            assert (await echo.next(IncomingMessage)).text == "hello again"
