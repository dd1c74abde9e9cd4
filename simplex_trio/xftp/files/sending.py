"""`file_plan`, and `send_packets`, which carries a plan out.

The content is read once, from start to end: packets are encrypted in order, and each is uploaded
while the next ones are being encrypted.  So there is no encrypted copy on the disk, and memory does
not depend on the size of the file.  To go on later, the packets are encrypted again, with the same
result, and those that routers have already are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

import trio

from simplex_trio.crypto.box import KEY_SIZE, NONCE_SIZE
from simplex_trio.wire.xftp.description import FileDescription, Redirect
from simplex_trio.wire.xftp.file_header import FileHeader
from simplex_trio.wire.xftp.packet_sizes import packet_sizes, single_packet_size
from simplex_trio.xftp.bodies import PIECE_SIZE
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import FileChanged, FileTooLarge
from simplex_trio.xftp.files.clients import Clients
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.encryption import payload_size
from simplex_trio.xftp.files.layout import Plan
from simplex_trio.xftp.files.progress import Counter, Listener, Phase
from simplex_trio.xftp.files.sealing import Sealer
from simplex_trio.xftp.files.uploading import CandidateServers, Uploading
from simplex_trio.xftp.files.uploads import Encrypted, Uploads
from simplex_trio.xftp.tasks import open_tasks

__all__ = ["description_plan", "file_plan", "pieces_of", "redirect_to", "send_packets"]

_NO_TEXT = re.compile("[\ud800-\udfff]")


def file_plan(
    name: str, content_size: int, config: TransferConfig, *, recipients: int, replicas: int
) -> Plan:
    """How to send a file that recipients see under ``name``; `FileTooLarge` if it cannot be."""
    header = FileHeader(_NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", name))
    size = payload_size(header, content_size)
    if size > config.max_size:
        raise FileTooLarge("the file is larger than files may be")
    return _plan(header, content_size, packet_sizes(size), config, recipients, replicas)


def description_plan(
    text: bytes, config: TransferConfig, *, recipients: int, replicas: int
) -> Plan:
    """How to send the text of a description in one packet; `FileTooLarge` if it does not fit."""
    header = FileHeader("")
    size = single_packet_size(payload_size(header, len(text)))
    if size is None:
        raise FileTooLarge("a description that does not fit into one packet")
    return _plan(header, len(text), (size,), config, recipients, replicas)


def redirect_to(description: FileDescription) -> Redirect:
    """What a description says that leads to this one."""
    return Redirect(description.size, description.digest)


def _plan(
    header: FileHeader,
    content_size: int,
    sizes: tuple[int, ...],
    config: TransferConfig,
    recipients: int,
    replicas: int,
) -> Plan:
    return Plan(
        header=header,
        content_size=content_size,
        key=config.random(KEY_SIZE),
        nonce=config.random(NONCE_SIZE),
        recipients=recipients,
        replicas=replicas,
        sizes=sizes,
    )


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
