"""Pictures are made so small that they fit."""

from __future__ import annotations

import io
import sys
from random import Random

import pytest
from PIL import Image

from simplex_trio.chat.messages import shrinking
from simplex_trio.chat.messages.pictures import MAX_PROFILE_PICTURE, MAX_THUMBNAIL, Picture
from simplex_trio.chat.messages.shrinking import PictureSupportMissing, shrunk
from simplex_trio.errors import TooLarge


def noise(mode: str, size: tuple[int, int]) -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, size, Random(1).randbytes(size[0] * size[1] * bands))


def written(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def opened(picture: Picture) -> Image.Image:
    assert picture.content is not None
    return Image.open(io.BytesIO(picture.content))


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "PNG"), ("RGBA", "WEBP"), ("L", "JPEG"), ("P", "GIF")]
)
def test_a_large_picture_is_made_to_fit(mode: str, kind: str) -> None:
    content = written(noise(mode, (700, 300)), kind)
    thumbnail = Picture.fitting(content)
    assert len(thumbnail.uri) <= MAX_THUMBNAIL
    width, height = opened(thumbnail).size
    assert width > height
    of_profile = Picture.of_profile(content)
    assert len(of_profile.uri) <= MAX_PROFILE_PICTURE
    width, height = opened(of_profile).size
    assert width == height
    assert of_profile.media_type == "image/jpg"


def test_a_small_picture_stays_as_it_is() -> None:
    content = written(Image.new("RGB", (10, 10), "red"), "PNG")
    assert Picture.fitting(content).content == content


def test_what_is_transparent_becomes_white() -> None:
    content = written(Image.new("RGBA", (32, 32), (0, 0, 0, 0)), "PNG")
    with opened(Picture.of_profile(content)) as image:
        assert image.getpixel((5, 5)) == (255, 255, 255)


def test_what_cannot_be_made_smaller() -> None:
    whole = written(noise("RGB", (700, 700)), "PNG")
    for content in (b"", b"no picture", b"\x89PNG\r\n\x1a\n", whole[:2000], b"GIF89a"):
        with pytest.raises(ValueError, match="not a PNG"):
            shrunk(content, MAX_THUMBNAIL)
    with pytest.raises(TooLarge, match="pixels"):
        shrunk(written(Image.new("1", (8000, 8000)), "PNG"), MAX_THUMBNAIL)
    with pytest.raises(TooLarge, match="does not fit"):
        shrunk(whole, 100)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    shrinking._require_pillow.cache_clear()
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(PictureSupportMissing, match=r"simplex-trio\[images\]"):
        shrunk(b"", 1)
    shrinking._require_pillow.cache_clear()
