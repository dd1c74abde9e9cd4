"""`Downloader`: downloads packets, each from the first of its routers that has it.

Packets arrive in any order, from several routers at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import accumulate

import trio

from simplex_trio.errors import CryptoError, DecodeError, SimplexError, StoreError
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
from simplex_trio.xftp.files.clients import Clients
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.packet_file import PacketFile
from simplex_trio.xftp.files.part_file import decrypted
from simplex_trio.xftp.files.progress import Counter, Listener, Phase
from simplex_trio.xftp.files.retries import persistently
from simplex_trio.xftp.tasks import open_tasks

__all__ = ["Downloader"]

MAX_REDIRECT_SIZE = 4 * 1024 * 1024
"""The largest packet: a description that is the target of a redirect is a single packet."""

_ACKNOWLEDGED_AT_LEAST = 100
"""Packets to acknowledge within the time-out of one answer; others are left to expire, because the
file is complete and the caller is waiting."""


class Downloader:
    """Downloads packets of one file, and remembers which router each of them came from."""

    def __init__(
        self,
        clients: Clients,
        config: TransferConfig,
        tell: Listener,
        may_use: Callable[[ServerAddress], bool] = lambda _: True,
        fetched_from: dict[bytes, Replica] | None = None,
    ) -> None:
        self.config = config
        self.tell = tell
        self._clients = clients
        self._may_use = may_use
        self.fetched_from: dict[bytes, Replica] = {} if fetched_from is None else fetched_from
        """The replicas that were downloaded, by the digests of their packets."""
        self._failed: set[ServerAddress] = set()

    def check_size(self, description: FileDescription) -> None:
        """Raise `FileTooLarge` if the file is larger than the limit."""
        if description.size > self.config.max_size:
            raise FileTooLarge("the file is larger than is wanted")

    # --- downloading --------------------------------------------------------------------------

    async def download(
        self,
        description: FileDescription,
        file: PacketFile,
        *,
        is_new: bool,
        arrived: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Download the packets that are missing in ``file``; all of them if it ``is_new``.

        Calls ``arrived`` with the position up to which the file is complete, each time it grows.
        """
        packets = description.packets
        offsets = accumulate((packet.size for packet in packets), initial=0)
        placed = list(zip(range(1, len(packets) + 1), packets, offsets, strict=False))
        total = description.size
        missing = placed if is_new else await self._missing(file, placed, total)
        counter = Counter(Phase.DOWNLOADING, total, self.tell)
        beginning = _Beginning(placed, {number for number, _, _ in missing}, arrived)
        there = total - sum(packet.size for _, packet, _ in missing)
        if there:
            counter.add(0, there)
        places = trio.Semaphore(self.config.parallel)
        async with open_tasks() as tasks:
            for number, packet, offset in missing:
                await places.acquire()
                fetching = _Fetching(self, file, self._clients, counter, number, packet, offset)
                tasks.start(partial(fetching.run, places, beginning.note))

    async def _missing(
        self, file: PacketFile, placed: list[tuple[int, Packet, int]], total: int
    ) -> list[tuple[int, Packet, int]]:
        counter = Counter(Phase.CHECKING, total, self.tell)
        missing: list[tuple[int, Packet, int]] = []
        for number, packet, offset in placed:
            check = partial(file.has_packet, offset, packet.size, packet.digest)
            if not await in_thread(check):
                missing.append((number, packet, offset))
            counter.add(number, packet.size)
        return missing

    async def follow(
        self, asked: FileDescription, create: Callable[[], PacketFile]
    ) -> FileDescription:
        """The description that a redirecting description leads to.

        ``create`` makes the file for its packets.  Raises `RedirectRefused` if it leads to
        something else, and `FileTooLarge`.
        """
        assert asked.redirect is not None
        if asked.size > MAX_REDIRECT_SIZE:
            raise RedirectRefused("a description leads to something too large for a description")
        file = await in_thread(create)
        try:
            await self.download(asked, file, is_new=True)
            found = await in_thread(lambda: decode_description(b"".join(decrypted(file, asked))))
        except (DecodeError, CryptoError, DigestMismatch) as exc:
            raise RedirectRefused("a description leads to something that is none") from exc
        finally:
            with trio.CancelScope(shield=True):
                await in_thread(file.close)
        if found.party is not FileParty.RECIPIENT or found.redirect is not None:
            raise RedirectRefused("a description leads to one of another kind")
        if (found.size, found.digest) != (asked.redirect.size, asked.redirect.digest):
            raise RedirectRefused("a description leads to another file than it says")
        self.check_size(found)
        return found

    # --- routers ------------------------------------------------------------------------------

    def usable(self, packet: Packet) -> list[Replica]:
        """The replicas on routers that may be used."""
        return [replica for replica in packet.replicas if self._may_use(replica.server)]

    def by_promise(self, replicas: Iterable[Replica]) -> list[Replica]:
        """The replicas; those whose routers failed at the last request come last."""
        return sorted(replicas, key=lambda replica: replica.server in self._failed)

    def note_fetched(self, packet: Packet, replica: Replica) -> None:
        self.fetched_from[packet.digest] = replica
        self._failed.discard(replica.server)

    def note_failed(self, server: ServerAddress) -> None:
        self._failed.add(server)

    # --- afterwards ---------------------------------------------------------------------------

    async def acknowledge(self, packets: Sequence[Packet]) -> None:
        """Acknowledge packets to the routers that sent them; failures do not matter."""
        places = trio.Semaphore(self.config.parallel)
        patience = self.config.client.request_seconds * (1 + len(packets) / _ACKNOWLEDGED_AT_LEAST)
        with trio.move_on_after(patience):
            async with open_tasks() as tasks:
                for packet in packets:
                    await places.acquire()
                    replica = self.fetched_from.get(packet.digest)
                    if replica is None:
                        replica = next(iter(self.usable(packet)), None)
                    tasks.start(partial(self._acknowledge_to, replica, places))

    async def _acknowledge_to(self, replica: Replica | None, places: trio.Semaphore) -> None:
        try:
            if replica is not None and replica.server not in self._failed:
                async with self._clients.client(replica.server) as client:
                    await client.acknowledge(replica.key, replica.id)
        except XFTPRouterError:
            pass  # it may have been acknowledged before a crash
        except SimplexError:
            assert replica is not None
            self.note_failed(replica.server)
        finally:
            places.release()


class _Beginning:
    """Up to where a file is complete, whatever has arrived of the rest."""

    def __init__(
        self,
        placed: Sequence[tuple[int, Packet, int]],
        missing: set[int],
        tell: Callable[[int], object],
    ) -> None:
        self._ahead = deque((number, offset + packet.size) for number, packet, offset in placed)
        self._missing = missing
        self._tell = tell
        self._advance()

    def note(self, number: int) -> None:
        """Note that a packet is complete."""
        self._missing.remove(number)
        self._advance()

    def _advance(self) -> None:
        end = None
        while self._ahead and self._ahead[0][0] not in self._missing:
            _, end = self._ahead.popleft()
        if end is not None:
            self._tell(end)


class _Fetching:
    """A packet that is being downloaded."""

    def __init__(
        self,
        downloader: Downloader,
        file: PacketFile,
        clients: Clients,
        counter: Counter,
        number: int,
        packet: Packet,
        offset: int,
    ) -> None:
        self._downloader = downloader
        self._file = file
        self._clients = clients
        self._counter = counter
        self._number = number
        self._packet = packet
        self._offset = offset
        self._replicas = downloader.usable(packet)

    async def run(self, places: trio.Semaphore, done: Callable[[int], object]) -> None:
        """Download the packet, call ``done`` with its number, and release its place."""
        downloader = self._downloader
        try:
            await persistently(self._try_replicas, self._number, downloader.config, downloader.tell)
            done(self._number)
        finally:
            places.release()

    async def _try_replicas(self) -> None:
        """Download the packet from the first router that has it."""
        failure: SimplexError | None = None
        for replica in self._downloader.by_promise(self._replicas):
            try:
                await self._fetch(replica)
            except StoreError:
                raise
            except SimplexError as exc:
                failure = exc
                self._downloader.note_failed(replica.server)
                if not exc.retryable:
                    self._replicas.remove(replica)
            else:
                self._downloader.note_fetched(self._packet, replica)
                return
        raise NoSuchReplica(self._number, retryable=bool(self._replicas)) from failure

    async def _fetch(self, replica: Replica) -> None:
        packet, offset = self._packet, self._offset

        def write(piece: memoryview) -> int:
            nonlocal offset
            self._file.write(offset, piece)
            offset += len(piece)
            return len(piece)

        async with self._clients.client(replica.server) as client:
            self._counter.begin_again(self._number)
            async with client.download(
                replica.key, replica.id, size=packet.size, digest=packet.digest, handle=write
            ) as sizes:
                async for size in sizes:
                    self._counter.add(self._number, size)
