from __future__ import annotations

import contextlib
import ssl
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL
from trio.testing import memory_stream_pair

from simplex_trio.crypto.certificates import fingerprint
from simplex_trio.crypto.pem import to_pem
from simplex_trio.errors import (
    CertificateError,
    ConnectError,
    PeerCertificateExpired,
    PeerCertificateInvalid,
    PeerChainTooLong,
    TLSFailed,
    WrongIdentity,
)
from simplex_trio.transport import _openssl, tls
from simplex_trio.transport.tls import (
    ServerContext,
    TlsCredentials,
    TlsStream,
    client_handshake,
    server_handshake,
)
from tests.transport.support import (
    ALPN,
    CONTEXT,
    DAY,
    NOW,
    OTHER_ROUTER,
    PIN,
    ROUTER,
    ROUTER_TLS,
    SERVICE_TLS,
    StreamPair,
    certificate,
    chain_of,
    new_key,
    now,
    pin_of,
    pkcs8,
    shake_hands,
    tls_pair,
)

ROUTER_CA = x509.load_der_x509_certificate(ROUTER.ca_certificate)


def counted() -> tuple[StreamPair, list[int]]:
    """A pair of streams, and the sizes of what the first one sends."""
    ours, theirs = memory_stream_pair()
    sizes: list[int] = []
    send_all = ours.send_all

    async def send_and_count(data: bytes) -> None:
        sizes.append(len(data))
        await send_all(data)

    ours.send_all = send_and_count  # type: ignore[method-assign, assignment]
    return (ours, theirs), sizes


async def refused_by_client(
    credentials: TlsCredentials, pin: bytes, kind: type[ConnectError]
) -> ConnectError:
    """Check that the client refuses a server, and that its own certificate stays with it."""
    pair, sizes = counted()
    context = ServerContext(credentials, alpn=ALPN)
    outcome = await shake_hands(pair, context=context, pin=pin, credentials=SERVICE_TLS)
    assert type(outcome.client) is kind, repr(outcome.client)
    assert type(outcome.server) is TLSFailed, repr(outcome.server)
    # A hello and an alert; a certificate and its proof would be several hundred bytes more.
    assert len(sizes) == 2
    assert sizes[1] < 40
    with pytest.raises(trio.ClosedResourceError):
        await pair[0].send_all(b"anything")
    assert isinstance(outcome.client, ConnectError)
    return outcome.client


async def test_another_router() -> None:
    error = await refused_by_client(ROUTER_TLS, OTHER_ROUTER.identity_fingerprint, WrongIdentity)
    assert error.retryable


@pytest.mark.parametrize("position", [0, 2, 3])
async def test_a_pinned_certificate_in_another_place_is_not_the_identity(position: int) -> None:
    credentials = chain_of(4)
    pin = fingerprint(credentials.certificates[position])
    await refused_by_client(credentials, pin, WrongIdentity)


@pytest.mark.parametrize("pin", [b"", PIN[:-1], PIN + b"\0"])
async def test_a_pin_of_another_length_matches_no_router(pin: bytes) -> None:
    await refused_by_client(ROUTER_TLS, pin, WrongIdentity)


@pytest.mark.parametrize("names_its_issuer", [True, False])
async def test_a_forged_leaf_before_the_genuine_authority(names_its_issuer: bool) -> None:
    key = new_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(ROUTER_CA.subject)
        .issuer_name(ROUTER_CA.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
    )
    if names_its_issuer:
        key_id = ROUTER_CA.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False
        )
    leaf = builder.sign(key, None).public_bytes(Encoding.DER)
    forged = TlsCredentials((leaf, ROUTER.ca_certificate), pkcs8(key))
    await refused_by_client(forged, PIN, PeerCertificateInvalid)


async def test_a_genuine_identity_between_a_leaf_and_the_root_that_signed_it() -> None:
    root_key, key = new_key(), new_key()
    root = certificate("root", root_key, "root", root_key, authority=True)
    leaf = certificate("leaf", key, "root", root_key)
    forged = TlsCredentials((leaf, ROUTER.ca_certificate, root), pkcs8(key))
    await refused_by_client(forged, PIN, WrongIdentity)


async def test_a_leaf_alone() -> None:
    alone = TlsCredentials(ROUTER_TLS.certificates[:1], ROUTER_TLS.private_key)
    await refused_by_client(alone, PIN, PeerCertificateInvalid)
    await refused_by_client(alone, fingerprint(ROUTER.certificate), PeerCertificateInvalid)
    own = chain_of(1)
    await refused_by_client(own, fingerprint(own.certificates[0]), PeerCertificateInvalid)


@pytest.mark.parametrize("length", [5, 6, 9])
async def test_a_chain_that_is_too_long(length: int) -> None:
    credentials = chain_of(length)
    await refused_by_client(credentials, pin_of(credentials), PeerChainTooLong)


async def test_a_chain_that_is_too_long_because_of_what_does_not_belong() -> None:
    credentials = chain_of(2)
    strangers = chain_of(3).certificates
    padded = TlsCredentials(credentials.certificates + strangers, credentials.private_key)
    await refused_by_client(padded, pin_of(credentials), PeerChainTooLong)


async def test_certificates_that_do_not_belong() -> None:
    credentials = chain_of(2)
    padded = TlsCredentials(
        credentials.certificates + chain_of(1).certificates, credentials.private_key
    )
    await refused_by_client(padded, pin_of(credentials), PeerCertificateInvalid)


async def test_certificates_in_disorder() -> None:
    leaf, identity, root = (credentials := chain_of(3)).certificates
    mixed = TlsCredentials((leaf, root, identity), credentials.private_key)
    await refused_by_client(mixed, fingerprint(identity), PeerCertificateInvalid)


@pytest.mark.parametrize(
    "dates",
    [{"start": NOW - 3 * DAY, "end": NOW - DAY}, {"start": NOW + DAY, "end": NOW + 3 * DAY}],
    ids=["not any more", "not yet"],
)
async def test_a_leaf_outside_its_dates(dates: dict[str, object]) -> None:
    credentials = chain_of(2, **dates)
    error = await refused_by_client(credentials, pin_of(credentials), PeerCertificateExpired)
    assert error.retryable
    assert isinstance(error, CertificateError)


@pytest.mark.parametrize("days", [-3, 3])
async def test_the_clock_decides_about_dates(days: int) -> None:
    credentials = chain_of(3)
    outcome = await shake_hands(
        context=ServerContext(credentials, alpn=ALPN),
        pin=pin_of(credentials),
        clock=lambda: NOW + timedelta(days=days),
    )
    assert type(outcome.client) is PeerCertificateExpired


async def test_a_server_with_another_kind_of_key() -> None:
    authority_key, key = new_key(), ec.generate_private_key(ec.SECP256R1())
    authority = certificate("authority", authority_key, "authority", authority_key, authority=True)
    leaf = certificate("leaf", key, "authority", authority_key)
    credentials = TlsCredentials((leaf, authority), pkcs8(key))
    outcome = await shake_hands(
        context=ServerContext(credentials, alpn=ALPN), pin=fingerprint(authority)
    )
    assert type(outcome.client) is TLSFailed
    assert type(outcome.server) is TLSFailed


async def standard_client(context: ssl.SSLContext) -> Exception | None:
    """What the server makes of a client of the standard library."""
    ours, theirs = memory_stream_pair()
    stream = trio.SSLStream(ours, context, https_compatible=True)
    refusals: list[Exception] = []

    async def serve() -> None:
        try:
            await server_handshake(theirs, CONTEXT, clock=now)
        except TLSFailed as exc:
            refusals.append(exc)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.do_handshake()
    return refusals[0] if refusals else None


def lenient_client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_an_older_tls() -> None:
    context = lenient_client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert type(await standard_client(context)) is TLSFailed


async def test_other_groups() -> None:
    context = lenient_client()
    context.set_ecdh_curve("prime256v1")
    assert type(await standard_client(context)) is TLSFailed


async def test_the_choices_of_routers() -> None:
    assert await standard_client(lenient_client()) is None


@pytest.mark.parametrize("noise", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", bytes(70_000)])
async def test_what_is_not_tls(noise: bytes) -> None:
    ours, theirs = memory_stream_pair()
    await ours.send_all(noise)
    await ours.send_eof()
    with pytest.raises(TLSFailed):
        await server_handshake(theirs, CONTEXT)
    with pytest.raises(trio.ClosedResourceError):
        await theirs.send_all(b"anything")


@pytest.mark.parametrize(
    "noise", [b"", b"\x16\x03\x03", b"HTTP/1.1 400 Bad\r\n\r\n", bytes(70_000)]
)
async def test_a_server_that_does_not_speak_tls(noise: bytes) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(noise)
    await theirs.send_eof()
    with pytest.raises(TLSFailed):
        await client_handshake(ours, pin=PIN)


@given(from_client=st.booleans(), position=st.integers(0, 1_400), difference=st.integers(1, 255))
async def test_tampering_with_a_handshake(
    from_client: bool, position: int, difference: int
) -> None:
    """Whatever byte is changed on the way, a side has a stream or one kind of error."""
    pair = memory_stream_pair()
    seen = 0
    changed = pair[0] if from_client else pair[1]
    send_all = changed.send_all

    async def meddle(data: bytes) -> None:
        nonlocal seen
        place, seen = position - seen, seen + len(data)
        altered = bytearray(data)
        if 0 <= place < len(data):
            altered[place] ^= difference
        await send_all(altered)

    changed.send_all = meddle  # type: ignore[method-assign, assignment]
    outcome = await shake_hands(pair, credentials=SERVICE_TLS, patient=False)
    assert isinstance(outcome.client, TlsStream | TLSFailed), repr(outcome.client)
    assert isinstance(outcome.server, TlsStream | TLSFailed), repr(outcome.server)
    if isinstance(outcome.client, TlsStream) and isinstance(outcome.server, TlsStream):
        assert outcome.client.session.session_id == outcome.server.session.session_id


@given(which=st.integers(0, 1), position=st.integers(0, 600), difference=st.integers(1, 255))
async def test_tampering_with_certificates(which: int, position: int, difference: int) -> None:
    """Whatever bytes of its certificates a server changes, no client takes it for the right one."""
    certificates = [bytearray(each) for each in ROUTER_TLS.certificates]
    changed = certificates[which]
    changed[position % len(changed)] ^= difference
    credentials = TlsCredentials(tuple(map(bytes, certificates)), ROUTER_TLS.private_key)
    try:
        context = ServerContext(credentials, alpn=ALPN)
    except ValueError:
        return  # OpenSSL does not even take it
    outcome = await shake_hands(context=context)
    assert isinstance(outcome.client, TLSFailed), repr(outcome.client)
    assert isinstance(outcome.server, TLSFailed), repr(outcome.server)


# --- client certificates, as the server sees them -------------------------------------------------


async def refused_by_server(credentials: TlsCredentials, kind: type[ConnectError]) -> None:
    outcome = await shake_hands(credentials=credentials)
    assert type(outcome.server) is kind, repr(outcome.server)
    # In TLS 1.3 the client has finished by then; it learns of it when it reads.
    assert isinstance(outcome.client, TlsStream)
    with pytest.raises(trio.BrokenResourceError) as caught:
        await outcome.client.receive_some()
    assert "alert" in str(caught.value.__cause__)
    await outcome.client.aclose()


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("days", [-3, 3])
async def test_a_service_outside_the_dates_of_its_certificate(length: int, days: int) -> None:
    start = NOW + days * DAY
    service = chain_of(length, start=start, end=start + DAY)
    await refused_by_server(service, PeerCertificateExpired)


async def test_a_service_whose_certificate_signed_itself_wrongly() -> None:
    leaf = bytearray(SERVICE_TLS.certificates[0])
    leaf[-1] ^= 1
    service = TlsCredentials((bytes(leaf),), SERVICE_TLS.private_key)
    await refused_by_server(service, PeerCertificateInvalid)


async def test_a_service_whose_authority_did_not_sign() -> None:
    service = chain_of(2)
    stranger = new_key()
    other = certificate("number 1", stranger, "number 1", stranger, authority=True)
    broken = TlsCredentials((service.certificates[0], other), service.private_key)
    await refused_by_server(broken, PeerCertificateInvalid)


async def test_a_service_with_too_many_certificates() -> None:
    await refused_by_server(chain_of(5), PeerChainTooLong)


async def test_a_service_with_certificates_that_do_not_belong() -> None:
    # OpenSSL only goes through those that belong, so the handshake of TLS itself succeeds.
    service = chain_of(1)
    padded = TlsCredentials(service.certificates + chain_of(1).certificates, service.private_key)
    outcome = await shake_hands(credentials=padded)
    assert type(outcome.server) is PeerCertificateInvalid
    assert isinstance(outcome.client, TlsStream)
    assert await outcome.client.receive_some() == b""


# --- where OpenSSL cannot be restricted -----------------------------------------------------------


async def test_what_was_negotiated_is_checked_where_it_cannot_be_restricted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with monkeypatch.context() as bare:
        bare.setattr(_openssl, "_lib", SimpleNamespace(ERR_clear_error=lambda: None))
        context = _openssl.client_context()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    monkeypatch.setattr(tls, "_anonymous_context", lambda: context)

    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ecdh_curve("prime256v1")
    ours, theirs = memory_stream_pair()
    load(server, ROUTER_TLS, tmp_path / "router.pem")
    stream = trio.SSLStream(theirs, server, server_side=True, https_compatible=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.do_handshake)
        with pytest.raises(TLSFailed, match="not allowed"):
            await client_handshake(ours, pin=PIN, clock=now)


def load(context: ssl.SSLContext, credentials: TlsCredentials, path: Path) -> None:
    parts = [to_pem("CERTIFICATE", der) for der in credentials.certificates]
    parts.append(to_pem("PRIVATE KEY", credentials.private_key))
    path.write_bytes(b"".join(parts))
    context.load_cert_chain(path)


async def test_a_group_that_openssl_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(self: SSL.Connection) -> str:
        raise NotImplementedError

    monkeypatch.setattr(SSL.Connection, "get_group_name", unknown)
    client, _ = await tls_pair()
    assert client.session.group is None


async def test_no_session_is_resumed() -> None:
    """OpenSSL sends tickets even if told not to, but there is nothing behind them."""
    judged = 0

    def count(*_: object) -> bool:
        nonlocal judged
        judged += 1
        return True

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_PEER, count)
    session = None
    for _ in range(2):
        judged = 0
        client = SSL.Connection(context)
        client.set_connect_state()
        if session is not None:
            client.set_session(session)
        server = SSL.Connection(CONTEXT._openssl)
        server.set_accept_state()
        server.set_app_data(tls._Verifier(None, NOW))
        for _ in range(3):
            for one, other in ((client, server), (server, client)):
                with contextlib.suppress(SSL.WantReadError):
                    one.do_handshake()
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(one.bio_read(100_000))
        server.send(b"after the tickets")
        client.bio_write(server.bio_read(100_000))
        assert client.recv(100) == b"after the tickets"
        session = client.get_session()
        assert judged > 0  # a resumed session would show no certificates
