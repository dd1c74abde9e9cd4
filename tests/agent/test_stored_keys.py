"""Keys at rest."""

from __future__ import annotations

import pytest

from simplex_trio.agent.stored_keys import load_keys, store_keys
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    Ed448PrivateKey,
    Ed25519PrivateKey,
    X448PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.errors import EncodeError

KINDS = [Ed25519PrivateKey, X25519PrivateKey, Ed448PrivateKey]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("delivery_key", [None, BoxKey(bytes(range(32)))])
def test_what_is_stored_comes_back(kind: type[AuthPrivateKey], delivery_key: BoxKey | None) -> None:
    key = kind.generate()
    assert load_keys(store_keys(key, delivery_key)) == (key, delivery_key)


def test_different_keys_are_stored_differently() -> None:
    raw = bytes(32)
    stored = {store_keys(Ed25519PrivateKey(raw)), store_keys(X25519PrivateKey(raw))}
    stored.add(store_keys(X25519PrivateKey(raw), BoxKey(raw)))
    assert len(stored) == 3


@pytest.mark.parametrize("wrong", [X448PrivateKey.generate(), b"key", None])
def test_a_key_of_another_kind_is_refused(wrong: AuthPrivateKey) -> None:
    with pytest.raises(EncodeError):
        store_keys(wrong)
