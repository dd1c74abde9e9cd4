"""Descriptions of files: their text and their links, and whatever else may come in their place."""

from __future__ import annotations

import tracemalloc
import zlib
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.keys import Ed25519PrivateKey, X448PrivateKey, X25519PrivateKey
from simplex_trio.errors import DecodeError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.hosts import DomainHost
from simplex_trio.wire.text import to_base64url
from simplex_trio.wire.xftp.description import (
    MAX_REPLICAS,
    FileDescription,
    FileParty,
    Packet,
    Redirect,
    Replica,
)
from simplex_trio.wire.xftp.description_text import (
    MAX_DESCRIPTION_SIZE,
    decode_description,
    encode_description,
    format_size,
    parse_size,
)
from simplex_trio.wire.xftp.links import (
    FileLink,
    decode_web_fragment,
    parse_file_link,
    web_link,
)
from simplex_trio.wire.xftp.yaml_subset import MAX_LINES, parse_yaml, quoted
from tests.wire.strategies import mutated, texts
from tests.wire.xftp_values import DESCRIPTION, PACKET, REPLICA


def server(number: int) -> ServerAddress:
    identity = to_base64url(bytes([number]) * 32)
    port = "" if number == 2 else f":{number}"
    return ServerAddress.parse(f"xftp://{identity}@h{number}.example,x{number}.onion{port}")


SERVERS = tuple(map(server, (1, 2, 3)))

keys = st.binary(min_size=32, max_size=32).map(Ed25519PrivateKey) | st.binary(
    min_size=32, max_size=32
).map(X25519PrivateKey)


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    servers = draw(st.lists(st.sampled_from(SERVERS), min_size=1, max_size=3, unique=True))
    # Replicas are listed by router, and so come back in the order of the routers.
    servers.sort(key=SERVERS.index)
    return Packet(
        draw(st.sampled_from([1, 1000, 65536, 1024**2, 4 * 1024**2, 2**32 - 1])),
        draw(st.binary(min_size=32, max_size=32)),
        tuple(
            Replica(each, draw(st.binary(min_size=1, max_size=24)), draw(keys)) for each in servers
        ),
    )


@st.composite
def descriptions(draw: st.DrawFn) -> FileDescription:
    parts = draw(st.lists(packets(), min_size=1, max_size=5))
    redirect = st.builds(Redirect, st.integers(1, 2**63 - 1), st.binary(min_size=64, max_size=64))
    return FileDescription(
        party=draw(st.sampled_from(FileParty)),
        size=sum(packet.size for packet in parts),
        digest=draw(st.binary(min_size=64, max_size=64)),
        key=draw(st.binary(min_size=32, max_size=32)),
        nonce=draw(st.binary(min_size=24, max_size=24)),
        packet_size=draw(st.sampled_from([parts[0].size, 65536, 999])),
        packets=tuple(parts),
        redirect=draw(st.none() | redirect),
    )


TEXT = encode_description(DESCRIPTION)


# --- values -------------------------------------------------------------------------------------


def test_values_that_cannot_be_right() -> None:
    good: dict[str, Any] = {
        "party": FileParty.SENDER,
        "size": 65536,
        "digest": bytes(64),
        "key": bytes(32),
        "nonce": bytes(24),
        "packet_size": 65536,
        "packets": (PACKET,),
    }
    FileDescription(**good)
    for name, value in (
        ("size", 65537),
        ("size", -1),
        ("digest", bytes(32)),
        ("key", bytes(31)),
        ("nonce", b""),
        ("packet_size", 0),
        ("packet_size", 2**32),
        ("packets", ()),
    ):
        with pytest.raises(DecodeError):
            FileDescription(**{**good, name: value})
    for size, digest, replicas in (
        (0, bytes(32), (REPLICA,)),
        (2**32, bytes(32), (REPLICA,)),
        (1, bytes(31), (REPLICA,)),
        (1, bytes(32), ()),
    ):
        with pytest.raises(DecodeError):
            Packet(size, digest, replicas)
    with pytest.raises(DecodeError):
        Replica(SERVERS[0], b"", Ed25519PrivateKey(bytes(32)))
    with pytest.raises(DecodeError):
        Redirect(0, bytes(64))


def test_nothing_is_shown() -> None:
    shown = repr(DESCRIPTION)
    assert "example" not in shown
    assert "size=65536" in shown


def test_servers_are_named_once() -> None:
    two = Packet(
        65536, bytes(32), (REPLICA, Replica(SERVERS[2], b"x", X25519PrivateKey(bytes(32))))
    )
    description = FileDescription(
        party=FileParty.SENDER,
        size=131072,
        digest=bytes(64),
        key=bytes(32),
        nonce=bytes(24),
        packet_size=65536,
        packets=(two, PACKET),
    )
    assert description.servers == (REPLICA.server, SERVERS[2])


# --- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "text"),
    [(1, "1"), (1023, "1023"), (1024, "1kb"), (3 * 1024**2, "3mb"), (5 * 1024**3, "5gb")],
)
def test_sizes(size: int, text: str) -> None:
    assert format_size(size) == text
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "kb", "1 kb", "1KB", "1tb", "-1", "1.5mb", "٣", "9" * 30])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(DecodeError):
        parse_size(text)


def test_sizes_have_a_limit() -> None:
    assert parse_size("4gb", 2**32) == 2**32
    with pytest.raises(DecodeError):
        parse_size("4gb", 2**32 - 1)


# --- text ---------------------------------------------------------------------------------------


@given(descriptions())
def test_descriptions_are_read_back(description: FileDescription) -> None:
    text = encode_description(description)
    assert decode_description(text) == description
    assert decode_description(text.encode()) == description


def test_a_size_that_looks_like_a_number_is_quoted() -> None:
    odd = Packet(1000, bytes(32), (REPLICA,))
    description = FileDescription(
        party=FileParty.RECIPIENT,
        size=1000,
        digest=bytes(64),
        key=bytes(32),
        nonce=bytes(24),
        packet_size=65536,
        packets=(odd,),
    )
    text = encode_description(description)
    assert "\nsize: '1000'\n" in text
    assert ":1000\n" in text
    assert decode_description(text.replace("'1000'", "1000")) == description


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "---\n# a comment\n" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("party: recipient", 'party: "recipient"   '),
        lambda text: text.replace("party: recipient", "party: 'recipient'"),
        lambda text: text + "\n\n",
        lambda text: text + "redirect: null\n",
        lambda text: text + "later: whatever\n",
        lambda text: text + "later: []\n",
        lambda text: text + "later:\n- {}\n- some:\n    thing: new\n",
        lambda text: text.replace("- chunks:\n  - ", "- chunks:\n    - "),
        lambda text: text.replace(
            "replicas:\n- chunks:\n  - ", "replicas:\n  - chunks:\n      - "
        ).replace("\n  server", "\n    server"),
        lambda text: text.replace("- chunks:\n", "-\n  chunks:\n"),
        lambda text: text.replace("==", "").replace("=\n", "\n"),
    ],
)
def test_other_ways_to_write_the_same(change: object) -> None:
    assert callable(change)
    changed = change(TEXT)
    assert changed != TEXT
    assert decode_description(changed) == DESCRIPTION


def test_a_dash_alone_is_an_absent_entry() -> None:
    assert parse_yaml("a:\n-\n- b\n-\n  c: d\n") == {"a": [None, "b", {"c": "d"}]}


LINE = next(line for line in TEXT.splitlines() if line.startswith("  - 1:"))
ANOTHER = LINE.replace("- 1:", "- 2:")
KEY_448 = to_base64url(X448PrivateKey(bytes(56)).der)
KEY_TEXT = to_base64url(REPLICA.key.der)


@pytest.mark.parametrize(
    "change",
    [
        ("party: recipient", "party: nobody"),
        ("party: recipient\n", ""),
        ("party: recipient", "party: recipient\nparty: recipient"),
        ("size: 64kb", "size: 128kb"),
        ("size: 64kb", "size:"),
        ("chunkSize: 64kb", "chunkSize: 5gb"),
        ("chunkSize: 64kb", "chunkSize: !!int 65536"),
        ("digest: ", "digest: &a "),
        ("digest: ", "digest: *a "),
        ("digest: ", "digest: |\n  "),
        ("digest: ", "digest: >-\n  "),
        ("digest: ", "digest: {x: "),
        ("digest: ", "digest: ["),
        ("replicas:", "replicas: []\nothers:"),
        ("party: recipient", "party: {}"),
        ("nonce: ", "later: [1]\nnonce: "),
        ("digest: ", "digest: %"),
        ("digest: ", "digest: !"),
        ("digest: ", "digest:\t"),
        ("digest: ", "digest:"),
        ("digest: ", "? digest: "),
        ("digest: ", "digest: digest: "),
        ("nonce: ", "<<: *x\nnonce: "),
        ("nonce: ", "nonce: A"),
        ("replicas:\n", "replicas: none\nx:\n"),
        ("- chunks:", "- - chunks:"),
        ("  server: xftp://", "  server: smp://"),
        ("  server: xftp://", "  server: ftp://"),
        ("  server: xftp://", "  nothing: xftp://"),
        (LINE, "  - 2:" + LINE[6:]),
        (LINE, "  - 0:" + LINE[6:]),
        (LINE, "  - -1:" + LINE[6:]),
        (LINE, "  - one:" + LINE[6:]),
        (LINE, LINE + ":64kb:more"),
        (LINE, LINE.rsplit(":", 1)[0]),
        (LINE, LINE.rsplit(":", 2)[0]),
        (LINE, LINE + ":0"),
        (LINE, LINE + ":5gb"),
        (LINE, LINE + "\n" + LINE[:-3] + "AE="),
        (LINE, LINE + ":64kb\n" + LINE + ":32kb"),
        (LINE, LINE + "\n" + ANOTHER),
        (LINE, "  - chunk: 1"),
        (LINE, "    - " + LINE[4:] + "\n  - x"),
        (LINE, "  text"),
        (KEY_TEXT, KEY_448),
        (KEY_TEXT, "AAAA"),
        ("chunkSize", "\u0000chunkSize"),
        ("chunkSize", "\u202echunkSize"),
        ("chunkSize", " chunkSize"),
        ("size: 64kb", "size: 64kb\n...\nsize: 64kb"),
    ],
)
def test_texts_that_are_no_description(change: tuple[str, str]) -> None:
    before, after = change
    assert before in TEXT
    with pytest.raises(DecodeError):
        decode_description(TEXT.replace(before, after))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"- a\n- b\n",
        b"text",
        b"a: b\n  c: d\n",
        b"a:\n" * 2,
        b"a:\n - b:\n   - c:\n     - d:\n       - e:\n         - f\n",
        b"- " * 2000 + b"x",
        b"replicas:\n" + b"- " * 5000 + b"x\n",
        b"#" * (MAX_DESCRIPTION_SIZE + 1),
        b" " * 1_000_000 + b"x: y" + b" " * 1_000_000 + b"!",
        b"a: '" + b"''" * 100_000,
        b'a: "\\x41"',
        b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        b"a: !!python/object/apply:os.system [x]\n",
        b"<<: *a\n",
        b"a:\n" + b"-\n" * MAX_LINES,
        b"\n" * MAX_LINES + b"a: b",
        b"#\n" * MAX_LINES + b"a: b",
        b"a: '" + b"'" * 2_000_000,
        b"a: '" + b"''" * 1_000_000 + b"x",
    ],
    ids=range(21),
)
def test_hostile_texts(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_description(data)


def test_lines_and_quotes_that_would_take_much_memory() -> None:
    """Some texts of two megabytes took a hundred, and seconds; see the memory that they take."""
    for unit in ("-\n", "- a\n", "- - - a\n", "'", "''"):
        text = "a: '" if "'" in unit else "a:\n"
        text += unit * ((MAX_DESCRIPTION_SIZE - 10) // len(unit))
        tracemalloc.start()
        with pytest.raises(DecodeError):
            decode_description(text)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 10 * MAX_DESCRIPTION_SIZE


def test_a_packet_has_few_replicas() -> None:
    rest = LINE[6:]
    lines = [f"  - 1:{rest}" for _ in range(MAX_REPLICAS)]
    text = TEXT.replace(LINE, "\n".join(lines))
    assert len(decode_description(text).packets[0].replicas) == MAX_REPLICAS
    with pytest.raises(DecodeError):
        decode_description(TEXT.replace(LINE, "\n".join([*lines, lines[0]])))


def test_thousands_of_packets() -> None:
    """A long description is a matter of its length and nothing else."""
    count = 8000
    rest = LINE[6:]
    lines = "\n".join(f"  - {number}:{rest}" for number in range(1, count + 1))
    text = TEXT.replace(LINE, lines).replace("\nsize: 64kb", f"\nsize: {count * 64}kb")
    assert len(decode_description(text).packets) == count


@given(descriptions().flatmap(lambda d: mutated(encode_description(d).encode())))
def test_damaged_texts_raise_one_thing(data: bytes) -> None:
    with suppress(DecodeError):
        decode_description(data)


@given(st.text(st.sampled_from("ab:- \n'\"#&*!|>{}[]?%"), max_size=60))
def test_any_yaml_is_judged(text: str) -> None:
    with suppress(DecodeError):
        parse_yaml(text)


@given(texts.filter(str.isprintable))
def test_quoted_text_is_read_back(text: str) -> None:
    assert parse_yaml(f"key: {quoted(text)}") == {"key": text}


# --- links --------------------------------------------------------------------------------------


def as_recipient(description: FileDescription) -> FileDescription:
    return evolve(description, party=FileParty.RECIPIENT)


@given(
    descriptions().map(as_recipient),
    st.none() | texts,
    st.sampled_from([None, "simplex.chat", "app.example:8443", "[::1]:1", "127.0.0.1"]),
)
def test_links_are_read_back(
    description: FileDescription, data: str | None, app_server: str | None
) -> None:
    link = FileLink(description, data, app_server)
    assert parse_file_link(str(link)) == link


@given(descriptions().map(as_recipient))
def test_web_links_are_read_back(description: FileDescription) -> None:
    link = web_link(description)
    server = description.servers[0]
    port = "" if server.port in (None, 443) else f":{server.port}"
    assert link.startswith(f"https://{server.hosts[0]}{port}/#")
    assert parse_file_link(link) == FileLink(description)
    elsewhere = web_link(description, DomainHost("files.example"))
    assert elsewhere.startswith("https://files.example/#")
    assert parse_file_link(elsewhere.replace("/#", "/page/?x=1#")).description == description


def test_links_are_for_recipients() -> None:
    sender = evolve(DESCRIPTION, party=FileParty.SENDER)
    with pytest.raises(DecodeError):
        FileLink(sender)
    with pytest.raises(ValueError, match="recipient"):
        web_link(sender)
    packed = zlib.compress(encode_description(sender).encode(), wbits=-15)
    with pytest.raises(DecodeError):
        parse_file_link(f"https://a.example/#{to_base64url(packed)}")


def deflated(data: bytes) -> str:
    return to_base64url(zlib.compress(data, wbits=-15))


@pytest.mark.parametrize(
    "link",
    [
        "",
        "simplex:/file",
        "simplex:/file#/?",
        "simplex:/file#/?data=x",
        "simplex:/file#/?desc=x",
        "simplex:/contact#/?desc=" + quote(TEXT, safe=""),
        "simplex:/file#/?desc=" + TEXT,
        "simplex:/file#/?desc=%ff",
        "simplex:/file#/?" + "a=b&" * 40 + "desc=" + quote(TEXT, safe=""),
        "https:///file#/?desc=" + quote(TEXT, safe=""),
        "https://a.example:99999/file#/?desc=" + quote(TEXT, safe=""),
        "https://a.example:x/file#/?desc=" + quote(TEXT, safe=""),
        "ftp://a.example/#" + deflated(TEXT.encode()),
        "https://a.example/#",
        "https://a.example/#" + deflated(TEXT.encode())[:-8],
        "https://a.example/#" + to_base64url(TEXT.encode()),
        "https://a.example/#" + deflated(b"#" * (MAX_DESCRIPTION_SIZE + 10)),
        "https://a.example/#!",
        "https://a.example/#" + "A" * 8_000_000,
    ],
    ids=range(19),
)
def test_links_that_are_none(link: str) -> None:
    with pytest.raises(DecodeError):
        parse_file_link(link)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = deflated(bytes(32 * 1024 * 1024))
    assert len(bomb) < 100_000
    with pytest.raises(DecodeError):
        decode_web_fragment(bomb)


def test_links_as_others_write_them() -> None:
    escaped = quote(TEXT, safe="")
    for link in (
        f" simplex:/file/#/?desc={escaped}\n",
        f"simplex:/file#/?v=1&desc={escaped.replace('%20', '+')}&desc=other",
    ):
        assert parse_file_link(link).description == DESCRIPTION


@given(mutated(str(FileLink(DESCRIPTION)).encode()) | mutated(web_link(DESCRIPTION).encode()))
def test_damaged_links_raise_one_thing(data: bytes) -> None:
    with suppress(DecodeError):
        parse_file_link(data.decode("latin-1"))
