"""Records of each kind that a router can have."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from simplex_trio.xftp.router.records.interface import Records
from simplex_trio.xftp.router.records.postgres import open_postgres_records
from simplex_trio.xftp.router.records.sqlite import open_sqlite_records
from tests.postgres import new_url

__all__ = ["Opener", "open_records"]

Opener = Callable[[], AbstractAsyncContextManager[Records]]
"""Opens the same records each time."""


@pytest.fixture(params=["sqlite", "postgres"])
def open_records(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Records of each kind, which are new."""
    if request.param == "postgres":
        url = new_url(request.getfixturevalue("postgres"))
        return lambda: open_postgres_records(url)
    return lambda: open_sqlite_records(tmp_path / "records.sqlite")
