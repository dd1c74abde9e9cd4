"""`send_file`: a file encrypted, cut into packets, and put onto routers.

The file is read once, from start to end: packets are encrypted in their order, and each is put onto
its routers while the next ones are being encrypted.  So nothing of it is ever on this disk again,
and what is in memory does not depend on the size of the file.  After a crash the packets are
encrypted anew, with the same result, and those that routers have already are passed over.
"""

from __future__ import annotations

import os
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Sequence,
)
from functools import partial
from hashlib import sha256, sha512
from pathlib import Path
from typing import BinaryIO, TypeVar

import trio
from attrs import frozen

from simplex_trio.crypto.box import KEY_SIZE, NONCE_SIZE
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.errors import SimplexError
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description import FileDescription, Redirect
from simplex_trio.wire.xftp.description_text import encode_description
from simplex_trio.wire.xftp.file_header import FileHeader
from simplex_trio.wire.xftp.packet_sizes import packet_sizes, single_packet_size
from simplex_trio.xftp.bodies import PIECE_SIZE
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import (
    FileChanged,
    FileTooLarge,
    StateMismatch,
    StorageFailed,
    XFTPRouterError,
)
from simplex_trio.xftp.files.clients import ClientPool, open_client_pool
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.encryption import payload_size, sealed_pieces
from simplex_trio.xftp.files.layout import (
    Plan,
    StoredPacket,
    describe,
    registered_recipients,
)
from simplex_trio.xftp.files.progress import Counter, Listener, Phase, nobody
from simplex_trio.xftp.files.retries import persistently
from simplex_trio.xftp.files.send_state import SendState
from simplex_trio.xftp.servers import AnyServer, server_with_auth
from simplex_trio.xftp.tasks import open_tasks

__all__ = ["SentFile", "send_description", "send_file"]

T = TypeVar("T")

_KEYS_AT_ONCE = 200
"""Recipients in one command, as the reference has it; 255 would fit."""


@frozen(repr=False)
class SentFile(Redacted):
    """The descriptions of a file that is on its routers."""

    sender: FileDescription
    """With it the file can be deleted."""
    recipients: tuple[FileDescription, ...]
    """One for each recipient."""


async def send_file(
    path: str | Path,
    servers: Sequence[AnyServer],
    *,
    recipients: int = 1,
    replicas: int = 1,
    name: str | None = None,
    state: str | Path | None = None,
    config: TransferConfig | None = None,
    tell: Listener = nobody,
) -> SentFile:
    """Send a file to ``servers``, to be fetched by ``recipients`` people.

    Each packet goes to ``replicas`` routers that are chosen at random; one that fails is replaced
    by another while there are some.  ``name`` is what the recipients see instead of the file's own.

    With a ``state`` file an interrupted transfer is continued.  The file stays, complete, until the
    caller has stored the descriptions and removes it: until then the same call returns the same
    descriptions again.  Without one a transfer that is interrupted, or cancelled, leaves packets on
    routers until they expire.

    Raises `ValueError` for too few servers or what is no address of one, `FileTooLarge`,
    `FileChanged` if the file is changed meanwhile, `StateMismatch` for the state file of another
    transfer, `StorageFailed`, and what `XFTPClient` raises when no other attempt can help.
    """
    path = Path(path)
    config = config or TransferConfig()
    source = await in_thread(lambda: path.open("rb"))
    try:
        size = await in_thread(partial(source.seek, 0, os.SEEK_END))
        header = FileHeader(_readable(path.name if name is None else name))
        sizes = _sizes(header, size, config)
        sending = _Sending(servers, config, tell, recipients, replicas)
        return await sending.send(header, size, sizes, _pieces(source), state)
    finally:
        source.close()


async def send_description(
    description: FileDescription,
    servers: Sequence[AnyServer],
    *,
    recipients: int = 1,
    replicas: int = 1,
    config: TransferConfig | None = None,
    tell: Listener = nobody,
) -> SentFile:
    """Send a description itself, in a single packet, so that a short link can lead to it.

    What is returned describes the description; recipients of it get the file.  Raises what
    `send_file` does, `FileTooLarge` for more than fits into a packet.
    """
    config = config or TransferConfig()
    text = encode_description(description).encode()
    header = FileHeader("")
    size = single_packet_size(payload_size(header, len(text)))
    if size is None:
        raise FileTooLarge("a description that does not fit into one packet")
    redirect = Redirect(description.size, description.digest)
    sending = _Sending(servers, config, tell, recipients, replicas, redirect)
    return await sending.send(header, len(text), (size,), iter([text]), None)


def _readable(name: str) -> str:
    """The name of a file, also if its bytes are no text."""
    return name.encode(errors="surrogateescape").decode(errors="replace")


def _sizes(header: FileHeader, content_size: int, config: TransferConfig) -> tuple[int, ...]:
    size = payload_size(header, content_size)
    if size > config.max_size:
        raise FileTooLarge("the file is larger than files may be")
    return packet_sizes(size)


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    source.seek(0)
    while piece := source.read(PIECE_SIZE):
        yield piece


# --- encrypting ---------------------------------------------------------------------------------


@frozen(repr=False)
class _Sealed(Redacted):
    """A packet to send."""

    number: int
    data: bytes
    digest: bytes


class _Sealer:
    """Encrypts the packets of a file, in their order; everything in it is for worker threads."""

    def __init__(self, plan: Plan, content: Iterator[bytes]) -> None:
        self._sizes = iter(plan.sizes)
        self._hashed = sha512()
        self._number = 0
        self._ahead = bytearray()
        self._pieces = sealed_pieces(
            content,
            plan.content_size,
            plan.header,
            key=plan.key,
            nonce=plan.nonce,
            encrypted_size=plan.encrypted_size,
        )

    def next(self) -> _Sealed | None:
        """The next packet; `None` after the last."""
        size = next(self._sizes, None)
        if size is None:
            if self._ahead or next(self._pieces, None) is not None:
                raise FileChanged("the file has not the size that it had at first")
            return None
        while len(self._ahead) < size:
            self._ahead += next(self._pieces)
        with memoryview(self._ahead) as ahead:
            data = bytes(ahead[:size])
        del self._ahead[:size]
        self._hashed.update(data)
        self._number += 1
        return _Sealed(self._number, data, sha256(data).digest())

    def digest(self) -> bytes:
        """Of all packets together."""
        return self._hashed.digest()


# --- sending ------------------------------------------------------------------------------------


class _Sending:
    """One call of `send_file`."""

    def __init__(
        self,
        servers: Sequence[AnyServer],
        config: TransferConfig,
        tell: Listener,
        recipients: int,
        replicas: int,
        redirect: Redirect | None = None,
    ) -> None:
        self.servers = {each.address: each.basic_auth for each in map(server_with_auth, servers)}
        if not 1 <= replicas <= len(self.servers):
            raise ValueError("there must be as many servers as replicas, and at least one")
        self.config = config
        self.tell = tell
        self._recipients = recipients
        self._replicas = replicas
        self._redirect = redirect
        self.failed: set[ServerAddress] = set()

    async def send(
        self,
        header: FileHeader,
        size: int,
        sizes: tuple[int, ...],
        content: Iterator[bytes],
        state_path: str | Path | None,
    ) -> SentFile:
        def new_plan() -> Plan:
            return Plan(
                header=header,
                content_size=size,
                key=self.config.random(KEY_SIZE),
                nonce=self.config.random(NONCE_SIZE),
                recipients=self._recipients,
                replicas=self._replicas,
                sizes=sizes,
            )

        path = None if state_path is None else Path(state_path)
        state = await SendState.open(path, new_plan)
        known = state.plan
        if (known.header, known.content_size, known.sizes) != (header, size, sizes) or (
            (known.recipients, known.replicas) != (self._recipients, self._replicas)
        ):
            raise StateMismatch("the state file belongs to another transfer")
        if not state.is_complete:
            await self._send_packets(state, _Sealer(state.plan, content))
        assert state.digest is not None
        stored = {
            number: state.uploaded(number)[: self._replicas] for number in range(1, len(sizes) + 1)
        }
        return SentFile(*describe(state.plan, state.digest, stored, self._redirect))

    async def _send_packets(self, state: SendState, sealer: _Sealer) -> None:
        counter = Counter(Phase.UPLOADING, state.plan.encrypted_size, self.tell)
        places = trio.Semaphore(self.config.parallel)
        async with open_client_pool(self.config.client) as clients, open_tasks() as tasks:
            while True:
                await places.acquire()
                packet = await in_thread(sealer.next)
                if packet is None:
                    break
                placing = _Placing(self, state, clients, counter, packet, places)
                tasks.start(placing.run)
        digest = sealer.digest()
        if state.digest is None:
            await state.add_digest(digest)
        elif state.digest != digest:
            raise FileChanged("the file is not the one that was begun with")

    def candidates(self, used: Collection[ServerAddress]) -> list[ServerAddress]:
        """The other routers, in random order, those that have not failed yet first."""
        free = [server for server in self.servers if server not in used]
        self.config.chance.shuffle(free)
        return sorted(free, key=lambda server: server in self.failed)


class _Placing:
    """A packet on its way to its routers."""

    def __init__(
        self,
        sending: _Sending,
        state: SendState,
        clients: ClientPool,
        counter: Counter,
        packet: _Sealed,
        places: trio.Semaphore,
    ) -> None:
        self._sending = sending
        self._state = state
        self._clients = clients
        self._counter = counter
        self._packet = packet
        self._places = places

    async def run(self) -> None:
        """Put the packet onto as many routers as are wanted; give its place back then."""
        try:
            await self._place()
        finally:
            self._places.release()

    async def _place(self) -> None:
        number, state = self._packet.number, self._state
        for stored in (*state.uploaded(number), *state.unfinished(number)):
            if stored.digest != self._packet.digest:
                raise FileChanged("the file is not the one that was begun with")
        if state.is_placed(number):
            self._counter.add(number, len(self._packet.data))
            return
        for stored in state.unfinished(number):
            await self._finish(stored)
        failure: SimplexError | None = None
        tried: set[ServerAddress] = {stored.server for stored in state.uploaded(number)}
        while not state.is_placed(number):
            untried = self._sending.candidates(tried)
            if not untried:
                assert failure is not None  # there are as many routers as replicas
                raise failure
            server = untried[0]
            tried.add(server)
            try:
                stored = await self._persistently(partial(self._register, server))
                await state.add_registered(number, stored)
                await self._upload_to(stored)
            except StorageFailed:
                raise
            except SimplexError as exc:
                self._sending.failed.add(server)
                failure = exc

    async def _finish(self, stored: StoredPacket) -> None:
        """Upload a packet that was registered before a crash, if its router still takes it."""
        try:
            await self._upload_to(stored)
        except StorageFailed:
            raise
        except XFTPRouterError:
            await self._state.add_lost(self._packet.number, stored)
        except SimplexError:
            self._sending.failed.add(stored.server)

    async def _upload_to(self, stored: StoredPacket) -> None:
        await self._persistently(partial(self._upload, stored))
        await self._state.add_uploaded(self._packet.number, stored)

    async def _persistently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        sending = self._sending
        return await persistently(attempt, self._packet.number, sending.config, sending.tell)

    async def _register(self, server: ServerAddress) -> StoredPacket:
        plan = self._state.plan
        sender_key = Ed25519PrivateKey.generate()
        count = registered_recipients(plan.recipients)
        keys = [Ed25519PrivateKey.generate() for _ in range(count)]
        batches = [
            [key.public for key in keys[start : start + _KEYS_AT_ONCE]]
            for start in range(0, count, _KEYS_AT_ONCE)
        ]
        client = await self._clients.client(server)
        registered = await client.register(
            sender_key,
            size=len(self._packet.data),
            digest=self._packet.digest,
            recipient_keys=batches[0],
            basic_auth=self._sending.servers[server],
        )
        ids = list(registered.recipient_ids)
        for batch in batches[1:]:
            ids += await client.add_recipients(sender_key, registered.sender_id, batch)
        recipients = tuple(zip(ids, keys, strict=True))[: plan.recipients]
        return StoredPacket(
            self._packet.digest, server, registered.sender_id, sender_key, recipients
        )

    async def _upload(self, stored: StoredPacket) -> None:
        client = await self._clients.client(stored.server)
        self._counter.begin_again(self._packet.number)
        size = len(self._packet.data)
        await client.upload(stored.sender_key, stored.sender_id, size, self._body())

    async def _body(self) -> AsyncGenerator[memoryview]:
        data = memoryview(self._packet.data)
        for start in range(0, len(data), PIECE_SIZE):
            piece = data[start : start + PIECE_SIZE]
            yield piece
            self._counter.add(self._packet.number, len(piece))
