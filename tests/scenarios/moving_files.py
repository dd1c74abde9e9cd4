"""A router for files gets packets in each state; what takes its place still has them.

What the clients know is JSON in between, as in the recordings of tests/vectors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from attrs import evolve

from simplex_trio.crypto.keys import AuthPrivateKey, Ed25519PrivateKey, private_key
from simplex_trio.wire.xftp.errors import Blocked, BlockingReason, XFTPCode
from simplex_trio.xftp.client import RegisteredPacket, open_xftp_client
from tests.scenarios.xftp import NewPacket, refused, stored_packet

__all__ = ["KnownPackets", "check_files", "fill_files"]

KnownPackets: TypeAlias = dict[str, dict[str, Any]]
"""What clients keep of their packets, in hexadecimal digits."""


async def fill_files(
    address: str, block: Callable[[bytes], Awaitable[None]] | None = None
) -> KnownPackets:
    """Have clients leave packets in each state; ``block`` blocks one by the id of a recipient."""
    async with open_xftp_client(address) as client:
        packets = {name: await stored_packet(client) for name in ("whole", "acknowledged")}
        whole = packets["whole"]
        later = Ed25519PrivateKey.generate()
        (later_id,) = await client.add_recipients(
            whole.sender_key, whole.ids.sender_id, [later.public]
        )
        whole.recipient_keys.append(later)
        whole.ids = evolve(whole.ids, recipient_ids=(*whole.ids.recipient_ids, later_id))
        acknowledged = packets["acknowledged"]
        await client.acknowledge(acknowledged.recipient_keys[0], acknowledged.ids.recipient_ids[0])
        packets["without body"] = NewPacket()
        await packets["without body"].register(client)
        packets["deleted"] = await stored_packet(client)
        await client.delete(packets["deleted"].sender_key, packets["deleted"].ids.sender_id)
        if block is not None:
            packets["blocked"] = await stored_packet(client)
            await block(packets["blocked"].ids.recipient_ids[0])
    return {name: _known(packet) for name, packet in packets.items()}


async def check_files(address: str, known: KnownPackets) -> None:
    """All of them are there, for those who know them, and go on."""
    packets = {name: _packet(each) for name, each in known.items()}
    async with open_xftp_client(address) as client:
        whole, acknowledged = packets["whole"], packets["acknowledged"]
        for number in range(3):
            assert await whole.download(client, number) == whole.body
        async with refused(XFTPCode.AUTH):
            await acknowledged.download(client, 0)
        assert await acknowledged.download(client, 1) == acknowledged.body
        async with refused(XFTPCode.NO_FILE):
            await packets["without body"].download(client)
        await packets["without body"].upload(client)
        assert await packets["without body"].download(client) == whole.body
        async with refused(XFTPCode.AUTH):
            await packets["deleted"].download(client)
        if "blocked" in packets:
            async with refused(Blocked(BlockingReason.SPAM)):
                await packets["blocked"].download(client)
        await client.delete(whole.sender_key, whole.ids.sender_id)
        async with refused(XFTPCode.AUTH):
            await whole.download(client, 1)


def _known(packet: NewPacket) -> dict[str, Any]:
    return {
        "size": len(packet.body),
        "sender_key": packet.sender_key.der.hex(),
        "recipient_keys": [key.der.hex() for key in packet.recipient_keys],
        "sender_id": packet.ids.sender_id.hex(),
        "recipient_ids": [each.hex() for each in packet.ids.recipient_ids],
    }


def _packet(known: dict[str, Any]) -> NewPacket:
    packet = NewPacket(size=known["size"])
    packet.sender_key = _key(known["sender_key"])
    packet.recipient_keys = [_key(each) for each in known["recipient_keys"]]
    recipient_ids = tuple(bytes.fromhex(each) for each in known["recipient_ids"])
    packet.ids = RegisteredPacket(bytes.fromhex(known["sender_id"]), recipient_ids)
    return packet


def _key(text: str) -> AuthPrivateKey:
    key = private_key(bytes.fromhex(text))
    assert isinstance(key, AuthPrivateKey)
    return key
