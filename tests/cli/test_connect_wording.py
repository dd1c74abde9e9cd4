"""Events of connections in words and as JSON, and what is remembered beside a store."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import get_args

import pytest

from simplex_trio.cli.connect.file_wording import file_problem_words
from simplex_trio.cli.connect.memory import MAX_NAME, Memory, name_of
from simplex_trio.cli.connect.wording import STATES, fields, problem_words, sentence
from simplex_trio.cli.failures import CommandFailed
from simplex_trio.duplex import (
    ConfirmationReceived,
    ConnectionDeleted,
    ConnectionFailed,
    ConnectionReady,
    ConnectionState,
    ConnectionSuspended,
    ConnectionWarning,
    DeliveryFailed,
    DeliveryWarning,
    DuplexEvent,
    Integrity,
    InvitationReady,
    JoinSent,
    LinkUpdated,
    MessageSent,
    NotificationTokenChanged,
    PeerInfo,
    PeerMessage,
    Problem,
    QueueLost,
    RatchetBroken,
    ReceiptReceived,
    ReceivingProblem,
    RequestReceived,
    ResynchronisationFailed,
    ResynchronisationRequested,
    Resynchronised,
    RotationPhase,
    RotationProgress,
    RotationSide,
    RouterDown,
    RouterUp,
    SecurityCodeChanged,
    SendingResumed,
    UserDeleted,
)
from simplex_trio.duplex.file_events import (
    FileDelayed,
    FileDeleted,
    FileFailed,
    FileNeedsApproval,
    FileProblem,
    FileProgress,
    FileReceived,
    FileSent,
)
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth
from simplex_trio.wire.ntf.statuses import TokenState
from simplex_trio.xftp.files.progress import Phase

ID = "0123456789abcdef"
ROUTER = ServerAddress.parse(f"smp://{'A' * 43}=@one.example.com")


def message(body: bytes, **changes: object) -> PeerMessage:
    values: dict[str, object] = {
        "connection_id": ID,
        "message_id": 7,
        "body": body,
        "integrity": Integrity.OK,
        "skipped": 0,
        "pq": True,
        "sender_message_id": 5,
        "broker_timestamp": 86_400,
        "received_at": 0,
    }
    return PeerMessage(**(values | changes))  # type: ignore[arg-type]


EVENTS: list[tuple[DuplexEvent, str, str]] = [
    (InvitationReady(ID, "simplex:/secret"), "01234567: its link is ready", "invitation_ready"),
    (JoinSent(ID, True), "01234567: the peer's router knows", "join_sent"),
    (
        ConfirmationReceived(ID, "conf", b"Bob", True, (ROUTER,)),
        "01234567: 'Bob' has joined",
        "confirmation",
    ),
    (
        RequestReceived(ID, "fedcba9876543210", b"", True, (ROUTER,)),
        "a peer without a name asks for a connection, as fedcba98",
        "request",
    ),
    (PeerInfo(ID, b"Bob", True), "says that it is 'Bob'", "peer_info"),
    (ConnectionReady(ID, True), "connected, with post-quantum encryption", "ready"),
    (ConnectionReady(ID, False), "connected", "ready"),
    (ConnectionFailed(ID, Problem.VERSION), "of another version; delete it", "failed"),
    (ConnectionWarning(ID, Problem.NETWORK), "has to wait", "connection_warning"),
    (LinkUpdated(ID, None), "its link has changed", "link_updated"),
    (LinkUpdated(ID, Problem.REFUSED), "has not changed: a router refused", "link_updated"),
    (ConnectionSuspended(ID), "no further messages are taken", "suspended"),
    (ConnectionDeleted(ID), "deleted", "deleted"),
    (MessageSent(ID, 7, False), "message 7 is sent", "sent"),
    (DeliveryWarning(ID, 7, Problem.QUOTA), "message 7 is not sent yet: the peer's", "warning"),
    (DeliveryFailed(ID, (7, 8), Problem.NETWORK), "given up: 7, 8", "delivery_failed"),
    (ReceiptReceived(ID, 7, True, b""), "message 7 was received", "receipt"),
    (ReceiptReceived(ID, 7, False, b"\xff"), "received, changed on its way", "receipt"),
    (SendingResumed(ID), "the peer reads again", "resumed"),
    (message(b"hello"), "01234567  hello", "message"),
    (message(b"hello", integrity=Integrity.SKIPPED), "(messages before it are missing)", "message"),
    (ReceivingProblem(ID, Problem.DECRYPTION), "cannot be decrypted", "receiving_problem"),
    (QueueLost(ID, True), "its queue was deleted", "queue_lost"),
    (QueueLost(ID, False), "another program receives from it", "queue_lost"),
    (UserDeleted("work"), "the user 'work' is deleted", "user_deleted"),
    (
        NotificationTokenChanged(TokenState.REGISTERED, None),
        "the device that notifications go to is registered",
        "notification_token",
    ),
    (RatchetBroken(ID, True), "cannot be decrypted any more; simplex-trio", "ratchet_broken"),
    (RatchetBroken(ID, False), "a message could not be decrypted", "ratchet_broken"),
    (ResynchronisationRequested(ID), "the peer asks for new keys", "resync_requested"),
    (SecurityCodeChanged(ID, "123 45"), "a new security code", "security_code_changed"),
    (Resynchronised(ID, True), "the same keys, with post-quantum", "resynchronised"),
    (ResynchronisationFailed(ID, Problem.QUEUE_GONE), "asked for new keys: ", "resync_failed"),
    (FileSent(ID, ("one",), ("own",)), "on its routers", "file_sent"),
    (FileReceived(ID, "/somewhere"), "received: /somewhere", "file_received"),
    (FileNeedsApproval(ID, (ROUTER,)), "not yours: one.example.com:5223", "file_needs_approval"),
    (FileDelayed(ID, FileProblem.SPACE), "no room for it", "file_delayed"),
    (FileFailed(ID, FileProblem.GONE), "given up: the routers do not have it", "file_failed"),
    (FileDeleted(ID, 0), "deleted from its routers", "file_deleted"),
    (FileProgress(ID, Phase.DOWNLOADING, 1, 2), "downloading: 1 of 2 bytes", "file_progress"),
    (
        RotationProgress(ID, RotationSide.RECEIVING, RotationPhase.COMPLETED, ROUTER, ROUTER),
        "its queue to receive from has moved (one.example.com:5223)",
        "rotation",
    ),
    (
        RotationProgress(
            ID, RotationSide.SENDING, RotationPhase.FAILED, ROUTER, ROUTER, Problem.QUEUE_GONE
        ),
        "the peer's queue stays (one.example.com:5223): ",
        "rotation",
    ),
    (
        RotationProgress(ID, RotationSide.RECEIVING, RotationPhase.ABORTED, ROUTER, None),
        "its queue to receive from stays; its move was given up",
        "rotation",
    ),
    (RouterUp(ROUTER, (ID,)), "receiving from one.example.com:5223", "router_up"),
    (RouterDown(ROUTER, (ID,)), "one.example.com:5223 is lost", "router_down"),
]


def test_all_events_are_here() -> None:
    assert {type(event) for event, _, _ in EVENTS} == set(get_args(DuplexEvent))
    assert set(STATES) == set(ConnectionState)
    assert all(problem_words(each) for each in Problem)
    assert all(file_problem_words(each) for each in FileProblem)


@pytest.mark.parametrize(("event", "said", "kind"), EVENTS)
def test_events(event: DuplexEvent, said: str, kind: str) -> None:
    line = sentence(event)
    assert said in line
    assert "secret" not in line
    shown = json.loads(json.dumps(fields(event)))
    assert shown["event"] == kind
    assert "secret" not in str(shown)


def test_names_of_peers() -> None:
    assert sentence(SendingResumed(ID), "Bob").startswith("01234567 'Bob': ")
    assert name_of(b" Bob\n") == "Bob"
    assert name_of(b"\xff\x1b[31m") == "\\xff\\x1b[31m"
    assert name_of(b"B" * MAX_NAME) == "B" * MAX_NAME
    assert name_of(b"B" * 1000) == "B" * (MAX_NAME - 1) + "…"


def test_messages_that_are_no_text_and_times_that_cannot_be() -> None:
    event = message(b"\xff\n", broker_timestamp=2**60)
    assert sentence(event) == "at some time  01234567  \\xff\\n"
    shown = fields(event)
    assert (shown["base64"], shown["time"]) == ("/wo=", None)
    assert fields(message(b"hello"))["time"] == "1970-01-02T00:00:00+00:00"


# --- what is remembered -------------------------------------------------------------------------


def test_what_is_remembered(tmp_path: Path) -> None:
    memory = Memory.beside(tmp_path / "alice.db")
    assert (memory.routers, memory.names) == ([], {})
    memory.routers = [ServerAddressWithAuth(ROUTER, b"sesame"), ServerAddressWithAuth(ROUTER)]
    memory.name(ID, b"Bob")
    memory.name("other", b"")
    assert stat.S_IMODE(memory.path.stat().st_mode) == 0o600
    again = Memory.beside(tmp_path / "alice.db")
    assert again == memory
    assert again.names == {ID: "Bob"}
    assert [each.basic_auth for each in again.servers()] == [b"sesame", None]
    again.forget(ID)
    again.forget(ID)
    assert Memory.beside(tmp_path / "alice.db").names == {}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"version": 2}',
        '{"version": 1, "routers": ["nowhere"], "names": {}}',
        '{"version": 1, "routers": [], "names": []}',
    ],
)
def test_what_cannot_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "alice.db.json").write_text(content)
    with pytest.raises(CommandFailed, match="--router") as failed:
        Memory.beside(tmp_path / "alice.db")
    assert "nowhere" not in str(failed.value)
