"""Channels box by box, against the simulated daemon."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from simplex_trio.errors import EncodeError, TooLarge
from simplex_trio.katzenpost import (
    AmbiguousError,
    BoxAlreadyExists,
    BoxIndex,
    BoxNotFound,
    BoxTombstoned,
    CourierError,
    DaemonError,
    EnvelopeUnreadable,
    Keypair,
    OperationInProgress,
    ReadCap,
    ReplicaError,
    StaleEnvelope,
    ThinClient,
    TombstonesIncomplete,
    WriteCap,
)
from simplex_trio.testing.kpclientd import SimulatedMixnet
from tests.katzenpost.support import SEED, START, ScriptedDaemon, simulated


async def write(client: ThinClient, keys: Keypair, index: BoxIndex, text: bytes) -> BoxIndex:
    envelope = await client.encrypt_write(text, keys.write_cap, index)
    result = await client.start_resending(envelope)
    assert result.plaintext == b""
    assert result.courier is not None
    assert result.courier in [service.destination for service in client.services("courier")]
    return envelope.next_index


async def read(client: ThinClient, keys: Keypair, index: BoxIndex) -> bytes:
    envelope = await client.encrypt_read(keys.read_cap, index)
    result = await client.start_resending(envelope, no_retry_on_box_id_not_found=True)
    return result.plaintext


async def test_a_channel_is_made_from_a_seed() -> None:
    async with simulated() as (client, _):
        keys = await client.new_keypair(SEED)
        assert await client.new_keypair(SEED) == keys
        assert await client.new_keypair(bytes(32)) != keys
        for size in (0, 31, 33):
            with pytest.raises(EncodeError):
                await client.new_keypair(bytes(size))


async def test_indices_are_numbers_in_a_row() -> None:
    async with simulated() as (client, _):
        keys = await client.new_keypair(SEED)
        second = await client.next_index(keys.first_index)
        first_number = await client.index_counter(keys.first_index)
        assert first_number > 2**32
        assert await client.index_counter(second) == first_number + 1


async def test_writing_and_reading() -> None:
    async with simulated() as (client, daemon):
        keys = await client.new_keypair(SEED)
        second = await write(client, keys, keys.first_index, b"one")
        await write(client, keys, second, bytes(1553))
        assert await read(client, keys, keys.first_index) == b"one"
        assert await read(client, keys, second) == bytes(1553)
        # The index went along with each envelope, which reading needs.
        assert {request["message_box_index"] for request in daemon.asked(START)} == {
            keys.first_index.raw,
            second.raw,
        }


async def test_no_two_envelopes_are_equal_and_yet_they_mean_the_same() -> None:
    async with simulated() as (client, daemon):
        keys = await client.new_keypair(SEED)
        one = await client.encrypt_write(b"text", keys.write_cap, keys.first_index)
        two = await client.encrypt_write(b"text", keys.write_cap, keys.first_index)
        assert one.hash != two.hash
        assert one.next_index == two.next_index
        for envelope in (one, two):
            await client.start_resending(envelope, no_idempotent_box_already_exists=True)
        assert len(daemon.mixnet.boxes) == 1


async def test_what_does_not_fit_is_not_sent() -> None:
    async with simulated() as (client, daemon):
        keys = await client.new_keypair(SEED)
        with pytest.raises(TooLarge):
            await client.encrypt_write(bytes(1554), keys.write_cap, keys.first_index)
        assert not daemon.asked("encrypt_write")


async def test_a_box_with_something_else_in_it() -> None:
    async with simulated() as (client, _):
        keys = await client.new_keypair(SEED)
        await write(client, keys, keys.first_index, b"first")
        await write(client, keys, keys.first_index, b"second")  # a courier has it: that is all
        other = await client.encrypt_write(b"third", keys.write_cap, keys.first_index)
        with pytest.raises(BoxAlreadyExists) as caught:
            await client.start_resending(other, no_idempotent_box_already_exists=True)
        assert caught.value.expected
        assert await read(client, keys, keys.first_index) == b"first"


async def test_an_empty_box() -> None:
    async with simulated() as (client, daemon), trio.open_nursery() as nursery:
        keys = await client.new_keypair(SEED)
        with pytest.raises(BoxNotFound) as caught:
            await read(client, keys, keys.first_index)
        assert caught.value.expected
        assert caught.value.retryable
        envelope = await client.encrypt_read(keys.read_cap, keys.first_index)

        async def wait() -> None:
            assert (await client.start_resending(envelope)).plaintext == b"at last"

        nursery.start_soon(wait)
        await daemon.wait_asked(START, 2)
        await write(client, keys, keys.first_index, b"at last")


async def test_tombstones() -> None:
    async with simulated() as (client, _):
        keys = await client.new_keypair(SEED)
        index = keys.first_index
        for number in range(3):
            index = await write(client, keys, index, b"message %d" % number)
        made = await client.tombstone_range(keys.write_cap, keys.first_index, 3)
        assert made.next_index == index
        for envelope in made.envelopes:
            await client.start_resending(envelope)
            with pytest.raises(BoxTombstoned) as caught:
                await read(client, keys, envelope.index)
            assert caught.value.expected
        again = await client.encrypt_write(b"again", keys.write_cap, keys.first_index)
        with pytest.raises(BoxAlreadyExists):
            await client.start_resending(again, no_idempotent_box_already_exists=True)
        nothing = await client.tombstone_range(keys.write_cap, index, 0)
        assert nothing.envelopes == ()
        assert nothing.next_index == index


async def test_what_was_made_is_kept_when_one_tombstone_fails() -> None:
    async with ScriptedDaemon().client() as (client, peer), trio.open_nursery() as nursery:
        keys = made_up_keys()

        async def make() -> None:
            with pytest.raises(TombstonesIncomplete) as caught:
                await client.tombstone_range(keys.write_cap, keys.first_index, 5)
            made = caught.value.made
            assert len(made.envelopes) == 2
            assert made.next_index == BoxIndex(b"\2" * 104)
            assert isinstance(caught.value.__cause__, DaemonError)
            assert caught.value.retryable

        nursery.start_soon(make)
        for number in (1, 2):
            request = await peer.next("encrypt_write")
            assert request["plaintext"] == b""
            await peer.answer(
                "encrypt_write",
                request,
                message_ciphertext=b"c",
                envelope_descriptor=b"d",
                envelope_hash=bytes([number]) * 32,
                next_message_box_index=bytes([number]) * 104,
            )
        await peer.answer("encrypt_write", await peer.next("encrypt_write"), error_code=4)


def made_up_keys() -> Keypair:
    return Keypair(WriteCap(bytes(168)), ReadCap(bytes(136)), BoxIndex(bytes(104)))


async def test_an_envelope_is_resent_once_at_a_time() -> None:
    async with simulated() as (client, daemon), trio.open_nursery() as nursery:
        keys = await client.new_keypair(SEED)
        envelope = await client.encrypt_read(keys.read_cap, keys.first_index)
        nursery.start_soon(client.start_resending, envelope)
        await daemon.wait_asked(START)
        with pytest.raises(OperationInProgress):
            await client.start_resending(envelope)
        assert client.operations == 1
        await write(client, keys, keys.first_index, b"x")


async def test_an_envelope_that_is_too_old() -> None:
    async with simulated() as (client, daemon):
        keys = await client.new_keypair(SEED)
        envelope = await client.encrypt_read(keys.read_cap, keys.first_index)
        daemon.mixnet.replica_epoch += 2
        with pytest.raises(StaleEnvelope):
            await client.start_resending(envelope)


async def test_envelopes_that_are_none_or_do_not_open() -> None:
    async with simulated() as (client, _):
        keys = await client.new_keypair(SEED)
        other = await client.new_keypair(bytes(32))
        await write(client, keys, keys.first_index, b"x")
        good = await client.encrypt_read(keys.read_cap, keys.first_index)
        foreign = evolve(good, ciphertext=b"something else")
        with pytest.raises(CourierError):
            await client.start_resending(foreign)
        for bad in (
            evolve(good, descriptor=b"another's"),
            evolve(good, index=other.first_index),
            evolve(good, read_cap=other.read_cap),
        ):
            with pytest.raises(EnvelopeUnreadable):
                await client.start_resending(bad)


@pytest.mark.parametrize(("code", "kind"), [(6, ReplicaError), (3, AmbiguousError)])
async def test_errors_of_replicas(code: int, kind: type[ReplicaError]) -> None:
    async with simulated() as (client, daemon):
        keys = await client.new_keypair(SEED)
        daemon.mixnet.fail_next("write", code)
        envelope = await client.encrypt_write(b"x", keys.write_cap, keys.first_index)
        with pytest.raises(kind) as caught:
            await client.start_resending(envelope)
        assert caught.value.code == code
        assert (await client.start_resending(envelope)).plaintext == b""


async def test_without_a_document_nothing_is_encrypted(autojump_clock: MockClock) -> None:
    async with simulated(SimulatedMixnet(epoch=None)) as (client, _):
        keys = await client.new_keypair(SEED)
        for call in (
            lambda: client.encrypt_read(keys.read_cap, keys.first_index),
            lambda: client.encrypt_write(b"x", keys.write_cap, keys.first_index),
        ):
            with pytest.raises(DaemonError) as caught:
                await call()
            assert caught.value.retryable


async def test_offline_operations_wait() -> None:
    async with simulated() as (client, daemon), trio.open_nursery() as nursery:
        keys = await client.new_keypair(SEED)
        daemon.mixnet.set_online(False)
        nursery.start_soon(write, client, keys, keys.first_index, b"later")
        await trio.testing.wait_all_tasks_blocked()
        assert client.operations == 1
        assert not daemon.asked(START)
        daemon.mixnet.set_online(True)
