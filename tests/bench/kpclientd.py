"""A daemon for the rows of thin clients, as a program: it prints its port, and answers.

It knows one local request and answers it from a template, so that what is measured is the client.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

from simplex_trio.katzenpost.messages.capabilities import BoxIndex, ReadCap, WriteCap
from simplex_trio.katzenpost.wire.cbor import decode, encode
from simplex_trio.katzenpost.wire.framing import framed

__all__ = ["main"]

_EVENTS = [
    "shutdown_event",
    "connection_status_event",
    "new_pki_document_event",
    "message_sent_event",
    "message_reply_event",
    "message_id_garbage_collected",
]
_REQUESTS = [
    "session_token",
    "new_keypair",
    "encrypt_read",
    "encrypt_write",
    "start_resending_encrypted_message",
    "cancel_resending_encrypted_message",
    "start_resending_copy_command",
    "cancel_resending_copy_command",
    "next_message_box_index",
    "get_message_box_index_counter",
    "get_pki_document",
    "get_directory_authorities",
    "create_courier_envelopes_from_payload",
    "create_courier_envelopes_from_multi_payload",
    "create_courier_envelopes_from_tombstone_range",
    "voucher_mint",
    "voucher_induct",
    "voucher_open",
    "voucher_derive_stream",
]
_SIZES = [
    "PacketLength",
    "NrHops",
    "HeaderLength",
    "RoutingInfoLength",
    "PerHopRoutingInfoLength",
    "SURBLength",
    "SphinxPlaintextHeaderLength",
    "PayloadTagLength",
    "ForwardPayloadLength",
    "UserForwardPayloadLength",
    "NextNodeHopLength",
    "SPRPKeyMaterialLength",
]

# Every response names all kinds, as those of the real daemon do.
_NOTHING = dict.fromkeys([*_EVENTS, *(f"{name}_reply" for name in _REQUESTS)])

_STATUS = {
    "is_connected": True,
    "err": None,
    "instance_token": bytes(16),
    "sphinx_geometry": {**dict.fromkeys(_SIZES, 2000), "NIKEName": "x25519", "KEMName": ""},
    "pigeonhole_geometry": {"MaxPlaintextPayloadLength": 1553, "NIKEName": "X25519"},
}


def _response(name: str, **fields: object) -> bytes:
    return framed(encode({**_NOTHING, name: fields}))


_MARK = b"the query's id is"[:16]
_BEFORE, _AFTER = _response(
    "next_message_box_index_reply",
    query_id=_MARK,
    next_message_box_index=bytes(BoxIndex.SIZE),
    error_code=0,
).split(_MARK)
_KEYS = {
    "write_cap": bytes(WriteCap.SIZE),
    "read_cap": bytes(ReadCap.SIZE),
    "first_message_index": bytes(BoxIndex.SIZE),
}


def _answer(message: bytes) -> bytes:
    request = decode(message)
    if "next_message_box_index" in request:
        return _BEFORE + bytes(request["next_message_box_index"]["query_id"]) + _AFTER
    if "new_keypair" in request:
        query_id = request["new_keypair"]["query_id"]
        return _response("new_keypair_reply", query_id=query_id, error_code=0, **_KEYS)
    if "session_token" in request:
        return _response("session_token_reply", app_id=bytes(16), resumed=False)
    return b""


def _serve(client: socket.socket) -> None:
    with client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(_response("connection_status_event", **_STATUS))
        client.sendall(_response("new_pki_document_event", payload=None))
        received = bytearray()
        while data := client.recv(256 * 1024):
            received += data
            answers = []
            position = 0
            while len(received) - position >= 4:
                end = position + 4 + int.from_bytes(received[position : position + 4], "big")
                if len(received) < end:
                    break
                answers.append(_answer(bytes(received[position + 4 : end])))
                position = end
            del received[:position]
            client.sendall(b"".join(answers))


def main() -> None:
    """Serve until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
