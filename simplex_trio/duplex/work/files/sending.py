"""`SendingWork`: uploads files, as `simplex_trio.xftp` does, with rows for what is done."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import trio

from simplex_trio.duplex.file_events import FileProblem
from simplex_trio.duplex.machine.files.rows import OutgoingFile, RedirectUse
from simplex_trio.duplex.machine.files.sending import (
    Described,
    keep_upload,
    kept_uploads,
    packets_sent,
    sending_failed,
)
from simplex_trio.duplex.machine.files.work import SendFile
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.files.base import FileWorkBase
from simplex_trio.duplex.work.files.problems import StoreBroken, is_temporary, problem_of
from simplex_trio.errors import SimplexError, StoreError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.description_text import encode_description
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import RouterUnreachable
from simplex_trio.xftp.files.clients import Clients
from simplex_trio.xftp.files.layout import Plan
from simplex_trio.xftp.files.planning import description_plan, redirect_to
from simplex_trio.xftp.files.progress import TransferEvent
from simplex_trio.xftp.files.sending import pieces_of, send_packets
from simplex_trio.xftp.files.uploading import CandidateServers
from simplex_trio.xftp.files.uploads import Registered, Uploads, UploadStep

__all__ = ["SendingWork"]


class _StoredUploads(Uploads):
    """Uploads whose steps are rows."""

    def __init__(self, core: Core, file_id: str, user: str, plan: Plan) -> None:
        super().__init__(plan)
        self._core = core
        self._file_id = file_id
        self._user = user

    async def _keep(self, step: UploadStep) -> None:
        keep = partial(_keep, self._file_id, self._user, step)
        # What is not known to be registered would be registered again, and its room be taken twice.
        durable = isinstance(step, Registered)
        try:
            await self._core.step_persistently(keep, durable=durable)
        except StoreError as exc:
            raise StoreBroken(exc) from exc


def _keep(file_id: str, user: str, upload: UploadStep, step: Step) -> None:
    keep_upload(step, file_id, user, upload)


@frozen(repr=False)
class _Stored(Redacted):
    """A file, and all that is known of it and of the file that it leads to."""

    file: OutgoingFile
    steps: list[UploadStep]
    parent: OutgoingFile | None
    parent_steps: list[UploadStep]


def _stored(file_id: str, rows: SQLiteRows) -> _Stored | None:
    file = rows.get(OutgoingFile, file_id)
    if file is None:
        return None
    parent = None if file.parent_id is None else rows.get(OutgoingFile, file.parent_id)
    return _Stored(
        file,
        kept_uploads(rows, file),
        parent,
        [] if parent is None else kept_uploads(rows, parent),
    )


class SendingWork(FileWorkBase):
    """Work on files to send."""

    async def send(self, work: SendFile, attempt: int) -> float | None:
        """Upload what is missing, and describe what is there."""
        file = work.file
        try:
            return await self._send(file, attempt)
        except SimplexError as exc:
            if is_temporary(exc):
                raise
            problem = problem_of(exc, FileProblem.UNREADABLE, FileProblem.REFUSED)
            await self._settle(partial(_fail, file.file_id, problem))
        return None

    async def _send(self, file: OutgoingFile, attempt: int) -> float | None:
        stored = await self._core.read(partial(_stored, file.file_id))
        if stored is None:
            return None
        file, uploads = stored.file, self._uploads(stored.file, stored.steps)
        if not uploads.is_complete:
            passwords = {
                each.address: each.basic_auth for each in self._settings.config.files.servers
            }
            if len(passwords) < file.plan.replicas:
                # An agent without servers leaves this to one with some, which may be opened next.
                return math.inf
            await self._upload(stored, uploads, passwords, is_repeated=attempt > 0)
        described = await in_thread(partial(self._described, stored, uploads))
        await self._settle(lambda step: packets_sent(step, file.file_id, described))
        return None

    def _uploads(self, file: OutgoingFile, steps: list[UploadStep]) -> _StoredUploads:
        uploads = _StoredUploads(self._core, file.file_id, file.user, file.plan)
        for step in steps:
            uploads.apply(step)
        return uploads

    async def _upload(
        self,
        stored: _Stored,
        uploads: _StoredUploads,
        passwords: dict[ServerAddress, bytes | None],
        *,
        is_repeated: bool,
    ) -> None:
        file, settings = stored.file, self._settings
        label = settings.label(file.user, file.file_id)
        transfer = settings.transfer(label)
        servers = CandidateServers(passwords, transfer.chance)
        shown = file.file_id if file.parent_id is None else None

        def tell(event: TransferEvent) -> None:
            if shown is not None:
                self._progress.tell(shown, event)

        async with self._clients.of(label) as clients, self._content(stored) as content:
            if is_repeated:
                await _reach_any(clients, list(passwords))
            await send_packets(uploads, content, clients, servers, transfer, tell)

    # --- content --------------------------------------------------------------------------------

    @asynccontextmanager
    async def _content(self, stored: _Stored) -> AsyncIterator[Iterator[bytes]]:
        file = stored.file
        if stored.parent is not None:
            _, recipient = self._leading_to(stored, stored.parent)
            text = await in_thread(partial(encode_description, recipient))
            yield iter([text.encode()])
            return
        path = os.fsdecode(file.path)
        source = await in_thread(lambda: open(path, "rb"))  # noqa: SIM115
        try:
            yield pieces_of(source)
        finally:
            with trio.CancelScope(shield=True):
                await in_thread(source.close)

    def _leading_to(
        self, stored: _Stored, parent: OutgoingFile
    ) -> tuple[FileDescription, FileDescription]:
        """The descriptions of a file, for its sender, and for the recipient of this description."""
        own, recipients = self._uploads(parent, stored.parent_steps).described()
        return own, recipients[stored.file.position]

    # --- descriptions ---------------------------------------------------------------------------

    def _described(self, stored: _Stored, uploads: Uploads) -> Described:
        """The descriptions of a file that is on its routers; for worker threads."""
        file = stored.file
        if stored.parent is not None:
            leads_to, _ = self._leading_to(stored, stored.parent)
            own, recipients = uploads.described(redirect_to(leads_to))
            return Described(own, recipients, ())
        own, recipients = uploads.described()
        texts = tuple(map(encode_description, recipients))
        longest = self._settings.config.files.longest_description
        if file.redirect is RedirectUse.ALWAYS or (
            file.redirect is RedirectUse.IF_LONG and max(map(len, texts)) > longest
        ):
            plans = tuple(
                description_plan(
                    text.encode(),
                    recipients=1,
                    replicas=file.plan.replicas,
                    random=self._settings.config.random_bytes,
                )
                for text in texts
            )
            return Described(own, recipients, (), plans)
        return Described(own, recipients, texts)


async def _reach_any(clients: Clients, servers: list[ServerAddress]) -> None:
    """Connect to one of the routers, or raise why none can be.

    Otherwise all of a file would be encrypted again before that turns out.
    """
    failure: RouterUnreachable | None = None
    for server in servers:
        try:
            async with clients.client(server):
                return
        except RouterUnreachable as exc:
            failure = exc
    assert failure is not None
    raise failure


def _fail(file_id: str, problem: FileProblem, step: Step) -> None:
    sending_failed(step, file_id, problem)
