"""Every SMP method, at every version, against our own router over real TLS; and as a proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.router.server import open_router
from simplex_trio.wire.versions import SMP_VERSIONS
from tests.scenarios import smp

VERSIONS = range(SMP_VERSIONS.lowest, SMP_VERSIONS.highest + 1)


@pytest.fixture
async def router() -> AsyncIterator[str]:
    async with open_router() as router:
        yield str(router.address)


@pytest.mark.parametrize("kind", smp.KEY_KINDS)
@pytest.mark.parametrize("version", VERSIONS)
async def test_message_life(router: str, version: int, kind: type[AuthPrivateKey]) -> None:
    await smp.message_life(router, version, kind)


@pytest.mark.parametrize("scenario", smp.AT_EACH_VERSION)
@pytest.mark.parametrize("version", VERSIONS)
async def test_at_each_version(
    router: str, version: int, scenario: Callable[[str, int], Awaitable[None]]
) -> None:
    await scenario(router, version)


async def test_quota(router: str) -> None:
    await smp.quota(router, SMP_VERSIONS.highest, capacity=128)
