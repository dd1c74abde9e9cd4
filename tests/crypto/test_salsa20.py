from __future__ import annotations

import _ctypes
from array import array
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto import salsa20 as module
from simplex_trio.crypto.libsodium import LIBSODIUM, Libsodium
from simplex_trio.crypto.salsa20 import (
    Salsa20,
    salsa20,
    salsa20_by_cryptodome,
    salsa20_by_libsodium,
)

Way = Callable[[bytes, bytes], Salsa20]

WAYS = [salsa20_by_cryptodome]
if LIBSODIUM is not None:
    WAYS.append(salsa20_by_libsodium)

every_way = pytest.mark.parametrize("way", WAYS)


@every_way
def test_example_of_ecrypt(way: Way) -> None:
    """Set 1, vector 0 of the test vectors of eSTREAM for keys of 256 bits."""
    stream = bytearray(512)
    way(b"\x80" + bytes(31), bytes(8)).xor(stream)
    assert stream[:16].hex() == "e3be8fdd8beca2e3ea8ef9475b29a6e7"
    assert stream[192:208].hex() == "57be81f47b17d9ae7c4ff15429a73e10"
    assert stream[448:464].hex() == "696afcfd0cddcc83c7e77f11a649d79a"


@every_way
@given(data=st.data())
def test_pieces_make_a_whole(way: Way, data: st.DataObject) -> None:
    whole = data.draw(st.binary(max_size=400))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    key, nonce = b"k" * 32, b"n" * 8
    stream = way(key, nonce)
    in_pieces, at_once = bytearray(whole), bytearray(whole)
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        stream.xor(memoryview(in_pieces)[start:end])
    salsa20_by_cryptodome(key, nonce).xor(at_once)
    assert in_pieces == at_once


@every_way
def test_there_and_back(way: Way) -> None:
    data = bytearray(b"remember the milk")
    way(b"k" * 32, b"n" * 8).xor(data)
    assert data != b"remember the milk"
    way(b"k" * 32, b"n" * 8).xor(data)
    assert data == b"remember the milk"


@every_way
def test_all_bytes_of_a_piece_whatever_its_items(way: Way) -> None:
    """The length of a memoryview is that of its first dimension, and not in bytes."""
    expected = bytearray(64)
    way(b"k" * 32, b"n" * 8).xor(expected)
    words = array("I", bytes(64))
    rows = bytearray(64)
    way(b"k" * 32, b"n" * 8).xor(memoryview(words))
    way(b"k" * 32, b"n" * 8).xor(memoryview(rows).cast("B", (4, 16)))
    assert words.tobytes() == rows == expected


@every_way
def test_places_that_cannot_be_written_in_one_go(way: Way) -> None:
    stream = way(b"k" * 32, b"n" * 8)
    rest = bytearray(64)
    for place in (memoryview(b"read-only"), memoryview(rest)[::2], memoryview(rest)[::-1]):
        with pytest.raises(TypeError):
            stream.xor(place)
    stream.xor(memoryview(rest)[64:])
    assert rest == bytes(64)


@every_way
@pytest.mark.parametrize(("key", "nonce"), [(16, 8), (33, 8), (0, 8), (32, 7), (32, 24)])
def test_other_sizes(way: Way, key: int, nonce: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        way(bytes(key), bytes(nonce))


def test_the_library_is_taken_when_it_is_there() -> None:
    assert salsa20 is WAYS[-1]


def test_a_library_that_hides_its_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AttributeError):
        Libsodium(_ctypes.__file__)
    with pytest.raises(OSError, match=r"."):
        Libsodium(__file__)
    monkeypatch.setattr(module, "LIBSODIUM", None)
    with pytest.raises(RuntimeError):
        salsa20_by_libsodium(bytes(32), bytes(8))
