"""`TakenOver`: what a new router takes over from the configuration of the reference's servers.

Its credentials are files of the same names, so that the address stays.  Of its settings those are
taken that a router here has as well, and that operators change.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.routers.folder import CA_KEY, PUBLIC, NewFile
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import load_chain_pem
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.basic_auth import is_basic_auth

__all__ = ["TakenOver", "take_over"]

T = TypeVar("T")

_PUBLIC_FILES: Final = ("server.crt", "ca.crt")

_MAX_PORT: Final = 0xFFFF

_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR

_UNITS: Final = {"": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_SIZE: Final = re.compile(r"(\d{1,12})\s*([kmg]b)?", re.IGNORECASE)


@frozen(repr=False)
class TakenOver(Redacted):
    """What a router takes over; `None` for what the server's configuration does not say."""

    files: tuple[NewFile, ...]
    """The credentials, with the key of the authority if it is there."""
    fingerprint: bytes
    hosts: tuple[str, ...] | None
    ports: tuple[int, ...] | None
    password: str | None
    accept_new: bool | None
    ttl: int | None
    """Seconds after which messages, or packets, are deleted."""
    notification_ttl: int | None
    quota: int | None
    """Bytes of packets."""

    @property
    def has_ca_key(self) -> bool:
        """Whether the key of the authority was there."""
        return any(file.name == CA_KEY for file in self.files)


def take_over(folder: Path, ini_name: str) -> TakenOver:
    """Read the folder with a server's configuration; raises `CommandFailed`, and `OSError`."""
    files, chain = _credentials(folder)
    ini = _Ini.read(folder / ini_name)
    return TakenOver(
        files=files,
        fingerprint=chain.identity_fingerprint,
        hosts=ini.maybe("TRANSPORT", "host", _hosts),
        ports=ini.maybe("TRANSPORT", "port", _ports),
        password=ini.maybe("AUTH", "create_password", _password),
        accept_new=ini.maybe("AUTH", ("new_queues", "new_files"), _is_on),
        ttl=ini.maybe("STORE_LOG", "expire_messages_days", _times(_DAY))
        or ini.maybe("STORE_LOG", "expire_files_hours", _times(_HOUR)),
        notification_ttl=ini.maybe("STORE_LOG", "expire_ntfs_hours", _times(_HOUR)),
        quota=ini.maybe("FILES", "storage_quota", _size),
    )


def _credentials(folder: Path) -> tuple[tuple[NewFile, ...], CertificateChain]:
    public = [NewFile(name, (folder / name).read_bytes(), PUBLIC) for name in _PUBLIC_FILES]
    private = [NewFile("server.key", (folder / "server.key").read_bytes())]
    if (folder / CA_KEY).exists():
        private.append(NewFile(CA_KEY, (folder / CA_KEY).read_bytes()))
    leaf, authorities = (load_chain_pem(file.content).certificates for file in public)
    certificates = (*leaf, *(each for each in authorities if each not in leaf))
    return (*public, *private), CertificateChain(certificates)


# --- settings -----------------------------------------------------------------------------------


class _Ini:
    def __init__(self, path: Path, sections: Mapping[str, Mapping[str, str]]) -> None:
        self._path = path
        self._sections = sections

    @classmethod
    def read(cls, path: Path) -> _Ini:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(path.read_text())
        except (configparser.Error, UnicodeDecodeError) as exc:
            raise CommandFailed(f"{path} cannot be read.", ExitCode.USAGE) from exc
        return cls(path, {name: dict(parser[name]) for name in parser.sections()})

    def maybe(
        self, section: str, names: str | tuple[str, ...], read: Callable[[str], T]
    ) -> T | None:
        """A setting that may be missing, under one of its names."""
        found = self._sections.get(section, {})
        for name in (names,) if isinstance(names, str) else names:
            if value := found.get(name, "").strip():
                try:
                    return read(value)
                except (ValueError, DecodeError) as exc:
                    place = f"{self._path}: {name} in [{section}]"
                    raise CommandFailed(f"{place} cannot be read.", ExitCode.USAGE) from exc
        return None


def _hosts(text: str) -> tuple[str, ...] | None:
    if text == "<hostnames>":  # what the server writes if it was not told any
        return None
    return tuple(host.strip() for host in text.split(","))


def _ports(text: str) -> tuple[int, ...]:
    ports = tuple(int(port) for port in text.split(","))
    if not all(0 < port <= _MAX_PORT for port in ports):
        raise ValueError("not a port")
    return ports


def _password(text: str) -> str:
    if not is_basic_auth(text.encode()):
        raise ValueError("not a password")
    return text


def _is_on(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError("neither on nor off")
    return text == "on"


def _times(unit: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text)
        if number < 0:
            raise ValueError("a time is negative")
        return number * unit

    return read


def _size(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError("not a size")
    return int(found[1]) * _UNITS[(found[2] or "").lower()]
