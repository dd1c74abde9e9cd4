from __future__ import annotations

from typing import Any

import pytest

from simplex_trio.crypto.block_keys import KeyChain, agree_chains
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.hkdf import hkdf_sha512
from simplex_trio.crypto.keys import X25519PublicKey
from simplex_trio.errors import DecryptionFailed, TooLarge
from tests.crypto.support import x25519_private, x25519_public
from tests.vectors import Case, cases, filler, matches

BLOCK_SIZE = 16384


@pytest.mark.parametrize("case", cases("crypto.json", "hkdf"))
def test_hkdf(case: Case) -> None:
    salt, ikm, info = (bytes.fromhex(case[name]) for name in ("salt", "ikm", "info"))
    assert hkdf_sha512(salt, ikm, info, case["length"]).hex() == case["output"]


@pytest.mark.parametrize("case", cases("crypto.json", "sbc_chain"))
def test_chains(case: Case) -> None:
    client, router = case["client_session_key"], case["server_session_key"]
    secret = x25519_private(client).exchange(x25519_public(router))
    assert secret.hex() == case["shared_dh"]
    assert x25519_private(router).exchange(x25519_public(client)) == secret

    chains = agree_chains(bytes.fromhex(case["session_id"]), secret)
    for number, chain in enumerate(chains, 1):
        assert chain.chain_key.hex() == case[f"chain_key_{number}"]
        for step in case[f"chain_{number}_steps"]:
            key, nonce = chain.next()
            assert key == BoxKey.from_secret(bytes.fromhex(step["key"]))
            assert nonce.hex() == step["nonce"]
            assert chain.chain_key.hex() == step["next_chain_key"]


@pytest.mark.parametrize("case", cases("crypto.json", "block"))
def test_blocks(case: Case) -> None:
    content = filler(case["content_filler_start"], case["content_len"])
    secret, session_id = bytes.fromhex(case["shared_dh"]), bytes.fromhex(case["session_id"])
    sending, _ = agree_chains(session_id, secret)
    receiving, _ = agree_chains(session_id, secret)
    for name in ("block_1", "block_2"):
        key, nonce = sending.next()
        block = key.seal_padded(nonce, content, BLOCK_SIZE - 16)
        assert matches(block, case[name])
        key, nonce = receiving.next()
        assert key.open_padded(nonce, block) == content


@pytest.mark.parametrize("case", cases("crypto.json", "block_too_long"))
def test_block_that_is_too_long(case: Case) -> None:
    key, nonce = KeyChain(bytes(32)).next()
    with pytest.raises(TooLarge):
        key.seal_padded(nonce, bytes(case["content_len"]), BLOCK_SIZE - 16)


def _encrypted_handshakes() -> list[Any]:
    return [
        parameter
        for file in ("smp_handshake.json", "smp_v19_v20.json")
        for parameter in cases(file, "handshake")
        if (parameter.values[0]["client_result"] or {}).get("block_encryption")
    ]


@pytest.mark.parametrize("case", _encrypted_handshakes())
def test_chains_of_handshakes(case: Case) -> None:
    agreed = case["client_result"]["block_encryption"]
    secret = x25519_private(case["client_session_key"]).exchange(
        x25519_public(case["server_session_key"])
    )
    receiving, sending = agree_chains(bytes.fromhex(case["session_id"]), secret)
    assert receiving.chain_key.hex() == agreed["receive_chain_key"]
    assert sending.chain_key.hex() == agreed["send_chain_key"]


@pytest.mark.parametrize("case", [*cases("live_smp.json"), *cases("live_smp_v20.json")])
def test_chains_of_live_connections(case: Case) -> None:
    for connection in case["connections"]:
        agreed = connection.get("initial_chain_keys")
        if agreed is None:  # an older version, or a handshake that failed
            continue
        secret = x25519_private(connection["client_session_key"]).exchange(
            X25519PublicKey(bytes.fromhex(connection["server_session_public_raw"]))
        )
        assert secret.hex() == connection["session_dh"]
        receiving, sending = agree_chains(bytes.fromhex(connection["session_id"]), secret)
        assert receiving.chain_key.hex() == agreed["receive_chain_key"]
        assert sending.chain_key.hex() == agreed["send_chain_key"]


def test_a_chain_goes_its_own_way() -> None:
    one, other = agree_chains(b"session", bytes(32))
    first, second = one.next(), one.next()
    assert first != second
    assert first != other.next()
    sealed = first[0].seal(first[1], b"content")
    with pytest.raises(DecryptionFailed):
        second[0].open(second[1], sealed)
    assert repr(one) == "KeyChain(chain_key=<32 bytes>)"
