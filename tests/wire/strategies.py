"""Values of SMP for property tests, all in a form that some version can say in full."""

from __future__ import annotations

from base64 import b64decode
from ipaddress import IPv4Address
from typing import Any

from hypothesis import strategies as st

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import (
    Ed448PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    X25519PublicKey,
)
from simplex_trio.crypto.signed_key import SignedKey
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.basic_auth import is_basic_auth
from simplex_trio.wire.certificates import ProvenKey
from simplex_trio.wire.errors import values as errors
from simplex_trio.wire.hosts import DomainHost, IPv4Host
from simplex_trio.wire.smp import commands, messages
from simplex_trio.wire.smp.bodies import NotificationMeta, QuotaNotice, ReceivedBody
from simplex_trio.wire.smp.envelopes import ClientEnvelope, ClientMessage
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.forwarding import FwdResponse, FwdTransmission
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.names import Domain, NameRecord
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingLink,
    MessagingRequest,
    NotifierIds,
    NotifierKeys,
    QueueMode,
)
from simplex_trio.wire.smp.queue_info import (
    MessageInfo,
    MessageKind,
    QueueInfo,
    QueueSubscription,
    SubscriptionState,
)
from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange

# --- small parts --------------------------------------------------------------------------------

versions = st.integers(SMP_VERSIONS.lowest, SMP_VERSIONS.highest)
ids = st.binary(min_size=24, max_size=24) | st.binary(max_size=255)
nonces = st.binary(min_size=24, max_size=24)
sealed = st.binary(max_size=300)
numbers = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
flags = st.builds(MessageFlags, st.booleans())

dh_keys = st.binary(min_size=32, max_size=32).map(X25519PublicKey)
auth_keys = st.one_of(
    dh_keys,
    st.binary(min_size=32, max_size=32).map(Ed25519PublicKey),
    st.binary(min_size=57, max_size=57).map(Ed448PublicKey),
)
basic_auths = st.binary(max_size=40).filter(is_basic_auth)
link_data = st.builds(QueueLinkData, sealed, sealed)
notifier_keys = st.builds(NotifierKeys, auth_keys, dh_keys)
notifier_ids = st.builds(NotifierIds, ids, dh_keys)
version_ranges = st.lists(st.integers(0, 0xFFFF), min_size=2, max_size=2).map(
    lambda ends: VersionRange(*sorted(ends))
)

_labels = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,6}){0,2}", fullmatch=True)
domains = st.lists(_labels, min_size=1, max_size=4).flatmap(
    lambda labels: (st.sampled_from(["simplex", "testing"]) | _labels).map(
        lambda last: Domain.parse(".".join([*labels, last]))
    )
)

_hosts = st.builds(IPv4Host, st.integers(0, 2**32 - 1).map(IPv4Address)) | st.builds(
    DomainHost, _labels.map(lambda label: f"{label}.example")
)
servers = st.builds(
    ServerAddress,
    st.just(ServerProtocol.SMP),
    st.lists(_hosts, min_size=1, max_size=3).map(tuple),
    st.none() | st.integers(0, 0xFFFF),
    st.binary(min_size=32, max_size=32),
)

_CERTIFICATES = tuple(
    map(
        b64decode,
        (
            "MIIBcTCCASOgAwIBAgIUJ3DtpfgKGm7gUpH86SmArLlartUwBQYDK2VwMCoxFjAUBgNVBAMMDVNNUCBzZXJ2"
            "ZXIgQ0ExEDAOBgNVBAoMB1NpbXBsZVgwIBcNMjkxMjMwMjMwMDAwWhgPNDc2NzExMjgwMDAwMDBaMBQxEjAQ"
            "BgNVBAMMCWxvY2FsaG9zdDAqMAUGAytlcAMhAPuJPtdTjl5G4oxH3mVoZZUxQnGBB4b6bWhWmX7pM5SVo28w"
            "bTAJBgNVHRMEAjAAMAsGA1UdDwQEAwIDyDATBgNVHSUEDDAKBggrBgEFBQcDATAdBgNVHQ4EFgQUT6rhOaj8"
            "lubcrQ0ZSvNgjDcPvIcwHwYDVR0jBBgwFoAUCIuVplnJS4FOi4eh61gFupWp95IwBQYDK2VwA0EArV/LEzxo"
            "OD0fKlx2UsXOfom5wryfgBT0TPlFd7V2cqlL3wbP5ins5bn5DUV766FNY9M8frOr0yu9dzDAa5/fAw==",
            "MIIBazCCAR2gAwIBAgIUNfp5dPtCnrmtmozfQ05dguZsUhowBQYDK2VwMCoxFjAUBgNVBAMMDVNNUCBzZXJ2"
            "ZXIgQ0ExEDAOBgNVBAoMB1NpbXBsZVgwIBcNMjkxMjMwMjMwMDAwWhgPNDc2NzExMjgwMDAwMDBaMCoxFjAU"
            "BgNVBAMMDVNNUCBzZXJ2ZXIgQ0ExEDAOBgNVBAoMB1NpbXBsZVgwKjAFBgMrZXADIQAW34qHInH8THdX+o0q"
            "EQ0IbJuC4rvfGnN2/qG05W78ZaNTMFEwHQYDVR0OBBYEFAiLlaZZyUuBTouHoetYBbqVqfeSMB8GA1UdIwQY"
            "MBaAFAiLlaZZyUuBTouHoetYBbqVqfeSMA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EA/QS7rcL2XWQ94mXM"
            "FO6tAzriFEabGa/lHil4xnQS/sK/+ii9IWcSAIwqD0gupzfYb46cNb8tWMghiuYk59WsAQ==",
        ),
    )
)
chains = st.lists(st.sampled_from(_CERTIFICATES), min_size=1, max_size=4).map(
    lambda certificates: CertificateChain(tuple(certificates))
)
signed_keys = dh_keys.map(lambda key: SignedKey.sign(Ed25519PrivateKey(bytes(32)), key))
proofs = st.builds(ProvenKey, chains, signed_keys)

# --- errors -------------------------------------------------------------------------------------

transport_errors = st.sampled_from(errors.HandshakeErrorKind).map(
    errors.TransportError.of_handshake
) | st.sampled_from(
    [kind for kind in errors.TransportErrorKind if kind is not errors.TransportErrorKind.HANDSHAKE]
).map(errors.TransportError)

_latin1 = st.text(st.characters(max_codepoint=0xFF), max_size=40)
_broker_errors = st.one_of(
    st.sampled_from(errors.BrokerErrorKind),
    st.builds(errors.Response, _latin1),
    st.builds(errors.Unexpected, _latin1),
    st.just(errors.Network()),
    transport_errors,
)
_first_hand: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(errors.Code),
    st.builds(errors.Cmd, st.sampled_from(errors.CommandErrorKind)),
    st.builds(
        errors.Blocked,
        st.sampled_from(errors.BlockingReason),
        st.none() | st.builds(errors.BlockingNotice, st.none() | numbers),
    ),
    st.builds(errors.Store, texts),
    st.builds(
        errors.Name,
        st.sampled_from(errors.NameErrorKind) | st.builds(errors.Resolver, texts),
    ),
    st.builds(errors.Proxy, st.sampled_from(errors.ProxyErrorKind)),
    st.builds(errors.Proxy, st.builds(errors.Broker, _broker_errors)),
)
router_errors = st.recursive(
    _first_hand,
    lambda inner: st.builds(errors.Proxy, st.builds(errors.Protocol, inner)),
    max_leaves=1,
)

# --- commands -----------------------------------------------------------------------------------

queue_requests = st.builds(
    MessagingRequest, st.none() | st.builds(MessagingLink, ids, link_data)
) | st.builds(ContactRequest, st.none() | st.builds(ContactLink, ids, ids, link_data))

_command_parameters: dict[type[commands.Command], tuple[st.SearchStrategy[Any], ...]] = {
    commands.NEW: (
        auth_keys,
        dh_keys,
        st.none() | basic_auths,
        st.booleans(),
        st.none() | queue_requests,
        st.none() | notifier_keys,
    ),
    commands.SUBS: (numbers, ids),
    commands.NSUBS: (numbers, ids),
    commands.KEY: (auth_keys,),
    commands.SKEY: (auth_keys,),
    commands.LKEY: (auth_keys,),
    commands.RKEY: (st.lists(auth_keys, min_size=1, max_size=4).map(tuple),),
    commands.LSET: (ids, link_data),
    commands.NKEY: (notifier_keys,),
    commands.ACK: (ids,),
    commands.SEND: (flags, sealed),
    commands.PRXY: (servers, st.none() | basic_auths),
    commands.PFWD: (st.integers(0, 0xFFFF), dh_keys, sealed),
    commands.RFWD: (sealed,),
    commands.RSLV: (domains,),
}


def any_of(kind: type[Any], parameters: dict[type[Any], Any]) -> st.SearchStrategy[Any]:
    """Values of one class of commands or messages."""
    return st.builds(kind, *parameters.get(kind, ()))


any_command: st.SearchStrategy[commands.Command] = st.sampled_from(commands.COMMANDS).flatmap(
    lambda kind: any_of(kind, _command_parameters)
)

# --- messages -----------------------------------------------------------------------------------

_times = st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
queue_infos = st.builds(
    QueueInfo,
    secured=st.booleans(),
    has_notifier=st.booleans(),
    size=numbers,
    subscription=st.none()
    | st.builds(QueueSubscription, st.sampled_from(SubscriptionState), st.none() | texts),
    first_message=st.none() | st.builds(MessageInfo, texts, _times, st.sampled_from(MessageKind)),
)
_links = st.lists(texts, max_size=3).map(tuple)
_coins = st.none() | texts
name_records = st.builds(
    NameRecord,
    *(texts, texts, texts, texts),
    *(_links, _links),
    *(_coins, _coins, _coins, _coins),
    *(texts, texts),
)

_message_parameters: dict[type[messages.Message], tuple[st.SearchStrategy[Any], ...]] = {
    messages.IDS: (
        ids,
        ids,
        dh_keys,
        st.none() | st.sampled_from(QueueMode),
        st.none() | ids,
        st.none() | ids,
        st.none() | notifier_ids,
    ),
    messages.LNK: (ids, link_data),
    messages.SOK: (st.none() | ids,),
    messages.SOKS: (numbers, ids),
    messages.ENDS: (numbers, ids),
    messages.MSG: (ids, sealed),
    messages.NID: (notifier_ids,),
    messages.NMSG: (nonces, st.binary(max_size=255)),
    messages.PKEY: (ids, version_ranges, proofs),
    messages.RRES: (sealed,),
    messages.PRES: (sealed,),
    messages.INFO: (queue_infos,),
    messages.ERR: (router_errors,),
    messages.RNAME: (name_records,),
}

any_message: st.SearchStrategy[messages.Message] = st.sampled_from(messages.MESSAGES).flatmap(
    lambda kind: any_of(kind, _message_parameters)
)

# --- what is inside them ------------------------------------------------------------------------

delivered = st.builds(QuotaNotice, numbers) | st.builds(
    ReceivedBody, st.integers(0, 2**62), flags, sealed
)
notification_metas = st.builds(NotificationMeta, ids.filter(lambda i: len(i) < 100), numbers)
client_envelopes = st.builds(
    ClientEnvelope, st.integers(0, 0xFFFF), st.none() | dh_keys, nonces, sealed
)
client_messages = st.builds(ClientMessage, st.none() | auth_keys, sealed)
fwd_transmissions = st.builds(FwdTransmission, ids, st.integers(0, 0xFFFF), dh_keys, sealed)
fwd_responses = st.builds(FwdResponse, ids, sealed)

# --- bad bytes ----------------------------------------------------------------------------------


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with a part replaced, removed, repeated or inserted."""
    start = draw(st.integers(0, len(data)))
    stop = draw(st.integers(start, min(len(data), start + 8)))
    between = draw(st.binary(max_size=4) | st.just(data[start:stop] * 2))
    return data[:start] + between + data[stop:]
