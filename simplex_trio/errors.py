"""The exceptions of simplex_trio: one tree, of which this is the trunk.

What goes wrong outside of the program is a `SimplexError`; XFTP and Katzenpost have branches of
their own.  What the program does wrong is a `ValueError` or a `RuntimeError`.  Errors chain their
cause (``raise ... from ...``), carry the wire code where there is one, and say themselves whether
trying again can help (`SimplexError.retryable`).  No message contains a key, a queue id, an address
or a message body: errors end up in logs.

`ValueError` is mixed in where the caller, or the peer, supplied a value that cannot be right, so
that code which knows nothing of this package still handles it sensibly.
"""

from __future__ import annotations

__all__ = [
    "CertificateError",
    "CertificateExpired",
    "CertificateInvalid",
    "ChainTooLong",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionLost",
    "CryptoError",
    "DecodeError",
    "DecryptionFailed",
    "DialFailed",
    "EncodeError",
    "HandshakeFailed",
    "HungUp",
    "IdentityMismatch",
    "MalformedHello",
    "MalformedResponse",
    "NoCommonVersion",
    "NoSuitableHost",
    "PeerCertificateExpired",
    "PeerCertificateInvalid",
    "PeerChainTooLong",
    "ProxyRefused",
    "RequestTimeout",
    "RouterSilent",
    "ServiceRefused",
    "ServiceUnavailable",
    "SessionKeyUnproven",
    "SessionMismatch",
    "SignatureInvalid",
    "SimplexError",
    "SlowConsumer",
    "SocksSupportMissing",
    "StoreConflict",
    "StoreCorrupted",
    "StoreError",
    "StoreForeign",
    "StoreFull",
    "StoreLocked",
    "StoreUnavailable",
    "TLSFailed",
    "TooLarge",
    "UnexpectedResponseError",
    "UnsupportedVersion",
    "WrongIdentity",
]


class SimplexError(Exception):
    """Base of everything that simplex_trio raises on purpose."""

    retryable: bool = False
    """Whether the same call may succeed later without the program changing anything."""


# --- bytes and values ---------------------------------------------------------------------------


class DecodeError(SimplexError, ValueError):
    """Bytes from outside do not mean anything; the only error that a decoder raises."""


class EncodeError(SimplexError, ValueError):
    """A value cannot be written in the protocol; nothing has been sent."""


class TooLarge(EncodeError):
    """A value does not fit into the space that the protocol gives it (a block, a padded body)."""


class UnsupportedVersion(EncodeError):
    """The agreed protocol version does not have this command, or not this form of it."""


# --- cryptography -------------------------------------------------------------------------------


class CryptoError(SimplexError):
    """A cryptographic check failed."""


class DecryptionFailed(CryptoError):
    """A ciphertext is not authentic: wrong key, wrong nonce, or tampered with."""


class SignatureInvalid(CryptoError):
    """A signature or an authenticator does not match."""


class CertificateError(CryptoError):
    """A chain of certificates proves nothing."""


class CertificateInvalid(CertificateError):
    """A certificate is not signed by the next in its chain, or says that it must not be used so."""


class CertificateExpired(CertificateError):
    """A certificate is used outside its dates: not any more, or not yet."""


class ChainTooLong(CertificateError, DecodeError):
    """A chain has more certificates than the protocol allows; no decoder returns one."""


# --- connecting ---------------------------------------------------------------------------------


class ConnectError(SimplexError):
    """No connection came about, and nothing secret was sent.

    Most of these may pass by themselves: networks come back, captive portals stop answering in the
    name of others, operators renew certificates.
    """

    retryable = True


class NoSuitableHost(ConnectError):
    """The configuration excludes all hosts of the address."""

    retryable = False


class SocksSupportMissing(ConnectError):
    """A SOCKS proxy is configured, and the package that speaks to it is not installed."""

    retryable = False


class DialFailed(ConnectError):
    """No host of the address answered, or its name has no address."""


class ProxyRefused(ConnectError):
    """The SOCKS proxy cannot be reached, does not let us in, or cannot reach the host."""


class ConnectTimeout(ConnectError, TimeoutError):
    """The connection was not there in time."""


class TLSFailed(ConnectError):
    """The two sides could not agree on a TLS session, or one of them gave up."""


class WrongIdentity(TLSFailed):
    """Whoever answered is not the server that the address names."""


class PeerCertificateExpired(TLSFailed, CertificateExpired):
    """The other side of a connection shows a certificate outside its dates."""


class PeerCertificateInvalid(TLSFailed, CertificateInvalid):
    """The other side of a connection shows certificates that do not vouch for each other."""


class PeerChainTooLong(TLSFailed, ChainTooLong):
    """The other side of a connection shows more certificates than the protocol allows."""


# --- handshakes ---------------------------------------------------------------------------------


class HandshakeFailed(ConnectError):
    """The two sides did not agree; the connection is of no use."""

    retryable = False


class HungUp(HandshakeFailed):
    """The other side closed the connection during the handshake, without a word."""

    retryable = True


class MalformedHello(HandshakeFailed):
    """The other side's part of the handshake cannot be read."""


class NoCommonVersion(HandshakeFailed):
    """There is no protocol version that both sides speak."""


class SessionMismatch(HandshakeFailed):
    """The other side sees another TLS session than we do: somebody sits in between."""


class IdentityMismatch(HandshakeFailed):
    """The client looks for a router with another identity."""


class SessionKeyUnproven(HandshakeFailed):
    """A session key is missing, or not signed by the certificate that vouches for it."""


class ServiceRefused(HandshakeFailed):
    """The router does not accept the service's certificate in this role."""


# --- requests -----------------------------------------------------------------------------------


class ConnectionLost(SimplexError, ConnectionError):
    """The connection is gone, so the answer to this request will never come.

    ``__cause__`` is the one reason for which it ended, the same for every caller.
    """

    retryable = True


class SlowConsumer(SimplexError):
    """Too many bytes of events were left unread; unacknowledged messages will come again."""

    retryable = True


class RouterSilent(SimplexError):
    """Several requests in a row had no answer, and nothing else came for a long time."""

    retryable = True


class RequestTimeout(SimplexError, TimeoutError):
    """No answer came in time; it may still come, as an event."""

    retryable = True


class ServiceUnavailable(SimplexError):
    """A service's command was given to a connection that is not that service's."""


class UnexpectedResponseError(SimplexError):
    """The router's answer does not fit the request: another entity, or another kind of message."""


class MalformedResponse(SimplexError):
    """The router's answer to this request cannot be read; ``__cause__`` says what is wrong."""


# --- the router's store -------------------------------------------------------------------------


class StoreError(SimplexError):
    """The place where a router keeps its queues cannot do what it is asked; nothing was changed."""


class StoreUnavailable(StoreError):
    """The medium refuses to be read or written just now; what was committed is not affected."""

    retryable: bool = True


class StoreFull(StoreUnavailable):
    """There is no room for what is to be written."""


class StoreLocked(StoreUnavailable):
    """Another process has the store open."""


class StoreConflict(StoreError, ValueError):
    """A change contradicts what is in the store."""


class StoreForeign(StoreError):
    """What is at the store's path is not a store, or one of a later version of this package."""


class StoreCorrupted(StoreError):
    """What is in the store cannot be what was written there.

    ``place`` says where: a table and a row, or what the check of the whole file has found.
    """

    def __init__(self, place: str) -> None:
        super().__init__(f"the store is damaged: {place}")
        self.place = place
