"""Pages for browsers, and all that is not one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simplex_trio.errors import StoreUnavailable
from simplex_trio.xftp.router.pages import Page, Pages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    (folder / "assets").mkdir(parents=True)
    (folder / ".well-known").mkdir()
    (folder / "index.html").write_bytes(b"<!doctype html>")
    (folder / "assets" / "index.html").write_bytes(b"assets")
    (folder / "assets" / "large one.JS").write_bytes(bytes(200_000))
    (folder / "assets" / "thing").write_bytes(b"?")
    (folder / ".well-known" / "security.txt").write_bytes(b"contact")
    (folder / ".secret").write_bytes(b"secret")
    (tmp_path / "outside").write_bytes(b"outside")
    return folder


async def read(page: Page | None) -> tuple[str, bytes]:
    assert page is not None
    with page:
        pieces = []
        while piece := await page.read():
            pieces.append(piece)
        assert page.headers["content-length"] == str(len(b"".join(pieces)))
        return page.headers["content-type"].partition(";")[0], b"".join(pieces)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", ("text/html", b"<!doctype html>")),
        (b"", ("text/html", b"<!doctype html>")),
        (b"/?lang=en", ("text/html", b"<!doctype html>")),
        (b"/index.html", ("text/html", b"<!doctype html>")),
        (b"/assets", ("text/html", b"assets")),
        (b"//assets//", ("text/html", b"assets")),
        (b"/assets/large%20one.JS", ("text/javascript", bytes(200_000))),
        (b"/assets/thing", ("application/octet-stream", b"?")),
        (b"/.well-known/security.txt", ("text/plain", b"contact")),
    ],
)
async def test_pages(folder: Path, target: bytes, expected: tuple[str, bytes]) -> None:
    assert await read(await Pages(folder).open(target)) == expected


@pytest.mark.parametrize(
    "target",
    [
        b"/missing",
        b"/index.html/more",
        b"/../outside",
        b"/%2e%2e/outside",
        b"/assets/..%2f..%2foutside",
        b"/..\\outside",
        b"/.secret",
        b"/%2esecret",
        b"/index.html%00.txt",
        b"/C:/Windows",
        b"/%ff",
        b"/" + b"a" * 300,
        b"/" + b"a/" * 3000,
        b"/.well-known",
    ],
)
async def test_no_pages(folder: Path, target: bytes) -> None:
    assert await Pages(folder).open(target) is None


async def test_links_that_lead_out_or_in_a_circle(folder: Path, tmp_path: Path) -> None:
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / "up").symlink_to(tmp_path)
    (folder / "circle").symlink_to("circle")
    (folder / "in").symlink_to("index.html")
    for target in (b"/out", b"/up/outside", b"/circle"):
        assert await Pages(folder).open(target) is None
    assert await read(await Pages(folder).open(b"/in")) == ("text/html", b"<!doctype html>")


async def test_a_folder_that_is_a_link_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    page = await Pages(tmp_path / "link").open(b"/")
    assert await read(page) == ("text/html", b"<!doctype html>")


async def test_a_file_that_grows_while_it_is_read(folder: Path) -> None:
    page = await Pages(folder).open(b"/assets/thing")
    (folder / "assets" / "thing").write_bytes(b"more than there was")
    assert page is not None
    with page:
        assert await page.read() == b"m"
        assert await page.read() == b""


async def test_a_file_that_shrinks_while_it_is_read(folder: Path) -> None:
    page = await Pages(folder).open(b"/index.html")
    (folder / "index.html").write_bytes(b"less")
    assert page is not None
    with page:
        assert await page.read() == b"less"
        with pytest.raises(StoreUnavailable, match="shorter"):
            await page.read()


async def test_a_pipe_that_has_just_taken_the_place_of_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(folder / "pipe")
    assert await Pages(folder).open(b"/pipe") is None
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    assert await Pages(folder).open(b"/pipe") is None


async def test_a_link_to_what_is_hidden(folder: Path) -> None:
    """Folders that are replaced as a whole, by another link to another one, are made so."""
    (folder / ".monday").mkdir()
    (folder / ".monday" / "index.html").write_bytes(b"monday")
    (folder / "today").symlink_to(".monday")
    assert await read(await Pages(folder).open(b"/today")) == ("text/html", b"monday")


async def test_a_disk_that_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Path, *, strict: bool = False) -> Path:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(Path, "resolve", failing)
    with pytest.raises(StoreUnavailable):
        await Pages(folder).open(b"/")
