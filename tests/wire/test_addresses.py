"""Server addresses and queue URIs against recorded ones, and against anything at all.

Where the reference is more lenient than it should be, ours refuses, and where it writes what cannot
be read, ours writes something else.  These departures are decided here by rule, from the case.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simplex_trio.crypto.keys import X25519PublicKey
from simplex_trio.errors import DecodeError
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth, ServerProtocol
from simplex_trio.wire.basic_auth import is_basic_auth
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.hosts import (
    DomainHost,
    Host,
    IPv4Host,
    IPv6Host,
    OnionHost,
    parse_host,
)
from simplex_trio.wire.queue_uris import QueueAddress, QueueURI, VersionedQueue
from simplex_trio.wire.smp.new_queue import QueueMode
from simplex_trio.wire.text import decimal, from_base64url, to_base64url
from simplex_trio.wire.versions import VersionRange
from tests.vectors import Case, cases

FILE = "addresses.json"

# --- what the vectors say, as our values ---------------------------------------------------------


def host_of(fields: dict[str, str]) -> Host:
    text = fields["text"]
    match fields["type"]:
        case "domain":
            return DomainHost(text)
        case "onion":
            return OnionHost(text)
        case "ipv4":
            return IPv4Host(IPv4Address(text))
        case "ipv6":
            return IPv6Host(IPv6Address(text))
        case kind:
            raise AssertionError(kind)


def server_of(fields: dict[str, Any], scheme: str = "smp") -> ServerAddress:
    return ServerAddress(
        protocol=ServerProtocol(scheme),
        hosts=tuple(map(host_of, fields["hosts"])),
        port=int(fields["port"]) if fields["port"] else None,
        key_hash=bytes.fromhex(fields["key_hash"]),
    )


def queue_of(fields: dict[str, Any]) -> QueueAddress:
    mode = fields["queue_mode"]
    return QueueAddress(
        server=server_of(fields["server"]),
        sender_id=bytes.fromhex(fields["sender_id"]),
        dh_key=X25519PublicKey.from_der(bytes.fromhex(fields["dh_public_der"])),
        mode=None if mode is None else QueueMode(mode.encode()),
    )


def uri_of(fields: dict[str, Any]) -> QueueURI:
    return QueueURI(VersionRange(*fields["client_versions"]), queue_of(fields))


def info_of(fields: dict[str, Any]) -> VersionedQueue:
    return VersionedQueue(fields["client_version"], queue_of(fields))


def auth_of(case: Case) -> bytes | None:
    auth = case["basic_auth"]
    return None if auth is None else auth.encode()


def in_brackets(text: str, fields: dict[str, Any]) -> str:
    """The text as ours writes it: the reference writes IPv6 hosts without brackets."""
    theirs = [host["text"] for host in fields["hosts"]]
    ours = [f"[{h['text']}]" if h["type"] == "ipv6" else h["text"] for h in fields["hosts"]]
    if "srv=" in text:  # the form with the first host in its usual place and the others behind
        rest = "srv=" + quote(",".join(theirs[1:]), safe="")
        text = text.replace(rest, "srv=" + quote(",".join(ours[1:]), safe=""))
        theirs, ours = theirs[:1], ours[:1]
    return text.replace("@" + ",".join(theirs), "@" + ",".join(ours))


def has_impossible_number(text: str) -> bool:
    """Whether ours refuses a text that the reference reads: numbers that do not fit are cut there.

    Either the port is above 65535, or the last number of an IPv4 address is above 255.
    """
    text = text.partition("//")[2].partition("/")[0]
    port = re.search(r":(\d+)$", text)
    octet = re.search(r"[@,](?:(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])\.){3}(\d+)(?![^,:])", text)
    return bool((port and int(port[1]) > 65535) or (octet and int(octet[1]) > 255))


# --- recorded addresses --------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases(FILE, "server"))
def test_server_text(case: Case) -> None:
    server = ServerAddressWithAuth(server_of(case["server"], case["scheme"]), auth_of(case))
    text = in_brackets(case["text"], case["server"])
    assert str(server) == text
    assert ServerAddressWithAuth.parse(text) == server
    if case["decodes_back"]:
        assert ServerAddressWithAuth.parse(case["text"]) == server
    if server.basic_auth is None:
        assert str(server.address) == text
        assert ServerAddress.parse(text) == server.address
    else:
        with pytest.raises(DecodeError):
            ServerAddress.parse(text)


@pytest.mark.parametrize("case", cases(FILE, "server"))
def test_server_binary(case: Case) -> None:
    server = server_of(case["server"], case["scheme"])
    encoded = server.encode()
    if "smp_encoded" in case:
        assert encoded.hex() == case["smp_encoded"]
    assert decoded(encoded, server.protocol) == server

    legacy = server.encode_legacy()
    if "legacy_encoded" in case:
        assert legacy.hex() == case["legacy_encoded"]
    reader = Reader(legacy)
    first = ServerAddress(server.protocol, server.hosts[:1], server.port, server.key_hash)
    assert ServerAddress.decode_legacy(reader, server.protocol) == first
    reader.end()


@pytest.mark.parametrize("case", cases(FILE, "parse_server"))
def test_parse_server(case: Case) -> None:
    if not case["ok"] or has_impossible_number(case["text"]):
        with pytest.raises(DecodeError):
            ServerAddressWithAuth.parse(case["text"])
        return
    server = ServerAddressWithAuth.parse(case["text"])
    expected = server_of(case["server"], case["scheme"])
    assert server == ServerAddressWithAuth(expected, auth_of(case))
    assert str(server) == in_brackets(case["reencoded"], case["server"])
    assert ServerAddressWithAuth.parse(str(server)) == server


def decoded(data: bytes, protocol: ServerProtocol = ServerProtocol.SMP) -> ServerAddress:
    reader = Reader(data)
    server = ServerAddress.decode(reader, protocol)
    reader.end()
    return server


@pytest.mark.parametrize("case", cases(FILE, "decode_server_binary"))
def test_decode_server_binary(case: Case) -> None:
    data = bytes.fromhex(case["hex"])
    # The reference keeps the port as text, whatever it says.
    port = case["result"]["port"] if case["ok"] else ""
    if not case["ok"] or (port and not (port.isdigit() and int(port) <= 65535)):
        with pytest.raises(DecodeError):
            decoded(data)
    else:
        assert decoded(data) == server_of(case["result"])


@pytest.mark.parametrize("case", cases(FILE, "queue_uri"))
def test_queue_uri(case: Case) -> None:
    uri = uri_of(case["queue"])
    text = in_brackets(case["text"], case["queue"]["server"])
    assert str(uri) == text
    assert QueueURI.parse(text) == uri_of(case["parsed_back"])
    assert uri.encode().hex() == case["smp_encoded"]
    reader = Reader(bytes.fromhex(case["smp_encoded"]))
    assert QueueURI.decode(reader) == uri_of(case["smp_decoded"])
    reader.end()


@pytest.mark.parametrize("case", cases(FILE, "queue_info"))
def test_queue_info(case: Case) -> None:
    info = info_of(case["queue"])
    assert info.encode().hex() == case["smp_encoded"]
    reader = Reader(bytes.fromhex(case["smp_encoded"]))
    assert VersionedQueue.decode(reader) == info_of(case["smp_decoded"])
    reader.end()


@pytest.mark.parametrize("case", cases(FILE, "parse_queue_uri"))
def test_parse_queue_uri(case: Case) -> None:
    if not case["ok"] or has_impossible_number(case["text"]):
        with pytest.raises(DecodeError):
            QueueURI.parse(case["text"])
        return
    uri = QueueURI.parse(case["text"])
    assert uri == uri_of(case["queue"])
    assert str(uri) == in_brackets(case["reencoded"], case["queue"]["server"])


# --- rules that the vectors do not reach ---------------------------------------------------------

KEY = "jponON-1WSYjHpJwZInEi_10DT-g-zaUpt8WcLgMCFI="
DH = "MCowBQYDK2VuAyEAsT0nbTgDDOv_16zv29tgrMmnzKkTrrIYDKG7Noqm034="


@pytest.mark.parametrize(
    ("text", "port"),
    [
        (f"smp://{KEY}@a.example", 5223),
        (f"ntf://{KEY}@a.example", 443),
        (f"xftp://{KEY}@a.example", 443),
        (f"xftp://{KEY}@a.example:7921", 7921),
        (f"smp://{KEY}@a.example:65535", 65535),
    ],
)
def test_effective_port(text: str, port: int) -> None:
    assert ServerAddress.parse(text).effective_port == port


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("::1:5223", "[::1:5223]", None),
        ("[::1]:5223", "[::1]", 5223),
        ("[::1:5223]:443", "[::1:5223]", 443),
    ],
)
def test_colons_without_brackets_belong_to_the_host(text: str, host: str, port: int | None) -> None:
    address = ServerAddress.parse(f"smp://{KEY}@{text}")
    assert (str(address.hosts[0]), address.port) == (host, port)
    assert ServerAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "1.2.3.256",
        "1.2.3.4.5",
        "1.2.3.4.example",
        "[::1",
        "[1.2.3.4]",
        "[fe80::1%eth0]",
        "[" + "1:" * 40 + "]",
        ".onion",
        "ABC.onion",
        "abc.ONION",
        "abc.onion.",
        "a.abc.onion",
        "abc.onion.example",
        "a" * 256,
        "a" * 250 + ".onion",
        "bücher.example",
        "a\x00b",
        "9" * 5000 + ".9.9." + "9" * 5000,
    ],
)
def test_refused_hosts(host: str) -> None:
    with pytest.raises(DecodeError):
        parse_host(host)
    with pytest.raises(DecodeError):
        ServerAddress.parse(f"smp://{KEY}@{host}:5223")
    raw = host.encode()
    if len(raw) < 256:
        with pytest.raises(DecodeError):
            decoded(b"\x01" + bytes([len(raw)]) + raw + b"\x00\x00")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("300.2.3.4", DomainHost("300.2.3.4")),
        ("1.2.3", DomainHost("1.2.3")),
        ("001.02.3.4", IPv4Host(IPv4Address("1.2.3.4"))),
        ("cafe", DomainHost("cafe")),
        ("::", IPv6Host(IPv6Address("::"))),
        ("1:0:0:2:0:0:0:3", IPv6Host(IPv6Address("1:0:0:2::3"))),
        ("::ffff:1.2.3.4", IPv6Host(IPv6Address("::ffff:102:304"))),
        ("[::FFFF:102:304]", IPv6Host(IPv6Address("::ffff:102:304"))),
    ],
)
def test_kinds_of_hosts(text: str, host: Host) -> None:
    assert parse_host(text) == host
    assert parse_host(str(host)) == host
    assert parse_host(host.bare) == host


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("::", "::"),
        ("1::", "1::"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"),
        ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ("1:0:0:2:0:0:3:4", "1::2:0:0:3:4"),
        ("::ffff:1.2.3.4", "::ffff:102:304"),
    ],
)
def test_ipv6_is_written_in_its_shortest_form(text: str, bare: str) -> None:
    assert IPv6Host(IPv6Address(text)).bare == bare
    assert str(IPv6Host(IPv6Address(text))) == f"[{bare}]"


@pytest.mark.parametrize(
    "make",
    [
        lambda: DomainHost("a,b"),
        lambda: DomainHost("abc.onion"),
        lambda: OnionHost("abc.example"),
        lambda: IPv6Host(IPv6Address("fe80::1%eth0")),
        lambda: ServerAddress(ServerProtocol.SMP, (), None, b""),
        lambda: ServerAddress(ServerProtocol.SMP, (DomainHost("a"),), 65536, b""),
        lambda: ServerAddress(ServerProtocol.SMP, (DomainHost("a"),), None, bytes(256)),
        lambda: ServerAddressWithAuth(ServerAddress.parse(f"smp://{KEY}@a"), b""),
        lambda: ServerAddressWithAuth(ServerAddress.parse(f"smp://{KEY}@a"), b"a@b"),
        lambda: QueueAddress(
            ServerAddress.parse(f"ntf://{KEY}@a"), b"", X25519PublicKey(bytes(32))
        ),
    ],
)
def test_unreadable_values_are_not_made(make: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        make()


def test_more_hosts_than_a_count_can_say() -> None:
    assert len(ServerAddress.parse(f"smp://{KEY}@" + ",".join(["a"] * 255)).hosts) == 255
    with pytest.raises(DecodeError):
        ServerAddress.parse(f"smp://{KEY}@" + ",".join(["a"] * 256))
    start = f"smp://{KEY}@a/AAAA#/?v=1&dh={DH}&srv="
    assert len(QueueURI.parse(start + ",".join(["a"] * 254)).queue.server.hosts) == 255
    with pytest.raises(DecodeError):
        QueueURI.parse(start + ",".join(["a"] * 255))


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        (f"v=4;dh={DH};q=c", QueueMode.CONTACT),
        (f"v=4&dh={DH}&q=c&q=m", QueueMode.CONTACT),
        (f"v=4&d%68={DH}&%71=m", QueueMode.MESSAGING),
        (f"v=0004&dh={DH}&srv=", None),
        (f"v=4&dh={DH}&x=%ff%zz\ud800", None),
    ],
)
def test_spellings_of_queue_parameters(query: str, mode: QueueMode | None) -> None:
    uri = QueueURI.parse(f"smp://{KEY}@a/AAAA#/?{query}")
    assert uri.client_versions == VersionRange(4, 4)
    assert uri.queue.mode is mode
    assert uri.queue.sender_secures is (mode is QueueMode.MESSAGING)


@pytest.mark.parametrize(
    "rest",
    [
        "AAAA#",
        "AAAA#/",
        "AAAA#?",
        f"AAAA#{DH}/?dh={DH}",
        f"AAAA#/?v=65536&dh={DH}",
        f"AAAA#/?v=1-&dh={DH}",
        f"AAAA#/?v=+1&dh={DH}",
        f"AAAA#/?v=1&dh={DH}&srv=a:1",
        f"AAAA#/?v=1&dh={DH}&srv=,a",
        f"AAAA#/?v=1&dh={DH} ",
        f"{'A' * 344}#/?v=1&dh={DH}",
    ],
)
def test_refused_queues(rest: str) -> None:
    with pytest.raises(DecodeError):
        QueueURI.parse(f"smp://{KEY}@a.example/{rest}")


@pytest.mark.parametrize(
    "text", ["A", "AB", "AQ=", "AQI==", "AQID=", "AQID====", "+w==", "A\n", "=", "é"]
)
def test_base64_with_no_meaning_or_two(text: str) -> None:
    with pytest.raises(DecodeError):
        from_base64url(text)


@pytest.mark.parametrize("digits", ["", "+1", "-1", " 1", "1_0", "٣", "256", "9" * 5000])
def test_numbers_that_are_none(digits: str) -> None:
    with pytest.raises(DecodeError):
        decimal(digits, 255)


def test_no_address_shows_in_repr() -> None:
    uri = QueueURI.parse(f"smp://{KEY}@secret.example,abc.onion:7/c2VjcmV0#/?v=1-4&dh={DH}&q=m")
    server = ServerAddressWithAuth.parse(f"smp://{KEY}:secret@1.2.3.4,[::7]")
    shown = repr(
        [
            *(uri, uri.queue, uri.queue.server, *uri.queue.server.hosts),
            *(uri.at_version(4), server, *server.address.hosts),
        ]
    )
    for secret in ("secret", "example", "onion", "1.2.3.4", "::7", KEY[:8], DH[:8], "c2VjcmV0"):
        assert secret not in shown


@pytest.mark.parametrize("following", [b"M", b"C", b"T", b"F", b"0", b""])
@pytest.mark.parametrize(
    ("versions", "mode", "written"),
    [
        ((4, 5), QueueMode.MESSAGING, b"M"),
        ((4, 5), QueueMode.CONTACT, b"C"),
        ((3, 4), QueueMode.MESSAGING, b"T"),
        ((3, 4), QueueMode.CONTACT, b"F"),
        ((2, 4), QueueMode.MESSAGING, b"T"),
        ((1, 2), QueueMode.MESSAGING, b""),
    ],
)
def test_a_queue_ends_where_its_version_says(
    versions: tuple[int, int], mode: QueueMode, written: bytes, following: bytes
) -> None:
    """The last byte is optional, and what follows may begin with any."""
    server = ServerAddress.parse(f"smp://{KEY}@a")
    queue = QueueAddress(server, b"id", X25519PublicKey(bytes(32)), mode)
    uri = QueueURI(VersionRange(*versions), queue)
    assert uri.encode().endswith(X25519PublicKey(bytes(32)).der + written)
    reader = Reader(uri.encode() + following)
    assert QueueURI.decode(reader).queue.mode is (mode if written else None)
    assert reader.tail() == following

    info = uri.at_version(versions[0])
    assert info.ends_before(following) or (versions[0] == 3 and following == b"T")
    if info.ends_before(following):
        reader = Reader(info.encode() + following)
        VersionedQueue.decode(reader)
        assert reader.tail() == following


# --- anything at all ------------------------------------------------------------------------------

labels = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
domains = st.builds(lambda names: "x" + ".".join(names), st.lists(labels, min_size=1, max_size=4))
hosts = st.one_of(
    domains.map(DomainHost),
    st.from_regex(r"[a-z2-7]{56}\.onion", fullmatch=True).map(OnionHost),
    st.builds(IPv4Host, st.ip_addresses(v=4)),
    st.builds(IPv6Host, st.ip_addresses(v=6)),
)


def servers(protocols: st.SearchStrategy[ServerProtocol]) -> st.SearchStrategy[ServerAddress]:
    return st.builds(
        ServerAddress,
        protocol=protocols,
        hosts=st.lists(hosts, min_size=1, max_size=4).map(tuple),
        port=st.none() | st.integers(0, 65535),
        key_hash=st.binary(min_size=1, max_size=40),
    )


any_server = servers(st.sampled_from(ServerProtocol))
passwords = st.binary(min_size=1, max_size=30).filter(is_basic_auth)
queues = st.builds(
    QueueAddress,
    server=servers(st.just(ServerProtocol.SMP)),
    sender_id=st.binary(min_size=1, max_size=30),
    dh_key=st.binary(min_size=32, max_size=32).map(X25519PublicKey),
    mode=st.none() | st.sampled_from(QueueMode),
)
ranges = st.lists(st.integers(2, 9), min_size=2, max_size=2).map(lambda v: VersionRange(*sorted(v)))
uris = st.builds(QueueURI, client_versions=ranges, queue=queues)


@given(any_server, st.none() | passwords)
def test_server_is_what_its_text_says(address: ServerAddress, auth: bytes | None) -> None:
    server = ServerAddressWithAuth(address, auth)
    assert ServerAddressWithAuth.parse(str(server)) == server
    assert hash(ServerAddressWithAuth.parse(str(server))) == hash(server)


@given(any_server)
def test_server_is_what_its_bytes_say(server: ServerAddress) -> None:
    assert decoded(server.encode(), server.protocol) == server


@given(uris)
def test_queue_uri_is_what_its_text_says(uri: QueueURI) -> None:
    assert QueueURI.parse(str(uri)) == uri


@given(queues)
def test_version_1_keeps_all_hosts_in_text(queue: QueueAddress) -> None:
    uri = QueueURI(VersionRange(1, 4), queue)
    assert QueueURI.parse(str(uri)) == uri


@given(queues)
def test_version_4_loses_nothing_in_binary(queue: QueueAddress) -> None:
    uri = QueueURI(VersionRange(4, 4), queue)
    assert QueueURI.decode(Reader(uri.encode())) == uri
    assert VersionedQueue.decode(Reader(uri.at_version(4).encode())) == uri.at_version(4)


@given(st.binary(max_size=60))
def test_base64_is_read_back(data: bytes) -> None:
    assert from_base64url(to_base64url(data)) == data
    assert from_base64url(to_base64url(data).rstrip("=")) == data


address_like = st.text("smp:/@[]:.,0123456789abcdefAQ=_-#?&vdhonion%\ud800é \n", max_size=80)


@given(st.one_of(st.text(max_size=60), address_like, address_like.map(lambda t: f"smp://{KEY}{t}")))
@example("smp://AQ==:\ud800@a")
def test_any_text_is_an_address_or_a_decode_error(text: str) -> None:
    for parse in (ServerAddressWithAuth.parse, ServerAddress.parse, QueueURI.parse, parse_host):
        try:
            value = parse(text)
        except DecodeError:
            continue
        assert parse(str(value)) == value  # what was read can be written and read again


@given(st.data())
def test_any_bytes_are_an_address_or_a_decode_error(data: st.DataObject) -> None:
    good = data.draw(uris)
    encoded = bytearray(data.draw(st.sampled_from([good.encode(), good.at_version(1).encode()])))
    for _ in range(data.draw(st.integers(0, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    raw = bytes(encoded[: data.draw(st.integers(0, len(encoded)))])
    for decode in (
        QueueURI.decode,
        VersionedQueue.decode,
        ServerAddress.decode,
        ServerAddress.decode_legacy,
    ):
        try:
            value = decode(Reader(raw))
        except DecodeError:
            continue
        value.encode()
