"""`send_file`: encrypts a file, splits it into packets, and uploads them to routers.

The file is read once, from start to end: packets are encrypted in order, and each is uploaded while
the next ones are being encrypted.  So there is no encrypted copy on the disk, and memory does not
depend on the size of the file.  After a crash the packets are encrypted again, with the same
result, and those that routers have already are skipped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import trio
from attrs import evolve, frozen

from simplex_trio.crypto.box import KEY_SIZE, NONCE_SIZE
from simplex_trio.redaction import Redacted
from simplex_trio.wire.xftp.description import FileDescription, Redirect
from simplex_trio.wire.xftp.description_text import encode_description
from simplex_trio.wire.xftp.file_header import FileHeader
from simplex_trio.wire.xftp.packet_sizes import packet_sizes, single_packet_size
from simplex_trio.xftp.bodies import PIECE_SIZE
from simplex_trio.xftp.client_config import AnyServer, server_with_auth
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import FileChanged, FileTooLarge, StateMismatch
from simplex_trio.xftp.files.clients import open_client_pool
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.encryption import payload_size
from simplex_trio.xftp.files.layout import Plan, describe
from simplex_trio.xftp.files.progress import Counter, Listener, Phase, ignore
from simplex_trio.xftp.files.sealing import Sealer
from simplex_trio.xftp.files.send_state import SendState
from simplex_trio.xftp.files.uploading import CandidateServers, Uploading
from simplex_trio.xftp.tasks import open_tasks

__all__ = ["SentFile", "send_description", "send_file"]

_NO_TEXT = re.compile("[\ud800-\udfff]")


@frozen(repr=False)
class SentFile(Redacted):
    """The descriptions of a file that was uploaded."""

    sender: FileDescription
    """The description that can delete the file."""
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
    tell: Listener = ignore,
) -> SentFile:
    """Upload a file to ``servers``, for ``recipients`` recipients.

    Each packet goes to ``replicas`` randomly chosen routers; a router that fails is replaced by
    another as long as there is one.  Recipients see ``name`` instead of the file's own name.

    With a ``state`` file an interrupted transfer can be resumed.  The state stays, complete, until
    the caller has stored the descriptions and removes it: until then the same call returns the same
    descriptions.  Without a state file, a transfer that is interrupted or cancelled leaves packets
    on routers until they expire.

    Raises `ValueError` for too few servers or invalid addresses, `FileTooLarge`, `FileChanged` if
    the file changes during the transfer, `StateMismatch` for the state file of another transfer,
    `StoreError`, and the errors of `XFTPClient` when the last attempt has failed.
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
    tell: Listener = ignore,
) -> SentFile:
    """Upload a description itself, in a single packet, so that a short link can lead to it.

    Returns descriptions of that packet; recipients of these get the file.  Raises what `send_file`
    raises, and `FileTooLarge` if the description does not fit into a packet.
    """
    config = config or TransferConfig()
    text = (await in_thread(partial(encode_description, description))).encode()
    header = FileHeader("")
    size = single_packet_size(payload_size(header, len(text)))
    if size is None:
        raise FileTooLarge("a description that does not fit into one packet")
    redirect = Redirect(description.size, description.digest)
    sending = _Sending(servers, config, tell, recipients, replicas, redirect)
    return await sending.send(header, len(text), (size,), iter([text]), None)


def _readable(name: str) -> str:
    """The name of a file, with replacement characters where it is not text."""
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", name)


def _sizes(header: FileHeader, content_size: int, config: TransferConfig) -> tuple[int, ...]:
    size = payload_size(header, content_size)
    if size > config.max_size:
        raise FileTooLarge("the file is larger than files may be")
    return packet_sizes(size)


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    source.seek(0)
    while piece := source.read(PIECE_SIZE):
        yield piece


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
        passwords = {each.address: each.basic_auth for each in map(server_with_auth, servers)}
        if not 1 <= replicas <= len(passwords):
            raise ValueError("there must be as many servers as replicas, and at least one")
        self._servers = CandidateServers(passwords, config.chance)
        self._config = config
        self._tell = tell
        self._recipients = recipients
        self._replicas = replicas
        self._redirect = redirect

    async def send(
        self,
        header: FileHeader,
        size: int,
        sizes: tuple[int, ...],
        content: Iterator[bytes],
        state_path: str | Path | None,
    ) -> SentFile:
        plan = Plan(
            header=header,
            content_size=size,
            key=self._config.random(KEY_SIZE),
            nonce=self._config.random(NONCE_SIZE),
            recipients=self._recipients,
            replicas=self._replicas,
            sizes=sizes,
        )
        path = None if state_path is None else Path(state_path)
        state = await SendState.open(path, plan)
        try:
            if evolve(state.plan, key=plan.key, nonce=plan.nonce) != plan:
                raise StateMismatch("the state file belongs to another transfer")
            if not state.is_complete:
                await self._send_packets(state, content)
            return await in_thread(partial(self._described, state))
        finally:
            state.close()

    def _described(self, state: SendState) -> SentFile:
        assert state.digest is not None
        stored = {
            number: state.uploaded(number)[: self._replicas]
            for number in range(1, len(state.plan.sizes) + 1)
        }
        return SentFile(*describe(state.plan, state.digest, stored, self._redirect))

    async def _send_packets(self, state: SendState, content: Iterator[bytes]) -> None:
        total = state.plan.encrypted_size * self._replicas
        counter = Counter(Phase.UPLOADING, total, self._tell)
        if there := state.uploaded_size:
            counter.add(None, there)
        sealer = Sealer(state.plan, content)
        # There are as many packets in flight as buffers.  These are reused, because memory that is
        # allocated for each packet would not be freed in time.
        give_back, buffers = trio.open_memory_channel[bytearray](self._config.parallel)
        for _ in range(min(self._config.parallel, len(state.plan.sizes))):
            give_back.send_nowait(bytearray(max(state.plan.sizes)))
        async with (
            open_client_pool(self._config.client, self._config.connect) as clients,
            open_tasks() as tasks,
        ):
            while True:
                buffer = await buffers.receive()
                packet = await in_thread(partial(sealer.next, buffer))
                if packet is None:
                    break
                uploading = Uploading(
                    packet, state, clients, self._servers, self._config, self._tell, counter
                )
                tasks.start(partial(uploading.run, partial(give_back.send_nowait, buffer)))
        digest = sealer.digest()
        if state.digest is None:
            await state.add_digest(digest)
        elif state.digest != digest:
            raise FileChanged("the file is not the one that the transfer began with")
