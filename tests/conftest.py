"""Settings shared by all tests: deterministic property tests with a modest number of examples."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

# Before the package is imported, here or in a program that a test starts.
os.environ.setdefault("SIMPLEX_TRIO_DEBUG", "1")

from simplex_trio.ratchet.sntrup761 import available_kems
from tests.postgres import NAMED, NO_POSTGRES, programs
from tests.postgres import postgres as postgres

settings.register_profile(
    "ordinary",
    max_examples=60,
    deadline=None,  # no timed assertions: a slow machine is not a failure
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", parent=settings.get_profile("ordinary"), max_examples=5_000)
settings.load_profile(os.environ.get("SIMPLEX_TRIO_HYPOTHESIS", "ordinary"))


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is compiled, so that not every process compiles the package anew."""
    if not sys.dont_write_bytecode:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


def pytest_collection_finish() -> None:
    """Spare every garbage collection of the run what was there before the first test."""
    _collect_and_freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Spare it what earlier modules have left, too: reports, caches, examples of Hypothesis.

    Many tests collect after each step, and what thousands of tests leave would be gone through
    each time.  Cycles that a module leaves are still collected, and warn, at its end.
    """
    result = yield
    if nextitem is None or nextitem.path != item.path:
        _collect_and_freeze()
    return result


def pytest_sessionfinish() -> None:
    gc.unfreeze()


def _collect_and_freeze() -> None:
    gc.collect()
    gc.freeze()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name long parameters by their size: many have new keys in them in every process."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and len(val) > 16 else None


def pytest_report_header() -> list[str]:
    """Which implementations of the KEM the tests run with, all that are installed; and PostgreSQL.

    What is named by a variable is not shown: a password may be in it.
    """
    kems = ", ".join(kem.NAME for kem in available_kems())
    named = "as SIMPLEX_TRIO_POSTGRES says" if NAMED else None
    return [
        f"sntrup761: {kems or 'none'}",
        f"postgresql: {named or programs() or f'none, so its tests are skipped: {NO_POSTGRES}'}",
    ]
