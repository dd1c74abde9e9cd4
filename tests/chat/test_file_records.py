"""What is kept of files, after anything that contacts and programs may do in any order."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.chat.errors import FileNotReceived
from simplex_trio.chat.machine.file_records import MAX_FILES, FileState, FileStore, OfferedFile
from simplex_trio.chat.machine.receiving_files import (
    KEPT_WITHIN,
    add_part,
    fail,
    follow_received,
    forget_files,
    forget_old_files,
    offer,
    refuse,
    start,
    take_back,
    want,
)
from simplex_trio.chat.machine.records import ContactRecord, ContactStatus
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import File
from simplex_trio.chat.messages.events import XMsgNew
from simplex_trio.chat.messages.files import FileDescr, FileInvitation
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.duplex.file_events import (
    FileFailed,
    FileNeedsApproval,
    FileProblem,
    FileReceived,
)
from simplex_trio.duplex.file_plans import FileToReceive
from simplex_trio.duplex.machine.step import Moment, Step
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.store.store import MemoryDatabase
from simplex_trio.duplex.transaction import Transaction
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description import FileDescription, FileParty, Packet, Replica

CONTACT = ContactRecord(7, "connection", ContactStatus.READY)
SERVER = ServerAddress.parse(f"xftp://{'A' * 43}=@files.test")

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("offer", "describe", "want", "approve", "start", "fail", "received", "asks"),
                *("failed", "take back", "refuse", "told", "hour", "days"),
            ]
        ),
        st.integers(0, 3),
    ),
    max_size=60,
)


REPLICA = Replica(server=SERVER, id=b"id", key=Ed25519PrivateKey(b"\1" * 32))
DESCRIPTION = FileDescription(
    party=FileParty.RECIPIENT,
    size=65536,
    digest=b"\3" * 64,
    key=b"\4" * 32,
    nonce=b"\5" * 24,
    packet_size=65536,
    packets=(Packet(size=65536, digest=b"\2" * 32, replicas=(REPLICA,)),),
)


class Machine:
    """Steps of one program, and what it knows of files."""

    def __init__(self) -> None:
        self.now = 1_800_000_000
        self.ids = 0
        self.rows = SQLiteRows(MemoryDatabase().connection)

    def random(self, size: int) -> bytes:
        self.ids += 1
        return self.ids.to_bytes(size, "big")

    def store(self) -> Store:
        step = Step(self.rows, Moment(now=self.now, random=self.random))
        return Store(Transaction(step, None))  # type: ignore[arg-type]

    @property
    def settings(self) -> Settings:
        return Settings(Profile("x"), None, True, lambda: self.now, self.random, "/in", 10)

    def take(self, what: str, number: int) -> Store:
        """Let something happen with a file."""
        store, msg_id = self.store(), b"%d" % number
        files = FileStore(store)
        file = files.get(7, msg_id) or OfferedFile(
            *(7, msg_id, "name", 100, File(""), self.now, self.now + 100)
        )
        file_id = file.file_id or "unknown"
        match what:
            case "offer":
                new = XMsgNew(File(""), file=FileInvitation.announcing("name", 5 + 10 * number))
                offer(store, self.settings, CONTACT.contact_id, new, msg_id)
            case "describe":
                add_part(
                    store, CONTACT.contact_id, msg_id, FileDescr("part", file.parts + 1, number > 1)
                )
            case "want" | "approve":
                with suppress(FileNotReceived):
                    want(store, file, b"/place", approve=what == "approve")
            case "start":
                planned = FileToReceive(DESCRIPTION, b"/", b"name", True, False, "")
                start(store, file, planned)
            case "fail":
                fail(store, file, FileProblem.DAMAGED)
            case "received":
                follow_received(store, FileReceived(file_id, "/place"))
            case "asks":
                follow_received(store, FileNeedsApproval(file_id, (SERVER,)))
            case "failed":
                follow_received(store, FileFailed(file_id, FileProblem.GONE))
            case "take back":
                take_back(store, CONTACT.contact_id, msg_id)
            case "refuse":
                refuse(store, file)
            case "told":
                files.told(7, msg_id)
            case "hour":
                self.now += 3600
            case "days":
                self.now += KEPT_WITHIN
                forget_old_files(store, self.now)
        return store

    def kept(self) -> int:
        kept = self.store().t.kept
        spaces = ("files", "files-expiring", "file-ids", "file-parts", "notices", "pending")
        return sum(kept.count(f".chat.{each}") for each in spaces)


@given(STEPS)
def test_nothing_is_left_of_files_that_are_over(steps: list[tuple[str, int]]) -> None:
    machine = Machine()
    for what, number in steps:
        store = machine.take(what, number)
        kept: Any = store.t.kept
        notices = store.notices()
        for file in FileStore(machine.store()).all():
            # The program is told of what is over if it has wanted the file, and of nothing else.
            assert file.notice in {0, *(each.number for each in notices)}
            assert not (file.notice and file.state in (FileState.OFFERED, FileState.WANTED))
            assert file.parts == 0 or file.state in (FileState.OFFERED, FileState.WANTED)
            assert (file.file_id is not None) or file.state is not FileState.RECEIVING
        assert kept.count(".chat.files") <= MAX_FILES
    store = machine.store()
    forget_files(store, 7)
    assert machine.kept() == 0
