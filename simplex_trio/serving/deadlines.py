"""`PromptStream`: a stream whose blocks have a deadline from their first byte on."""

from __future__ import annotations

import trio

__all__ = ["PromptStream"]


class PromptStream(trio.abc.Stream):
    """``stream`` with a limit on the time from the first byte of a block to its last.

    Between blocks there is no limit.  A block that is late breaks the stream.
    """

    def __init__(self, stream: trio.abc.Stream, block_size: int, seconds: float) -> None:
        self._stream = stream
        self._block_size = block_size
        self._seconds = seconds
        self._received = 0
        self._begun_at = 0.0

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if not self._received:
            data = await self._stream.receive_some(max_bytes)
            self._begun_at = trio.current_time()
        else:
            try:
                with trio.fail_at(self._begun_at + self._seconds):
                    data = await self._stream.receive_some(max_bytes)
            except trio.TooSlowError:
                raise trio.BrokenResourceError("the peer sends a block too slowly") from None
        received = self._received + len(data)
        if received >= self._block_size:
            self._begun_at = trio.current_time()
        self._received = received % self._block_size
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()
