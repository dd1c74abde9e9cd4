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
from simplex_trio.cli.routers.taking_over import TakenOver, take_over
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth
from simplex_trio.wire.hosts import parse_host

__all__ = ["NewRouter", "quoted", "setting_lines", "shown_address"]


@frozen(repr=False)
class NewRouter(Redacted):
    """A router that is to be made, with what both kinds have."""

    program: RouterProgram[Any]
    folder: Path
    hosts: tuple[str, ...]
    ports: tuple[int, ...]
    password: str | None
    taken: TakenOver | None = None
    """What it takes over from a server of the reference."""

    @classmethod
    def described(
        cls,
        program: RouterProgram[Any],
        folder: Path,
        hosts: Sequence[str] | None,
        port: int | None,
        *,
        password: bool,
        server: Path | None = None,
    ) -> NewRouter:
        """The router of these options, in which ``server`` is the folder that it takes over."""
        taken = None if server is None else take_over(server, program.ini_name)
        known = None if taken is None else taken.password
        secret = secrets.token_urlsafe(24) if password else known
        ports = None if port is None else (port,)
        default_port = program.protocol.default_port
        return cls(
            program,
            folder,
            tuple(hosts or (taken and taken.hosts) or ("localhost",)),
            ports or (taken and taken.ports) or (default_port,),
            secret,
            taken,
        )

    @property
    def common_lines(self) -> str:
        """The first lines of its configuration, which both kinds have."""
        return f"""\
# Start this router with: simplex-trio {self.program.command} start
# Paths are relative to this folder. What is left out has its default.

hosts = [{", ".join(map(quoted, self.hosts))}]
ports = [{", ".join(map(str, self.ports))}]
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
        if self.taken is None:
            credentials = new_credentials(self.hosts[0])
            fingerprint, files = credentials.identity_fingerprint, credential_files(credentials)
        else:
            fingerprint, files = self.taken.fingerprint, [*self.taken.files]
        address = self._address(fingerprint)
        write_new_files(self.folder, [*files, NewFile(self.program.config_name, config.encode())])
        shown = shown_address(address, self.password if show_password else None)
        if json:
            print_json({"folder": str(self.folder), "address": shown})
        else:
            self._say(shown)

    def _address(self, fingerprint: bytes) -> ServerAddress:
        protocol = self.program.protocol
        port = self.ports[0]
        shown_port = None if port == protocol.default_port else port
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
        if self.taken is None or self.taken.has_ca_key:
            self._say_what_becomes_of_the_key()
        say(f"Start the router with: simplex-trio {program.command} start {folder}")

    def _say_what_becomes_of_the_key(self) -> None:
        say(
            f"Take {self.folder / CA_KEY} off this machine, and keep it safe: it is the router's "
            f"identity, and is only needed to renew its certificate, which simplex-trio "
            f"{self.program.command} renew does.",
            prose=True,
        )


def shown_address(address: ServerAddress, password: str | None) -> str:
    """The text of an address, with a password if it is to be shown."""
    return str(ServerAddressWithAuth(address, None if password is None else password.encode()))


def setting_lines(**settings: int | bool | None) -> str:
    """The lines of a configuration for the settings that are not `None`."""
    return "".join(
        f"{name} = {json_format.dumps(value)}\n"
        for name, value in settings.items()
        if value is not None
    )


def quoted(text: str) -> str:
    """A text as a value in TOML."""
    return json_format.dumps(text)  # strings of JSON are strings of TOML
