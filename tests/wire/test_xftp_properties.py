"""XFTP's commands and answers: everything is read back, and bad bytes raise one thing."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.box import NONCE_SIZE
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey, X25519PublicKey
from simplex_trio.crypto.padding import pad
from simplex_trio.errors import DecodeError, EncodeError, UnsupportedVersion
from simplex_trio.wire.authorization import Authorizer, Verifier
from simplex_trio.wire.buffer import Reader, large, listed, short
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.transmissions import prepare_transmission
from simplex_trio.wire.xftp import commands, errors, messages
from simplex_trio.wire.xftp.blocks import (
    XFTP_BLOCK_SIZE,
    RefusedRequest,
    read_request,
    read_response,
    seal_transmission,
    xftp_session,
)
from simplex_trio.wire.xftp.commands import CommandDecodeError, decode_command
from simplex_trio.wire.xftp.errors import (
    Blocked,
    BlockingReason,
    Cmd,
    CommandErrorKind,
    XFTPCode,
    decode_xftp_error,
)
from simplex_trio.wire.xftp.file_header import FileHeader, split_header
from simplex_trio.wire.xftp.messages import MessageDecodeError, decode_message
from simplex_trio.wire.xftp.packet_sizes import PACKET_SIZES, packet_sizes, single_packet_size
from tests.wire.strategies import any_of, auth_keys, basic_auths, dh_keys, ids, mutated, texts

versions = st.integers(1, 3)
digests = st.binary(min_size=32, max_size=32)
packet_infos = st.builds(commands.PacketInfo, auth_keys, st.integers(0, 2**32 - 1), digests)
key_lists = st.lists(auth_keys, min_size=1, max_size=4).map(tuple)
id_lists = st.lists(ids, min_size=1, max_size=4).map(tuple)
nonces = st.binary(min_size=NONCE_SIZE, max_size=NONCE_SIZE)
error_values = st.one_of(
    st.sampled_from(XFTPCode),
    st.builds(Cmd, st.sampled_from(CommandErrorKind)),
    st.builds(Blocked, st.sampled_from(BlockingReason)),
)

any_command: st.SearchStrategy[commands.Command] = st.sampled_from(commands.COMMANDS).flatmap(
    lambda kind: any_of(
        kind,
        {
            commands.FNEW: (packet_infos, key_lists, st.none() | basic_auths),
            commands.FADD: (key_lists,),
            commands.FGET: (dh_keys,),
        },
    )
)
any_message: st.SearchStrategy[messages.Message] = st.sampled_from(messages.MESSAGES).flatmap(
    lambda kind: any_of(
        kind,
        {
            messages.SIDS: (ids, id_lists),
            messages.RIDS: (id_lists,),
            messages.FILE: (dh_keys, nonces),
            messages.ERR: (error_values,),
        },
    )
)

KEY = Ed25519PrivateKey(bytes(32))
ROUTER_KEY = X25519PrivateKey(bytes(range(32)))
SESSION = xftp_session(3, b"session".ljust(32))


@given(any_command, versions)
def test_commands_are_read_back(command: commands.Command, version: int) -> None:
    assert decode_command(command.encode(version), version) == command


@given(any_message)
def test_answers_are_read_back(message: messages.Message) -> None:
    assert decode_message(message.encode(3), 3) == message


@given(any_command.flatmap(lambda command: mutated(command.encode(3))) | st.binary(max_size=80))
def test_bad_commands_raise_one_thing(data: bytes) -> None:
    with suppress(CommandDecodeError):
        decode_command(data, 3)


@given(any_message.flatmap(lambda message: mutated(message.encode(3))) | st.binary(max_size=80))
def test_bad_answers_raise_one_thing(data: bytes) -> None:
    with suppress(MessageDecodeError):
        decode_message(data, 3)


def test_a_blocked_packet_is_like_none_before_version_3() -> None:
    blocked = messages.ERR(Blocked(BlockingReason.SPAM))
    assert blocked.encode(2) == blocked.encode(1) == b"ERR AUTH"
    assert decode_message(blocked.encode(3), 3) == blocked
    with pytest.raises(UnsupportedVersion):
        blocked.check_version(2)


def test_a_nonce_of_another_length_is_not_written() -> None:
    with pytest.raises(EncodeError):
        messages.FILE(X25519PublicKey(bytes(32)), b"short").encode(3)


def test_text_of_errors() -> None:
    assert str(XFTPCode.NO_FILE) == "NO_FILE"
    assert errors.XFTPCode("DUPLICATE_") is XFTPCode.DUPLICATE
    with pytest.raises(DecodeError):
        decode_xftp_error(Reader(b"STORE disk"))


def test_nothing_is_shown() -> None:
    shown = repr(commands.FNEW(commands.PacketInfo(KEY.public, 65536, bytes(32)), (KEY.public,)))
    assert shown == "FNEW(info=PacketInfo(sender_key=Ed25519PublicKey(raw=<32 bytes>), " + (
        "size=65536, digest=<32 bytes>), recipient_keys=<1 items>, basic_auth=None)"
    )


# --- blocks -------------------------------------------------------------------------------------


def sealed(command: commands.Command, entity_id: bytes = b"", *, signed: bool = True) -> bytes:
    unsent = prepare_transmission(SESSION, bytes(24), entity_id, command.encode(3))
    key = KEY if signed else None
    return seal_transmission(Authorizer(None).finish(unsent, key, bytes(24)), SESSION)


def test_the_session_id_is_sent() -> None:
    block = sealed(commands.PING(), signed=False)
    assert len(block) == XFTP_BLOCK_SIZE
    assert short(SESSION.session_id) in block
    received = read_request(block, SESSION)
    assert isinstance(received, ReceivedCommand)
    assert received.command == commands.PING()


def test_a_request_of_another_session() -> None:
    other = xftp_session(3, b"another".ljust(32))
    refused = read_request(sealed(commands.PING(), signed=False), other)
    assert refused == RefusedRequest(bytes(24), b"", XFTPCode.SESSION)


@pytest.mark.parametrize(
    ("command", "entity_id", "signed", "kind"),
    [
        (commands.PING(), b"id", False, CommandErrorKind.HAS_AUTH),
        (commands.PING(), b"", True, CommandErrorKind.HAS_AUTH),
        (commands.FPUT(), b"", True, CommandErrorKind.NO_AUTH),
        (commands.FPUT(), b"id", False, CommandErrorKind.NO_AUTH),
        (commands.FADD((KEY.public,)), b"id", False, CommandErrorKind.NO_AUTH),
    ],
)
def test_what_commands_come_with(
    command: commands.Command, entity_id: bytes, signed: bool, kind: CommandErrorKind
) -> None:
    refused = read_request(sealed(command, entity_id, signed=signed), SESSION)
    assert refused == RefusedRequest(bytes(24), entity_id, Cmd(kind))


@pytest.mark.parametrize(
    "block",
    [
        b"",
        bytes(XFTP_BLOCK_SIZE - 1),
        b"\xff" * XFTP_BLOCK_SIZE,
        pad(b"", XFTP_BLOCK_SIZE),
        pad(listed([]), XFTP_BLOCK_SIZE),
        pad(listed([large(b"\0\0\0\0PING")] * 2), XFTP_BLOCK_SIZE),
    ],
    ids=["nothing", "too short", "bad padding", "empty", "none", "two"],
)
def test_blocks_that_are_no_request(block: bytes) -> None:
    assert read_request(block, SESSION) == RefusedRequest(b"", b"", XFTPCode.BLOCK)
    with pytest.raises(DecodeError):
        read_response(block, SESSION)


@given(any_message, ids)
def test_answers_in_blocks(message: messages.Message, entity_id: bytes) -> None:
    entity_id = b"" if message.ENTITY is messages.PONG.ENTITY else entity_id or b"id"
    unsent = prepare_transmission(SESSION, b"correlation", entity_id, message.encode(3))
    received = read_response(seal_transmission(unsent.finish(), SESSION), SESSION)
    assert received.message == message
    assert (received.correlation_id, received.entity_id) == (b"correlation", entity_id)


@given(st.binary(max_size=400).map(lambda start: start.ljust(XFTP_BLOCK_SIZE, b"#")))
def test_any_block_is_judged(block: bytes) -> None:
    read_request(block, SESSION)
    with suppress(DecodeError):
        read_response(block, SESSION)


@pytest.mark.parametrize("key", [KEY, X25519PrivateKey(bytes(range(1, 33)))])
def test_authorization(key: Ed25519PrivateKey | X25519PrivateKey) -> None:
    unsent = prepare_transmission(SESSION, bytes(24), b"id", b"FDEL")
    authorized = Authorizer(ROUTER_KEY.public).finish(unsent, key, bytes(24))
    received = read_request(seal_transmission(authorized, SESSION), SESSION)
    assert isinstance(received, ReceivedCommand)
    verifier = Verifier(ROUTER_KEY)
    assert verifier.accepts(received.transmission, [key.public])
    assert not verifier.accepts(received.transmission, [ROUTER_KEY.public])


# --- sizes and headers --------------------------------------------------------------------------


@given(st.integers(1, 200 * 1024 * 1024))
def test_packets_hold_the_file_and_waste_little(size: int) -> None:
    sizes = packet_sizes(size)
    assert set(sizes) <= set(PACKET_SIZES)
    assert len(set(sizes)) <= 2
    assert sorted(sizes, reverse=True) == list(sizes)
    assert size <= sum(sizes)
    assert sum(sizes[:-1]) < size


def test_sizes_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        packet_sizes(0)
    assert single_packet_size(PACKET_SIZES[-1]) == PACKET_SIZES[-1]
    assert single_packet_size(PACKET_SIZES[-1] + 1) is None


@given(texts, st.none() | texts)
def test_headers_are_read_back(name: str, extra: str | None) -> None:
    header = FileHeader(name, extra)
    encoded = header.encode()
    assert split_header(encoded + b"content", len(encoded)) == (header, len(encoded))


def test_headers_that_are_none() -> None:
    header = FileHeader("name").encode()
    for start, length in ((b"", 0), (header[:-1], 10), (header, len(header) - 1)):
        with pytest.raises(DecodeError):
            split_header(start, length)
    assert split_header(b"\x02\xff\xe90", 4)[0].name == "??"
    with pytest.raises(EncodeError):
        FileHeader("x" * 256).encode()
    with pytest.raises(EncodeError):
        FileHeader("\ud800").encode()
