"""`send_attachment`: a file as the app shows it best, with the least that has to be said of it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from os import PathLike
from pathlib import Path

from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.messages.shrinking import PictureSupportMissing
from simplex_trio.chat.notifying.notifier import Notifier
from simplex_trio.chat.notifying.values import Notification
from simplex_trio.chat.people import Contact
from simplex_trio.errors import TooLarge
from simplex_trio.xftp.disk import in_thread

__all__ = ["send_attachment"]

_PICTURES = frozenset((".gif", ".jpeg", ".jpg", ".png", ".webp"))

_MAX_PICTURE = 2**25
"""Bytes of a picture that is read to make a thumbnail; a larger one is sent as a file."""


async def send_attachment(
    notifier: Notifier,
    contact: Contact | int | str,
    path: str | PathLike[str],
    *,
    name: str | None = None,
    text: str = "",
    until: DeliveryState = DeliveryState.SENT,
    timeout: float = 30,
    gives_way: bool = False,
    copies: bool = False,
) -> Notification:
    """Send a picture as one if there can be a thumbnail of it, and everything else as a file.

    With ``copies`` the file may go away at once.  Raises as `Notifier.send_file` does.
    """
    place = Path(path)
    thumbnail = await in_thread(partial(_thumbnail, place))
    name = name or place.name
    source = await in_thread(place.read_bytes) if copies else place
    if thumbnail is None:
        return await notifier.send_file(
            contact,
            source,
            name=name,
            text=text,
            until=until,
            timeout=timeout,
            gives_way=gives_way,
        )
    return await notifier.send_image(
        contact,
        source,
        thumbnail=thumbnail,
        name=name,
        text=text,
        until=until,
        timeout=timeout,
        gives_way=gives_way,
    )


def _thumbnail(path: Path) -> Picture | None:
    if path.suffix.lower() not in _PICTURES:
        return None
    with suppress(OSError, ValueError, TooLarge, PictureSupportMissing):
        if path.stat().st_size <= _MAX_PICTURE:
            return Picture.fitting(path.read_bytes())
    return None
