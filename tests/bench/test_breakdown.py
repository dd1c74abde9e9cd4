from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest
from drawings import charts
from drawings.shapes import Label

from tests.bench.breakdown import KINDS, Sampler, kind_of, main


@pytest.mark.parametrize(
    ("places", "kind"),
    [
        (["/x/site-packages/nacl/bindings.py:f", "/x/simplex_trio/wire/a.py:g"], "boxes, keys"),
        (["/lib/contextlib.py:__enter__", "/x/simplex_trio/wire/a.py:g"], "encoding"),
        (["/x/simplex_trio/transport/tls.py:send_all"], "TLS"),
        (["/x/simplex_trio/transport/quick_ack.py:send_all"], "sockets"),
        (["/x/simplex_trio/router/store/memory.py:put"], "queues"),
        (["/x/simplex_trio/router/session.py:run"], "dealing"),
        (["/x/site-packages/trio/_core/_run.py:run"], "tasks"),
        (["/x/tests/bench/breakdown.py:_collected", "/x/site-packages/trio/a.py:f"], "garbage"),
        (["/lib/json/decoder.py:decode"], "the rest"),
    ],
)
def test_the_innermost_frame_that_says_something_counts(places: list[str], kind: str) -> None:
    assert kind_of(iter(places)).startswith(kind)


def test_files_that_are_named_exist() -> None:
    root = Path(__file__).parents[2]
    marks = [mark for _, marks in KINDS for mark in marks]
    own = [mark.partition(":")[0] for mark in marks if mark.startswith(("simplex_trio", "tests"))]
    assert own
    assert all((root / mark).exists() for mark in own)
    parts = ("transport/tls.py", "transport/_openssl.py", "router/store/", "router/core/")
    assert set(parts) <= set(marks)
    assert all((root / "simplex_trio" / part).exists() for part in parts)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_samples_are_taken_while_it_runs() -> None:
    before = signal.getsignal(signal.SIGPROF)
    sampler = Sampler()
    try:
        sampler.start()
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        sampler.stop()
        assert sampler.found["the program that sends"] > 0
        found = sampler.found.total()
        until = time.process_time() + 0.02
        while time.process_time() < until:
            pass
        assert sampler.found.total() == found
    finally:
        sampler.close()
    assert signal.getsignal(signal.SIGPROF) is before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has clocks of other processes")
def test_what_is_told_can_be_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send-pipelined", "--scale", "0.5"]) == 0
    drawing = charts.bars(capsys.readouterr().out.splitlines())["wide"]
    texts = [each.text for each in drawing.items if isinstance(each, Label)]
    assert any(text.startswith("client: ") for text in texts)
    assert any(text.startswith("router: ") for text in texts)
    assert "encoding and decoding" in texts
