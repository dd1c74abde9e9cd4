"""A real server of PostgreSQL for the tests that need one.

It is the one that ``SIMPLEX_TRIO_POSTGRES`` names, a URL of a database in which the user may make
schemas; otherwise Debian's, started in a temporary folder for as long as the tests run.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from simplex_trio.storage.postgres.url import DatabaseURL
from tests.postgres_server import NO_POSTGRES, QUICK, LocalServer, programs, started_server

__all__ = [
    "NAMED",
    "NO_POSTGRES",
    "QUICK",
    "LocalServer",
    "local_server",
    "new_place",
    "new_url",
    "postgres",
    "programs",
]

NAMED = os.environ.get("SIMPLEX_TRIO_POSTGRES")
"""The database that is named for the tests, if one is."""


@contextmanager
def local_server(*settings: str) -> Iterator[LocalServer]:
    """A server of the test's own, started; skips the test where there is no PostgreSQL."""
    if programs() is None:
        pytest.skip(NO_POSTGRES)
    with started_server(*settings) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a database in which tests make schemas of their own."""
    if NAMED is not None:
        yield NAMED
        return
    with local_server(*QUICK) as server:
        yield server.url


def new_place(postgres: str) -> str:
    """The URL of a new schema, as a text."""
    separator = "&" if "?" in postgres else "?"
    return f"{postgres}{separator}schema=test_{secrets.token_hex(8)}"


def new_url(postgres: str) -> DatabaseURL:
    """The URL of a new schema."""
    return DatabaseURL.parse(new_place(postgres))
