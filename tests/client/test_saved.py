"""Values that programs keep as bytes, and bytes of version 1, which are to be read for ever."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.client.ntf import RegisteredToken
from simplex_trio.client.smp.queues import NotifierCredentials, QueueAccess, ReceivingQueue
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed448PrivateKey, Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.errors import DecodeError
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.saved import SavedFormat

ids = st.binary(max_size=255)
box_keys = st.binary(min_size=32, max_size=32).map(BoxKey)
keys = st.one_of(
    st.binary(min_size=32, max_size=32).map(Ed25519PrivateKey),
    st.binary(min_size=32, max_size=32).map(X25519PrivateKey),
    st.binary(min_size=57, max_size=57).map(Ed448PrivateKey),
)
queues = st.builds(
    ReceivingQueue,
    recipient_id=ids,
    sender_id=ids,
    key=keys,
    delivery_key=box_keys,
    mode=st.none() | st.sampled_from(QueueMode),
    link_id=st.none() | ids,
    service_id=st.none() | ids,
    notifier=st.none() | st.builds(NotifierCredentials, ids, box_keys),
)
accesses = st.builds(QueueAccess, ids, keys, st.none() | box_keys)
tokens = st.builds(RegisteredToken, ids, keys, box_keys)


@given(st.one_of(queues, accesses, tokens))
def test_there_and_back(value: Any) -> None:
    data = value.to_bytes()
    again = type(value).from_bytes(data)
    assert again == value
    assert again.to_bytes() == data


@given(st.one_of(queues, accesses, tokens), st.data())
def test_damage_is_noticed(value: Any, data: st.DataObject) -> None:
    whole = value.to_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    flipped = whole[position] ^ data.draw(st.integers(1, 255))
    damaged = whole[:position] + bytes([flipped]) + whole[position + 1 :]
    for each in (damaged, whole[:position], whole + b"\0"):
        with pytest.raises(DecodeError):
            type(value).from_bytes(each)


@given(st.binary())
def test_other_bytes(data: bytes) -> None:
    for kind in (ReceivingQueue, QueueAccess, RegisteredToken):
        with pytest.raises(DecodeError):
            kind.from_bytes(data)


QUEUE = ReceivingQueue(
    recipient_id=bytes(range(24)),
    sender_id=bytes(range(24, 48)),
    key=Ed25519PrivateKey(bytes([7]) * 32),
    delivery_key=BoxKey(bytes([8]) * 32),
    mode=QueueMode.MESSAGING,
    notifier=NotifierCredentials(b"notifier", BoxKey(bytes([9]) * 32)),
)
ACCESS = QueueAccess(bytes(24), X25519PrivateKey(bytes([7]) * 32))
TOKEN = RegisteredToken(b"token", Ed25519PrivateKey(bytes([7]) * 32), BoxKey(bytes([8]) * 32))


def test_kinds_and_versions_are_told_apart() -> None:
    with pytest.raises(DecodeError, match="no saved access to a queue"):
        QueueAccess.from_bytes(QUEUE.to_bytes())
    newer = QUEUE.to_bytes().replace(b"queue 1\n", b"queue 2\n")
    with pytest.raises(DecodeError, match="newer version"):
        ReceivingQueue.from_bytes(newer)


VERSION_1 = [
    (
        QUEUE,
        "73696d706c65782d7472696f20726563656976696e6720717565756520310a310018000102030405"
        "060708090a0b0c0d0e0f101112131415161731001818191a1b1c1d1e1f202122232425262728292a"
        "2b2c2d2e2f310030302e020100300506032b65700422042007070707070707070707070707070707"
        "07070707070707070707070707070707310020080808080808080808080808080808080808080808"
        "08080808080808080808083100014d30303100086e6f746966696572310020090909090909090909"
        "09090909090909090909090909090909090909090909095f2d9b3c",
    ),
    (
        ACCESS,
        "73696d706c65782d7472696f2061636365737320746f206120717565756520310a31001800000000"
        "0000000000000000000000000000000000000000310030302e020100300506032b656e0422042007"
        "070707070707070707070707070707070707070707070707070707070707073054453f13",
    ),
    (
        TOKEN,
        "73696d706c65782d7472696f207265676973746572656420746f6b656e20310a310005746f6b656e"
        "310030302e020100300506032b657004220420070707070707070707070707070707070707070707"
        "07070707070707070707073100200808080808080808080808080808080808080808080808080808"
        "080808080808148cb3ad",
    ),
]


@pytest.mark.parametrize(("value", "saved"), VERSION_1, ids=lambda each: type(each).__name__)
def test_what_version_1_has_saved(value: Any, saved: str) -> None:
    assert type(value).from_bytes(bytes.fromhex(saved)) == value
    assert value.to_bytes().hex() == saved


def test_nothing_of_it_is_shown() -> None:
    assert "07070707" not in repr(QUEUE) + repr(ACCESS) + repr(TOKEN)


def test_half_a_notifier_is_refused() -> None:
    fields = [bytes(24), bytes(24), QUEUE.key.der, QUEUE.delivery_key.subkey, None, None, None]
    form = SavedFormat("receiving queue")
    assert ReceivingQueue.from_bytes(form.pack(*fields, None, None)).notifier is None
    for half in ([b"notifier", None], [None, bytes(32)]):
        with pytest.raises(DecodeError, match="no saved receiving queue"):
            ReceivingQueue.from_bytes(form.pack(*fields, *half))
