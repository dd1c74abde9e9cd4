"""NTF's values as the recorded vectors describe them, and strategies that make any of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    Ed448PrivateKey,
    Ed448PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    X25519PrivateKey,
    X25519PublicKey,
    auth_public_key,
    private_key,
)
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.errors.values import (
    Broker,
    BrokerErrorKind,
    Cmd,
    Code,
    CommandErrorKind,
    Proxy,
)
from simplex_trio.wire.hosts import DomainHost, OnionHost
from simplex_trio.wire.ntf import commands, messages
from simplex_trio.wire.ntf.push import PushMessage
from simplex_trio.wire.ntf.queues import NotifierQueue
from simplex_trio.wire.ntf.statuses import (
    InvalidReason,
    SubscriptionState,
    SubscriptionStatus,
    TokenState,
    TokenStatus,
)
from simplex_trio.wire.ntf.tokens import DeviceToken, PushProvider
from tests.wire.smp_values import router_error, server_address

VERSIONS = (1, 2, 3)

# --- from vectors --------------------------------------------------------------------------------


def token_of(fields: dict[str, Any]) -> DeviceToken:
    return DeviceToken(PushProvider.parse(fields["provider"]), bytes.fromhex(fields["token"]))


def queue_of(fields: dict[str, Any]) -> NotifierQueue:
    return NotifierQueue(server_address(fields["smp_server"]), bytes.fromhex(fields["notifier_id"]))


def command_of(fields: dict[str, Any]) -> commands.Command:
    match fields["command"]:
        case "TNEW":
            return commands.TNEW(
                token_of(fields["device_token"]),
                auth_public_key(bytes.fromhex(fields["auth_key"])),
                X25519PublicKey.from_der(bytes.fromhex(fields["dh_key"])),
            )
        case "TVFY":
            return commands.TVFY(bytes.fromhex(fields["code"]))
        case "TRPL":
            return commands.TRPL(token_of(fields["device_token"]))
        case "TCRN":
            return commands.TCRN(fields["interval_minutes"])
        case "SNEW":
            key = private_key(bytes.fromhex(fields["notifier_private_key_der"]))
            assert isinstance(key, AuthPrivateKey)
            return commands.SNEW(bytes.fromhex(fields["token_id"]), queue_of(fields["queue"]), key)
        case tag:
            command: commands.Command = _bare(commands.COMMANDS, tag)
            return command


def message_of(fields: dict[str, Any]) -> messages.Message:
    match fields["response"]:
        case "IDTKN":
            return messages.IDTKN(
                bytes.fromhex(fields["token_id"]),
                X25519PublicKey.from_der(bytes.fromhex(fields["dh_key"])),
            )
        case "IDSUB":
            return messages.IDSUB(bytes.fromhex(fields["subscription_id"]))
        case "TKN":
            status = fields["status"]
            reason = status.get("reason")
            return messages.TKN(
                TokenStatus(
                    TokenState(status["status"].encode()),
                    None if reason is None else InvalidReason(reason.encode()),
                )
            )
        case "SUB":
            status = fields["status"]
            return messages.SUB(
                SubscriptionStatus(
                    SubscriptionState(status["status"].encode()),
                    bytes.fromhex(status.get("text", "")),
                )
            )
        case "ERR":
            return messages.ERR(router_error(fields["error"]))
        case tag:
            message: messages.Message = _bare(messages.MESSAGES, tag)
            return message


def _bare(kinds: tuple[Any, ...], tag: str) -> Any:
    (kind,) = [kind for kind in kinds if tag.encode() == kind.TAG]
    return kind()


def push_message_of(fields: dict[str, Any]) -> PushMessage:
    return PushMessage(
        queue_of(fields["queue"]),
        fields["ts"],
        bytes.fromhex(fields["nonce"]),
        bytes.fromhex(fields["enc_meta"]),
    )


# --- any of them ---------------------------------------------------------------------------------


def raw(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


ids = st.binary(min_size=1, max_size=24)
x25519_keys = raw(32).map(X25519PublicKey)
auth_keys = st.one_of(raw(32).map(Ed25519PublicKey), raw(57).map(Ed448PublicKey), x25519_keys)
auth_private_keys = st.one_of(
    raw(32).map(Ed25519PrivateKey), raw(57).map(Ed448PrivateKey), raw(32).map(X25519PrivateKey)
)
servers = st.builds(
    ServerAddress,
    protocol=st.just(ServerProtocol.SMP),
    hosts=st.sampled_from(
        [(DomainHost("a.example"),), (DomainHost("a.example"), OnionHost("abc.onion"))]
    ),
    port=st.none() | st.integers(0, 65535),
    key_hash=raw(32),
)
queues = st.builds(NotifierQueue, servers, ids)
device_tokens = st.builds(DeviceToken, st.sampled_from(PushProvider), st.binary(max_size=40))
token_statuses = st.one_of(
    st.builds(TokenStatus, st.sampled_from(TokenState)),
    st.builds(TokenStatus, st.just(TokenState.INVALID), st.sampled_from(InvalidReason)),
)
subscription_statuses = st.one_of(
    st.builds(SubscriptionStatus, st.sampled_from(SubscriptionState)),
    st.builds(SubscriptionStatus, st.just(SubscriptionState.ERR), st.binary(max_size=20)),
)
errors = st.one_of(
    st.sampled_from(Code),
    st.builds(Cmd, st.sampled_from(CommandErrorKind)),
    st.sampled_from(BrokerErrorKind).map(lambda kind: Proxy(Broker(kind))),
)

any_command: st.SearchStrategy[commands.Command] = st.one_of(
    st.builds(commands.TNEW, device_tokens, auth_keys, x25519_keys),
    st.builds(commands.TVFY, st.binary(max_size=40)),
    st.builds(commands.TRPL, device_tokens),
    st.builds(commands.TCRN, st.integers(0, 65535)),
    st.builds(commands.SNEW, ids, queues, auth_private_keys),
    st.sampled_from(
        [
            *(commands.TCHK(), commands.TDEL(), commands.SCHK()),
            *(commands.SDEL(), commands.PING()),
        ]
    ),
)
any_message: st.SearchStrategy[messages.Message] = st.one_of(
    st.builds(messages.IDTKN, ids, x25519_keys),
    st.builds(messages.IDSUB, ids),
    st.builds(messages.TKN, token_statuses),
    st.builds(messages.SUB, subscription_statuses),
    st.builds(messages.ERR, errors),
    st.sampled_from([messages.OK(), messages.PONG()]),
)
push_messages = st.builds(
    PushMessage,
    queues,
    st.integers(-(2**63), 2**63 - 1),
    raw(24),
    st.binary(min_size=1, max_size=60),
)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes that were right before a few of them changed, and some were added or lost."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 3))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        return bytes(data[: draw(st.integers(0, len(data)))])
    return bytes(data) + draw(st.binary(max_size=4))
