"""Making a router: a folder with everything that it needs."""

from __future__ import annotations

import json as json_format
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.output import OUT, print_json, say, show_qr_code
from simplex_trio.cli.routers.folder import (
    CA_KEY,
    NewFile,
    credential_files,
    new_credentials,
    write_new_files,
)
from simplex_trio.cli.routers.program import RouterProgram
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth
from simplex_trio.wire.hosts import parse_host

__all__ = ["NewRouter", "quoted", "shown_address"]


@frozen(repr=False)
class NewRouter(Redacted):
    """A router that is to be made, with what both kinds have."""

    program: RouterProgram[Any]
    folder: Path
    hosts: tuple[str, ...]
    port: int
    password: str | None

    @classmethod
    def described(
        cls,
        program: RouterProgram[Any],
        folder: Path,
        hosts: Sequence[str] | None,
        port: int,
        *,
        password: bool,
    ) -> NewRouter:
        """The router of these options."""
        secret = secrets.token_urlsafe(24) if password else None
        return cls(program, folder, tuple(hosts or ("localhost",)), port, secret)

    @property
    def common_lines(self) -> str:
        """The first lines of its configuration, which both kinds have."""
        return f"""\
# Start this router with: simplex-trio {self.program.command} start
# Paths are relative to this folder. What is left out has its default.

hosts = [{", ".join(map(quoted, self.hosts))}]
ports = [{self.port}]
credentials = "."
"""

    @property
    def metrics_line(self) -> str:
        """An example, which is a comment until the operator wants it."""
        return f"# metrics_port = {self.program.metrics_port}  # for Prometheus, on 127.0.0.1 only"

    @property
    def password_line(self) -> str:
        return (
            '# password = "..."' if self.password is None else f"password = {quoted(self.password)}"
        )

    def make(self, config: str, *, show_password: bool, json: bool) -> None:
        """Write the folder, and say what is to be known of it."""
        credentials = new_credentials(self.hosts[0])
        address = self._address(credentials.identity_fingerprint)
        file = NewFile(self.program.config_name, config.encode())
        write_new_files(self.folder, [*credential_files(credentials), file])
        shown = shown_address(address, self.password if show_password else None)
        if json:
            print_json({"folder": str(self.folder), "address": shown})
        else:
            self._say(shown)

    def _address(self, fingerprint: bytes) -> ServerAddress:
        protocol = self.program.protocol
        shown_port = None if self.port == protocol.default_port else self.port
        try:
            hosts = tuple(parse_host(name) for name in self.hosts)
            return ServerAddress(protocol, hosts, shown_port, fingerprint)
        except ValueError as exc:
            raise CommandFailed(
                "This host is not valid; a host is a domain name or an IP address.",
                ExitCode.USAGE,
            ) from exc

    def _say(self, address: str) -> None:
        folder, program = self.folder, self.program
        say(f"Your router is in {folder}. Its address, which clients need:")
        say(address)
        if self.password is not None:
            config = folder / program.config_name
            say(
                f"Its password is in {config}, and with --show-password in the address.",
                prose=True,
            )
        if OUT.is_terminal:
            show_qr_code(address)
        say()
        say(
            f"Take {folder / CA_KEY} off this machine, and keep it safe: it is the router's "
            f"identity, and is only needed to renew its certificate, which simplex-trio "
            f"{program.command} renew does.",
            prose=True,
        )
        say(f"Start the router with: simplex-trio {program.command} start {folder}")


def shown_address(address: ServerAddress, password: str | None) -> str:
    """The text of an address, with a password if it is to be shown."""
    return str(ServerAddressWithAuth(address, None if password is None else password.encode()))


def quoted(text: str) -> str:
    """A text as a value in TOML."""
    return json_format.dumps(text)  # strings of JSON are strings of TOML
