"""Addresses of routers as arguments: written out, or ``@FILE`` for one that is kept in a file.

An address may contain the router's password, which must not stand on a command line: all users of
the machine can read it, and shells remember it.
"""

from __future__ import annotations

from pathlib import Path

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.errors import DecodeError
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth, ServerProtocol

__all__ = ["place_of", "read_address"]

_MAX_FILE = 10_000

_FINGERPRINT = 32
"""Bytes of SHA-256.  Values of addresses may have fewer, as with the reference, but then there is
no router to which they can lead."""


def read_address(
    text: str, *protocols: ServerProtocol, at_most: int = _MAX_FILE
) -> ServerAddressWithAuth:
    """The address in an argument, of a router that speaks one of ``protocols``.

    Raises `CommandFailed`, whose message never repeats the argument.
    """
    from_file = text.startswith("@")
    if from_file:
        text = _content(Path(text[1:]), at_most)
    looks = f"{(protocols or (ServerProtocol.SMP,))[0].value}://<fingerprint>@<host>:<port>"
    try:
        server = ServerAddressWithAuth.parse(text)
    except DecodeError as exc:
        place = "The file has" if from_file else "This is"
        raise CommandFailed(
            f"{place} no address of a router; one looks like {looks}.", ExitCode.USAGE
        ) from exc
    if len(server.address.key_hash) != _FINGERPRINT:
        raise CommandFailed(
            "The fingerprint in this address, between :// and @, is not whole; copy the address "
            "once more.",
            ExitCode.USAGE,
        )
    if protocols and server.address.protocol not in protocols:
        raise CommandFailed(
            f"This router does not speak the right protocol; its address must look like {looks}.",
            ExitCode.USAGE,
        )
    if server.basic_auth is not None and not from_file:
        raise CommandFailed(
            "A password does not belong on the command line, where others can read it; "
            "keep the address in a file, and write @FILE here.",
            ExitCode.USAGE,
        )
    return server


def place_of(server: ServerAddress) -> str:
    """Where a server is, in short: its first host, and the port."""
    return f"{server.hosts[0]}:{server.effective_port}"


def _content(path: Path, at_most: int) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(at_most).strip()
    except UnicodeDecodeError as exc:
        raise CommandFailed(f"{path} is not a text file.", ExitCode.USAGE) from exc
