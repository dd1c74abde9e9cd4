"""Settings shared by all tests: deterministic property tests with a modest number of examples."""

from __future__ import annotations

import os

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


def pytest_report_header() -> str:
    """Which implementations of the KEM the tests run with: all that are installed."""
    return f"sntrup761: {', '.join(kem.NAME for kem in available_kems()) or 'none'}"
