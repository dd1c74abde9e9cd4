"""A file is decrypted while it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel

from simplex_trio.errors import DecodeError
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.part_file import PartFile, part_of
from simplex_trio.xftp.files.progress import Phase, Progress
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.router.server import XFTPRouter
from tests.scenarios.xftp import names_in
from tests.xftp.files import ONE_BY_ONE, same, sent_to


def held_back_until(monkeypatch: pytest.MonkeyPatch, part: Path, *, first: int) -> None:
    """Let no packet after the first ones arrive before something has been decrypted."""
    original, count = XFTPClient.download, 0

    @asynccontextmanager
    async def download(*args: Any, **named: Any) -> AsyncIterator[Any]:
        nonlocal count
        count += 1
        if count > first:
            with trio.fail_after(60):
                while not (await trio.Path(part).stat()).st_size:
                    pass
        async with original(*args, **named) as pieces:
            yield pieces

    monkeypatch.setattr(XFTPClient, "download", download)


@pytest.mark.parametrize("with_state", [False, True])
async def test_the_beginning_is_decrypted_while_the_rest_arrives(
    router: XFTPRouter,
    path: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_state: bool,
) -> None:
    sent = await sent_to(router, path)
    (description,) = sent.recipients
    held_back_until(monkeypatch, part_of(description, folder), first=1)
    told: list[Progress] = []
    state = tmp_path / "state" if with_state else None
    received = await receive_file(
        description,
        folder,
        state=state,
        config=ONE_BY_ONE,
        tell=lambda event: told.append(event) if isinstance(event, Progress) else None,
    )
    assert same(received.path, path)
    assert names_in(folder) == ["file"]
    phases = [event.phase for event in told]
    assert phases == sorted(phases, key=[Phase.DOWNLOADING, Phase.DECRYPTING].index)
    assert told[-1] == Progress(Phase.DECRYPTING, description.size, description.size)


async def test_a_file_that_turns_out_wrong_before_all_of_it_is_there(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await sent_to(router, path)
    (description,) = sent.recipients
    original, first = XFTPClient.download, description.packets[0].replicas[0].id

    @asynccontextmanager
    async def download(*args: Any, **named: Any) -> AsyncIterator[Any]:
        if first not in args:
            await trio.sleep_forever()
        async with original(*args, **named) as pieces:
            yield pieces

    def fails(*_: object) -> None:
        raise DecodeError("it has no header")

    monkeypatch.setattr(XFTPClient, "download", download)
    monkeypatch.setattr(PartFile, "decrypt", fails)
    with pytest.raises(DecodeError):
        await receive_file(description, folder, config=TransferConfig(parallel=4))
    assert names_in(folder) == []
