"""`open_server_folder`: what the reference's server has left in its folder, read as a store is.

Nothing in the folder is changed.  The server must not run: it keeps messages in memory unless it is
told otherwise, and writes them when it stops.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import trio

from simplex_trio.errors import DecodeError
from simplex_trio.router.moving.server_log import ServerLog
from simplex_trio.router.moving.server_messages import (
    JournalPart,
    JournalState,
    read_journal_message,
    read_logged_message,
    read_notification,
)
from simplex_trio.router.store.interface import Filling, PutMessage, PutNotification, Reading
from simplex_trio.serving.server_files import Line, ServerFiles, existing_log
from simplex_trio.storage.failures import translated
from simplex_trio.wire.text import from_base64url

__all__ = ["ServerReading", "find_store_log", "open_server_folder"]

_STORE_LOG: Final = "smp-server-store.log"
_MESSAGES: Final = "smp-server-messages.log"
_NOTIFICATIONS: Final = "smp-server-ntfs.log"
_JOURNALS: Final = "messages"
_STATE: Final = "queue_state."
_LOG: Final = ".log"
_BEFORE: Final = ".bak"

_PORTION: Final = 256
"""Changes that are read at once: some MiB, if all of them are as large as they may be."""


def find_store_log(path: Path) -> Path | None:
    """The store log, if the path is that of one, or of the folder with it.  It blocks."""
    if path.is_dir():
        path = path / _STORE_LOG
    return path if path.name == _STORE_LOG and existing_log(path) else None


@asynccontextmanager
async def open_server_folder(
    store_log: Path, *, now: int, accept_loss: bool = False
) -> AsyncIterator[ServerReading]:
    """Read the server's store log, and the messages and notifications beside it.

    ``now``, in seconds since 1970, is for times that the server does not keep.  Raises
    `StoreUnavailable`, and `StoreCorrupted` with the file and the line that cannot be read; with
    ``accept_loss`` such lines are left out.
    """
    reading = ServerReading(store_log, now, accept_loss=accept_loss)
    await trio.to_thread.run_sync(reading.begin)
    yield reading


class ServerReading(Reading):
    """What is in the folder; `open_server_folder` opens it."""

    def __init__(self, store_log: Path, now: int, *, accept_loss: bool) -> None:
        self._store_log = store_log
        self._folder = store_log.parent
        self._files = ServerFiles(accept_loss=accept_loss)
        self._log = ServerLog(now)
        self._numbers = count(1)
        self._rest: Iterator[Filling] = iter(())
        self.is_complete: bool = True
        self.records: int | None = None
        self.left_out: Counter[str] = self._files.left_out
        """What is not in the copy, in words, and how much of it there is."""

    def begin(self) -> None:
        """Replay the store log, and look for the rest; for a worker thread."""
        path = existing_log(self._store_log) or self._store_log
        self.is_complete = path == self._store_log
        for line in self._files.lines(path):
            self._files.read(line, self._log.feed)
        self._rest = self._everything()
        messages = self._folder / _MESSAGES
        backup = messages.with_name(messages.name + _BEFORE)
        if backup.is_file() and not messages.exists() and not self._journals.is_dir():
            # It takes this name when the server starts, and the other when it stops.
            self.is_complete = False

    @property
    def _journals(self) -> Path:
        return self._folder / _JOURNALS

    async def portion(self) -> Sequence[Filling]:
        return await trio.to_thread.run_sync(self._portion)

    def _portion(self) -> Sequence[Filling]:
        found = []
        for change in self._rest:
            found.append(change)
            if len(found) == _PORTION:
                break
        return found

    def _everything(self) -> Iterator[Filling]:
        yield from self._log.changes()
        yield from self._messages()
        yield from self._notifications()

    # --- messages and notifications -------------------------------------------------------------

    def _messages(self) -> Iterator[PutMessage]:
        for line in self._files.lines(self._folder / _MESSAGES, is_appended=False):
            read = partial(read_logged_message, sequence=next(self._numbers))
            if (message := self._files.read(line, read)) is not None:
                if self._log.has_queue(message.recipient_id):
                    yield message
                else:
                    self.left_out["messages of queues that are gone"] += 1
        # The server has one or the other.
        for state_path in self._states():
            yield from self._journal(state_path)

    def _states(self) -> Iterator[Path]:
        """The files with the states of journals."""
        if not self._journals.exists():
            return
        with translated(_JOURNALS):
            for folder, _, names in os.walk(self._journals, onerror=_raise):
                # While the server writes a state anew, there may be the one of before alone.
                states = {name.removesuffix(_BEFORE) for name in names if name.startswith(_STATE)}
                for name in sorted(states):
                    if name.endswith(_LOG):
                        yield Path(folder, name)

    def _notifications(self) -> Iterator[PutNotification]:
        for line in self._files.lines(self._folder / _NOTIFICATIONS, is_appended=False):
            read = partial(read_notification, sequence=next(self._numbers))
            if (notification := self._files.read(line, read)) is not None:
                if self._log.has_notifier(notification.notifier_id):
                    yield PutNotification(notification)
                else:
                    self.left_out["notifications of notifiers that are gone"] += 1

    # --- journals -------------------------------------------------------------------------------

    def _journal(self, state_path: Path) -> Iterator[PutMessage]:
        """The messages of the queue whose journal has its state in this file."""
        recipient_id = self._recipient(state_path)
        state = self._state(state_path)
        if recipient_id is None or state is None:
            return
        if not self._log.has_queue(recipient_id):
            self.left_out["messages of queues that are gone"] += state.size
            return
        found = 0
        for part in state.parts:
            for line in self._part(state_path.with_name(f"messages.{part.journal_id}{_LOG}"), part):
                number = next(self._numbers)
                read = partial(read_journal_message, recipient_id, sequence=number)
                if (message := self._files.read(line, read)) is not None:
                    found += 1
                    yield message
        if found != state.size:
            self._files.damaged(f"{state_path.name}: {state.size} messages should be left")

    def _recipient(self, state_path: Path) -> bytes | None:
        try:
            return from_base64url(state_path.name[len(_STATE) : -len(_LOG)])
        except DecodeError as exc:
            self._files.damaged(f"{state_path.name}: not the name of a journal", exc)
            return None

    def _state(self, state_path: Path) -> JournalState | None:
        """The last state in the file; `None` if there is none."""
        before = state_path.with_name(state_path.name + _BEFORE)
        if before.is_file():  # the server ended while it wrote the state anew
            state_path = before
        lines = list(self._files.lines(state_path))
        try:
            return JournalState.read(lines[-1].content)
        except IndexError:
            return None
        except DecodeError as exc:
            try:
                # The last line may be cut short; then the one before it is the last.
                return JournalState.read(lines[-2].content)
            except (IndexError, DecodeError):
                self._files.damaged(f"{state_path.name}, line {len(lines)}", exc)
                return None

    def _part(self, path: Path, part: JournalPart) -> Iterator[Line]:
        with translated(path.name):
            if not path.is_file():
                self._files.damaged(f"{path.name}, which is missing")
                return
            with path.open("rb") as file:
                file.seek(part.start)
                end = min(part.end, os.fstat(file.fileno()).st_size)
                content = file.read(max(0, end - part.start))
        for number, line in enumerate(content.splitlines(), 1):
            yield Line(path.name, number, line)


def _raise(error: OSError) -> None:
    raise error
