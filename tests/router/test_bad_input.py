"""Whatever bytes come, they concern the connection that they came on and no other."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.commands import COMMANDS, NEW, PING, RFWD
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE
from simplex_trio.wire.smp.messages import ERR, IDS, PONG
from simplex_trio.wire.versions import VersionRange
from tests.router.house import RawClient, open_house

KEY = Ed25519PrivateKey(b"\x01" * 32)
DH_KEY = X25519PrivateKey(b"\x03" * 32)

TAGS = [command.TAG for command in COMMANDS]


async def _survives(contents: list[bytes], version: int) -> None:
    async with open_house() as house:
        client = await house.connect(versions=VersionRange(6, version))
        ids = await client.ask(NEW(KEY.public, DH_KEY.public), key=KEY)
        assert isinstance(ids, IDS)
        for content in contents:
            await client.send_content(content)
        await wait_all_tasks_blocked()
        assert await (await house.connect()).ask(PING()) == PONG()
        assert house.hub.state.queues.for_recipient(ids.recipient_id) is not None


@given(st.lists(st.binary(max_size=200), max_size=5), st.sampled_from([6, 11, 16, 20]))
def test_any_contents(contents: list[bytes], version: int) -> None:
    trio.run(_survives, contents, version)


def _short(data: bytes) -> bytes:
    return bytes([len(data)]) + data


def _large(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


_transmissions = st.builds(
    lambda authorization, correlation_id, entity_id, tag, rest: (
        _short(authorization)
        + (b"0" if authorization else b"")
        + _short(correlation_id)
        + _short(entity_id)
        + tag
        + rest
    ),
    st.sampled_from([b"", bytes(64), bytes(80), bytes(114), b"x"]),
    st.sampled_from([b"", b"c" * 24, b"c" * 255]),
    st.sampled_from([b"", b"q" * 24]),
    st.sampled_from(TAGS),
    st.one_of(st.just(b""), st.binary(max_size=60).map(lambda rest: b" " + rest)),
)


@given(st.lists(_transmissions, min_size=1, max_size=8))
def test_any_commands(transmissions: list[bytes]) -> None:
    content = bytes([len(transmissions)]) + b"".join(map(_large, transmissions))
    trio.run(_survives, [content], 20)


@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "padded"])
async def test_block_that_is_none_is_answered_so(encrypted: bool) -> None:
    async with open_house() as house:
        client = await house.connect(with_key=encrypted)
        for block in (bytes(SMP_BLOCK_SIZE), b"\xff" * SMP_BLOCK_SIZE):
            await client.frames.send_frames([block])
            said = await client.read()
            assert said.message == ERR(Code.BLOCK)
            assert (said.correlation_id, said.entity_id) == (b"", b"")
            await _skip_key(client)
        assert await client.ask(PING()) == PONG()


async def _skip_key(client: RawClient) -> None:
    """Both sides have used up one key of the chain for a block that was none."""
    client.blocks.seal(b"")


async def test_connection_that_ends_inside_a_block() -> None:
    async with open_house() as house:
        client = await house.connect()
        await client.frames.stream.send_all(b"half a block")
        await client.aclose()
        await wait_all_tasks_blocked()
        assert not house.hub.sessions


async def test_nonsense_for_a_relay() -> None:
    async with open_house() as house:
        client = await house.connect()
        answer = await client.ask(RFWD(bytes(16_000)))
        assert answer == ERR(Code.CRYPTO)


async def test_flood_of_new_connections_and_queues() -> None:
    async with open_house() as house:
        flood = [await house.connect() for _ in range(20)]
        for client in flood:
            await client.send(
                *(client.transmission(NEW(KEY.public, DH_KEY.public), key=KEY) for _ in range(30))
            )
        witness = await house.connect()
        assert await witness.ask(PING()) == PONG()
        for client in flood:
            await client.aclose()
        await wait_all_tasks_blocked()
        assert len(house.hub.sessions) == 1
        assert len(house.hub.state.queues) == 600
        assert house.hub.state.recipients.queue_count == 0
