"""Files in worlds: bots and people send and receive them in virtual time, and bots crash."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from simplex_trio.chat.files import IncomingFile
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.messages.content import File
from simplex_trio.chat.people import IncomingMessage
from simplex_trio.chat.testing.world import open_world

Clock = trio.testing.MockClock

CONTENT = b"x" * 300_000


def echo() -> Handlers:
    """Sends files back, also those whose handler a crash has interrupted."""
    handlers = Handlers()

    @handlers.on_file
    async def send_back(file: IncomingFile) -> None:
        path = await file.save()
        content = await trio.Path(path).read_bytes()
        await file.contact.send_file(content, name="back.txt", text=f"{len(content)} bytes")

    @handlers.on_message(content=File)
    async def take(message: IncomingMessage) -> None:
        assert message.file is not None
        await send_back(message.file)

    return handlers


@pytest.mark.parametrize("crash", [None, 5, 30, 60, 90, 120])
async def test_a_file_there_and_back(
    autojump_clock: Clock, tmp_path: Path, crash: int | None
) -> None:
    for name in ("bot", "alice"):
        (tmp_path / name).mkdir()
    async with open_world() as world:
        bot = await world.bot(echo, folder=tmp_path / "bot")
        alice = await world.person("Alice")
        await alice.connect(bot.address)
        if crash is not None:
            bot.crash_after(crash)
        await alice.contact.send_file(CONTENT, name="there.txt")
        await world.advance(60)
        if not bot.is_running:
            await bot.start()
        answer = await alice.next_message()
        assert answer.text == "300000 bytes"
        assert answer.file is not None
        path = await answer.file.save(tmp_path / "alice")
        assert path.name == "back.txt"
        assert path.read_bytes() == CONTENT
