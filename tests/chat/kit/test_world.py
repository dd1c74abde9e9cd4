"""The kit for tests of bots: what its bots and people do, and that a seed repeats it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.changes import MessageEdited
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine import following
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.messages.content import Text, UnknownContent
from simplex_trio.chat.messages.preferences import Allow, Feature, Preference, Preferences
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.opening import open_bot
from simplex_trio.chat.people import Contact, IncomingMessage
from simplex_trio.chat.testing.people import GROUP_KINDS, KINDS, NothingHappened, listening
from simplex_trio.chat.testing.world import World, open_world
from simplex_trio.duplex.config import DuplexConfig, ProxyUse
from simplex_trio.duplex.file_status import FileState
from simplex_trio.errors import EncodeError, StoreLocked
from simplex_trio.testing.in_memory.order import clock_waits_for_threads
from simplex_trio.testing.network import Trouble

Clock = trio.testing.MockClock


def echo() -> Handlers:
    handlers = Handlers()

    @handlers.command
    async def order(message: IncomingMessage) -> None:
        """Asks back."""
        answer = await message.ask("what?")
        await answer.reply(f"ordered {answer.text}")

    @handlers.on_message()
    async def answer(message: IncomingMessage) -> None:
        await message.reply(message.text)

    @handlers.on_edited
    async def edited(message: MessageEdited) -> None:
        await message.contact.send(f"now it is {message.content.text}")

    return handlers


async def test_a_conversation(autojump_clock: Clock) -> None:
    async with open_world() as world:
        bot = await world.bot(echo, profile="Echo", welcome="Hello!")
        alice, bob = await world.person("Alice"), await world.person("Bob")
        assert (await alice.connect(bot.address)).name == "Echo"
        assert (await alice.next_message()).text == "Hello!"
        await bob.connect(bot.address)
        sent = await alice.send("one")
        answer = await alice.next_message()
        assert answer.text == "one"
        assert answer.quote is not None
        assert answer.quote.msg_ref.msg_id == sent.id
        await answer.react("👍")
        await answer.reply("two")
        assert (await alice.next_message()).text == "two"
        await sent.edit("three")
        assert (await alice.next_message()).text == "now it is three"
        await sent.delete()
        await alice.expect_nothing()
        await alice.send("/order")
        await alice.send("tea")
        assert [(await alice.next_message()).text for _ in range(2)] == ["what?", "ordered tea"]

        # What the bot does to its messages.
        (to_alice, _) = await bot.bot.contacts()
        mine = await to_alice.send("wait")
        await mine.edit("done")
        await mine.delete()
        assert (await alice.next_edit()).content == Text("done")
        assert (await alice.next_deletion()).message_id == mine.id
        assert (await alice.next_message()).text == "wait"
        await to_alice.send("more")
        with pytest.raises(AssertionError, match="Alice was to see nothing, and has seen"):
            await alice.expect_nothing()
        assert repr(world) == "<World: 1 bots, 2 people>"
        assert repr(bot) == "<BotProgram, running>"
        assert repr(alice) == "<Person 'Alice'>"


async def test_links_of_people_and_what_they_allow(autojump_clock: Clock) -> None:
    async with open_world() as world:
        bot = await world.bot(echo, address=False)
        silent = Profile("Alice", preferences=Preferences(reactions=Preference(Allow.NO)))
        alice = await world.person("Alice", profile=silent)
        with pytest.raises(RuntimeError, match="not connected yet"):
            assert alice.contact
        await bot.bot.connect(await alice.invite())
        contact = await alice.next(Contact)
        await alice.send(UnknownContent("poem", "roses"), to=contact)
        (known,) = await bot.bot.contacts()
        assert not known.enabled(Feature.REACTIONS).for_us


async def test_stopped_killed_and_started_again(autojump_clock: Clock) -> None:
    begun: list[str] = []
    ended: list[str] = []

    def slow() -> Handlers:
        handlers = Handlers()

        @handlers.on_message()
        async def answer(message: IncomingMessage) -> None:
            begun.append(message.text)
            try:
                await trio.sleep(100)
                await message.reply(f"{message.text} {message.is_repeated}")
            finally:
                ended.append(message.text)

        return handlers

    async with open_world() as world:
        bot = await world.bot(slow)
        alice = await world.person()
        await alice.connect(bot.address)
        address = bot.address
        sent = await alice.send("one")
        await world.advance(50)
        await bot.crash()
        assert not bot.is_running
        assert bot.address == address
        with pytest.raises(RuntimeError, match="does not run"):
            assert bot.bot
        await world.advance(500)
        assert await sent.wait(DeliveryState.SENT) is DeliveryState.SENT
        await bot.start()
        assert bot.address == address
        assert (await alice.next_message()).text == "one True"
        assert await sent.wait() is DeliveryState.DELIVERED
        with pytest.raises(RuntimeError, match="running already"):
            await bot.start()
        await bot.stop()
        await bot.stop()
        await alice.send("two")
        await bot.restart()
        assert (await alice.next_message()).text == "two False"
        assert begun == ["one", "one", "two"]
        assert ended == begun


async def test_killed_at_each_step(autojump_clock: Clock) -> None:
    async with open_world() as world:
        bot = await world.bot(echo, welcome="Hello!")
        alice = await world.person()
        await alice.connect(bot.address)
        assert (await alice.next_message()).text == "Hello!"
        for steps in range(1, 30):
            bot.crash_after(steps, loses_power=steps % 2 == 0)
            await alice.send(f"{steps}")
            with trio.move_on_after(600):
                await bot.wait_ended()
            if not bot.is_running:
                await bot.start()
            answer = await alice.next_message()
            assert answer.text == f"{steps}"
            await world.advance(60)
            for again in alice.take_all():
                assert isinstance(again, IncomingMessage)
                assert again.text == f"{steps}"
        await bot.stop()
        await bot.start(crash_after=2)
        assert not bot.is_running
        await bot.crash()
        await bot.start()
        await alice.send("the end")
        assert (await alice.next_message()).text == "the end"


async def test_people_go_offline_and_routers_down(autojump_clock: Clock) -> None:
    async with open_world(routers=2) as world:
        bot = await world.bot(echo)
        alice = await world.person()
        await alice.connect(bot.address)
        began = world.now
        alice.go_offline()
        sent = await alice.send("from the tunnel")
        (to_alice,) = await bot.bot.contacts()
        await to_alice.send("into the tunnel")
        await alice.expect_nothing(within=3600)
        assert world.now - began == pytest.approx(3600)
        alice.come_back()
        heard = {(await alice.next_message()).text for _ in range(2)}
        assert heard == {"from the tunnel", "into the tunnel"}
        assert await sent.wait() is DeliveryState.DELIVERED

        world.stop_routers()
        await alice.send("nobody carries it")
        await alice.expect_nothing()
        await world.start_routers()
        assert (await alice.next_message()).text == "nobody carries it"

        assert world.trouble == Trouble()
        world.trouble = Trouble(delay=2)
        bot.interrupt_network()
        await alice.send("slowly")
        await alice.expect_nothing()
        bot.restore_network()
        assert (await alice.next_message()).text == "slowly"
        assert len(world.servers) == 2


async def test_what_runs_beside_a_bot(autojump_clock: Clock) -> None:
    async def remind(bot: Bot) -> None:
        while True:
            await trio.sleep(3600)
            for each in await bot.contacts():
                await each.send("an hour has gone by")

    async with open_world() as world:
        bot = await world.bot(main=remind)
        alice = await world.person()
        await alice.connect(bot.address)
        for _ in range(2):
            message = await alice.next_message(within=4000)
            assert message.text == "an hour has gone by"
        await bot.stop()
        await alice.expect_nothing(within=4000)
        await bot.start()
        await alice.next_message(within=4000)


async def test_what_a_program_raises_ends_the_test() -> None:
    async def fail(bot: Bot) -> None:
        await trio.lowlevel.checkpoint()
        raise LookupError("main has failed")

    async def run() -> None:
        async with open_world() as world:
            await world.bot(main=fail)
            await trio.sleep(1)

    with pytest.raises(LookupError, match="main has failed"):
        await run()
    async with open_world() as world:
        with pytest.raises(EncodeError):
            await world.bot(profile="no. way")


def failing(*, handled: bool) -> Handlers:
    handlers = Handlers()

    @handlers.on_message()
    async def fail(message: IncomingMessage) -> None:
        raise LookupError(message.text)

    if handled:

        @handlers.on_error
        async def say(message: IncomingMessage, error: Exception) -> None:
            if message.text == "worse":
                raise ValueError("and that failed too") from error
            await message.answer(f"it failed: {error}")

    return handlers


async def test_errors_of_handlers_are_not_lost(autojump_clock: Clock) -> None:
    async with open_world() as world:
        bot = await world.bot(failing(handled=True))
        alice = await world.person()
        await alice.connect(bot.address)
        await alice.send("one")
        assert (await alice.next_message()).text == "it failed: one"
        assert bot.errors == []
        # An error handler can fail, too.
        await alice.send("worse")
        await alice.send("two")
        assert (await alice.next_message()).text == "it failed: two"
        (error,) = bot.errors
        assert isinstance(error, ValueError)
        bot.errors.clear()

    async def talk(world: World) -> None:
        bot = await world.bot(failing(handled=False))
        alice = await world.person()
        await alice.connect(bot.address)
        await (await alice.send("two")).wait()

    async def wait_in_vain(world: World) -> None:
        await talk(world)
        bob = await world.person("Bob")
        await bob.next_message()

    async def divide(world: World) -> None:
        await talk(world)
        raise ZeroDivisionError

    async def take(world: World) -> None:
        await talk(world)
        (error,) = world._programs[0].errors
        assert isinstance(error, LookupError)
        world._programs[0].errors.clear()

    async def run(test: Callable[[World], Awaitable[None]]) -> None:
        async with open_world() as world:
            await test(world)

    await run(take)
    with pytest.RaisesGroup(pytest.RaisesExc(LookupError, match="two")):
        await run(talk)
    with pytest.raises(NothingHappened, match="LookupError: two"):
        await run(wait_in_vain)
    with pytest.raises(ZeroDivisionError) as caught:
        await run(divide)
    assert "LookupError: two" in caught.value.__notes__[0]


async def test_programs_that_open_bots_themselves(autojump_clock: Clock, tmp_path: Path) -> None:
    async with open_world() as world:
        for path in (None, tmp_path / "bot.db"):
            async with open_bot(
                path,
                profile="Echo",
                handlers=echo(),
                **world.options(),
            ) as bot:
                alice = await world.person("Alice")
                # The file is in the hands of a thread, for which the clock waits.
                with trio.fail_after(100):
                    await alice.connect(bot.address)
                    await alice.send("one")
                    assert (await alice.next_message()).text == "one"


async def test_files_are_put_on_a_router(autojump_clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(300_000))
    async with open_world() as world:
        bot = await world.bot()
        agent = bot.bot.agent
        file_id = await agent.send_file(path)
        with trio.fail_after(60):
            while (  # noqa: ASYNC110 - the time is virtual
                await agent.file_status(file_id)
            ).state is FileState.SENDING:
                await trio.sleep(1)
        assert (await agent.file_status(file_id)).state is FileState.SENT


async def test_no_kem_in_virtual_time(autojump_clock: Clock) -> None:
    async with open_world() as world:
        with pytest.raises(ValueError, match="pq=False"):
            await world.bot(config=DuplexConfig())
        with pytest.raises(ValueError, match="pq=False"):
            world.options(DuplexConfig())


async def test_messages_through_proxies(autojump_clock: Clock) -> None:
    config = DuplexConfig(pq=False, proxy=ProxyUse.ALWAYS)
    async with open_world(routers=2) as world:
        bot = await world.bot(echo, config=config)
        alice = await world.person(config=config)
        await alice.connect(bot.address)
        await alice.send("one")
        assert (await alice.next_message()).text == "one"


async def test_real_time_goes_by_by_itself() -> None:
    async with open_world() as world:
        with pytest.raises(RuntimeError, match="MockClock"):
            await world.advance(1)


async def test_time_can_be_advanced_by_hand(mock_clock: Clock) -> None:
    async with open_world() as world:
        began = world.now
        await world.advance(10)
        assert world.now - began == 10


async def test_no_time_goes_by_while_a_thread_works(autojump_clock: Clock) -> None:
    def work() -> None:
        for _ in range(10):
            trio.from_thread.run(trio.lowlevel.checkpoint)

    with clock_waits_for_threads(autojump_clock):
        with trio.fail_after(1):
            await trio.to_thread.run_sync(work)
        began = trio.current_time()
        await trio.sleep(1)
        assert trio.current_time() - began == 1
    assert autojump_clock.autojump_threshold == 0


async def test_one_agent_at_a_time_has_a_file(autojump_clock: Clock) -> None:
    async with open_world() as world:
        bot = await world.bot()
        with pytest.raises(StoreLocked):
            async with open_bot(bot._file, profile="Bot"):
                raise AssertionError("it was opened")


def test_people_see_everything_that_handlers_can_be_called_with() -> None:
    assert {"on_connected", "on_edited", "on_reaction", "on_profile"} < set(KINDS)
    assert {"on_invited", "on_joined", "on_member_left"} < set(GROUP_KINDS)
    handlers, _ = listening()
    assert len(handlers._others) == len(KINDS)
    assert len(handlers.groups._others) == len(GROUP_KINDS)


# --- seeds --------------------------------------------------------------------------------------


async def told(seed: object) -> list[object]:
    """What a person with little luck sees, and when."""
    seen: list[object] = []
    async with open_world(seed=seed, routers=2) as world:
        world.trouble = Trouble(refused=0.1, breaks=0.2, after_bytes=200_000, delay=0.5)
        bot = await world.bot(echo)
        people = [await world.person(name) for name in ("Alice", "Bob")]
        for person in people:
            await person.connect(bot.address, within=24 * 3600)
        bot.crash_after(20)
        for number in range(3):
            for person in people:
                await person.send(f"{number}")
        await bot.wait_ended()
        await bot.start()
        for person in people:
            for _ in range(3):
                message = await person.next_message(within=24 * 3600)
                seen.append((person.name, message.text, message.id, world.now))
    return seen


def test_a_seed_repeats_everything() -> None:
    def run(seed: object) -> list[object]:
        return trio.run(told, seed, clock=MockClock(autojump_threshold=0))

    first = run(0)
    assert run("another") != first
    program = (
        "import trio\nfrom trio.testing import MockClock\n"
        "from tests.chat.kit.test_world import told\n"
        "print(trio.run(told, 0, clock=MockClock(autojump_threshold=0)))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONUTF8": "1"},
    )
    assert elsewhere.stdout.strip() == str(first)


async def test_people_are_customers(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        desk = await world.bot(business=True)
        alice = await world.person("Alice")
        group = await alice.join(desk.address)
        assert group.business is not None
        await alice.send("hello", to=group)


async def test_who_cannot_be_connected_is_told(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A contact is offered a group, which is no answer to one who does not know businesses.
    monkeypatch.setattr(following, "business_answers", lambda *_: None)
    async with open_world() as world:
        desk = await world.bot(business=True)
        alice = await world.person("Alice")
        with pytest.raises(NothingHappened, match="Alice could not be connected"):
            await alice.connect(desk.address)
