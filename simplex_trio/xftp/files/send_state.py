"""The state file of a sending: what it takes to go on after a crash, one line for each step.

Lines are only ever added, so a program that is killed leaves at most its last line unfinished, and
that step is done again.  The file has the keys of everything and is readable by its owner alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import trio

from simplex_trio.crypto.keys import AuthPrivateKey, private_key
from simplex_trio.errors import DecodeError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.text import from_base64url, to_base64url
from simplex_trio.wire.xftp.file_header import FileHeader
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import StateMismatch
from simplex_trio.xftp.files.layout import Plan, StoredPacket

__all__ = ["SendState"]

_FORMAT = "simplex-trio xftp sending 1"
_MAX_STATE_SIZE = 256 * 1024 * 1024

Record = dict[str, Any]

# What reading a record may raise: ValueError is every decoder's, RecursionError the JSON reader's.
_MALFORMED = (
    StopIteration,
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
    RecursionError,
)


class SendState:
    """The steps that are done; without a path they are only remembered."""

    def __init__(self, plan: Plan, path: Path | None) -> None:
        self.plan = plan
        self.digest: bytes | None = None
        """Of the encrypted file, once all of it was seen."""
        self._path = path
        self._lock = trio.Lock()
        self._registered: dict[int, dict[bytes, StoredPacket]] = {}
        self._uploaded: set[bytes] = set()

    @classmethod
    async def open(cls, path: Path | None, new_plan: Callable[[], Plan]) -> SendState:
        """The state in the file, or a new one with a new plan if there is no file yet.

        Raises `StateMismatch` if the file is something else, and `StorageFailed`.
        """
        if path is not None:
            data = await in_thread(partial(_read, path))
            if data:
                return await in_thread(partial(cls._parse, path, data))
        state = cls(new_plan(), path)
        await state._append(_plan_record(state.plan))
        return state

    @classmethod
    def _parse(cls, path: Path, data: bytes) -> SendState:
        records = _records(data)
        try:
            state = cls(_plan(next(records)), path)
            for record in records:
                state._replay(record)
        except _MALFORMED as exc:
            raise StateMismatch("the state file is not that of a file being sent") from exc
        return state

    def _replay(self, record: Record) -> None:
        match record["step"]:
            case "registered":
                self._note_registered(record["packet"], _stored(record))
            case "uploaded":
                self._uploaded.add(from_base64url(record["id"]))
            case "lost":
                self._note_lost(record["packet"], from_base64url(record["id"]))
            case "encrypted":
                self.digest = from_base64url(record["digest"])
            case _:
                raise DecodeError("an unknown step")

    # --- what is done -------------------------------------------------------------------------

    def uploaded(self, packet: int) -> list[StoredPacket]:
        """The replicas of a packet that routers have."""
        return [each for each in self._all(packet) if each.sender_id in self._uploaded]

    def unfinished(self, packet: int) -> list[StoredPacket]:
        """The replicas that routers know of, and have not got."""
        return [each for each in self._all(packet) if each.sender_id not in self._uploaded]

    def is_placed(self, packet: int) -> bool:
        return len(self.uploaded(packet)) >= self.plan.replicas

    @property
    def is_complete(self) -> bool:
        count = len(self.plan.sizes)
        return self.digest is not None and all(map(self.is_placed, range(1, count + 1)))

    def _all(self, packet: int) -> list[StoredPacket]:
        return list(self._registered.get(packet, {}).values())

    # --- steps --------------------------------------------------------------------------------

    async def add_registered(self, packet: int, stored: StoredPacket) -> None:
        self._note_registered(packet, stored)
        await self._append(_stored_record(packet, stored))

    async def add_uploaded(self, packet: int, stored: StoredPacket) -> None:
        self._uploaded.add(stored.sender_id)
        identity = to_base64url(stored.sender_id)
        await self._append({"step": "uploaded", "packet": packet, "id": identity})

    async def add_lost(self, packet: int, stored: StoredPacket) -> None:
        """Note that a router does not know the packet any more."""
        self._note_lost(packet, stored.sender_id)
        identity = to_base64url(stored.sender_id)
        await self._append({"step": "lost", "packet": packet, "id": identity})

    async def add_digest(self, digest: bytes) -> None:
        self.digest = digest
        await self._append({"step": "encrypted", "digest": to_base64url(digest)})

    def _note_registered(self, packet: int, stored: StoredPacket) -> None:
        if not 1 <= packet <= len(self.plan.sizes):
            raise DecodeError("a packet that the file has not")
        if len(stored.recipients) != self.plan.recipients:
            raise DecodeError("a packet with another number of recipients")
        self._registered.setdefault(packet, {})[stored.sender_id] = stored

    def _note_lost(self, packet: int, sender_id: bytes) -> None:
        self._registered.get(packet, {}).pop(sender_id, None)
        self._uploaded.discard(sender_id)

    async def _append(self, record: Record) -> None:
        if self._path is None:
            return
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        async with self._lock:
            await in_thread(partial(_append_line, self._path, line))


# --- the file -----------------------------------------------------------------------------------


def _read(path: Path) -> bytes:
    """The whole lines of the file; what a crash has left after them is cut off."""
    try:
        with path.open("r+b") as file:
            if file.seek(0, os.SEEK_END) > _MAX_STATE_SIZE:
                raise StateMismatch("the state file is too large to be one")
            file.seek(0)
            data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            file.truncate(len(whole))
            return whole
    except FileNotFoundError:
        return b""


def _append_line(path: Path, line: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with open(descriptor, "ab") as file:
        file.write(line)


def _records(data: bytes) -> Iterator[Record]:
    for line in data.splitlines():
        record = json.loads(line)
        if not isinstance(record, dict):
            raise DecodeError("a line that is not a record")
        yield record


# --- records ------------------------------------------------------------------------------------


def _plan_record(plan: Plan) -> Record:
    return {
        "format": _FORMAT,
        "name": plan.header.name,
        "extra": plan.header.extra,
        "size": plan.content_size,
        "key": to_base64url(plan.key),
        "nonce": to_base64url(plan.nonce),
        "recipients": plan.recipients,
        "replicas": plan.replicas,
        "packets": list(plan.sizes),
    }


def _plan(record: Record) -> Plan:
    if record["format"] != _FORMAT:
        raise DecodeError("a file of another kind")
    return Plan(
        header=FileHeader(record["name"], record["extra"]),
        content_size=record["size"],
        key=from_base64url(record["key"]),
        nonce=from_base64url(record["nonce"]),
        recipients=record["recipients"],
        replicas=record["replicas"],
        sizes=tuple(record["packets"]),
    )


def _stored_record(packet: int, stored: StoredPacket) -> Record:
    return {
        "step": "registered",
        "packet": packet,
        "digest": to_base64url(stored.digest),
        "server": str(stored.server),
        "id": to_base64url(stored.sender_id),
        "key": to_base64url(stored.sender_key.der),
        "recipients": [
            [to_base64url(recipient_id), to_base64url(key.der)]
            for recipient_id, key in stored.recipients
        ],
    }


def _stored(record: Record) -> StoredPacket:
    return StoredPacket(
        digest=from_base64url(record["digest"]),
        server=ServerAddress.parse(record["server"]),
        sender_id=from_base64url(record["id"]),
        sender_key=_key(record["key"]),
        recipients=tuple((from_base64url(i), _key(k)) for i, k in record["recipients"]),
    )


def _key(text: str) -> AuthPrivateKey:
    key = private_key(from_base64url(text))
    if not isinstance(key, AuthPrivateKey):
        raise DecodeError("a key of a kind that authorizes nothing")
    return key
