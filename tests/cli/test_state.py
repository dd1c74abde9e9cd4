"""The file with the queues and their keys."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from simplex_trio import ReceivingQueue
from simplex_trio.cli.failures import CommandFailed
from simplex_trio.cli.state import SavedQueue, State, default_path
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.queue_uris import QueueURI
from tests.cli.support import ROOT

ROUTER = ServerAddress.parse(f"smp://{'A' * 43}=@smp.example.com")


def a_queue(name: str, mode: QueueMode | None = QueueMode.MESSAGING) -> SavedQueue:
    queue = ReceivingQueue(
        recipient_id=b"r" * 24,
        sender_id=b"s" * 24,
        key=Ed25519PrivateKey.generate(),
        delivery_key=BoxKey(bytes(range(32))),
        mode=mode,
    )
    sender_key = None if mode is None else Ed25519PrivateKey.generate()
    return SavedQueue(name, ROUTER, queue, X25519PrivateKey.generate(), sender_key)


def add(path: Path, saved: SavedQueue) -> None:
    with State.change(path) as state:
        state.queues[saved.name] = saved


@pytest.mark.parametrize("mode", [*QueueMode, None])
def test_it_comes_back_as_it_was(tmp_path: Path, mode: QueueMode | None) -> None:
    path = tmp_path / "deep" / "queues.json"
    saved = a_queue("inbox", mode)
    add(path, saved)
    assert State.load(path).find("inbox") == saved


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "queues.json"
    add(path, a_queue("inbox"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    State.load(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_yet(tmp_path: Path) -> None:
    assert State.load(tmp_path / "none.json").queues == {}
    with pytest.raises(CommandFailed, match="none yet"):
        State.load(tmp_path / "none.json").find("inbox")


def test_names(tmp_path: Path) -> None:
    path = tmp_path / "queues.json"
    add(path, a_queue("inbox"))
    state = State.load(path)
    with pytest.raises(CommandFailed, match="known: inbox"):
        state.find("outbox")
    with pytest.raises(CommandFailed, match="already"):
        state.check_free("inbox")
    state.check_free("outbox")


def test_the_address_has_no_private_key(tmp_path: Path) -> None:
    saved = a_queue("inbox")
    uri = QueueURI.parse(str(saved.uri))
    assert uri.queue.server == ROUTER
    assert uri.queue.sender_id == b"s" * 24
    assert uri.queue.dh_key == saved.sealing_key.public
    assert "inbox" not in repr(saved)


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "queues.json"
    add(path, a_queue("inbox"))
    before = path.read_bytes()
    with pytest.raises(KeyError), State.change(path) as state:
        del state.queues["inbox"], state.queues["another"]
    assert path.read_bytes() == before


def test_a_crash_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "queues.json"
    add(path, a_queue("inbox"))
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"), State.change(path) as state:
        state.queues.clear()
    assert path.read_bytes() == before
    assert {each.name for each in tmp_path.iterdir()} == {"queues.json", ".queues.json.lock"}


_ADDING = """
import sys
from pathlib import Path
from tests.cli.test_state import a_queue, add
for number in range(10_000):
    add(Path(sys.argv[1]), a_queue(f"queue{number}"))
    print(f"queue{number}", flush=True)
"""


def test_a_program_that_is_killed_leaves_all_it_had_saved(tmp_path: Path) -> None:
    path = tmp_path / "queues.json"
    command = [sys.executable, "-c", _ADDING, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        saved = [process.stdout.readline().strip() for _ in range(10)]
        process.kill()
        saved += process.stdout.read().split()
    assert set(State.load(path).queues) >= set(saved)
    add(path, a_queue("another"))  # the lock went with the process


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"version": 2, "queues": []}',
        b'{"version": 3, "queues": []}',
        b'{"version": 1, "queues": 7}',
        b'{"version": 1, "queues": [{}]}',
        b'{"version": 1, "queues": ["inbox"]}',
    ],
)
def test_other_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "queues.json"
    path.write_bytes(content)
    with pytest.raises(CommandFailed, match="damaged"), State.change(path):
        pass
    assert path.read_bytes() == content


@pytest.mark.parametrize("field", ["router", "key", "sealing_key", "delivery_key", "mode"])
def test_damaged_fields(tmp_path: Path, field: str) -> None:
    path = tmp_path / "queues.json"
    add(path, a_queue("inbox"))
    content = json.loads(path.read_text())
    for wrong in ("", "00", 7, None if field != "mode" else "X"):
        content["queues"][0][field] = wrong
        path.write_text(json.dumps(content))
        with pytest.raises(CommandFailed, match="damaged"):
            State.load(path)


def test_one_wrong_letter(tmp_path: Path) -> None:
    """Any 32 bytes are a key, and any id could be that of a queue."""
    path = tmp_path / "queues.json"
    add(path, a_queue("inbox"))
    whole = path.read_text()
    for field in ("name", "router", "recipient_id", "sender_id", "key", "delivery_key"):
        value = json.loads(whole)["queues"][0][field]
        wrong = value[:-1] + ("0" if value[-1] != "0" else "1")
        path.write_text(whole.replace(f'"{value}"', f'"{wrong}"'))
        with pytest.raises(CommandFailed, match="damaged"):
            State.load(path)
    path.write_text(whole)
    assert State.load(path).find("inbox")


def test_a_file_without_a_checksum(tmp_path: Path) -> None:
    path = tmp_path / "queues.json"
    add(path, a_queue("inbox"))
    content = json.loads(path.read_text())
    del content["checksum"]
    path.write_text(json.dumps(content | {"version": 1}))
    assert State.load(path).find("inbox") == State.load(path).queues["inbox"]
    add(path, a_queue("outbox"))
    assert json.loads(path.read_text())["version"] == 2


def test_commands_at_the_same_time_do_not_undo_each_other(tmp_path: Path) -> None:
    path = tmp_path / "queues.json"
    saved = [a_queue(f"queue{number}") for number in range(20)]
    with ThreadPoolExecutor(max_workers=len(saved)) as threads:
        list(threads.map(partial(add, path), saved))
    assert sorted(State.load(path).queues) == sorted(each.name for each in saved)


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "simplex-trio" / "queues.json"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".local" / "state" / "simplex-trio" / "queues.json"
