"""The routers under attack, seen from outside."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.serving.credential_files import write_router, write_web

__all__ = ["Look", "Place", "Victim", "running"]

MIB = 1024 * 1024

ROOT = Path(__file__).parents[2]

_PATIENCE = 40
"""Seconds for what an attack leaves to be gone; deadlines of the routers here are far shorter."""

_LOCAL = """
hosts = ["127.0.0.1"]
listen = "127.0.0.1"
ports = [0]
"""

_SHORT_DEADLINES = """
[limits]
tls_seconds = 2
handshake_seconds = 2
block_seconds = 2
write_seconds = 2
"""

_CONFIGS = {
    "smp.toml": _LOCAL,
    "impatient.toml": _LOCAL + _SHORT_DEADLINES,
    "proxy.toml": _LOCAL + "[proxy]\nallow_private = true\nmax_relays = 64\n",
    "web.toml": _LOCAL + 'web_ports = [0]\ncredentials = "."\n',
    "xftp.toml": _LOCAL + 'web_ports = [0]\ncredentials = "."\npages = "pages"\n',
    "xftp-stalled.toml": _LOCAL
    + f"""
[packets]
quota = {16 * MIB}

[limits]
tls_seconds = 2
handshake_seconds = 2
request_seconds = 2
""",
}


class Place(NamedTuple):
    """Where a router is, and its identity."""

    port: int
    identity: bytes


class Held(NamedTuple):
    tasks: int
    files: int
    connections: int


_SESSION = Held(tasks=16, files=2, connections=2)
"""At most what a proxy's session with a relay takes, with both of its ends in this process."""


class Look(NamedTuple):
    """What the process holds at a moment."""

    tasks: int
    files: int
    blocks: int
    """That Python's allocator has given out, after a collection: what has leaked shows here."""
    resident: int
    routers: dict[str, dict[str, int]]

    @property
    def held(self) -> Held:
        """What has to be given back."""
        connections = (each["sockets_active"] for each in self.routers.values())
        return Held(self.tasks, self.files, sum(connections))


class Victim:
    """A process with routers of each kind."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log
        assert process.stdout is not None
        addresses: dict[str, str] = json.loads(process.stdout.readline())
        self.addresses: dict[str, str] = addresses

    def __getitem__(self, name: str) -> Place:
        found = re.fullmatch(r"\w+://([\w=-]+)@127\.0\.0\.1:(\d+)", self.addresses[name])
        assert found is not None
        return Place(int(found[2]), base64.urlsafe_b64decode(found[1]))

    def look(self, *, collects: bool = False) -> Look:
        """What is held now; with ``collects`` without what only cycles keep."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("collect\n" if collects else "look\n")
        process.stdin.flush()
        found: dict[str, Any] = json.loads(process.stdout.readline())
        return Look(**found)

    def complaints(self) -> str:
        """Tracebacks in the log, each of which is a bug."""
        text = self._log.read_text()
        return text[text.index("Traceback") :] if "Traceback" in text else ""

    @contextmanager
    def attacked(self, *, slack: int = 24 * MIB, kept_relays: int = 0) -> Iterator[Look]:
        """Hold that after the block nothing is left of what went on inside of it.

        Only ``kept_relays`` sessions of a proxy with relays may stay, which are there to be kept.

        Tasks, sockets and files have to be as many as before; what was kept resident may be
        ``slack`` more, since allocators do not give everything back at once.
        """
        before = self.look(collects=True)
        yield before
        after = self.settled(before, kept_relays)
        assert after.resident - before.resident < slack
        assert self.complaints() == ""

    def settled(self, before: Look, kept_relays: int = 0) -> Look:
        """What is held when there are no more tasks, files and connections than ``before``."""
        deadline = time.monotonic() + _PATIENCE
        allowed = Held(*(a + kept_relays * b for a, b in zip(before.held, _SESSION, strict=True)))
        while _exceeds((now := self.look()).held, allowed):
            assert time.monotonic() < deadline, f"allowed {allowed}, left over {now.held}"
            time.sleep(0.02)
        return self.look(collects=True)


def _exceeds(now: Held, before: Held) -> bool:
    return any(after > then for after, then in zip(now, before, strict=True))


@contextmanager
def running(folder: Path) -> Iterator[Victim]:
    """The process, with all of its routers."""
    write_router(folder)
    write_web(folder)
    (folder / "pages").mkdir()
    (folder / "pages" / "index.html").write_text("a page")
    (folder / "pages" / ".hidden").write_text("hidden")
    for name, text in _CONFIGS.items():
        (folder / name).write_text(text)
    log = folder / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "tests.adversary.serve", str(folder), *_CONFIGS],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            victim = Victim(process, log)
            yield victim
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(20)
            finally:
                process.kill()
