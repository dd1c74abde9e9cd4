"""What commands and messages must come with, which services send them, and since when they exist.

The tables are written out from the protocol, so that a declaration cannot slip.
"""

from __future__ import annotations

from typing import Any

import pytest

from simplex_trio.crypto.keys import X25519PublicKey
from simplex_trio.errors import EncodeError, UnsupportedVersion
from simplex_trio.wire.errors.values import CommandErrorKind
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.commands import COMMANDS, NEW, RKEY, Command
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import MESSAGES, NMSG, Message
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingLink,
    MessagingRequest,
    NotifierKeys,
)

NO_AUTH, HAS_AUTH = CommandErrorKind.NO_AUTH, CommandErrorKind.HAS_AUTH
NO_ENTITY = CommandErrorKind.NO_ENTITY

# In this order: without both, with an authorization, with an entity, with both.
NEEDS_BOTH = (NO_AUTH, NO_AUTH, NO_AUTH, None)
NEEDS_NOTHING = (None, HAS_AUTH, HAS_AUTH, HAS_AUTH)
NEEDS_ENTITY = (NO_ENTITY, NO_ENTITY, None, HAS_AUTH)

SPECIAL = {
    "NEW": (NO_AUTH, None, NO_AUTH, HAS_AUTH),
    "SEND": (NO_ENTITY, NO_ENTITY, None, None),
    "LGET": NEEDS_ENTITY,
    "PFWD": NEEDS_ENTITY,
    "PING": NEEDS_NOTHING,
    "PRXY": NEEDS_NOTHING,
    "RFWD": NEEDS_NOTHING,
    "RSLV": NEEDS_NOTHING,
}

ROLES = {
    "NSUB": ServiceRole.NOTIFIER,
    "NSUBS": ServiceRole.NOTIFIER,
    "RFWD": ServiceRole.PROXY,
    "PING": None,
}

SINCE = {
    **dict.fromkeys(("PRXY", "PFWD", "RFWD", "PKEY", "RRES", "PRES"), 8),
    **dict.fromkeys(("SKEY",), 9),
    **dict.fromkeys(("DELD",), 10),
    **dict.fromkeys(("LSET", "LDEL", "LKEY", "LGET", "RKEY", "LNK"), 15),
    **dict.fromkeys(("SUBS", "NSUBS", "SOK", "SOKS", "ENDS"), 16),
    **dict.fromkeys(("ALLS",), 19),
    **dict.fromkeys(("RSLV", "RNAME"), 20),
}


def by_tag(kinds: tuple[type[Any], ...]) -> list[Any]:
    return [pytest.param(kind, id=kind.__name__) for kind in kinds]


@pytest.mark.parametrize("kind", by_tag(COMMANDS))
def test_commands(kind: type[Command]) -> None:
    tag = kind.__name__
    assert tag.encode() == kind.TAG
    assert SINCE.get(tag, 6) == kind.MIN_VERSION
    assert ROLES.get(tag, ServiceRole.MESSAGING) is kind.ROLE
    assert (tag in ("NEW", "SUB", "NSUB")) == kind.USES_SERVICE_SIGNATURE
    found = tuple(
        kind.CREDENTIALS.violation(has_authorization=authorized, entity_id=entity_id)
        for entity_id in (b"", b"id")
        for authorized in (False, True)
    )
    assert found == SPECIAL.get(tag, NEEDS_BOTH)


@pytest.mark.parametrize("kind", by_tag(MESSAGES))
def test_messages(kind: type[Message]) -> None:
    tag = kind.__name__
    assert tag.encode() == kind.TAG
    assert SINCE.get(tag, 6) == kind.MIN_VERSION
    without, with_entity = kind.ENTITY.violation(b""), kind.ENTITY.violation(b"id")
    if tag in ("IDS", "ERR"):
        assert (without, with_entity) == (None, None)
    elif tag in ("PONG", "PKEY", "RRES", "ALLS", "RNAME"):
        assert (without, with_entity) == (None, HAS_AUTH)
    else:
        assert (without, with_entity) == (NO_ENTITY, None)


KEY = X25519PublicKey(bytes(32))
DATA = QueueLinkData(b"fixed", b"user")


@pytest.mark.parametrize(
    ("command", "since"),
    [
        (NEW(KEY, KEY), 6),
        (NEW(KEY, KEY, basic_auth=b"password", subscribe=False), 6),
        (NEW(KEY, KEY, queue_request=MessagingRequest()), 9),
        (NEW(KEY, KEY, queue_request=ContactRequest()), 9),
        (NEW(KEY, KEY, queue_request=MessagingRequest(MessagingLink(b"id", DATA))), 15),
        (NEW(KEY, KEY, queue_request=ContactRequest(ContactLink(b"l", b"s", DATA))), 15),
        (NEW(KEY, KEY, notifier=NotifierKeys(KEY, KEY)), 17),
    ],
)
def test_forms_of_new(command: NEW, since: int) -> None:
    assert command.required_version == since
    command.check_version(since)
    with pytest.raises(UnsupportedVersion, match="NEW"):
        command.check_version(since - 1)


@pytest.mark.parametrize("password", [b"with space", b"with:colon", b"with@at", b"a/b", b"\x00"])
def test_passwords_that_cannot_be_written(password: bytes) -> None:
    with pytest.raises(EncodeError):
        NEW(KEY, KEY, basic_auth=password).encode(20)


def test_values_without_an_encoding() -> None:
    with pytest.raises(EncodeError):
        RKEY(()).encode(20)
    with pytest.raises(EncodeError):
        NMSG(bytes(23), b"").encode(20)
    with pytest.raises(EncodeError):
        NMSG(bytes(24), bytes(256)).encode(20)
