"""`delete_file`: deletes the packets of a file from their routers."""

from __future__ import annotations

from functools import partial

import trio
from attrs import frozen

from simplex_trio.errors import SimplexError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description import FileDescription, FileParty, Packet, Replica
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.xftp.errors import NotDeleted, RouterUnreachable, XFTPRouterError
from simplex_trio.xftp.files.clients import ClientPool, open_client_pool
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.progress import Counter, Listener, Phase, ignore
from simplex_trio.xftp.files.retries import persistently
from simplex_trio.xftp.tasks import open_tasks

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
    return await _Deleting(config or TransferConfig(), tell).delete(description)


class _Deleting:
    """One call of `delete_file`."""

    def __init__(self, config: TransferConfig, tell: Listener) -> None:
        self._config = config
        self._tell = tell
        self._deleted = self._unknown = 0
        self._failures: list[SimplexError] = []
        self._unreachable: dict[ServerAddress, RouterUnreachable] = {}

    async def delete(self, description: FileDescription) -> DeletedFile:
        total = sum(packet.size * len(packet.replicas) for packet in description.packets)
        counter = Counter(Phase.DELETING, total, self._tell)
        places = trio.Semaphore(self._config.parallel)
        async with (
            open_client_pool(self._config.client, self._config.connect) as clients,
            open_tasks() as tasks,
        ):
            for number, packet in enumerate(description.packets, 1):
                for replica in packet.replicas:
                    await places.acquire()
                    task = partial(self._delete, clients, counter, number, packet, replica, places)
                    tasks.start(task)
        if self._failures:
            first = self._failures[0]
            retryable = any(failure.retryable for failure in self._failures)
            raise NotDeleted(len(self._failures), retryable=retryable) from first
        return DeletedFile(self._deleted, self._unknown)

    async def _delete(
        self,
        clients: ClientPool,
        counter: Counter,
        number: int,
        packet: Packet,
        replica: Replica,
        places: trio.Semaphore,
    ) -> None:
        async def attempt() -> None:
            async with clients.client(replica.server) as client:
                await client.delete(replica.key, replica.id)

        try:
            if replica.server in self._unreachable:
                # All attempts were used up for another packet.
                raise self._unreachable[replica.server]
            await persistently(attempt, number, self._config, self._tell)
            self._deleted += 1
            counter.add(number, packet.size)
        except XFTPRouterError as exc:
            if exc.error is XFTPCode.AUTH:
                self._unknown += 1
                counter.add(number, packet.size)
            else:
                self._failures.append(exc)
        except SimplexError as exc:
            if isinstance(exc, RouterUnreachable):
                self._unreachable[replica.server] = exc
            self._failures.append(exc)
        finally:
            places.release()
