"""Compare what a handshake ended in with what a vector says."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from simplex_trio.crypto.block_keys import KeyChain
from simplex_trio.wire.blocks import PaddedBlocks
from simplex_trio.wire.handshake import ClientAgreement, RouterAgreement


def check_blocks(sent: list[Any], expected: list[dict[str, Any]], block_size: int) -> None:
    """The contents that a side sent, and the blocks they become."""
    assert [content.hex() for content in sent] == [block["content"] for block in expected]
    for content, block in zip(sent, expected, strict=True):
        sealed = PaddedBlocks(block_size).seal(content)
        assert len(sealed) == block["block_len"]
        assert sha256(sealed).hexdigest() == block["block_sha256"]


def check_agreement(
    agreement: ClientAgreement | RouterAgreement | None, expected: dict[str, Any]
) -> None:
    """All that a vector tells about one side's outcome."""
    assert agreement is not None
    session = agreement.session
    assert session.version == expected["version"]
    assert session.session_id.hex() == expected["session_id"]
    assert session.batches == expected["batch"]
    assert session.has_service_signatures == expected["service_auth"]
    assert session.implies_session_id == expected["session_id_implied"]
    assert [agreement.versions.lowest, agreement.versions.highest] == expected["agreed_range"]
    _check_chains(agreement, expected["block_encryption"])
    auth = expected["auth"]
    if isinstance(agreement, RouterAgreement):
        assert _hex(agreement.shared_secret) == auth["session_dh"]
        _check_peer_service(agreement, auth["peer_service"])
        return
    if auth is None:
        assert agreement.router_key is None
        return
    assert agreement.router_key is not None
    assert agreement.router_key.raw.hex() == auth["peer_public_raw"]
    assert _hex(agreement.shared_secret) == auth["session_dh"]
    service = agreement.service
    assert (service.id.hex() if service else None) == auth["service_id"]


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _check_chains(
    agreement: ClientAgreement | RouterAgreement, expected: dict[str, str] | None
) -> None:
    if expected is None:
        assert agreement.chains is None
        return
    assert agreement.chains is not None
    for ours, recorded in (
        (agreement.chains.sending, expected["send_chain_key"]),
        (agreement.chains.receiving, expected["receive_chain_key"]),
    ):
        assert ours.next() == KeyChain(bytes.fromhex(recorded)).next()


def _check_peer_service(agreement: RouterAgreement, expected: dict[str, str] | None) -> None:
    service = agreement.service
    if expected is None:
        assert service is None
        return
    assert service is not None
    assert service.id.hex() == expected["service_id"]
    assert service.certificate_hash.hex() == expected["cert_hash"]
    assert service.session_key.der.hex() == expected["key_der"]
    assert service.role.name == expected["role"].removeprefix("SR").upper()
