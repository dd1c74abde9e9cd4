"""Handlers that wait for files, and whose turn it is meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from simplex_trio.chat.changes import ReactionChanged
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.messages.content import File
from simplex_trio.chat.people import IncomingMessage

from .test_files import open_pair

Clock = trio.testing.MockClock


async def test_a_task_that_outlives_its_handler_waits_for_the_file(
    autojump_clock: Clock, tmp_path: Path
) -> None:
    handlers = Handlers()
    done: list[str] = []

    async with trio.open_nursery() as nursery:

        async def save(message: IncomingMessage) -> None:
            assert message.file is not None
            done.append((await message.file.save(tmp_path)).name)

        @handlers.on_message(content=File)
        async def take(message: IncomingMessage) -> None:
            nursery.start_soon(save, message)
            if message.text == "waits":
                await trio.sleep(1)

        @handlers.on_message()
        async def text(message: IncomingMessage) -> None:
            done.append(message.text)

        async with open_pair(tmp_path, handlers) as pair:
            for number, text_of_file in enumerate(["", "waits"]):
                await pair.offered(name=f"file-{number}", text=text_of_file)
                await pair.to_bot.send(f"text {number}")
                await trio.sleep(60)
            assert sorted(done) == ["file-0", "file-1", "text 0", "text 1"]
            await pair.to_bot.send("last")
            await trio.sleep(60)
            assert done[-1] == "last"


async def test_only_the_one_whose_turn_it_is_can_ask(autojump_clock: Clock, tmp_path: Path) -> None:
    handlers = Handlers()
    outcomes: list[str] = []

    @handlers.on_message(content=File)
    async def take(message: IncomingMessage) -> None:
        assert message.file is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(message.file.save, tmp_path)
            await trio.sleep(1)
            with pytest.raises(RuntimeError, match="not its turn"):
                await message.ask("what is it?")
        answer = await message.ask("what is it?")
        outcomes.append(answer.text)

    async with open_pair(tmp_path, handlers) as pair:
        pair.world.xftp[0].is_up = False
        await pair.offered(name="file")
        await trio.sleep(30)
        pair.world.xftp[0].is_up = True
        assert (await pair.alice.next(IncomingMessage)).text == "what is it?"
        await pair.to_bot.send("a file")
        await trio.sleep(60)
        assert outcomes == ["a file"]


async def test_a_handler_that_is_cancelled_gives_its_turn_to_others(
    autojump_clock: Clock, tmp_path: Path
) -> None:
    """A handler whose call is cancelled waits for its turn all the same."""
    handlers = Handlers()
    done: list[str] = []

    @handlers.on_message(content=File)
    async def take(message: IncomingMessage) -> None:
        assert message.file is not None
        with trio.move_on_after(10):
            await message.file.save(tmp_path)
        done.append("gave up")

    @handlers.on_message()
    async def text(message: IncomingMessage) -> None:
        done.append("begins")
        await trio.sleep(50)
        done.append("ends")

    async with open_pair(tmp_path, handlers) as pair:
        pair.world.xftp[0].is_up = False
        await pair.offered(name="file")
        await pair.to_bot.send("hello")
        await trio.sleep(300)
        assert done == ["begins", "ends", "gave up"]
        await pair.to_bot.send("hello")
        await trio.sleep(300)
        assert done[3:] == ["begins", "ends"]


async def test_an_answer_comes_to_the_handler_that_has_asked(
    autojump_clock: Clock, tmp_path: Path
) -> None:
    """A handler of something else, which waits for a file meanwhile, does not hold it up."""
    handlers = Handlers()
    done: list[str] = []

    @handlers.on_message(text="begin")
    async def begin(message: IncomingMessage) -> None:
        answer = await message.ask("first?")
        done.append(f"first: {answer.text}")
        answer = await answer.ask("second?")
        done.append(f"second: {answer.text}")

    @handlers.on_reaction
    async def save(reaction: ReactionChanged) -> None:
        (file,) = await reaction.contact.files()
        done.append((await file.save(tmp_path)).name)

    @handlers.on_message()
    async def other(message: IncomingMessage) -> None:
        done.append("other")

    async with open_pair(tmp_path, handlers) as pair:
        await pair.offered(name="file")
        await trio.sleep(30)
        pair.world.xftp[0].is_up = False
        await pair.to_bot.send("begin")
        await (await pair.alice.next(IncomingMessage)).react("👍")
        await trio.sleep(10)
        await pair.to_bot.send("one")
        assert (await pair.alice.next(IncomingMessage)).text == "second?"
        pair.world.xftp[0].is_up = True
        await trio.sleep(60)
        await pair.to_bot.send("two")
        await trio.sleep(60)
        assert done == ["other", "first: one", "file", "second: two"]
