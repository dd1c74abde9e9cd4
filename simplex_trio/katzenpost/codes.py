"""What the numbers in the field ``error_code`` stand for.  Pure.

There are two lists of them.  Most answers use the daemon's own.  The answer to an operation on a
box uses the storage replicas' list for 1 to 11 and the daemon's from there on, except that the
daemon also puts its own 3 and 4 in there, which nothing tells from the replicas' 3 and 4.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["DaemonCode", "ReplicaCode"]


class DaemonCode(IntEnum):
    """Why the daemon refuses a request, or what the courier told it."""

    CONNECTION_LOST = 1
    TIMEOUT = 2
    INVALID_REQUEST = 3
    INTERNAL_ERROR = 4
    MAX_RETRIES = 5
    INVALID_CHANNEL = 6
    CHANNEL_NOT_FOUND = 7
    PERMISSION_DENIED = 8
    INVALID_PAYLOAD = 9
    SERVICE_UNAVAILABLE = 10
    DUPLICATE_CAPABILITY = 11
    COURIER_CACHE_CORRUPTION = 12
    COURIER_PROPAGATION_ERROR = 13
    INVALID_WRITE_CAPABILITY = 14
    INVALID_READ_CAPABILITY = 15
    INVALID_RESUME_WRITE = 16
    INVALID_RESUME_READ = 17
    IMPOSSIBLE_HASH = 18
    IMPOSSIBLE_WRITE_CAPABILITY = 19
    IMPOSSIBLE_STATEFUL_WRITER = 20
    CAPABILITY_IN_USE = 21
    MKEM_DECRYPTION_FAILED = 22
    BACAP_DECRYPTION_FAILED = 23
    CANCELLED = 24
    INVALID_TOMBSTONE_SIGNATURE = 25
    COPY_FAILED = 26
    PAYLOAD_TOO_LARGE = 27
    VOUCHER_HASH_MISMATCH = 28
    VOUCHER_SIGNATURE_INVALID = 29
    VOUCHER_SEAL_OPEN_FAILED = 30
    COURIER_INVALID_ENVELOPE = 31
    COURIER_INVALID_EPOCH = 32


class ReplicaCode(IntEnum):
    """What a storage replica says about a box."""

    BOX_NOT_FOUND = 1
    INVALID_BOX_ID = 2
    INVALID_SIGNATURE = 3
    DATABASE_FAILURE = 4
    INVALID_PAYLOAD = 5
    STORAGE_FULL = 6
    INTERNAL_ERROR = 7
    INVALID_EPOCH = 8
    REPLICATION_FAILED = 9
    BOX_ALREADY_EXISTS = 10
    TOMBSTONE = 11
