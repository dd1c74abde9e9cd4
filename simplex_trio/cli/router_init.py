"""``simplex-trio router init``: a folder with everything that a router needs."""

from __future__ import annotations

import json as json_format
import secrets
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.options import AsJson, Flag
from simplex_trio.cli.output import OUT, print_json, say, show_qr_code
from simplex_trio.cli.router_folder import (
    CA_KEY,
    NewFile,
    credential_files,
    new_credentials,
    write_new_files,
)
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth, ServerProtocol
from simplex_trio.wire.hosts import parse_host

__all__ = ["CONFIG", "init", "shown_address"]

CONFIG = "router.toml"


def init(
    folder: Path = Path("router"),
    /,
    *,
    host: Annotated[list[str] | None, Parameter(name="--host", negative=())] = None,
    port: int = 5223,
    password: Flag = False,
    show_password: Flag = False,
    json: AsJson = False,
) -> None:
    """Make a new router: its keys and certificates, and its configuration, in a folder.

    Nothing that is in the folder already is overwritten.

    Parameters
    ----------
    folder
        Where to; made if it is missing.
    host
        The name or address under which clients find the router; may be given several times.
    port
        The port that it listens on.
    password
        Require a password for creating queues and for using the router as a proxy. It is generated
        here and kept in the configuration.
    show_password
        Print the address with the password in it.
    """
    names = tuple(host or ("localhost",))
    secret = secrets.token_urlsafe(24) if password else None
    credentials = new_credentials(names[0])
    address = _address(names, port, credentials.identity_fingerprint)
    configuration = NewFile(CONFIG, _configuration(names, port, secret).encode())
    write_new_files(folder, [*credential_files(credentials), configuration])
    shown = shown_address(address, secret if show_password else None)
    if json:
        print_json({"folder": str(folder), "address": shown})
    else:
        _say(folder, shown, has_password=password, qr=OUT.is_terminal)


def shown_address(address: ServerAddress, password: str | None) -> str:
    """The text of an address, with a password if it is to be shown."""
    return str(ServerAddressWithAuth(address, None if password is None else password.encode()))


def _address(names: tuple[str, ...], port: int, fingerprint: bytes) -> ServerAddress:
    protocol = ServerProtocol.SMP
    shown_port = None if port == protocol.default_port else port
    try:
        hosts = tuple(parse_host(name) for name in names)
        return ServerAddress(protocol, hosts, shown_port, fingerprint)
    except ValueError as exc:
        raise CommandFailed(
            "This host or port is not valid; a host is a domain name or an IP address.",
            ExitCode.USAGE,
        ) from exc


def _configuration(names: tuple[str, ...], port: int, password: str | None) -> str:
    secured = '# password = "..."' if password is None else f"password = {_quoted(password)}"
    return f"""\
# A router for SimpleX messaging; start it with: simplex-trio router start
# Paths are relative to this folder. What is left out has its default.

hosts = [{", ".join(map(_quoted, names))}]
ports = [{port}]
credentials = "."
store = "router.sqlite"
# metrics_port = 5240  # for Prometheus, and for simplex-trio router stats; on 127.0.0.1 only

[queues]
# What clients have to know to create queues, and to use the router as a proxy.
{secured}
"""


def _quoted(text: str) -> str:
    return json_format.dumps(text)  # strings of JSON are strings of TOML


def _say(folder: Path, address: str, *, has_password: bool, qr: bool) -> None:
    say(f"Your router is in {folder}. Its address, which clients need:")
    say(address)
    if has_password:
        config = folder / CONFIG
        say(f"Its password is in {config}, and with --show-password in the address.", prose=True)
    if qr:
        show_qr_code(address)
    say()
    say(
        f"Take {folder / CA_KEY} off this machine, and keep it safe: it is the router's identity, "
        "and is only needed to renew its certificate.",
        prose=True,
    )
    say(f"Start the router with: simplex-trio router start {folder}")
