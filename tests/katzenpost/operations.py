"""Operations in the background, with a daemon that does what the test says."""

from __future__ import annotations

import trio

from simplex_trio.errors import SimplexError
from simplex_trio.katzenpost import BoxIndex, ReadCap, ReadEnvelope, Resent, ThinClient
from tests.katzenpost.support import Peer


async def envelope_of(client: ThinClient, peer: Peer) -> ReadEnvelope:
    """An envelope that the scripted daemon made."""
    result: list[ReadEnvelope] = []

    async def ask() -> None:
        result.append(await client.encrypt_read(ReadCap(bytes(136)), BoxIndex(bytes(104))))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        request = await peer.next("encrypt_read")
        await peer.answer(
            "encrypt_read",
            request,
            message_ciphertext=b"ciphertext",
            envelope_descriptor=b"descriptor",
            envelope_hash=b"#" * 32,
            next_message_box_index=bytes(104),
        )
    return result[0]


class Reading:
    """An operation in the background, and how it ended."""

    def __init__(self, client: ThinClient, envelope: ReadEnvelope) -> None:
        self.client = client
        self.envelope = envelope
        self.result: Resent | Exception | None = None

    async def run(self) -> None:
        try:
            self.result = await self.client.start_resending(self.envelope)
        except SimplexError as exc:
            self.result = exc
