"""Renewing a router's key and certificate; its identity, and so its address, stays."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.output import print_json, say
from simplex_trio.cli.routers.folder import CA_KEY, common_name
from simplex_trio.cli.routers.program import ConfigT, RouterProgram
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import (
    dump_chain_pem,
    dump_key_pem,
    issue_router_credentials,
    load_chain_pem,
    load_key_pem,
)
from simplex_trio.storage.files import replace_file, sync_folder

__all__ = ["renew_credentials"]


def renew_credentials(
    program: RouterProgram[ConfigT], path: Path, ca_key: Path | None, *, json: bool
) -> None:
    """Replace the files with the key and the certificate."""
    config = program.load(path)
    if config.credentials is None:
        raise CommandFailed(
            "This router has new credentials at each start, for its configuration names no folder "
            "with credentials.",
            ExitCode.USAGE,
        )
    folder = config.credentials
    identity, *operators = load_chain_pem((folder / "ca.crt").read_bytes()).certificates
    renewed = issue_router_credentials(
        ca_certificate=identity,
        ca_key=load_key_pem(_read_key(ca_key or folder / CA_KEY)),
        operator_certificates=tuple(operators),
        now=datetime.now(UTC),
        common_name=common_name(config.hosts[0]),
    )
    leaf = dump_chain_pem(CertificateChain((renewed.certificate,)))
    # After a crash between the two the router does not start until this has been done once more.
    # The router's user has to be able to read them, also if another user renews them.
    replace_file(folder / "server.key", dump_key_pem(renewed.key), keep_access=True)
    replace_file(folder / "server.crt", leaf, keep_access=True)
    sync_folder(folder)
    if json:
        print_json({"folder": str(folder)})
        return
    say(f"The key and the certificate in {folder} are new, and the address is the same.")
    say(f"If it runs, have it use them with: simplex-trio {program.command} reload {path}")


def _read_key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise CommandFailed(
            f"There is no {path}. The key of the router's identity signs the new certificate; name "
            "it with --ca-key, wherever you keep it.",
            ExitCode.USAGE,
        ) from exc
