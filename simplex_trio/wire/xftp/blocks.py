"""The block that each request and each answer begins with: one transmission, padded.

XFTP uses the form of a batch but never puts more than one transmission into it, since requests and
answers belong together by their HTTP/2 stream.  The session id is always sent.
"""

from __future__ import annotations

from attrs import frozen

from simplex_trio.crypto.padding import pad, unpad
from simplex_trio.errors import DecodeError
from simplex_trio.redaction import Redacted
from simplex_trio.wire.errors.values import Cmd, RouterErrorValue
from simplex_trio.wire.reading import (
    ReceivedCommand,
    ReceivedMessage,
    RefusedTransmission,
    read_commands,
    read_messages,
)
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.transmissions import Batch
from simplex_trio.wire.xftp.commands import Command, decode_command
from simplex_trio.wire.xftp.errors import XFTPCode, XFTPErrorValue
from simplex_trio.wire.xftp.messages import Message, decode_message

__all__ = [
    "XFTP_BLOCK_SIZE",
    "RefusedRequest",
    "read_request",
    "read_response",
    "seal_transmission",
    "xftp_session",
]

XFTP_BLOCK_SIZE = 16384


def xftp_session(version: int, session_id: bytes) -> SessionParameters:
    """What the bytes of a session of XFTP depend on."""
    return SessionParameters(
        version=version,
        session_id=session_id,
        block_size=XFTP_BLOCK_SIZE,
        implies_session_id=False,
        batches=True,
        has_service_signatures=False,
    )


def seal_transmission(transmission: bytes, session: SessionParameters) -> bytes:
    """The block with a finished transmission; `TooLarge` if it does not fit."""
    batch = Batch(session)
    batch.add(transmission)
    return pad(batch.content(), session.block_size)


@frozen(repr=False)
class RefusedRequest(Redacted):
    """A request that cannot be read, and what to answer; ids are empty where none was read."""

    correlation_id: bytes
    entity_id: bytes
    error: XFTPErrorValue


def read_request(
    block: bytes, session: SessionParameters
) -> ReceivedCommand[Command] | RefusedRequest:
    """The command in the block of a request; whether it may be done is still open."""
    if len(block) != session.block_size:
        return RefusedRequest(b"", b"", XFTPCode.BLOCK)
    try:
        found = read_commands(unpad(block), session, decode_command)
    except DecodeError:
        return RefusedRequest(b"", b"", XFTPCode.BLOCK)
    if len(found) != 1:
        return RefusedRequest(b"", b"", XFTPCode.BLOCK)
    received = found[0]
    if isinstance(received, RefusedTransmission):
        error = _as_xftp_error(received.error)
        return RefusedRequest(received.correlation_id, received.entity_id, error)
    return received


def read_response(block: bytes, session: SessionParameters) -> ReceivedMessage[Message]:
    """The message in the block of an answer; `DecodeError` if there is none."""
    if len(block) != session.block_size:
        raise DecodeError("an answer that is not a block")
    found = read_messages(unpad(block), session, decode_message)
    if len(found) != 1:
        raise DecodeError("an answer of several transmissions")
    received = found[0]
    if isinstance(received, RefusedTransmission):
        raise DecodeError(f"an answer that cannot be read: {received.error}")
    return received


def _as_xftp_error(error: RouterErrorValue) -> XFTPErrorValue:
    """What reading a transmission found fault with, in the words of this protocol."""
    return error if isinstance(error, Cmd) else XFTPCode(str(error))
