from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.hsalsa20 import ZERO_NONCE, hsalsa20, hsalsa20_in_python
from simplex_trio.crypto.libsodium import LIBSODIUM
from tests.crypto.support import x25519_private, x25519_public
from tests.vectors import Case, cases, matches

Way = Callable[[bytes, bytes], bytes]

WAYS = [hsalsa20_in_python] if LIBSODIUM is None else [hsalsa20_in_python, LIBSODIUM.hsalsa20]

every_way = pytest.mark.parametrize("way", WAYS)


@every_way
def test_examples_of_the_nacl_paper(way: Way) -> None:
    """Sections 8 and 9 of "Cryptography in NaCl": from the shared secret to the key of a stream."""
    secret = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    first = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
    nonce = bytes.fromhex("69696ee955b62b73cd62bda875fc73d6")
    second = bytes.fromhex("dc908dda0b9344a953629b733820778880f3ceb421bb61b91cbd4c3e66256ce4")
    assert way(secret, ZERO_NONCE) == first
    assert way(first, nonce) == second


@every_way
@pytest.mark.parametrize("case", cases("crypto.json", "cb_padded", "cb_nopad"))
def test_agrees_with_the_agreement_of_nacl(case: Case, way: Way) -> None:
    agreed = BoxKey.agree(x25519_private(case["alice"]), x25519_public(case["bob"]))
    assert way(bytes.fromhex(case["shared_dh"]), ZERO_NONCE) == agreed.subkey


@every_way
@pytest.mark.parametrize("case", cases("crypto.json", "sb_padded", "sb_nopad"))
def test_makes_the_key_of_recorded_boxes(case: Case, way: Way) -> None:
    box = BoxKey(way(bytes.fromhex(case["key"]), ZERO_NONCE))
    nonce, message = bytes.fromhex(case["nonce"]), bytes.fromhex(case["message"])
    length = case.get("padded_length")
    if length is None:
        assert matches(box.seal(nonce, message), case["ciphertext"])
    else:
        assert matches(box.seal_padded(nonce, message, length), case["ciphertext"])


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))
def test_all_ways_are_one(key: bytes, nonce: bytes) -> None:
    assert hsalsa20(key, nonce) == hsalsa20_in_python(key, nonce)


@every_way
@pytest.mark.parametrize(
    "edge", [bytes(32), b"\xff" * 32, b"\x80" + bytes(31), bytes(31) + b"\x80"]
)
def test_edges(way: Way, edge: bytes) -> None:
    assert len(way(edge, edge[16:])) == 32
    assert way(edge, edge[16:]) == hsalsa20_in_python(edge, edge[16:])


@every_way
@pytest.mark.parametrize(("key", "nonce"), [(31, 16), (33, 16), (0, 16), (32, 15), (32, 17)])
def test_other_sizes(way: Way, key: int, nonce: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        way(bytes(key), bytes(nonce))


def test_the_library_is_taken_when_it_is_there() -> None:
    assert hsalsa20 == WAYS[-1]
