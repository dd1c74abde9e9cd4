"""All frame streams keep the contract, and `check_frame_stream` finds those that do not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.katzenpost.wire.framing import LengthPrefixedStream
from simplex_trio.testing.frame_streams import (
    FRAME_STREAM_CHECKS,
    FrameStreamCheck,
    Wrap,
    check_frame_stream,
)
from simplex_trio.transport.block_stream import BlockStream

FRAMES = [bytes([number]) * 16 for number in range(1, 4)]


def blocks(stream: trio.abc.Stream) -> BlockStream:
    return BlockStream(stream, 16)


@pytest.mark.parametrize("wrap", [blocks, LengthPrefixedStream])
@pytest.mark.parametrize("check", FRAME_STREAM_CHECKS, ids=lambda check: check.__name__.strip("_"))
async def test_contract(wrap: Wrap, check: FrameStreamCheck) -> None:
    await check(wrap, FRAMES)


async def test_all_of_it_at_once() -> None:
    await check_frame_stream(blocks, FRAMES)


async def test_three_different_frames_are_needed() -> None:
    with pytest.raises(ValueError, match="three"):
        await check_frame_stream(blocks, FRAMES[:1] * 3)


class LosesWhatHasArrived(BlockStream):
    async def receive_frame(self) -> bytes:
        try:
            return await super().receive_frame()
        except trio.Cancelled:
            self._received.clear()
            raise


class ForgetsThatItIsBroken(BlockStream):
    async def send_frames(self, frames: Iterable[bytes]) -> None:
        try:
            await super().send_frames(frames)
        finally:
            self._broken = False


class SendsBehindAnother(BlockStream):
    async def send_frames(self, frames: Iterable[bytes]) -> None:
        self._sending = False
        await super().send_frames(frames)


class EndsWithoutAWord(BlockStream):
    async def receive_frame(self) -> bytes:
        try:
            return await super().receive_frame()
        except trio.BrokenResourceError:
            raise trio.EndOfChannel from None


class GoesOnAfterClosing(BlockStream):
    async def aclose(self) -> None:
        await super().aclose()
        self._closed = False


@pytest.mark.parametrize(
    "faulty",
    [
        LosesWhatHasArrived,
        ForgetsThatItIsBroken,
        SendsBehindAnother,
        EndsWithoutAWord,
        GoesOnAfterClosing,
    ],
)
async def test_faults_are_found(autojump_clock: MockClock, faulty: type[BlockStream]) -> None:
    # A stream that lost bytes waits for them forever, which a clock that jumps makes short.
    with (
        pytest.RaisesGroup(Exception, allow_unwrapped=True, flatten_subgroups=True),
        trio.fail_after(30),
    ):
        await check_frame_stream(lambda stream: faulty(stream, 16), FRAMES)
