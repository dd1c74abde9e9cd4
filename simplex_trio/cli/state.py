"""The file in which ``simplex-trio queue`` keeps the queues that it made, keys included.

It is written as a whole beside itself and then put in place, so that a crash leaves the old one or
the new one, and never with more permissions than its owner's.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.client.queues import ReceivingQueue
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import AuthPrivateKey, private_key
from simplex_trio.errors import DecodeError
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["SavedQueue", "State", "default_path"]

_VERSION = 1


def default_path() -> Path:
    """Where the state is unless the command line says otherwise."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "simplex-trio" / "queues.json"


@frozen(repr=False)
class SavedQueue(Redacted):
    """A queue with the router that it is on and the name that its owner gave it.

    ``sender_key`` is there for a queue that is secured, and belongs to whoever may send.
    """

    name: str
    router: ServerAddress
    queue: ReceivingQueue
    sender_key: AuthPrivateKey | None = None


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
        try:
            loaded = json.loads(text)
            if loaded["version"] != _VERSION:
                raise DecodeError("another version")
            saved = [_read(each) for each in loaded["queues"]]
        except (ValueError, KeyError, TypeError) as exc:
            raise CommandFailed(
                f"{path} is not a file of this program, or damaged; name another with --state.",
                ExitCode.USAGE,
            ) from exc
        return cls(path, {each.name: each for each in saved})

    def save(self) -> None:
        """Write all of it, safely: after a crash the file is the old one or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = {"version": _VERSION, "queues": [_write(each) for each in self.queues.values()]}
        # A temporary file is for its owner's eyes only from the start.
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".queues-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self.path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def find(self, name: str) -> SavedQueue:
        """The queue with this name."""
        try:
            return self.queues[name]
        except KeyError:
            known = ", ".join(sorted(self.queues)) or "none yet"
            raise CommandFailed(
                f"There is no queue {name!r} here; known: {known}.", ExitCode.USAGE
            ) from None


def _write(saved: SavedQueue) -> dict[str, Any]:
    queue = saved.queue
    return {
        "name": saved.name,
        "router": str(saved.router),
        "recipient_id": queue.recipient_id.hex(),
        "sender_id": queue.sender_id.hex(),
        "key": queue.key.der.hex(),
        "delivery_key": queue.delivery_key.subkey.hex(),
        "sender_key": None if saved.sender_key is None else saved.sender_key.der.hex(),
    }


def _read(fields: dict[str, Any]) -> SavedQueue:
    sender_key = fields["sender_key"]
    return SavedQueue(
        name=str(fields["name"]),
        router=ServerAddress.parse(fields["router"]),
        queue=ReceivingQueue(
            recipient_id=bytes.fromhex(fields["recipient_id"]),
            sender_id=bytes.fromhex(fields["sender_id"]),
            key=_key(fields["key"]),
            delivery_key=BoxKey(bytes.fromhex(fields["delivery_key"])),
        ),
        sender_key=None if sender_key is None else _key(sender_key),
    )


def _key(text: str) -> AuthPrivateKey:
    key = private_key(bytes.fromhex(text))
    if not isinstance(key, AuthPrivateKey):
        raise DecodeError("not a key that authorizes")
    return key
