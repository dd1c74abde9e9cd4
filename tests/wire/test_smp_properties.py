"""What holds for every command and message at every version, and for bytes that are none."""

from __future__ import annotations

import re
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.errors import DecodeError, UnsupportedVersion
from simplex_trio.wire.smp import commands, messages
from simplex_trio.wire.smp.new_queue import ContactRequest, QueueMode
from simplex_trio.wire.versions import SMP_VERSIONS, SMPVersion
from tests.wire import strategies

VERSIONS = range(SMP_VERSIONS.lowest, SMP_VERSIONS.highest + 1)


def command_as_read(command: commands.Command, version: int) -> commands.Command:
    """What the other side reads, where a version has a default instead of saying nothing."""
    match command:
        case commands.NEW(queue_request=None) if (
            SMPVersion.SENDER_SECURES <= version < SMPVersion.SHORT_LINKS
        ):
            return evolve(command, queue_request=ContactRequest())
        case commands.SUBS() | commands.NSUBS() if version < SMPVersion.SERVICE_SUBSCRIPTIONS:
            return type(command)()
        case _:
            return command


def message_as_read(message: messages.Message, version: int) -> messages.Message:
    match message:
        case messages.IDS(queue_mode=None) if (
            SMPVersion.SENDER_SECURES <= version < SMPVersion.SHORT_LINKS
        ):
            return evolve(message, queue_mode=QueueMode.CONTACT)
        case messages.SOKS() | messages.ENDS() if version < SMPVersion.SERVICE_SUBSCRIPTIONS:
            return type(message)(message.count)
        case _:
            return message


@given(strategies.any_command)
def test_a_command_is_what_its_bytes_say(command: commands.Command) -> None:
    for version in VERSIONS:
        decoded = commands.decode_command(command.encode(version), version)
        assert type(decoded) is type(command)
        if version >= command.required_version:
            assert decoded == command_as_read(command, version)


@given(strategies.any_message)
def test_a_message_is_what_its_bytes_say(message: messages.Message) -> None:
    for version in VERSIONS:
        decoded = messages.decode_message(message.encode(version), version)
        if version >= message.required_version:
            assert decoded == message_as_read(message, version)


@given(strategies.any_command | strategies.any_message)
def test_what_a_version_cannot_say_is_refused_on_demand(value: Any) -> None:
    assert type(value).MIN_VERSION <= value.required_version <= SMP_VERSIONS.highest
    for version in VERSIONS:
        if version >= value.required_version:
            value.check_version(version)
        else:
            with pytest.raises(UnsupportedVersion):
                value.check_version(version)


@given(strategies.any_command | strategies.any_message)
def test_a_side_knows_what_its_own_newest_version_has(value: Any) -> None:
    is_command = isinstance(value, commands.Command)
    decode: Any = commands.decode_command if is_command else messages.decode_message
    newest = SMPVersion.BLOCKED_NOTICE
    data = value.encode(newest)
    if value.required_version <= newest:
        decode(data, newest, newest)
    else:
        with pytest.raises(DecodeError):
            decode(data, newest, newest)


@given(strategies.any_command | strategies.any_message)
def test_repr_shows_no_bytes_and_no_text(value: Any) -> None:
    # The codes of an enum's members say no more than their names.
    shown = re.sub(r"<(\w+\.\w+): b'[A-Z]+'>", r"\1", repr(value))
    assert "b'" not in shown
    assert 'b"' not in shown
    assert len(shown) < 500


def check_refusals(data: bytes, version: int) -> None:
    """Decode as both kinds; any error but the decoder's own fails the test.

    What is read can be written, and that is read as something that is written alike.
    """
    try:
        command = commands.decode_command(data, version)
    except commands.CommandDecodeError:
        pass
    else:
        written = command.encode(version)
        assert commands.decode_command(written, version).encode(version) == written
    try:
        message = messages.decode_message(data, version)
    except messages.MessageDecodeError:
        pass
    else:
        written = message.encode(version)
        assert messages.decode_message(written, version).encode(version) == written


tags = st.sampled_from([kind.TAG for kind in (*commands.COMMANDS, *messages.MESSAGES)])


@given(st.binary(max_size=200), strategies.versions)
def test_arbitrary_bytes(data: bytes, version: int) -> None:
    check_refusals(data, version)


@given(tags, st.binary(max_size=200), strategies.versions)
def test_arbitrary_parameters(tag: bytes, data: bytes, version: int) -> None:
    check_refusals(tag + b" " + data, version)


@given(st.data(), strategies.any_command | strategies.any_message, strategies.versions)
def test_mutated_bytes(data: st.DataObject, value: Any, version: int) -> None:
    encoded = value.encode(data.draw(strategies.versions))
    check_refusals(data.draw(strategies.mutated(encoded)), version)


@given(strategies.any_command | strategies.any_message, strategies.versions)
def test_every_truncation(value: Any, version: int) -> None:
    encoded = value.encode(version)
    for length in range(min(len(encoded), 120)):
        check_refusals(encoded[:length], version)
