"""`Transfers`: those who wait for files of others, and what has become of these."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import trio
from attrs import define, field

from simplex_trio.chat.errors import ApprovalNeeded, FileNotReceived, FileTakenBack
from simplex_trio.chat.machine.file_records import FileState, FileStore, OfferedFile, file_told
from simplex_trio.chat.machine.file_senders import FileSender
from simplex_trio.chat.machine.receiving_files import fail, start, want
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.turns import current_turn
from simplex_trio.duplex.file_events import FileProblem, FileProgress
from simplex_trio.errors import DecodeError, StoreError
from simplex_trio.xftp.errors import FileTooLarge
from simplex_trio.xftp.files.names import safe_name
from simplex_trio.xftp.files.progress import Phase, Progress

if TYPE_CHECKING:
    from simplex_trio.chat.core import ChatCore

__all__ = ["OnProgress", "ProgressBoard", "Transfers"]

OnProgress: TypeAlias = Callable[[Progress], object]
"""Called with how far a transfer is, in the task that waits for it; it must not block."""

_SHOWN = (Phase.UPLOADING, Phase.DOWNLOADING)


# --- progress -----------------------------------------------------------------------------------


@define(eq=False)
class ProgressWatch:
    """A call that shows the progress of a file; of what comes at once it shows the latest."""

    file_id: str | None
    wake: Callable[[], None]
    on_progress: OnProgress | None
    latest: Progress | None = None

    def show(self) -> None:
        """Show what has come, in the task that waits."""
        latest, self.latest = self.latest, None
        if latest is not None and self.on_progress is not None:
            self.on_progress(latest)


class ProgressBoard:
    """The calls that show the progress of files."""

    def __init__(self) -> None:
        self._watches: list[ProgressWatch] = []

    @contextmanager
    def watch(
        self, file_id: str | None, wake: Callable[[], None], on_progress: OnProgress | None
    ) -> Iterator[ProgressWatch]:
        """Watch a file for as long as the block."""
        watch = ProgressWatch(file_id, wake, on_progress)
        self._watches.append(watch)
        try:
            yield watch
        finally:
            self._watches.remove(watch)

    def tell(self, event: FileProgress) -> None:
        """A transfer has got on."""
        if event.phase not in _SHOWN:
            return
        for watch in self._watches:
            if watch.file_id == event.file_id and watch.on_progress is not None:
                watch.latest = Progress(event.phase, event.done, event.total)
                watch.wake()


# --- files of others ----------------------------------------------------------------------------


@define(eq=False)
class _Wait:
    """A call that waits for a file."""

    file: OfferedFile | None = None
    """What has become of it; `None` as long as it has to wait."""
    sender: FileSender | None = None
    file_id: str | None = None
    changed: trio.Event = field(factory=trio.Event)

    def wake(self) -> None:
        self.changed.set()


class Transfers:
    """Files that are wanted, and the calls that wait for them."""

    def __init__(self, core: ChatCore) -> None:
        self._core = core
        self._waits: dict[tuple[int, bytes], list[_Wait]] = {}
        self._starting: set[tuple[int, bytes]] = set()
        self.nursery: trio.Nursery | None = None
        """For the descriptions that are read; set as long as the program runs."""
        self.tell: Callable[[OfferedFile, FileSender], object] = lambda *_: None
        """Called with each file whose outcome no call waits for, and its sender."""

    def changed(self, file: OfferedFile, sender: FileSender | None) -> None:
        """A step has changed a file."""
        if file.state is FileState.WANTED and file.is_described:
            self._begin(file)
        waits = self._waits.get(file.key, ())
        is_told = file.state.is_over or file.state is FileState.ASKING
        for wait in waits:
            wait.file_id = file.file_id
            wait.file, wait.sender = file if is_told else None, sender
            wait.wake()
        if is_told and file.notice and not waits and sender is not None:
            self.tell(file, sender)

    # --- beginning ------------------------------------------------------------------------------

    def _begin(self, file: OfferedFile) -> None:
        if self.nursery is not None and file.key not in self._starting:
            self._starting.add(file.key)
            self.nursery.start_soon(self._start, file)

    async def resume(self) -> None:
        """Begin what was to be begun when the program ended."""
        described = await self._core.step(_described, durable=False)
        for file in described:
            self._begin(file)

    async def _start(self, file: OfferedFile) -> None:
        core = self._core
        try:
            problem = await self._planned(file)
            if problem is not None:
                await core.step(lambda store: fail(store, file, problem))
        finally:
            self._starting.discard(file.key)

    async def _planned(self, file: OfferedFile) -> FileProblem | None:
        core = self._core
        if file.place is not None:
            place = Path(os.fsdecode(file.place))
        elif core.settings.folder is not None:
            place = Path(core.settings.folder) / safe_name(file.name)
        else:  # the program is run without the folder that it had before
            return FileProblem.DESTINATION
        text = await core.step(lambda store: FileStore(store).description(file), durable=False)
        try:
            # In a group, others may receive it with the same description.
            is_shared = file.member_id is not None
            planned = await core.agent.plan_receiving(text, place, acknowledge=not is_shared)
        except FileTooLarge:
            return FileProblem.TOO_LARGE
        except (DecodeError, ValueError):
            return FileProblem.DAMAGED
        except StoreError:
            return FileProblem.DESTINATION
        await core.step(lambda store: start(store, file, planned))
        return None

    # --- waiting --------------------------------------------------------------------------------

    async def receive(
        self,
        offered: OfferedFile,
        place: Path,
        *,
        approve: bool,
        on_progress: OnProgress | None,
    ) -> Path:
        """Receive a file, and wait until it is in its place; returns where that is."""
        core, key = self._core, offered.key
        decide = partial(_want, offered, os.fsencode(place), approve)
        wait = _Wait()
        self._waits.setdefault(key, []).append(wait)
        turn = current_turn.get()
        if turn is not None and (turn.is_over or turn.contact_id != offered.contact_id):
            turn = None
        is_taken = False
        try:
            wait_for = partial(self._wait, wait, on_progress)
            if turn is None:
                file = await wait_for(await core.step(decide))
            else:
                file = await turn.stand_aside(decide, wait_for)
            is_taken = True
        finally:
            self._waits[key].remove(wait)
            if not self._waits[key]:
                del self._waits[key]
                if not is_taken and wait.file is not None and wait.sender is not None:
                    self.tell(wait.file, wait.sender)
        told = partial(_told, key)
        if turn is None or turn.is_over:
            await core.step(told)
        else:
            turn.has_in_hand(told)
        return _outcome(file)

    async def _wait(
        self, wait: _Wait, on_progress: OnProgress | None, file: OfferedFile
    ) -> OfferedFile:
        if file.state.is_over:
            return file
        with self._core.progress.watch(wait.file_id, wait.wake, on_progress) as watch:
            while wait.file is None:
                wait.changed = trio.Event()
                await wait.changed.wait()
                watch.file_id = wait.file_id
                watch.show()
            return wait.file


def _described(store: Store) -> list[OfferedFile]:
    files = FileStore(store).all()
    return [each for each in files if each.state is FileState.WANTED and each.is_described]


def _want(offered: OfferedFile, place: bytes, approve: bool, store: Store) -> OfferedFile:
    return want(store, offered, place, approve=approve)


def _told(key: tuple[int, bytes], store: Store) -> None:
    file_told(store, *key)


def _outcome(file: OfferedFile) -> Path:
    match file.state:
        case FileState.RECEIVED if file.where is not None:
            return Path(file.where)
        case FileState.ASKING:
            raise ApprovalNeeded(file.asked_servers)
        case FileState.TAKEN_BACK:
            raise FileTakenBack
        case _:
            raise FileNotReceived(file.problem)
