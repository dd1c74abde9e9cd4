"""The first state of each side, made from the secrets of X3DH."""

from __future__ import annotations

from simplex_trio.errors import CryptoError
from simplex_trio.ratchet.errors import MalformedMessage, VersionNotSpoken
from simplex_trio.ratchet.kdf import root_step
from simplex_trio.ratchet.kem import KEM
from simplex_trio.ratchet.state import (
    RATCHET_VERSIONS,
    DHKeyPair,
    OwnKEM,
    Ratchet,
    SendingChain,
)
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys, agree_as_initiator, agree_as_joiner
from simplex_trio.wire.duplex.x3dh_keys import RatchetVersion, X3DHKeys

__all__ = ["initiator_ratchet", "joiner_ratchet"]


def joiner_ratchet(
    own: X3DHPrivateKeys,
    peer: X3DHKeys,
    dh: DHKeyPair,
    *,
    max_version: int = RATCHET_VERSIONS.highest,
) -> Ratchet:
    """The ratchet of the side that answers, which can send at once.

    ``dh`` is a fresh pair, ``max_version`` the highest version that this side speaks.  Its KEM is
    enabled if it has a key pair of it and both sides speak version 3.  Raises `VersionNotSpoken`
    if ``peer`` is in another version than this side speaks, and `KEMMismatch` and
    `MalformedMessage` as `agree_as_joiner` does.
    """
    _check_version(peer, max_version)
    secrets = agree_as_joiner(own, peer)
    try:
        agreed = dh.private.exchange(peer.second)
    except CryptoError as exc:
        raise MalformedMessage("the other side's key is degenerate") from exc
    kem_secret = None if secrets.accepted is None else secrets.accepted.shared_secret
    root_key, chain_key, next_header_key = root_step(secrets.root_key, agreed, kem_secret)
    kem = None
    if own.kem is not None and peer.version >= RatchetVersion.KEM:
        kem = OwnKEM(own.kem, secrets.accepted)
    return Ratchet(
        version=peer.version,
        max_version=max_version,
        associated_data=secrets.associated_data,
        dh=dh,
        kem=kem,
        kem_supported=kem is not None,
        kem_enabled=kem is not None,
        kem_sending=secrets.accepted is not None,
        kem_receiving=False,
        root_key=root_key,
        next_sending_header_key=next_header_key,
        next_receiving_header_key=secrets.next_header_key,
        previous_count=0,
        sending=SendingChain(peer.second, chain_key, secrets.header_key, 0),
        receiving=None,
    )


def initiator_ratchet(
    own: X3DHPrivateKeys,
    peer: X3DHKeys,
    kem: KEM | None,
    *,
    kem_supported: bool,
    max_version: int = RATCHET_VERSIONS.highest,
) -> Ratchet:
    """The ratchet of the side that made the invitation, which receives before it sends.

    ``kem_supported`` says whether this side wants the KEM in this conversation, and ``kem`` may be
    `None` below version 3; ``max_version`` is the highest version that this side speaks.  Raises
    `VersionNotSpoken` if ``peer`` is in another version than that, and `KEMMismatch` and
    `MalformedMessage` as `agree_as_initiator` does.
    """
    _check_version(peer, max_version)
    secrets = agree_as_initiator(own, peer, kem)
    own_kem = None
    if own.kem is not None and secrets.accepted is not None:
        own_kem = OwnKEM(own.kem, secrets.accepted)
    return Ratchet(
        version=peer.version,
        max_version=max_version,
        associated_data=secrets.associated_data,
        dh=own.second,
        kem=own_kem,
        kem_supported=kem_supported,
        kem_enabled=kem_supported,
        kem_sending=False,
        kem_receiving=False,
        root_key=secrets.root_key,
        next_sending_header_key=secrets.next_header_key,
        next_receiving_header_key=secrets.header_key,
        previous_count=0,
        sending=None,
        receiving=None,
    )


def _check_version(peer: X3DHKeys, max_version: int) -> None:
    if not RATCHET_VERSIONS.lowest <= peer.version <= max_version:
        raise VersionNotSpoken("the other side's keys are in a version that is not spoken here")
