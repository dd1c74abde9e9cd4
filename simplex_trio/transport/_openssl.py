"""OpenSSL: contexts for the TLS that SimpleX speaks, and connections without input and output.

This is the only module that imports pyOpenSSL.  The standard `ssl` module cannot do what is needed:
look at certificates while they are being verified (so that a client's certificate never reaches the
wrong server, and a server can take certificates that no authority signed), restrict the cipher
suites of TLS 1.3, or tell the Finished messages that sessions are named for.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key
from OpenSSL import SSL, crypto
from OpenSSL._util import ffi as _ffi
from OpenSSL._util import lib as _lib

from simplex_trio.errors import PeerCertificateInvalid, TLSFailed, without_traceback
from simplex_trio.frozen import frozen

__all__ = [
    "ROUTER_LISTS",
    "WEB_LISTS",
    "CertificateVerifier",
    "Context",
    "TlsConnection",
    "TlsLists",
    "client_context",
    "server_context",
]

_log = logging.getLogger(__name__)

Context = SSL.Context
"""What connections are made from; nothing about it can change after the first one."""

_MAX_RECORD = 16384

# What a buffer may have held and still be kept.
_SMALL = 4096

_RECORDS_AT_ONCE = 64
"""Records that one call of `TlsConnection.decrypt` opens.  What is left waits for the next call, in
which other tasks have had their turn; if none of them has data, the connection fails.  Requests for
new keys count twice, as OpenSSL stops before and after its answer.  A router sends two tickets
after the handshake, and no more records without data."""

_MAX_UNSENT = 4096
"""Bytes that a peer can have us keep for sending without any data: the tickets of a handshake, and
27 bytes for each new key that the peer asks for.  Beyond that the connection fails."""

_Code = SSL.X509VerificationCodes

# OpenSSL trusts no authority, since trust is a matter of fingerprints.  With these results the
# `CertificateVerifier` decides: about fingerprints, dates (with a clock of its own) and usages.
_LEFT_TO_VERIFIER = frozenset(
    {
        _Code.OK,
        _Code.ERR_CERT_HAS_EXPIRED,
        _Code.ERR_CERT_NOT_YET_VALID,
        _Code.ERR_CERT_UNTRUSTED,
        _Code.ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
        _Code.ERR_INVALID_CA,
        _Code.ERR_INVALID_PURPOSE,
        _Code.ERR_SELF_SIGNED_CERT_IN_CHAIN,
        _Code.ERR_UNABLE_TO_GET_ISSUER_CERT,
        _Code.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        _Code.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
    }
)


@frozen
class TlsLists:
    """What one side offers or accepts, best first."""

    suites: tuple[str, ...]
    groups: tuple[str, ...]
    signatures: tuple[str, ...]


ROUTER_LISTS = TlsLists(
    suites=("TLS_CHACHA20_POLY1305_SHA256",),
    groups=("x448", "x25519"),
    signatures=("ed448", "ed25519"),
)
"""The only choices between SimpleX programs."""

WEB_LISTS = TlsLists(
    suites=(*ROUTER_LISTS.suites, "TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"),
    groups=("x25519", "x448", "secp256r1", "secp384r1", "secp521r1"),
    signatures=(
        *ROUTER_LISTS.signatures,
        "ecdsa_secp256r1_sha256",
        "ecdsa_secp384r1_sha384",
        "ecdsa_secp521r1_sha512",
        "rsa_pss_rsae_sha256",
        "rsa_pss_rsae_sha384",
        "rsa_pss_rsae_sha512",
        "rsa_pkcs1_sha256",
        "rsa_pkcs1_sha384",
        "rsa_pkcs1_sha512",
    ),
)
"""The wider choices of a port that serves browsers too.  They hold for all clients of the port,
since they cannot be changed any more once the client has sent its server name."""


class CertificateVerifier(Protocol):
    """Verifies the peer's certificates while OpenSSL goes through them.

    The certificates come from the root down to the leaf, some of them more than once.
    """

    fault: TLSFailed | None
    """The reason for which the handshake was stopped."""
    certificate_sent: bool
    """Whether this side, as a client, has sent a certificate of its own."""

    def check_certificate(self, depth: int, certificate: bytes) -> TLSFailed | None:
        """What is wrong with the certificate at ``depth`` (0: the leaf), if anything."""
        ...

    def check_chain(self, presented: tuple[bytes, ...] | None) -> TLSFailed | None:
        """What is wrong with the chain as a whole, if anything.

        It is called last; ``presented`` is what the peer sent, if that is known already.
        """
        ...


def _ders(certificates: Sequence[crypto.X509]) -> tuple[bytes, ...]:
    return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, each) for each in certificates)


def _verify(connection: SSL.Connection, cert: crypto.X509, error: int, depth: int, ok: int) -> bool:
    verifier: CertificateVerifier = connection.get_app_data()
    if error not in _LEFT_TO_VERIFIER:
        verifier.fault = PeerCertificateInvalid(f"OpenSSL rejects a certificate ({error})")
        return False
    verifier.fault = verifier.check_certificate(depth, *_ders([cert]))
    if verifier.fault is None and ok and depth == 0:
        presented = connection.get_peer_cert_chain()
        verifier.fault = verifier.check_chain(None if presented is None else _ders(presented))
    return verifier.fault is None


def _note_certificate(connection: SSL.Connection, where: int, _: int) -> None:
    # A client proves its key in a message of its own, which it sends only with a certificate.
    if where & SSL.SSL_CB_LOOP and b"write certificate verify" in connection.get_state_string():
        connection.get_app_data().certificate_sent = True


def _new_context(method: int, lists: TlsLists) -> Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_tls13_ciphersuites(":".join(lists.suites).encode())
    _restrict(context, "SSL_CTX_set1_curves_list", lists.groups)
    _restrict(context, "SSL_CTX_set1_sigalgs_list", lists.signatures)
    # OpenSSL sends tickets in TLS 1.3 even so (its issue 8077), but there is nothing behind them.
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    # Blocks have a fixed size, so that nothing can be cut off unnoticed; and a client that closes
    # only its own direction can still be answered.
    context.set_options(SSL.OP_IGNORE_UNEXPECTED_EOF)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 32 KiB for each idle connection
    context.set_verify(SSL.VERIFY_PEER, _verify)
    return context


def _restrict(context: Context, setter: str, names: Sequence[str]) -> None:
    """Set a list that pyOpenSSL has no method for; what was negotiated is checked in any case."""
    function = getattr(_lib, setter, None)
    if function is None or function(context._context, ":".join(names).encode()) != 1:
        _lib.ERR_clear_error()
        _log.warning("%s does not work here, so more is offered than accepted", setter)


def _use(context: Context, certificates: Sequence[bytes], private_key: bytes) -> None:
    try:
        leaf, *others = map(x509.load_der_x509_certificate, certificates)
        context.use_certificate(leaf)
        # The types leave out what the kind of key is known to be once it is loaded.
        context.use_privatekey(load_der_private_key(private_key, None))  # type: ignore[arg-type]
        context.check_privatekey()
        for each in others:
            context.add_extra_chain_cert(each)
    except Exception as exc:  # of many types, and neither library promises which
        raise ValueError("certificates, or a private key, that OpenSSL does not take") from exc


def client_context(certificates: Sequence[bytes] = (), private_key: bytes = b"") -> Context:
    """The context of a client, with the certificates in DER and the PKCS#8 key of a service.

    Raises `ValueError` for certificates and keys that cannot be used.
    """
    context = _new_context(SSL.TLS_CLIENT_METHOD, ROUTER_LISTS)
    if certificates:
        _use(context, certificates, private_key)
        context.set_info_callback(_note_certificate)
    return context


def server_context(
    certificates: Sequence[bytes],
    private_key: bytes,
    *,
    alpn: Sequence[str],
    lists: TlsLists,
    named: Context | None = None,
    asks_clients: bool = True,
) -> Context:
    """The context of a server; ``named`` takes the place of it for clients that send a name.

    With ``asks_clients`` they are asked for certificates, which they need not have.
    Raises `ValueError` for certificates and keys that cannot be used.
    """
    context = _new_context(SSL.TLS_SERVER_METHOD, lists)
    _use(context, certificates, private_key)
    if not asks_clients:
        context.set_verify(SSL.VERIFY_NONE)
    known = frozenset(name.encode() for name in alpn)

    def select_alpn(_: SSL.Connection, offered: list[bytes]) -> object:
        chosen = (name for name in offered if name in known)
        return next(chosen, SSL.NO_OVERLAPPING_PROTOCOLS)

    context.set_alpn_select_callback(select_alpn)  # type: ignore[arg-type]
    if named is not None:

        def switch(connection: SSL.Connection) -> None:
            if connection.get_servername() is not None:
                connection.set_context(named)

        context.set_tlsext_servername_callback(switch)
    return context


class TlsConnection:
    """One TLS connection without its input and output: `TlsStream` carries the bytes.

    What has arrived goes in with `feed`; what is to be sent comes out of `encrypt` and
    `take_unsent`.  Failures are `ssl.SSLError`.

    OpenSSL's part of it takes 40 KiB and more.  A server's is made when the first bytes have come,
    so that a connection that sends nothing costs little, and `release` frees it.
    """

    def __init__(
        self,
        context: Context,
        verifier: CertificateVerifier,
        *,
        server_side: bool = False,
        alpn: Sequence[str] = (),
        server_name: str | None = None,
    ) -> None:
        self.server_side = server_side
        self._context = context
        self._verifier: CertificateVerifier | None = verifier
        self._alpn = [name.encode() for name in alpn]
        self._server_name = None if server_name is None else server_name.encode("idna")
        self._opened: SSL.Connection | None = None
        self._released = False
        self._ended = False  # the peer has closed its side, below TLS or with its goodbye
        self._unread = False  # OpenSSL may have more than the last call of `decrypt` took
        self._grown_in = False
        self._failure: SSL.Error | None = None  # found behind what could still be read

    def release(self) -> None:
        """Let go of OpenSSL and of the certificates.

        Operations in other tasks then fail as on a broken connection.
        """
        self._released = True
        self._opened = self._verifier = self._failure = None

    @property
    def _connection(self) -> SSL.Connection:
        """OpenSSL's part, made when it is needed."""
        if self._opened is None:
            if self._released:
                raise ssl.SSLError(ssl.SSL_ERROR_SSL, "the connection is over")
            self._opened = self._new_connection()
        return self._opened

    def _new_connection(self) -> SSL.Connection:
        connection = SSL.Connection(self._context)
        connection.set_app_data(self._verifier)
        # Which pyOpenSSL sets: OpenSSL would go on by itself after a record without data.
        _lib.SSL_clear_mode(connection._ssl, _lib.SSL_MODE_AUTO_RETRY)
        if self._alpn:
            connection.set_alpn_protos(self._alpn)
        if self.server_side:
            connection.set_accept_state()
        else:
            connection.set_connect_state()
            if self._server_name is not None:
                connection.set_tlsext_host_name(self._server_name)
        return connection

    def feed(self, arrived: bytes | bytearray) -> None:
        """Take what has arrived; nothing means that the peer has closed its side."""
        if arrived:
            self._connection.bio_write(arrived)
            if len(arrived) > _SMALL:
                self._grown_in = True
        elif not self._ended:
            self._ended = True
            if self._opened is not None or not self.server_side:
                self._connection.bio_shutdown()

    def do_handshake(self) -> bool:
        """Go on with the handshake; whether it is done.

        What is to be sent now is left in `take_unsent`, also after a failure, which it tells the
        peer.
        """
        if self.server_side and self._opened is None:
            if self._ended:
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the peer has gone")
            return False
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as exc:
            raise _as_ssl_error(exc) from exc
        # What has come behind the handshake is in OpenSSL already.
        self._unread = True
        return True

    @property
    def has_more(self) -> bool:
        """Whether `decrypt` may return something without being fed."""
        return self._unread or self._ended or self._failure is not None

    def decrypt(self, max_bytes: int) -> bytes | None:
        """What is in the records that have arrived; `None` if no whole record has.

        At the end of the connection it is empty.
        """
        if self._failure is not None:
            failure, self._failure = self._failure, None  # OpenSSL has only failures from now on
            raise _as_ssl_error(failure) from failure
        pieces: list[bytes] = []
        try:
            self._open_records(pieces, max_bytes)
        except SSL.ZeroReturnError:
            self._ended = True
        except SSL.Error as exc:
            if not pieces:
                raise _as_ssl_error(exc) from exc
            self._failure = without_traceback(exc)
        else:
            if not pieces:
                if self._unread:
                    raise ssl.SSLError(ssl.SSL_ERROR_SSL, "too many records without data")
                return None
        if self._grown_in and not self._ended and not self._has_arrived:
            self._grown_in = False
            self._renew(incoming=True)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _open_records(self, pieces: list[bytes], max_bytes: int) -> None:
        """Open some of the records that have arrived, and add what is in them to ``pieces``."""
        connection = self._connection
        left = max_bytes
        self._unread = True
        for _ in range(_RECORDS_AT_ONCE):  # OpenSSL gives one record at a time
            try:
                pieces.append(connection.recv(min(left, _MAX_RECORD)))
            except SSL.WantReadError:
                # There was no data in the record, or less than a record was left.
                if self._unsent_size() > _MAX_UNSENT:
                    text = "the peer asks for new keys again and again"
                    raise SSL.Error([("", "", text)]) from None
                self._unread = self._has_arrived
            else:
                left -= len(pieces[-1])
                self._unread = not left or self._has_arrived
            if not self._unread or not left:
                return

    @property
    def _has_arrived(self) -> bool:
        """Whether there are bytes that OpenSSL has not looked at."""
        size: int = _lib.BIO_get_mem_data(self._connection._into_ssl, _ffi.NULL)
        return size > 0

    def encrypt(self, data: bytes | bytearray | memoryview) -> bytes:
        """The records that carry ``data``, and before them what was left unsent."""
        connection = self._connection
        records: list[bytes] = []
        try:
            # OpenSSL writes one record at a time, so that the buffer in between stays small.
            with memoryview(data) as view:
                done = 0
                while done < len(view):
                    with view[done : done + _MAX_RECORD] as record:
                        done += connection.send(record)
                    records.append(self.take_unsent())
        except SSL.Error as exc:
            raise _as_ssl_error(exc) from exc
        if done > _SMALL:
            self._renew(incoming=False)
        return records[0] if len(records) == 1 else b"".join(records)

    def say_goodbye(self) -> None:
        """Tell the peer that nothing follows, in `take_unsent`."""
        try:
            self._connection.shutdown()
        except SSL.Error as exc:
            raise _as_ssl_error(exc) from exc

    def take_unsent(self) -> bytes:
        """Take what OpenSSL wants to have sent."""
        if self._opened is None:
            return b""
        # Asking first is cheaper than what pyOpenSSL raises when there is nothing.
        size = self._unsent_size()
        return self._opened.bio_read(size) if size else b""

    def _unsent_size(self) -> int:
        size: int = _lib.BIO_get_mem_data(self._connection._from_ssl, _ffi.NULL)
        return size

    def _renew(self, *, incoming: bool) -> None:
        """Put a new buffer in the place of the incoming or the outgoing one, which is empty.

        OpenSSL's never shrink, and after one block each way they would take 40 KiB of every idle
        connection for good; making a new one costs a microsecond or two.
        """
        connection = self._connection
        new = _lib.BIO_new(_lib.BIO_s_mem())
        if incoming:
            connection._into_ssl = new
        else:
            connection._from_ssl = new
        # This takes possession of the new one, and frees the one whose place it takes.
        _lib.SSL_set_bio(connection._ssl, connection._into_ssl, connection._from_ssl)

    def version(self) -> str:
        return self._connection.get_protocol_version_name()

    def session_id(self) -> bytes:
        """The client's Finished message, the same on both sides."""
        ours, theirs = self._connection.get_finished, self._connection.get_peer_finished
        finished = theirs() if self.server_side else ours()
        assert finished is not None, "only known after the handshake"
        return finished

    def alpn(self) -> str | None:
        return _text(self._connection.get_alpn_proto_negotiated()) or None

    def suite(self) -> str | None:
        return self._connection.get_cipher_name()

    def group(self) -> str | None:
        """The group of the key exchange, where OpenSSL can tell."""
        try:
            return self._connection.get_group_name()
        except NotImplementedError:
            return None

    def server_name(self) -> str | None:
        """The server name that the client sent, on the server's side."""
        name = self._connection.get_servername() if self.server_side else None
        return None if name is None else _text(name)

    def peer_certificates(self) -> tuple[bytes, ...]:
        """What the peer presented, leaf first."""
        chain = self._connection.get_peer_cert_chain() or []
        if self.server_side:  # there OpenSSL keeps the leaf apart
            leaf = self._connection.get_peer_certificate()
            chain = chain if leaf is None else [leaf, *chain]
        return _ders(chain)


def _as_ssl_error(error: SSL.Error) -> ssl.SSLError:
    if isinstance(error, SSL.SysCallError):
        return ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the peer has gone")
    return ssl.SSLError(ssl.SSL_ERROR_SSL, _reason(error))


def _reason(error: SSL.Error) -> str:
    """The texts of OpenSSL's errors, which come from its tables and never from the connection."""
    stack = error.args[0] if error.args else ()
    return "; ".join(str(entry[-1]) for entry in stack) or "TLS failed"


def _text(name: bytes) -> str:
    """A name from the peer, which may have any bytes."""
    return name.decode("ascii", "backslashreplace")
