"""Honest clients beside an attack: they are answered, and in the long run in reasonable time."""

from __future__ import annotations

import threading
import time

from tests.adversary.figures import LONG
from tests.adversary.smp import Smp
from tests.adversary.victim import Place
from tests.adversary.xftp import Xftp

__all__ = ["Honest", "HonestXftp"]

_LONGEST = 10
"""Seconds for a PING, on a machine that does nothing but attack and be attacked."""

_PAUSE = 0.05
"""Between pings to a router for files, to which more of them would be a flood."""


def _figure(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    late = ordered[int(len(ordered) * 0.99)]
    return f"honest PING p99 {late * 1000:.0f} ms, max {ordered[-1] * 1000:.0f} ms"


class Honest:
    """A client of an SMP router that does nothing wrong."""

    def __init__(self, place: Place) -> None:
        self._smp = Smp(place)
        self.seconds: list[float] = []

    def __enter__(self) -> Honest:
        return self

    def __exit__(self, *_: object) -> None:
        self._smp.link.close()

    def ping(self) -> None:
        started = time.monotonic()
        assert self._smp.ask(b"PING") == b"PONG"
        self.seconds.append(time.monotonic() - started)
        assert not LONG or self.seconds[-1] < _LONGEST

    @property
    def figure(self) -> str:
        """The slowest of a hundred pings, and the slowest of all."""
        return _figure(self.seconds)


class HonestXftp:
    """A client of a router for files that pings all the time, in a thread."""

    def __init__(self, place: Place) -> None:
        self._xftp = Xftp(place)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._failure: BaseException | None = None
        self.seconds: list[float] = []

    def _run(self) -> None:
        try:
            while True:
                started = time.monotonic()
                self._xftp.ping()
                self.seconds.append(time.monotonic() - started)
                if self._over.wait(_PAUSE):
                    return
        except BaseException as exc:
            self._failure = exc

    def __enter__(self) -> HonestXftp:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._xftp.http.link.close()
        if self._failure is not None:
            raise self._failure
        assert not LONG or max(self.seconds) < _LONGEST

    @property
    def figure(self) -> str:
        """The slowest of a hundred pings, and the slowest of all."""
        return _figure(self.seconds)
