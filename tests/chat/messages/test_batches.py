"""Many messages in few bodies, for members of groups."""

from __future__ import annotations

import math

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.chat.messages.batches import (
    MAX_FORWARDED,
    Packed,
    as_forward,
    pack_forwarded,
    pack_group,
    reads_binary,
)
from simplex_trio.chat.messages.bodies import (
    MAX_ELEMENTS,
    MAX_MESSAGE,
    Chunk,
    Forwarded,
    Received,
    decode_body,
    encode_element,
)
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.events import XMsgNew
from simplex_trio.chat.messages.json_text import MAX_DEPTH
from simplex_trio.chat.messages.message import ChatMessage, XGrpMsgForward
from simplex_trio.chat.messages.scalars import ChatVersions
from simplex_trio.errors import EncodeError
from simplex_trio.wire.duplex.sizes import max_user_message
from tests.chat.messages.values import messages
from tests.vectors import load

BY = Forwarded(1_780_000_000, b"m" * 16, "bob")


def text(size: int) -> ChatMessage:
    """A message of so many bytes."""
    empty = ChatMessage(XMsgNew(Text("")), b"id")
    return ChatMessage(XMsgNew(Text("x" * (size - len(empty.encode())))), b"id")


def forwarded(message: ChatMessage, by: Forwarded = BY) -> Received:
    return Received(message, by)


def received(packed: Packed) -> list[Received]:
    found = [each for body in packed.bodies for each in decode_body(body)]
    assert all(isinstance(each, Received) for each in found)
    return [each for each in found if isinstance(each, Received)]


def test_the_message_sizes_of_this_module() -> None:
    assert len(text(500).encode()) == 500
    assert max_user_message(7, False) > MAX_FORWARDED


@given(st.lists(st.sampled_from([200, 5_000, 7_799, 7_800, MAX_MESSAGE - 1, MAX_MESSAGE])))
def test_messages_are_in_as_few_bodies_as_possible(sizes: list[int]) -> None:
    packed = pack_group(map(text, sizes))
    assert [each.message for each in received(packed)] == list(map(text, sizes))
    assert all(len(body) <= MAX_MESSAGE for body in packed.bodies)
    # No two neighbours would fit into one body.
    for one, two in zip(packed.bodies, packed.bodies[1:], strict=False):
        first = decode_body(two)[0]
        assert isinstance(first, Received)
        assert isinstance(first.message, ChatMessage)
        brackets = 0 if one[:1] == b"[" else 2
        assert len(one) + brackets + 1 + len(first.message.encode()) > MAX_MESSAGE


def test_without_arrays_each_message_is_a_body() -> None:
    packed = pack_group([text(100)] * 3, batches=False)
    assert packed.bodies == (text(100).encode(),) * 3


def test_what_is_too_long_is_left_out_and_the_rest_arrives() -> None:
    said = [text(100), text(MAX_MESSAGE + 1), text(200)]
    packed = pack_group(said)
    assert packed.left_out == (1,)
    assert [each.message for each in received(packed)] == [said[0], said[2]]


@given(st.lists(messages, max_size=5), st.booleans(), st.booleans())
def test_forwarded_messages_arrive_in_order(
    said: list[ChatMessage], binary: bool, batches: bool
) -> None:
    elements = [
        forwarded(message, evolve(BY, seconds=BY.seconds + number))
        for number, message in enumerate(said)
    ]
    packed = pack_forwarded(elements, binary=binary, batches=batches)
    assert packed.left_out == ()
    if binary:
        assert received(packed) == elements
    else:
        assert [each.message for each in received(packed)] == list(map(as_forward, elements))


def test_a_batch_has_at_most_255_elements() -> None:
    elements = [forwarded(text(60))] * (2 * MAX_ELEMENTS)
    packed = pack_forwarded(elements, binary=True)
    assert received(packed) == elements
    assert max(body[1] for body in packed.bodies) <= MAX_ELEMENTS
    size = 2 + len(encode_element(elements[0]))
    assert len(packed.bodies) == math.ceil(len(elements) / ((MAX_MESSAGE - 2) // size))


@pytest.mark.parametrize("binary", [True, False])
def test_the_longest_message_can_be_forwarded(binary: bool) -> None:
    [body] = pack_forwarded([forwarded(text(MAX_MESSAGE))], binary=binary).bodies
    assert len(body) <= MAX_FORWARDED
    packed = pack_forwarded(
        [forwarded(text(MAX_MESSAGE + 200)), forwarded(text(99))], binary=binary
    )
    assert packed.left_out == (0,)
    assert len(packed.bodies) == 1


@pytest.mark.parametrize("binary", [True, False])
def test_long_names_are_cut_as_the_apps_cut_them(binary: bool) -> None:
    for name, short in (("n" * 16, "n" * 16), ("🚀" * 500, "🚀" * 16 + "…"), (None, None)):
        by = evolve(BY, member_name=name)
        [element] = received(pack_forwarded([forwarded(text(90), by)], binary=binary))
        if binary:
            assert element.forwarded == evolve(by, member_name=short or "")
        else:
            assert isinstance(element.message, ChatMessage)
            assert isinstance(element.message.event, XGrpMsgForward)
            assert element.message.event.member_name == short


def deep(levels: int) -> ChatMessage:
    """A message that is nested so deep, as a peer may send it."""
    inside = (levels - 1) * b"[" + (levels - 1) * b"]"
    said = b'{"v":"1-16","event":"x.grp.leave","params":{},"more":%b}' % inside
    return ChatMessage.decode(said)


def test_what_is_too_deep_spoils_no_array() -> None:
    said = [text(90), deep(MAX_DEPTH), text(91)]
    packed = pack_group(said)
    assert packed.left_out == (1,)
    assert [each.message for each in received(packed)] == [said[0], said[2]]
    assert pack_group([deep(MAX_DEPTH - 1)]).left_out == ()
    elements = list(map(forwarded, said))
    packed = pack_forwarded(elements, binary=False)
    assert packed.left_out == (1,)
    assert len(received(packed)) == 2
    assert received(pack_forwarded(elements, binary=True)) == elements


def test_what_cannot_be_said_is_left_out() -> None:
    odd = [
        forwarded(text(90), evolve(BY, member_id=b"m" * 256)),
        forwarded(text(90), evolve(BY, seconds=2**63)),
    ]
    assert pack_forwarded(odd, binary=True) == Packed((), (0, 1))
    chunk = Received(Chunk(b"id", 1, b"data"), BY)
    odd = [chunk, forwarded(text(90), evolve(BY, seconds=2**62))]
    assert pack_forwarded(odd, binary=False) == Packed((), (0, 1))
    with pytest.raises(EncodeError):
        as_forward(chunk)
    with pytest.raises(ValueError, match="not said to be forwarded"):
        pack_forwarded([Received(text(90))], binary=True)


def test_who_reads_binary_batches() -> None:
    assert not reads_binary(ChatVersions(1, 16))
    assert reads_binary(ChatVersions(1, 17))
    assert reads_binary(ChatVersions(1, 19))


def test_a_batch_of_the_real_program_is_written_as_it_came() -> None:
    [case] = [each for each in load("chat_live.json") if each["action"].endswith("bob, forwarded")]
    body = bytes.fromhex(case["bytes"])
    [element] = decode_body(body)
    assert isinstance(element, Received)
    [again] = pack_forwarded([element], binary=True).bodies
    assert decode_body(again) == (element,)
    start = body.index(b"{")
    assert again[4:start] == body[4:start]
    assert len(again) == len(body)
