"""Commands, messages and errors as the recorded vectors describe them, made into our values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import X25519PublicKey, auth_public_key
from simplex_trio.crypto.signed_key import SignedKey
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.certificates import ProvenKey
from simplex_trio.wire.errors import values as errors
from simplex_trio.wire.hosts import parse_host
from simplex_trio.wire.smp import commands, messages
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.names import Domain, NameRecord, TopLevel
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingLink,
    MessagingRequest,
    NotifierIds,
    NotifierKeys,
    QueueMode,
    QueueRequest,
)
from simplex_trio.wire.smp.queue_info import (
    MessageInfo,
    MessageKind,
    QueueInfo,
    QueueSubscription,
    SubscriptionState,
)
from simplex_trio.wire.versions import VersionRange
from tests.vectors import unhex

Fields = dict[str, Any]

T = TypeVar("T")

FILES = ("smp_commands.json", "smp_v19_v20.json")


def newest_version(case: Fields) -> int:
    """The highest version that the reference speaks which made the file of a case.

    The older release does not know what came after it, at no version; the newer one knows all it
    has at every version.
    """
    return 20 if case["file"] == "smp_v19_v20.json" else 18


def _auth_key(der: str) -> Any:
    return auth_public_key(bytes.fromhex(der))


def _dh_key(der: str) -> X25519PublicKey:
    return X25519PublicKey.from_der(bytes.fromhex(der))


def _link_data(fields: Fields) -> QueueLinkData:
    return QueueLinkData(
        bytes.fromhex(fields["fixed_data"]),
        bytes.fromhex(fields["user_data"]),
    )


def _queue_request(fields: Fields | None) -> QueueRequest | None:
    if fields is None:
        return None
    sender_id, link_id = unhex(fields["sender_id"]), unhex(fields["link_id"])
    data = None if fields["link_data"] is None else _link_data(fields["link_data"])
    if fields["mode"] == "M":
        if sender_id is None or data is None:
            return MessagingRequest()
        return MessagingRequest(MessagingLink(sender_id, data))
    if sender_id is None or link_id is None or data is None:
        return ContactRequest()
    return ContactRequest(ContactLink(link_id, sender_id, data))


def _notifier_keys(fields: Fields | None) -> NotifierKeys | None:
    if fields is None:
        return None
    return NotifierKeys(_auth_key(fields["ntf_auth_key"]), _dh_key(fields["ntf_dh_key"]))


def _notifier_ids(fields: Fields | None) -> NotifierIds | None:
    if fields is None:
        return None
    return NotifierIds(bytes.fromhex(fields["notifier_id"]), _dh_key(fields["ntf_dh_key"]))


def _basic_auth(text: str | None) -> bytes | None:
    return None if text is None else text.encode("latin-1")


def server_address(fields: Fields) -> ServerAddress:
    return ServerAddress(
        ServerProtocol.SMP,
        tuple(parse_host(host["text"]) for host in fields["hosts"]),
        int(fields["port"]) if fields["port"] else None,
        bytes.fromhex(fields["key_hash"]),
    )


def _domain(fields: Fields) -> Domain:
    top_level = {"simplex": TopLevel.SIMPLEX, "testing": TopLevel.TESTING, "web": TopLevel.WEB}
    domain = Domain(
        top_level[fields["tld"]],
        fields["domain"],
        tuple(fields["sub_domain"]),
    )
    assert domain.full_name == fields["full_name"]
    return domain


def _service_queues(kind: Callable[..., T], fields: Fields) -> T:
    named: Fields = {}
    if "count" in fields:
        named["count"] = int(fields["count"])
    if "ids_hash" in fields:
        named["ids_hash"] = bytes.fromhex(fields["ids_hash"])
    return kind(**named)


def command(fields: Fields) -> commands.Command:
    """The command that a vector names and describes."""
    match fields["command"]:
        case "NEW":
            return commands.NEW(
                _auth_key(fields["rcv_auth_key"]),
                _dh_key(fields["rcv_dh_key"]),
                _basic_auth(fields["basic_auth"]),
                {"subscribe": True, "create_only": False}[fields["sub_mode"]],
                _queue_request(fields["queue_req_data"]),
                _notifier_keys(fields["ntf_creds"]),
            )
        case "SUBS":
            return _service_queues(commands.SUBS, fields)
        case "NSUBS":
            return _service_queues(commands.NSUBS, fields)
        case "KEY":
            return commands.KEY(_auth_key(fields["snd_auth_key"]))
        case "SKEY":
            return commands.SKEY(_auth_key(fields["snd_auth_key"]))
        case "LKEY":
            return commands.LKEY(_auth_key(fields["snd_auth_key"]))
        case "RKEY":
            return commands.RKEY(tuple(map(_auth_key, fields["rcv_auth_keys"])))
        case "LSET":
            return commands.LSET(bytes.fromhex(fields["link_id"]), _link_data(fields["link_data"]))
        case "NKEY":
            keys = _notifier_keys(fields)
            assert keys is not None
            return commands.NKEY(keys)
        case "ACK":
            return commands.ACK(bytes.fromhex(fields["msg_id"]))
        case "SEND":
            flags = MessageFlags(fields["notification"])
            return commands.SEND(flags, bytes.fromhex(fields["body"]))
        case "PRXY":
            return commands.PRXY(
                server_address(fields["server"]), _basic_auth(fields["basic_auth"])
            )
        case "PFWD":
            return commands.PFWD(
                fields["version"],
                _dh_key(fields["key"]),
                bytes.fromhex(fields["enc_transmission"]),
            )
        case "RFWD":
            return commands.RFWD(bytes.fromhex(fields["enc_fwd_transmission"]))
        case "RSLV":
            return commands.RSLV(_domain(fields["domain"]))
        case tag:
            assert set(fields) == {"command"}
            return {kind.TAG: kind for kind in commands.COMMANDS}[tag.encode()]()


def _queue_info(fields: Fields) -> QueueInfo:
    subscription, message = fields.get("qiSub"), fields.get("qiMsg")
    return QueueInfo(
        secured=fields["qiSnd"],
        has_notifier=fields["qiNtf"],
        size=fields["qiSize"],
        subscription=None
        if subscription is None
        else QueueSubscription(
            SubscriptionState(subscription["qSubThread"]), subscription.get("qDelivered")
        ),
        first_message=None
        if message is None
        else MessageInfo(message["msgId"], message["msgTs"], MessageKind(message["msgType"])),
    )


def _name_record(fields: Fields) -> NameRecord:
    names = {"simplexContact": "simplex_contacts", "simplexChannel": "simplex_channels"}
    values: Fields = {
        names.get(name, name): tuple(value) if isinstance(value, list) else value
        for name, value in fields.items()
    }
    return NameRecord(**values)


def message(fields: Fields) -> messages.Message:
    """The message that a vector names and describes."""
    match fields["message"]:
        case "IDS":
            mode = fields["queue_mode"]
            return messages.IDS(
                bytes.fromhex(fields["rcv_id"]),
                bytes.fromhex(fields["snd_id"]),
                _dh_key(fields["rcv_dh_key"]),
                None if mode is None else QueueMode(mode.encode()),
                unhex(fields["link_id"]),
                unhex(fields["service_id"]),
                _notifier_ids(fields["server_ntf_creds"]),
            )
        case "LNK":
            return messages.LNK(bytes.fromhex(fields["sender_id"]), _link_data(fields["link_data"]))
        case "SOK":
            return messages.SOK(unhex(fields["service_id"]))
        case "SOKS":
            return _service_queues(messages.SOKS, fields)
        case "ENDS":
            return _service_queues(messages.ENDS, fields)
        case "MSG":
            return messages.MSG(bytes.fromhex(fields["msg_id"]), bytes.fromhex(fields["enc_body"]))
        case "NID":
            ids = _notifier_ids(fields)
            assert ids is not None
            return messages.NID(ids)
        case "NMSG":
            return messages.NMSG(bytes.fromhex(fields["nonce"]), bytes.fromhex(fields["enc_meta"]))
        case "PKEY":
            return messages.PKEY(
                bytes.fromhex(fields["session_id"]),
                VersionRange(*fields["version_range"]),
                ProvenKey(
                    CertificateChain(tuple(map(bytes.fromhex, fields["cert_chain"]))),
                    SignedKey.from_der(bytes.fromhex(fields["signed_key"])),
                ),
            )
        case "RRES":
            return messages.RRES(bytes.fromhex(fields["enc_fwd_response"]))
        case "PRES":
            return messages.PRES(bytes.fromhex(fields["enc_response"]))
        case "INFO":
            return messages.INFO(_queue_info(fields["info"]))
        case "RNAME":
            return messages.RNAME(_name_record(fields["record"]))
        case "ERR":
            return messages.ERR(router_error(fields["error"]))
        case tag:
            assert set(fields) == {"message"}
            return {kind.TAG: kind for kind in messages.MESSAGES}[tag.encode()]()


def router_error(fields: Fields) -> errors.RouterErrorValue:
    """The error of a router that a vector describes."""
    match fields["type"]:
        case "CMD":
            return errors.Cmd(errors.CommandErrorKind(fields["cmd"]))
        case "PROXY":
            return errors.Proxy(_proxy_error(fields["proxy"]))
        case "BLOCKED":
            notice = fields["notice"]
            return errors.Blocked(
                errors.BlockingReason(fields["reason"]),
                None if notice is None else errors.BlockingNotice(notice["ttl"]),
            )
        case "STORE":
            return errors.Store(fields["text"])
        case "NAME":
            name = fields["name"]
            if name["type"] == "RESOLVER":
                return errors.Name(errors.Resolver(name["text"]))
            return errors.Name(errors.NameErrorKind(name["type"]))
        case code:
            return errors.Code(code)


def _proxy_error(fields: Fields) -> errors.ProxyErrorValue:
    match fields["type"]:
        case "PROTOCOL":
            return errors.Protocol(router_error(fields["error"]))
        case "BROKER":
            return errors.Broker(_broker_error(fields["broker"]))
        case code:
            return errors.ProxyErrorKind(code)


def _broker_error(fields: Fields) -> errors.BrokerErrorValue:
    match fields["type"]:
        case "RESPONSE":
            return errors.Response(bytes.fromhex(fields["text"]).decode("latin-1"))
        case "UNEXPECTED":
            return errors.Unexpected(bytes.fromhex(fields["text"]).decode("latin-1"))
        case "NETWORK":
            return _network_error(fields["network"])
        case "TRANSPORT":
            return transport_error(fields["transport"])
        case code:
            return errors.BrokerErrorKind(code)


_NETWORK = {
    "NEConnectError": errors.NetworkErrorKind.CONNECT,
    "NETLSError": errors.NetworkErrorKind.TLS,
    "NEUnknownCAError": errors.NetworkErrorKind.UNKNOWN_CA,
    "NEFailedError": errors.NetworkErrorKind.FAILED,
    "NETimeoutError": errors.NetworkErrorKind.TIMEOUT,
    "NESubscribeError": errors.NetworkErrorKind.SUBSCRIBE,
}


def _network_error(shown: str) -> errors.Network:
    """What the reference shows as ``NETimeoutError`` or ``NETLSError {tlsError = "text"}``."""
    found = re.fullmatch(r'(\w+)(?: \{\w+ = "(.*)"\})?', shown)
    assert found is not None
    return errors.Network(_NETWORK[found[1]], re.sub(r"\\(.)", r"\1", found[2] or ""))


_TRANSPORT = {
    "TEBadBlock": errors.TransportErrorKind.BLOCK,
    "TEVersion": errors.TransportErrorKind.VERSION,
    "TELargeMsg": errors.TransportErrorKind.LARGE_MSG,
    "TEBadSession": errors.TransportErrorKind.SESSION,
    "TENoServerAuth": errors.TransportErrorKind.NO_AUTH,
}


def transport_error(shown: str) -> errors.TransportError:
    """What the reference shows as ``TEVersion`` or ``TEHandshake {handshakeErr = PARSE}``."""
    if handshake := re.fullmatch(r"TEHandshake \{handshakeErr = (\w+)\}", shown):
        return errors.TransportError.of_handshake(errors.HandshakeErrorKind(handshake[1]))
    return errors.TransportError(_TRANSPORT[shown])
