"""Values to store, ways to open stores, and everything that is in one."""

from __future__ import annotations

from pathlib import Path

from simplex_trio.testing._cancelling import cancelled_at
from simplex_trio.testing._store_values import (
    LINK_DATA,
    OTHER_LINK_DATA,
    Contents,
    body,
    contents,
    full_queue,
    head,
    link,
    message,
    notification,
    notifier,
    octets,
    queue,
    service,
)
from simplex_trio.testing.stores import Opener

__all__ = [
    "LINK_DATA",
    "OTHER_LINK_DATA",
    "Contents",
    "Opener",
    "body",
    "cancelled_at",
    "contents",
    "copy_store",
    "full_queue",
    "head",
    "link",
    "message",
    "notification",
    "notifier",
    "octets",
    "queue",
    "service",
]


def copy_store(source: Path, target: Path) -> Path:
    """What a crash of the process leaves of an open store, at another place."""
    for suffix in ("", "-wal", "-mark"):
        part = source.with_name(source.name + suffix)
        if part.exists():
            target.with_name(target.name + suffix).write_bytes(part.read_bytes())
    return target
