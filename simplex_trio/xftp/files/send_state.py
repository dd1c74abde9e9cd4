"""`SendState`: the state file of an upload, with which it resumes; one line for each step.

Lines are only appended, so a program that is killed leaves at most its last line incomplete, and
that step is repeated.  The file has all keys of the transfer, and only its owner can read it.  It
belongs to one transfer at a time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import trio

from simplex_trio.crypto.keys import AuthPrivateKey, auth_private_key
from simplex_trio.errors import DecodeError
from simplex_trio.storage.files import write_all
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.text import from_base64url, to_base64url
from simplex_trio.wire.xftp.file_header import FileHeader
from simplex_trio.xftp.disk import claim, in_thread
from simplex_trio.xftp.errors import StateMismatch
from simplex_trio.xftp.files.layout import Plan, StoredPacket
from simplex_trio.xftp.files.uploads import (
    Encrypted,
    Lost,
    Registered,
    Uploaded,
    Uploads,
    UploadStep,
)

__all__ = ["SendState"]

_FORMAT = "simplex-trio xftp sending 1"
_BEGINNING = f'{{"format":"{_FORMAT}","name":'.encode()
_MAX_STATE_SIZE = 256 * 1024 * 1024

Record = dict[str, Any]

# The errors of reading a record: decoders raise ValueError, and the JSON reader RecursionError.
_MALFORMED = (
    StopIteration,
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
    RecursionError,
)


class SendState(Uploads):
    """The completed steps, in memory alone if there is no file.  The caller closes it."""

    def __init__(self, plan: Plan, file: BinaryIO | None) -> None:
        super().__init__(plan)
        self._file = file
        self._lock = trio.Lock()

    @classmethod
    async def open(cls, path: Path | None, new_plan: Plan) -> SendState:
        """The state in the file, or a new one with ``new_plan`` if there is no file yet.

        Raises `StateMismatch` if the file is something else, without changing it, `StateInUse`, and
        `StoreError`.
        """
        if path is None:
            return cls(new_plan, None)
        return await in_thread(partial(cls._open, path, new_plan))

    @classmethod
    def _open(cls, path: Path, new_plan: Plan) -> SendState:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            claim(descriptor)
            data = _read(file)
            whole = data[: data.rfind(b"\n") + 1]
            state = cls._parse(whole, file) if whole else cls(new_plan, file)
            file.truncate(len(whole))
            if not whole:
                state._write_down(_plan_record(new_plan))
        except BaseException:
            file.close()
            raise
        return state

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    @classmethod
    def _parse(cls, data: bytes, file: BinaryIO) -> SendState:
        records = _records(data)
        try:
            state = cls(_plan(next(records)), file)
            for record in records:
                state.apply(_step(record))
        except _MALFORMED as exc:
            raise StateMismatch("the state file is not that of a file being sent") from exc
        return state

    async def _keep(self, step: UploadStep) -> None:
        # In a thread, since the keys of many recipients take long to encode.
        record = await in_thread(partial(_record, step))
        if self._file is not None:
            async with self._lock:
                await in_thread(partial(self._write_down, record))

    def _write_down(self, record: Record) -> None:
        assert self._file is not None
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        end = self._file.seek(0, os.SEEK_END)
        try:
            write_all(self._file.fileno(), line)
        except OSError:
            self._file.truncate(end)  # do not append to an incomplete line
            raise


# --- the file -----------------------------------------------------------------------------------


def _read(file: BinaryIO) -> bytes:
    if file.seek(0, os.SEEK_END) > _MAX_STATE_SIZE:
        raise StateMismatch("the state file is too large to be one")
    file.seek(0)
    data = file.read()
    if not data.startswith(_BEGINNING[: len(data)]):
        raise StateMismatch("the state file is not that of a file being sent")
    return data


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


def _record(step: UploadStep) -> Record:
    match step:
        case Registered(packet, stored):
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
        case Uploaded(packet, sender_id):
            return {"step": "uploaded", "packet": packet, "id": to_base64url(sender_id)}
        case Lost(packet, sender_id):
            return {"step": "lost", "packet": packet, "id": to_base64url(sender_id)}
        case Encrypted(digest):
            return {"step": "encrypted", "digest": to_base64url(digest)}


def _step(record: Record) -> UploadStep:
    match record["step"]:
        case "registered":
            return Registered(record["packet"], _stored(record))
        case "uploaded":
            return Uploaded(record["packet"], from_base64url(record["id"]))
        case "lost":
            return Lost(record["packet"], from_base64url(record["id"]))
        case "encrypted":
            return Encrypted(from_base64url(record["digest"]))
        case _:
            raise DecodeError("an unknown step")


def _stored(record: Record) -> StoredPacket:
    return StoredPacket(
        digest=from_base64url(record["digest"]),
        server=ServerAddress.parse(record["server"]),
        sender_id=from_base64url(record["id"]),
        sender_key=auth_private_key(from_base64url(record["key"])),
        recipients=tuple(map(_recipient, record["recipients"])),
    )


def _recipient(record: list[str]) -> tuple[bytes, AuthPrivateKey]:
    recipient_id, key = map(from_base64url, record)
    return recipient_id, auth_private_key(key)
