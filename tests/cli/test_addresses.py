"""Addresses on the command line, and in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from simplex_trio.cli.addresses import read_address
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.wire.addresses import ServerProtocol

HASH = "A" * 43 + "="
PLAIN = f"smp://{HASH}@smp.example.com"
WITH_PASSWORD = f"smp://{HASH}:secret@smp.example.com"


def test_written_out() -> None:
    server = read_address(PLAIN, ServerProtocol.SMP)
    assert str(server.address) == PLAIN
    assert server.basic_auth is None


def test_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "router.txt"
    path.write_text(f"{WITH_PASSWORD}\n")
    server = read_address(f"@{path}", ServerProtocol.SMP)
    assert str(server.address) == PLAIN
    assert server.basic_auth == b"secret"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "smp.example.com",
        PLAIN.replace("smp:", "xftp:"),
        PLAIN.replace("A" * 40, ""),
        WITH_PASSWORD,
        PLAIN + "/secret",
    ],
)
def test_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(CommandFailed) as failed:
        read_address(text, ServerProtocol.SMP)
    assert failed.value.code is ExitCode.USAGE
    assert "secret" not in str(failed.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_address(f"@{tmp_path / 'missing'}")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandFailed):
        read_address(f"@{binary}")
    binary.write_text("nothing of that kind")
    with pytest.raises(CommandFailed, match="file"):
        read_address(f"@{binary}")
