"""`Picture`: a small image inside a message, which the apps write as a ``data:`` URI."""

from __future__ import annotations

import base64
import binascii
import re
from contextlib import suppress
from typing import Self

from simplex_trio.chat.messages.shrinking import shrunk
from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["MAX_PROFILE_PICTURE", "MAX_THUMBNAIL", "Picture"]

MAX_PROFILE_PICTURE = 12_500
"""What the apps make the picture of a profile fit into: characters of its URI."""

MAX_THUMBNAIL = 14_000
"""What the apps make the thumbnail of an image fit into: characters of its URI."""

_URI = re.compile(r"data:(image/[a-z0-9.+-]{1,40});base64,([A-Za-z0-9+/]*={0,2})", re.IGNORECASE)

# How a picture begins, and what the apps call its type.
_KINDS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)


def _kind(content: bytes) -> str | None:
    return next((kind for start, kind in _KINDS if start.match(content)), None)


@frozen(repr=False)
class Picture(Redacted):
    """A small image: the picture of a profile, or the thumbnail of an image, a video or a link.

    ``uri`` is what the message has.  As in the apps a picture that is no ``data:`` URI is an empty
    one, so that nothing is ever loaded from elsewhere.
    """

    uri: str = ""

    @classmethod
    def of(cls, content: bytes, *, limit: int = MAX_THUMBNAIL) -> Self:
        """The picture with the ``content`` of a PNG, JPEG, GIF or WebP file.

        Raises `ValueError` for anything else, and `TooLarge` for one whose URI has more than
        ``limit`` characters: use 12,500 for a profile.  `fitting` makes it smaller.
        """
        kind = _kind(content)
        if kind is None:
            raise ValueError("not a PNG, JPEG, GIF or WebP file")
        uri = f"data:{kind};base64,{base64.b64encode(content).decode()}"
        if len(uri) > limit:
            raise TooLarge(f"a picture of {len(uri)} characters does not fit into {limit}")
        return cls(uri)

    @classmethod
    def fitting(cls, content: bytes, *, limit: int = MAX_THUMBNAIL, square: bool = False) -> Self:
        """The picture in a file, made so small that its URI has at most ``limit`` characters.

        A small file is taken as it is, unless the picture has to be ``square``.  Making one smaller
        takes some time; call this in a thread if it is not done once for all.

        Raises `ValueError` for a file that is no PNG, JPEG, GIF or WebP, `TooLarge` for one of more
        than 50,000,000 pixels, and `PictureSupportMissing` without the extra ``images``.
        """
        if not square:
            with suppress(TooLarge):
                return cls.of(content, limit=limit)
        room = (limit - len("data:image/jpg;base64,")) // 4 * 3
        return cls.of(shrunk(content, room, square=square), limit=limit)

    @classmethod
    def of_profile(cls, content: bytes) -> Self:
        """The picture of a profile: square, and as small as the apps make it; see `fitting`."""
        return cls.fitting(content, limit=MAX_PROFILE_PICTURE, square=True)

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.uri)

    @property
    def content(self) -> bytes | None:
        """The file in the URI; `None` if it does not begin as a PNG, JPEG, GIF or WebP file does.

        The rest of it is unchecked: open it with a library that is made for files of strangers.
        """
        found = _URI.fullmatch(self.uri)
        if found is None:
            return None
        try:
            content = base64.b64decode(found[2], validate=True)
        except binascii.Error:
            return None
        return content if _kind(content) else None

    @property
    def media_type(self) -> str | None:
        """What kind of file `content` is, by its beginning, as in ``image/png``."""
        content = self.content
        return None if content is None else _kind(content)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a JSON value; raises `DecodeError`."""
        if not isinstance(value, str):
            raise DecodeError("not text")
        return cls(value if value.startswith("data:") else "")

    def to_json(self) -> str:
        """The JSON value of this value."""
        return self.uri
