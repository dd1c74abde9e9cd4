"""Credentials from the files of an operator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simplex_trio.crypto.credentials import dump_chain_pem, dump_key_pem
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.errors import CertificateError, CertificateInvalid, DecodeError
from simplex_trio.serving.credentials import load_credentials, load_web_credentials
from tests.serving.credential_files import write_router, write_web

NOW = datetime.now(UTC)


async def test_files_of_a_router(tmp_path: Path) -> None:
    made = write_router(tmp_path)
    loaded = await load_credentials(tmp_path, at=NOW)
    assert loaded == made.without_ca_key()
    assert loaded.identity_fingerprint == made.identity_fingerprint


@pytest.mark.parametrize("with_ca", [True, False], ids=["and ca.crt", "alone"])
async def test_whole_chain_in_one_file(tmp_path: Path, with_ca: bool) -> None:
    made = write_router(tmp_path)
    (tmp_path / "server.crt").write_bytes(dump_chain_pem(made.chain))
    if not with_ca:
        (tmp_path / "ca.crt").unlink()
    assert (await load_credentials(tmp_path, at=NOW)).chain == made.chain


async def test_identity_is_needed(tmp_path: Path) -> None:
    write_router(tmp_path)
    (tmp_path / "ca.crt").unlink()
    with pytest.raises(CertificateInvalid, match="identity"):
        await load_credentials(tmp_path, at=NOW)


async def test_identity_of_another_router(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_router(other)
    write_router(tmp_path)
    (tmp_path / "ca.crt").write_bytes((other / "ca.crt").read_bytes())
    with pytest.raises(CertificateInvalid):
        await load_credentials(tmp_path, at=NOW)


async def test_key_of_another_router(tmp_path: Path) -> None:
    write_router(tmp_path)
    (tmp_path / "server.key").write_bytes(dump_key_pem(Ed25519PrivateKey.generate()))
    with pytest.raises(CertificateInvalid):
        await load_credentials(tmp_path, at=NOW)


async def test_before_its_time(tmp_path: Path) -> None:
    write_router(tmp_path)
    with pytest.raises(CertificateError):
        await load_credentials(tmp_path, at=NOW - timedelta(days=30))


@pytest.mark.parametrize("file", ["server.crt", "server.key", "ca.crt"])
async def test_nonsense(tmp_path: Path, file: str) -> None:
    write_router(tmp_path)
    (tmp_path / file).write_bytes(b"nonsense")
    with pytest.raises(DecodeError):
        await load_credentials(tmp_path, at=NOW)


@pytest.mark.parametrize("file", ["server.crt", "server.key"])
async def test_missing_file(tmp_path: Path, file: str) -> None:
    write_router(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(FileNotFoundError):
        await load_credentials(tmp_path, at=NOW)


async def test_credentials_for_browsers(tmp_path: Path) -> None:
    write_web(tmp_path)
    loaded = await load_web_credentials(tmp_path)
    assert len(loaded.certificates) == 1


@pytest.mark.parametrize("file", ["web.crt", "web.key"])
async def test_nonsense_for_browsers(tmp_path: Path, file: str) -> None:
    write_web(tmp_path)
    (tmp_path / file).write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(DecodeError):
        await load_web_credentials(tmp_path)
