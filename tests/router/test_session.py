"""One connection: the order of answers, blocks, limits, and what happens to whom it concerns."""

from __future__ import annotations

from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.wire.smp.commands import NEW, PING, SEND, SUB
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import IDS, MSG, OK, PONG, SOK
from tests.router.house import open_house


async def test_ping() -> None:
    async with open_house() as house:
        client = await house.connect()
        assert isinstance(await client.ask(PING()), PONG)
        await client.nothing_more()


async def test_first() -> None:
    key, dh = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
    async with open_house() as house:
        client = await house.connect()
        ids = await client.ask(NEW(key.public, dh.public), key=key)
        assert isinstance(ids, IDS)
        sender = await house.connect()
        assert isinstance(await sender.ask(SEND(MessageFlags(), b"x"), ids.sender_id), OK)
        said = await client.read()
        assert isinstance(said.message, MSG)
        other = await house.connect()
        await other.send(other.transmission(SUB(), ids.recipient_id, key))
        (block,) = await other.read_all()
        assert [type(each.message) for each in block] == [SOK, MSG]
