"""NTF with a real notification router."""

from __future__ import annotations

from tests.scenarios import ntf


async def test_life_of_a_token(ntf_router: str) -> None:
    await ntf.life_of_a_token(ntf_router)
