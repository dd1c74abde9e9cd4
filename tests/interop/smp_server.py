"""The reference's servers as processes of their own: made, configured, started, stopped."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

import trio
from attrs import frozen

from simplex_trio.client.smp.client import open_smp_client
from simplex_trio.errors import SimplexError
from simplex_trio.wire.text import to_base64url
from simplex_trio.xftp.client import open_xftp_client

__all__ = ["SMPServer", "XFTPServer"]

_PASSWORD = "the-operators"
_PATIENCE = 60


@frozen
class SMPServer:
    """A server with its two folders."""

    INI: ClassVar = "smp-server.ini"
    SCHEME: ClassVar = "smp"

    program: str
    folder: Path
    port: int
    control_port: int

    @classmethod
    async def make(cls, program: str, folder: Path, *, messages: str) -> SMPServer:
        """A new one, which keeps messages in ``memory`` or in a ``journal``."""
        server = cls(program, folder, _free_port(), _free_port())
        await server._init("-y", "--no-password", "--disable-web")
        server._configure("store_messages = memory", f"store_messages = {messages}")
        return server

    async def _init(self, *options: str) -> None:
        for each in (self.config, self.logs):
            each.mkdir(parents=True)
        await trio.run_process(
            [self.program, "init", "--ip", "127.0.0.1", *options],
            env=self._environment,
            capture_stdout=True,
            capture_stderr=True,
        )

    def _configure(self, old: str = "", new: str = "") -> None:
        ini = self.config / self.INI
        # Some builds of the servers refuse comments after values.
        lines = [line for line in ini.read_text().splitlines() if not line.startswith("#")]
        text = "\n".join(lines)
        for key, value in (("host", "127.0.0.1"), ("port", str(self.port))):
            text = re.sub(rf"(?m)^{key} = .*", f"{key} = {value}", text)
        text = text.replace(old, new)
        text = text.replace("[AUTH]", f"[AUTH]\ncontrol_port_admin_password = {_PASSWORD}")
        text = text.replace("[TRANSPORT]", f"[TRANSPORT]\ncontrol_port = {self.control_port}")
        ini.write_text(text + "\n")

    @property
    def config(self) -> Path:
        return self.folder / "cfg"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    @property
    def address(self) -> str:
        fingerprint = (self.config / "fingerprint").read_text().strip()
        return f"{self.SCHEME}://{fingerprint}@127.0.0.1:{self.port}"

    @property
    def _environment(self) -> dict[str, str]:
        kind = self.SCHEME.upper()
        return {
            f"{kind}_SERVER_CFG_PATH": str(self.config),
            f"{kind}_SERVER_LOG_PATH": str(self.logs),
        }

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
                    async with self._client():
                        return
                except SimplexError:
                    await trio.sleep(0.1)

    def _client(self) -> AbstractAsyncContextManager[object]:
        return open_smp_client(self.address)

    async def block(self, entity_id: bytes) -> None:
        """Block a queue or a packet, as an operator does; the servers want different ids."""
        async with await trio.open_tcp_stream("127.0.0.1", self.control_port) as stream:
            entity = to_base64url(entity_id)
            await stream.send_all(f"auth {_PASSWORD}\nblock {entity} reason=spam\n".encode())
            answer = b""
            with trio.fail_after(_PATIENCE):
                while answer.count(b"ok") < 1:
                    received = await stream.receive_some()
                    assert received, answer
                    answer += received


class XFTPServer(SMPServer):
    """A server for files."""

    INI: ClassVar = "file-server.ini"
    SCHEME: ClassVar = "xftp"

    @classmethod
    async def make_for_files(cls, program: str, folder: Path) -> XFTPServer:
        """A new one."""
        server = cls(program, folder, _free_port(), _free_port())
        server.files.mkdir(parents=True)
        await server._init("-p", str(server.files), "-q", "1gb")
        server._configure()
        return server

    @property
    def files(self) -> Path:
        return self.folder / "files"

    def _client(self) -> AbstractAsyncContextManager[object]:
        return open_xftp_client(self.address)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
