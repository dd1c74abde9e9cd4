"""The encoding that all protocols share, against recorded bytes and on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.wire import buffer
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.subscribers import SubscriberParty
from simplex_trio.wire.versions import VersionRange
from tests.vectors import Case, cases


@frozen
class Codec:
    """How a type of the vectors is written and read; values are as the vectors have them."""

    write: Callable[[Any], bytes]
    read: Callable[[Reader], Any]


def _hex(write: Callable[[bytes], bytes], read: Callable[[Reader], bytes]) -> Codec:
    return Codec(lambda value: write(bytes.fromhex(value)), lambda reader: read(reader).hex())


def _seconds(value: Any) -> int:
    seconds: int = value["seconds"] if isinstance(value, dict) else value
    return seconds


SIMPLE = {
    "word16": Codec(buffer.word16, Reader.word16),
    "word32": Codec(buffer.word32, Reader.word32),
    "version": Codec(buffer.word16, Reader.word16),
    "int64": Codec(lambda value: buffer.int64(int(value)), lambda reader: str(reader.int64())),
    "systemTime": Codec(lambda value: buffer.int64(_seconds(value)), Reader.int64),
    "bool": Codec(buffer.boolean, Reader.boolean),
    "char": Codec(lambda value: value.encode(), lambda reader: reader.take(1).decode()),
    "shortString": _hex(buffer.short, Reader.short),
    "string": _hex(buffer.short, Reader.short),
    "large": _hex(buffer.large, Reader.large),
    "tail": _hex(bytes, Reader.tail),
    "text": Codec(
        lambda value: buffer.utf8(bytes.fromhex(value).decode()),
        lambda reader: reader.utf8().encode().hex(),
    ),
    "versionRange": Codec(
        lambda ends: VersionRange(*ends).encode(),
        lambda reader: [(found := VersionRange.decode(reader)).lowest, found.highest],
    ),
    "msgFlags": Codec(
        lambda value: MessageFlags(value).encode(),
        lambda reader: MessageFlags.decode(reader).notification,
    ),
    "subscriberParty": Codec(
        lambda value: SubscriberParty(value.encode()).encode(),
        lambda reader: SubscriberParty.decode(reader).encode().decode(),
    ),
}


def _parameters(text: str) -> list[str]:
    """``a,b<c,d>`` as ``a`` and ``b<c,d>``."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter == "<") - (letter == ">")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return found


def _maybe(inner: Codec, *, nested: bool) -> Codec:
    # An optional optional value is told apart from none by an object around it.
    def write(value: Any) -> bytes:
        inside = value["just"] if nested and value is not None else value
        return b"0" if value is None else b"1" + inner.write(inside)

    def read(reader: Reader) -> Any:
        return reader.maybe(lambda: {"just": inner.read(reader)} if nested else inner.read(reader))

    return Codec(write, read)


def _listed(inner: Codec, at_least: int) -> Codec:
    return Codec(
        lambda values: buffer.listed(map(inner.write, values)),
        lambda reader: list(reader.listed(lambda: inner.read(reader), at_least=at_least)),
    )


def _tuple(*inner: Codec) -> Codec:
    return Codec(
        lambda values: b"".join(c.write(v) for c, v in zip(inner, values, strict=True)),
        lambda reader: [codec.read(reader) for codec in inner],
    )


def codec_of(name: str) -> Codec:
    """The codec for a type as the vectors name it."""
    kind, _, rest = name.partition("<")
    if not rest:
        return SIMPLE[kind]
    inner = _parameters(rest[:-1])
    match kind:
        case "maybe":
            return _maybe(codec_of(inner[0]), nested=inner[0].startswith("maybe"))
        case "nonEmpty":
            return _listed(codec_of(inner[0]), at_least=1)
        case "list":
            return _listed(codec_of(inner[0]), at_least=0)
        case "tuple":
            return _tuple(*map(codec_of, inner))
        case _:
            raise LookupError(name)


@pytest.mark.parametrize("case", cases("encoding.json", "encode"))
def test_encode(case: Case) -> None:
    codec, data = codec_of(case["type"]), bytes.fromhex(case["hex"])
    assert codec.write(case["value"]) == data
    reader = Reader(data)
    expected = _seconds(case["value"]) if case["type"] == "systemTime" else case["value"]
    assert codec.read(reader) == expected
    reader.end()


@pytest.mark.parametrize("case", cases("encoding.json", "decode"))
def test_decode(case: Case) -> None:
    codec, reader = codec_of(case["type"]), Reader(bytes.fromhex(case["hex"]))
    if case["ok"]:
        assert codec.read(reader) == case["result"]
        reader.end()
        return
    with pytest.raises(DecodeError):  # noqa: PT012  (either of the two may be what refuses)
        codec.read(reader)
        reader.end()


@pytest.mark.parametrize("case", cases("encoding.json", "decode_prefix"))
def test_decode_prefix(case: Case) -> None:
    codec, reader = codec_of(case["type"]), Reader(bytes.fromhex(case["hex"]))
    if not case["ok"]:
        with pytest.raises(DecodeError):
            codec.read(reader)
        return
    assert codec.read(reader) == case["result"]["value"]
    assert reader.tail().hex() == case["result"]["rest"]


@pytest.mark.parametrize(
    "write",
    [
        lambda: buffer.word16(0x10000),
        lambda: buffer.word16(-1),
        lambda: buffer.word32(2**32),
        lambda: buffer.int64(2**63),
        lambda: buffer.int64(-(2**63) - 1),
        lambda: buffer.short(bytes(256)),
        lambda: buffer.large(bytes(0x10000)),
        lambda: buffer.utf8("\ud800"),
        lambda: buffer.utf8("é" * 128),
        lambda: buffer.listed([b""] * 256),
    ],
)
def test_what_does_not_fit_is_not_written(write: Callable[[], bytes]) -> None:
    with pytest.raises(EncodeError):
        write()


READS: list[Callable[[Reader], Any]] = [
    Reader.word16,
    Reader.word32,
    Reader.int64,
    Reader.boolean,
    Reader.byte,
    Reader.short,
    Reader.large,
    Reader.utf8,
    Reader.tail,
    Reader.end,
    lambda reader: reader.take(3),
    lambda reader: reader.take(-1),
    lambda reader: reader.expect(b" "),
    lambda reader: reader.until(b" "),
    lambda reader: reader.peek(2),
    lambda reader: reader.maybe(reader.short),
    lambda reader: reader.listed(reader.large),
    lambda reader: reader.listed(reader.byte, at_least=1),
]


@given(st.binary(max_size=40), st.lists(st.sampled_from(READS), max_size=12))
def test_a_reader_never_runs_past_its_end(
    data: bytes, reads: list[Callable[[Reader], Any]]
) -> None:
    reader = Reader(data)
    for read in reads:
        before = reader.position
        try:
            read(reader)
        except DecodeError:
            assert reader.position >= before
        assert reader.position + reader.remaining == len(data)


def test_a_length_does_not_make_a_reader_allocate() -> None:
    with pytest.raises(DecodeError):
        Reader(b"\xff\xff").large()
    with pytest.raises(DecodeError):
        Reader(b"\xff").listed(lambda: Reader(b"").byte())


def test_rewinding() -> None:
    reader = Reader(b"abcd")
    start = reader.position
    assert reader.take(3) == b"abc"
    reader.rewind(start)
    assert reader.tail() == b"abcd"
    with pytest.raises(ValueError, match="earlier position"):
        Reader(b"abcd").rewind(1)


def test_a_reader_shows_no_bytes() -> None:
    assert repr(Reader(b"secret")) == "<Reader at 0 of 6 bytes>"


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_version_ranges_that_end_before_they_start(one: int, other: int) -> None:
    data = buffer.word16(one) + buffer.word16(other)
    if one <= other:
        assert VersionRange.decode(Reader(data)).encode() == data
        return
    with pytest.raises(DecodeError):
        VersionRange.decode(Reader(data))
