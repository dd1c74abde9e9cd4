"""What becomes of files, decided without an event loop or a network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import TypeVar

import pytest
from attrs import evolve

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.file_config import FileConfig
from simplex_trio.duplex.file_events import (
    FileDelayed,
    FileDeleted,
    FileFailed,
    FileNeedsApproval,
    FileProblem,
    FileReceived,
    FileSent,
)
from simplex_trio.duplex.file_plans import FileToReceive, FileToSend
from simplex_trio.duplex.file_routers import needs_approval, usable_for
from simplex_trio.duplex.file_status import FileState, file_status_of
from simplex_trio.duplex.machine.files.deleting import (
    delete_described,
    delete_file,
    files_deleted,
    packet_gone,
)
from simplex_trio.duplex.machine.files.keeping import (
    KeepingTimes,
    delayed,
    forget_files_of,
    forget_old_files,
)
from simplex_trio.duplex.machine.files.receiving import (
    acknowledged,
    approval_needed,
    approve,
    description_found,
    name_noted,
    received,
    receiving_failed,
    start_receiving,
)
from simplex_trio.duplex.machine.files.rows import (
    Approval,
    DeletedFile,
    DeletedPacket,
    IncomingFile,
    OutgoingFile,
    RedirectUse,
    UploadedPacket,
)
from simplex_trio.duplex.machine.files.sending import (
    Described,
    keep_upload,
    kept_uploads,
    packets_sent,
    sending_failed,
    start_sending,
)
from simplex_trio.duplex.machine.files.work import (
    AcknowledgeFile,
    DeletePackets,
    FileWork,
    ReceiveFile,
    SendFile,
    file_work_of,
)
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.work.files.problems import is_temporary, problem_of
from simplex_trio.errors import (
    DecodeError,
    DecryptionFailed,
    DialFailed,
    RequestTimeout,
    SimplexError,
    StoreFull,
    StoreUnavailable,
)
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.description_text import (
    decode_description,
    description_parts,
    encode_description,
)
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.xftp.errors import (
    DigestMismatch,
    FileChanged,
    FileTooLarge,
    NoSuchReplica,
    NotDeleted,
    RedirectRefused,
    RouterUnreachable,
    XFTPRouterError,
)
from simplex_trio.xftp.files.layout import Plan, StoredPacket, describe
from simplex_trio.xftp.files.planning import description_plan, file_plan
from simplex_trio.xftp.files.uploads import Encrypted, Lost, Registered, Uploaded, UploadStep
from tests.duplex.machines import Machine

T = TypeVar("T")

SERVERS = [
    ServerAddress.parse(f"xftp://{'A' * 43}=@{host}") for host in ("one.example", "two.example")
]

TIMES = KeepingTimes(send_within=100, receive_within=200, keep_sent=300, delete_within=400)


def _kept(file_id: str, upload: UploadStep, step: Step) -> None:
    keep_upload(step, file_id, "user", upload)


def _gone(file_id: str, packet: DeletedPacket, step: Step) -> None:
    packet_gone(step, file_id, packet)


def _delayed(file_id: str, problem: FileProblem, step: Step) -> None:
    delayed(step, file_id, problem)


class Files:
    """A machine, and what is done with its files."""

    def __init__(self) -> None:
        self.machine = Machine()
        self._ids = 0

    def step(self, decide: Callable[[Step], T]) -> T:
        return self.machine.step(decide)

    def work(self, file_id: str) -> list[type[FileWork]]:
        return [type(work) for work in file_work_of(self.machine.rows, file_id)]

    def count(self) -> int:
        kinds = (OutgoingFile, UploadedPacket, IncomingFile, DeletedFile, DeletedPacket)
        return sum(self.machine.rows.count(kind) for kind in kinds)

    def news(self) -> list[object]:
        return list(self.machine.news())

    # --- sending --------------------------------------------------------------------------------

    def plan(self, recipients: int = 1) -> Plan:
        return file_plan(
            "file",
            100_000,
            recipients=recipients,
            replicas=1,
            max_size=10**9,
            random=self.machine.random,
        )

    def send(self, plan: Plan, redirect: RedirectUse = RedirectUse.NEVER) -> str:
        planned = FileToSend(b"/file", plan, redirect, "user")
        return self.step(lambda step: start_sending(step, planned))

    def stored(self, plan: Plan, number: int, server: ServerAddress = SERVERS[0]) -> StoredPacket:
        self._ids += 1
        return StoredPacket(
            digest=sha256(b"%d" % number).digest(),
            server=server,
            sender_id=b"sender %d" % self._ids,
            sender_key=Ed25519PrivateKey(bytes([self._ids]) * 32),
            recipients=tuple(
                (b"recipient %d %d" % (self._ids, each), Ed25519PrivateKey(b"\1" * 32))
                for each in range(plan.recipients)
            ),
        )

    def keep(self, file_id: str, *uploads: UploadStep) -> None:
        for upload in uploads:
            self.step(partial(_kept, file_id, upload))

    def upload(self, file_id: str, plan: Plan) -> Described:
        """All packets are uploaded; returns what describes them."""
        stored = {}
        for number in range(1, len(plan.sizes) + 1):
            packet = self.stored(plan, number)
            stored[number] = [packet]
            self.keep(file_id, Registered(number, packet), Uploaded(number, packet.sender_id))
        self.keep(file_id, Encrypted(b"\5" * 64))
        own, recipients = describe(plan, b"\5" * 64, stored)
        return Described(own, recipients, tuple(map(encode_description, recipients)))

    def sent(self, file_id: str, described: Described) -> None:
        self.step(lambda step: packets_sent(step, file_id, described))

    def sent_file(self, recipients: int = 1) -> tuple[str, Described]:
        plan = self.plan(recipients)
        file_id = self.send(plan)
        described = self.upload(file_id, plan)
        self.sent(file_id, described)
        return file_id, described

    # --- receiving ------------------------------------------------------------------------------

    def receive(
        self, asked: FileDescription, *, acknowledges: bool = True, is_approved: bool = False
    ) -> str:
        planned = FileToReceive(asked, b"/folder", None, acknowledges, is_approved, "user")
        return self.step(lambda step: start_receiving(step, planned))

    def incoming(self, file_id: str) -> IncomingFile:
        file = self.machine.rows.get(IncomingFile, file_id)
        assert file is not None
        return file

    def state(self, file_id: str) -> FileState:
        status = file_status_of(self.machine.rows, file_id)
        assert status is not None
        return status.state


@pytest.fixture
def files() -> Files:
    return Files()


# --- sending --------------------------------------------------------------------------------------


def test_sending(files: Files) -> None:
    plan = files.plan(2)
    file_id = files.send(plan)
    assert files.work(file_id) == [SendFile]
    assert files.news() == []
    described = files.upload(file_id, plan)
    assert files.state(file_id) is FileState.SENDING
    files.sent(file_id, described)
    assert files.news() == [
        FileSent(file_id, described.texts, (encode_description(described.own),))
    ]
    assert files.work(file_id) == []
    assert files.state(file_id) is FileState.SENT
    files.sent(file_id, described)  # an attempt that was cut off is done again
    assert files.news() == []


def test_what_was_uploaded_is_known_after_a_restart(files: Files) -> None:
    plan = files.plan()
    file_id = files.send(plan)
    first, second = files.stored(plan, 1), files.stored(plan, 2)
    files.keep(file_id, Registered(1, first), Uploaded(1, first.sender_id), Registered(2, second))
    files.machine.restart()
    file = files.machine.rows.get(OutgoingFile, file_id)
    assert file is not None
    assert kept_uploads(files.machine.rows, file) == [
        Registered(1, first),
        Uploaded(1, first.sender_id),
        Registered(2, second),
    ]
    status = file_status_of(files.machine.rows, file_id)
    assert status is not None
    assert (status.done, status.size) == (plan.sizes[0], plan.encrypted_size)


def test_packets_that_are_of_no_use_are_deleted(files: Files) -> None:
    plan = files.plan()
    file_id = files.send(plan)
    failed, lost = files.stored(plan, 1, SERVERS[1]), files.stored(plan, 1, SERVERS[1])
    files.keep(file_id, Registered(1, failed), Registered(1, lost), Lost(1, lost.sender_id))
    assert set(files.work(file_id)) == {SendFile, DeletePackets}
    files.sent(file_id, files.upload(file_id, plan))
    assert files.work(file_id) == [DeletePackets]
    found = files.machine.rows.find(DeletedPacket, file_id=file_id)
    assert {each.sender_id for each in found} == {failed.sender_id, lost.sender_id}
    for packet in found:
        files.step(partial(_gone, file_id, packet))
    files.step(lambda step: files_deleted(step, file_id))
    assert files.work(file_id) == []
    assert not any(isinstance(event, FileDeleted) for event in files.news())


def test_each_recipient_of_a_redirect_gets_a_description(files: Files) -> None:
    plan = files.plan(2)
    file_id = files.send(plan, RedirectUse.ALWAYS)
    described = files.upload(file_id, plan)
    plans = tuple(
        description_plan(text.encode(), recipients=1, replicas=1, random=files.machine.random)
        for text in described.texts
    )
    files.sent(file_id, evolve(described, texts=(), redirects=plans))
    assert files.news() == []
    assert files.work(file_id) == []
    assert files.state(file_id) is FileState.SENDING
    children = files.machine.rows.find(OutgoingFile, parent_id=file_id)
    children.sort(key=lambda child: -child.position)
    leading = {}
    for child in children:
        assert files.work(child.file_id) == [SendFile]
        assert file_status_of(files.machine.rows, child.file_id) is None
        assert not files.news()
        one = files.upload(child.file_id, child.plan)
        leading[child.position] = one
        files.sent(child.file_id, one)
    (told,) = files.news()
    assert isinstance(told, FileSent)
    assert told.file_id == file_id
    assert told.recipients == tuple(leading[position].texts[0] for position in (0, 1))
    assert [decode_description(text).digest for text in told.own] == [
        each.own.digest for each in (described, leading[0], leading[1])
    ]
    assert not files.step(lambda step: delete_file(step, children[0].file_id))
    assert files.step(lambda step: delete_file(step, file_id))
    assert files.machine.rows.count(OutgoingFile) == 0
    packets = files.machine.rows.find(DeletedPacket, file_id=file_id)
    assert len(packets) == len(plan.sizes) + 2


def test_a_redirect_that_fails_takes_the_file_along(files: Files) -> None:
    plan = files.plan()
    file_id = files.send(plan, RedirectUse.ALWAYS)
    described = files.upload(file_id, plan)
    small = description_plan(b"text", recipients=1, replicas=1, random=files.machine.random)
    files.sent(file_id, evolve(described, texts=(), redirects=(small,)))
    (child,) = files.machine.rows.find(OutgoingFile, parent_id=file_id)
    files.step(lambda step: delayed(step, child.file_id, FileProblem.QUOTA))
    files.step(lambda step: sending_failed(step, child.file_id, FileProblem.REFUSED))
    assert files.news() == [
        FileDelayed(file_id, FileProblem.QUOTA),
        FileFailed(file_id, FileProblem.REFUSED),
    ]
    assert files.machine.rows.count(OutgoingFile) == 0
    assert files.work(file_id) == [DeletePackets]


def test_a_packet_that_is_registered_after_the_file_was_deleted(files: Files) -> None:
    plan = files.plan()
    file_id = files.send(plan)
    assert files.step(lambda step: delete_file(step, file_id))
    late = files.stored(plan, 1)
    files.keep(file_id, Registered(1, late), Uploaded(1, late.sender_id), Encrypted(b"\5" * 64))
    assert files.work(file_id) == [DeletePackets]
    (packet,) = files.machine.rows.find(DeletedPacket, file_id=file_id)
    files.step(lambda step: files_deleted(step, file_id))  # which has begun before
    assert files.news() == []
    files.step(lambda step: packet_gone(step, file_id, packet))
    files.step(lambda step: files_deleted(step, file_id))
    assert files.news() == [FileDeleted(file_id, 0)]
    assert files.count() == 0
    assert not files.step(lambda step: delete_file(step, file_id))


def test_deleting_what_is_described(files: Files) -> None:
    _, described = files.sent_file()
    files.news()
    deletion = files.step(lambda step: delete_described(step, described.own, "user"))
    assert files.work(deletion) == [DeletePackets]
    assert files.state(deletion) is FileState.DELETING
    files.step(lambda step: files_deleted(step, deletion, given_up=True))
    assert files.news() == [FileDeleted(deletion, len(described.own.packets))]


# --- receiving ------------------------------------------------------------------------------------


@pytest.mark.parametrize("acknowledges", [False, True])
def test_receiving(files: Files, acknowledges: bool) -> None:
    _, described = files.sent_file()
    files.news()
    file_id = files.receive(described.recipients[0], acknowledges=acknowledges)
    assert files.work(file_id) == [ReceiveFile]
    files.step(lambda step: name_noted(step, file_id, "file"))
    assert files.incoming(file_id).placed_name == b"file"
    assert files.step(lambda step: received(step, file_id, "/folder/file"))
    assert files.news() == [FileReceived(file_id, "/folder/file")]
    if acknowledges:
        assert files.work(file_id) == [AcknowledgeFile]
        assert files.state(file_id) is FileState.RECEIVED
        files.step(lambda step: acknowledged(step, file_id))
    assert files.machine.rows.count(IncomingFile) == 0
    assert not files.step(lambda step: received(step, file_id, "/folder/file"))
    files.step(lambda step: receiving_failed(step, file_id, FileProblem.GONE))
    files.step(lambda step: name_noted(step, file_id, None))
    assert files.news() == []


def test_approving(files: Files) -> None:
    _, described = files.sent_file()
    files.news()
    asked = evolve(described.recipients[0], redirect=None)
    file_id = files.receive(asked)
    files.step(lambda step: approval_needed(step, file_id, SERVERS))
    assert files.news() == [FileNeedsApproval(file_id, tuple(SERVERS))]
    assert files.work(file_id) == []
    assert files.state(file_id) is FileState.ASKING
    assert files.step(lambda step: approve(step, file_id))
    assert files.incoming(file_id).approval is Approval.ALL
    assert files.work(file_id) == [ReceiveFile]
    assert files.step(lambda step: approve(step, file_id))
    assert files.step(lambda step: delete_file(step, file_id))
    assert files.work(file_id) == []
    assert not files.step(lambda step: approve(step, file_id))
    files.step(lambda step: description_found(step, file_id, asked))


def test_which_routers_may_be_used(files: Files) -> None:
    _, described = files.sent_file()
    description = described.recipients[0]
    one, two = SERVERS
    file = files.incoming(files.receive(description))

    def asked(approval: Approval = Approval.NONE, **settings: object) -> list[ServerAddress]:
        config = DuplexConfig(files=FileConfig(**settings))  # type: ignore[arg-type]
        may_use = usable_for(config, evolve(file, approval=approval))
        return needs_approval(description, may_use)

    assert asked() == [one]
    assert asked(servers=[one]) == []
    assert asked(servers=[f"xftp://{'B' * 42}A=@one.example:1234"]) == []  # the same host
    assert asked(servers=[f"xftp://{'B' * 42}A=@one.example,two.example"]) == []
    assert asked(may_use=[one]) == []
    assert asked(may_use=[two]) == [one]
    assert asked(may_use=lambda server: server == one) == []
    assert asked(Approval.ASKED) == asked(Approval.ALL) == []
    both = ServerAddress.parse(f"xftp://{'B' * 42}A=@one.example,two.example")
    config = DuplexConfig(files=FileConfig(servers=[one]))
    assert usable_for(config, file)(one)
    assert not usable_for(config, file)(both)  # two.example would see the program


def test_a_packet_that_is_on_a_router_that_may_be_used_needs_no_other(files: Files) -> None:
    _, described = files.sent_file()
    packets = [
        evolve(packet, replicas=(*packet.replicas, evolve(packet.replicas[0], server=SERVERS[1])))
        for packet in described.recipients[0].packets
    ]
    both = evolve(described.recipients[0], packets=tuple(packets))
    assert needs_approval(both, lambda server: server == SERVERS[1]) == []
    assert needs_approval(both, lambda server: False) == SERVERS


# --- what takes too long --------------------------------------------------------------------------


def test_problems_are_told_once(files: Files) -> None:
    plan = files.plan()
    sending = files.send(plan)
    receiving = files.receive(files.sent_file()[1].recipients[0])
    files.news()
    for problem in (FileProblem.NETWORK, FileProblem.NETWORK, FileProblem.QUOTA):
        for file_id in (sending, receiving, "unknown"):
            files.step(partial(_delayed, file_id, problem))
    assert files.news() == [
        FileDelayed(file_id, problem)
        for problem in (FileProblem.NETWORK, FileProblem.QUOTA)
        for file_id in (sending, receiving)
    ]


def test_nothing_stays_forever(files: Files) -> None:
    sending = files.send(files.plan())
    sent, described = files.sent_file()
    receiving = files.receive(described.recipients[0])
    done = files.receive(described.recipients[0])
    files.step(lambda step: received(step, done, "/file"))
    deletion = files.step(lambda step: delete_described(step, described.own, "user"))
    files.news()

    def after(seconds: int) -> list[object]:
        files.machine.now += seconds
        files.step(lambda step: forget_old_files(step, TIMES))
        return files.news()

    assert after(99) == []
    assert after(1) == [FileFailed(sending, FileProblem.EXPIRED)]
    assert after(100) == [FileFailed(receiving, FileProblem.EXPIRED)]
    assert files.work(done) == []
    assert files.state(sent) is FileState.SENT
    assert after(100) == []
    assert file_status_of(files.machine.rows, sent) is None
    assert files.machine.rows.count(UploadedPacket) == 0
    assert after(100) == [FileDeleted(deletion, len(described.own.packets))]
    assert files.count() == 0


def test_files_of_a_user_who_is_deleted(files: Files) -> None:
    plan = files.plan()
    sending = files.send(plan)
    packet = files.stored(plan, 1)
    files.keep(sending, Registered(1, packet))
    sent, described = files.sent_file()
    receiving = files.receive(described.recipients[0])
    files.news()
    files.step(lambda step: forget_files_of(step, "another"))
    assert files.work(sending) == [SendFile]
    files.step(lambda step: forget_files_of(step, "user"))
    assert files.work(sending) == [DeletePackets]
    assert files.work(receiving) == files.work(sent) == []
    assert files.news() == []
    assert files.machine.rows.count(OutgoingFile) == files.machine.rows.count(IncomingFile) == 0


# --- errors ---------------------------------------------------------------------------------------


def _because(error: SimplexError, cause: Exception) -> SimplexError:
    error.__cause__ = cause
    return error


def _for_good(error: SimplexError) -> SimplexError:
    error.retryable = False
    return error


UNREACHABLE = RouterUnreachable(DialFailed("no"))


@pytest.mark.parametrize(
    ("error", "problem", "temporary"),
    [
        (UNREACHABLE, FileProblem.NETWORK, True),
        (RequestTimeout("late"), FileProblem.NETWORK, True),
        (_because(NoSuchReplica(1, retryable=False), UNREACHABLE), FileProblem.NETWORK, True),
        (
            _because(NoSuchReplica(1, retryable=False), XFTPRouterError(XFTPCode.AUTH)),
            FileProblem.GONE,
            False,
        ),
        (
            _because(NoSuchReplica(1, retryable=False), DigestMismatch("")),
            FileProblem.DAMAGED,
            False,
        ),
        (NoSuchReplica(1, retryable=False), FileProblem.GONE, False),
        (XFTPRouterError(XFTPCode.QUOTA), FileProblem.QUOTA, True),
        (XFTPRouterError(XFTPCode.SIZE), FileProblem.REFUSED, False),
        (XFTPRouterError(XFTPCode.INTERNAL), FileProblem.NETWORK, True),
        (NotDeleted(1, retryable=True), FileProblem.NETWORK, True),
        (FileChanged(""), FileProblem.CHANGED, False),
        (FileTooLarge(""), FileProblem.TOO_LARGE, False),
        (RedirectRefused(""), FileProblem.REDIRECT, False),
        (DecodeError(""), FileProblem.DAMAGED, False),
        (DecryptionFailed(""), FileProblem.DAMAGED, False),
        (StoreFull(""), FileProblem.SPACE, True),
        (_for_good(StoreUnavailable("")), FileProblem.DESTINATION, False),
    ],
    ids=lambda value: value.value if isinstance(value, FileProblem) else "",
)
def test_errors(error: SimplexError, problem: FileProblem, temporary: bool) -> None:
    assert problem_of(error, FileProblem.DESTINATION, FileProblem.GONE) is problem
    assert is_temporary(error) is temporary


def test_descriptions_in_parts(files: Files) -> None:
    _, described = files.sent_file()
    (text,) = described.texts
    assert description_parts(text) == (text,)
    parts = description_parts(text, 100)
    assert "".join(parts) == text
    assert max(map(len, parts)) == 100


def test_nothing_shows_keys_or_ids(files: Files) -> None:
    file_id, described = files.sent_file()
    rows = files.machine.rows
    incoming = files.receive(described.recipients[0])
    files.step(lambda step: delete_described(step, described.own, "user"))
    shown = " ".join(
        map(
            repr,
            [
                *rows.find(OutgoingFile),
                *rows.find(UploadedPacket),
                *rows.find(IncomingFile),
                *rows.find(DeletedPacket),
                *file_work_of(rows, incoming),
                *files.machine.told,
                described,
            ],
        )
    )
    for secret in (file_id, "one.example", "sender 1", "MC4C", "/file"):
        assert secret not in shown
