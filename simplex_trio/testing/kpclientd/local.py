"""The requests that the daemon answers without the mixnet, a function for each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from simplex_trio.katzenpost.codes import DaemonCode
from simplex_trio.katzenpost.messages.capabilities import hash256
from simplex_trio.testing.kpclientd import boxes as simulated
from simplex_trio.testing.kpclientd.boxes import MAX_PLAINTEXT, Envelope
from simplex_trio.testing.kpclientd.consensus import AUTHORITIES
from simplex_trio.testing.kpclientd.copy_streams import MAX_ENVELOPES, encode_elements
from simplex_trio.testing.kpclientd.mixnet import SimulatedMixnet

__all__ = ["LOCAL_REQUESTS", "answer_locally"]

_MAX_PAYLOAD = 10 * 1024 * 1024
_CHUNK = MAX_PLAINTEXT - 4

Fields = Mapping[str, Any]


class _Refused(Exception):
    def __init__(self, code: DaemonCode, **fields: object) -> None:
        self.code = code
        self.fields = fields


def _needed(request: Fields, name: str) -> bytes:
    value = request[name]
    if value is None:
        raise _Refused(DaemonCode.INVALID_REQUEST)
    assert isinstance(value, bytes)
    return value


def _needs_document(mixnet: SimulatedMixnet) -> None:
    if mixnet.current_document is None:
        raise _Refused(DaemonCode.INTERNAL_ERROR)


# --- channels -----------------------------------------------------------------------------------


def _new_keypair(_mixnet: SimulatedMixnet, request: Fields) -> dict[str, object]:
    seed = _needed(request, "seed")
    if len(seed) < 32:
        raise _Refused(DaemonCode.INVALID_REQUEST)
    write_cap = simulated.new_capability(seed)
    return {
        "write_cap": write_cap,
        "read_cap": simulated.read_capability(write_cap),
        "first_message_index": simulated.start_index(write_cap),
    }


def _envelope(mixnet: SimulatedMixnet, box: bytes, content: bytes | None) -> Envelope:
    return Envelope(secrets.token_bytes(32), mixnet.replica_epoch, box, content)


def _sealed(envelope: Envelope, index: bytes) -> dict[str, object]:
    encoded = envelope.to_bytes()
    return {
        "message_ciphertext": b"\0" + encoded,
        "envelope_descriptor": envelope.descriptor,
        "envelope_hash": hash256(encoded),
        "next_message_box_index": simulated.next_index(index),
    }


def _encrypt_read(mixnet: SimulatedMixnet, request: Fields) -> dict[str, object]:
    public = _needed(request, "read_cap")[:32]
    index = _needed(request, "message_box_index")
    _needs_document(mixnet)
    return _sealed(_envelope(mixnet, simulated.box_id(public, index), None), index)


def _encrypt_write(mixnet: SimulatedMixnet, request: Fields) -> dict[str, object]:
    public = simulated.public_key(_needed(request, "write_cap"))
    index = _needed(request, "message_box_index")
    plaintext = _needed(request, "plaintext")
    _needs_document(mixnet)
    if len(plaintext) > MAX_PLAINTEXT:
        raise _Refused(DaemonCode.INVALID_REQUEST)
    content = simulated.seal_box(public, index, plaintext)
    return _sealed(_envelope(mixnet, simulated.box_id(public, index), content), index)


def _next_message_box_index(_mixnet: SimulatedMixnet, request: Fields) -> dict[str, object]:
    index = _needed(request, "message_box_index")
    return {"next_message_box_index": simulated.next_index(index)}


def _get_message_box_index_counter(_mixnet: SimulatedMixnet, request: Fields) -> dict[str, object]:
    return {"counter": simulated.counter(_needed(request, "message_box_index"))}


# --- the mixnet ---------------------------------------------------------------------------------


def _get_pki_document(mixnet: SimulatedMixnet, request: Fields) -> dict[str, object]:
    epoch = request["epoch"] or mixnet.epoch or 0
    certificate = mixnet.signed_document(epoch)
    if certificate is None:
        raise _Refused(DaemonCode.SERVICE_UNAVAILABLE, epoch=epoch)
    return {"payload": certificate, "epoch": epoch}


def _get_directory_authorities(mixnet: SimulatedMixnet, _request: Fields) -> dict[str, object]:
    if not mixnet.has_authorities:
        raise _Refused(DaemonCode.SERVICE_UNAVAILABLE)
    return {"authorities": AUTHORITIES}


# --- copy streams -------------------------------------------------------------------------------


class _Writer:
    """Makes envelopes for consecutive boxes."""

    def __init__(self, mixnet: SimulatedMixnet, write_cap: bytes, index: bytes) -> None:
        self._mixnet = mixnet
        self._public = simulated.public_key(write_cap)
        self.index = index

    def payload(self, payload: bytes) -> Iterator[Envelope]:
        if len(payload) > _MAX_PAYLOAD:
            raise _Refused(DaemonCode.INVALID_REQUEST)
        for start in range(0, len(payload), _CHUNK):
            chunk = payload[start : start + _CHUNK]
            yield self._next(simulated.seal_box(self._public, self.index, chunk))

    def tombstones(self, count: int) -> Iterator[Envelope]:
        if count > MAX_ENVELOPES:
            raise _Refused(DaemonCode.INTERNAL_ERROR)
        for _ in range(count):
            yield self._next(b"")

    def _next(self, content: bytes) -> Envelope:
        envelope = _envelope(self._mixnet, simulated.box_id(self._public, self.index), content)
        self.index = simulated.next_index(self.index)
        return envelope


def _from_payload(mixnet: SimulatedMixnet, request: Fields) -> dict[str, object]:
    writer = _Writer(
        mixnet, _needed(request, "dest_write_cap"), _needed(request, "dest_start_index")
    )
    _needs_document(mixnet)
    elements, _ = encode_elements(
        writer.payload(request["payload"] or b""),
        b"",
        is_start=request["is_start"],
        is_last=request["is_last"],
        flush=True,
    )
    return {"envelopes": elements or None, "next_dest_index": writer.index}


def _from_multi_payload(mixnet: SimulatedMixnet, request: Fields) -> dict[str, object]:
    destinations = request["destinations"]
    if not destinations:
        raise _Refused(DaemonCode.INVALID_REQUEST)
    _needs_document(mixnet)
    writers = [
        _Writer(mixnet, _needed(each, "write_cap"), _needed(each, "start_index"))
        for each in destinations
    ]
    envelopes = [
        envelope
        for writer, each in zip(writers, destinations, strict=True)
        for envelope in writer.payload(each["payload"] or b"")
    ]
    elements, buffer = encode_elements(
        envelopes,
        request["buffer"] or b"",
        is_start=request["is_start"],
        is_last=request["is_last"],
        flush=False,
    )
    return {
        "envelopes": elements or None,
        "buffer": None if request["is_last"] else buffer,
        "next_dest_indices": [writer.index for writer in writers],
    }


def _from_tombstone_range(mixnet: SimulatedMixnet, request: Fields) -> dict[str, object]:
    write_cap = _needed(request, "dest_write_cap")
    index = _needed(request, "dest_start_index")
    if not request["max_count"]:
        return {"envelopes": None, "buffer": None, "next_dest_index": index}
    _needs_document(mixnet)
    writer = _Writer(mixnet, write_cap, index)
    elements, buffer = encode_elements(
        writer.tombstones(request["max_count"]),
        request["buffer"] or b"",
        is_start=request["is_start"],
        is_last=request["is_last"],
        flush=False,
    )
    return {
        "envelopes": elements or None,
        "buffer": None if request["is_last"] else buffer,
        "next_dest_index": writer.index,
    }


_Answer = Callable[[SimulatedMixnet, Fields], dict[str, object]]

LOCAL_REQUESTS: Mapping[str, tuple[_Answer, tuple[str, ...]]] = {
    "new_keypair": (_new_keypair, ("write_cap", "read_cap", "first_message_index")),
    "encrypt_read": (
        _encrypt_read,
        ("message_ciphertext", "envelope_descriptor", "envelope_hash", "next_message_box_index"),
    ),
    "encrypt_write": (
        _encrypt_write,
        ("message_ciphertext", "envelope_descriptor", "envelope_hash", "next_message_box_index"),
    ),
    "next_message_box_index": (_next_message_box_index, ("next_message_box_index",)),
    "get_message_box_index_counter": (_get_message_box_index_counter, ()),
    "get_pki_document": (_get_pki_document, ("payload",)),
    "get_directory_authorities": (_get_directory_authorities, ("authorities",)),
    "create_courier_envelopes_from_payload": (_from_payload, ("envelopes", "next_dest_index")),
    "create_courier_envelopes_from_multi_payload": (
        _from_multi_payload,
        ("envelopes", "buffer", "next_dest_indices"),
    ),
    "create_courier_envelopes_from_tombstone_range": (
        _from_tombstone_range,
        ("envelopes", "buffer", "next_dest_index"),
    ),
}
"""The function for each request, and the fields that are null in an error."""

_ZEROS: Mapping[str, Mapping[str, object]] = {
    "get_message_box_index_counter": {"counter": 0},
    "get_pki_document": {"epoch": 0},
}


def answer_locally(mixnet: SimulatedMixnet, name: str, request: Fields) -> dict[str, object]:
    """Return the fields of the answer to a local request."""
    answer, nulls = LOCAL_REQUESTS[name]
    known: dict[str, object] = {"query_id": request["query_id"], "error_code": 0}
    try:
        return known | answer(mixnet, request)
    except _Refused as exc:
        nothing = dict.fromkeys(nulls) | dict(_ZEROS.get(name, {}))
        return known | nothing | exc.fields | {"error_code": int(exc.code)}
