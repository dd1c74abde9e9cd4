"""Addresses of SMP queues, as one party gives them to another: as text and in binary form.

A `QueueURI` is an invitation and names the range of *client* versions that its author understands
(these versions are of the messages between clients, not of SMP).  A `VersionedQueue` answers in one
version.  What a version has no room for is left out, so that reading back may give less than was
written:

- version 1 has one host in the server's address; the text puts the others behind it (``srv=``);
- version 2 has all hosts;
- version 3 says whether the sender may secure the queue;
- version 4 says in its place which kind of queue it is.

The last of these is optional in binary, and nothing marks where a queue ends, so that a byte of
what follows could be taken for it: `VersionedQueue.ends_before` says whether it would be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias, final

from attrs import field
from attrs.validators import and_, max_len, optional

from simplex_trio.crypto.keys import X25519PublicKey
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.buffer import Reader, boolean, short, word16
from simplex_trio.wire.hosts import Host, parse_hosts
from simplex_trio.wire.presets import with_known_onion_host
from simplex_trio.wire.queries import (
    Query,
    parse_version_range,
    query_text,
    version_range_text,
)
from simplex_trio.wire.smp.new_queue import QueueMode
from simplex_trio.wire.text import from_base64url, to_base64url
from simplex_trio.wire.versions import VersionRange

__all__ = ["QueueAddress", "QueueURI", "SMPClientVersion", "VersionedQueue"]

_MAX_SHORT = 0xFF


_Modes: TypeAlias = Mapping[bytes, QueueMode]

# The last byte is optional, and what follows a queue may begin with any.  So only what a version
# may have written is read in it: a letter, a flag, the flag only if it says yes, or nothing.
_LETTERS: _Modes = MappingProxyType({mode.value: mode for mode in QueueMode})
_FLAGS: _Modes = MappingProxyType({b"T": QueueMode.MESSAGING, b"F": QueueMode.CONTACT})
_YES: _Modes = MappingProxyType({b"T": QueueMode.MESSAGING})
_NO_MODE: _Modes = MappingProxyType({})


class SMPClientVersion:
    """What each version of the messages between SMP clients brought."""

    FIRST = 1
    SERVER_HOSTS = 2
    SENDER_SECURES = 3
    SHORT_LINKS = 4


@frozen(repr=False)
class QueueAddress(Redacted):
    """What is needed to send to a queue, and to agree on a secret with its recipient."""

    server: ServerAddress = field(validator=instance_of(ServerAddress))
    sender_id: bytes = field(validator=and_(instance_of(bytes), max_len(_MAX_SHORT)))
    dh_key: X25519PublicKey = field(validator=instance_of(X25519PublicKey))
    mode: QueueMode | None = field(default=None, validator=optional(instance_of(QueueMode)))
    """`None` if the author's version does not say."""

    def __attrs_post_init__(self) -> None:
        if self.server.protocol is not ServerProtocol.SMP:
            raise ValueError("queues are on SMP servers")

    @property
    def sender_secures(self) -> bool:
        """Whether the sender may secure the queue."""
        return self.mode is QueueMode.MESSAGING

    def _encode(self) -> bytes:
        return self.server.encode() + self._after_server()

    def _encode_legacy(self) -> bytes:
        return self.server.encode_legacy() + self._after_server()

    def _after_server(self) -> bytes:
        return short(self.sender_id) + short(self.dh_key.der)

    def _mode_letter(self) -> bytes:
        return b"" if self.mode is None else self.mode.value

    @classmethod
    def _decode(
        cls,
        reader: Reader,
        modes: _Modes,
        server: Callable[[Reader], ServerAddress] = ServerAddress.decode,
    ) -> QueueAddress:
        address = server(reader)
        sender_id = reader.short()
        key = X25519PublicKey.from_der(reader.short())
        mode = modes.get(reader.peek())
        if mode is not None:
            reader.take(1)
        return cls(address, sender_id, key, mode)


@final
@frozen(repr=False)
class QueueURI(Redacted):
    """A queue as it is offered; ``str(uri)`` is the text to pass on."""

    client_versions: VersionRange = field(validator=instance_of(VersionRange))
    queue: QueueAddress = field(validator=instance_of(QueueAddress))

    def at_version(self, client_version: int) -> VersionedQueue:
        """The same queue in one version, which the caller has chosen from both sides' ranges."""
        return VersionedQueue(client_version, self.queue)

    def __str__(self) -> str:
        versions, queue = self.client_versions, self.queue
        server = queue.server
        lowest = versions.lowest
        parameters = [
            ("v", version_range_text(versions)),
            ("dh", to_base64url(queue.dh_key.der)),
        ]
        if queue.mode is not None:
            parameters.append(("q", queue.mode.value.decode().lower()))
        if queue.sender_secures and lowest < SMPClientVersion.SHORT_LINKS:
            parameters.append(("k", "s"))
        if lowest >= SMPClientVersion.SERVER_HOSTS:
            place = str(server)
        else:
            place = server.first_host_text
            if more := server.hosts[1:]:
                parameters.append(("srv", ",".join(map(str, more))))
        return f"{place}/{to_base64url(queue.sender_id)}#/?{query_text(parameters)}"

    @classmethod
    def parse(cls, text: str) -> QueueURI:
        """Read the address of a queue in any of its forms; `DecodeError` if it is none."""
        found = _QUEUE_URI.fullmatch(text)
        if found is None:
            raise DecodeError("not the address of a queue")
        server = ServerAddress.parse(found["server"])
        key, query = found["key"], found["query"]
        if query is None:
            if key is None:
                raise DecodeError("the address of a queue without a key")
            versions = VersionRange(SMPClientVersion.FIRST, SMPClientVersion.FIRST)
            more_hosts: tuple[Host, ...] = ()
            mode = None
        else:
            parameters = Query(query)
            versions = parse_version_range(parameters.required("v"))
            key = key if key is not None else parameters.required("dh")
            more_hosts = _more_hosts(parameters.get("srv") or "")
            mode = _mode(parameters)
        try:
            server = ServerAddress(
                server.protocol, server.hosts + more_hosts, server.port, server.key_hash
            )
            if versions.highest < SMPClientVersion.SERVER_HOSTS:
                server = with_known_onion_host(server)
            dh_key = X25519PublicKey.from_der(from_base64url(key))
            sender_id = from_base64url(found["sender_id"])
            return cls(versions, QueueAddress(server, sender_id, dh_key, mode))
        except ValueError as exc:
            raise DecodeError("the address of a queue with a part that cannot be right") from exc

    def encode(self) -> bytes:
        encoded = self.client_versions.encode() + self.queue._encode()
        lowest, highest = self.client_versions.lowest, self.client_versions.highest
        if lowest >= SMPClientVersion.SHORT_LINKS:
            return encoded + self.queue._mode_letter()
        secures = self.queue.sender_secures
        # Readers of version 2 know nothing of it, so it is written to them only if it says yes.
        if lowest >= SMPClientVersion.SENDER_SECURES or (
            highest >= SMPClientVersion.SENDER_SECURES and secures
        ):
            return encoded + boolean(secures)
        return encoded

    @classmethod
    def decode(cls, reader: Reader) -> QueueURI:
        versions = VersionRange.decode(reader)
        if versions.lowest >= SMPClientVersion.SHORT_LINKS:
            modes = _LETTERS
        elif versions.lowest >= SMPClientVersion.SENDER_SECURES:
            modes = _FLAGS
        elif versions.highest >= SMPClientVersion.SENDER_SECURES:
            modes = _YES
        else:
            modes = _NO_MODE
        return cls(versions, QueueAddress._decode(reader, modes))


@final
@frozen(repr=False)
class VersionedQueue(Redacted):
    """A queue in one version, as it is sent in reply."""

    client_version: int = field(validator=instance_of(int))
    queue: QueueAddress = field(validator=instance_of(QueueAddress))

    def encode(self) -> bytes:
        version, queue = word16(self.client_version), self.queue
        if self.client_version < SMPClientVersion.SERVER_HOSTS:
            return version + queue._encode_legacy()
        encoded = version + queue._encode()
        if self.client_version >= SMPClientVersion.SHORT_LINKS:
            return encoded + queue._mode_letter()
        if self.client_version >= SMPClientVersion.SENDER_SECURES and queue.sender_secures:
            return encoded + boolean(True)
        return encoded

    def ends_before(self, following: bytes) -> bool:
        """Whether a reader stops where this queue ends, if ``following`` comes after it.

        It does not if the queue is written without its mode and ``following`` begins like one.
        """
        version, mode = self.client_version, self.queue.mode
        if version >= SMPClientVersion.SHORT_LINKS:
            return mode is not None or following[:1] not in _LETTERS
        if version >= SMPClientVersion.SENDER_SECURES:
            return mode is QueueMode.MESSAGING or following[:1] not in _YES
        return True

    @classmethod
    def decode(cls, reader: Reader) -> VersionedQueue:
        version = reader.word16()
        if version >= SMPClientVersion.SHORT_LINKS:
            return cls(version, QueueAddress._decode(reader, _LETTERS))
        if version >= SMPClientVersion.SENDER_SECURES:
            return cls(version, QueueAddress._decode(reader, _YES))
        if version >= SMPClientVersion.SERVER_HOSTS:
            return cls(version, QueueAddress._decode(reader, _NO_MODE))
        return cls(version, QueueAddress._decode(reader, _NO_MODE, _legacy_server))


def _legacy_server(reader: Reader) -> ServerAddress:
    return with_known_onion_host(ServerAddress.decode_legacy(reader))


_QUEUE_URI = re.compile(
    r"(?P<server>smp://[^/]*)/(?P<sender_id>[0-9A-Za-z_-]+=*)/?"
    r"#(?P<key>[0-9A-Za-z_-]+=*)?(?:/?\?(?P<query>[^ \n]*))?"
)


def _more_hosts(text: str) -> tuple[Host, ...]:
    if not text:
        return ()
    hosts, end = parse_hosts(text)
    if end != len(text):
        raise DecodeError("something follows the hosts")
    return hosts


def _mode(parameters: Query) -> QueueMode | None:
    match parameters.get("q"):
        case "m":
            return QueueMode.MESSAGING
        case "c":
            return QueueMode.CONTACT
        case _:
            return QueueMode.MESSAGING if parameters.get("k") == "s" else None
