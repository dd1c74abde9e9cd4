"""The block at the start of each request and each answer: one transmission, padded.

XFTP uses the format of a batch but never puts more than one transmission into it, since HTTP/2
streams match answers with requests.  The session id is always sent.
"""

from __future__ import annotations

from simplex_trio.crypto.padding import pad, unpad
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
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
    """Return the parameters of an XFTP session at ``version``."""
    return SessionParameters(
        version=version,
        session_id=session_id,
        block_size=XFTP_BLOCK_SIZE,
        implies_session_id=False,
        batches=True,
        has_service_signatures=False,
    )


def seal_transmission(transmission: bytes, session: SessionParameters) -> bytes:
    """Pad a finished transmission to a block; raise `TooLarge` if it does not fit."""
    batch = Batch(session)
    batch.add(transmission)
    return pad(batch.content(), session.block_size)


@frozen(repr=False)
class RefusedRequest(Redacted):
    """An invalid request and the error to answer; ids that could not be read are empty."""

    correlation_id: bytes
    entity_id: bytes
    error: XFTPErrorValue


def read_request(
    block: bytes, session: SessionParameters
) -> ReceivedCommand[Command] | RefusedRequest:
    """Decode the block of a request; the command's authorization is not verified yet."""
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
    """Decode the block of an answer; raise `DecodeError` if it is invalid."""
    if len(block) != session.block_size:
        raise DecodeError("the answer is not a block")
    found = read_messages(unpad(block), session, decode_message)
    if len(found) != 1:
        raise DecodeError("the answer has several transmissions")
    received = found[0]
    if isinstance(received, RefusedTransmission):
        raise DecodeError(f"the answer is invalid: {received.error}")
    return received


def _as_xftp_error(error: RouterErrorValue) -> XFTPErrorValue:
    """Translate an error of decoding a transmission into one of XFTP."""
    return error if isinstance(error, Cmd) else XFTPCode(str(error))
