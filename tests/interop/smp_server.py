"""The reference's server as a process of its own: made, configured, started, stopped."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from attrs import frozen

from simplex_trio.client.smp.client import open_smp_client
from simplex_trio.errors import SimplexError
from simplex_trio.wire.text import to_base64url

__all__ = ["SMPServer"]

_PASSWORD = "the-operators"
_PATIENCE = 60


@frozen
class SMPServer:
    """A server with its two folders."""

    program: str
    folder: Path
    port: int
    control_port: int

    @classmethod
    async def make(cls, program: str, folder: Path, *, messages: str) -> SMPServer:
        """A new one, which keeps messages in ``memory`` or in a ``journal``."""
        server = cls(program, folder, _free_port(), _free_port())
        for each in (server.config, server.logs):
            each.mkdir(parents=True)
        await trio.run_process(
            [program, "init", "-y", "--ip", "127.0.0.1", "--no-password", "--disable-web"],
            env=server._environment,
            capture_stdout=True,
            capture_stderr=True,
        )
        ini = server.config / "smp-server.ini"
        # Some builds of the server refuse comments after values.
        lines = [line for line in ini.read_text().splitlines() if not line.startswith("#")]
        text = "\n".join(lines)
        for key, value in (("host", "127.0.0.1"), ("port", str(server.port))):
            text = re.sub(rf"(?m)^{key} = .*", f"{key} = {value}", text)
        text = text.replace("store_messages = memory", f"store_messages = {messages}")
        text = text.replace("[AUTH]", f"[AUTH]\ncontrol_port_admin_password = {_PASSWORD}")
        text = text.replace("[TRANSPORT]", f"[TRANSPORT]\ncontrol_port = {server.control_port}")
        ini.write_text(text + "\n")
        return server

    @property
    def config(self) -> Path:
        return self.folder / "cfg"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    @property
    def address(self) -> str:
        fingerprint = (self.config / "fingerprint").read_text().strip()
        return f"smp://{fingerprint}@127.0.0.1:{self.port}"

    @property
    def _environment(self) -> dict[str, str]:
        return {"SMP_SERVER_CFG_PATH": str(self.config), "SMP_SERVER_LOG_PATH": str(self.logs)}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run it, and stop it in order, so that it writes what it has in memory."""
        async with trio.open_nursery() as nursery:
            start = partial(
                trio.run_process,
                [self.program, "start"],
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
            process: trio.Process = await nursery.start(start)
            await self._ready()
            yield
            process.send_signal(signal.SIGINT)
            with trio.fail_after(_PATIENCE):
                await process.wait()

    async def _ready(self) -> None:
        with trio.fail_after(_PATIENCE):
            while True:
                try:
                    async with open_smp_client(self.address):
                        return
                except SimplexError:
                    await trio.sleep(0.1)

    async def block(self, sender_id: bytes) -> None:
        """Block a queue, as an operator does."""
        async with await trio.open_tcp_stream("127.0.0.1", self.control_port) as stream:
            queue = to_base64url(sender_id)
            await stream.send_all(f"auth {_PASSWORD}\nblock {queue} reason=spam\n".encode())
            answer = b""
            with trio.fail_after(_PATIENCE):
                while answer.count(b"ok") < 1:
                    received = await stream.receive_some()
                    assert received, answer
                    answer += received


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
