"""`Supervisor`: tells what has started the program how it is doing, by the protocol of systemd.

Each message is a datagram of ``NAME=value`` lines to the socket that the environment variable
``NOTIFY_SOCKET`` names; where it names none, nothing is told.  That a supervisor cannot be told is
no reason to stop, so failures are only logged.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

import trio

__all__ = ["Supervisor"]

_log = logging.getLogger(__name__)

_MICROSECONDS: Final = 1_000_000

_STATUS_SECONDS: Final = 60.0
"""Between two lines about what the program does, unless a watchdog wants to hear more often."""


class Supervisor:
    """What has started this program, as its environment says."""

    def __init__(self, environment: Mapping[str, str], process: int) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        # A name in the abstract namespace begins with @; other kinds of sockets are not ours.
        self._address = name if name.startswith("/") else "\0" + name[1:] if name[:1] == "@" else ""
        self._is_ready = False
        self._watched_seconds = _watched_seconds(environment, process)

    @classmethod
    def of_this_process(cls) -> Supervisor:
        """The one of the process that calls this."""
        return cls(os.environ, os.getpid())

    @property
    def is_there(self) -> bool:
        """Whether anything is told."""
        return bool(self._address) and hasattr(socket, "AF_UNIX")

    # --- what is told -------------------------------------------------------------------------

    def ready(self, status: str) -> None:
        """The program does what it is for, such as standing by, also after a reload."""
        self._is_ready = True
        self._tell(READY="1", STATUS=status)

    def reloading(self) -> None:
        """The program takes another configuration; `ready` follows, whatever becomes of it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell(RELOADING="1", MONOTONIC_USEC=str(now))

    def stopping(self) -> None:
        """The program is about to end."""
        self._tell(STOPPING="1")

    async def keep_informed(self, status: Callable[[], str]) -> None:
        """Tell the status regularly, until cancelled, and that the program lives, if that is asked.

        It lives as long as this task gets its turns.  Until it is ready, it asks for more time to
        start: a large store takes a while.
        """
        if not self.is_there:
            return
        seconds = min(_STATUS_SECONDS, (self._watched_seconds or math.inf) / 2)
        while True:
            fields = {"STATUS": status()}
            if not self._is_ready:
                fields["EXTEND_TIMEOUT_USEC"] = str(int(2 * seconds * _MICROSECONDS))
            if self._watched_seconds:
                fields["WATCHDOG"] = "1"
            self._tell(**fields)
            await trio.sleep(seconds)

    def _tell(self, **fields: str) -> None:
        if not self.is_there:
            return
        lines = (f"{name}={value.replace(chr(10), ' ')}\n" for name, value in fields.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto("".join(lines).encode(), self._address)
        except OSError as exc:
            _log.warning("the supervisor cannot be told: %s", exc.strerror)


def _watched_seconds(environment: Mapping[str, str], process: int) -> float | None:
    """After how long without a sign of life the supervisor ends the program; `None` for never."""
    digits, of = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
    if not digits.isascii() or not digits.isdigit() or of not in (None, str(process)):
        return None
    return int(digits) / _MICROSECONDS or None
