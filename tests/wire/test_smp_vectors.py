"""Commands and messages against the recorded bytes of both releases of the reference."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simplex_trio.wire.smp.commands import CommandDecodeError, decode_command
from simplex_trio.wire.smp.messages import (
    RNAME,
    Message,
    MessageDecodeError,
    decode_message,
)
from tests.vectors import Case, cases
from tests.wire import smp_values
from tests.wire.smp_values import newest_version


def both(*kinds: str) -> list[Any]:
    return [case for file in smp_values.FILES for case in cases(file, *kinds)]


@pytest.mark.parametrize("case", both("command"))
def test_command(case: Case) -> None:
    command = smp_values.command(case["fields"])
    for group in case["encodings"]:
        data = bytes.fromhex(group["hex"])
        for version in group["versions"]:
            assert command.encode(version) == data
            if "parse_error" in group:
                with pytest.raises(CommandDecodeError):
                    decode_command(data, version, newest_version(case))
            else:
                expected = smp_values.command(group.get("decoded", case["fields"]))
                assert decode_command(data, version, newest_version(case)) == expected


def same_bytes(message: Message, written: bytes, recorded: bytes) -> bool:
    if not isinstance(message, RNAME):
        return written == recorded
    tag, space, record = recorded.partition(b" ")  # JSON may have its fields in any order
    return written.startswith(tag + space) and json.loads(written[len(tag) :]) == json.loads(record)


@pytest.mark.parametrize("case", both("message"))
def test_message(case: Case) -> None:
    message = smp_values.message(case["fields"])
    for group in case["encodings"]:
        data = bytes.fromhex(group["hex"])
        for version in group["versions"]:
            assert same_bytes(message, message.encode(version), data)
            if "parse_error" in group:
                with pytest.raises(MessageDecodeError):
                    decode_message(data, version, newest_version(case))
            else:
                expected = smp_values.message(group.get("decoded", case["fields"]))
                assert decode_message(data, version, newest_version(case)) == expected


@pytest.mark.parametrize("case", both("bad_command"))
def test_bad_command(case: Case) -> None:
    data, result = bytes.fromhex(case["hex"]), case["result"]
    if "parsed" in result:
        expected = smp_values.command(result["parsed"])
        assert decode_command(data, case["version"], newest_version(case)) == expected
        return
    with pytest.raises(CommandDecodeError) as caught:
        decode_command(data, case["version"], newest_version(case))
    assert caught.value.error == smp_values.router_error(result["error"])


@pytest.mark.parametrize("case", both("bad_message"))
def test_bad_message(case: Case) -> None:
    data, result = bytes.fromhex(case["hex"]), case["result"]
    if "parsed" in result:
        expected = smp_values.message(result["parsed"])
        assert decode_message(data, case["version"], newest_version(case)) == expected
        return
    with pytest.raises(MessageDecodeError) as caught:
        decode_message(data, case["version"], newest_version(case))
    assert caught.value.error == smp_values.router_error(result["error"])


@pytest.mark.parametrize("case", cases("smp_commands.json", "v19_from_master_sources"))
@pytest.mark.parametrize("version", [18, 19])
def test_change_of_version_19(case: Case, version: int) -> None:
    encoded = case[f"encoded_v{version}"]
    if case["direction"] == "command":
        command = smp_values.command(case["fields"])
        if encoded is not None:
            assert command.encode(version) == bytes.fromhex(encoded)
            decoded = decode_command(bytes.fromhex(encoded), version)
            assert decoded == (command if version == 19 else type(command)())
        return
    message = smp_values.message(case["fields"])
    if encoded is None:
        assert message.required_version > version
        return
    assert message.encode(version) == bytes.fromhex(encoded)
    if version == 19:
        assert decode_message(bytes.fromhex(encoded), version) == message
