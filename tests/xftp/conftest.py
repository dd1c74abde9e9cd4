"""A router, a file to send and a folder to receive in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simplex_trio.xftp.router.server import XFTPRouter, open_xftp_router
from tests.scenarios.xftp import file_in
from tests.xftp.files import SIZE
from tests.xftp.record_stores import open_records as open_records
from tests.xftp.routers import config


@pytest.fixture
async def router(tmp_path: Path) -> AsyncIterator[XFTPRouter]:
    async with open_xftp_router(config(tmp_path / "router")) as router:
        yield router


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "received"
    folder.mkdir()
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return file_in(tmp_path, SIZE)
