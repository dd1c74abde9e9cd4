"""A server of PostgreSQL of our own, started in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["NO_POSTGRES", "QUICK", "LocalServer", "programs", "started_server"]

NO_POSTGRES = (
    "there is no PostgreSQL on this machine: install it, "
    "or name a database with SIMPLEX_TRIO_POSTGRES"
)

_USER = "router"

QUICK = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "autovacuum=off")
"""What is stored has to survive processes here, and not the machine."""


def programs() -> Path | None:
    """Where the programs of the newest PostgreSQL are."""
    found = [Path(path).parent for path in (shutil.which("initdb"),) if path]
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found += sorted((path.parent for path in debian), key=lambda path: int(path.parts[-2]))
    return found[-1] if found else None


class LocalServer:
    """A server in a folder of its own, which is reached through a socket in that folder."""

    def __init__(self, folder: Path, bin_folder: Path, *settings: str) -> None:
        self.folder = folder
        self._bin = bin_folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        # It refuses to run as root.
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        command: list[str | Path] = [
            bin_folder / "initdb",
            "-D",
            folder / "data",
            "-U",
            _USER,
            "-A",
            "trust",
        ]
        self._run(*command, "--no-sync", "--no-locale", "--encoding=UTF8")

    def _run(self, *command: str | Path) -> None:
        subprocess.run(command, check=True, capture_output=True, cwd="/", **self._as_user)

    @property
    def socket(self) -> Path:
        return self.folder / ".s.PGSQL.5432"

    @property
    def url(self) -> str:
        return f"postgresql://{_USER}@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start it, or start it again, and wait until it takes connections."""
        command: list[str | Path] = [self._bin / "postgres", "-D", self.folder / "data"]
        command += ["-k", self.folder]
        for setting in ("listen_addresses=", "port=5432", *self._settings):
            command += ["-c", setting]
        ready: list[str | Path] = [self._bin / "pg_isready", "-q", "-h", self.folder, "-U", _USER]
        until = time.monotonic() + 60
        while True:
            if self._process is None:
                with (self.folder / "log").open("ab") as log:
                    self._process = subprocess.Popen(
                        command, stdout=log, stderr=log, cwd="/", **self._as_user
                    )
            if subprocess.run(ready).returncode == 0:
                return
            if self._process.poll() is not None:
                # After a crash, it does not start before all processes of the one before are gone.
                self._process = None
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.02)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it; with SIGKILL as a crash does, and then all of its processes end themselves."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self.kill(signal.SIGQUIT)


@contextmanager
def started_server(*settings: str) -> Iterator[LocalServer]:
    """A server until the end of the block; `FileNotFoundError` where there is no PostgreSQL."""
    found = programs()
    if found is None:
        raise FileNotFoundError(NO_POSTGRES)
    folder = Path(tempfile.mkdtemp(prefix="simplex-trio-postgres-"))
    try:
        server = LocalServer(folder, found, *settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
