"""Every SMP method, at every version that a real router speaks; and through it as a proxy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.wire.versions import SMP_VERSIONS
from tests.scenarios import proxy, smp

VERSIONS = range(SMP_VERSIONS.lowest, SMP_VERSIONS.highest + 1)


async def skip_unless_spoken(router: str, version: int) -> None:
    if version > await smp.highest_version(router):
        pytest.skip("the router does not speak this version")


async def test_the_highest_common_version(router: str) -> None:
    assert await smp.highest_version(router) in SMP_VERSIONS


@pytest.mark.parametrize("kind", smp.KEY_KINDS)
@pytest.mark.parametrize("version", VERSIONS)
async def test_message_life(router: str, version: int, kind: type[AuthPrivateKey]) -> None:
    await skip_unless_spoken(router, version)
    await smp.message_life(router, version, kind)


@pytest.mark.parametrize("scenario", smp.AT_EACH_VERSION)
@pytest.mark.parametrize("version", VERSIONS)
async def test_at_each_version(
    router: str, version: int, scenario: Callable[[str, int], Awaitable[None]]
) -> None:
    await skip_unless_spoken(router, version)
    await scenario(router, version)


async def test_quota(router: str) -> None:
    await smp.quota(router, await smp.highest_version(router), capacity=128)


@pytest.mark.parametrize("scenario", proxy.SCENARIOS)
async def test_through_a_proxy(
    router: str, second_router: str, scenario: Callable[[str, str], Awaitable[None]]
) -> None:
    await scenario(router, second_router)
