"""What the daemon goes on doing until it is done: operations on boxes, and copy commands.  Pure.

The daemon resends these until they are answered, which may take for ever.  So they differ from
other requests: they have a key by which they can be cancelled, and they are sent again, byte by
byte the same, whenever the connection to the daemon was lost.
"""

from __future__ import annotations

from enum import Enum
from typing import Generic, TypeVar

from simplex_trio.errors import EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.errors import CodedError, box_error, copy_error
from simplex_trio.katzenpost.messages.capabilities import (
    HASH_SIZE,
    ReadEnvelope,
    WriteCap,
    WriteEnvelope,
    check_bytes,
)
from simplex_trio.katzenpost.messages.documents import Destination
from simplex_trio.katzenpost.messages.requests import Request, check_destination
from simplex_trio.katzenpost.wire.fields import Fields
from simplex_trio.redaction import Redacted

__all__ = [
    "Operation",
    "OperationKey",
    "OperationKind",
    "Resent",
    "box_operation",
    "copy_operation",
]

ValueT = TypeVar("ValueT")


class OperationKind(Enum):
    """What is being resent."""

    BOX = "box"
    COPY = "copy"


@frozen(repr=False)
class OperationKey(Redacted):
    """By which the daemon knows an operation: the hash of its envelope, or of its capability."""

    kind: OperationKind
    hash: bytes

    def __attrs_post_init__(self) -> None:
        check_bytes("an operation's hash", self.hash)
        if len(self.hash) != HASH_SIZE:
            raise EncodeError(f"an operation's hash has {HASH_SIZE} bytes, not {len(self.hash)}")

    def cancel(self) -> Request[None]:
        """The request that ends the operation."""
        if self.kind is OperationKind.BOX:
            fields = {"envelope_hash": self.hash}
            return Request("cancel_resending_encrypted_message", fields, _nothing)
        return Request("cancel_resending_copy_command", {"write_cap_hash": self.hash}, _nothing)


@frozen(repr=False)
class Operation(Redacted, Generic[ValueT]):
    """A request that is resent until it is answered."""

    key: OperationKey
    request: Request[ValueT]


@frozen(repr=False)
class Resent(Redacted):
    """How an operation on a box ended well."""

    plaintext: bytes
    """What was read; empty for a write."""
    courier: Destination | None
    """Through whom, if the daemon says so."""


def _nothing(_answer: Fields) -> None:
    return None


def _box_error(code: int, _answer: Fields) -> CodedError:
    return box_error(code)


def _copy_error(code: int, answer: Fields) -> CodedError:
    replica_code = answer.unsigned("replica_error_code")
    return copy_error(code, replica_code, answer.unsigned("failed_envelope_index"))


def _read_resent(fields: Fields) -> Resent:
    node_hash = fields.optional_binary("courier_identity_hash", size=HASH_SIZE)
    queue_id = fields.binary("courier_queue_id")
    courier = None if node_hash is None or not queue_id else Destination(node_hash, queue_id)
    return Resent(fields.binary("plaintext"), courier)


def box_operation(
    envelope: ReadEnvelope | WriteEnvelope,
    *,
    no_retry_on_box_id_not_found: bool,
    no_idempotent_box_already_exists: bool,
) -> Operation[Resent]:
    """Have an envelope carried to the storage replicas until they answer it."""
    fields = {
        "read_cap": envelope.read_cap.raw if isinstance(envelope, ReadEnvelope) else None,
        "write_cap": envelope.write_cap.raw if isinstance(envelope, WriteEnvelope) else None,
        # Without it the daemon could not open what it gets for a read.
        "message_box_index": envelope.index.raw,
        "envelope_descriptor": envelope.descriptor,
        "message_ciphertext": envelope.ciphertext,
        "envelope_hash": envelope.hash,
        "no_retry_on_box_id_not_found": no_retry_on_box_id_not_found,
        "no_idempotent_box_already_exists": no_idempotent_box_already_exists,
    }
    request = Request("start_resending_encrypted_message", fields, _read_resent, _box_error)
    return Operation(OperationKey(OperationKind.BOX, envelope.hash), request)


def copy_operation(write_cap: WriteCap, courier: Destination | None) -> Operation[None]:
    """Have a courier carry out the copy command in the stream of this capability."""
    fields: dict[str, object] = {"write_cap": write_cap.raw}
    if courier is not None:
        check_destination(courier.node_hash, courier.queue_id)
        fields["courier_identity_hash"] = courier.node_hash
        fields["courier_queue_id"] = courier.queue_id
    request = Request("start_resending_copy_command", fields, _nothing, _copy_error)
    return Operation(OperationKey(OperationKind.COPY, write_cap.hash), request)
