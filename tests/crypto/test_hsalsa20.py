from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto import hsalsa20 as module
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.hsalsa20 import hsalsa20, hsalsa20_by_salsa20, hsalsa20_in_python
from tests.crypto.support import x25519_private, x25519_public
from tests.vectors import Case, cases, matches

both_ways = pytest.mark.parametrize("way", [hsalsa20_in_python, hsalsa20_by_salsa20])

Way = Callable[[bytes], bytes]


@both_ways
def test_example_of_the_nacl_paper(way: Way) -> None:
    """Section 8 of "Cryptography in NaCl": the shared secret and the first key made of it."""
    secret = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    key = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
    assert way(secret) == key


@both_ways
@pytest.mark.parametrize("case", cases("crypto.json", "cb_padded", "cb_nopad"))
def test_agrees_with_the_agreement_of_nacl(case: Case, way: Way) -> None:
    agreed = BoxKey.agree(x25519_private(case["alice"]), x25519_public(case["bob"]))
    assert way(bytes.fromhex(case["shared_dh"])) == agreed.subkey


@both_ways
@pytest.mark.parametrize("case", cases("crypto.json", "sb_padded", "sb_nopad"))
def test_makes_the_key_of_recorded_boxes(case: Case, way: Way) -> None:
    box = BoxKey(way(bytes.fromhex(case["key"])))
    nonce, message = bytes.fromhex(case["nonce"]), bytes.fromhex(case["message"])
    length = case.get("padded_length")
    if length is None:
        assert matches(box.seal(nonce, message), case["ciphertext"])
    else:
        assert matches(box.seal_padded(nonce, message, length), case["ciphertext"])


@given(st.binary(min_size=32, max_size=32))
def test_both_ways_are_one(key: bytes) -> None:
    assert hsalsa20_in_python(key) == hsalsa20_by_salsa20(key)


@both_ways
@pytest.mark.parametrize(
    "edge", [bytes(32), b"\xff" * 32, b"\x80" + bytes(31), bytes(31) + b"\x80"]
)
def test_edges(way: Way, edge: bytes) -> None:
    assert len(way(edge)) == 32
    assert way(edge) == hsalsa20_in_python(edge)


def test_the_library_is_taken_when_it_is_there() -> None:
    assert hsalsa20 is hsalsa20_by_salsa20


def test_without_the_library_python_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "Cryptodome.Cipher", None)
    assert module.__spec__ is not None
    spec = importlib.util.spec_from_file_location("hsalsa20_alone", module.__spec__.origin)
    assert spec is not None
    assert spec.loader is not None
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)

    assert alone.hsalsa20 is alone.hsalsa20_in_python
    assert "hsalsa20_by_salsa20" not in alone.__all__
    assert alone.hsalsa20(bytes(range(32))) == hsalsa20(bytes(range(32)))


@both_ways
@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_keys_of_other_sizes_are_refused(way: Way, size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        way(bytes(size))
