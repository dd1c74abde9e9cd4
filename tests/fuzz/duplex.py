"""Targets: envelopes and messages between agents, requests, links and the data of links."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from hashlib import sha3_256

import attrs

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.errors import DecodeError
from simplex_trio.wire.buffer import Reader, large, short
from simplex_trio.wire.duplex import (
    ContactLinkData,
    FixedLinkData,
    LinkKeys,
    Owner,
    X3DHKeys,
    open_link,
    parse_link,
)
from simplex_trio.wire.duplex.envelopes import decode_envelope
from simplex_trio.wire.duplex.link_boxes import FIXED_PADDED, USER_PADDED
from simplex_trio.wire.duplex.link_data import decode_user_link_data
from simplex_trio.wire.duplex.messages import decode_message
from simplex_trio.wire.duplex.requests import decode_request, parse_request
from simplex_trio.wire.duplex.short_links import decode_short_link
from simplex_trio.wire.duplex.x3dh_keys import X3DHOffer
from simplex_trio.wire.smp.links import QueueLinkData
from tests.fuzz.target import Target, hexes, recorded, texts
from tests.fuzz.wire import text, whole

__all__ = ["TARGETS"]

FILES = ("agent_links.json",)
ROOT, OWNER = Ed25519PrivateKey(bytes(32)), Ed25519PrivateKey(bytes([1]) * 32)


def again(data: bytes) -> None:
    """A message, and what it is written as."""
    message = decode_message(data)
    assert decode_message(message.encode()) == message


def open_signed(data: bytes) -> None:
    """Both parts of a link's data, of any bytes, as if their owner had signed and sealed them."""
    reader = Reader(data)
    fixed, user = reader.large()[: FIXED_PADDED - 67], reader.tail()[: USER_PADDED - 67]
    link_key = sha3_256(fixed).digest()
    nonce = bytes(24)
    for keys in (LinkKeys.for_contact(link_key), LinkKeys.for_invitation(link_key)):
        fixed_box, user_box = (
            nonce + keys.box_key.seal_padded(nonce, short(ROOT.sign(part)) + part, padded)
            for part, padded in ((fixed, FIXED_PADDED), (user, USER_PADDED))
        )
        try:
            open_link(keys, QueueLinkData(fixed_box, user_box))
        except DecodeError:
            # The other kind of link may still take it.
            if keys.link_id is None:
                raise


def parts(kind: str) -> Iterator[bytes]:
    for signed in hexes(FILES, kind, "link_data_invitation", "link_data_contact"):
        reader = Reader(signed)
        reader.short()
        yield reader.tail()


def both_parts() -> Iterator[bytes]:
    owner = Owner.authorize(b"owner", OWNER.public, ROOT)
    for fixed, user in zip(parts("signed_fixed_data"), parts("signed_user_data"), strict=True):
        ours = attrs.evolve(FixedLinkData.decode(fixed), root_key=ROOT.public).encode()
        value = decode_user_link_data(user)
        if isinstance(value, ContactLinkData):
            value = attrs.evolve(value, owners=(owner,))
        yield large(ours) + value.encode()


def offer_texts() -> Iterator[bytes]:
    for case in recorded(FILES, "connection_request"):
        request = parse_request(case["text"])
        offer = getattr(request, "x3dh_offer", None)
        if isinstance(offer, X3DHOffer):
            yield str(offer).encode()


def x3dh_keys() -> Iterator[bytes]:
    for envelope in hexes(FILES, "hex", "agent_envelope"):
        if envelope[2:4] == b"C1":
            yield envelope[4:]
        elif envelope[2:3] == b"R":
            yield envelope[3:]


TARGETS = (
    Target("agent-envelope", decode_envelope, partial(hexes, FILES, "hex", "agent_envelope")),
    Target("agent-message", again, partial(hexes, FILES, "hex", "agent_message")),
    Target(
        "link",
        text(parse_link),
        partial(
            texts,
            FILES,
            "text",
            "connection_request",
            "parse_connection_request",
            "short_link",
            "parse_short_link",
        ),
    ),
    Target(
        "binary-connection-request",
        whole(decode_request),
        partial(hexes, FILES, "smp_encoded", "connection_request"),
    ),
    Target(
        "binary-short-link",
        whole(decode_short_link),
        partial(hexes, FILES, "smp_encoded", "short_link"),
    ),
    Target("x3dh-offer", text(X3DHOffer.parse), offer_texts),
    Target("x3dh-keys", whole(X3DHKeys.decode), x3dh_keys),
    Target("fixed-link-data", FixedLinkData.decode, partial(parts, "signed_fixed_data")),
    Target("user-link-data", decode_user_link_data, partial(parts, "signed_user_data")),
    Target("link-data", open_signed, both_parts),
)
