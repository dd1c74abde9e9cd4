"""A chat program in another process, driven through the WebSocket that it serves on this machine.

CONTRIBUTING.md says which options and commands of it the scenarios use.
"""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import struct
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from tests.interop.driver import PATIENCE

_NOWHERE = f"xftp://{'A' * 43}=@127.0.0.1:1"
"""Without a router for files the program would use public ones."""

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


@define(eq=False)
class _WebSocket:
    """As much of RFC 6455 as a client needs."""

    stream: trio.abc.Stream
    buffer: bytes = b""
    sending: trio.Lock = field(factory=trio.Lock)

    async def open(self, port: int) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        await self.stream.send_all(
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self.buffer:
            await self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        assert b" 101 " in head.partition(b"\r\n")[0]

    async def _more(self) -> None:
        received = await self.stream.receive_some()
        assert received, "the program has closed the connection"
        self.buffer += received

    async def _take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            await self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    async def send(self, kind: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = bytes([0x80 | kind, 0x80 | size])
        elif size < 0x10000:
            head = struct.pack(">BBH", 0x80 | kind, 0xFE, size)
        else:
            head = struct.pack(">BBQ", 0x80 | kind, 0xFF, size)
        # The mask only has to be there; with zeros the data stays what it is.
        async with self.sending:
            await self.stream.send_all(head + bytes(4) + data)

    async def receive(self) -> bytes:
        message = b""
        while True:
            first, second = await self._take(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", await self._take(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", await self._take(8))
            data = await self._take(size)
            kind = first & 0x0F
            assert kind != _CLOSE, "the program has closed the connection"
            if kind == _PING:
                await self.send(_PONG, data)
            elif kind in (0, _TEXT, 2):
                message += data
                if first & 0x80:
                    return message


@define(eq=False)
class ChatProgram:
    """The program, with one profile."""

    _socket: _WebSocket
    pid: int
    _events: list[dict[str, Any]] = field(factory=list)
    _answers: dict[str, dict[str, Any]] = field(factory=dict)
    _asked: dict[str, trio.Event] = field(factory=dict)
    _commands: int = 0
    _more: trio.Event = field(factory=trio.Event)
    patience: float = PATIENCE
    """How many seconds it may take until something has happened."""
    ends_by: signal.Signals = signal.SIGINT
    """What ends the program; after anything but ``SIGINT`` it has no time to tidy up."""

    async def read(self) -> None:
        """Read what the program says, until cancelled."""
        while True:
            said = json.loads(await self._socket.receive())
            number = said.get("corrId")
            if number is None:
                self._events.append(said["resp"])
            else:
                self._answers[number] = said["resp"]
                self._asked.pop(number, trio.Event()).set()
            self._more.set()
            self._more = trio.Event()

    async def command(self, command: str) -> dict[str, Any]:
        """What the program answers."""
        self._commands += 1
        number = str(self._commands)
        asked = json.dumps({"corrId": number, "cmd": command})
        self._asked[number] = answered = trio.Event()
        await self._socket.send(_TEXT, asked.encode())
        with trio.fail_after(self.patience):
            await answered.wait()
        answer = self._answers.pop(number)
        assert answer["type"] != "chatCmdError", (command, answer)
        return answer

    async def event(
        self, kind: str, fits: Callable[[dict[str, Any]], object] = lambda event: True
    ) -> dict[str, Any]:
        """The next event of a kind; others are kept."""
        with trio.fail_after(self.patience):
            while True:
                for each in self._events:
                    if each["type"] == kind and fits(each):
                        self._events.remove(each)
                        return each
                await self._more.wait()

    async def all_events(self) -> AsyncIterator[dict[str, Any]]:
        """All events, in the order in which they come; none is kept for `event`."""
        while True:
            taken, self._events = self._events, []
            for each in taken:
                yield each
            if not self._events:
                await self._more.wait()

    def complaints(self) -> list[str]:
        """What was wrong with messages, for the program, in events that nothing has asked for."""
        return [text for event in self._events for text in _complaints(event)]

    # --- what people do -------------------------------------------------------------------------

    async def send(self, contact: int, text: str, *, quote: int | None = None) -> dict[str, Any]:
        """Send a message; returns its item in the conversation."""
        message: dict[str, Any] = {"msgContent": {"type": "text", "text": text}, "mentions": {}}
        if quote is not None:
            message["quotedItemId"] = quote
        answer = await self.command(f"/_send @{contact} json {json.dumps([message])}")
        item: dict[str, Any] = answer["chatItems"][0]["chatItem"]
        return item

    async def send_file(
        self, contact: int, path: Path, content: dict[str, Any], *, ttl: int | None = None
    ) -> dict[str, Any]:
        """Send a file; returns its item in the conversation."""
        message = {"fileSource": {"filePath": str(path)}, "msgContent": content, "mentions": {}}
        timed = "" if ttl is None else f"ttl={ttl} "
        answer = await self.command(f"/_send @{contact} {timed}json {json.dumps([message])}")
        item: dict[str, Any] = answer["chatItems"][0]["chatItem"]
        return item

    async def receive(self, item: dict[str, Any], path: Path) -> None:
        """Receive the file of a message at ``path``, from whatever router it is on."""
        number = item["file"]["fileId"]

        def of_file(event: dict[str, Any]) -> bool:
            return bool(event["chatItem"]["chatItem"]["file"]["fileId"] == number)

        await self.event("rcvFileDescrReady", of_file)
        await self.command(f"/fr {number} approved_relays=on {path}")
        await self.event("rcvFileComplete", of_file)

    async def item(self, text: str) -> dict[str, Any]:
        """The item of a message that is received."""

        def find(event: dict[str, Any]) -> dict[str, Any] | None:
            for each in event["chatItems"]:
                item: dict[str, Any] = each["chatItem"]
                content = item["content"]
                if content["type"] == "rcvMsgContent" and content["msgContent"]["text"] == text:
                    return item
            return None

        found = find(await self.event("newChatItems", find))
        assert found is not None
        return found

    async def status(self, item: dict[str, Any], status: str) -> None:
        """Wait until a message that was sent has got a status: ``sndSent``, ``sndRcvd``."""

        def has_it(event: dict[str, Any]) -> bool:
            metas = [each["chatItem"]["meta"] for each in event["chatItems"]]
            return any(
                meta["itemId"] == item["meta"]["itemId"] and meta["itemStatus"]["type"] == status
                for meta in metas
            )

        await self.event("chatItemsStatusesUpdated", has_it)


def _complaints(event: dict[str, Any]) -> list[str]:
    match event:
        case {"type": "messageError", "errorMessage": text}:
            return [text]
        case {"type": "chatError", "chatError": {"errorType": {"type": "exception"} as error}}:
            return [error["message"]]  # version 6.4, of a message that it cannot read
        case {"type": "newChatItems"}:
            contents = [each["chatItem"]["content"] for each in event["chatItems"]]
            return [  # later versions, of such a message
                json.dumps(each["rcvMsgError"]) for each in contents if "rcvMsgError" in each
            ]
    return []


@asynccontextmanager
async def open_chat_program(
    program: str,
    router: str,
    folder: Path,
    *,
    name: str = "Alice",
    xftp: str = _NOWHERE,
    relay: bool = False,
) -> AsyncIterator[ChatProgram]:
    """The program on its databases in ``folder``, which are made if they are missing.

    With ``relay`` it is a relay of channels, with an address for owners.
    """
    await trio.Path(folder).mkdir(exist_ok=True)
    is_new = not await trio.Path(folder / "db_chat.db").exists()
    port = await _free_port()
    command = [program, "-d", str(folder / "db"), "-s", router, "--xftp-server", xftp]
    command += ["-p", str(port), "-y", *(["--relay"] if relay else [])]
    answers = f"{name}\ny\n" if relay else f"{name}\n"
    run = partial(
        trio.run_process,
        command,
        stdin=answers.encode() if is_new else b"",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        cwd=folder,
        env={**os.environ, "LANG": "C.UTF-8", "HOME": str(folder)},
    )
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(run)
        async with await _connected(port) as stream:
            socket = _WebSocket(stream)
            await socket.open(port)
            opened = ChatProgram(socket, process.pid)
            async with trio.open_nursery() as reading:
                reading.start_soon(opened.read)
                yield opened
                reading.cancel_scope.cancel()
        process.send_signal(opened.ends_by)
        with trio.move_on_after(PATIENCE):
            await process.wait()
        nursery.cancel_scope.cancel()


async def _free_port() -> int:
    """A port for a program that wants to be told one.

    It is below those that the system chooses, which another program may get before this one.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with trio.socket.socket() as probe:
            try:
                await probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


async def _connected(port: int) -> trio.abc.Stream:
    with trio.fail_after(PATIENCE):
        while True:
            try:
                return await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(0.02)
