"""Making a picture so small that it fits into a message, with Pillow."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING

from simplex_trio.errors import SimplexError, TooLarge

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MAX_PIXELS", "PictureSupportMissing", "shrunk"]

MAX_PIXELS = 50_000_000
"""How many pixels a picture may have to be made smaller: each takes four bytes of memory."""

_SIDES = (640, 480, 360, 256, 192, 128, 96, 64, 32, 16)
_QUALITIES = (80, 60, 40)


class PictureSupportMissing(SimplexError, ImportError):
    """The package that makes pictures smaller, of the extra ``images``, is not installed."""


@cache
def _require_pillow() -> None:
    try:
        import PIL.Image
        import PIL.ImageOps  # noqa: F401
    except ImportError as exc:
        raise PictureSupportMissing(
            "making pictures smaller needs a package: pip install 'simplex-trio[images]'"
        ) from exc


def shrunk(content: bytes, limit: int, *, square: bool = False) -> bytes:
    """A JPEG file of at most ``limit`` bytes that shows the same picture.

    With ``square`` it shows the middle of it.  Transparent parts become white, and nothing is left
    of what cameras write into their files beside the picture.

    Raises `ValueError` for a file that is no picture, and `TooLarge` for one of more than
    50,000,000 pixels; `PictureSupportMissing` without the extra ``images``.
    """
    _require_pillow()
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=["PNG", "JPEG", "GIF", "WEBP"]) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise TooLarge(f"a picture with more than {MAX_PIXELS} pixels")
            opened.draft("RGB", (_SIDES[0], _SIDES[0]))
            image = _flat(ImageOps.exif_transpose(opened))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise TooLarge(f"a picture with more than {MAX_PIXELS} pixels") from exc
    except (UnidentifiedImageError, OSError, SyntaxError) as exc:
        raise ValueError("not a PNG, JPEG, GIF or WebP file that can be read") from exc
    if square:
        side = min(image.size)
        image = ImageOps.fit(image, (side, side))
    for side in _SIDES:
        smaller = image.copy()
        smaller.thumbnail((side, side))
        for quality in _QUALITIES:
            file = io.BytesIO()
            smaller.save(file, "JPEG", quality=quality, optimize=True)
            if file.tell() <= limit:
                return file.getvalue()
    raise TooLarge(f"a picture does not fit into {limit} bytes")


def _flat(image: Image) -> Image:
    """The picture without transparency, which JPEG does not have."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")
