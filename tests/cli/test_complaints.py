"""What a complaint about a queue may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from simplex_trio.cli.failures import CommandFailed
from simplex_trio.cli.routers.complaints import queue_ids
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.link_boxes import LinkKeys
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import (
    ContactKind,
    ShortContactLink,
    ShortInvitationLink,
)
from simplex_trio.wire.duplex.versions import AGENT_VERSIONS, SMP_CLIENT_VERSIONS
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.queue_uris import QueueAddress, QueueURI
from simplex_trio.wire.text import to_base64url

SERVER = ServerAddress.parse(f"smp://{'A' * 43}=@smp.example.com")
KEY = bytes(range(32))
SENDER, LINK = b"s" * 24, b"l" * 24


def uri() -> QueueURI:
    return QueueURI(
        SMP_CLIENT_VERSIONS,
        QueueAddress(SERVER, SENDER, X25519PrivateKey(KEY).public, QueueMode.CONTACT),
    )


@pytest.mark.parametrize("named", ["AAEC", "-_-_", to_base64url(SENDER)])
def test_an_id(named: str) -> None:
    assert queue_ids(named) == (named,)


def test_short_links() -> None:
    invitation = ShortInvitationLink(SERVER, LINK, KEY)
    assert queue_ids(str(invitation)) == (to_base64url(LINK),)
    contact = ShortContactLink(SERVER, ContactKind.CONTACT, KEY)
    link_id = LinkKeys.for_contact(KEY).link_id
    assert link_id is not None
    assert queue_ids(str(contact)) == (to_base64url(link_id),)


def test_long_links(tmp_path: Path) -> None:
    request = ContactURI(AGENT_VERSIONS, (uri(), uri()))
    expected = (to_base64url(SENDER),) * 2
    assert queue_ids(str(request)) == expected
    assert queue_ids(request.web_text()) == expected
    (tmp_path / "complaint").write_text(f"{request}\n")
    assert queue_ids(f"@{tmp_path / 'complaint'}") == expected


def test_the_address_of_a_queue() -> None:
    assert queue_ids(str(uri())) == (to_base64url(SENDER),)


@pytest.mark.parametrize(
    "named",
    ["https://example.com/", "smp://a@b", "smp://a@b/not base64!#/?v=1", "simplex:/x#", "x"],
)
def test_neither(named: str) -> None:
    with pytest.raises(CommandFailed, match="neither the id of a queue nor a link"):
        queue_ids(named)
