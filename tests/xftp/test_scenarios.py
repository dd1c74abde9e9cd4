"""Packets and whole files, through our own router over real TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.xftp.router.server import open_xftp_router
from tests.scenarios import xftp


@pytest.fixture
async def router() -> AsyncIterator[str]:
    async with open_xftp_router() as router:
        yield str(router.address)


@pytest.mark.parametrize("kind", xftp.KEY_KINDS)
@pytest.mark.parametrize("version", [1, 2, 3])
async def test_packet_life(router: str, version: int, kind: type[AuthPrivateKey]) -> None:
    await xftp.packet_life(router, version, kind)


@pytest.mark.parametrize("scenario", xftp.PACKET_SCENARIOS)
async def test_packets(router: str, scenario: Callable[[str], Awaitable[None]]) -> None:
    await scenario(router)


@pytest.mark.parametrize("size", xftp.FILE_SIZES)
async def test_file_of_size(router: str, tmp_path: Path, size: int) -> None:
    await xftp.file_of_size(router, tmp_path, size)


@pytest.mark.parametrize("scenario", xftp.FILE_SCENARIOS)
async def test_files(
    router: str, tmp_path: Path, scenario: Callable[[str, Path], Awaitable[None]]
) -> None:
    await scenario(router, tmp_path)
