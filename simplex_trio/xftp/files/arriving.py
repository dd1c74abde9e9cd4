"""`receive_content`: downloads the packets of a file, and decrypts it while they arrive.

Packets arrive in any order, and the file is decrypted in its own; so what is decrypted is always
the beginning of what is there, and little is left to do after the last packet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.files.downloading import Downloader
from simplex_trio.xftp.files.packet_file import PacketFile
from simplex_trio.xftp.files.part_file import PartFile
from simplex_trio.xftp.files.progress import Counter, Phase
from simplex_trio.xftp.tasks import open_tasks

__all__ = ["receive_content"]

_STEP = 4 * 1024 * 1024
"""Bytes to decrypt between two reports of progress."""


@asynccontextmanager
async def receive_content(
    downloader: Downloader,
    description: FileDescription,
    packets: PacketFile,
    path: Path,
    *,
    is_new: bool,
) -> AsyncIterator[str]:
    """Download the packets that are missing; all of them if ``packets`` ``is_new``.

    In the block the content is at ``path``, complete and durable, in a temporary file that is
    removed at its end; it yields the name that the sender has given.

    Raises what `Downloader.download` raises, `StateInUse` if another transfer has the temporary
    file, and `DecodeError`, `DecryptionFailed` or `DigestMismatch` for a file that is not as
    described, possibly before all of it is there.
    """
    part = await in_thread(partial(PartFile, path, description))
    try:
        decryption = _Decryption(part, packets, description.size, downloader)
        async with open_tasks() as tasks:
            tasks.start(decryption.run)
            await downloader.download(
                description, packets, is_new=is_new, arrived=decryption.continue_until
            )
            decryption.is_last_phase = True
        decryption.report()
        yield await in_thread(part.finish)
    finally:
        with trio.CancelScope(shield=True):
            await in_thread(part.close)


class _Decryption:
    """Follows the download, as far as the beginning of the file is complete."""

    def __init__(
        self, part: PartFile, packets: PacketFile, size: int, downloader: Downloader
    ) -> None:
        self._part = part
        self._packets = packets
        self._size = size
        self._there = 0
        self._more = trio.lowlevel.ParkingLot()
        self._counter = Counter(Phase.DECRYPTING, size, downloader.tell)
        self._reported = 0
        self.is_last_phase: bool = False
        """Whether the download is over; there is no progress of this phase to report before."""

    def continue_until(self, position: int) -> None:
        """Note that the file is there up to a position."""
        self._there = position
        self._more.unpark_all()

    async def run(self) -> None:
        """Decrypt all of the file."""
        part = self._part
        while part.done < self._size:
            if part.done == self._there:
                await self._more.park()
                continue
            until = min(part.done + _STEP, self._there)
            await in_thread(
                partial(part.decrypt, self._packets, until, trio.from_thread.check_cancelled)
            )
            if self.is_last_phase:
                self.report()

    def report(self) -> None:
        """Report what has been decrypted since the last time."""
        done = self._part.done
        if done > self._reported:
            self._counter.add(0, done - self._reported)
            self._reported = done
