"""Values of what agents say to each other, for property tests."""

from __future__ import annotations

import string
from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from simplex_trio.crypto.keys import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
    X448PublicKey,
)
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.duplex import (
    ConnectionRequest,
    ContactKind,
    ContactLinkData,
    ContactURI,
    FixedLinkData,
    InvitationLinkData,
    InvitationURI,
    Owner,
    ShortContactLink,
    ShortInvitationLink,
    ShortLink,
    UserLinkData,
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
    UnknownBody,
    UserMessage,
)
from simplex_trio.wire.duplex.envelopes import (
    AgentEnvelope,
    ConfirmationEnvelope,
    InvitationEnvelope,
    MessageEnvelope,
    RatchetKeyEnvelope,
    UnknownEnvelope,
)
from simplex_trio.wire.duplex.messages import (
    AgentMessage,
    ConnectionInfo,
    ConnectionInfoReply,
    RatchetInfo,
    RatchetPlaintext,
    UnknownMessage,
)
from simplex_trio.wire.duplex.x3dh_keys import (
    KEM_CIPHERTEXT_SIZE,
    KEM_PUBLIC_KEY_SIZE,
    KEMAcceptance,
    KEMParameters,
    KEMProposal,
    X3DHOffer,
)
from simplex_trio.wire.hosts import DomainHost, IPv4Host, IPv6Host, OnionHost
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.queue_uris import QueueAddress, QueueURI, VersionedQueue
from simplex_trio.wire.versions import VersionRange
from tests.wire.strategies import auth_keys, dh_keys, ids, nonces, numbers, texts

# --- small parts --------------------------------------------------------------------------------

versions = st.integers(0, 0xFFFF)
version_ranges = st.lists(versions, min_size=2, max_size=2).map(lambda v: VersionRange(*sorted(v)))
contents = st.binary(max_size=80)
hashes = st.just(b"") | st.binary(min_size=32, max_size=32) | st.binary(max_size=255)
some_ids = ids.filter(bool)

_labels = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
hosts = st.one_of(
    _labels.map(lambda label: DomainHost(f"{label}.example")),
    st.from_regex(r"[a-z2-7]{56}\.onion", fullmatch=True).map(OnionHost),
    st.integers(0, 2**32 - 1).map(lambda number: IPv4Host(IPv4Address(number))),
    st.integers(0, 2**128 - 1).map(lambda number: IPv6Host(IPv6Address(number))),
)
servers = st.builds(
    ServerAddress,
    st.just(ServerProtocol.SMP),
    st.lists(hosts, min_size=1, max_size=3).map(tuple),
    st.none() | st.integers(0, 0xFFFF),
    st.binary(min_size=32, max_size=32),
)
# As a short link names them, which may be by no more than a host.
linked_servers = st.builds(
    ServerAddress,
    st.just(ServerProtocol.SMP),
    st.lists(hosts, min_size=1, max_size=3).map(tuple),
    st.none() | st.integers(0, 0xFFFF),
    st.just(b"") | st.binary(min_size=32, max_size=32),
)

# --- keys ---------------------------------------------------------------------------------------

# A byte repeated stands for a long key: what differs in it makes no difference here.
kem_keys = st.binary(min_size=1, max_size=1).map(lambda byte: byte * KEM_PUBLIC_KEY_SIZE)
kem_ciphertexts = st.binary(min_size=1, max_size=1).map(lambda byte: byte * KEM_CIPHERTEXT_SIZE)
x448_keys = st.binary(min_size=56, max_size=56).map(X448PublicKey)
proposals = st.builds(KEMProposal, kem_keys)
kem_parameters: st.SearchStrategy[KEMParameters] = proposals | st.builds(
    KEMAcceptance, kem_ciphertexts, kem_keys
)


def x3dh_keys(
    kem: st.SearchStrategy[KEMParameters] | st.SearchStrategy[KEMProposal],
) -> st.SearchStrategy[X3DHKeys]:
    """Keys in a version that can say all of them."""
    old = st.builds(X3DHKeys, st.integers(0, 2), x448_keys, x448_keys)
    return old | st.builds(X3DHKeys, st.integers(3, 0xFFFF), x448_keys, x448_keys, st.none() | kem)


offers = st.builds(
    X3DHOffer,
    version_ranges.filter(lambda versions: versions.highest >= 3),
    x448_keys,
    x448_keys,
    st.none() | proposals,
)
ed25519_keys = st.binary(min_size=32, max_size=32).map(Ed25519PublicKey)
signing_keys = st.integers(1, 255).map(lambda n: Ed25519PrivateKey(bytes([n]) * 32))

# --- queues -------------------------------------------------------------------------------------

modes = st.sampled_from(QueueMode)
queues = st.builds(QueueAddress, servers, some_ids, dh_keys, modes)
client_ranges = st.lists(st.integers(4, 9), min_size=2, max_size=2).map(
    lambda v: VersionRange(*sorted(v))
)
queue_uris = st.builds(QueueURI, client_ranges, queues)
versioned_queues = st.builds(VersionedQueue, st.integers(4, 0xFFFF), queues)
locations = st.builds(QueueLocation, servers, ids)


def _some(items: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(items, min_size=1, max_size=3).map(tuple)


# --- requests and links -------------------------------------------------------------------------

client_data = st.none() | texts
contact_uris = st.builds(
    ContactURI,
    version_ranges.filter(lambda versions: versions.lowest >= 2),
    _some(queue_uris),
    client_data=client_data,
)
invitation_uris = st.builds(
    InvitationURI, version_ranges, _some(queue_uris), offers, client_data=client_data
)
requests: st.SearchStrategy[ConnectionRequest] = contact_uris | invitation_uris
contact_links = st.builds(ShortContactLink, linked_servers, st.sampled_from(ContactKind), some_ids)
short_links: st.SearchStrategy[ShortLink] = contact_links | st.builds(
    ShortInvitationLink, linked_servers, some_ids, some_ids
)

# --- data of links ------------------------------------------------------------------------------

program_data = contents | st.integers(253, 257).map(bytes)
owners = st.builds(Owner, st.binary(max_size=60), ed25519_keys, st.binary(min_size=64, max_size=64))
fixed_link_data = st.builds(FixedLinkData, version_ranges, ed25519_keys, requests, st.none() | ids)
user_link_data: st.SearchStrategy[UserLinkData] = st.builds(
    InvitationLinkData, version_ranges, program_data
) | st.builds(
    ContactLinkData,
    version_ranges,
    st.booleans(),
    st.lists(owners, max_size=3).map(tuple),
    st.lists(contact_links, max_size=3).map(tuple),
    program_data,
)

# --- messages -----------------------------------------------------------------------------------

unknown_tags = st.one_of(
    st.binary(min_size=1, max_size=1).filter(lambda tag: tag not in b"HMVEQ"),
    st.binary(min_size=1, max_size=1).filter(lambda tag: tag not in b"CAKUT").map(b"Q".__add__),
)
bodies: st.SearchStrategy[MessageBody] = st.one_of(
    st.just(HELLO()),
    st.builds(UserMessage, contents),
    st.builds(Receipts, _some(st.builds(Receipt, numbers, hashes, contents))),
    st.builds(QCONT, locations),
    st.builds(QADD, _some(st.builds(AddedQueue, queue_uris, st.none() | locations))),
    st.builds(QKEY, _some(st.builds(QueueKey, versioned_queues, auth_keys))),
    st.builds(QUSE, _some(st.builds(QueueUse, locations, st.booleans()))),
    st.builds(QTEST, _some(locations)),
    st.builds(EREADY, numbers),
    st.builds(UnknownBody, unknown_tags, contents),
)
messages: st.SearchStrategy[RatchetPlaintext] = st.one_of(
    st.builds(ConnectionInfo, contents),
    st.builds(ConnectionInfoReply, _some(versioned_queues), contents),
    st.builds(RatchetInfo, contents),
    st.builds(AgentMessage, numbers, hashes, bodies),
    st.builds(
        UnknownMessage,
        st.binary(min_size=1, max_size=1).filter(lambda tag: tag not in b"IDRM"),
        contents,
    ),
)
envelopes: st.SearchStrategy[AgentEnvelope] = st.one_of(
    st.builds(ConfirmationEnvelope, versions, st.none() | x3dh_keys(kem_parameters), contents),
    st.builds(MessageEnvelope, versions, contents),
    st.builds(InvitationEnvelope, versions, invitation_uris, contents),
    st.builds(RatchetKeyEnvelope, versions, x3dh_keys(proposals), contents),
    st.builds(
        UnknownEnvelope,
        versions,
        st.binary(min_size=1, max_size=1).filter(lambda tag: tag not in b"CMIR"),
        contents,
    ),
)

__all__ = [
    "bodies",
    "contact_uris",
    "contents",
    "envelopes",
    "fixed_link_data",
    "invitation_uris",
    "kem_parameters",
    "messages",
    "nonces",
    "offers",
    "owners",
    "proposals",
    "requests",
    "short_links",
    "signing_keys",
    "user_link_data",
    "version_ranges",
    "x3dh_keys",
]
