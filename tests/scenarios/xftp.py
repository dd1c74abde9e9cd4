"""Scenarios for an XFTP router; each takes its address and asserts what must happen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import trio
from attrs import evolve

from simplex_trio.crypto.keys import AuthPrivateKey, Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.engine.backoff import Backoff
from simplex_trio.errors import SimplexError
from simplex_trio.wire.versions import VersionRange
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.errors import XFTPCode, XFTPErrorValue
from simplex_trio.wire.xftp.packet_sizes import PACKET_SIZES
from simplex_trio.xftp.client import (
    RegisteredPacket,
    XFTPClient,
    open_xftp_client,
)
from simplex_trio.xftp.client_config import XFTPClientConfig
from simplex_trio.xftp.errors import DigestMismatch, XFTPRouterError
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.delete import DeletedFile, delete_file
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_description, send_file

SMALLEST = PACKET_SIZES[0]

KEY_KINDS: Sequence[type[AuthPrivateKey]] = (Ed25519PrivateKey, X25519PrivateKey)

IMPATIENT = TransferConfig(backoff=Backoff(initial=0.001, maximum=0.002), attempts=3)
"""For transfers that must not wait."""


def filled(size: int, start: int = 0) -> bytes:
    """Bytes that are easy to make and hard to mistake."""
    unit = bytes((start + i) % 251 for i in range(251))
    return (unit * (size // len(unit) + 1))[:size]


async def pieces_of(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@asynccontextmanager
async def client_at(address: str, version: int = 3) -> AsyncIterator[XFTPClient]:
    """A client that speaks exactly this version."""
    config = XFTPClientConfig(versions=VersionRange(version, version))
    async with open_xftp_client(address, config) as client:
        assert client.version == version
        yield client


@asynccontextmanager
async def refused(error: XFTPErrorValue) -> AsyncIterator[None]:
    """The block ends with this error of the router."""
    with pytest.raises(XFTPRouterError) as caught:
        yield
    assert caught.value.error == error


class NewPacket:
    """A packet, with the keys of all parties."""

    def __init__(
        self,
        kind: type[AuthPrivateKey] = Ed25519PrivateKey,
        size: int = SMALLEST,
        recipients: int = 2,
    ) -> None:
        self.body = filled(size, size % 7)
        self.digest = sha256(self.body).digest()
        self.sender_key = kind.generate()
        self.recipient_keys = [kind.generate() for _ in range(recipients)]
        self.ids = RegisteredPacket(b"", ())

    async def register(self, client: XFTPClient, basic_auth: bytes | None = None) -> None:
        self.ids = await client.register(
            self.sender_key,
            size=len(self.body),
            digest=self.digest,
            recipient_keys=[key.public for key in self.recipient_keys],
            basic_auth=basic_auth,
        )

    async def upload(self, client: XFTPClient, body: bytes | None = None) -> None:
        body = self.body if body is None else body
        await client.upload(self.sender_key, self.ids.sender_id, len(body), pieces_of(body))

    async def download(self, client: XFTPClient, number: int = 0) -> bytes:
        received = bytearray()
        async with client.download(
            self.recipient_keys[number],
            self.ids.recipient_ids[number],
            size=len(self.body),
            digest=self.digest,
        ) as pieces:
            async for piece in pieces:
                received += piece
        return bytes(received)


async def stored_packet(client: XFTPClient, size: int = SMALLEST) -> NewPacket:
    packet = NewPacket(size=size)
    await packet.register(client)
    await packet.upload(client)
    return packet


# --- packets ------------------------------------------------------------------------------------


async def packet_life(address: str, version: int, kind: type[AuthPrivateKey]) -> None:
    """From registration to deletion, with everything that there is."""
    packet = NewPacket(kind)
    async with client_at(address, version) as client:
        await client.ping()
        await packet.register(client)
        assert len({packet.ids.sender_id, *packet.ids.recipient_ids}) == 3

        later = kind.generate()
        (later_id,) = await client.add_recipients(
            packet.sender_key, packet.ids.sender_id, [later.public]
        )
        packet.recipient_keys.append(later)
        packet.ids = evolve(packet.ids, recipient_ids=(*packet.ids.recipient_ids, later_id))

        await packet.upload(client)
        await packet.upload(client)  # repeating it changes nothing, and is no error

    async with client_at(address, version) as client:
        for number in range(3):
            assert await packet.download(client, number) == packet.body
        assert await packet.download(client) == packet.body
        await client.acknowledge(packet.recipient_keys[0], packet.ids.recipient_ids[0])
        async with refused(XFTPCode.AUTH):
            await packet.download(client)
        assert await packet.download(client, 1) == packet.body
        await client.delete(packet.sender_key, packet.ids.sender_id)
        async with refused(XFTPCode.AUTH):
            await packet.download(client, 1)
        async with refused(XFTPCode.AUTH):
            await client.delete(packet.sender_key, packet.ids.sender_id)


async def all_sizes(address: str) -> None:
    async with client_at(address) as client:
        for size in PACKET_SIZES:
            packet = await stored_packet(client, size)
            assert await packet.download(client) == packet.body
            await client.delete(packet.sender_key, packet.ids.sender_id)


async def many_recipients(address: str) -> None:
    """As many as fit into one command, and more."""
    packet = NewPacket(recipients=200)
    async with client_at(address) as client:
        await packet.register(client)
        keys = [Ed25519PrivateKey.generate() for _ in range(255)]
        ids = await client.add_recipients(
            packet.sender_key, packet.ids.sender_id, [key.public for key in keys]
        )
        assert len({*packet.ids.recipient_ids, *ids}) == 455
        await packet.upload(client)
        packet.recipient_keys[0] = keys[-1]
        packet.ids = evolve(packet.ids, recipient_ids=(ids[-1],))
        assert await packet.download(client) == packet.body


async def refusals(address: str) -> None:
    packet, other = NewPacket(), NewPacket()
    async with client_at(address) as client:
        odd = NewPacket(size=SMALLEST - 1)
        async with refused(XFTPCode.SIZE):
            await odd.register(client)
        await packet.register(client)
        async with refused(XFTPCode.NO_FILE):
            await packet.download(client)
        for entity_id, key in (
            (bytes(24), packet.sender_key),
            (packet.ids.sender_id, other.sender_key),
            (packet.ids.sender_id, X25519PrivateKey.generate()),
            (packet.ids.recipient_ids[0], packet.sender_key),
            (packet.ids.recipient_ids[0], packet.recipient_keys[0]),
        ):
            async with refused(XFTPCode.AUTH):
                await client.delete(key, entity_id)
        for entity_id, key in (
            (packet.ids.sender_id, packet.sender_key),
            (packet.ids.recipient_ids[0], packet.recipient_keys[1]),
        ):
            async with refused(XFTPCode.AUTH):
                await client.acknowledge(key, entity_id)
        await packet.upload(client)
        assert await packet.download(client) == packet.body
        assert client.is_usable


async def wrong_bodies(address: str) -> None:
    """Each is refused, and none keeps the right one from being taken afterwards."""
    packet = NewPacket()
    async with client_at(address) as client:
        await packet.register(client)
        async with refused(XFTPCode.DIGEST):
            await packet.upload(client, packet.body[::-1])
        async with refused(XFTPCode.SIZE):
            await packet.upload(client, packet.body[:-1])
        async with refused(XFTPCode.SIZE):
            await packet.upload(client, packet.body + b"!")
        await packet.upload(client)
        async with client_at(address) as another:
            assert await packet.download(another) == packet.body


async def another_packet_than_described(address: str) -> None:
    async with client_at(address) as client:
        packet = await stored_packet(client)
        packet.digest = bytes(32)
        with pytest.raises(DigestMismatch):
            await packet.download(client)
        assert client.is_usable


async def many_requests_at_once(address: str) -> None:
    async with client_at(address) as client:

        async def live(number: int) -> None:
            packet = await stored_packet(client, PACKET_SIZES[number % 3])
            assert await packet.download(client) == packet.body
            await client.delete(packet.sender_key, packet.ids.sender_id)

        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(live, number)


async def cancelled_transfers(address: str) -> None:
    """Half of a body each way, given up; everything else goes on."""
    async with client_at(address) as client:
        stored = await stored_packet(client, PACKET_SIZES[3])

        async def give_up_download() -> None:
            async with client.download(
                stored.recipient_keys[0],
                stored.ids.recipient_ids[0],
                size=len(stored.body),
                digest=stored.digest,
            ) as pieces:
                await anext(pieces)

        async def give_up_upload() -> None:
            packet = NewPacket(size=PACKET_SIZES[3])
            await packet.register(client)

            async def half() -> AsyncIterator[bytes]:
                yield packet.body[:1_000_000]
                scope.cancel()
                await trio.sleep_forever()

            with trio.CancelScope() as scope:
                await client.upload(
                    packet.sender_key, packet.ids.sender_id, len(packet.body), half()
                )
            async with refused(XFTPCode.NO_FILE):
                await packet.download(client)

        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(give_up_download)
            for _ in range(3):
                nursery.start_soon(give_up_upload)
        assert client.is_usable
        assert await stored.download(client) == stored.body
        await client.ping()


PACKET_SCENARIOS: Sequence[Callable[[str], Awaitable[None]]] = (
    all_sizes,
    many_recipients,
    refusals,
    wrong_bodies,
    another_packet_than_described,
    many_requests_at_once,
    cancelled_transfers,
)


# --- files --------------------------------------------------------------------------------------

_OVERHEAD = 8 + len("\x04file0") + 16

# Encrypted sizes on both sides of where other packets are used.
_BOUNDARIES = (
    *(65536, 65537, 131072, 196608, 196609, 262144, 262145),
    *(786432, 786433, 1048576, 1048577, 3145728, 3145729, 4194304, 4194305),
)

FILE_SIZES = (0, 1, *(size - _OVERHEAD for size in _BOUNDARIES))


def file_in(folder: Path, size: int) -> Path:
    path = folder / "file"
    path.write_bytes(filled(size))
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def file_of_size(address: str, folder: Path, size: int) -> None:
    path = file_in(folder, size)
    sent = await send_file(path, [address], recipients=2, config=IMPATIENT)
    for description in sent.recipients:
        received = await receive_file(description, folder, config=IMPATIENT)
        assert received.path.parent == folder
        assert received.path.read_bytes() == path.read_bytes()
        received.path.unlink()
    packets = len(sent.sender.packets)
    assert await delete_file(sent.sender, config=IMPATIENT) == DeletedFile(packets, 0)
    assert await delete_file(sent.sender, config=IMPATIENT) == DeletedFile(0, packets)
    assert names_in(folder) == ["file"]


async def redirected_file(address: str, folder: Path) -> None:
    """A short description that leads to a long one."""
    path = file_in(folder, 5_000_000)
    sent = await send_file(path, [address], config=IMPATIENT)
    short = await send_description(sent.recipients[0], [address], config=IMPATIENT)
    (description,) = short.recipients
    assert len(description.packets) == 1
    assert description.redirect is not None
    received = await receive_file(description, folder, config=IMPATIENT)
    assert received.path.read_bytes() == path.read_bytes()


async def gone(description: FileDescription, folder: Path) -> None:
    """No router has the file any more."""
    with pytest.raises(SimplexError) as caught:
        await receive_file(description, folder, config=IMPATIENT)
    assert isinstance(caught.value.__cause__, XFTPRouterError)
    assert caught.value.__cause__.error is XFTPCode.AUTH


async def acknowledged_file(address: str, folder: Path) -> None:
    """A description is good for one time."""
    sent = await send_file(file_in(folder, 1000), [address], recipients=2, config=IMPATIENT)
    first, second = sent.recipients
    await receive_file(first, folder, acknowledge=False, config=IMPATIENT)
    await receive_file(first, folder, config=IMPATIENT)
    await gone(first, folder)
    await receive_file(second, folder, config=IMPATIENT)
    assert names_in(folder) == ["file", "file_1", "file_2", "file_3"]


FILE_SCENARIOS: Sequence[Callable[[str, Path], Awaitable[None]]] = (
    redirected_file,
    acknowledged_file,
)
