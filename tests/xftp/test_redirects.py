"""Descriptions that lead to other descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from simplex_trio.wire.xftp.description import FileDescription, Packet, Redirect
from simplex_trio.wire.xftp.description_text import encode_description
from simplex_trio.xftp.errors import (
    FileTooLarge,
    RedirectRefused,
)
from simplex_trio.xftp.files.progress import Phase
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_description
from simplex_trio.xftp.router.server import XFTPRouter
from tests.scenarios.xftp import IMPATIENT, names_in
from tests.xftp.files import (
    SIZE,
    has_sent,
    interrupted_receiving,
    same,
    sent_to,
)


async def redirecting(
    router: XFTPRouter, content: bytes, tmp_path: Path, redirect: Redirect | None = None
) -> FileDescription:
    """A description that says that it leads to another one."""
    path = tmp_path / "description"
    path.write_bytes(content)
    sent = await sent_to(router, path)
    return evolve(sent.recipients[0], redirect=redirect or Redirect(SIZE, bytes(64)))


async def test_redirects_that_lead_elsewhere(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path)
    (target,) = sent.recipients
    right = Redirect(target.size, target.digest)
    text = encode_description(target).encode()
    further = evolve(target, redirect=right)
    cases: list[tuple[bytes, Redirect]] = [
        (b"no description", right),
        (b"\xff" * 100, right),
        (encode_description(sent.sender).encode(), right),
        (encode_description(further).encode(), right),
        (text, Redirect(target.size + 1, target.digest)),
        (text, Redirect(target.size, bytes(64))),
    ]
    for content, redirect in cases:
        description = await redirecting(router, content, tmp_path, redirect)
        with pytest.raises(RedirectRefused):
            await receive_file(description, folder, config=IMPATIENT)
        assert names_in(folder) == []
    description = await redirecting(router, text, tmp_path, right)
    received = await receive_file(description, folder, config=IMPATIENT)
    assert same(received.path, path)


async def test_a_redirect_to_something_large(
    router: XFTPRouter, folder: Path, tmp_path: Path
) -> None:
    description = await redirecting(router, bytes(5_000_000), tmp_path)
    before = router.statistics().counters["packets_downloaded"]
    with pytest.raises(RedirectRefused):
        await receive_file(description, folder, config=IMPATIENT)
    assert router.statistics().counters["packets_downloaded"] == before


async def test_a_redirect_that_is_damaged(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path)
    text = encode_description(sent.recipients[0]).encode()
    description = await redirecting(router, text, tmp_path)
    changes: list[dict[str, Any]] = [{"digest": bytes(64)}, {"key": bytes(32)}]
    for change in changes:
        with pytest.raises(RedirectRefused):
            await receive_file(evolve(description, **change), folder, config=IMPATIENT)


async def test_a_description_that_fits_into_no_packet(router: XFTPRouter, path: Path) -> None:
    sent = await sent_to(router, path)
    (description,) = sent.recipients
    count = 30_000
    many: tuple[Packet, ...] = (evolve(description.packets[0], size=1),) * count
    long = evolve(description, packets=many, size=count, packet_size=1)
    with pytest.raises(FileTooLarge):
        await send_description(long, [router.address], config=IMPATIENT)


async def test_a_redirect_is_followed_once(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path)
    short = await send_description(sent.recipients[0], [router.address], config=IMPATIENT)
    (description,) = short.recipients
    state = tmp_path / "state"
    packets = len(sent.sender.packets)
    # Only downloads of the file itself go that far.
    await interrupted_receiving(description, folder, state, 70_000, Phase.DOWNLOADING)
    await receive_file(description, folder, state=state, config=IMPATIENT)
    assert has_sent(router, packets + 1)
    assert router.statistics().counters["recipients_acknowledged"] == packets + 1
