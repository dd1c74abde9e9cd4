"""Requesters whose program sees what the owner of an address answers, before it answers that."""

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from simplex_trio.duplex.errors import UnknownConnection
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionDeleted,
    ConnectionReady,
    PeerInfo,
    PeerMessage,
    RequestReceived,
)
from simplex_trio.duplex.status import ConnectionState
from tests.duplex.quiet import Quiet, next_event, open_quiet

ASKED, ANSWERED, DECIDED = b"may I join?", b"as a member", b"I am Bob"


async def ask(quiet: Quiet, path: Path) -> tuple[str, str]:
    """Ask the address of an agent in a file, which accepts; returns the ids of both sides."""
    async with quiet.open_agent(path / "owner.db") as owner:
        address = await owner.create_address()
        assert address.short_link is not None
        async with quiet.open_agent(path / "bob.db") as bob:
            theirs = await bob.join(address.short_link, ASKED, decides=True)
        request = await next_event(owner, RequestReceived)
        assert request.info == ASKED
        return await owner.accept(request, ANSWERED, wait=True), theirs


async def test_the_program_decides_after_a_restart(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_quiet() as quiet:
        ours, theirs = await ask(quiet, tmp_path)
        async with quiet.open_agent(tmp_path / "bob.db") as bob:
            first = await next_event(bob, ConfirmationReceived)
            assert (first.connection_id, first.info) == (theirs, ANSWERED)
        async with (
            quiet.open_agent(tmp_path / "owner.db") as owner,
            quiet.open_agent(tmp_path / "bob.db") as bob,
        ):
            await owner.send(ours, b"hello")
            confirmation = await next_event(bob, ConfirmationReceived)
            assert confirmation == first
            assert (await bob.status(theirs)).state is ConnectionState.CONFIRMED
            assert await bob.accept(confirmation, DECIDED) == theirs
            assert (await next_event(owner, PeerInfo)).info == DECIDED
            await next_event(owner, ConnectionReady)
            message = await next_event(bob, PeerMessage)
            assert (message.connection_id, message.body) == (theirs, b"hello")


async def test_the_program_refuses(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_quiet() as quiet:
        ours, theirs = await ask(quiet, tmp_path)
        async with quiet.open_agent(tmp_path / "bob.db") as bob:
            await bob.reject(await next_event(bob, ConfirmationReceived))
            with pytest.raises(UnknownConnection):
                await bob.send(theirs, b"hello")
            assert (await next_event(bob, ConnectionDeleted)).connection_id == theirs
        async with quiet.open_agent(tmp_path / "owner.db") as owner:
            assert (await owner.status(ours)).state is ConnectionState.WAITING
