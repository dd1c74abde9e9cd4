"""Settings shared by all tests: deterministic property tests with a modest number of examples."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from simplex_trio.ratchet.sntrup761 import available_kems

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
    """Processes need not compile the package anew each, whatever the environment says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


def pytest_collection_finish() -> None:
    """Spare every garbage collection of the run what was there before the first test."""
    gc.collect()
    gc.freeze()


def pytest_report_header() -> str:
    """Which implementations of the KEM the tests run with: all that are installed."""
    return f"sntrup761: {', '.join(kem.NAME for kem in available_kems()) or 'none'}"
