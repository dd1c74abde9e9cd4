"""The tree of errors: what a message test does not show of it."""

from __future__ import annotations

from typing import Any

import pytest

from simplex_trio.errors import DecodeError, EncodeError
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.errors.decoding import MAX_NESTING, decode_router_error
from simplex_trio.wire.errors.values import (
    Blocked,
    BlockingNotice,
    BlockingReason,
    Broker,
    BrokerErrorKind,
    Cmd,
    Code,
    CommandErrorKind,
    HandshakeErrorKind,
    Name,
    NameErrorKind,
    Network,
    NetworkErrorKind,
    Protocol,
    Proxy,
    ProxyErrorKind,
    Resolver,
    Response,
    RouterErrorValue,
    Store,
    TransportError,
    TransportErrorKind,
)
from simplex_trio.wire.smp.messages import ERR, decode_message
from simplex_trio.wire.versions import SMPVersion
from tests.vectors import Case, cases
from tests.wire import smp_values


def decoded(data: bytes) -> RouterErrorValue:
    reader = Reader(data)
    error = decode_router_error(reader)
    reader.end()
    return error


@pytest.mark.parametrize("case", cases("smp_handshake.json", "transport_error"))
def test_transport_error(case: Case) -> None:
    error = smp_values.transport_error(case["error"])
    assert error.encode() == bytes.fromhex(case["encoded"])
    assert b"E" + error.encode() == bytes.fromhex(case["handshake_response"])
    reader = Reader(bytes.fromhex(case["encoded"]))
    assert TransportError.decode(reader) == error
    reader.end()


@pytest.mark.parametrize("case", cases("smp_handshake.json", "transport_error_decode"))
def test_decoding_transport_errors(case: Case) -> None:
    reader = Reader(bytes.fromhex(case["hex"]))
    if case["ok"]:
        assert TransportError.decode(reader) == smp_values.transport_error(case["result"])
        reader.end()
        return
    with pytest.raises(DecodeError):  # noqa: PT012  (either of the two may be what refuses)
        TransportError.decode(reader)
        reader.end()


def test_a_transport_error_is_complete() -> None:
    with pytest.raises(ValueError, match="HANDSHAKE"):
        TransportError(TransportErrorKind.HANDSHAKE)
    with pytest.raises(ValueError, match="HANDSHAKE"):
        TransportError(TransportErrorKind.BLOCK, HandshakeErrorKind.PARSE)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Code.DUPLICATE, "DUPLICATE_"),
        (Cmd(CommandErrorKind.NO_AUTH), "CMD NO_AUTH"),
        (Blocked(BlockingReason.SPAM, BlockingNotice(5)), "BLOCKED reason=spam"),
        (Store("disk of smp.example.com"), "STORE"),
        (Name(NameErrorKind.NOT_FOUND), "NAME NOT_FOUND"),
        (Name(Resolver("alice.simplex")), "NAME RESOLVER"),
        (Proxy(ProxyErrorKind.NO_SESSION), "PROXY NO_SESSION"),
        (Proxy(Protocol(Code.QUOTA)), "PROXY PROTOCOL QUOTA"),
        (Proxy(Broker(BrokerErrorKind.TIMEOUT)), "PROXY BROKER TIMEOUT"),
        (Proxy(Broker(Response("smp.example.com"))), "PROXY BROKER RESPONSE"),
        (
            Proxy(Broker(Network(NetworkErrorKind.CONNECT, "smp.example.com"))),
            "PROXY BROKER NETWORK CONNECT",
        ),
        (
            Proxy(Broker(TransportError.of_handshake(HandshakeErrorKind.IDENTITY))),
            "PROXY BROKER TRANSPORT HANDSHAKE IDENTITY",
        ),
    ],
)
def test_text_has_the_codes_and_nothing_from_the_peer(error: RouterErrorValue, text: str) -> None:
    assert str(error) == text
    assert "example" not in repr(ERR(error))
    assert "alice" not in repr(ERR(error))


def test_nesting_has_a_limit() -> None:
    layer = b"PROXY PROTOCOL "
    error = decoded(layer * MAX_NESTING + b"AUTH")
    assert error.encode() == layer * MAX_NESTING + b"AUTH"
    with pytest.raises(DecodeError):
        decoded(layer * (MAX_NESTING + 1) + b"AUTH")
    with pytest.raises(DecodeError):
        decoded(layer * 1_000_000)


def test_a_name_error_needs_names_at_any_depth() -> None:
    hidden: RouterErrorValue = Name(NameErrorKind.NOT_FOUND)
    for _ in range(3):
        assert ERR(hidden).required_version == SMPVersion.NAMES
        hidden = Proxy(Protocol(hidden))


@pytest.mark.parametrize("version", range(6, 21))
def test_behind_a_proxy_blocking_is_not_hidden(version: int) -> None:
    error = Proxy(Protocol(Blocked(BlockingReason.CONTENT, BlockingNotice())))
    assert decode_message(ERR(error).encode(version), version) == ERR(error)


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"a\xffb", "a?b"), (b"\xe2\x82x", "??x"), (b"\xed\xa0\x80", "???"), (b"\xe2\x82\xac", "€")],
)
def test_each_byte_that_is_no_text_is_a_question_mark(raw: bytes, text: str) -> None:
    assert decoded(b"STORE " + raw) == Store(text)


def test_text_that_cannot_be_written_becomes_question_marks() -> None:
    assert Store("\ud800").encode() == b"STORE ?"
    assert Response("€").encode() == b"RESPONSE \x01?"


def test_a_short_text_is_not_cut() -> None:
    with pytest.raises(EncodeError):
        Response("x" * 256).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"auth",
        b"AUTH ",
        b"CMD",
        b"CMD ",
        b"PROXY",
        b"PROXY PROTOCOL",
        b"PROXY BROKER",
        b"PROXY BROKER NETWORK ",
        b"PROXY BROKER NETWORK CONNECT",
        b"PROXY BROKER TRANSPORT",
        b"PROXY BROKER TRANSPORT HANDSHAKE",
        b"PROXY BROKER TIMEOUT ",
        b"BLOCKED reason=spam,notice=[]",
        b'BLOCKED reason=spam,notice={"ttl":"5"}',
        b'BLOCKED reason=spam,notice={"ttl":1.5}',
        b'BLOCKED reason=spam,notice={"ttl":9223372036854775808}',
        b"BLOCKED reason=spam notice={}",
        b"NAME RESOLVER",
    ],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decoded(data)


@pytest.mark.parametrize("seconds", [2**63, -(2**63) - 1, 1.5, True])
def test_a_notice_that_could_not_be_read_again_cannot_be_made(seconds: Any) -> None:
    with pytest.raises(ValueError, match="at most 64 bits"):
        BlockingNotice(seconds)
