"""`FileWorks`: the tasks of an agent that transfer files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.event_stream import DuplexEvents
from simplex_trio.duplex.file_events import FileProblem
from simplex_trio.duplex.machine.files.keeping import KeepingTimes, delayed, forget_old_files
from simplex_trio.duplex.machine.files.rows import IncomingFile, IncomingStatus
from simplex_trio.duplex.machine.files.work import (
    AcknowledgeFile,
    DeletePackets,
    FileWork,
    ReceiveFile,
    SendFile,
)
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.machine.work import Lane
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.work.activities import Activities, Activity
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.files.base import Settings
from simplex_trio.duplex.work.files.clients import FileClients
from simplex_trio.duplex.work.files.deleting import DeletingWork
from simplex_trio.duplex.work.files.local import LocalFiles
from simplex_trio.duplex.work.files.problems import StoreBroken, is_temporary, problem_of
from simplex_trio.duplex.work.files.progress import ProgressTeller
from simplex_trio.duplex.work.files.receiving import ReceivingWork
from simplex_trio.duplex.work.files.sending import SendingWork
from simplex_trio.duplex.work.lanes import Lanes
from simplex_trio.duplex.work.settling import wait_after
from simplex_trio.errors import SimplexError, StoreError
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import XFTPSupportMissing
from simplex_trio.xftp.support import require_support

__all__ = ["FileWorks"]

_CLEANUP_PERIOD = 300
"""Seconds between the removals of what is kept for a limited time."""

_Read = Callable[[Callable[[SQLiteRows], IncomingFile | None]], Awaitable[IncomingFile | None]]
"""Reads the row of a file."""

_RESUMED_AT_ONCE = 64
"""Files whose work is read in one transaction at the start."""


class FileWorks:
    """Transfers go on here, one attempt after the other, until their rows say that all is done."""

    def __init__(
        self,
        config: DuplexConfig,
        core: Core,
        events: DuplexEvents,
        activities: Activities,
        folder: Path | None,
    ) -> None:
        files = config.files
        self._config = config
        self._core = core
        self._settings = Settings(config)
        self._local = LocalFiles(folder if files.folder is None else files.folder)
        self.progress: ProgressTeller = ProgressTeller(events)
        self._activities = activities
        self.lanes: Lanes[FileWork] = Lanes(self._attempt, activities)
        self._places: dict[type[FileWork], trio.Semaphore] = {
            kind: trio.Semaphore(files.transfers) for kind in (SendFile, ReceiveFile)
        }
        self._running: dict[Lane, trio.CancelScope] = {}
        self._nursery: trio.Nursery | None = None
        self._clients: FileClients | None = None
        self._sending: SendingWork | None = None
        self._receiving: ReceivingWork | None = None
        self._deleting: DeletingWork | None = None

    # --- tasks ----------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run all tasks until cancelled."""
        try:
            require_support()
        except XFTPSupportMissing:
            # What is stored waits for an agent that has the libraries.
            task_status.started()
            await trio.sleep_forever()
        try:
            async with open_inner_nursery() as nursery:
                self._open_in(nursery)
                try:
                    await self._resume()
                    nursery.start_soon(self._clean_up)
                    task_status.started()
                    await trio.sleep_forever()
                finally:
                    self.lanes.stop()
                    self._nursery = None
        finally:
            if self._local.is_temporary:
                with trio.CancelScope(shield=True):
                    await in_thread(self._local.close)

    def _open_in(self, nursery: trio.Nursery) -> None:
        clients = self._clients = FileClients(self._config.files, self._settings.transfer, nursery)
        core, settings, local, progress = self._core, self._settings, self._local, self.progress
        self._sending = SendingWork(core, settings, clients, local, progress)
        self._receiving = ReceivingWork(core, settings, clients, local, progress)
        self._deleting = DeletingWork(core, settings, clients, local, progress)
        self._nursery = nursery
        self.lanes.open_in(nursery)

    async def _resume(self) -> None:
        """Remove what a crash has left, and begin what was to be done when the program ended."""
        if self._local.has_folder:
            receiving = await self._core.read(
                lambda rows: {file.file_id for file in rows.find(IncomingFile)}
            )
            await in_thread(partial(self._local.take_over, receiving))
        waiting = await self._core.read(lambda rows: rows.file_ids())
        for start in range(0, len(waiting), _RESUMED_AT_ONCE):
            some = waiting[start : start + _RESUMED_AT_ONCE]
            await self._core.step(partial(_use_all, some), durable=False)

    async def _clean_up(self) -> None:
        files = self._config.files
        times = KeepingTimes(
            send_within=files.send_within,
            receive_within=files.receive_within,
            keep_sent=files.keep_sent,
            delete_within=files.delete_within,
        )
        while True:
            await self._activities.wait_until_open(Activity.CLEANING)
            with self._activities.doing(Activity.CLEANING):
                await self._core.step_persistently(
                    lambda step: forget_old_files(step, times), durable=None
                )
            await trio.sleep(_CLEANUP_PERIOD)

    # --- work -----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Try at once what waits for its next attempt, if it may be tried."""
        self.lanes.try_now()
        if self._clients is not None and not self._activities.may(Activity.MANAGING):
            self._clients.close_unused()

    def renew(self) -> None:
        """Transfer what is transferred over new connections: the network is another one."""
        if self._clients is not None:
            self._clients.close_all()

    def set_work(self, file_id: str, works: Sequence[FileWork]) -> None:
        """A step was stored, and this work follows for a file; other work is obsolete, and ends."""
        wanted = {work.lane for work in works}
        running = [lane for lane in self._running if lane.connection_id == file_id]
        for lane in running:
            if lane not in wanted:
                self._running[lane].cancel()
        self.lanes.set_work(file_id, works)
        if not works:
            self.progress.forget(file_id)
        if not running:
            self._remove_packets_later(file_id)

    def _remove_packets_later(self, file_id: str) -> None:
        if self._nursery is not None and self._local.knows(file_id):
            self._nursery.start_soon(self._remove_packets, file_id, self._core.read_persistently)

    async def _remove_packets(self, file_id: str, read: _Read) -> None:
        """Remove the packets of a file, if it is not received any more."""
        if not self._local.knows(file_id):
            return
        file = await read(lambda rows: rows.get(IncomingFile, file_id))
        if file is None:
            self._local.fetched_from.pop(file_id, None)
        if file is None or file.status is IncomingStatus.ACKNOWLEDGING:
            with suppress(StoreError):  # the next start tries it again
                await in_thread(partial(self._local.remove, file_id))
            self._local.release(file_id)

    async def _attempt(self, work: FileWork, attempt: int) -> float | None:
        with trio.CancelScope() as scope:
            self._running[work.lane] = scope
            try:
                return await self._try_in_turn(work, attempt)
            finally:
                try:
                    with trio.CancelScope(shield=True):
                        await self._remove_packets(work.file_id, self._core.read)
                except StoreError:
                    self._remove_packets_later(work.file_id)
                del self._running[work.lane]
                if scope.cancel_called:  # it may have told something after that
                    self.progress.forget(work.file_id)
        return None

    async def _try_in_turn(self, work: FileWork, attempt: int) -> float | None:
        try:
            places = self._places.get(type(work))
            if places is None:
                return await self._try(work, attempt)
            async with places:
                return await self._try(work, attempt)
        except StoreBroken as exc:
            raise exc.error from exc.__cause__
        except SimplexError as exc:
            if not is_temporary(exc):
                raise
            problem = problem_of(exc, FileProblem.SPACE, FileProblem.NETWORK)
            await self._core.step_persistently(
                lambda step: delayed(step, work.file_id, problem), durable=False
            )
        return wait_after(self._config, attempt)

    async def _try(self, work: FileWork, attempt: int) -> float | None:
        assert self._sending is not None
        assert self._receiving is not None
        assert self._deleting is not None
        match work:
            case SendFile():
                return await self._sending.send(work, attempt)
            case ReceiveFile():
                await self._receiving.receive(work)
            case AcknowledgeFile():
                await self._receiving.acknowledge(work)
            case DeletePackets():
                await self._deleting.delete(work)
        return None


def _use_all(file_ids: Sequence[str], step: Step) -> None:
    """Use files in a step, so that their work is begun."""
    step.files.update(file_ids)
