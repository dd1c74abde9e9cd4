"""What the client asks of the daemon: `Request`, and a function for each kind.  Pure.

A request is its name on the wire, its fields, and how to read its answer.  Lengths are checked
here, before anything is sent, because the daemon hangs up on a value of another length than it
expects.  Requests that set something going until it is done are in `operations`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from simplex_trio.errors import (
    DecodeError,
    EncodeError,
    MalformedResponse,
    UnexpectedResponseError,
)
from simplex_trio.frozen import frozen
from simplex_trio.katzenpost.errors import CodedError, daemon_error
from simplex_trio.katzenpost.messages.capabilities import (
    HASH_SIZE,
    BoxIndex,
    Keypair,
    ReadCap,
    ReadEnvelope,
    WriteCap,
    WriteEnvelope,
    check_bytes,
    check_seed,
)
from simplex_trio.katzenpost.wire.cbor import encode
from simplex_trio.katzenpost.wire.fields import Fields
from simplex_trio.redaction import Redacted

__all__ = [
    "ID_SIZE",
    "Answer",
    "Authority",
    "Request",
    "SignedDocument",
    "box_index_counter",
    "check_destination",
    "check_token",
    "encrypt_read",
    "encrypt_write",
    "get_authorities",
    "get_document",
    "new_keypair",
    "next_box_index",
    "read_index",
    "send_message",
    "session_token",
    "thin_close",
]

ID_SIZE = 16
"""Bytes of query ids, reply block ids, and the tokens of clients and daemons."""

_MAX_QUEUE_ID = 32

ValueT = TypeVar("ValueT")


@frozen(repr=False)
class Answer(Redacted):
    """The answer of the daemon to a request, not yet decoded."""

    name: str
    fields: Fields


def _daemon_error(code: int, _answer: Fields) -> CodedError:
    return daemon_error(code)


@frozen(repr=False)
class Request(Redacted, Generic[ValueT]):
    """One request, and what its answer means."""

    name: str
    fields: Mapping[str, object]
    read_fields: Callable[[Fields], ValueT]
    error: Callable[[int, Fields], CodedError] = _daemon_error

    def encode(self, query_id: bytes) -> bytes:
        """The message on the wire, the same each time for the same query id."""
        return encode({self.name: {"query_id": query_id, **self.fields}})

    def read(self, answer: Answer) -> ValueT:
        """What was answered.

        Raises a `CodedError` if that is an error; `UnexpectedResponseError` if it answers another
        kind of request; `MalformedResponse` if it cannot be read.
        """
        if answer.name != f"{self.name}_reply":
            raise UnexpectedResponseError("the daemon's answer is to another kind of request")
        try:
            code = answer.fields.unsigned("error_code")
            failure = self.error(code, answer.fields) if code else None
            if failure is None:
                return self.read_fields(answer.fields)
        except (DecodeError, EncodeError) as exc:  # the latter from capabilities of a wrong length
            raise MalformedResponse("the daemon's answer cannot be read") from exc
        raise failure


def read_index(fields: Fields, name: str) -> BoxIndex:
    """The index of a box, out of an answer."""
    return BoxIndex(fields.binary(name, size=BoxIndex.SIZE))


# --- what has no query id -----------------------------------------------------------------------


def check_token(token: bytes) -> None:
    """Raise `EncodeError` for a client's token of the wrong length."""
    check_bytes("a client's token", token)
    if len(token) != ID_SIZE:
        raise EncodeError(f"a client's token has {ID_SIZE} bytes, not {len(token)}")


def session_token(token: bytes) -> bytes:
    """Identifies this client, so that the daemon can resume its operations."""
    check_token(token)
    return encode({"session_token": {"client_instance_token": token}})


def thin_close() -> bytes:
    """The client leaves for good: the daemon forgets all that it does for it."""
    return encode({"thin_close": {}})


def check_destination(node_hash: bytes, queue_id: bytes) -> None:
    """Raise `EncodeError` for what cannot be a destination.

    The daemon would fill up what is too short, and send it elsewhere.
    """
    check_bytes("the hash of a node", node_hash)
    check_bytes("the id of a queue", queue_id)
    if len(node_hash) != HASH_SIZE:
        raise EncodeError(f"the hash of a node has {HASH_SIZE} bytes, not {len(node_hash)}")
    if not 1 <= len(queue_id) <= _MAX_QUEUE_ID:
        raise EncodeError(f"the id of a queue has 1 to {_MAX_QUEUE_ID} bytes, not {len(queue_id)}")


def send_message(payload: bytes, node_hash: bytes, queue_id: bytes, surb_id: bytes | None) -> bytes:
    """A message to a service, with a reply block of that id unless it is `None`."""
    check_bytes("a payload", payload)
    check_destination(node_hash, queue_id)
    if surb_id is not None:
        check_bytes("the id of a reply block", surb_id)
    if surb_id is not None and len(surb_id) != ID_SIZE:
        raise EncodeError(f"the id of a reply block has {ID_SIZE} bytes, not {len(surb_id)}")
    message = {
        "id": None,
        "with_surb": surb_id is not None,
        "surbid": surb_id,
        "destination_id_hash": node_hash,
        "recipient_queue_id": queue_id,
        "payload": payload,
    }
    return encode({"send_message": message})


# --- about channels -----------------------------------------------------------------------------


def new_keypair(seed: bytes) -> Request[Keypair]:
    """The keys of the channel that is made from this seed."""
    check_seed(seed)

    def read(fields: Fields) -> Keypair:
        return Keypair(
            WriteCap(fields.binary("write_cap", size=WriteCap.SIZE)),
            ReadCap(fields.binary("read_cap", size=ReadCap.SIZE)),
            read_index(fields, "first_message_index"),
        )

    return Request("new_keypair", {"seed": seed}, read)


def encrypt_read(read_cap: ReadCap, index: BoxIndex) -> Request[ReadEnvelope]:
    """An envelope that asks for what is in a box."""

    def read(fields: Fields) -> ReadEnvelope:
        return ReadEnvelope(*_envelope(fields, index), read_cap)

    request = {"read_cap": read_cap.raw, "message_box_index": index.raw}
    return Request("encrypt_read", request, read)


def encrypt_write(plaintext: bytes, write_cap: WriteCap, index: BoxIndex) -> Request[WriteEnvelope]:
    """An envelope that puts something into a box; nothing deletes what is in it."""
    check_bytes("a plaintext", plaintext)

    def read(fields: Fields) -> WriteEnvelope:
        return WriteEnvelope(*_envelope(fields, index), write_cap)

    request = {
        "plaintext": plaintext,
        "write_cap": write_cap.raw,
        "message_box_index": index.raw,
    }
    return Request("encrypt_write", request, read)


def _envelope(fields: Fields, index: BoxIndex) -> tuple[bytes, bytes, bytes, BoxIndex, BoxIndex]:
    ciphertext = fields.binary("message_ciphertext")
    descriptor = fields.binary("envelope_descriptor")
    if not ciphertext or not descriptor:
        raise DecodeError("an envelope is empty")
    envelope_hash = fields.binary("envelope_hash", size=HASH_SIZE)
    next_index = read_index(fields, "next_message_box_index")
    return ciphertext, descriptor, envelope_hash, index, next_index


def next_box_index(index: BoxIndex) -> Request[BoxIndex]:
    """The index of the box after this one."""

    def read(fields: Fields) -> BoxIndex:
        return read_index(fields, "next_message_box_index")

    return Request("next_message_box_index", {"message_box_index": index.raw}, read)


def box_index_counter(index: BoxIndex) -> Request[int]:
    """How many boxes into its row a box is, counted from a random number."""

    def read(fields: Fields) -> int:
        return fields.unsigned("counter")

    return Request("get_message_box_index_counter", {"message_box_index": index.raw}, read)


# --- about the mixnet ---------------------------------------------------------------------------


@frozen(repr=False)
class SignedDocument(Redacted):
    """A consensus document as the authorities signed it; the signatures are not checked here."""

    epoch: int
    certificate: bytes


def get_document(epoch: int) -> Request[SignedDocument]:
    """The signed document of an epoch; 0 is the current one."""
    if not 0 <= epoch < 2**64:
        raise EncodeError("an epoch has 64 bits")

    def read(fields: Fields) -> SignedDocument:
        return SignedDocument(fields.unsigned("epoch"), fields.binary("payload"))

    return Request("get_pki_document", {"epoch": epoch}, read)


@frozen
class Authority:
    """A directory authority that the daemon is configured with; all of it is public."""

    identifier: str
    signature_scheme: str
    kem_scheme: str
    addresses: tuple[str, ...]
    identity_key_pem: str
    link_key_pem: str
    identity_key_hash: bytes
    """By which the signatures of documents name their authority."""


def get_authorities() -> Request[tuple[Authority, ...]]:
    """The directory authorities of the daemon's configuration."""

    def read(fields: Fields) -> tuple[Authority, ...]:
        return tuple(_authority(Fields(each)) for each in fields.items("authorities"))

    return Request("get_directory_authorities", {}, read)


def _authority(fields: Fields) -> Authority:
    addresses: list[Any] = fields.items("addresses")
    if not all(isinstance(address, str) for address in addresses):
        raise DecodeError("an address is not text")
    return Authority(
        identifier=fields.text("identifier"),
        signature_scheme=fields.text("pki_signature_scheme"),
        kem_scheme=fields.text("wire_kem_scheme"),
        addresses=tuple(addresses),
        identity_key_pem=fields.text("identity_public_key_pem"),
        link_key_pem=fields.text("link_public_key_pem"),
        identity_key_hash=fields.binary("identity_key_hash", size=HASH_SIZE),
    )
