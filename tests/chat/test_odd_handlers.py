"""Handlers that ask, fail or wait in odd places."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial, wraps
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
import trio

from simplex_trio.chat.errors import UnknownContact
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.people import IncomingMessage
from simplex_trio.chat.testing.world import World
from tests.duplex.quiet import open_quiet

from .people import open_person, open_quiet_bot

Clock = trio.testing.MockClock


async def test_an_error_that_the_contact_cannot_be_told_of_is_logged(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    handlers = Handlers()
    errors: list[Exception] = []

    @handlers.command
    async def order(message: IncomingMessage) -> None:
        """Ask what."""
        await message.ask("what?")

    @handlers.on_message()
    async def echo(message: IncomingMessage) -> None:
        await message.answer(message.text)

    @handlers.on_error
    async def apologise(message: IncomingMessage, exc: Exception) -> None:
        errors.append(exc)
        await message.answer("Something has gone wrong.")

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Shop", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Mallory") as mallory,
    ):
        from_mallory = await mallory.connect(bot.address)
        from_alice = await alice.connect(bot.address)
        await from_mallory.send("/order")
        assert (await mallory.next(IncomingMessage)).text == "what?"
        await from_mallory.delete()
        await trio.sleep(60)
        assert [type(each) for each in errors] == [UnknownContact]
        await from_alice.send("hello")
        assert (await alice.next(IncomingMessage)).text == "hello"
    assert "an error handler has raised UnknownContact" in caplog.text


async def test_one_task_of_a_handler_asks_at_a_time(autojump_clock: Clock) -> None:
    handlers = Handlers()
    answers: list[str] = []

    @handlers.on_message()
    async def ask_twice(message: IncomingMessage) -> None:
        async def ask() -> None:
            answers.append((await message.ask("one?")).text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(1)
            with pytest.raises(RuntimeError, match="another task"):
                await message.ask("two?")
        answers.append((await message.ask("two?")).text)

    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Shop", handlers=handlers) as bot,
        open_person(quiet, "Alice") as alice,
    ):
        contact = await alice.connect(bot.address)
        await contact.send("hello")
        for question, answer in (("one?", "a"), ("two?", "b")):
            assert (await alice.next(IncomingMessage)).text == question
            await trio.sleep(10)
            await contact.send(answer)
        await trio.sleep(60)
    assert answers == ["a", "b"]


def test_what_is_not_async_is_no_handler() -> None:
    handlers = Handlers()

    def weather(message: IncomingMessage) -> str:
        return message.text

    plain: Any = weather
    for add in (
        handlers.command,
        handlers.command("weather"),
        handlers.on_message(),
        handlers.on_connected,
        handlers.on_edited,
        handlers.groups.on_message(),
        handlers.use,
        handlers.on_error,
    ):
        with pytest.raises(TypeError, match="async def weather"):
            add(plain)
        with pytest.raises(TypeError, match="async def weather"):
            add(cast("Any", partial(plain)))

    async def answer(message: IncomingMessage) -> None:
        await message.answer("rain")

    @wraps(answer)
    def wrapped(message: IncomingMessage) -> Awaitable[None]:
        return answer(message)

    handlers.on_connected(AsyncMock())
    for add in (handlers.command, handlers.on_message(), handlers.on_connected):
        add(answer)
        add(wrapped)
        add(lambda message: answer(message))
    with pytest.raises(TypeError, match="a filter is a plain function"):
        handlers.on_message(cast("Any", answer), text="hello")


async def test_for_all_messages_without_parentheses(simplex_world: World) -> None:
    handlers = Handlers()

    @handlers.on_message
    async def echo(message: IncomingMessage) -> None:
        await message.answer(message.text)

    bot = await simplex_world.bot(handlers)
    alice = await simplex_world.person("Alice")
    await alice.connect(bot.address)
    await alice.send("hello")
    assert (await alice.next_message()).text == "hello"
