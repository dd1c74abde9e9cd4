"""Decoding of requests and encoding of responses, exactly as the real daemon does.  Pure.

For missing or null fields the daemon assumes zero, it pads or truncates ids of the wrong length,
and it ends the connection for values of the wrong type and capabilities or indices of the wrong
length. Its messages have a field for every kind of response, and all but one are null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simplex_trio.errors import DecodeError
from simplex_trio.katzenpost.wire.cbor import decode, encode

__all__ = ["REQUESTS", "encode_response", "read_request"]

Read = Callable[[Any], Any]


def _fixed(size: int) -> Read:
    def read(value: Any) -> bytes | None:
        if value is None:
            return None
        return _bytes(value)[:size].ljust(size, b"\0")

    return read


def _exactly(size: int) -> Read:
    def read(value: Any) -> bytes | None:
        if value is not None and len(_bytes(value)) != size:
            raise DecodeError("a capability or index has the wrong length")
        return _maybe_bytes(value)

    return read


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise DecodeError("not bytes")
    return value


def _maybe_bytes(value: Any) -> bytes | None:
    return None if value is None else _bytes(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool | None):
        raise DecodeError("not a boolean")
    return bool(value)


def _unsigned(bits: int) -> Read:
    def read(value: Any) -> int:
        number = 0 if value is None else value
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**bits:
            raise DecodeError("not a number of this size")
        return number

    return read


def _table(fields: Mapping[str, Read]) -> Read:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise DecodeError("not a map")
        return {name: read_field(value.get(name)) for name, read_field in fields.items()}

    return read


def _list_of(read_item: Read) -> Read:
    def read(value: Any) -> list[Any]:
        if not isinstance(value, list | None):
            raise DecodeError("not a list")
        return [read_item(item) for item in value or ()]

    return read


_ID, _HASH = _fixed(16), _fixed(32)
_READ_CAP, _WRITE_CAP, _INDEX = _exactly(136), _exactly(168), _exactly(104)
_ENDS = {"is_start": _flag, "is_last": _flag}

REQUESTS: Mapping[str, Read] = {
    "session_token": _table({"client_instance_token": lambda value: _ID(value) or bytes(16)}),
    "thin_close": _table({}),
    "send_message": _table(
        {
            "id": _ID,
            "with_surb": _flag,
            "surbid": _ID,
            "destination_id_hash": _HASH,
            "recipient_queue_id": _maybe_bytes,
            "payload": _maybe_bytes,
        }
    ),
    "new_keypair": _table({"query_id": _ID, "seed": _maybe_bytes}),
    "encrypt_read": _table({"query_id": _ID, "read_cap": _READ_CAP, "message_box_index": _INDEX}),
    "encrypt_write": _table(
        {
            "query_id": _ID,
            "plaintext": _maybe_bytes,
            "write_cap": _WRITE_CAP,
            "message_box_index": _INDEX,
        }
    ),
    "start_resending_encrypted_message": _table(
        {
            "query_id": _ID,
            "read_cap": _READ_CAP,
            "write_cap": _WRITE_CAP,
            "message_box_index": _maybe_bytes,
            "reply_index": _unsigned(8),
            "envelope_descriptor": _maybe_bytes,
            "message_ciphertext": _maybe_bytes,
            "envelope_hash": _HASH,
            "no_retry_on_box_id_not_found": _flag,
            "no_idempotent_box_already_exists": _flag,
        }
    ),
    "cancel_resending_encrypted_message": _table({"query_id": _ID, "envelope_hash": _HASH}),
    "start_resending_copy_command": _table(
        {
            "query_id": _ID,
            "write_cap": _WRITE_CAP,
            "courier_identity_hash": _HASH,
            "courier_queue_id": _maybe_bytes,
        }
    ),
    "cancel_resending_copy_command": _table({"query_id": _ID, "write_cap_hash": _HASH}),
    "next_message_box_index": _table({"query_id": _ID, "message_box_index": _INDEX}),
    "get_message_box_index_counter": _table({"query_id": _ID, "message_box_index": _INDEX}),
    "get_pki_document": _table({"query_id": _ID, "epoch": _unsigned(64)}),
    "get_directory_authorities": _table({"query_id": _ID}),
    "create_courier_envelopes_from_payload": _table(
        {
            "query_id": _ID,
            "payload": _maybe_bytes,
            "dest_write_cap": _WRITE_CAP,
            "dest_start_index": _INDEX,
            **_ENDS,
        }
    ),
    "create_courier_envelopes_from_multi_payload": _table(
        {
            "query_id": _ID,
            "destinations": _list_of(
                _table({"payload": _maybe_bytes, "write_cap": _WRITE_CAP, "start_index": _INDEX})
            ),
            "buffer": _maybe_bytes,
            **_ENDS,
        }
    ),
    "create_courier_envelopes_from_tombstone_range": _table(
        {
            "query_id": _ID,
            "dest_write_cap": _WRITE_CAP,
            "dest_start_index": _INDEX,
            "max_count": _unsigned(32),
            "buffer": _maybe_bytes,
            **_ENDS,
        }
    ),
}
"""The fields of each request."""

_EVENTS = (
    "shutdown_event",
    "connection_status_event",
    "new_pki_document_event",
    "message_sent_event",
    "message_reply_event",
    "message_id_garbage_collected",
)
_UNANSWERED = ("thin_close", "send_message")
_VOUCHERS = ("voucher_mint", "voucher_induct", "voucher_open", "voucher_derive_stream")

_NOTHING: Mapping[str, None] = dict.fromkeys(
    [
        *_EVENTS,
        *(f"{name}_reply" for name in (*REQUESTS, *_VOUCHERS) if name not in _UNANSWERED),
    ]
)


def read_request(message: bytes) -> tuple[str, dict[str, Any]] | None:
    """Decode a request's name and fields; return `None` for an unknown one.

    Raises `DecodeError` where the daemon ends the connection.
    """
    request = decode(message)
    if not isinstance(request, dict):
        raise DecodeError("not a map")
    found: tuple[str, dict[str, Any]] | None = None
    for name, read in REQUESTS.items():
        value = request.get(name)
        if value is not None:
            fields = read(value)
            found = found or (name, fields)
    return found


def encode_response(name: str, fields: Mapping[str, object]) -> bytes:
    """Encode a response; ``name`` must be one of the protocol's."""
    assert name in _NOTHING
    return encode({**_NOTHING, name: fields})
