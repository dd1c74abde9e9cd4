"""Settings shared by all tests: deterministic property tests with a modest number of examples."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "ordinary",
    max_examples=60,
    deadline=None,  # no timed assertions: a slow machine is not a failure
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", parent=settings.get_profile("ordinary"), max_examples=5_000)
settings.load_profile(os.environ.get("SIMPLEX_TRIO_HYPOTHESIS", "ordinary"))
