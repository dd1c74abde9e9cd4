"""`receive_file`: downloads the packets of a file, and decrypts them.

They are kept encrypted until all of them are there; then the file is decrypted, checked as a whole
and put in place, and the packets are acknowledged to the routers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from simplex_trio.errors import CryptoError, DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.xftp.description import FileDescription, FileParty, Packet
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import DigestMismatch
from simplex_trio.xftp.files.arriving import receive_content
from simplex_trio.xftp.files.clients import open_client_pool
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.downloading import Downloader
from simplex_trio.xftp.files.part_file import part_of
from simplex_trio.xftp.files.placing import finish_placing, place, usable_name
from simplex_trio.xftp.files.progress import Listener, ignore
from simplex_trio.xftp.files.receive_state import ReceiveState

__all__ = ["ReceivedFile", "receive_file"]


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
        self._config = config
        self._tell = tell
        self._asked = asked
        self._folder = folder
        self._state_path = state_path

    async def receive(self, *, acknowledge: bool) -> Path:
        """The path of the file."""
        async with open_client_pool(self._config.client, self._config.connect) as clients:
            downloader = Downloader(clients, self._config, self._tell)
            downloader.check_size(self._asked)
            state, is_new = await self._open_state(downloader)
            try:
                downloader.check_size(state.description)
                path = await self._receive(state, downloader, is_new=is_new)
                if acknowledge and not state.is_complete:
                    await downloader.acknowledge(self._packets(state.description))
                await in_thread(state.complete)
            except (CryptoError, DecodeError, DigestMismatch):
                with trio.CancelScope(shield=True):
                    await in_thread(state.discard)  # it would be no better another time
                raise
            finally:
                with trio.CancelScope(shield=True):
                    await in_thread(state.close)
        return path

    def _packets(self, description: FileDescription) -> Sequence[Packet]:
        """All packets that were downloaded."""
        redirecting = () if self._asked.redirect is None else self._asked.packets
        return (*description.packets, *redirecting)

    async def _open_state(self, downloader: Downloader) -> tuple[ReceiveState, bool]:
        asked, path, folder = self._asked, self._state_path, self._folder
        if path is not None:
            state = await in_thread(partial(ReceiveState.open, path, asked))
            if state is not None:
                return state, False
        description = asked
        if asked.redirect is not None:
            create = partial(ReceiveState.create, None, folder, asked, asked)
            description = await downloader.follow(asked, create)
        create = partial(ReceiveState.create, path, folder, asked, description)
        return await in_thread(create), True

    async def _receive(self, state: ReceiveState, downloader: Downloader, *, is_new: bool) -> Path:
        part = await in_thread(partial(part_of, state.description, self._folder))
        placed = await in_thread(partial(finish_placing, state, self._folder, part))
        if placed is not None:
            return placed
        async with receive_content(
            downloader, state.description, state, part, is_new=is_new
        ) as name:
            return await in_thread(partial(place, state, part, self._folder, usable_name(name)))
