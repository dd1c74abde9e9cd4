"""`FileServerLog`: the packets in the store log of the reference's server for files.  Pure.

Its log has a line for each change since it was compacted, which the server does when it starts; the
lines are replayed as it replays them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from attrs import define, field

from simplex_trio.crypto.keys import AuthPublicKey
from simplex_trio.errors import DecodeError
from simplex_trio.redaction import Redacted
from simplex_trio.serving.server_text import Fields, key, octets
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.text import decimal
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.wire.xftp.errors import Blocked, decode_xftp_error

__all__ = ["FileServerLog", "LoggedPacket"]

_HOUR: Final = 3600
_LARGEST: Final = 2**32 - 1
_DIGEST_SIZE: Final = 32


@define(repr=False)
class LoggedPacket(Redacted):
    """A packet, as far as the log goes."""

    sender_id: bytes
    info: PacketInfo
    created_hour: int
    blocked: Blocked | None = None
    body_path: str | None = None
    """Where the server has the body, if it has it."""
    recipients: dict[bytes, AuthPublicKey] = field(factory=dict)


class FileServerLog:
    """What the lines of a store log leave; feed it one after the other."""

    def __init__(self) -> None:
        self._packets: dict[bytes, LoggedPacket] = {}
        self._recipients: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._packets)

    def __iter__(self) -> Iterator[LoggedPacket]:
        return iter(self._packets.values())

    def feed(self, line: bytes) -> None:
        """Replay one line; raises `DecodeError` if it is none of a store log."""
        fields = Fields(line)
        match fields.text():
            case "FNEW":
                self._add(_read_packet(fields))
            case "FADD":
                sender_id, recipients = fields.octets(), _read_recipients(fields.text())
                fields.end()
                self._add_recipients(sender_id, recipients)
            case "FPUT":
                sender_id, path = fields.octets(), fields.octets()
                fields.end()
                packet = self._packets.get(sender_id)
                if packet is not None and packet.body_path is None:
                    packet.body_path = path.decode("utf-8", "surrogateescape")
            case "FBLK":
                sender_id, blocked = fields.octets(), _read_blocked(fields.text())
                fields.end()
                if (packet := self._packets.get(sender_id)) is not None:
                    packet.blocked = blocked
            case "FDEL":
                sender_id = fields.octets()
                fields.end()
                self._delete(sender_id)
            case "FACK":
                recipient_id = fields.octets()
                fields.end()
                owner = self._recipients.pop(recipient_id, None)
                if owner is not None:
                    del self._packets[owner].recipients[recipient_id]
            case _:
                raise DecodeError("a line of an unknown kind")

    def _add(self, packet: LoggedPacket) -> None:
        # Two have the same id only where the server was told the same twice, and then the first
        # counts; it takes no empty packets.
        if packet.info.size:
            self._packets.setdefault(packet.sender_id, packet)

    def _add_recipients(self, sender_id: bytes, recipients: Mapping[bytes, AuthPublicKey]) -> None:
        packet = self._packets.get(sender_id)
        if packet is None:
            return
        for recipient_id, recipient_key in recipients.items():
            if recipient_id in self._recipients:
                return  # as the server does, which then leaves out the rest of the line
            packet.recipients[recipient_id] = recipient_key
            self._recipients[recipient_id] = sender_id

    def _delete(self, sender_id: bytes) -> None:
        packet = self._packets.pop(sender_id, None)
        if packet is not None:
            for recipient_id in packet.recipients:
                del self._recipients[recipient_id]


def _read_packet(fields: Fields) -> LoggedPacket:
    sender_id, sender_key = fields.octets(), fields.key()
    size, digest = decimal(fields.text(), _LARGEST), fields.octets()
    if len(digest) != _DIGEST_SIZE:
        raise DecodeError("a digest of another length")
    created = fields.seconds()
    # Earlier versions did not write the status.
    status = "active" if fields.is_at_end else fields.text()
    fields.end()
    info = PacketInfo(sender_key, size, digest)
    return LoggedPacket(sender_id, info, created // _HOUR, _read_status(status))


def _read_status(text: str) -> Blocked | None:
    if text == "active":
        return None
    word, comma, reason = text.partition(",")
    if word != "blocked" or not comma:
        raise DecodeError("a packet of an unknown status")
    return _read_blocked(reason)


def _read_blocked(text: str) -> Blocked:
    """The reason, and the notice if there is one, as they are in the answer to a client."""
    reader = Reader(b"BLOCKED " + text.encode())
    blocked = decode_xftp_error(reader)
    reader.end()
    if not isinstance(blocked, Blocked):
        raise DecodeError("a packet that is blocked without a reason")
    return blocked


def _read_recipients(text: str) -> dict[bytes, AuthPublicKey]:
    recipients = {}
    for recipient in text.split(","):
        recipient_id, colon, recipient_key = recipient.partition(":")
        if not colon:
            raise DecodeError("a recipient without a key")
        recipients[octets(recipient_id)] = key(recipient_key)
    return recipients
