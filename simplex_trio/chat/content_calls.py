"""`ContentCalls`: the calls that send files and media, to contacts and groups."""

from __future__ import annotations

from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar
from uuid import uuid4

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.machine import sending_files
from simplex_trio.chat.machine.outlet import Outlet
from simplex_trio.chat.machine.records import SentRecord
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content, File, Image, Video, Voice
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.duplex.file_plans import FileToSend
from simplex_trio.errors import EncodeError
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.files.names import shortened
from simplex_trio.xftp.support import require_support

if TYPE_CHECKING:
    from simplex_trio.chat.message_calls import Quotable

__all__ = ["ContentCalls"]

SentT = TypeVar("SentT")

FileSource: TypeAlias = str | PathLike[str] | bytes
"""The path of a file, or its content."""


class ContentCalls(Generic[SentT]):
    """Files and media.

    The calls that send a file return when message and transfer are stored.  The others see the
    message at once, and can receive the file when it is on routers, which `SentMessage.wait` tells.
    A file at a path must stay as it is until then; what is given as bytes is copied to a folder
    beside the store, readable by its owner alone, until then.

    They raise what `Contact.send` and `Group.send` do, `NoServers` if the agent has no routers for
    files, `XFTPSupportMissing`, `FileTooLarge`, `EncodeError` for an empty file, which the apps
    refuse, and `StoreError` if the file cannot be read.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _core: ChatCore

        def _outlet(self, store: Store) -> Outlet: ...

        def _sent(self, record: SentRecord, content: Content) -> SentT: ...

    async def send_file(
        self,
        source: FileSource,
        *,
        name: str | None = None,
        text: str = "",
        quote: Quotable | None = None,
        ttl: int | None = None,
    ) -> SentT:
        """Send a file of any kind, with a text about it.

        ``name`` is what the others see it called; by default it is that of the path, and for
        bytes ``file``.  ``quote`` and ``ttl`` are as for `Contact.send`.
        """
        return await self._send(source, File(text), name or "file", name, quote=quote, ttl=ttl)

    async def send_image(
        self,
        source: FileSource,
        *,
        thumbnail: Picture | None = None,
        name: str | None = None,
        text: str = "",
        quote: Quotable | None = None,
        ttl: int | None = None,
    ) -> SentT:
        """Send a picture; a thumbnail is made of it if none is given: see `Picture.fitting`.

        The file is sent as it is, with what the camera has noted in it.  The apps receive pictures
        of up to 510 KiB by themselves, and larger ones when the person asks for them.

        Raises as `Picture.fitting` does.
        """
        if thumbnail is None:
            thumbnail = await in_thread(partial(_thumbnail, source))
        usual = _picture_name(source)
        content = Image(thumbnail, text)
        return await self._send(source, content, usual, name, quote=quote, ttl=ttl)

    async def send_video(
        self,
        source: FileSource,
        *,
        duration: int,
        thumbnail: Picture,
        name: str | None = None,
        text: str = "",
        quote: Quotable | None = None,
        ttl: int | None = None,
    ) -> SentT:
        """Send a video of ``duration`` seconds; ``thumbnail`` is a picture of it."""
        content = Video(thumbnail, duration, text)
        return await self._send(source, content, "video.mp4", name, quote=quote, ttl=ttl)

    async def send_voice(
        self,
        source: FileSource,
        *,
        duration: int,
        name: str | None = None,
        text: str = "",
        quote: Quotable | None = None,
        ttl: int | None = None,
    ) -> SentT:
        """Send a voice message of ``duration`` seconds; the apps play AAC in MPEG-4 (``.m4a``)."""
        content = Voice(duration, text)
        return await self._send(source, content, "voice.m4a", name, quote=quote, ttl=ttl)

    async def _send(
        self,
        source: FileSource,
        content: Content,
        usual_name: str,
        name: str | None,
        *,
        quote: Quotable | None,
        ttl: int | None,
    ) -> SentT:
        require_support()
        core = self._core
        # Before anything is copied; the step that sends asks once more.
        await core.step(partial(self._check, content), durable=False)
        quoted = None if quote is None else quote.as_quote()
        copy: str | None = None
        if isinstance(source, bytes):
            copy, name = f"send-{uuid4().hex}", name or usual_name
            path = await in_thread(partial(core.copies.make, copy, source))
        else:
            path = Path(source)
        is_stored = False
        try:
            planned = await self._planned(path, name)

            def decide(store: Store) -> SentRecord:
                return sending_files.send_file(
                    *(self._outlet(store), content, planned), copy=copy, quote=quoted, ttl=ttl
                )

            record = await core.step(decide)
            is_stored = True
        finally:
            if copy is not None and not is_stored:
                core.copies.remove_later(copy)
                core.upkeep_due.set()
        return self._sent(record, content)

    def _check(self, content: Content, store: Store) -> None:
        self._outlet(store).check(content)

    async def _planned(self, path: Path, name: str | None) -> FileToSend:
        # One description in several messages, as the apps do, rather than one that leads to it.
        planned = await self._core.agent.plan_sending(
            path, name=shortened(name or path.name, 0), redirect=False
        )
        if not planned.size:
            raise EncodeError("an empty file, which the apps refuse")
        return planned


def _thumbnail(source: FileSource) -> Picture:
    return Picture.fitting(source if isinstance(source, bytes) else Path(source).read_bytes())


def _picture_name(source: FileSource) -> str:
    """A name for a picture without one; the apps go by its end."""
    if not isinstance(source, bytes):
        return Path(source).name
    try:
        media_type = Picture.of(source, limit=len(source) * 2 + 100).media_type
    except ValueError:
        media_type = None
    kind = "jpg" if media_type is None else media_type.partition("/")[2]
    return f"image.{kind}"
