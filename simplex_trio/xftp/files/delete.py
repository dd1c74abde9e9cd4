"""`delete_file`: deletes the packets of a file from their routers."""

from __future__ import annotations

from simplex_trio.frozen import frozen
from simplex_trio.wire.xftp.description import FileDescription, FileParty
from simplex_trio.xftp.files.clients import open_client_pool
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.deleting import Deleter
from simplex_trio.xftp.files.progress import Listener, ignore

__all__ = ["DeletedFile", "delete_file"]


@frozen
class DeletedFile:
    """The outcome for the replicas of a file's packets."""

    deleted: int
    unknown: int
    """Replicas that their routers do not have, or not for this key."""


async def delete_file(
    description: FileDescription,
    *,
    config: TransferConfig | None = None,
    tell: Listener = ignore,
) -> DeletedFile:
    """Delete all replicas of all packets, with the description for the sender.

    It is no error if packets are gone already, so the call can be repeated after a crash or a
    cancellation.  Raises `ValueError` for the description of a recipient, and `NotDeleted` if some
    packets could not be deleted, after deleting all others.
    """
    if description.party is not FileParty.SENDER:
        raise ValueError("a file is deleted with the description for its sender")
    replicas = [
        (number, packet.size, replica)
        for number, packet in enumerate(description.packets, 1)
        for replica in packet.replicas
    ]
    config = config or TransferConfig()
    async with open_client_pool(config.client, config.connect) as clients:
        deleter = Deleter(clients, config, tell)
        await deleter.delete(replicas)
    return DeletedFile(deleter.deleted, deleter.unknown)
