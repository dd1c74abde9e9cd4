"""NTF's commands and messages against recorded ones, and against anything at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.keys import (
    Ed25519PrivateKey,
    X448PrivateKey,
    X448PublicKey,
    X25519PublicKey,
)
from simplex_trio.errors import UnsupportedVersion
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.buffer import short
from simplex_trio.wire.errors.values import Cmd, CommandErrorKind
from simplex_trio.wire.ntf import commands, messages
from simplex_trio.wire.ntf.commands import Command, CommandDecodeError, decode_command
from simplex_trio.wire.ntf.messages import Message, MessageDecodeError, decode_message
from simplex_trio.wire.ntf.queues import NotifierQueue
from simplex_trio.wire.ntf.statuses import InvalidReason, TokenState, TokenStatus
from simplex_trio.wire.ntf.tokens import DeviceToken, PushProvider
from simplex_trio.wire.tagged import Tagged
from tests.vectors import Case, cases
from tests.wire.ntf_values import (
    VERSIONS,
    any_command,
    any_message,
    command_of,
    damaged,
    message_of,
)
from tests.wire.smp_values import router_error

FILE = "ntf_commands.json"

KEY = Ed25519PrivateKey(b"secret".ljust(32, b"!"))
QUEUE = NotifierQueue(ServerAddress.parse("smp://AQID@a.example"), b"secret")


def check_encodings(
    case: Case,
    value_of: Callable[..., Tagged],
    decode: Callable[[bytes, int], Tagged],
) -> None:
    value = value_of(case["fields"])
    for encoding in case["encodings"]:
        for version in encoding["versions"]:
            assert value.encode(version).hex() == encoding["hex"]
            read = value_of(encoding.get("decoded", case["fields"]))
            assert decode(bytes.fromhex(encoding["hex"]), version) == read


@pytest.mark.parametrize("case", cases(FILE, "command"))
def test_command(case: Case) -> None:
    check_encodings(case, command_of, decode_command)


@pytest.mark.parametrize("case", cases(FILE, "response"))
def test_message(case: Case) -> None:
    check_encodings(case, message_of, decode_message)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", cases(FILE, "bad_command"))
def test_bad_command(case: Case, version: int) -> None:
    data, result = bytes.fromhex(case["hex"]), case["result"]
    if "error" in result:
        with pytest.raises(CommandDecodeError) as caught:
            decode_command(data, version)
        assert caught.value.error == router_error(result["error"])
    else:
        assert decode_command(data, version) == command_of(result["parsed"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", cases(FILE, "bad_response"))
def test_bad_message(case: Case, version: int) -> None:
    data, result = bytes.fromhex(case["hex"]), case["result"]
    if "error" in result:
        with pytest.raises(MessageDecodeError) as caught:
            decode_message(data, version)
        assert caught.value.error == router_error(result["error"])
    else:
        assert decode_message(data, version) == message_of(result["parsed"])


# --- rules that the vectors do not reach ---------------------------------------------------------


def refusal(command: type[Command], authorized: bool, entity_id: bytes) -> CommandErrorKind | None:
    return command.CREDENTIALS.violation(has_authorization=authorized, entity_id=entity_id)


@pytest.mark.parametrize("command", commands.COMMANDS, ids=lambda kind: kind.__name__)
def test_what_a_command_comes_with(command: type[Command]) -> None:
    outcomes = (
        refusal(command, False, b""),
        refusal(command, False, b"id"),
        refusal(command, True, b""),
        refusal(command, True, b"id"),
    )
    no, has = CommandErrorKind.NO_AUTH, CommandErrorKind.HAS_AUTH
    if command in (commands.TNEW, commands.SNEW):
        assert outcomes == (no, no, None, has)
    elif command is commands.PING:
        assert outcomes == (None, has, has, has)
    else:
        assert outcomes == (no, no, no, None)


@pytest.mark.parametrize("message", messages.MESSAGES, ids=lambda kind: kind.__name__)
def test_what_a_message_is_about(message: type[Message]) -> None:
    outcomes = (message.ENTITY.violation(b""), message.ENTITY.violation(b"id"))
    if message in (messages.IDTKN, messages.IDSUB, messages.PONG):
        assert outcomes == (None, CommandErrorKind.HAS_AUTH)
    elif message is messages.ERR:
        assert outcomes == (None, None)
    else:
        assert outcomes == (CommandErrorKind.NO_ENTITY, None)


@pytest.mark.parametrize("version", VERSIONS)
def test_keys_that_authorize_nothing_are_refused(version: int) -> None:
    good, bad = X25519PublicKey(bytes(32)), X448PublicKey(bytes(56))
    tnew = commands.TNEW(DeviceToken(PushProvider.APNS_TEST, b"ab"), good, good).encode(version)
    snew = b"SNEW S\x02id" + QUEUE.encode() + short(X448PrivateKey(bytes(56)).der)
    for data in (tnew.replace(short(good.der), short(bad.der), 1), snew):
        with pytest.raises(CommandDecodeError) as caught:
            decode_command(data, version)
        assert caught.value.error == Cmd(CommandErrorKind.SYNTAX)


@pytest.mark.parametrize(
    "command", [commands.TVFY(b"secret"), commands.SNEW(b"secret", QUEUE, KEY)]
)
def test_no_secret_shows_in_repr(command: Command) -> None:
    for secret in ("secret", "example", KEY.raw.hex()):
        assert secret not in repr(command)


def test_only_version_3_says_why_a_token_is_invalid() -> None:
    message = messages.TKN(TokenStatus(TokenState.INVALID, InvalidReason.TOPIC))
    message.check_version(3)
    with pytest.raises(UnsupportedVersion):
        message.check_version(2)
    messages.TKN(TokenStatus(TokenState.INVALID)).check_version(1)


# --- anything at all ------------------------------------------------------------------------------

versions = st.sampled_from(VERSIONS)


@given(any_command, versions)
def test_command_is_what_its_bytes_say(command: Command, version: int) -> None:
    assert decode_command(command.encode(version), version) == command


@given(any_message, versions)
def test_message_is_what_its_bytes_say(message: Message, version: int) -> None:
    read = decode_message(message.encode(version), version)
    if version >= message.required_version:
        assert read == message
    else:
        assert read.encode(version) == message.encode(version)


@given(
    damaged(any_command.map(lambda command: command.encode(3))) | st.binary(max_size=60), versions
)
def test_any_bytes_are_a_command_or_a_decode_error(data: bytes, version: int) -> None:
    try:
        command = decode_command(data, version)
    except CommandDecodeError:
        return
    assert decode_command(command.encode(version), version) == command


@given(
    damaged(any_message.map(lambda message: message.encode(3))) | st.binary(max_size=60), versions
)
def test_any_bytes_are_a_message_or_a_decode_error(data: bytes, version: int) -> None:
    try:
        message = decode_message(data, version)
    except MessageDecodeError:
        return
    assert decode_message(message.encode(3), version) == message
