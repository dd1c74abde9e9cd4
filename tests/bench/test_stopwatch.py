from __future__ import annotations

import os
import sys
import time

import pytest

from tests.bench.stopwatch import Stopwatch, processor_seconds


def _work() -> None:
    until = time.process_time() + 0.002
    while time.process_time() < until:
        pass


def test_processor_time_is_for_each_operation() -> None:
    watch = Stopwatch()
    _work()
    figures = watch.of_all(10)
    assert figures.rate is not None
    assert figures.cpu_us is not None
    assert figures.cpu_us >= 200
    assert figures.router_cpu_us is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has clocks of other processes")
def test_the_router_has_a_clock_of_its_own() -> None:
    watch = Stopwatch(os.getpid())
    _work()
    figures = watch.of_each([0.001] * 4)
    assert figures.p50 == pytest.approx(0.001)
    assert figures.router_cpu_us is not None
    assert figures.router_cpu_us >= 500


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has clocks of other processes")
def test_what_is_measured_may_be_another_process() -> None:
    watch = Stopwatch(process=os.getpid())
    _work()
    figures = watch.of_all(1)
    assert figures.cpu_us is not None
    assert figures.cpu_us >= 2000


def test_a_process_that_is_gone_has_no_clock() -> None:
    assert processor_seconds(2**22 + 1) is None
    assert Stopwatch(2**22 + 1).of_all(1).router_cpu_us is None
    assert Stopwatch(process=2**22 + 1).of_all(1).cpu_us is None
