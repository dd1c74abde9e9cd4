"""What the recorded files say of requests, links, envelopes and messages, as our values."""

from __future__ import annotations

from typing import Any

from simplex_trio.crypto.keys import (
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


# --- agent_links.json ---------------------------------------------------------------------------


def queue_of(fields: Fields) -> QueueAddress:
    mode = fields["queue_mode"]
    return QueueAddress(
        server_of(fields["server"]),
        bytes.fromhex(fields["sender_id"]),
        X25519PublicKey.from_der(bytes.fromhex(fields["dh_public_der"])),
        None if mode is None else QueueMode(mode.encode()),
    )


def uri_of(fields: Fields) -> QueueURI:
    return QueueURI(versions_of(fields["client_versions"]), queue_of(fields))


def info_of(fields: Fields) -> VersionedQueue:
    return VersionedQueue(fields["client_version"], queue_of(fields))


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


def keys_of(fields: Fields) -> X3DHKeys:
    kem: KEMParameters | None = None
    if "kem_ct" in fields:
        kem = KEMAcceptance(bytes.fromhex(fields["kem_ct"]), bytes.fromhex(fields["kem_key"]))
    elif "kem_key" in fields:
        kem = KEMProposal(bytes.fromhex(fields["kem_key"]))
    return X3DHKeys(
        fields["version"],
        X448PublicKey.from_der(bytes.fromhex(fields["key1"]["public_der"])),
        X448PublicKey.from_der(bytes.fromhex(fields["key2"]["public_der"])),
        kem,
    )


def body_of(fields: Fields) -> MessageBody:
    match fields["type"]:
        case "H":
            return HELLO()
        case "M":
            return UserMessage(bytes.fromhex(fields["body"]))
        case "V":
            return Receipts(
                tuple(
                    Receipt(
                        receipt["agent_msg_id"],
                        bytes.fromhex(receipt["msg_hash"]),
                        bytes.fromhex(receipt["info"]),
                    )
                    for receipt in fields["receipts"]
                )
            )
        case "QC":
            return QCONT(location_of(fields["address"]))
        case "QA":
            return QADD(
                tuple(
                    AddedQueue(
                        uri_of(item["queue"]),
                        None if item["replaced"] is None else location_of(item["replaced"]),
                    )
                    for item in fields["queues"]
                )
            )
        case "QK":
            return QKEY(
                tuple(
                    QueueKey(
                        info_of(item["queue"]), auth_public_key(bytes.fromhex(item["key_der"]))
                    )
                    for item in fields["queues"]
                )
            )
        case "QU":
            return QUSE(
                tuple(
                    QueueUse(location_of(item["address"]), item["primary"])
                    for item in fields["queues"]
                )
            )
        case "QT":
            return QTEST(tuple(map(location_of, fields["addresses"])))
        case "E":
            return EREADY(fields["last_decrypted_msg_id"])
        case tag:
            raise AssertionError(tag)


def message_of(fields: Fields) -> RatchetPlaintext:
    match fields["type"]:
        case "I":
            return ConnectionInfo(bytes.fromhex(fields["conn_info"]))
        case "D":
            return ConnectionInfoReply(
                tuple(map(info_of, fields["queues"])), bytes.fromhex(fields["conn_info"])
            )
        case "R":
            return RatchetInfo(bytes.fromhex(fields["info"]))
        case "M":
            return AgentMessage(
                fields["snd_msg_id"],
                bytes.fromhex(fields["prev_msg_hash"]),
                body_of(fields["message"]),
            )
        case tag:
            raise AssertionError(tag)
