"""However many requests come at once, checking them leaves time for everything else."""

from __future__ import annotations

from typing import cast

import pytest
import trio
from attrs import frozen

from simplex_trio.crypto.keys import Ed448PrivateKey, Ed448PublicKey
from simplex_trio.serving.counters import Counters
from simplex_trio.serving.shares import FairShares
from simplex_trio.wire.authorization import Authorizer, Verifier
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.transmissions import prepare_transmission
from simplex_trio.wire.xftp.blocks import read_request, seal_transmission, xftp_session
from simplex_trio.wire.xftp.commands import FNEW, Command, PacketInfo
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.wire.xftp.messages import ERR
from simplex_trio.xftp.bodies import BodyReader
from simplex_trio.xftp.router.commands import Commands
from simplex_trio.xftp.router.config import PacketPolicy, XFTPClientLimits
from simplex_trio.xftp.router.statistics import Count
from simplex_trio.xftp.router.storage import Storage

SESSION = xftp_session(3, bytes(32))
KEY = Ed448PrivateKey(b"\x01" * 57)
STRANGER = Ed448PrivateKey(b"\x02" * 57)


def refused_request() -> ReceivedCommand[Command]:
    info = PacketInfo(KEY.public, 65536, bytes(32))
    command = FNEW(info, (KEY.public,))
    unsent = prepare_transmission(SESSION, bytes(24), b"", command.encode(3))
    transmission = Authorizer(None).finish(unsent, STRANGER, bytes(24))
    received = read_request(seal_transmission(transmission, SESSION), SESSION)
    assert isinstance(received, ReceivedCommand)
    return received


@frozen
class NoBody:
    async def at_end(self) -> bool:
        return True


class Passes(trio.abc.Instrument):
    """How many signatures were checked between one look at the network and the next."""

    def __init__(self) -> None:
        self.checked: list[int] = [0]

    def before_io_wait(self, timeout: float) -> None:
        self.checked.append(0)


async def test_checks_of_many_requests_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = Passes()
    verify = Ed448PublicKey.verify

    def count(key: Ed448PublicKey, signature: bytes, message: bytes) -> None:
        passes.checked[-1] += 1
        verify(key, signature, message)

    monkeypatch.setattr(Ed448PublicKey, "verify", count)
    commands = Commands(
        cast("Storage", None),
        PacketPolicy(),
        XFTPClientLimits(),
        Counters(Count),
        clock=lambda: 0.0,
        random=bytes,
    )
    request, body = refused_request(), cast("BodyReader", NoBody())
    share = FairShares(1, 1).share("client")

    async def ask() -> None:
        answer = await commands.answer(request, Verifier(None), body, share)
        assert answer.message == ERR(XFTPCode.AUTH)

    trio.lowlevel.add_instrument(passes)
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(ask)
    assert sum(passes.checked) == 100
    assert max(passes.checked) <= 2 * 7
