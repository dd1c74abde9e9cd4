"""All of these tests run on virtual time: waiting is instant, and exact."""

from __future__ import annotations

import pytest
from trio.testing import MockClock


@pytest.fixture(autouse=True)
def virtual_time(autojump_clock: MockClock) -> MockClock:
    """The clock of each test; when nothing can happen it jumps to the next deadline."""
    return autojump_clock
