"""Capabilities, fields, errors and requests: the pure parts, one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import (
    CryptoError,
    DecodeError,
    EncodeError,
    MalformedResponse,
    SimplexError,
    TooLarge,
    UnexpectedResponseError,
)
from simplex_trio.katzenpost import (
    AmbiguousError,
    BoxAlreadyExists,
    BoxIndex,
    BoxNotFound,
    BoxTombstoned,
    CodedError,
    CopyFailed,
    CourierError,
    DaemonCode,
    DaemonError,
    Destination,
    EnvelopeUnreadable,
    OperationCancelled,
    PayloadTooLarge,
    ReadCap,
    ReadEnvelope,
    ReplicaCode,
    ReplicaError,
    StaleEnvelope,
    WriteCap,
    WriteEnvelope,
)
from simplex_trio.katzenpost.errors import box_error, copy_error, daemon_error
from simplex_trio.katzenpost.messages import copy_requests, requests
from simplex_trio.katzenpost.messages.copy_requests import CopyPayload
from simplex_trio.katzenpost.messages.operations import OperationKey, OperationKind, copy_operation
from simplex_trio.katzenpost.messages.requests import Answer
from simplex_trio.katzenpost.wire.fields import Fields

# --- capabilities -------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "size"), [(WriteCap, 168), (ReadCap, 136), (BoxIndex, 104)])
def test_opaque_values_have_one_length(kind: Any, size: int) -> None:
    value = kind(bytes(size))
    assert value == kind(bytes(size))
    assert hash(value) == hash(kind(bytes(size)))
    assert value != kind(b"\1" * size)
    assert value != bytes(size)
    for wrong in (size - 1, size + 1, 0):
        with pytest.raises(EncodeError):
            kind(bytes(wrong))
    for no_bytes in ("x" * size, bytearray(b"x" * size), None):
        with pytest.raises(TypeError) as caught:
            kind(no_bytes)
        assert "xx" not in str(caught.value)  # it may be the secret all the same


INDEX, WRITE_CAP, READ_CAP = BoxIndex(bytes(104)), WriteCap(bytes(168)), ReadCap(bytes(136))
TEXT: Any = "x" * 32


@pytest.mark.parametrize(
    "make",
    [
        lambda: requests.new_keypair(TEXT),
        lambda: requests.session_token(TEXT),
        lambda: requests.encrypt_write(TEXT, WRITE_CAP, INDEX),
        lambda: requests.send_message(TEXT, bytes(32), b"q", None),
        lambda: requests.send_message(b"", TEXT, b"q", None),
        lambda: requests.send_message(b"", bytes(32), TEXT, None),
        lambda: requests.send_message(b"", bytes(32), b"q", TEXT),
        lambda: ReadEnvelope(TEXT, b"d", bytes(32), INDEX, INDEX, READ_CAP),
        lambda: WriteEnvelope(b"c", TEXT, bytes(32), INDEX, INDEX, WRITE_CAP),
        lambda: OperationKey(OperationKind.BOX, TEXT),
        lambda: copy_requests.elements_of_payload(
            CopyPayload(TEXT, WRITE_CAP, INDEX), is_start=True, is_last=True
        ),
        lambda: copy_requests.elements_of_tombstones(
            WRITE_CAP, INDEX, 1, is_start=True, is_last=True, buffer=TEXT
        ),
    ],
)
def test_text_is_not_taken_for_bytes(make: Callable[[], object]) -> None:
    """The daemon would hang up on it."""
    with pytest.raises(TypeError) as caught:
        make()
    assert "xx" not in str(caught.value)


@pytest.mark.parametrize(("node_hash", "queue_id"), [(31, 1), (33, 1), (32, 0), (32, 33)])
def test_couriers_that_cannot_be_one(node_hash: int, queue_id: int) -> None:
    with pytest.raises(EncodeError):
        copy_operation(WRITE_CAP, Destination(bytes(node_hash), bytes(queue_id)))


def test_opaque_values_of_two_kinds_differ() -> None:
    assert WriteCap(bytes(168)) != ReadCap(bytes(136))


def test_the_hash_of_a_capability() -> None:
    assert WriteCap(bytes(168)).hash == blake2b(bytes(168), digest_size=32).digest()


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_seeds_have_one_length(size: int) -> None:
    with pytest.raises(EncodeError):
        requests.new_keypair(bytes(size))


def test_operations_have_hashes_of_one_length() -> None:
    with pytest.raises(EncodeError):
        OperationKey(OperationKind.BOX, bytes(31))


# --- fields -------------------------------------------------------------------------------------


def test_missing_and_null_fields_are_empty() -> None:
    for fields in (Fields({}), Fields({"x": None})):
        assert fields.binary("x") == b""
        assert fields.optional_binary("x") is None
        assert fields.text("x") == ""
        assert fields.flag("x") is False
        assert fields.integer("x") == fields.unsigned("x") == 0
        assert fields.items("x") == []
        assert fields.binaries("x") == ()
        assert fields.mapping("x") == {}


@given(
    st.sampled_from(["binary", "text", "flag", "unsigned", "items", "binaries", "mapping"]),
    st.one_of(st.binary(), st.text(), st.booleans(), st.integers(), st.floats(), st.just([1])),
)
def test_a_field_has_its_type_or_is_an_error(method: str, value: object) -> None:
    with contextlib.suppress(DecodeError):
        getattr(Fields({"x": value}), method)("x")


def test_a_length_is_insisted_on() -> None:
    for value in (None, b"", b"12"):
        with pytest.raises(DecodeError):
            Fields({"x": value}).binary("x", size=3)
    assert Fields({"x": b"123"}).binary("x", size=3) == b"123"


@pytest.mark.parametrize("value", [None, 1, b"", [], "x"])
def test_only_a_map_has_fields(value: object) -> None:
    with pytest.raises(DecodeError):
        Fields(value)


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, BoxNotFound),
        (2, ReplicaError),
        (3, AmbiguousError),
        (4, AmbiguousError),
        (5, ReplicaError),
        (6, ReplicaError),
        (7, ReplicaError),
        (8, ReplicaError),
        (9, ReplicaError),
        (10, BoxAlreadyExists),
        (11, BoxTombstoned),
        (12, CourierError),
        (13, CourierError),
        (22, EnvelopeUnreadable),
        (23, EnvelopeUnreadable),
        (24, OperationCancelled),
        (25, EnvelopeUnreadable),
        (27, PayloadTooLarge),
        (31, CourierError),
        (32, StaleEnvelope),
        (99, DaemonError),
    ],
)
def test_errors_of_operations_on_boxes(code: int, kind: type[CodedError]) -> None:
    error = box_error(code)
    assert type(error) is kind
    assert error.code == code
    assert error.expected is (code in (1, 10, 11))


def test_what_is_ambiguous_has_both_readings() -> None:
    error = box_error(3)
    assert isinstance(error, AmbiguousError)
    assert error.readings == (ReplicaCode.INVALID_SIGNATURE, DaemonCode.INVALID_REQUEST)
    assert "invalid signature" in str(error)
    assert "invalid request" in str(error)
    assert isinstance(error, ReplicaError)
    assert isinstance(error, DaemonError)
    no_document = box_error(4)
    assert "database failure" in str(no_document)
    assert "internal error" in str(no_document)
    assert no_document.retryable


@pytest.mark.parametrize("code", range(1, 40))
def test_every_code_of_the_daemon_is_an_error_of_its_own(code: int) -> None:
    error = daemon_error(code)
    assert error.code == code
    assert not isinstance(error, ReplicaError)
    assert isinstance(error, SimplexError)
    assert str(error)


def test_errors_are_also_what_others_know() -> None:
    assert issubclass(PayloadTooLarge, TooLarge)
    assert issubclass(EnvelopeUnreadable, CryptoError)


def test_errors_of_copy_commands() -> None:
    error = copy_error(26, 10, 3)
    assert isinstance(error, CopyFailed)
    assert (error.replica_code, error.failed_envelope) == (ReplicaCode.BOX_ALREADY_EXISTS, 3)
    assert "envelope 3" in str(error)
    unexplained = copy_error(26, 0, 0)
    assert isinstance(unexplained, CopyFailed)
    assert unexplained.replica_code is None
    assert type(copy_error(4, 0, 0)) is DaemonError  # not ambiguous here


# --- requests and answers -----------------------------------------------------------------------

INDEX = BoxIndex(bytes(104))


def test_a_request_is_the_same_bytes_for_the_same_query_id() -> None:
    request = requests.next_box_index(INDEX)
    assert request.encode(bytes(16)) == request.encode(bytes(16))
    assert cbor2.loads(request.encode(b"q" * 16)) == {
        "next_message_box_index": {"query_id": b"q" * 16, "message_box_index": bytes(104)}
    }


def answer(name: str, **fields: object) -> Answer:
    return Answer(name, Fields({"query_id": bytes(16), "error_code": 0, **fields}))


def test_an_answer_is_read() -> None:
    request = requests.box_index_counter(INDEX)
    assert request.read(answer("get_message_box_index_counter_reply", counter=2**63)) == 2**63


def test_an_answer_to_something_else() -> None:
    with pytest.raises(UnexpectedResponseError):
        requests.box_index_counter(INDEX).read(answer("new_keypair_reply"))


@pytest.mark.parametrize("index", [None, b"", bytes(103), bytes(105), "x" * 104, 7])
def test_an_answer_that_cannot_be_read(index: object) -> None:
    request = requests.next_box_index(INDEX)
    with pytest.raises(MalformedResponse):
        request.read(answer("next_message_box_index_reply", next_message_box_index=index))


@pytest.mark.parametrize("code", [-1, "3", 2**64, 1.5])
def test_an_error_code_that_is_none(code: object) -> None:
    with pytest.raises(MalformedResponse):
        requests.next_box_index(INDEX).read(answer("next_message_box_index_reply", error_code=code))


def test_an_error_comes_without_the_other_fields() -> None:
    request = requests.encrypt_read(ReadCap(bytes(136)), INDEX)
    with pytest.raises(DaemonError) as caught:
        request.read(answer("encrypt_read_reply", error_code=4, next_message_box_index=None))
    assert caught.value.code is DaemonCode.INTERNAL_ERROR
    assert caught.value.retryable


def test_lengths_are_checked_before_sending() -> None:
    with pytest.raises(EncodeError):
        requests.session_token(bytes(15))
    for node_hash, queue_id, surb_id in (
        (bytes(31), b"q", None),
        (bytes(32), b"", None),
        (bytes(32), bytes(33), None),
        (bytes(32), b"q", bytes(17)),
    ):
        with pytest.raises(EncodeError):
            requests.send_message(b"", node_hash, queue_id, surb_id)
    with pytest.raises(EncodeError):
        requests.get_document(-1)


def test_what_is_copied_is_bounded() -> None:
    to = CopyPayload(bytes(10 * 1024 * 1024 + 1), WriteCap(bytes(168)), INDEX)
    with pytest.raises(TooLarge):
        copy_requests.elements_of_payload(to, is_start=True, is_last=True)
    with pytest.raises(TooLarge):
        copy_requests.elements_of_payloads([to], is_start=True, is_last=True)
    with pytest.raises(EncodeError):
        copy_requests.elements_of_payloads([], is_start=True, is_last=True)
    for count in (0, 2**32):
        with pytest.raises(EncodeError):
            copy_requests.elements_of_tombstones(
                to.write_cap, INDEX, count, is_start=True, is_last=True
            )
