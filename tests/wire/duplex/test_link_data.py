"""The data of short links against recorded ones, and every check that a reader makes."""

from __future__ import annotations

from hashlib import sha3_256

import attrs
import pytest

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.hashes import sender_id
from simplex_trio.crypto.keys import Ed25519PrivateKey, Ed25519PublicKey
from simplex_trio.errors import DecodeError, DecryptionFailed, TooLarge
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.buffer import Reader, listed, short
from simplex_trio.wire.duplex import (
    ContactKind,
    ContactLinkData,
    ContactURI,
    FixedLinkData,
    InvitationLinkData,
    InvitationURI,
    LinkContent,
    LinkDataInvalid,
    LinkFlaw,
    LinkKeys,
    Owner,
    SealedLink,
    ShortContactLink,
    ShortInvitationLink,
    UserLinkData,
    open_link,
    read_link,
    replace_user_data,
    seal_link,
)
from simplex_trio.wire.duplex.link_boxes import FIXED_PADDED, USER_PADDED, max_program_data
from simplex_trio.wire.duplex.link_data import decode_user_link_data
from simplex_trio.wire.duplex.owners import check_owners
from simplex_trio.wire.duplex.requests import parse_request
from simplex_trio.wire.smp.links import QueueLinkData
from tests.vectors import Case, cases, load, matches, unhex
from tests.wire.duplex.fields import owner_of, request_of, short_link_of, versions_of

FILE = "agent_links.json"


def private(fields: dict[str, str]) -> Ed25519PrivateKey:
    return Ed25519PrivateKey(bytes.fromhex(fields["private_raw"]))


@pytest.mark.parametrize("case", cases(FILE, "link_kdf"))
def test_keys_of_a_link(case: Case) -> None:
    link_key = bytes.fromhex(case["link_key"])
    contact, invitation = LinkKeys.for_contact(link_key), LinkKeys.for_invitation(link_key)
    assert contact.link_id == bytes.fromhex(case["contact_link_id"])
    assert contact.box_key == BoxKey.from_secret(bytes.fromhex(case["contact_data_key"]))
    assert invitation.link_id is None
    assert invitation.box_key == BoxKey.from_secret(bytes.fromhex(case["invitation_data_key"]))


@pytest.mark.parametrize("case", cases(FILE, "owners_validation"))
def test_owners(case: Case) -> None:
    root_key = Ed25519PublicKey.from_der(bytes.fromhex(case["root_key_der"]))
    owners = list(map(owner_of, case["owners"]))
    if case["result"] == "ok":
        check_owners(root_key, owners)
        return
    with pytest.raises(LinkDataInvalid) as caught:
        check_owners(root_key, owners)
    repeated = case["result"].startswith("duplicate")
    flaw = LinkFlaw.OWNER_REPEATED if repeated else LinkFlaw.OWNER_UNAUTHORIZED
    assert caught.value.flaw is flaw


def parts_of(case: Case) -> tuple[FixedLinkData, UserLinkData, Ed25519PrivateKey]:
    """Both parts of recorded data, and the key that signed the user part."""
    versions, root = versions_of(case["agent_versions"]), private(case["root_key"])
    fixed = FixedLinkData(
        versions,
        root.public,
        request_of(case["connection_request"]),
        unhex(case.get("link_entity_id")),
    )
    if case["kind"] == "link_data_invitation":
        return fixed, InvitationLinkData(versions, bytes.fromhex(case["user_data"])), root
    fields = case["user_contact_data"]
    relays = tuple(map(short_link_of, fields["relays"]))
    user = ContactLinkData(
        versions,
        fields["direct"],
        tuple(map(owner_of, fields["owners"])),
        tuple(relay for relay in relays if isinstance(relay, ShortContactLink)),
        bytes.fromhex(fields["user_data"]),
    )
    assert user.relays == relays
    return fixed, user, private(case["signing_key"])


def sealed(case: Case) -> SealedLink:
    fixed, user, signer = parts_of(case)
    return seal_link(
        fixed,
        user,
        private(case["root_key"]),
        fixed_nonce=bytes.fromhex(case["encrypted_fixed_nonce"]),
        user_nonce=bytes.fromhex(case["encrypted_user_nonce"]),
        user_key=signer,
    )


LINK_DATA = cases(FILE, "link_data_invitation", "link_data_contact")


@pytest.mark.parametrize("case", LINK_DATA)
def test_parts(case: Case) -> None:
    fixed, user, signer = parts_of(case)
    for signed, value, key in (
        (case["signed_fixed_data"], fixed, private(case["root_key"])),
        (case["signed_user_data"], user, signer),
    ):
        reader = Reader(bytes.fromhex(signed))
        assert reader.short() == key.sign(value.encode())
        assert reader.tail() == value.encode()
    assert FixedLinkData.decode(fixed.encode()) == fixed
    assert decode_user_link_data(user.encode()) == user


@pytest.mark.parametrize("case", LINK_DATA)
def test_sealing_and_opening(case: Case) -> None:
    link = sealed(case)
    assert case["decrypts"]
    assert link.keys.link_key.hex() == case["link_key"]
    assert link.keys.box_key == BoxKey.from_secret(bytes.fromhex(case["data_key"]))
    assert link.keys.link_id == unhex(case.get("link_id"))
    assert matches(link.data.fixed, case["encrypted_fixed_data"])
    assert matches(link.data.user, case["encrypted_user_data"])
    fixed, user, _ = parts_of(case)
    assert open_link(link.keys, link.data) == LinkContent(fixed, user)


@pytest.mark.parametrize("case", LINK_DATA)
def test_recorded_failures(case: Case) -> None:
    link = sealed(case)
    for failure in case.get("failures", ()):
        keys, data = link.keys, link.data
        match failure["what"]:
            case "wrong link key":
                keys, flaw = attrs.evolve(keys, link_key=bytes(32)), LinkFlaw.LINK_KEY
            case "fixed and user data swapped":
                data, flaw = QueueLinkData(data.user, data.fixed), LinkFlaw.FIXED_MALFORMED
            case "fixed data of another key":
                other = resealed(case).data.fixed
                data, flaw = QueueLinkData(other, data.user), LinkFlaw.FIXED_NOT_AUTHENTIC
            case what:
                raise AssertionError(what)
        with pytest.raises(LinkDataInvalid) as caught:
            open_link(keys, data)
        assert caught.value.flaw is flaw


def resealed(case: Case) -> SealedLink:
    """Data of the same content with another root key."""
    fixed, user, _ = parts_of(case)
    fixed = attrs.evolve(fixed, root_key=OTHER.public)
    user = attrs.evolve(user, owners=()) if isinstance(user, ContactLinkData) else user
    return seal_link(fixed, user, OTHER, fixed_nonce=bytes(24), user_nonce=bytes(24))


@pytest.mark.parametrize("case", LINK_DATA)
def test_replacing_the_user_part(case: Case) -> None:
    link = sealed(case)
    fixed, user, signer = parts_of(case)
    root_key = private(case["root_key"]).public
    same = replace_user_data(
        link.keys,
        link.data.fixed,
        user,
        root_key,
        signer,
        nonce=bytes.fromhex(case["encrypted_user_nonce"]),
    )
    assert same == link.data
    changed = attrs.evolve(user, program_data=b"changed")
    data = replace_user_data(link.keys, link.data.fixed, changed, root_key, signer, nonce=bytes(24))
    assert data.fixed == link.data.fixed
    assert open_link(link.keys, data) == LinkContent(fixed, changed)


# --- every check of a reader --------------------------------------------------------------------

ROOT, FIRST, SECOND, OTHER = (Ed25519PrivateKey(bytes([n]) * 32) for n in (1, 2, 3, 4))
REQUESTS = {
    case["name"]: parse_request(case["text"])
    for case in load(FILE)
    if case["kind"] == "connection_request"
}
CONTACT, INVITATION = REQUESTS["connreq-contact"], REQUESTS["connreq-inv-v2-nokem"]
VERSIONS = CONTACT.agent_versions
SENDER_ID = CONTACT.queues[0].queue.sender_id
OWNERS = (
    Owner.authorize(b"first", FIRST.public, ROOT),
    Owner.authorize(b"second", SECOND.public, FIRST),
)
FIXED = FixedLinkData(VERSIONS, ROOT.public, CONTACT)
USER = ContactLinkData(VERSIONS, owners=OWNERS, program_data=b"hello")
INVITATION_FIXED = attrs.evolve(FIXED, request=INVITATION)
INVITATION_USER = InvitationLinkData(VERSIONS, b"hello")


def data_of(
    fixed: bytes,
    user: bytes,
    fixed_key: Ed25519PrivateKey = ROOT,
    user_key: Ed25519PrivateKey = ROOT,
    *,
    contact: bool = True,
) -> tuple[LinkKeys, QueueLinkData]:
    """Any bytes signed by any keys, sealed as a link's data would be."""
    link_key = sha3_256(fixed).digest()
    keys = LinkKeys.for_contact(link_key) if contact else LinkKeys.for_invitation(link_key)

    def box(key: Ed25519PrivateKey, data: bytes, padded: int) -> bytes:
        nonce = bytes([padded % 251]) * 24
        return nonce + keys.box_key.seal_padded(nonce, short(key.sign(data)) + data, padded)

    return keys, QueueLinkData(
        box(fixed_key, fixed, FIXED_PADDED), box(user_key, user, USER_PADDED)
    )


def flaw_of(
    fixed: bytes,
    user: bytes,
    fixed_key: Ed25519PrivateKey = ROOT,
    user_key: Ed25519PrivateKey = ROOT,
    *,
    contact: bool = True,
) -> LinkFlaw | None:
    try:
        open_link(*data_of(fixed, user, fixed_key, user_key, contact=contact))
    except LinkDataInvalid as exc:
        return exc.flaw
    return None


def user_with(*owners: Owner) -> bytes:
    return attrs.evolve(USER, owners=owners).encode()


def test_who_may_sign() -> None:
    fixed, user = FIXED.encode(), USER.encode()
    assert flaw_of(fixed, user) is None
    for owner in (FIRST, SECOND):
        assert flaw_of(fixed, user, user_key=owner) is None
    assert flaw_of(fixed, user, user_key=OTHER) is LinkFlaw.USER_SIGNATURE
    assert flaw_of(fixed, user_with(OWNERS[0]), user_key=SECOND) is LinkFlaw.USER_SIGNATURE
    for key in (FIRST, OTHER):
        assert flaw_of(fixed, user, fixed_key=key) is LinkFlaw.FIXED_SIGNATURE
    invitation = INVITATION_FIXED.encode(), INVITATION_USER.encode()
    assert flaw_of(*invitation, contact=False) is None
    wrong = flaw_of(*invitation, user_key=FIRST, contact=False)
    assert wrong is LinkFlaw.USER_SIGNATURE


def test_the_longest_id_of_an_owner() -> None:
    key = Ed25519PrivateKey.generate()
    owner = Owner.authorize(bytes(144), key.public, key)
    assert len(owner.encode()) == 256
    assert Owner.decode(Reader(owner.encode())) == owner
    with pytest.raises(ValueError, match="144"):
        Owner.authorize(bytes(145), key.public, key)


def test_long_lists_of_owners() -> None:
    root_key, *keys = (Ed25519PrivateKey.generate() for _ in range(120))

    def owners(authorizing: list[Ed25519PrivateKey]) -> list[Owner]:
        return [
            Owner.authorize(b"%d" % number, key.public, by)
            for number, (key, by) in enumerate(zip(keys, authorizing, strict=True))
        ]

    check_owners(root_key.public, owners([root_key] * 119))
    check_owners(root_key.public, owners([root_key, *keys[:-1]]))
    with pytest.raises(LinkDataInvalid) as caught:
        check_owners(root_key.public, owners([root_key, *keys[:1] * 118]))
    assert caught.value.flaw is LinkFlaw.OWNERS_TOO_COSTLY


def test_chains_of_owners() -> None:
    def flaw(*owners: Owner) -> LinkFlaw | None:
        return flaw_of(FIXED.encode(), user_with(*owners))

    by_root = Owner.authorize(b"second", SECOND.public, ROOT)
    assert flaw() is None
    assert flaw(*OWNERS) is None
    assert flaw(by_root, OWNERS[0]) is None
    assert flaw(OWNERS[1]) is LinkFlaw.OWNER_UNAUTHORIZED
    assert flaw(OWNERS[1], OWNERS[0]) is LinkFlaw.OWNER_UNAUTHORIZED
    assert flaw(attrs.evolve(by_root, owner_id=b"x")) is LinkFlaw.OWNER_UNAUTHORIZED
    assert flaw(Owner.authorize(b"own", FIRST.public, FIRST)) is LinkFlaw.OWNER_UNAUTHORIZED
    assert flaw(Owner.authorize(b"root", ROOT.public, ROOT)) is LinkFlaw.OWNER_IS_ROOT
    same_id = Owner.authorize(b"first", SECOND.public, ROOT)
    same_key = Owner.authorize(b"third", FIRST.public, ROOT)
    for repeated in (same_id, same_key, OWNERS[0]):
        assert flaw(OWNERS[0], repeated) is LinkFlaw.OWNER_REPEATED


def test_boxes_that_do_not_open() -> None:
    keys, data = data_of(FIXED.encode(), USER.encode())

    def flaw(fixed: bytes, user: bytes) -> LinkFlaw:
        with pytest.raises(LinkDataInvalid) as caught:
            open_link(keys, QueueLinkData(fixed, user))
        return caught.value.flaw

    def changed(blob: bytes, at: int) -> bytes:
        return blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]

    for at in (0, 24, -1):
        assert flaw(changed(data.fixed, at % 2048), data.user) is LinkFlaw.FIXED_NOT_AUTHENTIC
        assert flaw(data.fixed, changed(data.user, at % 13824)) is LinkFlaw.USER_NOT_AUTHENTIC
    for size in (0, 23, 39):
        assert flaw(data.fixed[:size], data.user) is LinkFlaw.FIXED_MALFORMED
        assert flaw(data.fixed, data.user[:size]) is LinkFlaw.USER_MALFORMED
    empty = bytes(24) + keys.box_key.seal_padded(bytes(24), b"", FIXED_PADDED)
    assert flaw(empty, data.user) is LinkFlaw.FIXED_MALFORMED
    assert flaw(data.fixed, empty) is LinkFlaw.USER_MALFORMED
    unpadded = bytes(24) + keys.box_key.seal(bytes(24), b"\xff\xff")
    assert flaw(unpadded, data.user) is LinkFlaw.FIXED_MALFORMED


def test_parts_of_the_other_kind_of_link() -> None:
    contact, invitation = FIXED.encode(), INVITATION_FIXED.encode()
    user, invitation_user = USER.encode(), INVITATION_USER.encode()
    assert flaw_of(invitation, user) is LinkFlaw.FIXED_MALFORMED
    assert flaw_of(contact, invitation_user) is LinkFlaw.USER_MALFORMED
    assert flaw_of(contact, invitation_user, contact=False) is LinkFlaw.FIXED_MALFORMED
    assert flaw_of(invitation, user, contact=False) is LinkFlaw.USER_MALFORMED


def test_parts_that_make_no_sense() -> None:
    fixed, user = FIXED.encode(), USER.encode()
    assert flaw_of(fixed[:40], user) is LinkFlaw.FIXED_MALFORMED
    assert flaw_of(fixed, user[:40]) is LinkFlaw.USER_MALFORMED
    assert flaw_of(fixed, b"X" + user[1:]) is LinkFlaw.USER_MALFORMED
    bad_signature = attrs.evolve(USER, owners=()).encode()[:6]
    bad_signature += listed([short(short(b"id") + short(FIRST.public.der) + short(b"x"))])
    assert flaw_of(fixed, bad_signature) is LinkFlaw.USER_MALFORMED
    relay = ShortInvitationLink(ServerAddress.parse("smp://AQID@a"), b"id", b"key")
    not_a_relay = attrs.evolve(USER, owners=()).encode()[:7] + listed([relay.encode()]) + b"\x00"
    assert flaw_of(fixed, not_a_relay) is LinkFlaw.USER_MALFORMED


def test_what_later_versions_add_is_left_out() -> None:
    with_id = attrs.evolve(FIXED, entity_id=b"id")
    for fixed in (FIXED, with_id):
        for user in (USER, attrs.evolve(USER, owners=())):
            tail = b"\xffmore" if fixed is FIXED else b"more"
            keys, data = data_of(fixed.encode() + tail, user.encode() + b"more")
            assert open_link(keys, data) == LinkContent(fixed, user)
    keys, data = data_of(INVITATION_FIXED.encode(), INVITATION_USER.encode() + b"x", contact=False)
    assert open_link(keys, data).user == INVITATION_USER
    owner = OWNERS[0].encode()
    longer = short(owner[1:] + b"more")
    assert Owner.decode(Reader(longer)) == OWNERS[0]


# --- reading what a router answers --------------------------------------------------------------


def sealed_contact() -> SealedLink:
    return seal_link(FIXED, USER, ROOT, fixed_nonce=bytes(24), user_nonce=bytes(24))


def test_reading_a_link() -> None:
    link = sealed_contact()
    asked = CONTACT.queues[0].queue.server
    short_link = ShortContactLink(asked, ContactKind.CONTACT, link.keys.link_key)
    assert read_link(short_link, SENDER_ID, link.data) == LinkContent(FIXED, USER)
    assert LinkKeys.of(short_link) == link.keys

    more_hosts = attrs.evolve(asked, hosts=(*asked.hosts, *asked.hosts), port=443)
    content = read_link(attrs.evolve(short_link, server=more_hosts), SENDER_ID, link.data)
    assert isinstance(content.fixed.request, ContactURI)
    assert content.fixed.request.queues[0].queue.server == more_hosts
    assert content.fixed.request.queues[0].queue.sender_id == SENDER_ID


@pytest.mark.parametrize("what", ["sender", "server"])
def test_data_for_another_queue(what: str) -> None:
    link = sealed_contact()
    server = CONTACT.queues[0].queue.server
    if what == "server":
        server = ServerAddress.parse("smp://AQID@other.example")
    sender = b"another sender" if what == "sender" else SENDER_ID
    with pytest.raises(LinkDataInvalid) as caught:
        read_link(
            ShortContactLink(server, ContactKind.CONTACT, link.keys.link_key), sender, link.data
        )
    assert caught.value.flaw is LinkFlaw.OTHER_QUEUE


def test_reading_an_invitation() -> None:
    link = seal_link(
        INVITATION_FIXED, INVITATION_USER, ROOT, fixed_nonce=bytes(24), user_nonce=bytes(24)
    )
    queue = INVITATION.queues[0].queue
    short_link = ShortInvitationLink(queue.server, b"an id", link.keys.link_key)
    content = read_link(short_link, queue.sender_id, link.data)
    assert isinstance(content.fixed.request, InvitationURI)
    assert content == LinkContent(INVITATION_FIXED, INVITATION_USER)
    assert LinkKeys.of(short_link) == link.keys


def test_the_sender_id_follows_from_the_correlation_id() -> None:
    # So the request in the fixed part can name a queue that does not exist yet.
    assert len(sender_id(bytes(24))) == len(SENDER_ID)


# --- sealing ------------------------------------------------------------------------------------


def test_what_a_reader_would_refuse_is_not_sealed() -> None:
    def flaw(user: UserLinkData, user_key: Ed25519PrivateKey | None = None) -> LinkFlaw:
        with pytest.raises(LinkDataInvalid) as caught:
            seal_link(
                FIXED, user, ROOT, fixed_nonce=bytes(24), user_nonce=bytes(24), user_key=user_key
            )
        return caught.value.flaw

    assert flaw(USER, OTHER) is LinkFlaw.USER_SIGNATURE
    assert flaw(attrs.evolve(USER, owners=OWNERS[1:])) is LinkFlaw.OWNER_UNAUTHORIZED
    link = sealed_contact()
    with pytest.raises(LinkDataInvalid):
        replace_user_data(link.keys, link.data.fixed, USER, ROOT.public, OTHER, nonce=bytes(24))


def test_owners_may_replace_the_user_part() -> None:
    link = sealed_contact()
    changed = attrs.evolve(USER, program_data=b"by the second owner")
    data = replace_user_data(
        link.keys, link.data.fixed, changed, ROOT.public, SECOND, nonce=b"\x01" * 24
    )
    assert data.fixed == link.data.fixed
    assert open_link(link.keys, data).user == changed


def test_parts_that_do_not_belong_together() -> None:
    def seal(fixed: FixedLinkData, user: UserLinkData, root: Ed25519PrivateKey) -> None:
        seal_link(fixed, user, root, fixed_nonce=bytes(24), user_nonce=bytes(24))

    with pytest.raises(ValueError, match="root key"):
        seal(FIXED, USER, OTHER)
    for fixed, user in ((FIXED, INVITATION_USER), (INVITATION_FIXED, USER)):
        with pytest.raises(ValueError, match="one part"):
            seal(fixed, user, ROOT)
    link = sealed_contact()
    with pytest.raises(ValueError, match="one part"):
        replace_user_data(
            link.keys, link.data.fixed, INVITATION_USER, ROOT.public, ROOT, nonce=bytes(24)
        )
    with pytest.raises(ValueError, match="nonce"):
        replace_user_data(link.keys, link.data.fixed, USER, ROOT.public, ROOT, nonce=bytes(23))


RELAY = ShortContactLink(CONTACT.queues[0].queue.server, ContactKind.RELAY, bytes(32))


@pytest.mark.parametrize("owners", [(), OWNERS])
@pytest.mark.parametrize("relays", [0, 1, 139, 140, 255])
def test_what_fits_into_the_user_part(owners: tuple[Owner, ...], relays: int) -> None:
    others = attrs.evolve(USER, owners=owners, relays=(RELAY,) * relays)
    most = max_program_data(owners, others.relays)
    link = sealed_contact()

    def replace(size: int) -> None:
        user = attrs.evolve(others, program_data=bytes(size))
        replace_user_data(link.keys, link.data.fixed, user, ROOT.public, ROOT, nonce=bytes(24))

    if most >= 0:
        replace(most)
    with pytest.raises(TooLarge, match=r"in the user part of a link, where 13717 fit"):
        replace(max(most + 1, 0))


def test_what_fits_where_the_length_of_the_data_begins_to_take_three_bytes() -> None:
    relays = (RELAY,) * ((max_program_data() - 400) // len(RELAY.encode()))
    seen = set()
    for size in range(1, 251):
        all_relays = (*relays, attrs.evolve(RELAY, link_key=bytes(size)))
        most = max_program_data((), all_relays)
        seen.add(most)
        user = attrs.evolve(USER, owners=(), relays=all_relays)
        fits = len(attrs.evolve(user, program_data=bytes(most)).encode())
        too_long = len(attrs.evolve(user, program_data=bytes(most + 1)).encode())
        assert fits <= USER_PADDED - 67 < too_long
    assert seen >= {253, 254, 255, 256}


def test_what_fits_beside_nothing() -> None:
    assert max_program_data() == 13706
    invitation = InvitationLinkData(VERSIONS, bytes(13706 + 3))
    assert len(invitation.encode()) == USER_PADDED - 67


def test_a_fixed_part_that_does_not_fit() -> None:
    large = attrs.evolve(CONTACT, client_data="x" * 1800)
    with pytest.raises(TooLarge, match=r"in the fixed part of a link, where 1941 fit"):
        seal_link(
            attrs.evolve(FIXED, request=large),
            USER,
            ROOT,
            fixed_nonce=bytes(24),
            user_nonce=bytes(24),
        )


def test_lengths_of_program_data() -> None:
    for size in (0, 254, 255, 256, 5000):
        for part in (USER, INVITATION_USER):
            user = attrs.evolve(part, program_data=bytes(size))
            assert decode_user_link_data(user.encode()) == user


def test_errors_keep_their_cause_and_tell_nothing() -> None:
    link = sealed_contact()
    with pytest.raises(DecodeError) as caught:
        open_link(link.keys, QueueLinkData(link.data.user, link.data.fixed[:50]))
    assert isinstance(caught.value.__cause__, DecryptionFailed | DecodeError)
    shown = repr(
        [link, link.keys, link.data, FIXED, USER, OWNERS[0], open_link(link.keys, link.data)]
    )
    for secret in ("hello", "first", "example", ROOT.public.raw.hex()[:8]):
        assert secret not in shown + str(caught.value)
