"""Records as rows: how a value of each type is a value of SQLite."""

from __future__ import annotations

import types
from collections.abc import Callable
from enum import Enum
from functools import lru_cache, reduce
from operator import or_
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    AuthPublicKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
    X25519PublicKey,
    auth_private_key,
    auth_public_key,
)
from simplex_trio.ratchet.state import Ratchet
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.duplex.x3dh_keys import X3DHKeys
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.queue_uris import VersionedQueue
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.description_text import decode_description, encode_description
from simplex_trio.xftp.files.layout import Plan, StoredPacket

__all__ = ["Convert", "Table", "codec"]

RecordT = TypeVar("RecordT")

Convert = Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


@lru_cache(maxsize=256)
def _server(data: bytes) -> ServerAddress:
    return ServerAddress.parse(data.decode())


_CODECS: dict[Any, tuple[Convert, Convert]] = {
    int: (_same, _same),
    float: (_same, _same),
    bytes: (_same, _same),
    str: (str.encode, bytes.decode),
    bool: (int, bool),
    ServerAddress: (lambda server: str(server).encode(), _server),
    Ed25519PrivateKey: (lambda key: key.raw, Ed25519PrivateKey),
    X25519PrivateKey: (lambda key: key.raw, X25519PrivateKey),
    X25519PublicKey: (lambda key: key.raw, X25519PublicKey),
    AuthPublicKey: (lambda key: key.der, auth_public_key),
    AuthPrivateKey: (lambda key: key.der, auth_private_key),
    BoxKey: (lambda key: key.subkey, BoxKey),
    FileDescription: (lambda text: encode_description(text).encode(), decode_description),
    Plan: (Plan.encode, Plan.decode),
    StoredPacket: (StoredPacket.encode, StoredPacket.decode),
    QueueMode: (lambda mode: mode.value, QueueMode),
    Ratchet: (Ratchet.encode, Ratchet.decode),
    X3DHPrivateKeys: (X3DHPrivateKeys.encode, X3DHPrivateKeys.decode),
    VersionedQueue: (VersionedQueue.encode, lambda data: VersionedQueue.decode(Reader(data))),
    X3DHKeys: (X3DHKeys.encode, lambda data: X3DHKeys.decode(Reader(data))),
}


def codec(kind: Any) -> tuple[Convert, Convert]:
    """How values of a type are written and read."""
    if kind in _CODECS:
        return _CODECS[kind]
    if get_origin(kind) in (Union, types.UnionType):
        parts = [part for part in get_args(kind) if part is not type(None)]
        write, read = codec(parts[0] if len(parts) == 1 else reduce(or_, parts))
        return (
            lambda value: None if value is None else write(value),
            lambda value: None if value is None else read(value),
        )
    if isinstance(kind, type) and issubclass(kind, Enum):
        if isinstance(next(iter(kind)).value, str):
            return (lambda member: member.value.encode()), (lambda data: kind(data.decode()))
        return (lambda member: member.value), kind
    raise TypeError(f"no column holds a {kind!r}")


class Table(Generic[RecordT]):
    """The table of one class of records, with a column for each field."""

    def __init__(self, kind: type[RecordT], name: str, key: tuple[str, ...]) -> None:
        self.kind = kind
        self.name = name
        self.key = key
        hints = get_type_hints(kind)
        self.columns: tuple[str, ...] = tuple(field.name for field in attrs.fields(kind))  # type: ignore[arg-type]
        codecs = {column: codec(hints[column]) for column in self.columns}
        self._write = {column: codec[0] for column, codec in codecs.items()}
        self._reads = tuple(codecs[column][1] for column in self.columns)
        self._names = ", ".join(self.columns)
        marks = ", ".join("?" * len(self.columns))
        self._where_key = " AND ".join(f"{column} = ?" for column in key)
        self._order = ", ".join(key)
        self.insert: str = f"INSERT INTO {name} ({self._names}) VALUES ({marks})"
        self.select_one: str = f"SELECT {self._names} FROM {name} WHERE {self._where_key}"
        self.delete: str = f"DELETE FROM {name} WHERE {self._where_key}"

    def values(self, record: RecordT) -> tuple[Any, ...]:
        """A record as the values of its columns."""
        write = self._write
        return tuple(write[column](getattr(record, column)) for column in self.columns)

    def key_values(self, record: RecordT) -> tuple[Any, ...]:
        """The key of a record, as SQLite has it."""
        return tuple(self._write[column](getattr(record, column)) for column in self.key)

    def written(self, column: str, value: Any) -> Any:
        """A value of a column, as SQLite has it."""
        return self._write[column](value)

    def record(self, row: tuple[Any, ...]) -> RecordT:
        """The record that a row is."""
        return self.kind(*(read(value) for read, value in zip(self._reads, row, strict=True)))

    def count(self, columns: tuple[str, ...]) -> str:
        """The statement that counts records by the values of ``columns``."""
        return f"SELECT count(*) FROM {self.name}{self._condition(columns)}"

    def select(self, columns: tuple[str, ...], limit: int | None) -> str:
        """The statement that finds records by the values of ``columns``."""
        ending = "" if limit is None else f" LIMIT {limit}"
        condition = self._condition(columns)
        return f"SELECT {self._names} FROM {self.name}{condition} ORDER BY {self._order}{ending}"

    @staticmethod
    def _condition(columns: tuple[str, ...]) -> str:
        where = " AND ".join(f"{column} = ?" for column in columns)
        return f" WHERE {where}" if where else ""

    def update(self, before: RecordT, after: RecordT) -> tuple[str, tuple[Any, ...]] | None:
        """The statement that changes what is different, and its values."""
        changed = [
            column
            for column in self.columns
            if getattr(before, column) is not getattr(after, column)
        ]
        if not changed:
            return None
        assignments = ", ".join(f"{column} = ?" for column in changed)
        values = [self._write[column](getattr(after, column)) for column in changed]
        statement = f"UPDATE {self.name} SET {assignments} WHERE {self._where_key}"
        return statement, (*values, *self.key_values(after))
