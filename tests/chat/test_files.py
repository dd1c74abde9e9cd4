"""Files that bots and people send each other, over routers in virtual time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from attrs import define, evolve
from PIL.Image import effect_noise

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.errors import (
    ApprovalNeeded,
    FileNotReceived,
    FileTakenBack,
    NotAllowed,
    UnknownContact,
)
from simplex_trio.chat.files import IncomingFile
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine import receiving_files
from simplex_trio.chat.machine.file_records import MAX_FILES, FileState, FileStore
from simplex_trio.chat.machine.outgoing import say
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import File, Image, Text, Video, Voice
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XFileCancel, XMsgFileDescr, XMsgNew
from simplex_trio.chat.messages.files import FileDescr, FileInvitation
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.messages.preferences import Allow, Preference, Preferences
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.opening import open_bot
from simplex_trio.chat.people import Contact, IncomingMessage
from simplex_trio.duplex.errors import NoServers
from simplex_trio.duplex.file_events import FileProblem
from simplex_trio.errors import EncodeError, StoreUnavailable
from simplex_trio.xftp.errors import FileTooLarge
from simplex_trio.xftp.files.progress import Phase, Progress

from .files import World, open_world
from .people import Person, listening, open_quiet_bot

Clock = trio.testing.MockClock

CONTENT = Random(3).randbytes(150_000)
"""Of a file in three packets."""

PIXEL = Picture("data:image/png;base64,iVBORw0KGgo=")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "received"
    found.mkdir()
    return found


@define(eq=False)
class Pair:
    """A bot and a person, who are connected."""

    world: World
    bot: Bot
    alice: Person
    to_bot: Contact
    to_alice: Contact

    async def offered(self, content: bytes = CONTENT, **options: Any) -> None:
        await self.to_bot.send_file(content, **options)


@asynccontextmanager
async def open_pair(
    tmp_path: Path, handlers: Handlers, *, takes_files: bool = True, **options: Any
) -> AsyncIterator[Pair]:
    """Alice, who is connected with a bot."""
    profile = Profile("Bot", preferences=Preferences() if takes_files else None)
    async with open_world(tmp_path) as world:
        own = world.options() | {"handlers": handlers} | options
        async with open_quiet_bot(world.quiet, profile, **own) as bot, world.person("Al") as alice:
            to_bot = await alice.connect(bot.address)
            (to_alice,) = await bot.contacts()
            yield Pair(world, bot, alice, to_bot, to_alice)


async def say_to(contact: Contact, event: Event, msg_id: bytes) -> None:
    """Send what no program of this package would."""
    core = contact._core

    def decide(store: Store) -> None:
        record = store.contact(contact.id)
        assert record is not None
        say(store, record, event, msg_id)

    await core.step(decide)


def announced(name: str = "a", size: int = 10) -> XMsgNew:
    return XMsgNew(File(""), file=FileInvitation.announcing(name, size))


# --- both ways ----------------------------------------------------------------------------------


async def test_a_file_is_sent_and_saved_in_the_middle_of_a_handler(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    handlers = Handlers()
    shown: list[Progress] = []

    @handlers.on_message(content=File)
    async def take(message: IncomingMessage) -> None:
        assert message.file is not None
        assert (message.file.name, message.file.size) == ("notes.txt", len(CONTENT))
        assert message.file.media_type == "text/plain"
        path = await message.file.save(folder, on_progress=shown.append)
        assert path == folder / "notes.txt"
        assert path.read_bytes() == CONTENT
        answer = await message.ask("what is it?")
        await answer.reply(f"{message.text}: {answer.text}")
        assert await message.contact.files() == []

    async with open_pair(tmp_path, handlers) as pair:
        path = tmp_path / "notes.txt"
        path.write_bytes(CONTENT)
        mine: list[Progress] = []
        sent = await pair.to_bot.send_file(path, text="my notes")
        assert await sent.wait(on_progress=mine.append) is DeliveryState.DELIVERED
        assert (await pair.alice.next(IncomingMessage)).text == "what is it?"
        await pair.to_bot.send("a list")
        assert (await pair.alice.next(IncomingMessage)).text == "my notes: a list"
        assert {each.phase for each in mine} == {Phase.UPLOADING}
        assert {each.phase for each in shown} == {Phase.DOWNLOADING}
        assert mine[-1].done == mine[-1].total == shown[-1].total >= len(CONTENT)


async def test_each_kind_of_content_comes_with_its_file(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    handlers, told = listening()
    async with open_pair(tmp_path, handlers) as pair:
        to_bot = pair.to_bot
        await to_bot.send_file(b"f", text="a file")
        await to_bot.send_image(b"i", thumbnail=PIXEL, text="an image")
        await to_bot.send_voice(b"v", duration=3)
        await to_bot.send_video(b"w", duration=4, thumbnail=PIXEL, name="w.mov", quote=None)
        found: list[IncomingMessage] = []
        read: list[bytes] = []
        async for each in told:
            if isinstance(each, IncomingMessage):
                found.append(each)
                assert each.file is not None
                read.append(await each.file.read())
            if len(found) == 4:
                break
        assert read == [b"f", b"i", b"v", b"w"]
        assert [each.content for each in found] == [
            File("a file"),
            Image(PIXEL, "an image"),
            Voice(3),
            Video(PIXEL, 4),
        ]
        names = [each.file.name for each in found if each.file]
        assert names == ["file", "image.jpg", "voice.m4a", "w.mov"]
        # What was sent from memory is not left anywhere.
        await trio.sleep(1)
        assert os.listdir(pair.alice.bot._core.copies._made()) == []


async def test_a_thumbnail_is_made(autojump_clock: Clock, tmp_path: Path) -> None:
    handlers, told = listening()
    path = tmp_path / "noise.png"
    effect_noise((400, 300), 80).save(path)
    async with open_pair(tmp_path, handlers) as pair:
        await pair.to_bot.send_image(path, text="noise")
        async for each in told:
            if isinstance(each, IncomingMessage):
                assert isinstance(each.content, Image)
                assert each.content.image.media_type == "image/jpg"
                assert len(each.content.image.uri) <= 14_000
                assert each.file is not None
                assert (each.file.name, each.file.media_type) == ("noise.png", "image/png")
                break
        with pytest.raises(ValueError, match="not a PNG"):
            await pair.to_bot.send_image(b"no picture")
        assert len(await pair.alice.bot.agent.files()) == 1


async def test_messages_that_come_between_a_file_and_its_description(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    """A handler that waits for a file does not hold up what the contact says meanwhile."""
    handlers = Handlers()
    done: list[str] = []

    @handlers.on_message(content=File)
    async def take(message: IncomingMessage) -> None:
        assert message.file is not None
        done.append(f"wants {message.file.name}")
        await message.file.save(folder)
        done.append(f"has {message.file.name}")

    @handlers.on_message()
    async def text(message: IncomingMessage) -> None:
        done.append(f"begins {message.text}")
        await trio.sleep(10)
        done.append(f"ends {message.text}")

    async with open_pair(tmp_path, handlers) as pair:
        pair.world.xftp[0].is_up = False
        await pair.offered(name="one")
        await pair.offered(name="two")
        await pair.to_bot.send("hello")
        await trio.sleep(5)
        assert done == ["wants one", "wants two", "begins hello"]
        pair.world.xftp[0].is_up = True
        await trio.sleep(4)
        # The handlers of files go on one after the other, when it is their turn again.
        assert done == ["wants one", "wants two", "begins hello"]
        await trio.sleep(60)
        assert done[3:] in (
            ["ends hello", "has one", "has two"],
            ["ends hello", "has two", "has one"],
        )
        await pair.to_bot.send("again")
        await trio.sleep(20)
        assert done[-2:] == ["begins again", "ends again"]


async def test_a_save_that_is_cancelled_leaves_the_file_to_others(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    handlers, _ = listening()
    files: list[IncomingFile] = []
    steps: list[str] = []

    own = Handlers()

    @own.on_message(content=File)
    async def take(message: IncomingMessage) -> None:
        assert message.file is not None
        with trio.move_on_after(30) as scope:
            await message.file.save(folder)
        assert scope.cancelled_caught
        steps.append("gave up")

    @own.on_file
    async def found(file: IncomingFile) -> None:
        assert file.path is not None
        assert await file.save() == file.path
        files.append(file)

    own.include(handlers)
    async with open_pair(tmp_path, own) as pair:
        pair.world.xftp[0].is_up = False
        await pair.offered(name="late")
        await trio.sleep(60)
        assert steps == ["gave up"]
        (known,) = await pair.to_alice.files()
        assert known.state is FileState.WANTED
        pair.world.xftp[0].is_up = True
        await trio.sleep(60)
        (file,) = files
        assert (file.state, file.path) == (FileState.RECEIVED, folder / "late")
        assert file.contact.id == pair.to_alice.id
        assert (folder / "late").read_bytes() == CONTENT
        assert await pair.to_alice.files() == []


async def test_a_file_can_be_saved_after_its_handler(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers, folder=folder) as pair:
        await pair.offered(name="later")
        await trio.sleep(60)
        (file,) = await pair.to_alice.files()
        assert file.state is FileState.OFFERED
        assert await file.save() == folder / "later"
        with pytest.raises(FileNotReceived):
            await file.save()
        await pair.offered(name="../later")
        await trio.sleep(60)
        (file,) = await pair.to_alice.files()
        assert await file.save() == folder / "later_1"
        await pair.offered(name="unwanted")
        await trio.sleep(60)
        (file,) = await pair.to_alice.files()
        with pytest.raises(StoreUnavailable):
            await file.save(folder / "missing" / "x")
        await file.refuse()
        assert await pair.to_alice.files() == []
        with pytest.raises(FileNotReceived):
            await file.save()


async def test_small_files_are_received_without_asking(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    handlers = Handlers()
    files: list[IncomingFile] = []

    @handlers.on_file
    async def found(file: IncomingFile) -> None:
        files.append(file)

    options = {"folder": folder, "receive_up_to": 1000}
    async with open_pair(tmp_path, handlers, takes_files=False, **options) as pair:
        await pair.offered(b"small", name="small")
        await pair.offered(bytes(1001), name="large")
        await trio.sleep(60)
        (file,) = files
        assert file.path == folder / "small"
        assert file.path.read_bytes() == b"small"
        (large,) = await pair.to_alice.files()
        assert large.name == "large"


async def test_receiving_without_asking_needs_a_folder() -> None:
    with pytest.raises(ValueError, match="a folder"):
        async with open_bot(None, profile="x", receive_up_to=1):
            pass


# --- refusing -----------------------------------------------------------------------------------


async def test_what_is_not_allowed_is_not_sent(autojump_clock: Clock, tmp_path: Path) -> None:
    strict = Preferences(files=Preference(Allow.NO), voice=Preference(Allow.NO))
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        profile = Profile("Bo", peer_type=PeerType.HUMAN, preferences=strict)
        async with open_quiet_bot(
            pair.world.quiet, profile, address=False, **pair.world.options()
        ) as bo:
            await bo.connect(pair.bot.address)
            await trio.sleep(10)
            (to_bo,) = [each for each in await pair.bot.contacts() if each.name == "Bo"]
            with pytest.raises(NotAllowed):
                await to_bo.send_file(b"x")
            with pytest.raises(NotAllowed):
                await to_bo.send_voice(b"x", duration=1)
        with pytest.raises(EncodeError):
            await pair.to_alice.send_file(b"")
        with pytest.raises(StoreUnavailable):
            await pair.to_alice.send_file(tmp_path / "missing")
        await pair.to_alice.delete()
        with pytest.raises(UnknownContact):
            await pair.to_alice.send_file(b"x")
        assert await pair.bot.agent.files() == []
        assert os.listdir(pair.bot._core.copies._made()) == []


async def test_an_agent_without_routers_for_files(autojump_clock: Clock, tmp_path: Path) -> None:
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers, changes={}) as pair:
        with pytest.raises(NoServers):
            await pair.to_alice.send_file(b"x")


async def test_sizes_that_are_not_wanted(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        await pair.offered(name="a")
        await trio.sleep(60)
        (file,) = await pair.to_alice.files()
        with pytest.raises(FileTooLarge):
            await file.save(folder, max_size=149_999)
        with pytest.raises(FileTooLarge):
            await file.read(max_size=149_999)
        with pytest.raises(ValueError, match="no folder"):
            await file.save()
        await file.save(folder, max_size=150_000)


async def test_routers_are_approved(autojump_clock: Clock, tmp_path: Path, folder: Path) -> None:
    handlers, _ = listening()
    async with open_world(tmp_path, 2) as world:
        ours = {"changes": {"files": world.files(servers=[world.xftp[1].address])}}
        theirs = {"changes": {"files": world.files(servers=[world.xftp[0].address])}}
        profile = Profile("Bot", preferences=Preferences())
        async with (
            open_quiet_bot(world.quiet, profile, handlers=handlers, **ours) as bot,
            world.person("Alice", **theirs) as alice,
        ):
            to_bot = await alice.connect(bot.address)
            for name in ("one", "two", "three"):
                await to_bot.send_file(CONTENT, name=name)
            await trio.sleep(60)
            (contact,) = await bot.contacts()
            one, two, three = await contact.files()
            with pytest.raises(ApprovalNeeded) as caught:
                await one.save(folder)
            assert caught.value.servers == (world.xftp[0].address,)
            assert "r0.test" not in str(caught.value)
            with pytest.raises(ApprovalNeeded):
                await one.save(folder)
            (again, *_) = await contact.files()
            assert again.state is FileState.ASKING
            assert (await again.save(folder, approve=True)).read_bytes() == CONTENT
            assert (await two.save(folder, approve=True)).read_bytes() == CONTENT
            with pytest.raises(ApprovalNeeded):
                await three.save(folder)
            await three.refuse()
            assert await contact.files() == []
            await bot.agent.drain()
            assert await bot.agent.files() == []


# --- taking back --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["takes the file back", "deletes the message", "leaves"])
async def test_a_file_is_taken_back_while_it_is_waited_for(
    autojump_clock: Clock, tmp_path: Path, folder: Path, how: str
) -> None:
    handlers = Handlers()
    outcomes: list[type[Exception]] = []

    @handlers.on_message(content=File)
    async def take(message: IncomingMessage) -> None:
        assert message.file is not None
        try:
            await message.file.save(folder)
        except FileNotReceived as exc:
            outcomes.append(type(exc))

    async with open_pair(tmp_path, handlers) as pair:
        pair.world.xftp[0].is_up = False
        sent = await pair.to_bot.send_file(CONTENT)
        await trio.sleep(20)
        if how == "leaves":
            await pair.to_bot.delete()
        elif how == "deletes the message":
            await sent.delete()
        else:
            await sent.take_file_back()
            assert await sent.wait() is DeliveryState.FAILED
            assert await sent.file_problem() is None
        await trio.sleep(20)
        assert outcomes == [FileTakenBack]
        assert await pair.to_alice.files() == []
        assert await pair.alice.bot.agent.files() == []
        pair.world.xftp[0].is_up = True
        await trio.sleep(100)
        assert os.listdir(folder) == []
        await trio.sleep(60)
        assert os.listdir(pair.alice.bot._core.copies._made()) == []


async def test_a_file_is_taken_back_after_it_was_sent(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        sent = await pair.to_bot.send_file(CONTENT)
        assert await sent.wait() is DeliveryState.DELIVERED
        assert pair.world.xftp[0].bodies
        await sent.take_file_back()
        await trio.sleep(60)
        assert not pair.world.xftp[0].bodies
        (file,) = await pair.to_alice.files()
        assert file.state is FileState.TAKEN_BACK
        with pytest.raises(FileTakenBack):
            await file.save(folder)


async def test_a_file_that_cannot_be_sent(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        path = tmp_path / "changing"
        path.write_bytes(CONTENT)
        pair.world.xftp[0].is_up = False
        sent = await pair.to_bot.send_file(path)
        assert await sent.wait(DeliveryState.STORED) is DeliveryState.STORED
        path.write_bytes(CONTENT[::-1][:100])
        pair.world.xftp[0].is_up = True
        assert await sent.wait() is DeliveryState.FAILED
        assert await sent.file_problem() is FileProblem.CHANGED
        await trio.sleep(60)
        (file,) = await pair.to_alice.files()
        assert file.state is FileState.TAKEN_BACK


async def test_a_file_that_is_not_there_any_more(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        await pair.offered()
        await trio.sleep(60)
        pair.world.xftp[0].packets.clear()
        (file,) = await pair.to_alice.files()
        with pytest.raises(FileNotReceived) as caught:
            await file.save(folder)
        assert caught.value.problem is FileProblem.GONE


# --- what contacts may say ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "C:\\boot.ini", "a\0b\x1b[2J\n", "\u202egpj.exe", "", "."],
)
async def test_names_that_are_something_else(
    autojump_clock: Clock, tmp_path: Path, folder: Path, name: str
) -> None:
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        sent = await pair.to_bot.send_file(b"content", name="harmless")
        await sent.wait()
        (file,) = await pair.to_alice.files()
        file = evolve(file, record=evolve(file._record, name=name))
        path = await file.save(folder)
        assert path.parent == folder
        assert path.name == file.name
        assert path.read_bytes() == b"content"
        await say_to(pair.to_bot, announced(name), b"other")
        await trio.sleep(1)
        (announced_only,) = await pair.to_alice.files()
        assert announced_only.name == file.name


DESCRIPTIONS = {
    "no description": ([FileDescr("nonsense", 1, True)], FileProblem.DAMAGED),
    "a gap": ([FileDescr("a", 1, False), FileDescr("b", 3, True)], FileProblem.DAMAGED),
    "not the first": ([FileDescr("b", 2, True)], FileProblem.DAMAGED),
    "repeated": ([FileDescr("a", 1, False), FileDescr("a", 1, False)], FileProblem.DAMAGED),
    "endless": ([FileDescr("a" * 13_000, n + 1, False) for n in range(9)], FileProblem.DAMAGED),
}


@pytest.mark.parametrize("case", list(DESCRIPTIONS))
async def test_descriptions_that_make_no_sense(
    autojump_clock: Clock, tmp_path: Path, folder: Path, case: str
) -> None:
    parts, problem = DESCRIPTIONS[case]
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        await say_to(pair.to_bot, announced(), b"message")
        for part in parts:
            await say_to(pair.to_bot, XMsgFileDescr(b"message", part), b"part")
        await say_to(pair.to_bot, XMsgFileDescr(b"unknown", parts[0]), b"part")
        await say_to(pair.to_bot, XFileCancel(b"unknown"), b"cancel")
        await pair.to_bot.send("the bot goes on")
        await trio.sleep(60)
        (file,) = await pair.to_alice.files()
        with pytest.raises(FileNotReceived) as caught:
            await file.save(folder)
        assert caught.value.problem is problem
        heard = await pair.bot._core.step(lambda store: store.notices(), durable=False)
        assert heard == []


async def test_a_description_of_more_than_was_announced(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        await pair.offered(bytes(3_000_000))
        await trio.sleep(60)
        (file,) = await pair.to_alice.files()
        core = pair.bot._core

        def lie(store: Store) -> None:
            FileStore(store).put(evolve(file._record, size=10, parts=1, is_described=True))

        await core.step(lie)
        (file,) = await pair.to_alice.files()
        with pytest.raises(FileNotReceived) as caught:
            await file.save(folder, max_size=10)
        assert caught.value.problem is FileProblem.TOO_LARGE


async def test_a_description_in_the_message_itself(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        await pair.offered(b"content")
        await trio.sleep(60)
        (file,) = await pair.to_alice.files()
        text = await pair.bot._core.step(
            lambda store: FileStore(store).description(file._record), durable=False
        )
        invitation = FileInvitation("inside", 7, FileDescr(text, 0, True))
        await say_to(pair.to_bot, XMsgNew(Text("x"), file=invitation), b"inside")
        await trio.sleep(60)
        _, inside = await pair.to_alice.files()
        assert (await inside.save(folder)).read_bytes() == b"content"


async def test_files_that_cannot_be_received_are_no_files(
    autojump_clock: Clock, tmp_path: Path
) -> None:
    """Those of before XFTP, and those that no description can refer to."""
    handlers, told = listening()
    async with open_pair(tmp_path, handlers) as pair:
        old = XMsgNew(Text("old"), file=FileInvitation("old", 10))
        await say_to(pair.to_bot, old, b"old")
        await trio.sleep(10)
        assert await pair.to_alice.files() == []
        async for each in told:
            if isinstance(each, IncomingMessage):
                assert (each.text, each.file) == ("old", None)
                break


@pytest.mark.parametrize("ttl", [-(2**63), -1, 0, 2**63 - 1])
async def test_times_that_make_no_sense(autojump_clock: Clock, tmp_path: Path, ttl: int) -> None:
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        await say_to(pair.to_bot, evolve(announced(), ttl=ttl), b"timed")
        await trio.sleep(60)
        assert len(await pair.to_alice.files()) == (ttl > 0)
        assert await (await pair.to_bot.send("it goes on")).wait() is DeliveryState.DELIVERED


async def test_a_flood_of_files_is_bounded(
    autojump_clock: Clock, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving_files, "KEPT_WITHIN", 3600)
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        first = b"message 0"
        for number in range(MAX_FILES + 3):
            await say_to(pair.to_bot, announced(str(number)), b"message %d" % number)
        await trio.sleep(60)
        known = await pair.to_alice.files()
        assert len(known) == MAX_FILES
        assert first not in [each.message_id for each in known]
        outcomes: list[FileProblem | None] = []

        async def wait_for(file: IncomingFile) -> None:
            try:
                await file.save(folder)
            except FileNotReceived as exc:
                outcomes.append(exc.problem)

        async with trio.open_nursery() as nursery:
            for each in known:
                nursery.start_soon(wait_for, each)
            await trio.sleep(1)
            await say_to(pair.to_bot, announced("one more"), b"one more")
            await trio.sleep(60)
            assert len(await pair.to_alice.files()) == MAX_FILES
            # Nothing more comes of them, which is noticed once routers would have forgotten them.
            await trio.sleep(2.5 * 3600)
        assert outcomes == [FileProblem.EXPIRED] * MAX_FILES
        assert await pair.to_alice.files() == []


async def test_unwanted_files_are_forgotten(
    autojump_clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving_files, "KEPT_WITHIN", 2 * 3600)
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        await pair.offered(b"x")
        await trio.sleep(1.5 * 3600)
        assert len(await pair.to_alice.files()) == 1
        await trio.sleep(2 * 3600)
        assert await pair.to_alice.files() == []
        kept = pair.bot.agent.transact(partial(_parts_left))
        assert await kept == 0


async def test_files_disappear_with_their_messages(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        await pair.offered(b"x", name="short", ttl=60)
        await pair.offered(b"x", name="wanted", ttl=60)
        await pair.offered(b"x", name="long")
        await trio.sleep(30)
        _, wanted, _ = await pair.to_alice.files()
        assert await wanted.save(folder) == folder / "wanted"
        assert [each.name for each in await pair.to_alice.files()] == ["short", "long"]
        await trio.sleep(60)
        assert [each.name for each in await pair.to_alice.files()] == ["long"]
        assert (folder / "wanted").read_bytes() == b"x"


def _parts_left(t: Any) -> int:
    return int(t.kept.count(".chat.file-parts"))


async def test_a_description_in_several_parts(
    autojump_clock: Clock, tmp_path: Path, folder: Path
) -> None:
    """As those of files of some hundred megabytes have; here the parts are small."""
    handlers, _ = listening()
    async with open_pair(tmp_path, handlers) as pair:
        await pair.offered()
        await trio.sleep(60)
        (file,) = await pair.to_alice.files()
        text = await pair.bot._core.step(
            lambda store: FileStore(store).description(file._record), durable=False
        )
        await say_to(pair.to_bot, announced("parts", len(CONTENT)), b"parts")
        third = len(text) // 3 + 1
        for number in range(3):
            part = FileDescr(text[number * third :][:third], number + 1, number == 2)
            await say_to(pair.to_bot, XMsgFileDescr(b"parts", part), b"%d" % number)
            await pair.to_bot.send("something between")
        await trio.sleep(60)
        _, parts = await pair.to_alice.files()
        assert (await parts.save(folder)).read_bytes() == CONTENT
