"""The text of notifications against recorded ones, and against anything at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import X25519PrivateKey, X25519PublicKey
from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.ntf.push import (
    PUSH_SIZE,
    PushMessage,
    decode_push_messages,
    encode_push_messages,
)
from simplex_trio.wire.ntf.queues import NotifierQueue
from tests.vectors import Case, cases, matches
from tests.wire.ntf_values import damaged, push_message_of, push_messages, queues

KEY = "jponON-1WSYjHpJwZInEi_10DT-g-zaUpt8WcLgMCFI="
NONCE = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.mark.parametrize("case", cases("ntf_commands.json", "push_messages"))
def test_push_messages(case: Case) -> None:
    values = tuple(map(push_message_of, case["messages"]))
    assert [str(value) for value in values] == [fields["text"] for fields in case["messages"]]
    text = encode_push_messages(values)
    assert text.decode() == case["text"]
    assert decode_push_messages(text) == values


@pytest.mark.parametrize("case", cases("ntf_commands.json", "push_messages"))
def test_push_messages_sealed_for_the_device(case: Case) -> None:
    assert case["padded_length"] == PUSH_SIZE
    device, router = case["device_dh"], case["server_dh"]
    router_side = BoxKey.agree(
        X25519PrivateKey(bytes.fromhex(router["private_raw"])),
        X25519PublicKey(bytes.fromhex(device["public_raw"])),
    )
    device_side = BoxKey.agree(
        X25519PrivateKey(bytes.fromhex(device["private_raw"])),
        X25519PublicKey(bytes.fromhex(router["public_raw"])),
    )
    nonce = bytes.fromhex(case["nonce"])
    values = tuple(map(push_message_of, case["messages"]))
    sealed = router_side.seal_padded(nonce, encode_push_messages(values), PUSH_SIZE)
    assert matches(sealed, case["ciphertext"])
    assert decode_push_messages(device_side.open_padded(nonce, sealed)) == values


GOOD = f"smp://{KEY}@a.example/AAAA 1 {NONCE} AAAA"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        GOOD + ";",
        GOOD + " AAAA",
        GOOD.replace(" AAAA", ""),
        GOOD.replace(" AAAA", " "),
        GOOD.replace("/AAAA", "/"),
        GOOD.replace("/AAAA", ""),
        GOOD.replace("/AAAA", "/A"),
        GOOD.replace("/AAAA", "/" + "AAAA" * 86),
        GOOD.replace("smp:", "ntf:"),
        GOOD.replace("@", ":password@"),
        GOOD.replace(NONCE, "AAAA"),
        GOOD.replace(" 1 ", " one "),
        GOOD.replace(" 1 ", f" {2**63} "),
        GOOD.replace(" 1 ", f" -{2**63 + 1} "),
        GOOD.replace(" 1 ", " " + "9" * 5000 + " "),
        GOOD + "\n",
        GOOD.replace("a.example", "é.example"),
    ],
)
def test_texts_of_no_notification(text: str) -> None:
    with pytest.raises(DecodeError):
        decode_push_messages(text.encode())


@pytest.mark.parametrize(
    ("written", "time"),
    [("1", 1), ("+1", 1), ("-1", -1), ("007", 7), (f"-{2**63}", -(2**63)), ("0", 0)],
)
def test_times(written: str, time: int) -> None:
    (message,) = decode_push_messages(GOOD.replace(" 1 ", f" {written} ").encode())
    assert message.timestamp == time


def test_a_notification_has_messages() -> None:
    with pytest.raises(EncodeError):
        encode_push_messages([])


@pytest.mark.parametrize(
    ("nonce", "time", "metadata"),
    [(bytes(23), 0, b"x"), (bytes(24), 2**63, b"x"), (bytes(24), 0, b"")],
)
def test_unreadable_messages_are_not_made(nonce: bytes, time: int, metadata: bytes) -> None:
    queue = NotifierQueue(ServerAddress.parse(f"smp://{KEY}@a.example"), b"id")
    with pytest.raises(ValueError, match=r"."):
        PushMessage(queue, time, nonce, metadata)


def test_queues_are_on_smp_routers() -> None:
    with pytest.raises(ValueError, match="SMP"):
        NotifierQueue(ServerAddress.parse(f"ntf://{KEY}@a.example"), b"id")


def test_known_onion_hosts_are_added() -> None:
    server = ServerAddress.parse(f"smp://{KEY}@smp8.simplex.im")
    queue = NotifierQueue(server, b"id")
    for read in (NotifierQueue.parse(str(queue)), NotifierQueue.decode(Reader(queue.encode()))):
        assert read.server.hosts[0] == server.hosts[0]
        assert len(read.server.hosts) == 2


@given(queues)
def test_queue_is_what_it_says(queue: NotifierQueue) -> None:
    assert NotifierQueue.parse(str(queue)) == queue
    assert NotifierQueue.decode(Reader(queue.encode())) == queue


@given(st.lists(push_messages, min_size=1, max_size=3).map(tuple))
def test_notification_is_what_its_text_says(values: tuple[PushMessage, ...]) -> None:
    assert decode_push_messages(encode_push_messages(values)) == values


@given(damaged(push_messages.map(lambda message: encode_push_messages([message]))))
def test_any_bytes_are_a_notification_or_a_decode_error(data: bytes) -> None:
    try:
        values = decode_push_messages(data)
    except DecodeError:
        return
    assert decode_push_messages(encode_push_messages(values)) == values
