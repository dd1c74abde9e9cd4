"""`DeletingWork`: deletes packets from routers."""

from __future__ import annotations

from functools import partial

from simplex_trio.duplex.machine.files.deleting import files_deleted, packet_gone
from simplex_trio.duplex.machine.files.rows import DeletedFile, DeletedPacket
from simplex_trio.duplex.machine.files.work import DeletePackets
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.work.files.base import FileWorkBase
from simplex_trio.wire.xftp.description import Replica
from simplex_trio.xftp.errors import NotDeleted
from simplex_trio.xftp.files.deleting import Deleter
from simplex_trio.xftp.files.progress import ignore

__all__ = ["DeletingWork"]


class DeletingWork(FileWorkBase):
    """Work on packets to delete."""

    async def delete(self, work: DeletePackets) -> None:
        """Delete what is left; packets whose routers refuse that are left to expire there."""
        file = work.file
        label = self._settings.label(file.user, file.file_id)
        packets = await self._core.read(partial(_packets, file))
        replicas = [
            (number, 1, Replica(packet.server, packet.sender_id, packet.key))
            for number, packet in enumerate(packets, 1)
        ]
        refused = False
        async with self._clients.of(label) as clients:
            gone = partial(self._gone, file)
            deleter = Deleter(clients, self._settings.transfer(label), ignore, gone)
            try:
                await deleter.delete(replicas)
            except NotDeleted as exc:
                if exc.retryable:
                    raise
                refused = True
        await self._settle(lambda step: files_deleted(step, file.file_id, given_up=refused))

    async def _gone(self, file: DeletedFile, replica: Replica) -> None:
        packet = DeletedPacket(file.file_id, replica.server, replica.id, replica.key)
        # Deleting it once more is harmless.
        await self._settle(partial(_forget, file.file_id, packet), durable=False)


def _packets(file: DeletedFile, rows: SQLiteRows) -> list[DeletedPacket]:
    return rows.find(DeletedPacket, file_id=file.file_id)


def _forget(file_id: str, packet: DeletedPacket, step: Step) -> None:
    packet_gone(step, file_id, packet)
