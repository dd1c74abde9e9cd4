"""A simulated daemon in a thread of its own, and the published client in asyncio beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import trio
import trio.testing
from katzenpost_thinclient import Config, ThinClient

from simplex_trio.katzenpost.config import DialConfig
from simplex_trio.testing.kpclientd import ListeningDaemon, open_simulated_daemon

T = TypeVar("T")

PATIENCE = 30.0


class DaemonThread:
    """Drives a simulated daemon; everything that is done to it is done in its thread."""

    def __init__(self) -> None:
        self._started = threading.Event()
        self._thread: threading.Thread | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._stop: trio.Event | None = None
        self._nursery: trio.Nursery | None = None
        self.daemon: ListeningDaemon | None = None

    def start(self, listen: DialConfig | None = None) -> None:
        async def main() -> None:
            self._token = trio.lowlevel.current_trio_token()
            self._stop = trio.Event()
            arguments = () if listen is None else (listen,)
            async with (
                open_simulated_daemon(*arguments) as self.daemon,
                trio.open_nursery() as self._nursery,
            ):
                self._started.set()
                await self._stop.wait()
                self._nursery.cancel_scope.cancel()

        self._thread = threading.Thread(target=trio.run, args=(main,), daemon=True)
        self._thread.start()
        assert self._started.wait(PATIENCE)

    def do(self, act: Callable[[ListeningDaemon], T]) -> T:
        """Call a function with the daemon, in its thread."""
        assert self.daemon is not None
        return trio.from_thread.run_sync(act, self.daemon, trio_token=self._token)

    def do_async(self, act: Callable[[ListeningDaemon], Awaitable[T]]) -> T:
        assert self.daemon is not None
        return trio.from_thread.run(act, self.daemon, trio_token=self._token)

    def begin(self, act: Callable[[ListeningDaemon], Awaitable[object]]) -> None:
        """Start something, and return when it has come as far as it can without waiting."""

        async def begin() -> None:
            assert self.daemon is not None
            assert self._nursery is not None
            self._nursery.start_soon(act, self.daemon)
            await trio.testing.wait_all_tasks_blocked()

        trio.from_thread.run(begin, trio_token=self._token)

    def stop(self) -> None:
        if self._thread is not None and self._stop is not None:
            trio.from_thread.run_sync(self._stop.set, trio_token=self._token)
            self._thread.join(PATIENCE)


class Published:
    """The published client, with everything that its callbacks were told."""

    def __init__(self, config_path: Path) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._happened = asyncio.Event()
        self.client = ThinClient(
            Config(
                str(config_path),
                on_connection_status=self._note("status"),
                on_new_pki_document=self._note("document"),
                on_message_sent=self._note("sent"),
                on_message_reply=self._note("reply"),
                on_daemon_disconnected=self._note("disconnected"),
            )
        )

    def _note(self, kind: str) -> Callable[[dict[str, Any]], Awaitable[None]]:
        async def callback(event: dict[str, Any]) -> None:
            self.events.append((kind, event))
            self._happened.set()

        return callback

    async def wait_for(self, kind: str, count: int = 1) -> dict[str, Any]:
        while True:
            found = [event for known, event in self.events if known == kind]
            if len(found) >= count:
                return found[count - 1]
            self._happened.clear()
            await self._happened.wait()

    async def __aenter__(self) -> Published:
        await self.client.start(asyncio.get_running_loop())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.client.stop()
        await asyncio.sleep(0)
