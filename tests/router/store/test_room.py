"""Which changes make a store larger: those are refused while there is little room, no others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import trio
from attrs import evolve

from simplex_trio.crypto.keys import Ed25519PublicKey
from simplex_trio.errors import StoreFull
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteNotifications,
    DeleteQueue,
    DeleteService,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
)
from simplex_trio.router.store.records import Suspended
from simplex_trio.router.store.room import (
    LARGEST_CHANGE,
    LOG_ROOM,
    ROOM_KEPT,
    SizeEffect,
    growth,
)
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.wire.smp.links import QueueLinkData
from tests.router.store.support import (
    LINK_DATA,
    OTHER_LINK_DATA,
    contents,
    full_queue,
    link,
    message,
    notification,
    notifier,
    octets,
    queue,
    service,
)

GROWS, NEUTRAL, SHRINKS = SizeEffect.GROWS, SizeEffect.NEUTRAL, SizeEffect.SHRINKS

_PLAIN, _FULL = queue("plain"), full_queue("full")
_OTHER_KEYS = (Ed25519PublicKey(octets("other", 32)),)

_MORE_KEYS = evolve(_PLAIN, recipient_keys=_PLAIN.recipient_keys + _OTHER_KEYS)
_BEFORE: list[Change] = [
    PutQueue(_PLAIN),
    PutQueue(_FULL, LINK_DATA),
    message(1, "plain"),
    PutNotification(notification(2, "full")),
    PutService(service()),
]

_CHANGES: dict[str, tuple[Change, SizeEffect]] = {
    "NEW": (PutQueue(queue("new")), GROWS),
    "NEW with a link": (PutQueue(full_queue("new"), LINK_DATA), GROWS),
    "RKEY, more keys": (PutQueue(_MORE_KEYS), GROWS),
    "RKEY, other keys": (PutQueue(evolve(_PLAIN, recipient_keys=_OTHER_KEYS)), NEUTRAL),
    "RKEY, fewer keys": (PutQueue(evolve(_FULL, recipient_keys=_OTHER_KEYS)), SHRINKS),
    "KEY, SKEY": (PutQueue(evolve(_PLAIN, sender_key=_OTHER_KEYS[0])), GROWS),
    "LSET": (PutQueue(evolve(_PLAIN, link=link("plain")), LINK_DATA), GROWS),
    "LSET, longer data": (
        PutQueue(_FULL, QueueLinkData(LINK_DATA.fixed, LINK_DATA.user + b"!")),
        GROWS,
    ),
    "LSET, shorter data": (PutQueue(_FULL, OTHER_LINK_DATA), SHRINKS),
    "LDEL": (PutQueue(evolve(_FULL, link=None)), SHRINKS),
    "NKEY": (PutQueue(evolve(_PLAIN, notifier=notifier("plain"))), GROWS),
    "NDEL": (PutQueue(evolve(_FULL, notifier=None)), SHRINKS),
    "OFF": (PutQueue(evolve(_PLAIN, status=Suspended(1_700_000_000))), NEUTRAL),
    "a day's first use": (PutQueue(evolve(_PLAIN, updated_day=30_000)), NEUTRAL),
    "SUB by a service": (PutQueue(evolve(_PLAIN, service_id=octets("service"))), GROWS),
    "SUB by another service": (PutQueue(evolve(_FULL, service_id=octets("other"))), NEUTRAL),
    "SUB by no service": (PutQueue(evolve(_FULL, service_id=None)), SHRINKS),
    "DEL": (DeleteQueue(_FULL.recipient_id), SHRINKS),
    "SEND": (message(3, "plain"), GROWS),
    "ACK": (DeleteMessages((1,)), SHRINKS),
    "a notification": (PutNotification(notification(4, "full")), GROWS),
    "notifications sent": (DeleteNotifications((2,)), SHRINKS),
    "a service": (PutService(service("b")), GROWS),
    "a service is used": (PutService(service(used_day=20_003)), NEUTRAL),
    "a service expires": (DeleteService(service().service_id), SHRINKS),
    "counters": (PutStatistics({"sent": 2**40}), NEUTRAL),
}


def _leave(patch: pytest.MonkeyPatch, free: int) -> None:
    usage = shutil.disk_usage(Path())._replace(free=free)
    patch.setattr(shutil, "disk_usage", lambda _: usage)


def test_every_kind_of_change_is_classified() -> None:
    assert {type(change) for change, _ in _CHANGES.values()} == set(get_args(Change))


@pytest.mark.parametrize("name", _CHANGES)
async def test_a_change_while_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change, effect = _CHANGES[name]
    async with open_sqlite_store(tmp_path / "router.db") as store:
        await store.commit(_BEFORE)
        before = await contents(store)
        with monkeypatch.context() as patch:
            _leave(patch, LOG_ROOM)
            if effect is GROWS:
                with pytest.raises(StoreFull):
                    await store.commit([change])
                assert await contents(store) == before
            else:
                await store.commit([change])
                assert await contents(store) != before
        await store.commit([change] if effect is GROWS else [])


def test_no_change_is_larger_than_the_largest() -> None:
    keys = tuple(Ed25519PublicKey(octets(f"key {n}", 32)) for n in range(255))
    data = QueueLinkData(bytes(2000), bytes(16_000))
    record = full_queue(link=link("a", data), recipient_keys=keys)
    assert growth([PutQueue(record, data)]) < LARGEST_CHANGE
    assert growth([PutService(service())]) < LARGEST_CHANGE
    assert 16_000 < growth([message(1, size=16_000)]) < LARGEST_CHANGE
    assert growth([PutNotification(notification(1))]) > 0
    assert growth([DeleteMessages((1,)), PutStatistics({"a": 1})]) == 0


async def test_what_is_to_come_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One large commit must not take the room either; several small ones may share what is left."""
    async with open_sqlite_store(tmp_path / "router.db") as store:
        await store.commit([PutQueue(queue())])
        _leave(monkeypatch, ROOM_KEPT + 1_000_000)
        with pytest.raises(StoreFull):
            await store.commit([message(number, size=16_000) for number in range(1, 50)])
        await store.commit([message(number, size=16_000) for number in range(1, 10)])


# --- a file system of a few megabytes -----------------------------------------------------------


def _can_mount(directory: Path) -> bool:
    """Whether this system lets a process mount something that only it sees."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(directory)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    "kind", ["messages", "queues", "keys", "links", "services", "notifications"]
)
async def test_a_file_system_that_is_full(tmp_path: Path, kind: str) -> None:
    """It is filled with changes of a kind, then with other files, and everything is deleted."""
    if not _can_mount(tmp_path):
        pytest.skip("mounting is not allowed here")
    program = "tests.router.store.full_file_system"
    command = ["unshare", "-rm", sys.executable, "-m", program, str(tmp_path), kind]
    finished = await trio.run_process(
        command, capture_stdout=True, stderr=subprocess.STDOUT, check=False, env=os.environ
    )
    lines = finished.stdout.decode().splitlines()
    assert lines[-1:] == ["all deleted"], lines
    assert int(lines[0].removeprefix("filled by ")) > 10
