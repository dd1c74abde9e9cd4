"""Transfers of the tests: small files, in good order or interrupted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.xftp.files.progress import Phase, Progress, TransferEvent
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import SentFile, send_file
from simplex_trio.xftp.router.server import XFTPRouter
from tests.scenarios.xftp import IMPATIENT

SIZE = 150_000
"""Of a file in three packets of 64 KiB."""


ONE_BY_ONE = evolve(IMPATIENT, parallel=1)


async def sent_to(router: XFTPRouter, path: Path, **settings: Any) -> SentFile:
    return await send_file(path, [router.address], config=IMPATIENT, **settings)


def open_in(folder: Path) -> list[str]:
    """The files of a folder that this program has open, where the system tells."""
    descriptors = Path("/proc/self/fd")
    opened = []
    for each in descriptors.iterdir() if descriptors.exists() else ():
        try:
            opened.append(os.readlink(each))
        except FileNotFoundError:
            continue  # the listing itself
    return [each for each in opened if Path(each.removesuffix(" (deleted)")).parent == folder]


def same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


class Interrupted(Exception):
    """Stands for the end of the program."""


def interrupt_after(size: int, phase: Phase) -> Callable[[TransferEvent], None]:
    def tell(event: TransferEvent) -> None:
        if isinstance(event, Progress) and event.phase is phase and event.done >= size:
            raise Interrupted

    return tell


async def interrupted_sending(
    router: XFTPRouter, path: Path, state: Path, size: int, **settings: Any
) -> None:
    with pytest.RaisesGroup(Interrupted, flatten_subgroups=True, allow_unwrapped=True):
        await send_file(
            path,
            [router.address],
            state=state,
            config=ONE_BY_ONE,
            tell=interrupt_after(size, Phase.UPLOADING),
            **settings,
        )


async def interrupted_receiving(
    description: FileDescription, folder: Path, state: Path, size: int, phase: Phase
) -> None:
    with pytest.RaisesGroup(Interrupted, flatten_subgroups=True, allow_unwrapped=True):
        await receive_file(
            description,
            folder,
            state=state,
            config=ONE_BY_ONE,
            tell=interrupt_after(size, phase),
        )


def has_sent(router: XFTPRouter, packets: int) -> bool:
    """Whether a router has sent so many packets, with one interruption of the client among them.

    A client that breaks off may have had the end of a packet, of which the router does not know.
    """
    return packets - router.statistics().counters["packets_downloaded"] in (0, 1)


def failing(times: int, method: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    """A method that fails a few times before it works."""
    left = times

    async def fail(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error
        return await method(*args, **kwargs)

    return fail
