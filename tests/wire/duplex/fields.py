"""What the recorded files say of requests, links, envelopes and messages, as our values.

``agent_links.json`` and the recorded conversations name some fields differently; both names stand
side by side where a field is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from simplex_trio.crypto.keys import (
    AuthPublicKey,
    Ed25519PublicKey,
    X448PublicKey,
    X25519PublicKey,
    auth_public_key,
)
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.duplex import (
    ConnectionRequest,
    ContactKind,
    ContactURI,
    InvitationURI,
    Owner,
    ShortContactLink,
    ShortInvitationLink,
    ShortLink,
    X3DHKeys,
)
from simplex_trio.wire.duplex.bodies import (
    EREADY,
    HELLO,
    QADD,
    QCONT,
    QKEY,
    QTEST,
    QUSE,
    AddedQueue,
    MessageBody,
    QueueKey,
    QueueLocation,
    QueueUse,
    Receipt,
    Receipts,
    UserMessage,
)
from simplex_trio.wire.duplex.messages import (
    AgentMessage,
    ConnectionInfo,
    ConnectionInfoReply,
    RatchetInfo,
    RatchetPlaintext,
)
from simplex_trio.wire.duplex.x3dh_keys import KEMAcceptance, KEMParameters, KEMProposal, X3DHOffer
from simplex_trio.wire.hosts import parse_host
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.queue_uris import QueueAddress, QueueURI, VersionedQueue
from simplex_trio.wire.versions import VersionRange

Fields = dict[str, Any]

Octets: TypeAlias = Callable[[Any], bytes]
"""Reads bytes that may be long: hexadecimal, or where a conversation has put them instead."""


def _either(fields: Fields, *names: str) -> Any:
    """The value of the one of these fields that is there."""
    (value,) = (fields[name] for name in names if name in fields)
    return value


def server_of(fields: Fields) -> ServerAddress:
    hosts = (host if isinstance(host, str) else host["text"] for host in fields["hosts"])
    return ServerAddress(
        ServerProtocol.SMP,
        tuple(map(parse_host, hosts)),
        int(fields["port"]) if fields["port"] else None,
        bytes.fromhex(fields["key_hash"]),
    )


def versions_of(fields: list[int]) -> VersionRange:
    return VersionRange(*fields)


def _mode_of(fields: Fields) -> QueueMode | None:
    if fields.get("sender_can_secure") is not None:
        return QueueMode.MESSAGING if fields["sender_can_secure"] else QueueMode.CONTACT
    mode = _either(fields, "queue_mode", "mode")
    return None if mode is None else QueueMode(mode.encode())


def queue_of(fields: Fields) -> QueueAddress:
    if "dh_key" in fields:
        key = X25519PublicKey(bytes.fromhex(fields["dh_key"]))
    else:
        key = X25519PublicKey.from_der(bytes.fromhex(fields["dh_public_der"]))
    return QueueAddress(
        server_of(fields["server"]), bytes.fromhex(fields["sender_id"]), key, _mode_of(fields)
    )


def uri_of(fields: Fields) -> QueueURI:
    if "client_versions" in fields:
        versions = versions_of(fields["client_versions"])
    else:
        versions = VersionRange(fields["min"], fields["max"])
    return QueueURI(versions, queue_of(fields))


def info_of(fields: Fields) -> VersionedQueue:
    return VersionedQueue(_either(fields, "client_version", "version"), queue_of(fields))


def location_of(fields: Fields) -> QueueLocation:
    return QueueLocation(server_of(fields["server"]), bytes.fromhex(fields["sender_id"]))


def offer_of(fields: Fields) -> X3DHOffer:
    kem = fields["kem_public_key"]
    return X3DHOffer(
        versions_of(fields["versions"]),
        X448PublicKey.from_der(bytes.fromhex(fields["key1_der"])),
        X448PublicKey.from_der(bytes.fromhex(fields["key2_der"])),
        None if kem is None else KEMProposal(bytes.fromhex(kem)),
    )


def request_of(fields: Fields) -> ConnectionRequest:
    versions = versions_of(fields["agent_versions"])
    queues = tuple(map(uri_of, fields["queues"]))
    data = fields["client_data"]
    assert fields["scheme"] == "simplex:"  # the reference forgets the other one, and so do we
    match fields["mode"]:
        case "invitation":
            return InvitationURI(versions, queues, offer_of(fields["e2e"]), client_data=data)
        case "contact":
            return ContactURI(versions, queues, client_data=data)
        case mode:
            raise AssertionError(mode)


def short_link_of(fields: Fields) -> ShortLink:
    server, key = server_of(fields["server"]), bytes.fromhex(fields["link_key"])
    match fields["mode"]:
        case "invitation":
            return ShortInvitationLink(server, bytes.fromhex(fields["link_id"]), key)
        case "contact":
            return ShortContactLink(server, ContactKind[fields["contact_type"].upper()], key)
        case mode:
            raise AssertionError(mode)


def short_link_text(link: ShortLink, scheme: str) -> str:
    match scheme:
        case "simplex":
            return str(link)
        case "https":
            return link.web_text
        case _:
            raise AssertionError(scheme)


def owner_of(fields: Fields) -> Owner:
    return Owner(
        bytes.fromhex(fields["owner_id"]),
        Ed25519PublicKey.from_der(bytes.fromhex(fields["owner_key_der"])),
        bytes.fromhex(fields["signature"]),
    )


def _key_of(fields: str | Fields) -> X448PublicKey:
    if isinstance(fields, str):
        return X448PublicKey(bytes.fromhex(fields))
    return X448PublicKey.from_der(bytes.fromhex(fields["public_der"]))


def _kem_of(fields: Fields, octets: Octets) -> KEMParameters | None:
    match fields:
        case {"kem_ct": ciphertext, "kem_key": public} | {
            "kem": {"type": "accepted", "public": public, "ciphertext": ciphertext}
        }:
            return KEMAcceptance(octets(ciphertext), octets(public))
        case {"kem_key": public} | {"kem": {"type": "proposed", "public": public}}:
            return KEMProposal(octets(public))
        case _:
            assert fields.get("kem") is None
            return None


def keys_of(fields: Fields, octets: Octets = bytes.fromhex) -> X3DHKeys:
    key1, key2 = _key_of(fields["key1"]), _key_of(fields["key2"])
    return X3DHKeys(fields["version"], key1, key2, _kem_of(fields, octets))


def _receipt_of(fields: Fields, octets: Octets) -> Receipt:
    return Receipt(
        _either(fields, "agent_msg_id", "sender_message_id"),
        bytes.fromhex(_either(fields, "msg_hash", "hash")),
        octets(fields["info"]),
    )


def _added_of(fields: Fields) -> AddedQueue:
    replaced = _either(fields, "replaced", "replaces")
    return AddedQueue(uri_of(fields["queue"]), None if replaced is None else location_of(replaced))


def _queue_key_of(fields: Fields) -> QueueKey:
    if "sender_auth_key" in fields:
        key: AuthPublicKey = Ed25519PublicKey(bytes.fromhex(fields["sender_auth_key"]))
    else:
        key = auth_public_key(bytes.fromhex(fields["key_der"]))
    return QueueKey(info_of(fields["queue"]), key)


def _use_of(fields: Fields) -> QueueUse:
    return QueueUse(location_of(fields["address"]), fields["primary"])


def body_of(fields: Fields, octets: Octets = bytes.fromhex) -> MessageBody:
    match _either(fields, "type", "body_tag"):
        case "H":
            return HELLO()
        case "M":
            return UserMessage(octets(fields["body"]))
        case "V":
            return Receipts(tuple(_receipt_of(each, octets) for each in fields["receipts"]))
        case "QC":
            return QCONT(location_of(fields["address"]))
        case "QA":
            return QADD(tuple(map(_added_of, fields["queues"])))
        case "QK":
            return QKEY(tuple(map(_queue_key_of, fields["queues"])))
        case "QU":
            return QUSE(tuple(map(_use_of, fields["queues"])))
        case "QT":
            return QTEST(tuple(map(location_of, _either(fields, "addresses", "queues"))))
        case "E":
            return EREADY(_either(fields, "last_decrypted_msg_id", "last_external_id"))
        case tag:
            raise AssertionError(tag)


def message_of(fields: Fields, octets: Octets = bytes.fromhex) -> RatchetPlaintext:
    match _either(fields, "type", "tag"):
        case "I":
            return ConnectionInfo(octets(_either(fields, "conn_info", "info")))
        case "D":
            queues = tuple(map(info_of, _either(fields, "queues", "reply_queues")))
            return ConnectionInfoReply(queues, octets(_either(fields, "conn_info", "info")))
        case "R":
            return RatchetInfo(octets(fields["info"]))
        case "M":
            return AgentMessage(
                _either(fields, "snd_msg_id", "sender_message_id"),
                bytes.fromhex(_either(fields, "prev_msg_hash", "previous_hash")),
                body_of(fields.get("message", fields), octets),
            )
        case tag:
            raise AssertionError(tag)
