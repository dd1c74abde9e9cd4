"""The exceptions of the thin client, which are all `SimplexError`.

An error that was answered with a code is a `CodedError` and says who it comes from: the daemon
itself (`DaemonError`), a courier (`CourierError`) or a storage replica (`ReplicaError`).  Where the
protocol does not tell, the error is both (`AmbiguousError`).  `CodedError.expected` marks answers
that are no failures: the box is empty, taken, or deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from simplex_trio.errors import (
    ConnectError,
    ConnectionLost,
    CryptoError,
    HandshakeFailed,
    SimplexError,
    TooLarge,
)
from simplex_trio.katzenpost.codes import DaemonCode, ReplicaCode

__all__ = [
    "AmbiguousError",
    "AnswerTooLate",
    "BoxAlreadyExists",
    "BoxNotFound",
    "BoxTombstoned",
    "CborSupportMissing",
    "ClientClosed",
    "CodedError",
    "ConfigError",
    "CopyFailed",
    "CourierError",
    "DaemonAway",
    "DaemonError",
    "DaemonHangsUp",
    "EnvelopeUnreadable",
    "IncompatibleDaemon",
    "KatzenpostError",
    "MessageNotSent",
    "MixnetOffline",
    "NoDocument",
    "NoSuchService",
    "OperationCancelled",
    "OperationInProgress",
    "PayloadTooLarge",
    "ReplicaError",
    "ReplyLost",
    "StaleEnvelope",
    "box_error",
    "copy_error",
    "daemon_error",
]


class KatzenpostError(SimplexError):
    """Base of the errors that only the thin client raises."""


# --- before and around connections --------------------------------------------------------------


class ConfigError(KatzenpostError, ValueError):
    """The configuration file does not say how to reach a daemon."""


class CborSupportMissing(ConnectError):
    """The package that reads and writes CBOR is not installed."""

    retryable = False


class IncompatibleDaemon(HandshakeFailed):
    """The peer does not speak the protocol of the daemon."""


class DaemonAway(ConnectionLost):
    """There is no connection to the daemon now; the client is reconnecting."""


class DaemonHangsUp(ConnectionLost):
    """The daemon repeatedly hung up on this request, after it had answered earlier ones.

    Either it cannot read the request, so that a retry does not help, or it sends malformed messages
    each time.  Connections that end for other reasons do not count.
    """

    retryable = False


class ClientClosed(ConnectionLost):
    """The client was closed by this program."""

    retryable = False


class AnswerTooLate(KatzenpostError, TimeoutError):
    """The service did not reply in time; if the packet was lost, it never will."""

    retryable = True


class ReplyLost(KatzenpostError):
    """The daemon has forgotten the reply block, so that no reply can reach us any more."""

    retryable = True


class MixnetOffline(KatzenpostError):
    """The daemon is not connected to the mixnet, and this cannot wait until it is."""

    retryable = True


class MessageNotSent(KatzenpostError):
    """The daemon could not send a message into the mixnet: a bad destination, most likely."""


class NoDocument(KatzenpostError, LookupError):
    """The daemon has no consensus document, or not that of this epoch."""

    retryable = True


class NoSuchService(KatzenpostError, LookupError):
    """No node of the consensus document has a service of this name."""


class OperationInProgress(KatzenpostError, ValueError):
    """The same envelope, or the same copy command, is being resent already."""


# --- what was answered --------------------------------------------------------------------------


class CodedError(KatzenpostError):
    """An answer with an error code.

    ``code`` is the number as it came: a `DaemonCode`, a `ReplicaCode`, or a plain `int` if no list
    has it.
    """

    expected: ClassVar[bool] = False
    """Whether this is one of the ordinary outcomes of the operation."""

    def __init__(self, code: int, meaning: str | None = None) -> None:
        super().__init__(meaning or f"{self._speaker}: {_words(code)}")
        self.code = code

    _speaker: ClassVar[str] = "the daemon"


class DaemonError(CodedError):
    """The daemon refuses a request, or could not do it."""

    def __init__(self, code: int, meaning: str | None = None) -> None:
        super().__init__(code, meaning)
        self.retryable: bool = code in _PASSING_AT_DAEMON


class OperationCancelled(DaemonError):
    """The operation was cancelled; whether it had taken effect before is not known."""

    def __init__(self, code: int = DaemonCode.CANCELLED) -> None:
        super().__init__(code, "the operation was cancelled")


class PayloadTooLarge(DaemonError, TooLarge):
    """The daemon finds a payload too large."""


class EnvelopeUnreadable(DaemonError, CryptoError):
    """The content of a box cannot be decrypted, or a tombstone's signature is forged."""


class CopyFailed(DaemonError):
    """A courier gave up a copy command.

    ``failed_envelope`` counts the envelopes of the stream from 1, and 0 stands for none;
    ``replica_code`` is what a replica said about that one, or `None`.  Earlier envelopes have been
    written and stay.
    """

    def __init__(self, replica_code: int | None, failed_envelope: int) -> None:
        reason = "no reason given" if replica_code is None else _words(replica_code)
        meaning = f"the courier stopped at envelope {failed_envelope}: {reason}"
        super().__init__(DaemonCode.COPY_FAILED, meaning)
        self.replica_code = replica_code
        self.failed_envelope = failed_envelope


class CourierError(CodedError):
    """A courier refuses an envelope, or could not pass it on."""

    _speaker = "the courier"

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.retryable: bool = code == DaemonCode.COURIER_PROPAGATION_ERROR


class StaleEnvelope(CourierError):
    """The envelope was encrypted too long ago; encrypt it again."""


class ReplicaError(CodedError):
    """A storage replica refuses to read or write a box."""

    _speaker = "the storage replica"

    def __init__(self, code: int, meaning: str | None = None) -> None:
        super().__init__(code, meaning)
        self.retryable: bool = code in _PASSING_AT_REPLICA


class BoxNotFound(ReplicaError):
    """Nothing has been written to the box, yet."""

    expected = True


class BoxAlreadyExists(ReplicaError):
    """Something else has been written to the box."""

    expected = True


class BoxTombstoned(ReplicaError):
    """What was in the box has been deleted."""

    expected = True


class AmbiguousError(ReplicaError, DaemonError):
    """A replica's error or the daemon's own: the protocol has one number for both.

    ``readings`` are the two things that it may mean.
    """

    def __init__(self, code: int) -> None:
        self.readings: tuple[ReplicaCode, DaemonCode] = (ReplicaCode(code), DaemonCode(code))
        at_replica, at_daemon = map(_words, self.readings)
        meaning = f"the storage replica: {at_replica}; or the daemon: {at_daemon}"
        super().__init__(code, meaning)
        self.retryable: bool = code == DaemonCode.INTERNAL_ERROR


_PASSING_AT_DAEMON = frozenset(
    {
        DaemonCode.CONNECTION_LOST,
        DaemonCode.TIMEOUT,
        DaemonCode.INTERNAL_ERROR,  # which is also that there is no consensus document yet
        DaemonCode.MAX_RETRIES,
        DaemonCode.SERVICE_UNAVAILABLE,
    }
)

_PASSING_AT_REPLICA = frozenset(
    {
        ReplicaCode.BOX_NOT_FOUND,
        ReplicaCode.DATABASE_FAILURE,
        ReplicaCode.STORAGE_FULL,
        ReplicaCode.INTERNAL_ERROR,
        ReplicaCode.REPLICATION_FAILED,
    }
)


def _words(code: int) -> str:
    if isinstance(code, DaemonCode | ReplicaCode):
        return code.name.lower().replace("_", " ")
    return f"error {code}"


_OF_REPLICAS: dict[int, type[ReplicaError]] = {
    ReplicaCode.BOX_NOT_FOUND: BoxNotFound,
    ReplicaCode.BOX_ALREADY_EXISTS: BoxAlreadyExists,
    ReplicaCode.TOMBSTONE: BoxTombstoned,
}

_OF_DAEMONS: dict[int, Callable[[int], CodedError]] = {
    DaemonCode.COURIER_CACHE_CORRUPTION: CourierError,
    DaemonCode.COURIER_PROPAGATION_ERROR: CourierError,
    DaemonCode.MKEM_DECRYPTION_FAILED: EnvelopeUnreadable,
    DaemonCode.BACAP_DECRYPTION_FAILED: EnvelopeUnreadable,
    DaemonCode.CANCELLED: OperationCancelled,
    DaemonCode.INVALID_TOMBSTONE_SIGNATURE: EnvelopeUnreadable,
    DaemonCode.PAYLOAD_TOO_LARGE: PayloadTooLarge,
    DaemonCode.COURIER_INVALID_ENVELOPE: CourierError,
    DaemonCode.COURIER_INVALID_EPOCH: StaleEnvelope,
}


def daemon_error(code: int) -> CodedError:
    """The error for a code of the daemon's own list."""
    return _OF_DAEMONS.get(code, DaemonError)(_known(DaemonCode, code))


def box_error(code: int) -> CodedError:
    """The error for a code that answers an operation on a box."""
    if code in (DaemonCode.INVALID_REQUEST, DaemonCode.INTERNAL_ERROR):
        return AmbiguousError(code)
    replica_code = _known(ReplicaCode, code)
    if isinstance(replica_code, ReplicaCode):
        return _OF_REPLICAS.get(code, ReplicaError)(replica_code)
    return daemon_error(code)


def copy_error(code: int, replica_code: int, failed_envelope: int) -> CodedError:
    """The error for a code that answers a copy command."""
    if code != DaemonCode.COPY_FAILED:
        return daemon_error(code)
    named = _known(ReplicaCode, replica_code) if replica_code else None
    return CopyFailed(named, failed_envelope)


def _known(codes: type[DaemonCode] | type[ReplicaCode], code: int) -> int:
    try:
        return codes(code)
    except ValueError:
        return code
