"""Connection requests as text and in binary, against recorded ones and at the edges."""

from __future__ import annotations

import re

import attrs
import pytest

from simplex_trio.crypto.keys import X448PublicKey
from simplex_trio.errors import DecodeError
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.duplex import ContactURI, InvitationURI
from simplex_trio.wire.duplex.requests import (
    MAX_CLIENT_DATA,
    MAX_REQUEST_TEXT,
    decode_request,
    parse_request,
)
from simplex_trio.wire.duplex.x3dh_keys import KEMProposal, X3DHOffer
from simplex_trio.wire.queries import MAX_PARAMETERS
from simplex_trio.wire.versions import VersionRange
from tests.vectors import Case, cases, load
from tests.wire.duplex.fields import request_of

FILE = "agent_links.json"


@pytest.mark.parametrize("case", cases(FILE, "connection_request"))
def test_text(case: Case) -> None:
    request = request_of(case["fields"])
    assert str(request) == case["text"]
    parsed = parse_request(case["text"])
    assert parsed == request_of(case["text_parsed"])
    assert type(parsed).parse(case["text"]) == parsed


@pytest.mark.parametrize("case", cases(FILE, "connection_request"))
def test_binary(case: Case) -> None:
    request = request_of(case["fields"])
    encoded = bytes.fromhex(case["smp_encoded"])
    assert request.encode() == encoded
    reader = Reader(encoded)
    assert decode_request(reader) == request_of(case["smp_parsed"])
    reader.end()


@pytest.mark.parametrize("case", cases(FILE, "parse_connection_request"))
def test_parse(case: Case) -> None:
    if not case["ok"]:
        with pytest.raises(DecodeError):
            parse_request(case["text"])
        return
    request = parse_request(case["text"])
    assert request == request_of(case["fields"])
    assert parse_request(str(request)) == request


# --- rules that the vectors do not reach --------------------------------------------------------

RECORDED = {case["name"]: case for case in load(FILE) if case["kind"] == "connection_request"}
INVITATION = parse_request(RECORDED["connreq-inv-kem"]["text"])
CONTACT = parse_request(RECORDED["connreq-contact"]["text"])


def parameters(text: str) -> tuple[str, list[str]]:
    start, query = text.split("?", 1)
    return start, query.split("&")


def test_the_order_of_parameters_is_free() -> None:
    start, parts = parameters(str(INVITATION))
    assert len(parts) == 3
    for order in ((2, 1, 0), (1, 0, 2), (2, 0, 1)):
        assert parse_request(f"{start}?{'&'.join(parts[i] for i in order)}") == INVITATION


def test_the_first_of_two_parameters_counts() -> None:
    assert parse_request(f"{CONTACT}&v=4-5") == CONTACT


def test_limit_of_parameters() -> None:
    assert parse_request(f"{CONTACT}{'&x=y' * (MAX_PARAMETERS - 2)}") == CONTACT
    with pytest.raises(DecodeError, match="parameters"):
        parse_request(f"{CONTACT}{'&x=y' * (MAX_PARAMETERS - 1)}")


@pytest.mark.parametrize("request_", [INVITATION, CONTACT])
def test_the_form_for_browsers(request_: InvitationURI | ContactURI) -> None:
    for text in (request_.web_text(), request_.web_text("apps.example:8443")):
        assert text.startswith("https://")
        assert parse_request(text) == request_
        assert parse_request(text.replace("#/?", "/#/?")) == request_
    assert str(request_).startswith("simplex:/")


def test_a_request_of_the_other_kind() -> None:
    with pytest.raises(DecodeError):
        InvitationURI.parse(str(CONTACT))
    with pytest.raises(DecodeError):
        ContactURI.parse(str(INVITATION))


def test_versions_of_old_contact_addresses_are_raised_and_of_invitations_are_not() -> None:
    def with_versions(text: str, versions: str) -> str:
        return re.sub(r"\?v=[0-9-]+", f"?v={versions}", text)

    old = parse_request(with_versions(str(CONTACT), "1-4"))
    assert old.agent_versions == VersionRange(2, 4)
    new = parse_request(with_versions(str(CONTACT), "5-9"))
    assert new.agent_versions == VersionRange(5, 9)
    invitation = parse_request(with_versions(str(INVITATION), "1"))
    assert invitation.agent_versions == VersionRange(1, 1)


def test_client_data_may_be_any_text() -> None:
    for data in ("", '{"type":"group"}', "a b+c&d=e;f#%", "é\N{SNOWMAN}\n"):
        request = attrs.evolve(CONTACT, client_data=data)
        assert parse_request(str(request)) == request
        assert decode_request(Reader(request.encode())) == request


def test_client_data_that_is_no_text_is_replaced() -> None:
    assert parse_request(f"{CONTACT}&data=%ff%41").client_data == "\ufffdA"
    encoded = CONTACT.encode()[:-1] + b"1" + b"\x00\x02\xffA"
    assert decode_request(Reader(encoded)).client_data == "\ufffdA"


def test_limits_of_client_data() -> None:
    most = attrs.evolve(CONTACT, client_data="%" * MAX_CLIENT_DATA)
    assert parse_request(str(most)) == most
    assert decode_request(Reader(most.encode())) == most
    with pytest.raises(ValueError, match="65536 bytes"):
        attrs.evolve(CONTACT, client_data="%" * (MAX_CLIENT_DATA + 1))
    with pytest.raises(DecodeError):
        parse_request(f"{CONTACT}&data={'x' * (MAX_CLIENT_DATA + 1)}")
    with pytest.raises(ValueError, match="half of a character"):
        attrs.evolve(CONTACT, client_data="\ud800")
    with pytest.raises(DecodeError):
        parse_request(f"{CONTACT}&x={'x' * MAX_REQUEST_TEXT}")


def test_more_queues_than_a_count_can_say() -> None:
    start, parts = parameters(str(CONTACT))
    version, queues = parts
    most = f"{start}?{version}&{'%3B'.join([queues, *[queues.removeprefix('smp=')] * 254])}"
    assert len(parse_request(most).queues) == 255
    with pytest.raises(DecodeError):
        parse_request(f"{most}%3B{queues.removeprefix('smp=')}")


OFFER = X3DHOffer(
    VersionRange(2, 3),
    X448PublicKey(b"\x01" * 56),
    X448PublicKey(b"\x02" * 56),
    KEMProposal(b"\x03" * 1158),
)


def test_offer_of_keys() -> None:
    assert X3DHOffer.parse(str(OFFER)) == OFFER
    without = attrs.evolve(OFFER, kem=None)
    assert X3DHOffer.parse(str(without)) == without
    old = attrs.evolve(OFFER, versions=VersionRange(2, 2))
    assert X3DHOffer.parse(str(old)) == attrs.evolve(old, kem=None)
    assert X3DHOffer.parse(str(OFFER).replace("v=2-3", "v=2")) == attrs.evolve(old, kem=None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("v=2-3&", ""),
        ("x3dh=", "y3dh="),
        (",", ""),
        (",", ",AAAA,"),
        ("=,", "=,,"),
        ("v=2-3", "v=3-2"),
        ("&kem_key=A", "&kem_key="),
        ("&kem_key=", "&kem_ct=AAAA&kem_key="),
        ("MEIwBQYDK2Vv", "MEIwBQYDK2Vw"),
    ],
)
def test_offers_that_make_no_sense(old: str, new: str) -> None:
    assert old in str(OFFER)
    with pytest.raises(DecodeError):
        X3DHOffer.parse(str(OFFER).replace(old, new))


def test_no_request_shows_in_repr() -> None:
    shown = repr([attrs.evolve(INVITATION, client_data="a secret"), CONTACT])
    for secret in ("secret", "example", "qNA9", "gkrD", "302a"):
        assert secret not in shown
