"""Files, media, live and timed messages between bots and a chat program that people use.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router for queues and
SIMPLEX_TRIO_XFTP one for files; the files go over that and over a router of this package.
SIMPLEX_TRIO_LONG has a large file sent as well.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define
from PIL.Image import effect_noise

from simplex_trio.chat import (
    Allow,
    Contact,
    Content,
    DeliveryState,
    File,
    FileTakenBack,
    Handlers,
    Image,
    IncomingFile,
    IncomingMessage,
    Picture,
    Preference,
    Preferences,
    Profile,
    SentMessage,
    TimedMessages,
    Voice,
    open_bot,
)
from simplex_trio.xftp import open_xftp_router
from tests.chat.people import Person, listening
from tests.interop.chat_program import ChatProgram, open_chat_program
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE
from tests.interop.test_chat import connect
from tests.scenarios.xftp import file_in
from tests.xftp.files import same

MIB = 2**20

PROFILE = Profile(
    "Files",
    preferences=Preferences(voice=Preference(Allow.YES), timed_messages=TimedMessages(Allow.YES)),
)

PIXEL = Picture(
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWj"
    "R9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(params=["theirs", "ours"])
async def xftp(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A router for files: another program's, and this package's."""
    if request.param == "theirs":
        yield named("SIMPLEX_TRIO_XFTP")
    else:
        async with open_xftp_router() as own:
            yield str(own.address)


@define(eq=False)
class Both:
    """A bot and the program, connected with each other."""

    bot: Person
    program: ChatProgram
    to_program: Contact
    contact_id: int
    folder: Path

    @property
    def inbox(self) -> Path:
        """Where the bot puts files."""
        return self.folder / "inbox"


@asynccontextmanager
async def open_both(
    router: str, xftp: str, folder: Path, handlers: Handlers | None = None
) -> AsyncIterator[Both]:
    """A bot and the program, which are connected."""
    table, told = listening()
    if handlers is not None:
        handlers.include(table)
    await trio.Path(folder / "inbox").mkdir(exist_ok=True)
    async with (
        open_chat_program(
            named("SIMPLEX_TRIO_CHAT"), router, folder / "program", xftp=xftp
        ) as program,
        open_bot(
            folder / "bot.db",
            profile=PROFILE,
            handlers=handlers or table,
            servers=[router],
            xftp_servers=[xftp],
            folder=folder / "inbox",
        ) as opened,
    ):
        bot = Person(opened, told)
        await opened.agent.drain()
        contact_id = await connect(program, opened.address)
        yield Both(bot, program, await bot.next(Contact), contact_id, folder)


# --- files --------------------------------------------------------------------------------------

SIZES = [1, MIB, *([100 * MIB] if os.environ.get("SIMPLEX_TRIO_LONG") else [])]


@pytest.mark.parametrize("size", SIZES)
async def test_files_in_both_directions(router: str, xftp: str, tmp_path: Path, size: int) -> None:
    async with open_both(router, xftp, tmp_path) as both:
        path = file_in(tmp_path, size)

        async def send() -> SentMessage:
            return await both.to_program.send_file(path, name="from the bot.bin", text="for you")

        await _sent_to_program(both, send, path, "from the bot.bin")
        shown = {"type": "file", "text": "for the bot"}
        assert await _sent_to_bot(both, path, shown) == File("for the bot")


@pytest.mark.parametrize("size", SIZES)
async def test_images_in_both_directions(router: str, xftp: str, tmp_path: Path, size: int) -> None:
    async with open_both(router, xftp, tmp_path) as both:
        path = file_in(tmp_path, size)

        async def send() -> SentMessage:
            return await both.to_program.send_image(path, thumbnail=PIXEL, text="for you")

        item = await _sent_to_program(both, send, path, path.name)
        assert item["content"]["msgContent"]["image"] == PIXEL.uri
        shown = {"type": "image", "text": "for the bot", "image": PIXEL.uri}
        assert await _sent_to_bot(both, path, shown) == Image(PIXEL, "for the bot")


async def _sent_to_program(
    both: Both, send: Callable[[], Awaitable[SentMessage]], path: Path, name: str
) -> dict[str, Any]:
    """The bot sends a file with the text ``for you``, and the program receives it."""
    size = (await trio.Path(path).stat()).st_size
    both.program.patience = 10 * PATIENCE
    steps: list[int] = []
    sent = await send()
    item = await both.program.item("for you")
    assert (item["file"]["fileName"], item["file"]["fileSize"]) == (name, size)
    with trio.fail_after(10 * PATIENCE):
        reached = await sent.wait(on_progress=lambda progress: steps.append(progress.done))
    assert reached is DeliveryState.DELIVERED
    assert steps == sorted(steps)
    there = both.folder / "received"
    await both.program.receive(item, there)
    assert same(there, path)
    return item


async def _sent_to_bot(both: Both, path: Path, content: dict[str, Any]) -> Content:
    """The program sends a file, and the bot receives it."""
    await both.program.send_file(both.contact_id, path, content)
    message = await both.bot.next(IncomingMessage)
    assert message.file is not None
    assert message.file.size == (await trio.Path(path).stat()).st_size
    with trio.fail_after(10 * PATIENCE):
        here = await message.file.save()
    assert here == both.inbox / path.name
    assert same(here, path)
    return message.content


def noise() -> bytes:
    """A picture that is too large to be its own thumbnail."""
    file = io.BytesIO()
    effect_noise((300, 200), 80).save(file, "PNG")
    return file.getvalue()


async def test_an_image_and_a_voice_message_in_both_directions(
    router: str, xftp: str, tmp_path: Path
) -> None:
    async with open_both(router, xftp, tmp_path) as both:
        program = both.program
        picture = noise()
        sent = await both.to_program.send_image(picture, text="noise")
        item = await program.item("noise")
        content = item["content"]["msgContent"]
        assert content["type"] == "image"
        assert content["image"].startswith("data:image/jpg;base64,")
        await program.receive(item, tmp_path / "image")
        assert await trio.Path(tmp_path / "image").read_bytes() == picture
        assert sent.content == Image(Picture(content["image"]), "noise")
        assert item["file"]["fileName"] == "image.png"

        await both.to_program.send_voice(b"not really AAC", duration=7)
        item = await program.item("")
        content = item["content"]["msgContent"]
        assert (content["type"], content["duration"]) == ("voice", 7)
        await program.receive(item, tmp_path / "voice")

        path = tmp_path / "noise.png"
        await trio.Path(path).write_bytes(picture)
        shown = {"type": "image", "text": "look", "image": PIXEL.uri}
        await program.send_file(both.contact_id, path, shown)
        message = await both.bot.next(IncomingMessage)
        assert message.content == Image(PIXEL, "look")
        assert message.file is not None
        assert await message.file.read() == picture

        spoken = {"type": "voice", "text": "", "duration": 3}
        await program.send_file(both.contact_id, path, spoken)
        message = await both.bot.next(IncomingMessage)
        assert message.content == Voice(3)
        assert message.file is not None
        assert await message.file.read() == picture


async def test_handlers_wait_for_files_while_the_person_goes_on(
    router: str, xftp: str, tmp_path: Path
) -> None:
    handlers = Handlers()

    @handlers.on_message(content=File)
    async def take(message: IncomingMessage) -> None:
        assert message.file is not None
        path = await message.file.save()
        await message.reply(f"got {path.name}")

    async with open_both(router, xftp, tmp_path, handlers) as both:
        program, path = both.program, file_in(tmp_path, 5 * MIB)
        item = await program.send_file(both.contact_id, path, {"type": "file", "text": ""})
        await program.send(both.contact_id, "meanwhile")
        assert (await both.bot.next(IncomingMessage)).text == "meanwhile"
        answered = await program.item(f"got {path.name}")
        assert answered["quotedItem"]["itemId"] == item["meta"]["itemId"]
        assert same(both.inbox / path.name, path)


async def test_files_are_taken_back(router: str, xftp: str, tmp_path: Path) -> None:
    async with open_both(router, xftp, tmp_path) as both:
        program, path = both.program, file_in(tmp_path, MIB)
        sent = await both.to_program.send_file(path, text="take it")
        await program.item("take it")
        await sent.take_file_back()
        cancelled = await program.event("rcvFileSndCancelled")
        assert cancelled["chatItem"]["chatItem"]["content"]["msgContent"]["text"] == "take it"

        item = await program.send_file(both.contact_id, path, {"type": "file", "text": "mine"})
        message = await both.bot.next(IncomingMessage)
        await program.command(f"/fc {item['file']['fileId']}")
        assert message.file is not None
        with trio.fail_after(PATIENCE), pytest.raises(FileTakenBack):
            await message.file.save()


async def test_a_transfer_outlives_restarts(router: str, xftp: str, tmp_path: Path) -> None:
    path = file_in(tmp_path, 3 * MIB)
    await trio.Path(tmp_path / "inbox").mkdir()
    files: list[IncomingFile] = []
    arrived = trio.Event()
    handlers = Handlers()

    @handlers.on_file
    async def note(file: IncomingFile) -> None:
        files.append(file)
        arrived.set()

    table, told = listening()
    handlers.include(table)

    @asynccontextmanager
    async def bot() -> AsyncIterator[Person]:
        async with open_bot(
            tmp_path / "bot.db",
            profile=PROFILE,
            handlers=handlers,
            servers=[router],
            xftp_servers=[xftp],
            folder=tmp_path / "inbox",
            receive_up_to=10 * MIB,
        ) as opened:
            yield Person(opened, told)

    async with open_chat_program(
        named("SIMPLEX_TRIO_CHAT"), router, tmp_path / "program", xftp=xftp
    ) as program:
        async with bot() as person:
            await person.bot.agent.drain()
            contact_id = await connect(program, person.bot.address)
            contact = await person.next(Contact)
            await contact.send_file(path, text="sent before the restart")
        item = await program.send_file(contact_id, path, {"type": "file", "text": "while away"})
        async with bot():
            shown = await program.item("sent before the restart")
            await program.receive(shown, tmp_path / "received")
            assert same(tmp_path / "received", path)
            await program.status(item, "sndRcvd")
        async with bot():
            with trio.fail_after(PATIENCE):
                await arrived.wait()
            (file,) = files
            assert file.path is not None
            assert same(file.path, path)


# --- live and timed messages --------------------------------------------------------------------


async def test_a_live_message(router: str, tmp_path: Path) -> None:
    async with open_both(router, named("SIMPLEX_TRIO_XFTP"), tmp_path) as both:
        program = both.program
        words = [f"word{number} " for number in range(50)]
        async with both.to_program.live(pace=0.5) as live:
            for word in words:
                await live.write(word)
                await trio.sleep(0.02)
        whole = "".join(words)
        first = (await program.event("newChatItems", lambda event: "word0" in json.dumps(event)))[
            "chatItems"
        ][0]["chatItem"]
        assert first["meta"]["itemLive"] is True

        def is_whole(event: dict[str, Any]) -> bool:
            content = event["chatItem"]["chatItem"]["content"]
            return bool(content["msgContent"]["text"] == whole)

        last = await program.event("chatItemUpdated", is_whole)
        assert not last["chatItem"]["chatItem"]["meta"].get("itemLive")
        updates = [each for each in program._events if each["type"] == "chatItemUpdated"]
        assert len(updates) < 8


async def test_timed_messages(router: str, tmp_path: Path) -> None:
    async with open_both(router, named("SIMPLEX_TRIO_XFTP"), tmp_path) as both:
        program = both.program
        sent = await both.to_program.send("for a moment", ttl=2)
        item = await program.item("for a moment")
        assert item["meta"]["itemTimed"]["ttl"] == 2
        await program.command(f"/_read chat items @{both.contact_id} {item['meta']['itemId']}")
        deleted = await program.event("chatItemsDeleted")
        assert deleted["timed"]
        core = both.bot.bot._core
        with trio.fail_after(PATIENCE):
            while await core.step(  # noqa: ASYNC110 - nothing tells of it
                lambda store: store.sent_as(both.to_program.id, sent.id)
            ):
                await trio.sleep(0.2)
        message = [{"msgContent": {"type": "text", "text": "timed"}, "mentions": {}}]
        await program.command(f"/_send @{both.contact_id} ttl=60 json {json.dumps(message)}")
        assert (await both.bot.next(IncomingMessage)).ttl == 60
