"""Transfers of files, cancelled at every step that anything makes meanwhile.

Nothing is left but the state file, no file stays open, and what is cancelled ends in nothing else
than that.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from simplex_trio.xftp.files.delete import delete_file
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_file
from simplex_trio.xftp.router.server import XFTPRouter
from tests.client.support import cancelled_at_every_step
from tests.scenarios.xftp import IMPATIENT, file_in, names_in
from tests.xftp.files import open_in, same, sent_to


@pytest.fixture
def small(tmp_path: Path) -> Path:
    # Not beside the folder of the router, which SQLite opens now and then to sync it.
    (tmp_path / "sent").mkdir()
    return file_in(tmp_path / "sent", 10)


async def test_sending(router: XFTPRouter, small: Path, folder: Path) -> None:
    state = folder / "state"

    async def check(_: bool) -> None:
        assert names_in(folder) in ([], ["state"])
        assert open_in(folder) == open_in(small.parent) == []

    send = partial(send_file, small, [router.address], state=state, config=IMPATIENT)
    await cancelled_at_every_step(send, check)
    sent = await send()
    received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert same(received.path, small)


@pytest.mark.parametrize("with_state", [False, True])
async def test_receiving(
    router: XFTPRouter, small: Path, folder: Path, tmp_path: Path, with_state: bool
) -> None:
    sent = await sent_to(router, small)
    states = tmp_path / "states"
    states.mkdir()
    state = states / "state" if with_state else None

    async def check(cut_short: bool) -> None:
        assert names_in(states) in ([], ["state"])
        assert open_in(folder) == open_in(states) == []
        assert names_in(folder) in ([], ["file"])
        if not with_state and names_in(folder):
            (folder / "file").unlink()  # it was complete; the next call begins again

    await cancelled_at_every_step(
        partial(
            receive_file,
            sent.recipients[0],
            folder,
            state=state,
            acknowledge=with_state,
            config=IMPATIENT,
        ),
        check,
    )
    if with_state:
        assert same(folder / "file", small)


async def test_deleting(router: XFTPRouter, small: Path) -> None:
    sent = await sent_to(router, small)

    async def check(_: bool) -> None:
        pass

    await cancelled_at_every_step(partial(delete_file, sent.sender, config=IMPATIENT), check)
    deleted = await delete_file(sent.sender, config=IMPATIENT)
    assert (deleted.deleted, deleted.unknown) == (0, len(sent.sender.packets))
