"""What the published client does against our daemon, as far as its own weaknesses allow."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import pytest
from katzenpost_thinclient import (
    BoxAlreadyExistsError,
    BoxIDNotFoundError,
    CopyCommandFailedError,
    StartResendingCancelledError,
    ThinClient,
    ThinClientOfflineError,
    TombstoneError,
    find_services,
)

from simplex_trio.katzenpost.config import TcpDial, UnixDial
from tests.katzenpost_published.harness import DaemonThread, Published

Run = Callable[..., None]

SEED = bytes(range(32))
START = "start_resending_encrypted_message"


async def asked(thread: DaemonThread, name: str, count: int = 1) -> None:
    """Wait until the daemon has had so many requests of a kind."""
    await asyncio.to_thread(thread.do_async, lambda daemon: daemon.wait_asked(name, count))


async def write(
    client: ThinClient, plaintext: bytes, cap: bytes, index: bytes, **flags: bool
) -> bytes:
    made = await client.encrypt_write(plaintext, cap, index)
    await client.start_resending_encrypted_message(
        None, cap, None, None,
        made.envelope_descriptor, made.message_ciphertext, made.envelope_hash, **flags,
    )  # fmt: skip
    next_index: bytes = made.next_message_box_index
    return next_index


async def read(client: ThinClient, cap: bytes, index: bytes, **flags: bool) -> tuple[bytes, bytes]:
    made = await client.encrypt_read(cap, index)
    result = await client.start_resending_encrypted_message(
        cap, None, index, None,
        made.envelope_descriptor, made.message_ciphertext, made.envelope_hash, **flags,
    )  # fmt: skip
    return result.plaintext, made.next_message_box_index


async def write_elements(
    client: ThinClient, elements: list[bytes], cap: bytes, index: bytes
) -> bytes:
    for element in elements:
        index = await write(client, element, cap, index)
    return index


@pytest.mark.parametrize("kind", ["tcp", "tcp6", "unix", "abstract"])
def test_connects(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short, that of the directory may not be
    listen = {
        "tcp": None,
        "tcp6": TcpDial("::1", 0, "tcp6"),
        "unix": UnixDial("socket"),
        "abstract": UnixDial(f"@simplex-trio-{os.urandom(8).hex()}"),
    }[kind]

    async def scenario(published: Published) -> None:
        assert published.client.is_connected()
        assert (await published.wait_for("status"))["is_connected"] is True
        await published.wait_for("document")
        assert published.client.geometry.UserForwardPayloadLength == 2000
        assert published.client.pigeonhole_geometry.max_plaintext_payload_length == 1553
        published.client.pigeonhole_geometry.validate()

    run(scenario, listen)


def test_finds_services_and_documents(run: Run, thread: DaemonThread) -> None:
    async def scenario(published: Published) -> None:
        client = published.client
        document = client.pki_document()
        assert document["Epoch"] == 1000
        assert len(client.get_services("echo")) == 2
        assert len(find_services("courier", document)) == 2
        assert client.get_service("echo").recipient_queue_id == b"+echo"
        raw, epoch = await client.get_pki_document_raw()
        assert epoch == 1000
        assert raw
        with pytest.raises(Exception, match="unavailable"):
            await client.get_pki_document_raw(5)
        authorities = await client.get_directory_authorities()
        assert len(authorities) == 3
        await asyncio.to_thread(thread.do, lambda daemon: daemon.mixnet.start_epoch(1001))
        await published.wait_for("document", 2)
        assert client.pki_document_for_epoch(1000)["Epoch"] == 1000
        assert client.pki_document()["Epoch"] == 1001

    run(scenario)


def test_sends_to_services(run: Run, thread: DaemonThread) -> None:
    async def scenario(published: Published) -> None:
        client = published.client
        node, queue = client.get_service("echo").to_destination()
        for text in (b"one", b"two", b"three"):  # one at a time: together they lose replies
            reply = await client.blocking_send_message(text, node, queue)
            assert reply.rstrip(b"\0") == text
        surb_id = client.new_surb_id()
        await client.send_message(surb_id, b"four", node, queue)
        event = await published.wait_for("reply", 4)
        assert event["surbid"] == surb_id
        assert event["payload"].rstrip(b"\0") == b"four"
        assert len(event["payload"]) == 2000
        sent = await published.wait_for("sent", 4)
        assert sent["surbid"] == surb_id
        assert isinstance(sent["sent_at"], int)
        await client.send_message_without_reply(b"five", node, queue)
        await client.blocking_send_message(b"six", node, queue)
        received = await asyncio.to_thread(thread.do, lambda daemon: daemon.mixnet.received)
        assert received == [b"one", b"two", b"three", b"four", b"five", b"six"]

    run(scenario)


def test_writes_and_reads_a_channel(run: Run) -> None:
    async def scenario(published: Published) -> None:
        client = published.client
        pair = await client.new_keypair(SEED)
        assert (await client.new_keypair(SEED)) == pair
        assert (len(pair.write_cap), len(pair.read_cap)) == (168, 136)
        first = pair.first_message_index
        second = await write(client, b"hello", pair.write_cap, first)
        assert second == await client.next_message_box_index(first)
        count = client.get_message_box_index_counter
        assert await count(second) == await count(first) + 1
        await write(client, b"world", pair.write_cap, second)
        plaintext, index = await read(client, pair.read_cap, first)
        assert plaintext == b"hello"
        assert index == second
        assert (await read(client, pair.read_cap, second))[0] == b"world"

    run(scenario)


def test_learns_what_is_in_the_way(run: Run) -> None:
    async def scenario(published: Published) -> None:
        client = published.client
        pair = await client.new_keypair(SEED)
        first, cap = pair.first_message_index, pair.write_cap
        with pytest.raises(BoxIDNotFoundError):
            await read(client, pair.read_cap, first, no_retry_on_box_id_not_found=True)
        await write(client, b"one", cap, first)
        await write(client, b"one", cap, first, no_idempotent_box_already_exists=True)
        await write(client, b"two", cap, first)  # not told of the conflict
        with pytest.raises(BoxAlreadyExistsError):
            await write(client, b"two", cap, first, no_idempotent_box_already_exists=True)
        with pytest.raises(Exception, match="Invalid request"):
            await client.encrypt_write(bytes(1554), cap, first)
        await write(client, b"", cap, first)
        with pytest.raises(TombstoneError):
            await read(client, pair.read_cap, first)

    run(scenario)


def test_waits_for_a_box(run: Run, thread: DaemonThread) -> None:
    async def scenario(published: Published) -> None:
        client = published.client
        pair = await client.new_keypair(SEED)
        reading = asyncio.create_task(read(client, pair.read_cap, pair.first_message_index))
        await asked(thread, START)
        assert not reading.done()
        await write(client, b"at last", pair.write_cap, pair.first_message_index)
        assert (await reading)[0] == b"at last"

    run(scenario)


def test_tombstones_a_range(run: Run) -> None:
    async def scenario(published: Published) -> None:
        client = published.client
        pair = await client.new_keypair(SEED)
        made = await client.tombstone_range(pair.write_cap, pair.first_message_index, 3)
        assert len(made.envelopes) == 3
        for envelope in made.envelopes:
            await client.start_resending_encrypted_message(
                None, pair.write_cap, None, None,
                envelope.envelope_descriptor, envelope.message_ciphertext, envelope.envelope_hash,
            )  # fmt: skip
        with pytest.raises(TombstoneError):
            await read(client, pair.read_cap, made.envelopes[2].box_index)

    run(scenario)


def test_copies_to_one_channel(run: Run) -> None:
    async def scenario(published: Published) -> None:
        client = published.client
        to = await client.new_keypair(SEED)
        temporary = await client.new_keypair(os.urandom(32))
        payload = os.urandom(4000)
        made = await client.create_courier_envelopes_from_payload(
            payload, to.write_cap, to.first_message_index, True, True
        )
        await write_elements(
            client, made.envelopes, temporary.write_cap, temporary.first_message_index
        )
        node, queue = client.get_service("courier").to_destination()
        await client.start_resending_copy_command(temporary.write_cap, node, queue)
        index, found = to.first_message_index, b""
        while len(found) < len(payload):
            plaintext, index = await read(client, to.read_cap, index)
            found += plaintext
        assert found == payload
        assert index == made.next_dest_index

    run(scenario)


def test_copies_to_several_channels_in_several_calls(run: Run) -> None:
    async def scenario(published: Published) -> None:
        client = published.client
        one = await client.new_keypair(SEED)
        two = await client.new_keypair(os.urandom(32))
        temporary = await client.new_keypair(os.urandom(32))
        deleted = await write(client, b"to be deleted", one.write_cap, one.first_message_index)
        first = await client.create_courier_envelopes_from_multi_payload(
            [
                {"payload": b"1", "write_cap": one.write_cap, "start_index": deleted},
                {
                    "payload": b"2",
                    "write_cap": two.write_cap,
                    "start_index": two.first_message_index,
                },
            ],
            True,
            False,
        )
        assert first.buffer
        second = await client.create_courier_envelopes_from_tombstone_range(
            one.write_cap, one.first_message_index, 1, False, True, first.buffer
        )
        assert not second.buffer
        index = temporary.first_message_index
        index = await write_elements(client, first.envelopes, temporary.write_cap, index)
        await write_elements(client, second.envelopes, temporary.write_cap, index)
        await client.start_resending_copy_command(temporary.write_cap)
        await client.start_resending_copy_command(temporary.write_cap)  # the same verdict again
        assert (await read(client, one.read_cap, deleted))[0] == b"1"
        assert (await read(client, two.read_cap, two.first_message_index))[0] == b"2"
        with pytest.raises(TombstoneError):
            await read(client, one.read_cap, one.first_message_index)

    run(scenario)


def test_learns_why_a_copy_failed(run: Run) -> None:
    async def scenario(published: Published) -> None:
        client = published.client
        to = await client.new_keypair(SEED)
        temporary = await client.new_keypair(os.urandom(32))
        await write(client, b"in the way", to.write_cap, to.first_message_index)
        made = await client.create_courier_envelopes_from_payload(
            b"payload", to.write_cap, to.first_message_index, True, True
        )
        await write_elements(
            client, made.envelopes, temporary.write_cap, temporary.first_message_index
        )
        with pytest.raises(CopyCommandFailedError) as caught:
            await client.start_resending_copy_command(temporary.write_cap)
        assert caught.value.replica_error_code == 10
        assert caught.value.failed_envelope_index == 1

    run(scenario)


def test_cancels(run: Run, thread: DaemonThread) -> None:
    async def scenario(published: Published) -> None:
        client = published.client
        pair = await client.new_keypair(SEED)
        made = await client.encrypt_read(pair.read_cap, pair.first_message_index)
        reading = asyncio.create_task(
            client.start_resending_encrypted_message(
                pair.read_cap,
                None,
                pair.first_message_index,
                None,
                made.envelope_descriptor,
                made.message_ciphertext,
                made.envelope_hash,
            )
        )
        await asked(thread, START)
        await client.cancel_resending_encrypted_message(made.envelope_hash)
        with pytest.raises(StartResendingCancelledError):
            await reading
        await client.cancel_resending_copy_command(blake2b(b"none", digest_size=32).digest())

    run(scenario)


@pytest.mark.parametrize("how", ["dropped", "restarted", "same token"])
def test_replays_when_it_was_disconnected(run: Run, thread: DaemonThread, how: str) -> None:
    async def scenario(published: Published) -> None:
        client = published.client
        pair = await client.new_keypair(SEED)
        reading = asyncio.create_task(read(client, pair.read_cap, pair.first_message_index))
        await asked(thread, START)
        if how == "dropped":
            await asyncio.to_thread(thread.do, lambda daemon: daemon.drop_connections())
        else:
            await asyncio.to_thread(
                thread.do_async, lambda daemon: daemon.restart(same_instance=how == "same token")
            )
        gone = await published.wait_for("disconnected")
        assert gone["is_graceful"] is (how != "dropped")
        await published.wait_for("status", 2)
        await published.wait_for("document", 2)
        await asked(thread, START, 2)
        await write(client, b"after all", pair.write_cap, pair.first_message_index)
        assert (await reading)[0] == b"after all"

    run(scenario)


def test_hears_of_a_shutdown_before_it_happens(run: Run, thread: DaemonThread) -> None:
    async def scenario(published: Published) -> None:
        # The client reads nothing meanwhile, and then everything at once.
        thread.begin(lambda daemon: daemon.stop())
        assert (await published.wait_for("disconnected"))["is_graceful"] is True

    run(scenario)


def test_goes_offline_and_online(run: Run, thread: DaemonThread) -> None:
    async def scenario(published: Published) -> None:
        client = published.client
        node, queue = client.get_service("echo").to_destination()
        await asyncio.to_thread(thread.do, lambda daemon: daemon.mixnet.set_online(False))
        assert (await published.wait_for("status", 2))["is_connected"] is False
        with pytest.raises(ThinClientOfflineError):
            await client.blocking_send_message(b"nobody hears", node, queue)
        pair = await client.new_keypair(SEED)
        writing = asyncio.create_task(
            write(client, b"later", pair.write_cap, pair.first_message_index)
        )
        await asked(thread, "encrypt_write")
        await asyncio.to_thread(thread.do, lambda daemon: daemon.mixnet.set_online(True))
        await writing
        assert (await client.blocking_send_message(b"again", node, queue)).startswith(b"again")

    run(scenario)
