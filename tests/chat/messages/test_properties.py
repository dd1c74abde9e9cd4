"""What is written is read back, and any bytes at all are messages, or an error in their place."""

from __future__ import annotations

import json
import re
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simplex_trio.chat.messages.addresses import AddressData, GroupLinkData
from simplex_trio.chat.messages.bodies import (
    MAX_BODY,
    MAX_MESSAGE,
    Malformed,
    Received,
    compress,
    decode_body,
    decode_info,
    encode_batch,
    encode_element,
    pack,
)
from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.records import Record
from simplex_trio.errors import DecodeError
from simplex_trio.redaction import Redacted
from tests.chat.messages.values import (
    EVENTS,
    elements,
    json_objects,
    json_values,
    messages,
    parts_of,
    texts,
    values_of,
)
from tests.wire.strategies import mutated

few = settings(max_examples=max(5, settings().max_examples // 10))
"""For what is tried with every kind of event."""

# --- round trips --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(EVENTS))
@few
@given(data=st.data())
def test_events(name: str, data: st.DataObject) -> None:
    event = data.draw(values_of(EVENTS[name]))
    message = ChatMessage(event, b"id")
    assert ChatMessage.decode(message.encode()) == message


@given(messages)
def test_messages(message: ChatMessage) -> None:
    assert decode_body(message.encode()) == (Received(message),)
    assert decode_body(compress(message.encode())) == (Received(message),)
    assert decode_info(message.encode()) == message


@given(elements)
def test_parts_of_batches(element: Received) -> None:
    assert decode_body(encode_element(element)) == (element,)


@given(st.lists(elements, min_size=1, max_size=4))
def test_binary_batches(batch: list[Received]) -> None:
    assert decode_body(encode_batch(batch)) == tuple(batch)


@given(st.lists(messages, max_size=5), st.booleans(), st.booleans())
def test_packed_messages_arrive_in_order(said: list[ChatMessage], pq: bool, batches: bool) -> None:
    bodies = pack(said, pq=pq, batches=batches)
    assert [each.message for body in bodies for each in received(body)] == said
    assert all(len(body) <= MAX_MESSAGE for body in bodies)
    assert batches is False or len(bodies) <= 1


def received(body: bytes) -> list[Received]:
    return [each for each in decode_body(body) if isinstance(each, Received)]


@pytest.mark.parametrize("kind", [AddressData, GroupLinkData])
@given(data=st.data())
def test_data_of_links(kind: type[AddressData], data: st.DataObject) -> None:
    value = data.draw(values_of(kind))
    assert kind.decode(value.encode()) == value


@given(json_objects)
def test_json(value: dict[str, Any]) -> None:
    assert decode_json(encode_json(value)) == value


@given(messages)
def test_values_are_told_apart_and_can_be_counted(message: ChatMessage) -> None:
    again = ChatMessage.decode(message.encode())
    assert len({message, again}) == 1
    assert attrs.evolve(message, id=b"another") != message


# --- nothing secret in a repr -------------------------------------------------------------------

LETTERS = re.compile(r"'[^']*'|\"[^\"]*\"|b'")


@given(elements)
def test_reprs_show_shapes_alone(element: Received) -> None:
    words = {each.value for each in parts_of(element) if hasattr(each, "value")}
    for part in parts_of(element):
        if isinstance(part, Redacted):
            shown = {text.strip("'\"") for text in LETTERS.findall(repr(part))}
            assert shown <= words


# --- anything at all ----------------------------------------------------------------------------

beginnings = st.sampled_from(
    [b"", b"{", b"[", b"X\x01", b"X\x011", b"=\x01", b"F", b"/G\x01M", b">M"]
)


@given(beginnings, st.binary(max_size=60))
@example(b"X", b"")
@example(b"", b"[]")
@example(b"", b'{"event":"x.ok","params":{"\\ud800":1}}')
def test_any_bytes_are_messages_or_malformed(start: bytes, rest: bytes) -> None:
    check_body(start + rest)


@given(elements, st.data())
def test_changed_messages_are_messages_or_malformed(element: Received, data: st.DataObject) -> None:
    for encoded in (encode_element(element), encode_batch([element])):
        check_body(data.draw(mutated(encoded)))
    check_body(data.draw(mutated(compress(encode_element(element)))))


def check_body(body: bytes) -> None:
    found = decode_body(body)
    assert found
    for element in found:
        if isinstance(element, Received):
            again = encode_element(element)
            if len(again) <= MAX_BODY:
                assert decode_body(again) == (element,)
        else:
            assert isinstance(element, Malformed)
            assert type(element.error) is DecodeError or isinstance(element.error, DecodeError)


@given(json_values)
def test_any_json_is_a_message_or_malformed(value: Any) -> None:
    check_body(json.dumps(value).encode())


@pytest.mark.parametrize("name", sorted(EVENTS))
@few
@given(data=st.data())
def test_any_parameters_are_an_event_or_malformed(name: str, data: st.DataObject) -> None:
    """One member of an event, at any depth, is anything; the rest is as it should be."""
    params = data.draw(values_of(EVENTS[name])).to_json()
    spoilt = data.draw(spoiling(params))
    check_body(json.dumps({"event": name, "params": spoilt}).encode())


@st.composite
def spoiling(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        name = draw(st.sampled_from(sorted(value)))
        return value | {name: draw(spoiling(value[name]))}
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        return [draw(spoiling(value[0])), *value[1:]]
    return draw(json_values)


@given(st.binary(max_size=80) | texts.map(str.encode))
def test_any_bytes_are_data_of_a_link_or_a_decode_error(data: bytes) -> None:
    for kind in (AddressData, GroupLinkData):
        for raw in (data, b"X" + data):
            with_suppressed(kind, raw)


def with_suppressed(kind: type[AddressData | GroupLinkData], raw: bytes) -> None:
    try:
        value = kind.decode(raw)
    except DecodeError:
        return
    assert isinstance(value, Record)
