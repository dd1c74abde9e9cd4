"""Short links as text and in binary, and the presets that need not be spelled out."""

from __future__ import annotations

import attrs
import pytest

from simplex_trio.errors import DecodeError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.duplex import ContactKind, ShortContactLink, ShortInvitationLink, ShortLink
from simplex_trio.wire.duplex.short_links import (
    MAX_SHORT_LINK_TEXT,
    UnknownLinkKind,
    decode_short_link,
    parse_short_link,
)
from simplex_trio.wire.presets import PRESET_SERVERS, restore_server, shorten_server
from tests.vectors import Case, cases
from tests.wire.duplex.fields import short_link_of, short_link_text

FILE = "agent_links.json"


@pytest.mark.parametrize("case", cases(FILE, "short_link"))
def test_short_link(case: Case) -> None:
    link = short_link_of(case["fields"])
    assert short_link_text(link, case["fields"]["scheme"]) == case["text"]
    assert parse_short_link(case["text"]) == short_link_of(case["text_parsed"])
    encoded = bytes.fromhex(case["smp_encoded"])
    assert link.encode() == encoded
    reader = Reader(encoded)
    assert decode_short_link(reader) == short_link_of(case["smp_parsed"])
    reader.end()


@pytest.mark.parametrize("case", cases(FILE, "parse_short_link"))
def test_parse_short_link(case: Case) -> None:
    if not case["ok"]:
        with pytest.raises(DecodeError) as caught:
            parse_short_link(case["text"])
        assert isinstance(caught.value, UnknownLinkKind) == (case["what"] == "unknown type")
        return
    link = parse_short_link(case["text"])
    assert link == short_link_of(case["fields"])
    assert parse_short_link(str(link)) == parse_short_link(link.web_text) == link


# --- rules that the vectors do not reach --------------------------------------------------------

SERVER = ServerAddress.parse("smp://AQID@smp.example,[::1],abc.onion:444")
LINKS: list[ShortLink] = [
    ShortInvitationLink(SERVER, b"an id", b"a key"),
    *(ShortContactLink(SERVER, kind, b"a key") for kind in ContactKind),
]


@pytest.mark.parametrize("link", LINKS)
def test_every_kind_in_every_form(link: ShortLink) -> None:
    for text in (str(link), link.web_text):
        assert parse_short_link(text) == link
        assert parse_short_link(text.replace("#", "/#")) == link
    assert decode_short_link(Reader(link.encode())) == link


def test_a_link_of_a_service() -> None:
    assert str(LINKS[-1]).startswith("simplex:/s#")
    assert LINKS[-1].encode().startswith(b"CS")


@pytest.mark.parametrize(
    "text",
    [
        "simplex:/a#YSBrZXk?h=",
        "simplex:/a#YSBrZXk?h=a,",
        "simplex:/a#YSBrZXk?h=a;p=65536",
        "simplex:/a#YSBrZXk?h=a&c=_",
        "simplex:/a#YSBrZXk/YSBrZXk?h=a",
        "simplex:/i#YSBrZXk?h=a",
        "simplex:/i#/YSBrZXk?h=a",
        "simplex:/a#YSBrZXk?h=a b",
        "simplex:/a#YSBrZXl?h=a",
        "simplex:/a?h=a",
        "https://a.example:443/a#YSBrZXk",
        "https:///a#YSBrZXk",
        "https://a.example/aa#YSBrZXk",
        "simplex:/a#YSBrZXk?h=" + ",".join(["a"] * 256),
        "simplex:/a#YSBrZXk?h=a&x=" + "x" * MAX_SHORT_LINK_TEXT,
    ],
)
def test_refused_texts(text: str) -> None:
    with pytest.raises(DecodeError):
        parse_short_link(text)


@pytest.mark.parametrize("start", [b"", b"X", b"C", b"Ca", b"CZ", b"C\xe9", b"I"])
def test_refused_binary(start: bytes) -> None:
    rest = LINKS[1].encode().removeprefix(b"CA")
    unknown = start[:1] == b"C" and len(start) == 2
    with pytest.raises(UnknownLinkKind if unknown else DecodeError):
        decode_short_link(Reader(start + rest if unknown else start))


def test_empty_ids_and_keys_are_refused() -> None:
    for raw in (b"IA", b"CA"):
        with pytest.raises(DecodeError):
            decode_short_link(Reader(raw[: 1 + (raw[0] == ord("C"))] + SERVER.encode() + bytes(2)))


def test_links_are_on_smp_servers() -> None:
    server = ServerAddress.parse("xftp://AQID@a.example")
    with pytest.raises(ValueError, match="SMP"):
        ShortInvitationLink(server, b"an id", b"a key")


# --- presets ------------------------------------------------------------------------------------


def test_presets_have_all_that_a_link_leaves_out() -> None:
    assert len({preset.hosts[0] for preset in PRESET_SERVERS}) == len(PRESET_SERVERS) == 21
    for preset in PRESET_SERVERS:
        assert len(preset.key_hash) == 32
        assert preset.port is None
        assert len(preset.hosts) == 2


@pytest.mark.parametrize("preset", PRESET_SERVERS, ids=lambda preset: str(preset.hosts[0]))
@pytest.mark.parametrize("port", [None, 443, 5223])
def test_shortened_and_restored(preset: ServerAddress, port: int | None) -> None:
    server = attrs.evolve(preset, port=port)
    link = ShortContactLink(server, ContactKind.CONTACT, b"a key")
    short = link.shortened()
    assert short.web_text == f"https://{preset.hosts[0]}/a#YSBrZXk"
    assert parse_short_link(short.web_text).restored().server == preset
    assert shorten_server(attrs.evolve(server, hosts=server.hosts[:1])) == short.server


def test_what_is_not_quite_a_preset_is_not_shortened() -> None:
    preset = PRESET_SERVERS[0]
    for server in (
        SERVER,
        attrs.evolve(preset, port=5224),
        attrs.evolve(preset, key_hash=bytes(32)),
        attrs.evolve(preset, hosts=(*preset.hosts, *SERVER.hosts)),
        attrs.evolve(preset, hosts=preset.hosts[::-1]),
    ):
        assert shorten_server(server) == server


def test_what_says_more_than_a_host_is_not_restored() -> None:
    preset = PRESET_SERVERS[0]
    alone = shorten_server(preset)
    for server in (
        SERVER,
        attrs.evolve(alone, port=443),
        attrs.evolve(alone, key_hash=b"\x01"),
        attrs.evolve(alone, hosts=preset.hosts),
        attrs.evolve(alone, hosts=SERVER.hosts[:1]),
    ):
        assert restore_server(server) == server


def test_a_program_may_have_presets_of_its_own() -> None:
    own = [attrs.evolve(SERVER, port=7000)]
    assert restore_server(shorten_server(own[0], own), own) == own[0]
    assert shorten_server(SERVER, own) == SERVER
    assert shorten_server(own[0]) == own[0]


def test_no_link_shows_in_repr() -> None:
    for link in LINKS:
        for secret in ("example", "onion", "a key", "an id", "YSBr"):
            assert secret not in repr(link)
