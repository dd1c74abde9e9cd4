"""Records and events of every kind, made from the types of their fields."""

from __future__ import annotations

import types
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
from attrs import evolve
from hypothesis import strategies as st

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    Ed448PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from simplex_trio.duplex.events import DuplexEvent, KeptEvent
from simplex_trio.duplex.machine.connection import Connection, ReceivingQueue, SendingQueue
from simplex_trio.duplex.machine.files.rows import (
    DeletedFile,
    DeletedPacket,
    IncomingFile,
    OutgoingFile,
    UploadedPacket,
)
from simplex_trio.duplex.machine.messages import (
    Delivery,
    EarlyArrival,
    LeavingUser,
    LookedLink,
    ReceivedMessage,
    Request,
    SentMessage,
    SilentRouter,
)
from simplex_trio.duplex.machine.postponing import PostponedWork
from simplex_trio.duplex.machine.push_records import OldSubscription, PushToken
from simplex_trio.ratchet.skipped import SkippedKey
from simplex_trio.ratchet.state import Ratchet
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.x3dh_keys import X3DHKeys
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.queue_uris import QueueAddress, VersionedQueue
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.file_header import FileHeader
from simplex_trio.xftp.files.layout import Plan, StoredPacket, describe
from tests.ratchet.pairs import kem_pair, talking, two_sides, x3dh_keys
from tests.ratchet.support import REAL
from tests.wire.duplex.strategies import servers, versioned_queues

RECORDS: tuple[type[Any], ...] = (
    Connection,
    ReceivingQueue,
    SendingQueue,
    Delivery,
    LeavingUser,
    PostponedWork,
    LookedLink,
    SentMessage,
    ReceivedMessage,
    EarlyArrival,
    SilentRouter,
    Request,
    PushToken,
    OldSubscription,
    OutgoingFile,
    UploadedPacket,
    IncomingFile,
    DeletedFile,
    DeletedPacket,
)

EVENTS: tuple[type[KeptEvent], ...] = tuple(
    kind for kind in get_args(DuplexEvent) if issubclass(kind, KeptEvent)
)

_RATCHETS = [
    side.ratchet
    for sides in (two_sides(), talking(), talking(offered=True, wanted=True))
    for side in sides
]
_X3DH = [
    x3dh_keys(),
    x3dh_keys(kem_pair()),
    x3dh_keys(kem_pair()).accepting(x3dh_keys(kem_pair()).public(3), REAL),
]

_PUBLIC = [x3dh_keys().public(2), x3dh_keys().public(3), x3dh_keys(kem_pair()).public(3)]

_keys = st.binary(min_size=32, max_size=32)

_XFTP_SERVER = ServerAddress.parse(f"xftp://{'A' * 43}=@files.example")
_PLAN = Plan(
    header=FileHeader("name", "more"),
    content_size=70_000,
    key=b"\1" * 32,
    nonce=b"\2" * 24,
    recipients=2,
    replicas=1,
    sizes=(65536, 65536),
)
_STORED = tuple(
    StoredPacket(
        digest=bytes([number]) * 32,
        server=_XFTP_SERVER,
        sender_id=b"sender %d" % number,
        sender_key=Ed25519PrivateKey(b"\1" * 32),
        recipients=(
            (b"first %d" % number, Ed25519PrivateKey(b"\2" * 32)),
            (b"second %d" % number, X25519PrivateKey(b"\3" * 32)),
        ),
    )
    for number in (1, 2)
)
_OWN, (_FIRST, _SECOND) = describe(
    _PLAN, b"\4" * 64, {number: [stored] for number, stored in enumerate(_STORED, 1)}
)

_BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bytes: st.binary(max_size=80),
    str: st.text(max_size=20),
    bool: st.booleans(),
    ServerAddress: servers,
    Ed25519PrivateKey: _keys.map(Ed25519PrivateKey),
    X25519PrivateKey: _keys.map(X25519PrivateKey),
    X25519PublicKey: _keys.map(X25519PublicKey),
    Ed25519PublicKey: _keys.map(Ed25519PublicKey),
    Ed448PublicKey: st.binary(min_size=57, max_size=57).map(Ed448PublicKey),
    BoxKey: _keys.map(BoxKey),
    AuthPrivateKey: st.one_of(_keys.map(Ed25519PrivateKey), _keys.map(X25519PrivateKey)),
    FileDescription: st.sampled_from([_OWN, _FIRST, _SECOND]),
    Plan: st.builds(evolve, st.just(_PLAN), content_size=st.integers(0, 10**12)),
    StoredPacket: st.sampled_from(_STORED),
    Ratchet: st.sampled_from(_RATCHETS),
    X3DHPrivateKeys: st.sampled_from(_X3DH),
    X3DHKeys: st.sampled_from(_PUBLIC),
    VersionedQueue: versioned_queues,
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type."""
    if hint in _BY_TYPE:
        return _BY_TYPE[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin in (Union, types.UnionType):
        return st.one_of([values(each) for each in arguments])
    if hint is type(None):
        return st.none()
    assert issubclass(hint, Enum), hint
    return st.sampled_from(hint)


def field_types(kind: type[Any]) -> dict[str, Any]:
    """The type of each field."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in attrs.fields(kind)}


_EXAMPLES: dict[Any, Any] = {
    int: 5,
    float: 2.5,
    bytes: b"some bytes",
    str: "text",
    bool: True,
    ServerAddress: ServerAddress.parse(f"smp://{'A' * 43}=@router.example"),
    Ed25519PrivateKey: Ed25519PrivateKey(b"\1" * 32),
    X25519PrivateKey: X25519PrivateKey(b"\2" * 32),
    X25519PublicKey: X25519PublicKey(b"\3" * 32),
    Ed25519PublicKey: Ed25519PublicKey(b"\4" * 32),
    BoxKey: BoxKey(b"\5" * 32),
    AuthPrivateKey: Ed25519PrivateKey(b"\7" * 32),
    FileDescription: _FIRST,
    Plan: _PLAN,
    StoredPacket: _STORED[0],
    Ratchet: _RATCHETS[0],
    X3DHPrivateKeys: _X3DH[0],
    X3DHKeys: _PUBLIC[0],
    VersionedQueue: VersionedQueue(
        4,
        QueueAddress(
            ServerAddress.parse(f"smp://{'A' * 43}=@router.example"),
            b"sender",
            X25519PublicKey(b"\6" * 32),
            QueueMode.MESSAGING,
        ),
    ),
}


def _example(hint: Any) -> Any:
    if hint in _EXAMPLES:
        return _EXAMPLES[hint]
    if get_origin(hint) is tuple:
        return (_example(get_args(hint)[0]),)
    arguments = get_args(hint)
    return _example(arguments[0]) if arguments else next(iter(hint))


def example_of(kind: type[Any], /, **known: Any) -> Any:
    """A record or an event in which every field has a value; ``known`` are some of them."""
    fields = field_types(kind)
    return kind(**{name: known.get(name, _example(hint)) for name, hint in fields.items()})


def records(kind: type[Any], /, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Records or events of a class; ``known`` are the values of some fields."""
    fields = {name: values(hint) for name, hint in field_types(kind).items()}
    return st.builds(kind, **(fields | known))


def skipped_key_lists(max_size: int) -> st.SearchStrategy[list[SkippedKey]]:
    """Keys of overtaken messages, no two of the same message."""
    key = st.builds(
        SkippedKey,
        header_key=st.sampled_from([bytes([n]) * 32 for n in range(3)]),
        number=st.integers(0, 6),
        message_key=_keys,
        iv=st.binary(min_size=16, max_size=16),
        since=st.integers(0, 2**40),
    )
    return st.lists(key, max_size=max_size, unique_by=lambda each: (each.header_key, each.number))
