"""What is written is read back, and any bytes or text at all are a value or one error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.errors import DecodeError
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.duplex import (
    ConnectionRequest,
    ContactLinkData,
    ContactURI,
    FixedLinkData,
    LinkContent,
    NotALink,
    Owner,
    ShortLink,
    UserLinkData,
    X3DHKeys,
    open_link,
    parse_link,
    seal_link,
)
from simplex_trio.wire.duplex.envelopes import AgentEnvelope, decode_envelope
from simplex_trio.wire.duplex.link_data import decode_user_link_data
from simplex_trio.wire.duplex.messages import RatchetPlaintext, decode_message
from simplex_trio.wire.duplex.requests import decode_request, parse_request
from simplex_trio.wire.duplex.short_links import decode_short_link, parse_short_link
from simplex_trio.wire.duplex.x3dh_keys import (
    KEMParameters,
    X3DHOffer,
    decode_kem_parameters,
    encode_kem_parameters,
)
from tests.wire.duplex import strategies as duplex
from tests.wire.strategies import mutated


def whole(decode: Callable[[Reader], Any]) -> Callable[[bytes], Any]:
    """A decoder of a part, to whose end nothing may be left over."""

    def take(data: bytes) -> Any:
        reader = Reader(data)
        value = decode(reader)
        reader.end()
        return value

    return take


# --- round trips --------------------------------------------------------------------------------


@given(duplex.envelopes)
def test_envelopes(envelope: AgentEnvelope) -> None:
    assert decode_envelope(envelope.encode()) == envelope


@given(duplex.messages)
def test_messages(message: RatchetPlaintext) -> None:
    assert decode_message(message.encode()) == message


@given(duplex.requests)
def test_requests(request: ConnectionRequest) -> None:
    assert whole(decode_request)(request.encode()) == request
    for text in (str(request), request.web_text("a.example")):
        assert parse_request(text) == request
        assert type(request).parse(text) == request


@given(duplex.short_links)
def test_short_links(link: ShortLink) -> None:
    assert whole(decode_short_link)(link.encode()) == link
    for text in (str(link), link.web_text):
        assert parse_short_link(text) == link
        assert parse_link(text, presets=()) == link


@given(duplex.offers)
def test_offers(offer: X3DHOffer) -> None:
    assert X3DHOffer.parse(str(offer)) == offer
    assert whole(X3DHOffer.decode)(offer.encode()) == offer


@given(duplex.x3dh_keys(duplex.kem_parameters))
def test_x3dh_keys(keys: X3DHKeys) -> None:
    assert whole(X3DHKeys.decode)(keys.encode()) == keys


@given(duplex.kem_parameters)
def test_kem_parameters(kem: KEMParameters) -> None:
    assert whole(decode_kem_parameters)(encode_kem_parameters(kem)) == kem


@given(duplex.owners)
def test_owners(owner: Owner) -> None:
    assert whole(Owner.decode)(owner.encode()) == owner


@given(duplex.fixed_link_data)
def test_fixed_link_data(fixed: FixedLinkData) -> None:
    assert FixedLinkData.decode(fixed.encode()) == fixed


@given(duplex.user_link_data, st.binary(max_size=20))
def test_user_link_data(user: UserLinkData, tail: bytes) -> None:
    assert decode_user_link_data(user.encode() + tail) == user


@given(
    duplex.requests,
    duplex.user_link_data,
    duplex.signing_keys,
    st.lists(duplex.signing_keys, max_size=4, unique_by=lambda key: key.raw),
    st.data(),
)
def test_data_of_links(
    request: ConnectionRequest,
    user: UserLinkData,
    root: Ed25519PrivateKey,
    keys: list[Ed25519PrivateKey],
    data: st.DataObject,
) -> None:
    keys = [key for key in keys if key != root]
    signers = [root]
    if isinstance(user, ContactLinkData):
        owners = []
        for number, key in enumerate(keys):
            authorizing = data.draw(st.sampled_from(signers))
            owners.append(Owner.authorize(bytes([number]), key.public, authorizing))
            signers.append(key)
        user = attrs.evolve(user, owners=tuple(owners))
    if isinstance(request, ContactURI) != isinstance(user, ContactLinkData):
        return
    request = attrs.evolve(request, queues=request.queues[:1], client_data=None)
    fixed = FixedLinkData(user.agent_versions, root.public, request)
    sealed = seal_link(
        fixed,
        user,
        root,
        fixed_nonce=data.draw(duplex.nonces),
        user_nonce=data.draw(duplex.nonces),
        user_key=data.draw(st.sampled_from(signers)),
    )
    assert [len(sealed.data.fixed), len(sealed.data.user)] == [2048, 13824]
    assert open_link(sealed.keys, sealed.data) == LinkContent(fixed, user)


# --- anything at all ----------------------------------------------------------------------------

DECODERS: dict[str, tuple[Callable[[bytes], Any], st.SearchStrategy[Any]]] = {
    "envelope": (decode_envelope, duplex.envelopes),
    "message": (decode_message, duplex.messages),
    "request": (lambda data: decode_request(Reader(data)), duplex.requests),
    "short link": (lambda data: decode_short_link(Reader(data)), duplex.short_links),
    "offer": (lambda data: X3DHOffer.decode(Reader(data)), duplex.offers),
    "fixed part": (FixedLinkData.decode, duplex.fixed_link_data),
    "user part": (decode_user_link_data, duplex.user_link_data),
}


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.data())
def test_any_bytes_are_a_value_or_a_decode_error(name: str, data: st.DataObject) -> None:
    decode, values = DECODERS[name]
    good = data.draw(values).encode()
    for raw in (data.draw(st.binary(max_size=60)), data.draw(mutated(good))):
        try:
            value = decode(raw)
        except DecodeError:
            continue
        assert decode(value.encode()) == value  # what was read can be written and read again


link_like = st.text("simplex:/htpsinvtaco#?&=%;,0123456789AQ-_ \n\ud800é", max_size=80)
beginnings = st.sampled_from(
    [
        "",
        "simplex:/invitation#/?v=2-7&",
        "simplex:/contact#/?v=2&smp=",
        "simplex:/a#AQID?h=",
        "https://a.example/i#AQID/",
        "simplex%3A/",
    ]
)


@given(beginnings, link_like | st.text(max_size=60))
@example("", "simplex:/a#AQID?h=a&c=\ud800")
@example("", "simplex:/contact#/?v=2-7&smp=%ED%A0%80")
@example("", "simplex%3A%ED%A0%80")
def test_any_text_is_a_link_or_a_decode_error(start: str, rest: str) -> None:
    text = start + rest
    for parse, error in (
        (parse_link, NotALink),
        (parse_request, DecodeError),
        (parse_short_link, DecodeError),
        (X3DHOffer.parse, DecodeError),
    ):
        check_text(parse, text, error)


@given(duplex.requests | duplex.short_links, st.data())
def test_changed_links_are_links_or_a_decode_error(
    link: ConnectionRequest | ShortLink, data: st.DataObject
) -> None:
    text = str(link)
    start = data.draw(st.integers(0, len(text)))
    changed = text[:start] + data.draw(link_like) + text[data.draw(st.integers(start, len(text))) :]
    check_text(parse_link, changed, NotALink)


def check_text(parse: Callable[[str], Any], text: str, error: type[DecodeError]) -> None:
    try:
        value = parse(text)
    except error:
        return
    assert parse(str(value)) == value  # what was read can be written and read again
