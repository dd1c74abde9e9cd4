"""The file in which ``simplex-trio queue`` keeps the queues that it made, keys included.

It is written as a whole beside itself and then put in place, so that a crash leaves the old one or
the new one, and is readable for its owner alone.  A command that changes it holds a lock, so that
concurrent commands do not undo each other's changes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import define, field

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.client.smp.queues import ReceivingQueue
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import AuthPrivateKey, X25519PrivateKey, private_key
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.storage.files import lock, make_private, replace_file
from simplex_trio.storage.folders import state_folder
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.queue_uris import QueueAddress, QueueURI, SMPClientVersion
from simplex_trio.wire.versions import VersionRange

__all__ = ["SavedQueue", "State", "default_path"]

_VERSION = 2

_NO_CHECKSUM = 1
"""The version before there was a checksum, which is still read."""

_CLIENT_VERSIONS = VersionRange(SMPClientVersion.SENDER_SECURES, SMPClientVersion.SHORT_LINKS)


def default_path() -> Path:
    """Where the state is unless the command line says otherwise."""
    return state_folder() / "queues.json"


@frozen(repr=False)
class SavedQueue(Redacted):
    """A queue with the router that it is on and the name that its owner gave it.

    ``sealing_key`` opens what senders have sealed for this queue; its public half is in the address
    that they get.  ``sender_key`` is there for a queue to which only this file's owner can send.
    """

    name: str
    router: ServerAddress
    queue: ReceivingQueue
    sealing_key: X25519PrivateKey
    sender_key: AuthPrivateKey | None = None

    @property
    def uri(self) -> QueueURI:
        """The address to give to senders."""
        queue = self.queue
        public = self.sealing_key.public
        address = QueueAddress(self.router, queue.sender_id, public, queue.mode)
        return QueueURI(_CLIENT_VERSIONS, address)


@define(repr=False)
class State(Redacted):
    """All saved queues by name, and the file they are in."""

    path: Path
    queues: dict[str, SavedQueue] = field(factory=dict)

    @classmethod
    def load(cls, path: Path) -> State:
        """Read the file; one that is not there yet is an empty state."""
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            return cls(path)
        except UnicodeDecodeError as exc:
            raise _damaged(path) from exc
        with suppress(OSError):  # a file system may not have permissions
            make_private(path)
        try:
            loaded = json.loads(text)
            queues = loaded["queues"]
            if loaded["version"] != _NO_CHECKSUM:
                if loaded["version"] != _VERSION:
                    raise DecodeError("another version")
                if loaded["checksum"] != _checksum(queues):
                    raise DecodeError("another checksum")
            saved = [_read(each) for each in queues]
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise _damaged(path) from exc
        return cls(path, {each.name: each for each in saved})

    @classmethod
    @contextmanager
    def change(cls, path: Path) -> Iterator[State]:
        """The state, to be changed in the block and saved at its end, unless the block fails."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(path.with_name(f".{path.name}.lock")):
            state = cls.load(path)
            yield state
            state._save()

    def _save(self) -> None:
        queues = [_write(each) for each in self.queues.values()]
        content = {"version": _VERSION, "checksum": _checksum(queues), "queues": queues}
        replace_file(self.path, json.dumps(content, indent=1).encode())

    def find(self, name: str) -> SavedQueue:
        """The queue with this name."""
        try:
            return self.queues[name]
        except KeyError:
            known = ", ".join(sorted(self.queues)) or "none yet"
            raise CommandFailed(
                f"There is no queue {name!r} in {self.path}; known: {known}.", ExitCode.USAGE
            ) from None

    def check_free(self, name: str) -> None:
        """Raise `CommandFailed` if there is a queue with this name already."""
        if name in self.queues:
            raise CommandFailed(
                f"There is a queue {name!r} already; delete it first, or take another name.",
                ExitCode.USAGE,
            )


def _damaged(path: Path) -> CommandFailed:
    return CommandFailed(
        f"{path} is not a file of this program, or is damaged; name another with --state.",
        ExitCode.USAGE,
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        lock(file.fileno(), wait=True)
        yield


def _checksum(queues: Any) -> str:
    """A checksum, which detects a wrong letter in a key."""
    return f"{zlib.crc32(json.dumps(queues, sort_keys=True).encode()):08x}"


def _write(saved: SavedQueue) -> dict[str, Any]:
    queue = saved.queue
    return {
        "name": saved.name,
        "router": str(saved.router),
        "recipient_id": queue.recipient_id.hex(),
        "sender_id": queue.sender_id.hex(),
        "mode": None if queue.mode is None else queue.mode.value.decode(),
        "key": queue.key.der.hex(),
        "delivery_key": queue.delivery_key.subkey.hex(),
        "sealing_key": saved.sealing_key.der.hex(),
        "sender_key": None if saved.sender_key is None else saved.sender_key.der.hex(),
    }


def _read(fields: dict[str, Any]) -> SavedQueue:
    mode, sender_key = fields["mode"], fields["sender_key"]
    return SavedQueue(
        name=str(fields["name"]),
        router=ServerAddress.parse(fields["router"]),
        queue=ReceivingQueue(
            recipient_id=bytes.fromhex(fields["recipient_id"]),
            sender_id=bytes.fromhex(fields["sender_id"]),
            key=_auth_key(fields["key"]),
            delivery_key=BoxKey(bytes.fromhex(fields["delivery_key"])),
            mode=None if mode is None else QueueMode(mode.encode()),
        ),
        sealing_key=_sealing_key(fields["sealing_key"]),
        sender_key=None if sender_key is None else _auth_key(sender_key),
    )


def _auth_key(text: str) -> AuthPrivateKey:
    key = private_key(bytes.fromhex(text))
    if not isinstance(key, AuthPrivateKey):
        raise DecodeError("not a key that authorizes")
    return key


def _sealing_key(text: str) -> X25519PrivateKey:
    key = private_key(bytes.fromhex(text))
    if not isinstance(key, X25519PrivateKey):
        raise DecodeError("not a key to agree on secrets with")
    return key
