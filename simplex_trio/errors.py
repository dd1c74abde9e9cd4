"""The exceptions of simplex_trio: the trunk of one tree.

Failures outside the program are a `SimplexError`; XFTP and Katzenpost have branches of their own.
Mistakes of the program are a `ValueError` or a `RuntimeError`.  Errors chain their cause
(``raise ... from ...``), carry the wire code if there is one, and say whether retrying can help
(`SimplexError.retryable`).  No message contains a key, a queue id, an address or a message body,
because errors end up in logs.

`ValueError` is a second base where the caller or the peer supplied an invalid value, so that code
that knows nothing of this package still handles it sensibly.
"""

from __future__ import annotations

import os
from typing import TypeVar

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
    "EncryptionSupportMissing",
    "HandshakeFailed",
    "HungUp",
    "IdentityMismatch",
    "MalformedHello",
    "MalformedResponse",
    "NetworkLost",
    "NoCommonVersion",
    "NoSuitableHost",
    "NotAService",
    "PeerCertificateExpired",
    "PeerCertificateInvalid",
    "PeerChainTooLong",
    "PostgresSupportMissing",
    "ProxyRefused",
    "RequestTimeout",
    "RouterSilent",
    "ServiceRefused",
    "SessionKeyUnproven",
    "SessionMismatch",
    "SignatureInvalid",
    "SimplexError",
    "SlowConsumer",
    "SocksSupportMissing",
    "StoreConflict",
    "StoreCorrupted",
    "StoreError",
    "StoreFenced",
    "StoreForeign",
    "StoreFull",
    "StoreIncomplete",
    "StoreKeyWrong",
    "StoreLocked",
    "StoreLost",
    "StoreOutcomeUnknown",
    "StoreUnavailable",
    "TLSFailed",
    "TooLarge",
    "UnexpectedResponseError",
    "UnsupportedVersion",
    "WrongIdentity",
    "copy_of",
    "safe_text",
    "without_traceback",
]


class SimplexError(Exception):
    """Base of everything that simplex_trio raises on purpose."""

    retryable: bool = False
    """Whether the same call may succeed later without the program changing anything."""


# --- bytes and values ---------------------------------------------------------------------------


class DecodeError(SimplexError, ValueError):
    """Bytes from outside are malformed; the only error that a decoder raises."""


class EncodeError(SimplexError, ValueError):
    """A value cannot be encoded in the protocol; nothing has been sent."""


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
    """A certificate is not signed by the next in its chain, or not valid for this use."""


class CertificateExpired(CertificateError):
    """A certificate has expired, or is not valid yet."""


class ChainTooLong(CertificateError, DecodeError):
    """A chain has more certificates than the protocol allows; no decoder returns one."""


# --- connecting ---------------------------------------------------------------------------------


class ConnectError(SimplexError):
    """Connecting failed, and nothing secret was sent.

    Most of these errors can pass by themselves: networks come back, captive portals go away,
    operators renew certificates.
    """

    retryable = True


class NoSuitableHost(ConnectError):
    """The configuration excludes all hosts of the address."""

    retryable = False


class SocksSupportMissing(ConnectError):
    """A SOCKS proxy is configured, and the package that speaks to it is not installed."""

    retryable = False


class NetworkLost(ConnectError):
    """The program has said that there is no network, or has paused the agent; nothing was tried."""


class DialFailed(ConnectError):
    """No host of the address answered, or its name has no address."""


class ProxyRefused(ConnectError):
    """The SOCKS proxy cannot be reached, refuses us, or cannot reach the host."""


class ConnectTimeout(ConnectError, TimeoutError):
    """Connecting took too long."""


class TLSFailed(ConnectError):
    """The two sides could not agree on a TLS session, or one of them gave up."""


class WrongIdentity(TLSFailed):
    """The server that answered is not the one in the address."""


class PeerCertificateExpired(TLSFailed, CertificateExpired):
    """The peer presented a certificate that has expired or is not valid yet."""


class PeerCertificateInvalid(TLSFailed, CertificateInvalid):
    """The peer presented a chain of certificates that is not valid."""


class PeerChainTooLong(TLSFailed, ChainTooLong):
    """The peer presented more certificates than the protocol allows."""


# --- handshakes ---------------------------------------------------------------------------------


class HandshakeFailed(ConnectError):
    """The handshake failed, so the connection cannot be used."""

    retryable = False


class HungUp(HandshakeFailed):
    """The peer closed the connection during the handshake."""

    retryable = True


class MalformedHello(HandshakeFailed):
    """The peer's part of the handshake is malformed."""


class NoCommonVersion(HandshakeFailed):
    """There is no protocol version that both sides speak."""


class SessionMismatch(HandshakeFailed):
    """The peer sees another TLS session than we do: there is a man in the middle."""


class IdentityMismatch(HandshakeFailed):
    """The client expects a router with another identity."""


class SessionKeyUnproven(HandshakeFailed):
    """A session key is missing, or not signed by the router's certificate."""


class ServiceRefused(HandshakeFailed):
    """The router does not accept the service's certificate in this role."""


# --- requests -----------------------------------------------------------------------------------


class ConnectionLost(SimplexError, ConnectionError):
    """The connection has ended, so this request will not be answered.

    ``__cause__`` is the reason, which is the same for every caller.
    """

    retryable = True


class SlowConsumer(SimplexError):
    """Too many bytes of events were unread; unacknowledged messages are redelivered."""

    retryable = True


class RouterSilent(SimplexError):
    """Several requests in a row timed out, and nothing else was received for a long time."""

    retryable = True


class RequestTimeout(SimplexError, TimeoutError):
    """There was no answer in time; it may still arrive, as an event."""

    retryable = True


class NotAService(SimplexError):
    """A service's command was sent on a connection that does not belong to the service."""


class UnexpectedResponseError(SimplexError):
    """The router's answer does not fit the request: another entity, or another kind of message."""


class MalformedResponse(SimplexError):
    """The router's answer to this request cannot be decoded; ``__cause__`` says why."""


# --- stores and files ---------------------------------------------------------------------------


class StoreError(SimplexError):
    """A store, or a file, cannot do what it was asked to; nothing has changed."""


class StoreUnavailable(StoreError):
    """A store or a file cannot be read or written now; earlier commits are not affected.

    ``__cause__`` is the system's reason.  ``retryable`` is false where waiting does not help, as
    with a file that is missing.
    """

    retryable: bool = True


class StoreFull(StoreUnavailable):
    """There is no space left for the change."""

    retryable = True


class StoreLocked(StoreUnavailable):
    """Another process has the store open."""


class StoreLost(StoreError):
    """This process may not use the store any more: what it knows may not be what is stored.

    A router ends with this error; started again, it reads what is stored.
    """


class StoreFenced(StoreLost):
    """Another process has taken the store over."""


class StoreOutcomeUnknown(StoreLost):
    """The connection to the database was lost, and it cannot be told whether a commit happened."""


class PostgresSupportMissing(StoreError):
    """The store is in a database of PostgreSQL, and the package that speaks to it is missing."""


class StoreConflict(StoreError, ValueError):
    """A change contradicts what is in the store."""


class StoreForeign(StoreError):
    """The file is not a store, or was written by a later version of this package."""


class StoreKeyWrong(StoreError):
    """The store is encrypted with another key; or it is encrypted and no key was given, or not."""


class EncryptionSupportMissing(StoreError):
    """A key is given for a store, and the package that encrypts is not installed."""


class StoreCorrupted(StoreError):
    """The contents of a store are damaged.

    ``place`` says where: a table and a row, or the finding of the check of the whole file.
    """

    def __init__(self, place: str) -> None:
        super().__init__(f"the store is damaged: {place}")
        self.place = place


class StoreIncomplete(StoreCorrupted):
    """The last commits of the store are missing, or it cannot be told whether any are.

    ``commits`` says how many at least, where that is known.  What is left is whole: the store can
    be opened by who accepts the loss.

    A backup that takes the place of its store is such a store: what came after it is missing.
    Where the store has the state of encrypted connections, accepting that is dangerous: both sides
    of a connection count on the same state, and keys that were used would be used again.
    """

    def __init__(self, place: str, commits: int | None) -> None:
        lost = "it is not known whether commits are lost"
        if commits:
            lost = f"the last {commits} commits or more are lost"
        super().__init__(f"{place}; {lost}")
        self.commits = commits


ErrorT = TypeVar("ErrorT", bound=BaseException)


def without_traceback(error: ErrorT) -> ErrorT:
    """``error``, to be kept, without its traceback and those of the errors behind it.

    A traceback holds the frames that the error has come through, and they all that they were at.
    What keeps the reason of its own end would be kept by it, in a circle that only the garbage
    collector breaks.
    """
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = None
        waiting += (each.__cause__, each.__context__)
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
    return error


def safe_text(error: BaseException) -> str:
    """The text of an error, for logs and other errors, as far as it cannot have a secret in it.

    Errors of this package and of Trio have none.  Of others, which may be bugs with an id or an
    address in their text, it is the system's text, or the name of the type.
    """
    if isinstance(error, SimplexError) or type(error).__module__.partition(".")[0] == "trio":
        return str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return type(error).__name__


def copy_of(error: ErrorT) -> ErrorT:
    """An error like ``error``, with the same cause, to raise to one of several callers.

    An exception that is raised gets a traceback of where it went, which is of no concern to the
    other callers, and which would live as long as the exception.
    """
    copied = type(error).__new__(type(error), *error.args)
    copied.args = error.args
    copied.__dict__.update(error.__dict__)
    copied.__cause__, copied.__context__ = error.__cause__, error.__context__
    copied.__suppress_context__ = error.__suppress_context__
    return copied
