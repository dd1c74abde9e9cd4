"""Targets: what a router's operator brings along: exports, and the files of another server."""

from __future__ import annotations

from collections.abc import Iterator

from simplex_trio.router.moving.records import decode_records, encode_records
from simplex_trio.router.moving.server_log import ServerLog
from simplex_trio.router.moving.server_messages import (
    JournalState,
    read_journal_message,
    read_logged_message,
    read_notification,
)
from simplex_trio.xftp.router.server_log import FileServerLog
from tests.fuzz.target import Target
from tests.vectors import load

__all__ = ["TARGETS"]

FILES = (
    "smp_server_6_5.json",
    "smp_server_7_0.json",
    "xftp_server_6_5.json",
    "xftp_server_7_0.json",
)
NOW = 1_700_000_000


def lines(beginning: str) -> Iterator[bytes]:
    """The recorded lines in files whose names begin like this, a few of each kind."""
    seen: dict[bytes, int] = {}
    for file in FILES:
        for case in load(file):
            for name, text in case["files"].items():
                for line in text.encode().splitlines() if name.startswith(beginning) else ():
                    kind = line[:8]
                    seen[kind] = seen.get(kind, 0) + 1
                    if seen[kind] <= 3:
                        yield line


def journal(*, states: bool) -> Iterator[bytes]:
    return (line for line in lines("messages/") if line.startswith(b"write=") == states)


def log_line(data: bytes) -> None:
    log = ServerLog(NOW)
    for line in data.split(b"\n"):
        log.feed(line)


def file_log(data: bytes) -> None:
    log = FileServerLog()
    for line in data.split(b"\n"):
        log.feed(line)


def whole_logs() -> Iterator[bytes]:
    yield from lines("smp-server-store")
    yield b"\n".join(lines("smp-server-store"))


def records() -> Iterator[bytes]:
    log = ServerLog(NOW)
    for line in lines("smp-server-store"):
        log.feed(line)
    for change in log.changes():
        yield from encode_records(change)


TARGETS = (
    Target("export-records", lambda data: list(decode_records(data)), records),
    Target("server-store-log", log_line, whole_logs),
    Target("server-file-log", file_log, lambda: lines("file-server-store")),
    Target(
        "server-message",
        lambda data: read_logged_message(data, 1),
        lambda: lines("smp-server-messages"),
    ),
    Target(
        "server-journal-message",
        lambda data: read_journal_message(b"queue", data, 1),
        lambda: journal(states=False),
    ),
    Target("server-journal-state", JournalState.read, lambda: journal(states=True)),
    Target(
        "server-notification",
        lambda data: read_notification(data, 1),
        lambda: lines("smp-server-ntfs"),
    ),
)
