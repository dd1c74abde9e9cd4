from __future__ import annotations

from hashlib import md5, sha3_256, sha512

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.certificates import fingerprint
from simplex_trio.crypto.hashes import IDS_HASH_SIZE, ServiceSubs, ids_hash, sender_id, xor
from simplex_trio.errors import DecodeError
from tests.vectors import Case, cases

entity_ids = st.lists(st.binary(max_size=24), unique=True, max_size=20)


@pytest.mark.parametrize("case", cases("crypto.json", "sha3_384_sender_id"))
def test_sender_id(case: Case) -> None:
    assert sender_id(bytes.fromhex(case["corr_id"])).hex() == case["sender_id"]


@pytest.mark.parametrize("case", cases("crypto.json", "digest"))
def test_digests(case: Case) -> None:
    data = bytes.fromhex(case["input"])
    assert fingerprint(data).hex() == case["sha256"]
    assert sender_id(data).hex() == case["sha3_384"][:48]
    assert sha3_256(data).hexdigest() == case["sha3_256"]
    assert sha512(data).hexdigest() == case["sha512"]


@pytest.mark.parametrize(
    "case", [*cases("crypto.json", "ids_hash"), *cases("smp_v19_v20.json", "ids_hash")]
)
def test_ids_hash(case: Case) -> None:
    assert ids_hash(map(bytes.fromhex, case["ids"])).hex() == case["ids_hash"]


def _subs(value: Case) -> ServiceSubs:
    return ServiceSubs(int(value["count"]), bytes.fromhex(value["ids_hash"]))


@pytest.mark.parametrize("case", cases("smp_v19_v20.json", "service_subs"))
def test_service_subs(case: Case) -> None:
    a, b = _subs(case["a"]), _subs(case["b"])
    assert a + b == _subs(case["a_plus_b"])
    assert a - b == _subs(case["a_minus_b"])


@given(entity_ids, entity_ids)
def test_sets_without_a_common_id_add_up(first: list[bytes], second: list[bytes]) -> None:
    second = [entity_id for entity_id in second if entity_id not in first]
    both = ServiceSubs.of(first) + ServiceSubs.of(second)
    assert both == ServiceSubs.of(first + second)
    assert both - ServiceSubs.of(second) == ServiceSubs.of(first)


@given(entity_ids)
def test_the_order_of_ids_does_not_matter(ids: list[bytes]) -> None:
    assert ids_hash(ids) == ids_hash(sorted(ids)) == ids_hash(reversed(ids))


def test_one_id_is_its_digest() -> None:
    assert ids_hash([b"id"]) == md5(b"id", usedforsecurity=False).digest()
    assert ids_hash([]) == bytes(IDS_HASH_SIZE)


@given(st.binary(max_size=40))
def test_xor(data: bytes) -> None:
    assert xor(data, data) == bytes(len(data))
    assert xor(data, bytes(len(data))) == data


def test_xor_of_different_lengths() -> None:
    with pytest.raises(ValueError, match="same length"):
        xor(b"ab", b"abc")


@pytest.mark.parametrize("size", [0, 15, 17])
def test_hashes_of_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(DecodeError):
        ServiceSubs(1, bytes(size))


def test_the_hash_is_not_shown() -> None:
    assert repr(ServiceSubs.of([b"id"])) == "ServiceSubs(count=1, ids_hash=<16 bytes>)"
