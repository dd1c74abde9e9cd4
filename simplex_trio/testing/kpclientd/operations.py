"""What the daemon does through the mixnet: messages to services, and operations that it resends."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

import trio

from simplex_trio.errors import DecodeError
from simplex_trio.katzenpost.codes import DaemonCode, ReplicaCode
from simplex_trio.katzenpost.messages.capabilities import hash256
from simplex_trio.testing.kpclientd import boxes as simulated
from simplex_trio.testing.kpclientd.apps import App, Operation
from simplex_trio.testing.kpclientd.boxes import Envelope
from simplex_trio.testing.kpclientd.consensus import MAX_MESSAGE, Endpoint, endpoints
from simplex_trio.testing.kpclientd.mixnet import SimulatedMixnet

__all__ = ["CANCELS", "MixnetRequests"]

_BOX_REPLY = "start_resending_encrypted_message_reply"
_COPY_REPLY = "start_resending_copy_command_reply"

CANCELS = {
    "cancel_resending_encrypted_message": ("envelope_hash", _BOX_REPLY),
    "cancel_resending_copy_command": ("write_cap_hash", _COPY_REPLY),
}
"""For each cancelling request: the field with the hash, and the answer to the cancelled
operation."""

Fields = Mapping[str, Any]


class MixnetRequests:
    """The in-flight operations of all clients of one daemon.

    As in the real daemon a hash alone identifies them.  Of several with the same hash a
    cancellation finds the one that was sent last; the next finds the one before, which by then has
    been sent again.
    """

    def __init__(self, mixnet: SimulatedMixnet) -> None:
        self._mixnet = mixnet
        self._operations: list[Operation] = []

    def __len__(self) -> int:
        return len(self._operations)

    def start(self, nursery: trio.Nursery, app: App, name: str, request: Fields) -> None:
        """Start what the request asks for; it is answered later."""
        if name == "send_message":
            self._send_message(nursery, app, request)
        elif name == "start_resending_copy_command":
            self._start_copy(nursery, app, request)
        else:
            self._start_box(nursery, app, request)

    def cancel(self, app: App, name: str, request: Fields) -> None:
        """Report the end of an operation, then confirm the cancellation."""
        by, _ = CANCELS[name]
        code = 0
        if request["query_id"] is None or request[by] is None:
            code = DaemonCode.INVALID_REQUEST
        else:
            operation = self._latest(request[by])
            if operation is not None:
                operation.scope.cancel()
                self._end(operation)
                # To the cancelling client; with one client for each hash that is the same.
                self._answer(app, operation, DaemonCode.CANCELLED)
        app.put(f"{name}_reply", {"query_id": request["query_id"], "error_code": int(code)})

    def forget(self, app: App) -> None:
        """End all operations of a client, without answers."""
        for operation in list(app.operations):
            operation.scope.cancel()
            self._end(operation)

    def forget_all(self) -> None:
        """End all operations."""
        for app in {operation.app for operation in self._operations}:
            self.forget(app)

    # --- services -------------------------------------------------------------------------------

    def _send_message(self, nursery: trio.Nursery, app: App, request: Fields) -> None:
        payload = request["payload"] or b""
        queue_id = request["recipient_queue_id"] or b""
        endpoint = self._mixnet.endpoint(request["destination_id_hash"] or b"", queue_id)
        failure = ""
        if endpoint is None:
            failure = "no such destination"
        elif len(payload) > MAX_MESSAGE:
            failure = "payload too large"
        if request["with_surb"]:
            sent = {
                "message_id": request["id"],
                "surbid": request["surbid"],
                "sent_at": int(time.time()),
                "reply_eta": int(self._mixnet.pace.round_trip * 1e9),
            }
            app.put("message_sent_event", sent | ({"err": failure} if failure else {}))
        if endpoint is not None and not failure:
            nursery.start_soon(self._deliver, app, request, endpoint, payload)

    async def _deliver(self, app: App, request: Fields, endpoint: Endpoint, payload: bytes) -> None:
        await self._mixnet.round_trip()
        reply = self._mixnet.deliver(endpoint, payload)
        if reply is not None and request["with_surb"]:
            fields = {
                "message_id": request["id"],
                "surbid": request["surbid"],
                "payload": reply,
                "error_code": 0,
            }
            app.put_or_keep("message_reply_event", fields)

    # --- boxes ----------------------------------------------------------------------------------

    def _start_box(self, nursery: trio.Nursery, app: App, request: Fields) -> None:
        operation = Operation(app, request["query_id"], _BOX_REPLY)
        has_read_cap = request["read_cap"] is not None
        if (
            request["query_id"] is None
            or request["envelope_hash"] is None
            or not request["message_ciphertext"]
            or not request["envelope_descriptor"]
            or has_read_cap == (request["write_cap"] is not None)
        ):
            self._answer(app, operation, DaemonCode.INVALID_REQUEST)
        elif self._mixnet.current_document is None:
            self._answer(app, operation, DaemonCode.INTERNAL_ERROR)
        else:
            operation.courier = _some_courier()
            self._begin(operation, request["envelope_hash"])
            nursery.start_soon(self._do_box, operation, request)

    async def _do_box(self, operation: Operation, request: Fields) -> None:
        with operation.scope:
            code, plaintext = await self._box_outcome(request)
            self._finish(operation, code, plaintext=plaintext)

    async def _box_outcome(self, request: Fields) -> tuple[int, bytes | None]:
        await self._mixnet.round_trip()
        ciphertext = request["message_ciphertext"]
        try:
            envelope = Envelope.from_bytes(ciphertext[1:])
        except DecodeError:
            return DaemonCode.COURIER_INVALID_ENVELOPE, None
        if envelope.is_read != (request["read_cap"] is not None):
            return DaemonCode.COURIER_INVALID_ENVELOPE, None
        if envelope.epoch < self._mixnet.replica_epoch - 1:
            return DaemonCode.COURIER_INVALID_EPOCH, None
        if envelope.is_read:
            return await self._read(envelope, request)
        return await self._write(envelope, request), None

    async def _write(self, envelope: Envelope, request: Fields) -> int:
        planned = self._mixnet.take_failure("write")
        if planned is not None:
            return planned
        code = self._mixnet.write(envelope.box_id, envelope.content or b"")
        if not request["no_idempotent_box_already_exists"]:
            return 0  # the courier's acknowledgement is enough
        await self._mixnet.round_trip()
        return code or 0

    async def _read(self, envelope: Envelope, request: Fields) -> tuple[int, bytes | None]:
        while True:
            await self._mixnet.round_trip()
            planned = self._mixnet.take_failure("read")
            if planned is not None:
                return planned, None
            content = self._mixnet.boxes.read(envelope.box_id)
            if content is not None:
                break
            if request["no_retry_on_box_id_not_found"]:
                return ReplicaCode.BOX_NOT_FOUND, None
            await self._mixnet.wait_written()
        if request["envelope_descriptor"] != envelope.descriptor:
            return DaemonCode.MKEM_DECRYPTION_FAILED, None
        if not content:
            return ReplicaCode.TOMBSTONE, None
        if not request["message_box_index"]:
            return DaemonCode.INTERNAL_ERROR, None  # as the real daemon does
        public = request["read_cap"][:32]
        plaintext = simulated.open_box(public, request["message_box_index"], content)
        return (
            (0, plaintext) if plaintext is not None else (DaemonCode.BACAP_DECRYPTION_FAILED, None)
        )

    # --- copy commands --------------------------------------------------------------------------

    def _start_copy(self, nursery: trio.Nursery, app: App, request: Fields) -> None:
        operation = Operation(app, request["query_id"], _COPY_REPLY)
        write_cap = request["write_cap"]
        pinned = request["courier_identity_hash"] and request["courier_queue_id"]
        if request["query_id"] is None or write_cap is None:
            self._answer(app, operation, DaemonCode.INVALID_REQUEST)
        elif not pinned and self._mixnet.current_document is None:
            self._answer(app, operation, DaemonCode.INTERNAL_ERROR)
        else:
            self._begin(operation, hash256(write_cap))
            nursery.start_soon(self._do_copy, operation, write_cap)

    async def _do_copy(self, operation: Operation, write_cap: bytes) -> None:
        with operation.scope:
            await self._mixnet.round_trip()
            verdict = self._mixnet.copy(write_cap)
            await trio.sleep(self._mixnet.pace.copy_poll)
            details = {}
            if verdict.replica_code is not None:
                details["replica_error_code"] = int(verdict.replica_code)
            if verdict.failed_envelope:
                details["failed_envelope_index"] = verdict.failed_envelope
            code = 0 if verdict.replica_code is None else DaemonCode.COPY_FAILED
            self._finish(operation, code, **details)

    # --- operations -----------------------------------------------------------------------------

    def _begin(self, operation: Operation, key: bytes) -> None:
        operation.key = key
        operation.app.operations.add(operation)
        self._operations.append(operation)

    def _latest(self, key: bytes) -> Operation | None:
        return next((each for each in reversed(self._operations) if each.key == key), None)

    def _end(self, operation: Operation) -> None:
        operation.app.operations.discard(operation)
        self._operations.remove(operation)

    def _finish(self, operation: Operation, code: int, **details: object) -> None:
        self._end(operation)
        self._answer(operation.app, operation, code, **details)

    def _answer(self, app: App, operation: Operation, code: int, **details: object) -> None:
        fields: dict[str, object] = {"query_id": operation.query_id, "error_code": int(code)}
        if operation.reply == _BOX_REPLY:
            courier = operation.courier
            fields["plaintext"] = None
            fields["courier_identity_hash"] = None if courier is None else courier.node_hash
            fields["courier_queue_id"] = None if courier is None else courier.queue_id
        app.put(operation.reply, fields | details)


def _some_courier() -> Endpoint:
    return secrets.choice([each for each in endpoints() if each.service == "courier"])
