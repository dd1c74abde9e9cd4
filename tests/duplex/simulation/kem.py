"""A stock of keys without tasks and threads."""

from __future__ import annotations

from random import Random

import trio

from simplex_trio.duplex.kem_stock import KEMStock
from simplex_trio.ratchet.kem import KEM, KEMKeyPair


class SeededStock(KEMStock):
    """A stock in which there is often no pair at the moment."""

    def __init__(self, kem: KEM, random: Random) -> None:
        super().__init__(kem, 1)
        self._random = random

    async def take(self) -> KEMKeyPair:
        await trio.sleep(self._random.choice([0, 0.1]))
        return self.kem.generate()

    def take_nowait(self) -> KEMKeyPair | None:
        return self.kem.generate() if self._random.random() < 0.7 else None
