"""The addresses of real routers and the paths of programs.

A test that needs one that is not named says so and is skipped.
"""

from __future__ import annotations

import os

import pytest


def named(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set")
    return value


@pytest.fixture
def router() -> str:
    """A real SMP router."""
    return named("SIMPLEX_TRIO_ROUTER")


@pytest.fixture
def second_router() -> str:
    """Another real SMP router, which the first one can reach."""
    return named("SIMPLEX_TRIO_ROUTER_2")


@pytest.fixture
def ntf_router() -> str:
    """A real notification router."""
    return named("SIMPLEX_TRIO_NTF")
