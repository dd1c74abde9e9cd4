"""Rows of the wire layer: what commands and blocks cost beside the cryptography inside them.

The bare cost is that of calling the libraries with inputs of the same sizes, and nothing else: a
signature or an authenticator for each command, and for each block a step of its key chain and one
box.
"""

from __future__ import annotations

from hashlib import sha512

from attrs import frozen
from nacl import bindings as sodium

from simplex_trio.crypto.block_keys import agree_chains
from simplex_trio.crypto.box import NONCE_SIZE, TAG_SIZE, BoxKey
from simplex_trio.crypto.hkdf import hkdf_sha512
from simplex_trio.crypto.hsalsa20 import ZERO_NONCE, hsalsa20
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    AuthPublicKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.wire.authorization import Authorizer, Verifier
from simplex_trio.wire.blocks import EncryptedBlocks
from simplex_trio.wire.reading import (
    ReceivedCommand,
    RefusedTransmission,
    read_commands,
    read_messages,
)
from simplex_trio.wire.smp.bodies import ReceivedBody, open_delivered, seal_delivered
from simplex_trio.wire.smp.commands import SEND, Command, decode_command
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE, smp_session
from simplex_trio.wire.smp.messages import MSG, OK, Message, decode_message
from simplex_trio.wire.transmissions import batches, prepare_transmission
from simplex_trio.wire.versions import SMP_VERSIONS
from tests.bench.bare import compare
from tests.bench.figures import Figures
from tests.bench.rows import Conditions, Rows

__all__ = ["ROWS"]

ROWS = Rows("wire", "wire layer")

_SMALL, _LARGE = bytes(100), bytes(15_900)

_SESSION = smp_session(SMP_VERSIONS.highest, bytes(range(32)))
_SECRET = bytes(range(32))
_ENTITY = bytes(range(24))
_FLAGS = MessageFlags(notification=False)

# What an authorization covers beside the command: session, correlation and entity id, each with
# the byte of its length.
_COVERED = 33 + 25 + 25


def _ids(count: int) -> list[bytes]:
    return [number.to_bytes(NONCE_SIZE, "big") for number in range(1, count + 1)]


def _blocks() -> EncryptedBlocks:
    """Blocks as one direction has them, sealed and opened with the same chain."""
    sending, _ = agree_chains(_SESSION.session_id, _SECRET)
    receiving, _ = agree_chains(_SESSION.session_id, _SECRET)
    return EncryptedBlocks(SMP_BLOCK_SIZE, sending=sending, receiving=receiving)


def _sealed(transmissions: list[bytes]) -> list[bytes]:
    blocks = _blocks()
    return [blocks.seal(batch.content()) for batch in batches(transmissions, _SESSION)]


# --- the bare calls -----------------------------------------------------------------------------


def _block_key() -> tuple[bytes, bytes]:
    derived = hkdf_sha512(b"", _SECRET, b"SimpleXSbChain", 88)
    return hsalsa20(derived[32:64], ZERO_NONCE), derived[64:]


def _bare_seal(count: int) -> None:
    padded = bytes(SMP_BLOCK_SIZE - TAG_SIZE)
    for _ in range(count):
        key, nonce = _block_key()
        sodium.crypto_box_afternm(padded, nonce, key)


_BLOCK_KEY, _BLOCK_NONCE = _block_key()
_BLOCK = sodium.crypto_box_afternm(bytes(SMP_BLOCK_SIZE - TAG_SIZE), _BLOCK_NONCE, _BLOCK_KEY)

_PUBLIC_KEY, _SIGNING_KEY = sodium.crypto_sign_seed_keypair(_SECRET)


def _bare_open(count: int) -> None:
    for _ in range(count):
        key, nonce = _block_key()
        sodium.crypto_box_open_afternm(_BLOCK, nonce, key)


def _bare_authenticators(covered: bytes, nonces: list[bytes]) -> None:
    for nonce in nonces:
        sodium.crypto_box_afternm(sha512(covered).digest(), nonce, _SECRET)


def _bare_signatures(covered: bytes, count: int) -> None:
    for _ in range(count):
        sodium.crypto_sign(covered, _SIGNING_KEY)


def _bare_verifications(signed: bytes, count: int) -> None:
    for _ in range(count):
        sodium.crypto_sign_open(signed, _PUBLIC_KEY)


# --- commands on their way out ------------------------------------------------------------------


@frozen
class _Sending:
    """A client that sends the same body under many correlation ids."""

    key: AuthPrivateKey
    body: bytes
    correlation_ids: list[bytes]
    authorizer: Authorizer

    @classmethod
    def of(cls, key: AuthPrivateKey, body: bytes, count: int) -> _Sending:
        router_key = X25519PrivateKey(_SECRET).public
        return cls(key, body, _ids(count), Authorizer(router_key))

    def transmissions(self) -> list[bytes]:
        return [self._transmission(correlation_id) for correlation_id in self.correlation_ids]

    def _transmission(self, correlation_id: bytes) -> bytes:
        command = SEND(_FLAGS, self.body).encode(_SESSION.version)
        unsent = prepare_transmission(_SESSION, correlation_id, _ENTITY, command)
        return self.authorizer.finish(unsent, self.key, correlation_id)

    def blocks(self) -> list[bytes]:
        return _sealed(self.transmissions())

    def bare(self, blocks: int) -> None:
        covered = bytes(_COVERED) + SEND(_FLAGS, self.body).encode(_SESSION.version)
        if isinstance(self.key, X25519PrivateKey):
            _bare_authenticators(covered, self.correlation_ids)
        else:
            _bare_signatures(covered, len(self.correlation_ids))
        _bare_seal(blocks)


def _seal(conditions: Conditions, key: AuthPrivateKey, body: bytes, count: int) -> Figures:
    sending = _Sending.of(key, body, conditions.times(count))
    blocks = len(sending.blocks())
    return compare(len(sending.correlation_ids), sending.blocks, lambda: sending.bare(blocks))


@ROWS.row()
def seal_x25519(conditions: Conditions) -> Figures:
    """SEND of 100 bytes encoded, authenticated (X25519), batched, encrypted: commands."""
    return _seal(conditions, X25519PrivateKey(_SECRET), _SMALL, 5000)


@ROWS.row()
def seal_ed25519(conditions: Conditions) -> Figures:
    """SEND of 100 bytes encoded, signed (Ed25519), batched, encrypted: commands."""
    return _seal(conditions, Ed25519PrivateKey(_SECRET), _SMALL, 5000)


@ROWS.row()
def seal_large(conditions: Conditions) -> Figures:
    """SEND of 15,900 bytes, which fills a block, authenticated (X25519): commands."""
    return _seal(conditions, X25519PrivateKey(_SECRET), _LARGE, 1000)


# --- commands on their way in -------------------------------------------------------------------


def _read(conditions: Conditions, key: AuthPrivateKey) -> Figures:
    sending = _Sending.of(key, _SMALL, conditions.times(5000))
    received = sending.blocks()
    count = len(sending.correlation_ids)
    covered = bytes(_COVERED) + SEND(_FLAGS, _SMALL).encode(_SESSION.version)
    signed = sodium.crypto_sign(covered, _SIGNING_KEY)
    keys = [key.public]

    def whole() -> None:
        blocks, verifier = _blocks(), Verifier(X25519PrivateKey(_SECRET))
        for block in received:
            for command in read_commands(blocks.open(block), _SESSION, decode_command):
                _check(command, verifier, keys)

    def bare() -> None:
        _bare_open(len(received))
        if isinstance(key, X25519PrivateKey):
            _bare_authenticators(covered, sending.correlation_ids)
        else:
            _bare_verifications(signed, count)

    return compare(count, whole, bare)


def _check(
    received: ReceivedCommand[Command] | RefusedTransmission,
    verifier: Verifier,
    keys: list[AuthPublicKey],
) -> None:
    assert isinstance(received, ReceivedCommand)
    assert verifier.accepts(received.transmission, keys)


@ROWS.row()
def read_x25519(conditions: Conditions) -> Figures:
    """SEND of 100 bytes decrypted, split, decoded, its authenticator checked: commands."""
    return _read(conditions, X25519PrivateKey(_SECRET))


@ROWS.row()
def read_ed25519(conditions: Conditions) -> Figures:
    """The same with a signature (Ed25519) to check: commands."""
    return _read(conditions, Ed25519PrivateKey(_SECRET))


# --- answers and messages on their way in -------------------------------------------------------


def _transmissions(messages: list[Message]) -> list[bytes]:
    ids = _ids(len(messages))
    return [
        prepare_transmission(
            _SESSION, correlation_id, _ENTITY, message.encode(_SESSION.version)
        ).finish()
        for correlation_id, message in zip(ids, messages, strict=True)
    ]


@ROWS.row()
def open_message(conditions: Conditions) -> Figures:
    """MSG, which fills a block, decrypted, split and decoded: blocks."""
    sealed = bytes(16_122)
    count = conditions.times(1000)
    received = _sealed(_transmissions([MSG(_ENTITY, sealed)] * count))

    def whole() -> None:
        blocks = _blocks()
        for block in received:
            read_messages(blocks.open(block), _SESSION, decode_message)

    return compare(count, whole, lambda: _bare_open(count))


@ROWS.row()
def open_delivered_message(conditions: Conditions) -> Figures:
    """The same, and the message itself opened for the recipient: blocks."""
    key = BoxKey(_SECRET)
    sealed = seal_delivered(key, _ENTITY, ReceivedBody(0, _FLAGS, _LARGE))
    count = conditions.times(1000)
    received = _sealed(_transmissions([MSG(_ENTITY, sealed)] * count))

    def whole() -> None:
        blocks = _blocks()
        for block in received:
            read_messages(blocks.open(block), _SESSION, decode_message)
            open_delivered(key, _ENTITY, sealed)

    def bare() -> None:
        _bare_open(count)
        for _ in range(count):
            sodium.crypto_box_open_afternm(sealed, _ENTITY, _SECRET)

    return compare(count, whole, bare)


@ROWS.row()
def open_answers(conditions: Conditions) -> Figures:
    """Full blocks of OK, some 240 in each, decrypted, split and decoded: blocks."""
    count = conditions.times(20)
    answers: list[Message] = [OK()] * (240 * count)
    received = _sealed(_transmissions(answers))

    def whole() -> None:
        blocks = _blocks()
        for block in received:
            read_messages(blocks.open(block), _SESSION, decode_message)

    return compare(len(received), whole, lambda: _bare_open(len(received)))
