"""`receive_file`: downloads the packets of a file, and decrypts them.

Packets arrive in any order, from several routers at once, each from the first of its routers that
has it.  They are kept encrypted until all of them are there; then the file is decrypted, checked as
a whole and put in place, and the packets are acknowledged to the routers.
"""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from pathlib import Path

import trio
from attrs import frozen

from simplex_trio.errors import CryptoError, DecodeError, SimplexError, StoreError
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description import FileDescription, FileParty, Packet, Replica
from simplex_trio.wire.xftp.description_text import decode_description
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import (
    DigestMismatch,
    FileTooLarge,
    NoSuchReplica,
    RedirectRefused,
    XFTPRouterError,
)
from simplex_trio.xftp.files.clients import ClientPool, open_client_pool
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.placing import decrypted, finish_placing, part_of, place
from simplex_trio.xftp.files.progress import Counter, Listener, Phase, ignore
from simplex_trio.xftp.files.receive_state import ReceiveState
from simplex_trio.xftp.files.retries import persistently
from simplex_trio.xftp.tasks import open_tasks

__all__ = ["ReceivedFile", "receive_file"]

MAX_REDIRECT_SIZE = 4 * 1024 * 1024
"""The largest packet: a description that is the target of a redirect is a single packet."""

_ACKNOWLEDGED_AT_LEAST = 100
"""Packets to acknowledge within the time-out of one answer; others are left to expire, because the
file is complete and the caller is waiting."""


@frozen(repr=False)
class ReceivedFile(Redacted):
    """A complete file."""

    path: Path


async def receive_file(
    description: FileDescription,
    folder: str | Path,
    *,
    state: str | Path | None = None,
    acknowledge: bool = True,
    config: TransferConfig | None = None,
    tell: Listener = ignore,
) -> ReceivedFile:
    """Receive a file into ``folder``, under the sender's name for it, made safe.

    Existing files are never overwritten: the name gets a number if it is taken.  With
    ``acknowledge`` the routers that sent the packets are told to forget the recipient, so that the
    description is useless afterwards, unless it names replicas on other routers.

    With a ``state`` file an interrupted transfer can be resumed; it holds the packets received so
    far, encrypted.  After the transfer it stays, complete and small, until the caller removes it:
    until then the same call returns the same path, and nothing is received twice.  It is removed if
    the file turns out not to be what was described.  Without a state file, all progress is lost
    when the transfer is interrupted or cancelled, except for a file that is in place already.

    Raises `ValueError` for the description of a sender, `FileTooLarge`, `NoSuchReplica` if no
    router delivers a packet, `RedirectRefused`, `StoreError`, `StateMismatch` for the state file of
    another transfer, `StateInUse` while the same file is being received already, and `DecodeError`,
    `DigestMismatch` or `DecryptionFailed` if the file is not what was described.
    """
    if description.party is not FileParty.RECIPIENT:
        raise ValueError("a file is received with the description for a recipient")
    config = config or TransferConfig()
    path = None if state is None else Path(state)
    receiving = _Receiving(description, Path(folder), path, config, tell)
    return ReceivedFile(await receiving.receive(acknowledge=acknowledge))


class _Receiving:
    """One call of `receive_file`."""

    def __init__(
        self,
        asked: FileDescription,
        folder: Path,
        state_path: Path | None,
        config: TransferConfig,
        tell: Listener,
    ) -> None:
        self.config = config
        self.tell = tell
        self._asked = asked
        self._folder = folder
        self._state_path = state_path
        self._fetched_from: dict[bytes, Replica] = {}
        self._failed: set[ServerAddress] = set()

    async def receive(self, *, acknowledge: bool) -> Path:
        """The path of the file."""
        self._check_size(self._asked)
        async with open_client_pool(self.config.client, self.config.connect) as clients:
            state, is_new = await self._open_state(clients)
            try:
                self._check_size(state.description)
                path = await self._receive(state, clients, is_new=is_new)
                if acknowledge and not state.is_complete:
                    await self._acknowledge(state.description, clients)
                await in_thread(state.complete)
            except (CryptoError, DecodeError, DigestMismatch):
                with trio.CancelScope(shield=True):
                    await in_thread(state.discard)  # it would be no better another time
                raise
            finally:
                with trio.CancelScope(shield=True):
                    await in_thread(state.close)
        return path

    def _check_size(self, description: FileDescription) -> None:
        if description.size > self.config.max_size:
            raise FileTooLarge("the file is larger than is wanted")

    # --- the state ----------------------------------------------------------------------------

    async def _open_state(self, clients: ClientPool) -> tuple[ReceiveState, bool]:
        if self._state_path is not None:
            state = await in_thread(partial(ReceiveState.open, self._state_path, self._asked))
            if state is not None:
                return state, False
        description = self._asked
        if description.redirect is not None:
            description = await self._follow(clients)
        create = partial(
            ReceiveState.create, self._state_path, self._folder, self._asked, description
        )
        return await in_thread(create), True

    async def _follow(self, clients: ClientPool) -> FileDescription:
        """The description that a redirecting description leads to."""
        asked = self._asked
        assert asked.redirect is not None
        if asked.size > MAX_REDIRECT_SIZE:
            raise RedirectRefused("a description leads to something too large for a description")
        create = partial(ReceiveState.create, None, self._folder, asked, asked)
        state = await in_thread(create)
        try:
            await self._download(state, clients, is_new=True)
            found = await in_thread(lambda: decode_description(b"".join(decrypted(state))))
        except (DecodeError, CryptoError, DigestMismatch) as exc:
            raise RedirectRefused("a description leads to something that is none") from exc
        finally:
            with trio.CancelScope(shield=True):
                await in_thread(state.close)
        if found.party is not FileParty.RECIPIENT or found.redirect is not None:
            raise RedirectRefused("a description leads to one of another kind")
        if (found.size, found.digest) != (asked.redirect.size, asked.redirect.digest):
            raise RedirectRefused("a description leads to another file than it says")
        self._check_size(found)
        return found

    # --- the file -----------------------------------------------------------------------------

    async def _receive(self, state: ReceiveState, clients: ClientPool, *, is_new: bool) -> Path:
        part = await in_thread(partial(part_of, state.description, self._folder))
        placed = await in_thread(partial(finish_placing, state, self._folder, part))
        if placed is not None:
            return placed
        await self._download(state, clients, is_new=is_new)
        counter = Counter(Phase.DECRYPTING, state.description.size, self.tell)

        def report(size: int) -> None:
            trio.from_thread.check_cancelled()
            trio.from_thread.run_sync(counter.add, 0, size)

        return await in_thread(partial(place, state, self._folder, part, report))

    async def _download(self, state: ReceiveState, clients: ClientPool, *, is_new: bool) -> None:
        """Download the missing packets."""
        packets = state.description.packets
        offsets = accumulate((packet.size for packet in packets), initial=0)
        placed = list(zip(range(1, len(packets) + 1), packets, offsets, strict=False))
        missing = placed if is_new else await self._missing(state, placed)
        total = state.description.size
        counter = Counter(Phase.DOWNLOADING, total, self.tell)
        there = total - sum(packet.size for _, packet, _ in missing)
        if there:
            counter.add(0, there)
        places = trio.Semaphore(self.config.parallel)
        async with open_tasks() as tasks:
            for number, packet, offset in missing:
                await places.acquire()
                fetching = _Fetching(self, state, clients, counter, number, packet, offset)
                tasks.start(partial(fetching.run, places))

    async def _missing(
        self, state: ReceiveState, placed: list[tuple[int, Packet, int]]
    ) -> list[tuple[int, Packet, int]]:
        counter = Counter(Phase.CHECKING, state.description.size, self.tell)
        missing: list[tuple[int, Packet, int]] = []
        for number, packet, offset in placed:
            check = partial(state.has_packet, offset, packet.size, packet.digest)
            if not await in_thread(check):
                missing.append((number, packet, offset))
            counter.add(number, packet.size)
        return missing

    # --- routers ------------------------------------------------------------------------------

    def by_promise(self, replicas: list[Replica]) -> list[Replica]:
        """The replicas; those whose routers failed at the last request come last."""
        return sorted(replicas, key=lambda replica: replica.server in self._failed)

    def note_fetched(self, packet: Packet, replica: Replica) -> None:
        self._fetched_from[packet.digest] = replica
        self._failed.discard(replica.server)

    def note_failed(self, server: ServerAddress) -> None:
        self._failed.add(server)

    # --- afterwards ---------------------------------------------------------------------------

    async def _acknowledge(self, description: FileDescription, clients: ClientPool) -> None:
        """Acknowledge the packets to the routers that sent them; failures do not matter."""
        packets = list(description.packets)
        if self._asked.redirect is not None:
            packets += self._asked.packets
        places = trio.Semaphore(self.config.parallel)
        patience = self.config.client.request_seconds * (1 + len(packets) / _ACKNOWLEDGED_AT_LEAST)
        with trio.move_on_after(patience):
            async with open_tasks() as tasks:
                for packet in packets:
                    await places.acquire()
                    replica = self._fetched_from.get(packet.digest, packet.replicas[0])
                    tasks.start(partial(self._acknowledge_to, clients, replica, places))

    async def _acknowledge_to(
        self, clients: ClientPool, replica: Replica, places: trio.Semaphore
    ) -> None:
        try:
            if replica.server not in self._failed:
                async with clients.client(replica.server) as client:
                    await client.acknowledge(replica.key, replica.id)
        except XFTPRouterError:
            pass  # it may have been acknowledged before a crash
        except SimplexError:
            self.note_failed(replica.server)
        finally:
            places.release()


class _Fetching:
    """A packet that is being downloaded."""

    def __init__(
        self,
        receiving: _Receiving,
        state: ReceiveState,
        clients: ClientPool,
        counter: Counter,
        number: int,
        packet: Packet,
        offset: int,
    ) -> None:
        self._receiving = receiving
        self._state = state
        self._clients = clients
        self._counter = counter
        self._number = number
        self._packet = packet
        self._offset = offset
        self._replicas = list(packet.replicas)

    async def run(self, places: trio.Semaphore) -> None:
        """Download the packet, and then release its place."""
        receiving = self._receiving
        try:
            await persistently(self._try_replicas, self._number, receiving.config, receiving.tell)
        finally:
            places.release()

    async def _try_replicas(self) -> None:
        """Download the packet from the first router that has it."""
        failure: SimplexError | None = None
        for replica in self._receiving.by_promise(self._replicas):
            try:
                await self._fetch(replica)
            except StoreError:
                raise
            except SimplexError as exc:
                failure = exc
                self._receiving.note_failed(replica.server)
                if not exc.retryable:
                    self._replicas.remove(replica)
            else:
                self._receiving.note_fetched(self._packet, replica)
                return
        raise NoSuchReplica(self._number, retryable=bool(self._replicas)) from failure

    async def _fetch(self, replica: Replica) -> None:
        packet, offset = self._packet, self._offset
        async with self._clients.client(replica.server) as client:
            self._counter.begin_again(self._number)
            async with client.download(
                replica.key, replica.id, size=packet.size, digest=packet.digest
            ) as pieces:
                async for piece in pieces:
                    await in_thread(partial(self._state.write, offset, piece))
                    offset += len(piece)
                    self._counter.add(self._number, len(piece))
