"""`Encrypted`: databases that are encrypted with SQLCipher, of the extra ``sqlcipher``.

SQLCipher encrypts each page of the file and of the log by itself: AES-256 in CBC mode, with an HMAC
that names the page, so that pages cannot be changed or exchanged.  What is not hidden is how large
the file is, when it changes and where, and the mark beside it, which counts commits.  An old page
of the same place can be put back unnoticed; an old file, or one without its last commits, is
noticed by its mark as every other.

To notice missing commits, the log has to be read before SQLite reads it, so its pages are decrypted
here too.  Their format is that of SQLCipher 4, which is asked for by name: 16 bytes of salt at the
beginning of the file, in place of SQLite's own first bytes, and at the end of each page an
initialization vector and an HMAC.
"""

from __future__ import annotations

import hmac
import os
import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from hashlib import pbkdf2_hmac, sha512
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast, final

from attrs import field
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from simplex_trio.errors import EncryptionSupportMissing, StoreKeyWrong
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.storage.drivers import PLAIN, Driver, PageReader, uri_of
from simplex_trio.storage.failures import translated
from simplex_trio.storage.log_check import log_path, pages_of_log

__all__ = ["KEY_SIZE", "Encrypted", "StoreKey", "driver_for", "export", "is_encrypted"]

KEY_SIZE: Final = 32

_PAGE_SIZE: Final = 4096
_SALT_SIZE: Final = 16
_IV_SIZE: Final = 16
_HMAC_SIZE: Final = 64
_RESERVED: Final = _IV_SIZE + _HMAC_SIZE
_ITERATIONS: Final = 256_000
_HMAC_ITERATIONS: Final = 2
_HMAC_SALT_MASK: Final = 0x3A

_PLAIN: Final = b"SQLite format 3\0"
"""How a file begins that is not encrypted."""

_RANDOM_VALUES: Final = 240
"""A page of random bytes has fewer different values once in a universe, and any other has."""


def _checked_key(_instance: Any, _attribute: Any, key: Any) -> None:
    match key:
        case bytes() if len(key) == KEY_SIZE:
            return
        case str() if key and "\0" not in key:
            return
        case bytes():
            raise ValueError(f"a key of bytes has {KEY_SIZE} of them")
        case str():
            raise ValueError("a passphrase is not empty, and has no NUL in it")
        case _:
            raise TypeError("a key is a passphrase, or bytes")


@final
@frozen(repr=False)
class StoreKey(Redacted):
    """The key of an encrypted database.

    Text is a passphrase, from which SQLCipher's own function derives the key: it takes some tenths
    of a second on purpose.  Bytes are the key itself.
    """

    key: str | bytes = field(validator=_checked_key)

    def derive(self, salt: bytes) -> bytes:
        """The key of a file with this salt."""
        if isinstance(self.key, bytes):
            return self.key
        return _derived(self.key, salt)


@lru_cache(maxsize=1)
def _derived(passphrase: str, salt: bytes) -> bytes:
    return pbkdf2_hmac("sha512", passphrase.encode(), salt, _ITERATIONS, KEY_SIZE)


def is_encrypted(path: Path) -> bool:
    """Whether a file looks like an encrypted database: random from its first page on."""
    try:
        with path.open("rb") as file:
            page = file.read(_PAGE_SIZE)
    except OSError:
        return False
    return not page.startswith(_PLAIN) and len(set(page)) >= _RANDOM_VALUES


@final
class Encrypted(Driver):
    """SQLCipher with a key; without one it reads and makes files that are not encrypted.

    Raises `EncryptionSupportMissing` where the package is not installed.
    """

    def __init__(self, key: StoreKey | None) -> None:
        self._key = key
        self._dbapi = _load()

    def check(self, path: Path) -> None:
        """Return if the key is that of the file, whatever else may be wrong with it.

        Otherwise `StoreKeyWrong`.  After a loss of power the first page may be whole in the log
        only.
        """
        salt = _salt_of(path)
        if self._key is None or salt is None:
            return
        if salt == _PLAIN:
            raise StoreKeyWrong("the store is not encrypted, and a key was given")
        key = self._key.derive(salt)
        hmac_salt = bytes(byte ^ _HMAC_SALT_MASK for byte in salt)
        hmac_key = pbkdf2_hmac("sha512", key, hmac_salt, _HMAC_ITERATIONS, KEY_SIZE)
        if not any(_is_authentic(page, hmac_key) for page in _first_pages(path)):
            raise StoreKeyWrong("the store has another key, or is damaged at its beginning")

    def connect(self, path: Path, *, immutable: bool = False) -> sqlite3.Connection:
        """A connection, which raises errors of SQLCipher's package with the codes of SQLite."""
        connection = self._dbapi.connect(
            uri_of(path) if immutable else str(path),
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            uri=immutable,
        )
        try:
            # Errors are raised, and need not be on the standard error output as well.
            connection.execute("PRAGMA cipher_log_level = NONE").fetchall()
            if self._key is not None:
                connection.execute(f"PRAGMA key = {self.pragma(path)}").fetchall()
                connection.execute("PRAGMA cipher_compatibility = 4").fetchall()
        except BaseException:
            connection.close()
            raise
        return cast("sqlite3.Connection", connection)

    def pragma(self, path: Path) -> str:
        """The key of a file as SQLCipher's statements take it; a new file gets a new salt."""
        if self._key is None:
            return "''"
        salt = _salt_of(path) or os.urandom(_SALT_SIZE)
        return f"\"x'{self._key.derive(salt).hex()}{salt.hex()}'\""

    def page_reader(self, path: Path) -> PageReader:
        """What decrypts pages, without asking whether they are authentic: SQLCipher will."""
        salt = _salt_of(path)
        if self._key is None or salt is None:
            return super().page_reader(path)
        algorithm = AES(self._key.derive(salt))

        def read(page: bytes) -> bytes:
            if len(page) != _PAGE_SIZE:
                return page
            # Only the first page begins with the salt, and from there on its blocks are the same.
            end = _PAGE_SIZE - _RESERVED
            start = _SALT_SIZE if page.startswith(salt) else 0
            decryptor = Cipher(algorithm, CBC(page[end : end + _IV_SIZE])).decryptor()
            return decryptor.update(page[start:end])

        return read


def driver_for(key: str | bytes | None) -> Driver:
    """The driver for files with this key, or without one."""
    return PLAIN if key is None else Encrypted(StoreKey(key))


def export(connection: sqlite3.Connection, driver: Encrypted, path: Path) -> None:
    """Write all of a database to an empty file, encrypted by another driver.

    ``connection`` was made by a driver of this class as well.
    """
    with translated("the new file"):
        connection.execute(f"ATTACH DATABASE ? AS copy KEY {driver.pragma(path)}", (str(path),))
        try:
            connection.execute("SELECT sqlcipher_export('copy')").fetchall()
            for name in ("application_id", "user_version"):
                ((number,),) = connection.execute(f"PRAGMA main.{name}").fetchall()
                connection.execute(f"PRAGMA copy.{name} = {number}")
        finally:
            connection.execute("DETACH DATABASE copy")


def _load() -> Any:
    try:
        return import_module("sqlcipher3.dbapi2")
    except ImportError as exc:
        raise EncryptionSupportMissing(
            "encryption needs SQLCipher: pip install 'simplex-trio[sqlcipher]'"
        ) from exc


def _salt_of(path: Path) -> bytes | None:
    """The first bytes of a file; `None` if it is not there or empty."""
    try:
        with path.open("rb") as file:
            salt = file.read(_SALT_SIZE)
    except FileNotFoundError:
        return None
    return salt if len(salt) == _SALT_SIZE else None


def _first_pages(path: Path) -> Iterator[bytes]:
    """The first page of the database, as it is in the file and everywhere in the log."""
    with path.open("rb") as file:
        yield file.read(_PAGE_SIZE)
    for number, page in pages_of_log(log_path(path)):
        if number == 1:
            yield page


def _is_authentic(page: bytes, hmac_key: bytes) -> bool:
    """Whether a first page has its HMAC."""
    end = _PAGE_SIZE - _HMAC_SIZE
    number = (1).to_bytes(4, "little")
    expected = hmac.digest(hmac_key, page[_SALT_SIZE:end] + number, sha512().name)
    return hmac.compare_digest(page[end:], expected)
