"""`send_packets`: encrypts a file, splits it into packets, and uploads them to routers.

The content is read once, from start to end: packets are encrypted in order, and each is uploaded
while the next ones are being encrypted.  So there is no encrypted copy on the disk, and memory does
not depend on the size of the file.  To go on later, the packets are encrypted again, with the same
result, and those that routers have already are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

import trio

from simplex_trio.xftp.bodies import PIECE_SIZE
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import FileChanged
from simplex_trio.xftp.files.clients import Clients
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.progress import Counter, Listener, Phase
from simplex_trio.xftp.files.sealing import Sealer
from simplex_trio.xftp.files.uploading import CandidateServers, Uploading
from simplex_trio.xftp.files.uploads import Encrypted, Uploads
from simplex_trio.xftp.tasks import open_tasks

__all__ = ["pieces_of", "send_packets"]


def pieces_of(source: BinaryIO) -> Iterator[bytes]:
    """The content of an open file, from its start."""
    source.seek(0)
    while piece := source.read(PIECE_SIZE):
        yield piece


async def send_packets(
    uploads: Uploads,
    content: Iterator[bytes],
    clients: Clients,
    servers: CandidateServers,
    config: TransferConfig,
    tell: Listener,
) -> None:
    """Upload the packets that are not on their routers yet.

    Raises `FileChanged` if the content is not what it was, and the errors of `XFTPClient` when the
    last attempt has failed.
    """
    plan = uploads.plan
    counter = Counter(Phase.UPLOADING, plan.encrypted_size * plan.replicas, tell)
    if there := uploads.uploaded_size:
        counter.add(None, there)
    sealer = Sealer(plan, content)
    # There are as many packets in flight as buffers.  These are reused, because memory that is
    # allocated for each packet would not be freed in time.
    give_back, buffers = trio.open_memory_channel[bytearray](config.parallel)
    for _ in range(min(config.parallel, len(plan.sizes))):
        give_back.send_nowait(bytearray(max(plan.sizes)))
    async with open_tasks() as tasks:
        while True:
            buffer = await buffers.receive()
            packet = await in_thread(partial(sealer.next, buffer))
            if packet is None:
                break
            uploading = Uploading(packet, uploads, clients, servers, config, tell, counter)
            tasks.start(partial(uploading.run, partial(give_back.send_nowait, buffer)))
    digest = sealer.digest()
    if uploads.digest is None:
        await uploads.add(Encrypted(digest))
    elif uploads.digest != digest:
        raise FileChanged("the file is not the one that the transfer began with")
