"""Folders of routers: files that are made once, and never written over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import (
    RouterCredentials,
    dump_chain_pem,
    dump_key_pem,
    generate_router_credentials,
)
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.storage.files import OWNER_ONLY, create_file, sync_folder

__all__ = [
    "CA_KEY",
    "PUBLIC",
    "NewFile",
    "common_name",
    "credential_files",
    "new_credentials",
    "write_new_files",
]

CA_KEY = "ca.key"
"""The one file that should not stay."""

PUBLIC = 0o644
"""The permissions of certificates, which every client gets."""

_LONGEST_NAME = 64
"""Bytes of a common name, as X.509 has it."""


@frozen(repr=False)
class NewFile(Redacted):
    """A file that is to be made."""

    name: str
    content: bytes
    permissions: int = OWNER_ONLY


def new_credentials(host: str) -> RouterCredentials:
    """Credentials for a router that is known by this name, among others."""
    return generate_router_credentials(now=datetime.now(UTC), common_name=common_name(host))


def common_name(host: str) -> str:
    """The name in the certificate, at which nothing looks; long ones do not fit."""
    return host if 0 < len(host.encode()) <= _LONGEST_NAME else "localhost"


def credential_files(credentials: RouterCredentials) -> list[NewFile]:
    """The files in which a router finds its credentials, and the key of its authority."""
    assert credentials.ca_key is not None
    authority = CertificateChain((credentials.ca_certificate,))
    leaf = CertificateChain((credentials.certificate,))
    return [
        NewFile(CA_KEY, dump_key_pem(credentials.ca_key)),
        NewFile("ca.crt", dump_chain_pem(authority), PUBLIC),
        NewFile("server.key", dump_key_pem(credentials.key)),
        NewFile("server.crt", dump_chain_pem(leaf), PUBLIC),
    ]


def write_new_files(folder: Path, files: Sequence[NewFile]) -> None:
    """Write all of them, or none if one is there already, which raises `CommandFailed`."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    written: list[Path] = []
    try:
        for file in files:
            path = folder / file.name
            _create(path, file)
            written.append(path)
        sync_folder(folder)
    except BaseException:
        for path in written:
            path.unlink()
        if is_new:
            folder.rmdir()
        raise


def _create(path: Path, file: NewFile) -> None:
    try:
        create_file(path, file.content, file.permissions)
    except FileExistsError as exc:
        raise CommandFailed(
            f"{path} is there already, and stays as it is; name another folder.",
            ExitCode.USAGE,
        ) from exc
