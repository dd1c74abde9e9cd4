"""What is inside SEND, MSG, NMSG and the layers of a proxy; and the sizes of all that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.box import TAG_SIZE, BoxKey
from simplex_trio.crypto.keys import X25519PrivateKey, X25519PublicKey, auth_public_key
from simplex_trio.errors import DecodeError, DecryptionFailed, EncodeError, TooLarge
from simplex_trio.wire.smp import sizes
from simplex_trio.wire.smp.bodies import (
    NotificationMeta,
    QuotaNotice,
    ReceivedBody,
    decode_delivered,
    open_delivered,
    seal_delivered,
)
from simplex_trio.wire.smp.envelopes import ClientEnvelope, ClientMessage
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.forwarding import PROXIED_VERSIONS, FwdResponse, FwdTransmission
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE
from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange
from tests.vectors import Case, cases, filler, matches, unhex
from tests.wire import strategies
from tests.wire.smp_values import FILES


def both_ends(case: Case, router: str, recipient: str) -> tuple[BoxKey, BoxKey]:
    def agree(ours: str, theirs: str) -> BoxKey:
        private = X25519PrivateKey(bytes.fromhex(case[ours]["private_raw"]))
        return BoxKey.agree(private, X25519PublicKey(bytes.fromhex(case[theirs]["public_raw"])))

    return agree(router, recipient), agree(recipient, router)


def delivered_value(case: Case) -> ReceivedBody | QuotaNotice:
    parsed = case["parsed"]
    if parsed["type"] == "quota":
        return QuotaNotice(parsed["ts"])
    if "body_filler_start" in case:
        body = filler(case["body_filler_start"], case["body_len"])
        assert matches(body, parsed["body"])
    else:
        body = bytes.fromhex(parsed["body"])
    return ReceivedBody(parsed["ts"], MessageFlags(parsed["notification"]), body)


@pytest.mark.parametrize("case", cases("smp_commands.json", "rcv_msg_body"))
def test_delivered_body(case: Case) -> None:
    value = delivered_value(case)
    assert matches(value.encode(), case["encoded"])
    assert decode_delivered(value.encode()) == value
    router, recipient = both_ends(case, "server_dh", "recipient_dh")
    message_id = bytes.fromhex(case["msg_id_is_nonce"])
    sealed = seal_delivered(router, message_id, value)
    assert matches(sealed, case["ciphertext"])
    assert len(sealed) == case["padded_length"] + TAG_SIZE
    assert open_delivered(recipient, message_id, sealed) == value


@pytest.mark.parametrize("case", cases("smp_commands.json", "rcv_msg_body_decode"))
def test_decoding_delivered_bodies(case: Case) -> None:
    data = bytes.fromhex(case["encoded"])
    if "error" in case["parsed"]:
        with pytest.raises(DecodeError):
            decode_delivered(data)
    else:
        assert decode_delivered(data) == delivered_value(case)


@pytest.mark.parametrize("case", cases("smp_commands.json", "nmsg_meta"))
def test_notification(case: Case) -> None:
    meta = NotificationMeta(bytes.fromhex(case["msg_id"]), case["ts"])
    assert meta.encode() == bytes.fromhex(case["encoded"])
    assert NotificationMeta.decode(meta.encode()) == meta
    assert NotificationMeta.decode(bytes.fromhex(case["decoded_with_extra_tail"])) == meta
    router, recipient = both_ends(case, "server_ntf_dh", "recipient_ntf_dh")
    nonce, sealed = bytes.fromhex(case["nonce"]), bytes.fromhex(case["enc_meta"])
    assert meta.seal(router, nonce) == sealed
    assert len(sealed) == case["padded_length"] + TAG_SIZE
    assert NotificationMeta.open(recipient, nonce, sealed) == meta


@pytest.mark.parametrize("case", cases("smp_commands.json", "client_msg_envelope"))
def test_client_envelope(case: Case) -> None:
    key = unhex(case["e2e_dh_public"])
    envelope = ClientEnvelope(
        case["client_version"],
        None if key is None else X25519PublicKey.from_der(key),
        bytes.fromhex(case["nonce"]),
        bytes.fromhex(case["enc_body"]),
    )
    assert envelope.encode() == bytes.fromhex(case["encoded"])
    assert ClientEnvelope.decode(envelope.encode()) == envelope


@pytest.mark.parametrize("case", cases("smp_commands.json", "client_message"))
def test_client_message(case: Case) -> None:
    key = unhex(case["sender_key"])
    message = ClientMessage(
        None if key is None else auth_public_key(key), bytes.fromhex(case["body"])
    )
    assert message.encode() == bytes.fromhex(case["encoded"])
    assert ClientMessage.decode(message.encode()) == message


@pytest.mark.parametrize("case", cases("smp_commands.json", "e2e_message"))
def test_sealed_client_message(case: Case) -> None:
    message = ClientMessage.decode(bytes.fromhex(case["client_message"]))
    sender, recipient = both_ends(case, "sender_dh", "recipient_dh")
    nonce = bytes.fromhex(case["nonce"])
    sealed = message.seal(sender, nonce, case["padded_length"])
    assert matches(sealed, case["ciphertext"])
    assert ClientMessage.open(recipient, nonce, sealed) == message


def pair(versions: VersionRange) -> list[int]:
    return [versions.lowest, versions.highest]


@pytest.mark.parametrize("case", [case for file in FILES for case in cases(file, "sizes")])
def test_sizes(case: Case) -> None:
    ours = {
        "e2e_confirmation_padded": sizes.E2E_CONFIRMATION_PADDED,
        "e2e_message_padded": sizes.E2E_MESSAGE_PADDED,
        "proxied_transmission_padded": sizes.PROXIED_TRANSMISSION_PADDED,
        "smp_block": SMP_BLOCK_SIZE,
        "pkey_range_offered_to_clients_is_limited_to": pair(PROXIED_VERSIONS),
        "proxy_to_relay_range": pair(SMP_VERSIONS),
        "supported_client_range": pair(SMP_VERSIONS),
        "supported_server_range": pair(SMP_VERSIONS),
    }
    theirs = {k: v for k, v in case.items() if k not in ("name", "kind", "file")}
    by_version = theirs.pop("max_message_length")
    assert {v: sizes.max_message_length(int(v)) for v in by_version} == by_version
    assert theirs == {name: ours[name] for name in theirs}


@given(strategies.delivered)
def test_delivered_is_what_its_bytes_say(value: ReceivedBody | QuotaNotice) -> None:
    assert decode_delivered(value.encode()) == value


@given(
    st.one_of(
        strategies.notification_metas,
        strategies.client_envelopes,
        strategies.client_messages,
        strategies.fwd_transmissions,
        strategies.fwd_responses,
    )
)
def test_parts_are_what_their_bytes_say(value: Any) -> None:
    assert type(value).decode(value.encode()) == value


DECODERS = [
    decode_delivered,
    NotificationMeta.decode,
    ClientEnvelope.decode,
    ClientMessage.decode,
    FwdTransmission.decode,
    FwdResponse.decode,
]


@pytest.mark.parametrize("decode", DECODERS)
@given(data=st.binary(max_size=120))
def test_any_bytes_are_a_part_or_a_decode_error(decode: Any, data: bytes) -> None:
    try:
        value = decode(data)
    except DecodeError:
        return
    assert decode(value.encode()) == value


def test_a_time_that_spells_quota() -> None:
    value = ReceivedBody(int.from_bytes(b"QUOTA 12", "big"), MessageFlags(), b"")
    assert decode_delivered(value.encode()) == value
    notice = QuotaNotice(int.from_bytes(b"34F body", "big"))
    assert decode_delivered(b"QUOTA 34F body") == notice


def test_the_longest_body_of_any_version_can_be_delivered() -> None:
    key = BoxKey(bytes(32))
    longest = max(map(sizes.max_message_length, range(6, 21)))
    flags = MessageFlags(notification=True)
    fits = seal_delivered(key, b"id", ReceivedBody(0, flags, bytes(longest)))
    short = seal_delivered(key, b"id", ReceivedBody(0, flags, b""))
    assert len(fits) == len(short) == sizes.RECEIVED_BODY_PADDED + TAG_SIZE
    with pytest.raises(TooLarge):
        seal_delivered(key, b"id", ReceivedBody(0, flags, bytes(longest + 16)))


def test_what_is_not_authentic_is_not_read() -> None:
    key, id_ = BoxKey(bytes(32)), b"message"
    sealed = seal_delivered(key, id_, QuotaNotice(1))
    with pytest.raises(DecryptionFailed):
        open_delivered(key, b"another", sealed)
    with pytest.raises(DecryptionFailed):
        open_delivered(BoxKey(bytes(31) + b"1"), id_, sealed)
    with pytest.raises(DecryptionFailed):
        ClientMessage.open(key, bytes(24), b"short")


def test_nonces_have_one_length() -> None:
    with pytest.raises(EncodeError):
        ClientEnvelope(4, None, bytes(23), b"").encode()
