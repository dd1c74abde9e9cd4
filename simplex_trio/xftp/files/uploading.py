"""`Uploading`: uploads one packet to the required number of routers, replacing those that fail."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Hashable, Mapping
from functools import partial
from random import Random
from typing import TypeVar

import trio
from attrs import define, field

from simplex_trio.crypto.keys import Ed25519PrivateKey, Ed25519PublicKey
from simplex_trio.errors import SimplexError, StoreError, UnexpectedResponseError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.xftp.bodies import PIECE_SIZE
from simplex_trio.xftp.errors import FileChanged, XFTPRouterError
from simplex_trio.xftp.files.clients import Clients
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.layout import StoredPacket, registered_recipients
from simplex_trio.xftp.files.progress import Counter, Listener
from simplex_trio.xftp.files.retries import persistently
from simplex_trio.xftp.files.sealing import SealedPacket
from simplex_trio.xftp.files.uploads import Lost, Registered, Uploaded, Uploads

__all__ = ["CandidateServers", "Uploading"]

T = TypeVar("T")

_KEYS_AT_ONCE = 200
"""Recipients in one command, as the reference has it; 255 would fit."""


@define
class CandidateServers:
    """The routers to choose from, with their passwords, and which of them have failed."""

    passwords: Mapping[ServerAddress, bytes | None]
    _chance: Random
    failed: set[ServerAddress] = field(factory=set)

    def candidates(self, used: Collection[ServerAddress]) -> list[ServerAddress]:
        """Routers other than ``used`` in random order, those that have not failed first."""
        free = [server for server in self.passwords if server not in used]
        self._chance.shuffle(free)
        return sorted(free, key=lambda server: server in self.failed)


class Uploading:
    """A packet that is being uploaded."""

    def __init__(
        self,
        packet: SealedPacket,
        uploads: Uploads,
        clients: Clients,
        servers: CandidateServers,
        config: TransferConfig,
        tell: Listener,
        counter: Counter,
    ) -> None:
        self._packet = packet
        self._uploads = uploads
        self._clients = clients
        self._servers = servers
        self._config = config
        self._tell = tell
        self._counter = counter

    async def run(self, done: Callable[[], object]) -> None:
        """Upload the packet to the required number of routers; call ``done`` when this ends."""
        try:
            await self._upload_replicas()
        finally:
            done()

    async def _upload_replicas(self) -> None:
        number, uploads = self._packet.number, self._uploads
        if uploads.digest_of(number) not in (None, self._packet.digest):
            raise FileChanged("the file is not the one that the transfer began with")
        failure: SimplexError | None = None
        for stored in uploads.unfinished(number):
            if not (uploads.is_placed(number) or stored.server in uploads.servers_with(number)):
                failure = await self._finish(stored) or failure
        # A router that knows of the packet may get its body later; it is not to take another.
        tried = uploads.servers_with(number)
        tried |= {stored.server for stored in uploads.unfinished(number)}
        while not uploads.is_placed(number):
            untried = self._servers.candidates(tried)
            if not untried:
                assert failure is not None  # there are as many routers as replicas
                raise failure
            server = untried[0]
            tried.add(server)
            try:
                stored = await self._persistently(partial(self._register, server))
                await uploads.add(Registered(number, stored))
                await self._upload_to(stored)
            except StoreError:
                raise
            except SimplexError as exc:
                self._servers.failed.add(server)
                failure = exc

    async def _finish(self, stored: StoredPacket) -> SimplexError | None:
        """Upload a packet that was registered before, if its router still takes it.

        Returns the error if that failed, and may succeed later.
        """
        try:
            await self._upload_to(stored)
        except StoreError:
            raise
        except XFTPRouterError:
            await self._uploads.add(Lost(self._packet.number, stored.sender_id))
        except SimplexError as exc:
            self._servers.failed.add(stored.server)
            return exc
        return None

    async def _upload_to(self, stored: StoredPacket) -> None:
        await self._persistently(partial(self._upload, stored))
        await self._uploads.add(Uploaded(self._packet.number, stored.sender_id))

    async def _persistently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await persistently(attempt, self._packet.number, self._config, self._tell)

    async def _register(self, server: ServerAddress) -> StoredPacket:
        plan = self._uploads.plan
        sender_key = Ed25519PrivateKey.generate()
        count = registered_recipients(plan.recipients)
        keys, public_keys = await trio.to_thread.run_sync(_new_keys, count)
        async with self._clients.client(server) as client:
            registered = await client.register(
                sender_key,
                size=len(self._packet.data),
                digest=self._packet.digest,
                recipient_keys=public_keys[:_KEYS_AT_ONCE],
                basic_auth=self._servers.passwords[server],
            )
            if self._uploads.knows(registered.sender_id):
                raise UnexpectedResponseError("a packet got the id of another one")
            ids = list(registered.recipient_ids)
            for start in range(_KEYS_AT_ONCE, count, _KEYS_AT_ONCE):
                batch = public_keys[start : start + _KEYS_AT_ONCE]
                ids += await client.add_recipients(sender_key, registered.sender_id, batch)
        recipients = tuple(zip(ids, keys, strict=True))[: plan.recipients]
        return StoredPacket(
            self._packet.digest, server, registered.sender_id, sender_key, recipients
        )

    async def _upload(self, stored: StoredPacket) -> None:
        number, size = self._packet.number, len(self._packet.data)
        replica = (number, len(self._uploads.servers_with(number)))
        async with self._clients.client(stored.server) as client:
            self._counter.begin_again(replica)
            body = self._body(replica)
            await client.upload(stored.sender_key, stored.sender_id, size, body)

    async def _body(self, replica: Hashable) -> AsyncGenerator[memoryview]:
        data = self._packet.data
        for start in range(0, len(data), PIECE_SIZE):
            piece = data[start : start + PIECE_SIZE]
            yield piece
            self._counter.add(replica, len(piece))


def _new_keys(count: int) -> tuple[list[Ed25519PrivateKey], list[Ed25519PublicKey]]:
    keys = [Ed25519PrivateKey.generate() for _ in range(count)]
    return keys, [key.public for key in keys]
