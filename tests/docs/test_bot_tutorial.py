"""The tutorial about bots: its program, its test, and the pictures of what people see."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import trio

from simplex_trio import open_router
from simplex_trio.chat import Handlers, Text, open_bot
from simplex_trio.chat.testing import World
from simplex_trio.duplex import DuplexConfig

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "tutorial" / "bot"

DEADLINE = 60
"""Seconds after which something hangs that takes one or two."""


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCREENS = loaded(DOCS / "_ext" / "screens.py")
WEATHER = loaded(FOLDER / "weather.py")


@pytest.mark.parametrize("name", SCREENS.PICTURES)
def test_pictures_are_as_they_are_drawn(name: str) -> None:
    assert (DOCS / "tutorial" / f"{name}.svg").read_text() == SCREENS.drawn(name)


def test_the_menu_is_that_of_the_bot() -> None:
    shown = tuple((each.label, f"/{each.keyword}") for each in WEATHER.handlers.commands)
    assert shown == SCREENS.MENU


async def test_people_see_what_is_in_the_pictures(simplex_world: World) -> None:
    bot = await simplex_world.bot(WEATHER.handlers)
    alice = await simplex_world.person("Alice")
    await alice.connect(bot.address)
    for text, answer, quotes in (*SCREENS.ANSWERED, *SCREENS.ASKED):
        sent = await alice.send(text)
        message = await alice.next_message()
        quoted = None if message.quote is None else message.quote.content
        assert (message.text, quoted) == (answer, Text(text) if quotes else None)
        await sent.wait()
    await alice.send("/help")
    shown = (await alice.next_message()).text
    assert shown in (DOCS / "tutorial" / "bot.md").read_text()


async def test_the_test_passes(simplex_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weather", WEATHER)
    await loaded(FOLDER / "test_weather.py").test_trip(simplex_world)


@pytest.mark.skipif(os.name == "nt", reason="Ctrl+C reaches a whole group of processes there")
async def test_the_program_shows_its_address_and_ends(tmp_path: Path) -> None:
    with trio.fail_after(DEADLINE):
        async with open_router() as router, trio.open_nursery() as nursery:
            command = [sys.executable, "-u", str(FOLDER / "weather.py"), str(router.address)]
            process: trio.Process = await nursery.start(
                partial(
                    trio.run_process,
                    command,
                    cwd=tmp_path,
                    env={**os.environ, "PYTHONIOENCODING": "utf-8"},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            )
            assert process.stdout is not None
            shown = b""
            while b"\nsimplex:" not in shown or not shown.endswith(b"\n"):
                received = await process.stdout.receive_some()
                assert received, shown.decode()
                shown += received
            code, _, address = shown.decode().rstrip().rpartition("\n")
            assert "█▄▄▄█" in code
            async with open_bot(
                None,
                profile="Alice",
                handlers=Handlers(),
                servers=[router.address],
                address=False,
                config=DuplexConfig(pq=False),
            ) as alice:
                info = await alice.look(address)
            assert info.profile is not None
            assert info.profile.display_name == SCREENS.NAME
            assert info.profile.short_descr == SCREENS.DESCRIPTION
            assert info.welcome == Text(SCREENS.WELCOME)
            process.send_signal(signal.SIGINT)
            assert await process.stdout.receive_some() == b""
