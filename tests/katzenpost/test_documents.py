"""The consensus document, and events, as they come from the daemon."""

from __future__ import annotations

import contextlib

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import (
    DecodeError,
)
from simplex_trio.katzenpost import (
    DaemonError,
)
from simplex_trio.katzenpost.messages.documents import decode_document
from simplex_trio.katzenpost.messages.events import (
    ConnectionStatus,
    MessageReply,
    NewDocument,
    Unreadable,
    read_event,
)
from simplex_trio.testing.kpclientd.consensus import document
from tests.katzenpost.support import STATUS

# --- documents ----------------------------------------------------------------------------------


def test_a_document_is_read() -> None:
    found = decode_document(document(42))
    assert found.epoch == 42
    assert [len(layer) for layer in found.layers] == [2, 2, 2]
    assert [node.name for node in found.gateways] == ["gateway1"]
    assert [node.name for node in found.service_nodes] == ["servicenode1", "servicenode2"]
    assert [replica.replica_id for replica in found.replicas] == [0, 1, 2]
    assert found.unreadable == 0
    (first, second) = found.services("echo")
    assert first.destination.queue_id == b"+echo"
    assert first.destination.node_hash == found.service_nodes[0].hash
    assert first.destination != second.destination
    assert found.services("nothing") == ()


def test_a_node_without_services_is_one() -> None:
    found = decode_document(document(42, idle_service_node=True))
    assert found.service_nodes[0].services == ()
    assert len(found.services("echo")) == 2


def altered(**changes: object) -> bytes:
    return cbor2.dumps(cbor2.loads(document(42)) | changes)


def node(**changes: object) -> bytes:
    (first, *_) = cbor2.loads(document(42))["ServiceNodes"]
    return cbor2.dumps(cbor2.loads(first) | changes)


@pytest.mark.parametrize(
    "bad",
    [b"", b"\xff", 7, cbor2.dumps([]), node(IdentityKey=None), node(Name=7), node(Kaetzchen=[1])],
)
def test_a_node_that_cannot_be_read_is_left_out(bad: object) -> None:
    found = decode_document(altered(ServiceNodes=[bad, node()]))
    assert len(found.service_nodes) == 1
    assert found.unreadable == 1
    assert len(found.services("echo")) == 1


@pytest.mark.parametrize(
    "services",
    [
        {"echo": None},
        {"echo": {"endpoint": 7}},
        {"echo": {"endpoint": ""}},
        {"echo": {}},
        {7: {"endpoint": "x"}},
        {"echo": "+echo"},
    ],
)
def test_a_service_that_cannot_be_reached_is_none(services: object) -> None:
    found = decode_document(altered(ServiceNodes=[node(Kaetzchen=services)]))
    assert found.services("echo") == ()
    assert found.unreadable == 0


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"garbage",
        cbor2.dumps([]),
        altered(Epoch=-1),
        altered(Topology=[7]),
        altered(ServiceNodes=7),
        altered(StorageReplicas={}),
    ],
)
def test_a_document_that_cannot_be_read(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_document(payload)


def test_unknown_fields_of_documents_are_kept_as_they_came() -> None:
    found = decode_document(altered(Something={b"\0": [1], 7: None}))
    assert found.raw["Something"] == {b"\0": [1], 7: None}


@given(st.binary(max_size=100), st.integers(0, 10_000))
def test_damaged_documents_are_documents_or_errors(noise: bytes, place: int) -> None:
    whole = document(42)
    place %= len(whole)
    with contextlib.suppress(DecodeError):
        decode_document(whole[:place] + noise + whole[place + len(noise) :])


# --- events -------------------------------------------------------------------------------------


def test_a_status_may_have_unknown_sizes() -> None:
    later = {
        **STATUS,
        "sphinx_geometry": {"UserForwardPayloadLength": 2000, "Added": "later"},
        "pigeonhole_geometry": {"MaxPlaintextPayloadLength": 1500, "Added": [1]},
        "added": 7,
    }
    status = read_event("connection_status_event", later)
    assert isinstance(status, ConnectionStatus)
    assert (status.sphinx.max_payload, status.pigeonhole.max_plaintext) == (2000, 1500)


@pytest.mark.parametrize("geometry", [None, {}, 7, {"UserForwardPayloadLength": -1}])
def test_a_status_without_sizes_is_none(geometry: object) -> None:
    event = read_event("connection_status_event", {**STATUS, "sphinx_geometry": geometry})
    assert isinstance(event, Unreadable)


@pytest.mark.parametrize("payload", [None, b""])
def test_no_document_yet_is_no_error(payload: bytes | None) -> None:
    assert read_event("new_pki_document_event", {"payload": payload}) == NewDocument(None)


def test_a_reply_with_an_error() -> None:
    event = read_event("message_reply_event", {"surbid": bytes(16), "error_code": 2})
    assert isinstance(event, MessageReply)
    assert isinstance(event.error, DaemonError)
    assert event.payload == b""


def test_events_that_are_not_known_are_none() -> None:
    assert read_event("something_new_event", {}) is None
    assert isinstance(read_event("message_sent_event", 7), Unreadable)
