"""Talks with the first program of README; run by a Python that has the package and nothing else.

``person.py FILE``: runs the program in FILE with the address of a router of its own in place of the
one that README leaves open, opens the link that it prints, and says what it was answered.
"""

import re
import signal
import subprocess
import sys
from functools import partial
from typing import Any

import trio

from simplex_trio import open_router
from simplex_trio.chat import Contact, Handlers, IncomingMessage, open_bot

PLACEHOLDER = "smp://...@smp.example.com"


async def printed_link(process: trio.Process) -> str:
    assert process.stdout is not None
    shown = b""
    while not shown.endswith(b"\n"):
        shown += await process.stdout.receive_some()
    found = re.search(r"(simplex:|https:)/\S+", shown.decode())
    assert found, shown
    return found[0]


async def talk(link: str, router: str) -> None:
    handlers, connected = Handlers(), trio.Event()
    send_answer, answers = trio.open_memory_channel[str](8)

    @handlers.on_connected
    async def note(contact: Contact) -> None:
        connected.set()

    @handlers.on_message()
    async def listen(message: IncomingMessage) -> None:
        await send_answer.send(message.text)

    options: dict[str, Any] = {"handlers": handlers, "servers": [router], "address": False}
    async with open_bot(None, profile="Newcomer", **options) as person:
        contact = await person.connect(link)
        await connected.wait()
        for text in ("/trip", "Bergen"):
            await contact.send(text)
            print(await answers.receive())
        [connection] = await person.agent.connections()
        print("post-quantum:", (await person.agent.status(connection)).pq)


async def main(path: trio.Path) -> None:
    program = await path.read_text(encoding="utf-8")
    assert PLACEHOLDER in program
    async with open_router() as router, trio.open_nursery() as nursery:
        await path.write_text(program.replace(PLACEHOLDER, str(router.address)), encoding="utf-8")
        command = [sys.executable, "-u", str(path)]
        run = partial(trio.run_process, command, stdout=subprocess.PIPE, check=False)
        process: trio.Process = await nursery.start(run)
        with trio.fail_after(120):
            await talk(await printed_link(process), str(router.address))
            process.send_signal(signal.SIGINT)


if __name__ == "__main__":
    trio.run(main, trio.Path(sys.argv[1]))
