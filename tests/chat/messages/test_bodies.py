"""Bodies: their kinds, their sizes, and what is compressed."""

from __future__ import annotations

import random
import string
import sys
import tracemalloc

import pytest

from simplex_trio.chat.messages import compression
from simplex_trio.chat.messages.bodies import (
    MAX_BODY,
    MAX_COMPRESSED,
    MAX_COMPRESSED_INFO,
    MAX_INFO,
    MAX_MESSAGE,
    MAX_PARTS,
    Chunk,
    Forwarded,
    Malformed,
    Received,
    Signed,
    compress,
    decode_body,
    decode_info,
    encode_batch,
    encode_element,
    encode_info,
    pack,
)
from simplex_trio.chat.messages.compression import (
    MAX_DECOMPRESSED,
    CompressionSupportMissing,
    compress_frame,
    declared_size,
    decompress_frame,
    require_compression,
)
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.events import XMsgNew, XOk
from simplex_trio.chat.messages.message import ChatMessage, message_id
from simplex_trio.errors import DecodeError, EncodeError, TooLarge

OK = ChatMessage(XOk())
JSON = OK.encode()


def text(size: int) -> ChatMessage:
    """A message that is ``size`` bytes long."""
    empty = len(ChatMessage(XMsgNew(Text(""))).encode())
    return ChatMessage(XMsgNew(Text("a" * (size - empty))))


def refused(body: bytes) -> bool:
    return [type(each) for each in decode_body(body)] == [Malformed]


# --- kinds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b" " + JSON,
        b"[]",
        b"[" + JSON,
        b"X",
        b"X\x00",
        b"X\x012\x01a",
        b"X\x010\x05abc",
        b"X\x010\x01ab",
        b"X\x010\x00",
        b"X\x010\x03X\x01\x00",  # compressed twice
        b"=",
        b"=\x00",
        b"=\x01\x00\x00",
        b"=\x01\x00\x05abc",
        b"=\x01\x00\x02[]",
        b">M\x01i\x01n" + bytes(8) + b">C" + bytes(8) + JSON,
        b">Z" + bytes(8) + JSON,
        b">M\x01i\x02\xff\xff" + bytes(8) + JSON,
        b">C",
        b"/Z\x01M\x01s" + JSON,
        b"/G\x00" + JSON,
        b"/G\x01K\x01s" + JSON,
        b"F\x00\x02id\x00data",
        b"F\x00\x02id",
    ],
)
def test_bodies_that_are_none(body: bytes) -> None:
    assert refused(body)


ELEMENTS: list[tuple[bytes, Received]] = [
    (JSON, Received(OK)),
    (b"F\x00\x02id\x07data", Received(Chunk(b"id", 7, b"data"))),
    (b"F\x00\x02id\x00", Received(Chunk(b"id", 0, None))),
    (
        b"/G\x02M\x40" + b"a" * 64 + b"M\x40" + b"b" * 64 + JSON,
        Received(OK, None, Signed(b"G", (b"a" * 64, b"b" * 64), JSON)),
    ),
    (
        b">M\x02id\x03bob\x00\x00\x00\x00\x00\x00\x00\x09" + JSON,
        Received(OK, Forwarded(9, b"id", "bob")),
    ),
    (
        b">C\x00\x00\x00\x00\x00\x00\x00\x09/C\x01M\x01s" + JSON,
        Received(OK, Forwarded(9), Signed(b"C", (b"s",), JSON)),
    ),
]


@pytest.mark.parametrize(("part", "element"), ELEMENTS)
def test_parts(part: bytes, element: Received) -> None:
    assert encode_element(element) == part
    assert decode_body(part) == (element,)
    batch = b"=\x02" + (len(part).to_bytes(2, "big") + part) * 2
    assert encode_batch([element, element]) == batch
    assert decode_body(batch) == (element, element)


def test_compressed_parts_are_read_by_their_first_byte() -> None:
    batch = encode_batch([Received(OK)] * 3)
    frame = compress_frame(b"[%b,1,%b]" % (JSON, JSON))
    body = b"X\x030%c%b1%b%b0\x00" % (len(batch), batch, len(frame).to_bytes(2, "big"), frame)
    kinds = [type(each) for each in decode_body(body)]
    assert kinds == [Received] * 4 + [Malformed, Received, Malformed]


def test_what_cannot_be_part_of_a_batch() -> None:
    with pytest.raises(EncodeError):
        encode_batch([])
    with pytest.raises(EncodeError):
        encode_batch([Received(OK)] * 256)
    for number in (0, 256, -1):
        with pytest.raises(EncodeError):
            encode_element(Received(Chunk(b"", number, b"data")))


def test_information_is_one_message() -> None:
    assert decode_info(JSON) == OK
    assert decode_info(compress(JSON)) == OK
    for body in (b"[%b,%b]" % (JSON, JSON), ELEMENTS[1][0], ELEMENTS[4][0], b"hello"):
        with pytest.raises(DecodeError):
            decode_info(body)


# --- sizes --------------------------------------------------------------------------------------


def test_a_body_that_no_router_delivers() -> None:
    assert not refused(JSON + b" " * (MAX_BODY - len(JSON)))
    assert refused(JSON + b" " * (MAX_BODY - len(JSON) + 1))


def test_too_many_messages() -> None:
    assert len(decode_body(b"[%b]" % b",".join([b"1"] * MAX_PARTS))) == MAX_PARTS
    assert refused(b"[%b]" % b",".join([b"1"] * (MAX_PARTS + 1)))
    half = b"[%b]" % b",".join([b"1"] * MAX_PARTS)
    frame = compress_frame(half)
    assert refused(b"X\x02" + (b"1" + len(frame).to_bytes(2, "big") + frame) * 2)


def test_packing_fills_bodies() -> None:
    third = text(MAX_MESSAGE // 3 - 2)
    bodies = pack([third] * 4 + [OK], pq=False)
    assert [len(decode_body(body)) for body in bodies] == [3, 2]
    assert len(bodies[0]) <= MAX_MESSAGE

    exactly = [text(5_000), text(MAX_MESSAGE - 5_000 - 3)]
    assert [len(body) for body in pack(exactly, pq=False)] == [MAX_MESSAGE]
    assert len(pack([exactly[0], text(MAX_MESSAGE - 5_000 - 2)], pq=False)) == 2


def test_peers_without_batches_get_messages_one_by_one() -> None:
    assert pack([OK, OK], pq=False, batches=False) == [JSON, JSON]
    assert pack([OK, OK], pq=False) == [b"[%b,%b]" % (JSON, JSON)]
    assert pack([OK], pq=False) == [JSON]
    assert pack([], pq=False) == []


def test_only_what_is_too_long_is_compressed() -> None:
    assert pack([text(MAX_COMPRESSED)], pq=True)[0][:1] == b"{"
    assert pack([text(MAX_MESSAGE)], pq=False)[0][:1] == b"{"
    [body] = pack([text(MAX_MESSAGE)], pq=True)
    assert body[:3] == b"X\x011"
    assert decode_body(body) == (Received(text(MAX_MESSAGE)),)

    assert encode_info(text(MAX_COMPRESSED_INFO), pq=True)[:1] == b"{"
    assert encode_info(text(MAX_INFO), pq=False)[:1] == b"{"
    assert decode_info(encode_info(text(MAX_INFO), pq=True)) == text(MAX_INFO)


def test_what_does_not_fit() -> None:
    for pq in (True, False):
        with pytest.raises(TooLarge):
            pack([OK, text(MAX_MESSAGE + 1)], pq=pq)
        with pytest.raises(TooLarge):
            encode_info(text(MAX_INFO + 1), pq=pq)
    # Signs at random are compressed to four fifths, which is enough for a message.
    signs = string.printable[:94].translate({ord('"'): None, ord("\\"): None})
    noise = "".join(random.Random(1).choices(signs, k=MAX_INFO - 200))
    with pytest.raises(TooLarge, match="compressed"):
        encode_info(ChatMessage(XMsgNew(Text(noise))), pq=True)


def test_short_bodies_are_stored() -> None:
    assert compress(b"a" * 180)[:4] == b"X\x010\xb4"
    assert compress(b"a" * 181)[:3] == b"X\x011"


# --- zstd ---------------------------------------------------------------------------------------


def bomb(size: int) -> bytes:
    return compress_frame(bytes(size))


def as_body(frame: bytes) -> bytes:
    return b"X\x011" + len(frame).to_bytes(2, "big") + frame


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_535, 65_536, 65_791, 65_792, 2**24])
def test_a_frame_declares_its_size(size: int) -> None:
    assert declared_size(bomb(size)) == size


def test_bombs_do_not_go_off() -> None:
    frame = bomb(500_000_000)
    assert len(frame) < 50_000
    small = frame[: MAX_BODY - 10]
    many = b"X\xff" + as_body(bomb(60_000))[2:] * 255
    tracemalloc.start()
    try:
        assert refused(as_body(small))
        assert refused(as_body(bomb(MAX_DECOMPRESSED + 1)))
        assert refused(many)
        # What is allowed costs what it declares, and its values.
        decode_body(as_body(compress_frame(b"[" + b"1," * 32_000 + b"1]")))
        decode_body(as_body(compress_frame(b'{"a":[' + b"[]," * 21_000 + b"1]}")))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


def test_all_parts_together_are_bounded() -> None:
    half = as_body(bomb(MAX_DECOMPRESSED // 2))[2:]
    assert [type(each) for each in decode_body(b"X\x02" + half * 2)] == [Malformed] * 2
    found = decode_body(b"X\x03" + half * 2 + b"0\x01a")
    assert isinstance(found[0], Malformed)
    assert len(found) == 1
    assert "65537" in str(found[0].error)


def lying(frame: bytes, size: int) -> bytes:
    """The frame of a content of 256 to 65,791 bytes, with another size in its header."""
    assert frame[4] >> 6 == 1
    return frame[:5] + (size - 256).to_bytes(2, "little") + frame[7:]


def test_frames_that_lie_or_are_damaged() -> None:
    frame = compress_frame(b"{}" * 5_000)
    assert decompress_frame(frame) == b"{}" * 5_000
    for changed in (
        lying(frame, 9_999),
        lying(frame, 10_001),
        frame[:-1],
        frame + frame,
        frame + b"\x00",
        b"\x00" + frame[1:],
        frame[:4] + bytes([frame[4] | 0x08]) + frame[5:],
        frame[:4] + bytes([frame[4] | 0x01]) + frame[5:],
        frame[:5],
        b"",
    ):
        with pytest.raises(DecodeError):
            decompress_frame(changed)


def test_a_frame_without_a_size_is_refused() -> None:
    # Magic number, no size, the smallest window; then an empty last block.
    frame = b"\x28\xb5\x2f\xfd\x00\x00\x01\x00\x00"
    with pytest.raises(DecodeError, match="does not say"):
        declared_size(frame)
    assert refused(as_body(frame))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else works; what is compressed says what is missing."""
    for name in ("backports", "backports.zstd", "compression", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    compression._zstd.cache_clear()
    try:
        assert decode_body(JSON) == (Received(OK),)
        assert refused(as_body(b"\x28\xb5\x2f\xfd\x00\x00\x01\x00\x00"))
        for call in (
            require_compression,
            lambda: decode_body(as_body(b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00")),
            lambda: pack([text(MAX_MESSAGE)], pq=True),
        ):
            with pytest.raises(CompressionSupportMissing, match="chat"):
                call()
    finally:
        compression._zstd.cache_clear()


# --- ids ----------------------------------------------------------------------------------------


def test_ids_are_made_as_the_apps_make_them() -> None:
    made = message_id(bytes(range(12)))
    assert made == b"AAECAwQFBgcICQoL"
    assert ChatMessage(XOk(), made).to_json()["msgId"] == "QUFFQ0F3UUZCZ2NJQ1FvTA=="
    with pytest.raises(ValueError, match="12 bytes"):
        message_id(bytes(16))
