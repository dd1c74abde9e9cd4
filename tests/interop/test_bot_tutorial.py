"""The tutorial about bots, with a chat program in place of the phone.

SIMPLEX_TRIO_CHAT is the path of the program, SIMPLEX_TRIO_ROUTER the router.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from tests.docs.test_bot_tutorial import FOLDER, SCREENS, WEATHER
from tests.interop.chat_program import open_chat_program
from tests.interop.conftest import named
from tests.interop.driver import PATIENCE
from tests.interop.test_chat import connect, plan


@asynccontextmanager
async def running_bot(router: str, folder: Path) -> AsyncIterator[str]:
    """The bot, started as the page says; gives its address."""
    command = [sys.executable, str(FOLDER / "weather.py"), router]
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(trio.run_process, command, cwd=folder, stdout=subprocess.PIPE)
        )
        assert process.stdout is not None
        shown = b""
        with trio.fail_after(PATIENCE):
            while b"\nsimplex:" not in shown or not shown.endswith(b"\n"):
                shown += await process.stdout.receive_some()
        yield shown.decode().rstrip().rpartition("\n")[2]
        process.send_signal(signal.SIGINT)


async def test_people_see_what_is_in_the_pictures(router: str, tmp_path: Path) -> None:
    name = named("SIMPLEX_TRIO_CHAT")
    async with open_chat_program(name, router, tmp_path / "program") as program:
        async with running_bot(router, tmp_path) as address:
            planned = (await plan(program, address))["contactAddressPlan"]["contactSLinkData_"]
            profile = planned["profile"]
            assert profile["displayName"] == SCREENS.NAME
            assert profile["shortDescr"] == SCREENS.DESCRIPTION
            assert profile["peerType"] == "bot"
            assert planned["message"] == {"type": "text", "text": SCREENS.WELCOME}
            commands = profile["preferences"]["commands"]
            menu = tuple((each["label"], f"/{each['keyword']}") for each in commands)
            assert menu == SCREENS.MENU

            contact = await connect(program, address)
            await program.item(SCREENS.WELCOME)
            for text, answer, quotes in (*SCREENS.ANSWERED, *SCREENS.ASKED):
                sent = await program.send(contact, text)
                item = await program.item(answer)
                assert ("quotedItem" in item) is quotes
                await program.status(sent, "sndRcvd")
            await program.send(contact, "/help")
            await program.item(WEATHER.handlers.help_text)

        # Ended with Ctrl+C, and started again.
        async with running_bot(router, tmp_path) as again:
            assert again == address
            await program.send(contact, "/weather Oslo")
            await program.item("It rains in Oslo.")
