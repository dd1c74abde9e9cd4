from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from simplex_trio.router.store.interface import Store
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.router.store.postgres import open_postgres_store
from simplex_trio.router.store.sqlite import open_sqlite_store
from tests.postgres import new_url
from tests.router.store.support import Opener


@asynccontextmanager
async def _memory_store() -> AsyncIterator[Store]:
    store = MemoryStore()
    yield store
    await store.aclose()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens a store of each kind, another one each time."""
    if request.param == "memory":
        return _memory_store
    if request.param == "postgres":
        postgres = request.getfixturevalue("postgres")
        return lambda: open_postgres_store(new_url(postgres))
    numbers = count()
    return lambda: open_sqlite_store(tmp_path / f"router{next(numbers)}.db")
