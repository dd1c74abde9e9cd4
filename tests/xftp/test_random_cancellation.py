"""Transfers of files and requests of clients that are cancelled at random."""

from __future__ import annotations

from pathlib import Path
from random import Random

import trio

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.xftp.client import XFTPClient, open_xftp_client
from simplex_trio.xftp.files.delete import delete_file
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_description, send_file
from simplex_trio.xftp.router.server import open_xftp_router
from tests.cancelling import Call, Cancelled, rounds, until_idle
from tests.scenarios.xftp import IMPATIENT, NewPacket, filled, names_in, stored_packet
from tests.xftp.files import open_in
from tests.xftp.routers import bodies, config

SIZE = 150_000
STATES = 4


class Program:
    """What a program does with files, one call at a time."""

    def __init__(self, router: ServerAddress, folder: Path, file: FileDescription) -> None:
        self.router = router
        self.sent = folder / "sent"
        self.sent.mkdir()
        self.received = folder / "received"
        self.received.mkdir()
        self.states = folder / "states"
        self.states.mkdir()
        self.file = file
        self.client: XFTPClient | None = None
        self.calls: dict[str, Call] = {
            "send_file": self.send,
            "send_file, with a state": self.send_with_state,
            "send_description": self.send_description,
            "receive_file": self.receive,
            "receive_file, with a state": self.receive_with_state,
            "delete_file": self.delete,
            "open_xftp_client": self.open,
            "client.ping": self.ping,
            "client.register": self.register,
            "client.upload": self.upload,
            "client.download": self.download,
        }

    def _path(self, chosen: Random) -> Path:
        size = chosen.choice([10, SIZE])
        path = self.sent / f"{size}"
        path.write_bytes(filled(size))
        return path

    async def send(self, chosen: Random) -> None:
        await send_file(self._path(chosen), [self.router], config=IMPATIENT)

    async def send_with_state(self, chosen: Random) -> None:
        path = self._path(chosen)
        state = self.states / f"{path.name}.{chosen.randrange(STATES)}"
        await send_file(path, [self.router], state=state, config=IMPATIENT)
        state.unlink(missing_ok=True)

    async def send_description(self, _: Random) -> None:
        await send_description(self.file, [self.router], config=IMPATIENT)

    async def receive(self, chosen: Random) -> None:
        await receive_file(self.file, self.received, acknowledge=False, config=IMPATIENT)

    async def receive_with_state(self, chosen: Random) -> None:
        state = self.states / f"receiving.{chosen.randrange(STATES)}"
        await receive_file(
            self.file, self.received, state=state, acknowledge=False, config=IMPATIENT
        )
        state.unlink(missing_ok=True)

    async def delete(self, chosen: Random) -> None:
        sent = await send_file(self._path(chosen), [self.router], config=IMPATIENT)
        await delete_file(sent.sender, config=IMPATIENT)

    async def open(self, _: Random) -> None:
        async with open_xftp_client(self.router) as client:
            await client.ping()

    @property
    def _client(self) -> XFTPClient:
        assert self.client is not None
        return self.client

    async def ping(self, _: Random) -> None:
        await self._client.ping()

    async def register(self, _: Random) -> None:
        packet = NewPacket()
        await packet.register(self._client)
        keys = [Ed25519PrivateKey.generate().public]
        await self._client.add_recipients(packet.sender_key, packet.ids.sender_id, keys)
        await self._client.delete(packet.sender_key, packet.ids.sender_id)

    async def upload(self, _: Random) -> None:
        packet = await stored_packet(self._client)
        await self._client.delete(packet.sender_key, packet.ids.sender_id)

    async def download(self, _: Random) -> None:
        packet = await stored_packet(self._client)
        assert await packet.download(self._client) == packet.body
        await self._client.acknowledge(packet.recipient_keys[0], packet.ids.recipient_ids[0])

    # --- whether all is well ------------------------------------------------------------------

    async def check(self) -> None:
        """Whatever was received is whole, nothing is open, and all that was begun can go on."""
        for folder in (self.sent, self.received, self.states):
            assert open_in(folder) == []
        for name in names_in(self.states):
            await self._finish(self.states / name)
            (self.states / name).unlink()
        for path in self.received.iterdir():
            assert path.read_bytes() == filled(SIZE)
            path.unlink()
        assert self._client.is_usable
        await self._client.ping()

    async def _finish(self, state: Path) -> None:
        kind, _, _ = state.name.partition(".")
        if kind == "receiving":
            received = await receive_file(
                self.file, self.received, state=state, acknowledge=False, config=IMPATIENT
            )
            assert received.path.read_bytes() == filled(SIZE)
        else:
            sent = await send_file(self.sent / kind, [self.router], state=state, config=IMPATIENT)
            received = await receive_file(sent.recipients[0], self.received, config=IMPATIENT)
            assert received.path.read_bytes() == filled(int(kind))
            received.path.unlink()


async def test_files_and_clients(tmp_path: Path) -> None:
    cancelled = Cancelled()
    async with open_xftp_router(config(tmp_path / "router")) as router:
        path = tmp_path / "file"
        path.write_bytes(filled(SIZE))
        file = (await send_file(path, [router.address], config=IMPATIENT)).recipients[0]
        program = Program(router.address, tmp_path, file)
        async with open_xftp_client(router.address) as program.client:
            await program.client.ping()
            tasks = trio.lowlevel.current_statistics().tasks_living
            for chosen in rounds(12):
                await cancelled.some_of(program.calls, chosen)
                await program.check()
                await until_idle(tasks)
                now = router.statistics()
                assert (now.bytes_reserved, now.open_files, now.clients) == (0, 0, 1)
                assert not [each for each in bodies(tmp_path / "router") if each.suffix == ".new"]
    cancelled.check(program.calls)
