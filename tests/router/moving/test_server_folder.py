"""Coming from the reference's server: its files, recorded and made up, whole and damaged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed25519PublicKey, X25519PublicKey
from simplex_trio.errors import DecodeError, StoreCorrupted, StoreUnavailable
from simplex_trio.router.moving.copying import copy_everything
from simplex_trio.router.moving.new_store import new_sqlite_store
from simplex_trio.router.moving.server_folder import (
    ServerReading,
    find_store_log,
    open_server_folder,
)
from simplex_trio.router.moving.server_log import ServerLog
from simplex_trio.router.moving.server_messages import JournalPart, JournalState
from simplex_trio.router.server import open_router
from simplex_trio.router.store.interface import PutMessage, PutQueue, PutService
from simplex_trio.router.store.records import QueueRecord, Suspended
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.wire.errors.values import Blocked, BlockingNotice, BlockingReason
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.new_queue import QueueMode
from simplex_trio.wire.text import to_base64url
from tests.router.store.support import octets
from tests.scenarios.moving import check
from tests.vectors import cases

NOW = 1_750_000_000
RECORDED = [*cases("smp_server_6_5.json"), *cases("smp_server_7_0.json")]


def write(folder: Path, files: dict[str, str]) -> Path:
    """A server's folder with these files; the path of its store log."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "smp-server-store.log"


@asynccontextmanager
async def imported(log: Path, **options: Any) -> AsyncIterator[tuple[ServerReading, list[Any]]]:
    """What is in a folder."""
    async with open_server_folder(log, now=NOW, **options) as reading:
        changes: list[Any] = []
        while portion := await reading.portion():
            changes += portion
        yield reading, changes


# --- recorded -----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", RECORDED)
async def test_clients_find_all_that_they_have_left(tmp_path: Path, case: dict[str, Any]) -> None:
    log = write(tmp_path / "server", case["files"])
    store_file = tmp_path / "router.sqlite"
    async with open_server_folder(log, now=case["now"]) as reading:
        async with new_sqlite_store(store_file) as new:
            tally = await copy_everything(reading, new)
        assert reading.is_complete
        assert not reading.left_out
    assert tally.counts["queues"] == 12
    assert tally.counts["messages"] == 133
    async with (
        open_sqlite_store(store_file) as store,
        # For it no message has become too old since then.
        open_router(store=store, clock=lambda: float(case["now"])) as router,
    ):
        await check(str(router.address), case["known"])


# --- the store log ------------------------------------------------------------------------------

KEY = X25519PublicKey(octets("sender key", 32))
OWNER = Ed25519PublicKey(octets("recipient key", 32))
RAW_SECRET = octets("agreed", 32)
DATA = QueueLinkData(octets("fixed", 30), octets("user", 30))
R, S, L, N = (octets(name) for name in ("recipient", "sender", "link", "notifier"))


def b(data: bytes) -> str:
    return to_base64url(data)


def create(rest: str = "", *, recipient: bytes = R, sender: bytes = S, sender_key: str = "") -> str:
    return (
        f"CREATE rid={b(recipient)} rk={b(OWNER.der)} rdh={b(RAW_SECRET)} sid={b(sender)}"
        f" sk={sender_key}{rest}"
    )


NOTIFIER = f"{b(N)} {b(OWNER.der)} {b(RAW_SECRET)}"
LINK = f"{b(L)} {b(DATA.fixed)} {b(DATA.user)}"
SERVICE = (
    f"NEW_SERVICE service_id={b(octets('service'))} role=M cert=AAAA,AAAA"
    f" cert_hash={b(octets('hash', 32))} created_at=1740000000"
)


def replayed(*lines: str) -> list[PutQueue | PutService]:
    log = ServerLog(NOW)
    for line in lines:
        log.feed(line.encode())
    return list(log.changes())


def record_after(*lines: str) -> QueueRecord:
    (change,) = replayed(create(), *lines)
    assert isinstance(change, PutQueue)
    return change.record


def test_a_new_queue() -> None:
    found = record_after()
    assert found == QueueRecord(
        recipient_id=R,
        sender_id=S,
        recipient_keys=(OWNER,),
        dh_secret=BoxKey.from_secret(RAW_SECRET).subkey,
        created_day=NOW // 86_400,
        updated_day=NOW // 86_400,
    )


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (" sndSecure=T", QueueMode.MESSAGING),
        (" sndSecure=F", QueueMode.CONTACT),
        (" queue_mode=M", QueueMode.MESSAGING),
        (" queue_mode=C", QueueMode.CONTACT),
        ("", None),
    ],
)
def test_modes_of_each_version(text: str, mode: QueueMode | None) -> None:
    (change,) = replayed(create(text))
    assert isinstance(change, PutQueue)
    assert change.record.mode is mode


def test_a_queue_with_everything() -> None:
    (change,) = replayed(
        create(
            f" queue_mode=C link_id={b(L)} queue_data={b(DATA.fixed)} {b(DATA.user)}"
            f" notifier={NOTIFIER} nsrv={b(octets('one'))} updated_at=1749945600"
            f' status=blocked,reason=content,notice={{"ttl":60}} rsrv={b(octets("two"))}',
            sender_key=b(KEY.der),
        )
    )
    assert isinstance(change, PutQueue)
    found = change.record
    assert change.link_data == DATA
    assert found.link is not None
    assert found.link.link_id == L
    assert found.notifier is not None
    assert (found.notifier.notifier_id, found.notifier.service_id) == (N, octets("one"))
    assert found.notifier.dh_secret == BoxKey.from_secret(RAW_SECRET).subkey
    assert found.updated_day == 1749945600 // 86_400
    assert found.status == Blocked(BlockingReason.CONTENT, BlockingNotice(60))
    assert found.service_id == octets("two")
    assert found.sender_key == KEY


def test_each_change() -> None:
    assert record_after(f"SECURE {b(R)} {b(KEY.der)}").sender_key == KEY
    keys = record_after(f"KEYS {b(R)} {b(OWNER.der)},{b(KEY.der)}").recipient_keys
    assert keys == (OWNER, KEY)
    assert record_after(f"SUSPEND {b(R)}").status == Suspended(NOW)
    blocked = f"BLOCK {b(R)} reason=spam"
    assert record_after(blocked).status == Blocked(BlockingReason.SPAM)
    assert record_after(blocked, f"UNBLOCK {b(R)}").status is None
    assert record_after(f"TIME {b(R)} 864000").updated_day == 10
    noted = f"NOTIFIER {b(R)} {NOTIFIER}"
    notifier = record_after(noted).notifier
    assert notifier is not None
    assert notifier.notifier_id == N
    assert record_after(noted, f"NDELETE {b(R)}").notifier is None
    served = record_after(noted, f"QUEUE_SERVICE {b(R)} N {b(octets('service'))}").notifier
    assert served == evolve(notifier, service_id=octets("service"))
    served_queue = f"QUEUE_SERVICE {b(R)} R {b(octets('service'))}"
    assert record_after(served_queue).service_id == octets("service")
    assert record_after(served_queue, f"QUEUE_SERVICE {b(R)} R ").service_id is None
    assert record_after(f"LINK {b(R)} {LINK}", f"LDELETE {b(R)}").link is None
    assert replayed(create(), f"DELETE {b(R)}") == []


def test_a_link_keeps_its_id_and_its_fixed_part() -> None:
    changed = f"{b(L)} {b(DATA.fixed)} {b(b'changed')}"
    (change,) = replayed(create(), f"LINK {b(R)} {LINK}", f"LINK {b(R)} {changed}")
    assert isinstance(change, PutQueue)
    assert change.link_data == QueueLinkData(DATA.fixed, b"changed")
    for other in (
        f"{b(L)} {b(b'other fixed part')} {b(DATA.user)}",
        f"{b(octets('other'))} {b(DATA.fixed)} {b(DATA.user)}",
    ):
        (change,) = replayed(create(), f"LINK {b(R)} {LINK}", f"LINK {b(R)} {other}")
        assert isinstance(change, PutQueue)
        assert change.link_data == DATA


def test_what_was_refused_has_no_effect() -> None:
    log = ServerLog(NOW)
    second = create(recipient=octets("second"), sender=octets("its sender"))
    for line in (
        create(),
        create(sender=octets("another")),  # the recipient's id is taken
        create(recipient=octets("another")),  # the sender's id is taken
        f"SECURE {b(R)} {b(KEY.der)}",
        f"SECURE {b(R)} {b(OWNER.der)}",
        f"NOTIFIER {b(R)} {NOTIFIER}",
        f"LINK {b(R)} {LINK}",
        second,
        f"NOTIFIER {b(octets('second'))} {NOTIFIER}",
        f"LINK {b(octets('second'))} {LINK}",
        f"DELETE {b(octets('nothing'))}",
        f"QUEUE_SERVICE {b(octets('second'))} N {b(octets('service'))}",
        SERVICE,
        SERVICE,
        SERVICE.replace(b(octets("service")), b(octets("same certificate"))),
    ):
        log.feed(line.encode())
    assert log.without_effect == {
        "CREATE": 2,
        "SECURE": 1,
        "NOTIFIER": 1,
        "LINK": 1,
        "DELETE": 1,
        "QUEUE_SERVICE": 1,
        "NEW_SERVICE": 2,
    }
    assert (log.queues, log.services) == (2, 1)
    service, first, last = log.changes()
    assert isinstance(service, PutService)
    assert service.record.role is ServiceRole.MESSAGING
    assert service.record.used_day == 1740000000 // 86_400
    assert isinstance(first, PutQueue)
    assert isinstance(last, PutQueue)
    assert first.record.sender_key == KEY
    assert last.record.notifier is None
    assert last.link_data is None


def test_ids_are_free_again_after_a_queue() -> None:
    everything = create(f" link_id={b(L)} queue_data={b(b'f')} {b(b'u')} notifier={NOTIFIER}")
    again = everything.replace(b(R), b(octets("again")))
    assert len(replayed(everything, f"DELETE {b(R)}", again)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "",
        "CREATE",
        "UNKNOWN AAAA",
        create(" surprise=1"),
        create(" queue_mode=X"),
        create(" status=strange"),
        create(" status=blocked,reason=boredom"),
        create(" updated_at=soon"),
        create().replace(b(RAW_SECRET), "AAAA"),
        create().replace(b(OWNER.der), "AAAA"),
        f"DELETE {b(R)} {b(S)}",
        f"SUSPEND {b(R)[:-1]}!",
        f"QUEUE_SERVICE {b(R)} X {b(S)}",
        f"SECURE {b(R)}",
        SERVICE.replace("role=M", "role=Z"),
    ],
)
def test_lines_that_cannot_be_read(line: str) -> None:
    with pytest.raises(DecodeError):
        replayed(create(), line)


# --- the folder ---------------------------------------------------------------------------------


def message(number: int, recipient: bytes = R) -> str:
    return f"v3 {b(recipient)} {journal_message(number)}"


def journal_message(number: int) -> str:
    return f"{b(octets(str(number)))} {NOW + number} flags=T {b(str(number).encode())}\n"


def bodies(changes: list[Any]) -> list[bytes]:
    return [change.body for change in changes if isinstance(change, PutMessage)]


def test_finding_the_log(tmp_path: Path) -> None:
    assert find_store_log(tmp_path) is None
    log = write(tmp_path, {"smp-server-store.log": ""})
    assert find_store_log(tmp_path) == log
    assert find_store_log(log) == log
    other = write(tmp_path / "other", {"router.sqlite": ""}).with_name("router.sqlite")
    assert find_store_log(other) is None


async def test_an_unfinished_line_was_not_answered(tmp_path: Path) -> None:
    files = {"smp-server-store.log": create() + "\n" + f"DELETE {b(R)[:-4]}!"}
    async with imported(write(tmp_path, files)) as (reading, changes):
        assert len(changes) == 1
        assert reading.left_out == {"lines that were not finished": 1}


@pytest.mark.parametrize("name", ["smp-server-messages.log", "smp-server-ntfs.log"])
async def test_files_that_the_server_writes_at_its_end_are_whole(tmp_path: Path, name: str) -> None:
    """What is missing behind the cut was answered long before."""
    files = {"smp-server-store.log": create() + "\n", name: message(1)[:-9]}
    log = write(tmp_path, files)
    with pytest.raises(StoreCorrupted, match=f"{name}, line 1"):
        async with imported(log):
            pytest.fail("messages are missing")
    async with imported(log, accept_loss=True) as (reading, _):
        assert reading.left_out == {"lines or files that cannot be read": 1}


async def test_damage_is_refused_with_its_place_unless_it_is_accepted(tmp_path: Path) -> None:
    files = {
        "smp-server-store.log": f"{create()}\nnonsense\n",
        "smp-server-messages.log": message(1) + "v3 nonsense\n" + message(2),
        "smp-server-ntfs.log": "v2 nonsense\n",
    }
    log = write(tmp_path, files)
    with pytest.raises(StoreCorrupted, match=r"smp-server-store\.log, line 2"):
        async with imported(log):
            pytest.fail("a line cannot be read")
    log.write_text(create() + "\n")
    with pytest.raises(StoreCorrupted, match=r"smp-server-messages\.log, line 2"):
        async with imported(log):
            pytest.fail("a line cannot be read")
    write(tmp_path, files)
    async with imported(log, accept_loss=True) as (reading, changes):
        assert bodies(changes) == [b"1", b"2"]
        assert reading.left_out == {"lines or files that cannot be read": 3}


async def test_what_belongs_to_nothing_is_left_out_and_counted(tmp_path: Path) -> None:
    notification = f"{b(octets('m'))} {NOW} {b(octets('nonce'))} {b(octets('sealed'))}\n"
    files = {
        "smp-server-store.log": create(f" notifier={NOTIFIER}") + "\n",
        "smp-server-messages.log": message(1) + message(2, octets("gone")),
        "smp-server-ntfs.log": f"v1 {b(N)} {notification}v1 {b(octets('gone'))} {notification}",
    }
    async with imported(write(tmp_path, files)) as (reading, changes):
        assert bodies(changes) == [b"1"]
        assert len(changes) == 3
        assert reading.left_out == {
            "messages of queues that are gone": 1,
            "notifications of notifiers that are gone": 1,
        }


async def test_a_server_that_was_cut_off_left_another_log(tmp_path: Path) -> None:
    files = {"smp-server-store.log.start": create() + "\n", "smp-server-store.log": ""}
    async with imported(write(tmp_path, files)) as (reading, changes):
        assert len(changes) == 1
        assert not reading.is_complete


async def test_messages_that_the_server_has_in_memory_are_missed(tmp_path: Path) -> None:
    files = {
        "smp-server-store.log": create() + "\n",
        "smp-server-messages.log.bak": message(1),
    }
    async with imported(write(tmp_path, files)) as (reading, changes):
        assert bodies(changes) == []
        assert not reading.is_complete


# --- journals -----------------------------------------------------------------------------------

ID, OTHER_ID = b(octets("journal", 12)), b(octets("other", 12))


def state(write: str, read: str, size: int) -> str:
    return f"write={write} read={read} canWrite=T size={size}"


def test_states() -> None:
    same = state(f"{ID},5,5,500,500", f"{ID},2,5,200,500", 3)
    assert JournalState.read(same.encode()) == JournalState((JournalPart(ID, 200, 500),), 3)
    both = state(f"{OTHER_ID},2,2,200,200", f"{ID},4,5,400,500", 3)
    assert JournalState.read(both.encode()) == JournalState(
        (JournalPart(ID, 400, 500), JournalPart(OTHER_ID, 0, 200)), 3
    )
    read = state(f"{OTHER_ID},2,2,200,200", f"{ID},5,5,500,500", 2)
    assert JournalState.read(read.encode()).parts == (JournalPart(OTHER_ID, 0, 200),)
    empty = state(f"{ID},0,0,0,0", f"{ID},0,0,0,0", 0)
    assert JournalState.read(empty.encode()).parts == ()


@pytest.mark.parametrize(
    "line",
    [
        "",
        state(f"{ID},5,5,500,500", f"{ID},2,5,200,500", 4),
        state(f"{ID},5,5,500,500", f"{ID},6,5,200,500", 3),
        state(f"{ID},5,5,500,500", f"{ID},2,5,600,500", 3),
        state(f"{ID},5,5,500", f"{ID},2,5,200,500", 3),
        state("../../etc,5,5,500,500", "../../etc,2,5,200,500", 3),
        state(f"{ID},5,5,500,500", f"{ID},2,5,200,500", 3).replace("canWrite=T", "canWrite=2"),
    ],
)
def test_states_that_contradict_themselves(line: str) -> None:
    with pytest.raises(DecodeError):
        JournalState.read(line.encode())


def journal_files(last_state: str, suffix: str = "") -> dict[str, str]:
    folder = "messages/aa/bb/cc/rest"
    first = "".join(map(journal_message, range(1, 4)))
    second = "".join(map(journal_message, range(4, 6)))
    return {
        "smp-server-store.log": create() + "\n",
        f"{folder}/messages.{ID}.log": first,
        f"{folder}/messages.{OTHER_ID}.log": second,
        f"{folder}/queue_state.{b(R)}.log{suffix}": last_state,
    }


FIRST, SECOND = (
    sum(len(journal_message(number)) for number in numbers) for numbers in ((1, 2, 3), (4, 5))
)
ONE = len(journal_message(1))
STATE = state(f"{OTHER_ID},2,2,{SECOND},{SECOND}", f"{ID},1,3,{ONE},{FIRST}", 4)
EARLIER = state(f"{ID},3,3,{FIRST},{FIRST}", f"{ID},0,3,0,{FIRST}", 3)


@pytest.mark.parametrize(
    ("states", "found"),
    [
        (f"{EARLIER}\n{STATE}\n", [b"2", b"3", b"4", b"5"]),
        (f"{STATE}\n{EARLIER}\n", [b"1", b"2", b"3"]),
        (f"{EARLIER}\n{STATE[:-3]}", [b"1", b"2", b"3"]),  # cut short
        ("", []),
    ],
)
async def test_the_last_state_that_can_be_read_counts(
    tmp_path: Path, states: str, found: list[bytes]
) -> None:
    async with imported(write(tmp_path, journal_files(states))) as (_, changes):
        assert bodies(changes) == found


async def test_a_state_that_was_being_written_anew(tmp_path: Path) -> None:
    files = journal_files(f"{EARLIER}\n") | journal_files(f"{STATE}\n", ".bak")
    async with imported(write(tmp_path, files)) as (_, changes):
        assert bodies(changes) == [b"2", b"3", b"4", b"5"]


async def test_a_state_that_was_about_to_be_written_anew(tmp_path: Path) -> None:
    files = journal_files(f"{STATE}\n", ".bak")
    files[f"messages/aa/bb/cc/rest/queue_state.{b(R)}.log.2026-11-30T02:00:00Z.bak"] = EARLIER
    async with imported(write(tmp_path, files)) as (_, changes):
        assert bodies(changes) == [b"2", b"3", b"4", b"5"]


def _without_second(files: dict[str, str]) -> None:
    del files[f"messages/aa/bb/cc/rest/messages.{OTHER_ID}.log"]


def _with_less(files: dict[str, str]) -> None:
    name = f"messages/aa/bb/cc/rest/messages.{OTHER_ID}.log"
    files[name] = files[name][:ONE]


def _with_nonsense(files: dict[str, str]) -> None:
    files[f"messages/aa/bb/cc/rest/queue_state.{b(R)}.log"] = "nonsense\nnonsense\n"


def _with_numbers_that_no_file_has(files: dict[str, str]) -> None:
    most = 2**59
    name = f"messages/aa/bb/cc/rest/queue_state.{b(R)}.log"
    files[name] = state(f"{ID},3,3,{most},{most}", f"{ID},0,3,{FIRST},{most}", 3) + "\n"


def _with_a_strange_name(files: dict[str, str]) -> None:
    files["messages/aa/queue_state.!.log"] = STATE


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (_without_second, [b"2", b"3"]),
        (_with_less, [b"2", b"3", b"4"]),
        (_with_nonsense, []),
        (_with_numbers_that_no_file_has, []),
        (_with_a_strange_name, [b"2", b"3", b"4", b"5"]),
    ],
)
async def test_damaged_journals(
    tmp_path: Path, damage: Callable[[dict[str, str]], None], left: list[bytes]
) -> None:
    files = journal_files(f"{STATE}\n")
    damage(files)
    log = write(tmp_path, files)
    with pytest.raises(StoreCorrupted):
        async with imported(log):
            pytest.fail("a journal is damaged")
    async with imported(log, accept_loss=True) as (reading, changes):
        assert bodies(changes) == left
        assert reading.left_out["lines or files that cannot be read"]


async def test_journals_that_cannot_be_listed(tmp_path: Path) -> None:
    log = write(tmp_path, {"smp-server-store.log": create() + "\n", "messages": "no folder"})
    with pytest.raises(StoreUnavailable, match="messages"):
        async with imported(log):
            pytest.fail("messages are missing")


async def test_journals_of_queues_that_are_gone(tmp_path: Path) -> None:
    files = journal_files(f"{STATE}\n") | {"smp-server-store.log": ""}
    async with imported(write(tmp_path, files)) as (reading, changes):
        assert changes == []
        assert reading.left_out == {"messages of queues that are gone": 4}
