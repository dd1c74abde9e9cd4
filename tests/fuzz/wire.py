"""Targets: blocks, transmissions, commands, messages, addresses, and the bodies of messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

from simplex_trio.crypto.block_keys import KeyChain
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.errors import CryptoError, DecodeError
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth
from simplex_trio.wire.blocks import EncryptedBlocks, PaddedBlocks
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.ntf import commands as ntf_commands
from simplex_trio.wire.ntf import messages as ntf_messages
from simplex_trio.wire.ntf.handshake import NTF_BLOCK_SIZE, ntf_session
from simplex_trio.wire.ntf.push import decode_push_messages
from simplex_trio.wire.ntf.tokens import DeviceToken
from simplex_trio.wire.queue_uris import QueueURI, VersionedQueue
from simplex_trio.wire.reading import read_commands, read_messages
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp import commands as smp_commands
from simplex_trio.wire.smp import messages as smp_messages
from simplex_trio.wire.smp.bodies import NotificationMeta, decode_delivered
from simplex_trio.wire.smp.envelopes import ClientEnvelope, ClientMessage
from simplex_trio.wire.smp.forwarding import FwdResponse, FwdTransmission
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE, smp_session
from simplex_trio.wire.versions import NTF_VERSIONS, SMP_VERSIONS
from tests.fuzz.target import Target, hexes, texts, versioned, versioned_hexes

__all__ = ["TARGETS"]

ADDRESSES = ("addresses.json",)
COMMANDS = ("smp_commands.json", "smp_v19_v20.json")
NTF = ("ntf_commands.json",)
TRANSMISSIONS = ("smp_transmissions.json", "smp_v19_v20.json")


def open_padded(data: bytes) -> None:
    for size in (NTF_BLOCK_SIZE, SMP_BLOCK_SIZE):
        PaddedBlocks(size).open(data)


def encrypted_blocks() -> EncryptedBlocks:
    chain_key = bytes(32)
    return EncryptedBlocks(
        SMP_BLOCK_SIZE, sending=KeyChain(chain_key), receiving=KeyChain(chain_key)
    )


def open_encrypted(data: bytes) -> None:
    """A block of any bytes, and then one with whatever was in it."""
    content = encrypted_blocks().open(data)
    assert encrypted_blocks().open(encrypted_blocks().seal(content)) == content


def sealed_blocks() -> Iterator[bytes]:
    for content in hexes(TRANSMISSIONS, "content", "client_parse"):
        yield encrypted_blocks().seal(content)


def forwarded() -> Iterator[bytes]:
    key = X25519PrivateKey(bytes(range(32))).public
    for sealed in hexes(TRANSMISSIONS, "relay_block_content", "proxied"):
        yield FwdTransmission(bytes(24), 18, key, sealed).encode()


def read(data: bytes, session: SessionParameters, commands: Any, messages: Any) -> None:
    """The content of a block as both sides take it apart: never nothing, and never an error."""
    assert read_commands(data, session, commands.decode_command)
    assert read_messages(data, session, messages.decode_message)


def read_smp(data: bytes, version: int) -> None:
    read(data, smp_session(version, b"session"), smp_commands, smp_messages)


def read_ntf(data: bytes, version: int) -> None:
    read(data, ntf_session(version, b"session"), ntf_commands, ntf_messages)


def contents() -> Iterator[bytes]:
    for content in chain(
        hexes(TRANSMISSIONS, "content", "verify", "server_parse", "client_parse"),
        hexes(TRANSMISSIONS, "batch_of_one", "authorize"),
    ):
        for version in (6, 7, 16, 20):
            yield bytes([version - SMP_VERSIONS.lowest]) + content


def whole(decode: Callable[[Reader], object]) -> Callable[[bytes], object]:
    """A decoder of a part of something, fed from its own reader."""
    return lambda data: decode(Reader(data))


def text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    """A parser of text, which has come in as bytes of any kind."""
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


def parse_server(data: str) -> None:
    ServerAddressWithAuth.parse(data)
    ServerAddress.parse(data)


SMP = (SMP_VERSIONS.lowest, SMP_VERSIONS.highest)
NTF_RANGE = (NTF_VERSIONS.lowest, NTF_VERSIONS.highest)

TARGETS = (
    Target("padded-block", open_padded, partial(hexes, ("crypto.json",), "padded", "unpad")),
    Target(
        "encrypted-block",
        open_encrypted,
        sealed_blocks,
        (DecodeError, CryptoError),
    ),
    Target("smp-transmissions", versioned(read_smp, *SMP), contents, ()),
    Target("ntf-transmissions", versioned(read_ntf, *NTF_RANGE), contents, ()),
    Target(
        "smp-command",
        versioned(smp_commands.decode_command, *SMP),
        partial(versioned_hexes, SMP[0], COMMANDS, "command", "bad_command"),
    ),
    Target(
        "smp-message",
        versioned(smp_messages.decode_message, *SMP),
        partial(versioned_hexes, SMP[0], COMMANDS, "message", "bad_message"),
    ),
    Target(
        "ntf-command",
        versioned(ntf_commands.decode_command, *NTF_RANGE),
        partial(versioned_hexes, NTF_RANGE[0], NTF, "command", "bad_command"),
    ),
    Target(
        "ntf-message",
        versioned(ntf_messages.decode_message, *NTF_RANGE),
        partial(versioned_hexes, NTF_RANGE[0], NTF, "response", "bad_response"),
    ),
    Target(
        "server-address",
        text(parse_server),
        partial(texts, ADDRESSES, "text", "server", "parse_server"),
    ),
    Target(
        "binary-server-address",
        whole(ServerAddress.decode),
        partial(hexes, ADDRESSES, "hex", "decode_server_binary"),
    ),
    Target(
        "old-binary-server-address",
        whole(ServerAddress.decode_legacy),
        partial(hexes, ADDRESSES, "legacy_encoded", "server"),
    ),
    Target(
        "queue-uri",
        text(QueueURI.parse),
        partial(texts, ADDRESSES, "text", "queue_uri", "parse_queue_uri"),
    ),
    Target(
        "binary-queue-uri",
        whole(QueueURI.decode),
        partial(hexes, ADDRESSES, "smp_encoded", "queue_uri"),
    ),
    Target(
        "versioned-queue",
        whole(VersionedQueue.decode),
        partial(hexes, ADDRESSES, "smp_encoded", "queue_info"),
    ),
    Target(
        "delivered-body",
        decode_delivered,
        partial(hexes, COMMANDS, "encoded", "rcv_msg_body", "rcv_msg_body_decode"),
    ),
    Target(
        "notification",
        NotificationMeta.decode,
        partial(hexes, COMMANDS, "encoded", "nmsg_meta"),
    ),
    Target(
        "client-envelope",
        ClientEnvelope.decode,
        partial(hexes, COMMANDS, "encoded", "client_msg_envelope"),
    ),
    Target(
        "client-message",
        ClientMessage.decode,
        partial(hexes, COMMANDS, "encoded", "client_message"),
    ),
    Target(
        "forwarded",
        FwdTransmission.decode,
        forwarded,
    ),
    Target(
        "forwarded-answer",
        FwdResponse.decode,
        partial(hexes, TRANSMISSIONS, "response_content", "proxied"),
    ),
    Target(
        "device-token",
        whole(DeviceToken.decode),
        partial(hexes, NTF, "smp_encoded", "device_token"),
    ),
    Target("push", decode_push_messages, partial(texts, NTF, "text", "push_messages")),
)
