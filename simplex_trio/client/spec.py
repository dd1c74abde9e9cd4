"""`ProtocolSpec`: what the engine needs to know of a protocol of transmissions in blocks.

SMP and NTF are two specs.  A spec says how a connection begins, which `shake_hands` drives, and
names the subclass of `TransmissionCodec` that reads and writes once it stands.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import trio

from simplex_trio.client.router_errors import RouterError
from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.engine.codec import Incoming
from simplex_trio.engine.event_buffer import held_bytes
from simplex_trio.engine.events import Notice
from simplex_trio.errors import (
    DecodeError,
    EncodeError,
    HungUp,
    MalformedHello,
    MalformedResponse,
)
from simplex_trio.frozen import frozen
from simplex_trio.transport.frames import FrameStream
from simplex_trio.transport.tls import TlsSession
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.authorization import Authorizer
from simplex_trio.wire.blocks import PaddedBlocks
from simplex_trio.wire.credentials import CommandCredentials
from simplex_trio.wire.errors.values import RouterErrorValue
from simplex_trio.wire.handshake import ClientAgreement, ClientHandshake
from simplex_trio.wire.reading import AnyMessage, RefusedTransmission, read_messages
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.transmissions import Batch, prepare_transmission

__all__ = [
    "SMALL_EVENT",
    "AnyCommand",
    "ProtocolSpec",
    "TransmissionCodec",
    "shake_hands",
]


class AnyCommand(Protocol):
    """A command of a protocol of transmissions."""

    CREDENTIALS: ClassVar[CommandCredentials]

    def check_version(self, version: int) -> None: ...

    def encode(self, version: int) -> bytes: ...


SMALL_EVENT = 1024
"""Bytes of memory that an event holds besides its content, rounded up."""

CommandT = TypeVar("CommandT", bound=AnyCommand)
MessageT = TypeVar("MessageT", bound=AnyMessage)


@frozen
class ProtocolSpec(Generic[CommandT, MessageT]):
    """A protocol of transmissions, from the address of a router to its codec."""

    name: str
    protocol: ServerProtocol
    alpn: tuple[str, ...]
    block_size: int
    handshake: Callable[[ServerAddress, TlsSession], ClientHandshake]
    """Makes the client's side of a handshake with a router in a TLS session."""
    codec: Callable[[ClientAgreement], TransmissionCodec[CommandT, MessageT]]
    """Makes the codec of a session from the outcome of its handshake."""


class TransmissionCodec(ABC, Generic[CommandT, MessageT]):
    """A protocol of transmissions in one session; implements `Codec`.

    A subclass knows the messages of its protocol.  Beside the three methods that it must have, it
    may override `uses_service_signature`, `observe`, `is_event_too`, `event`, `folds_by` and
    `weight`.
    """

    def __init__(self, agreement: ClientAgreement) -> None:
        self._session = agreement.session
        self._blocks = agreement.block_codec()
        # Authenticators, which need the key, came with the implied session id.
        router_key = agreement.router_key if self._session.implies_session_id else None
        self._authorizer = Authorizer(router_key, agreement.service)

    @abstractmethod
    def ping(self) -> CommandT:
        """The command that keeps the connection alive."""

    @abstractmethod
    def decode_message(self, encoded: bytes, version: int) -> MessageT:
        """Read a message; raises `TagDecodeError`."""

    @abstractmethod
    def error_of(self, message: MessageT) -> RouterErrorValue | None:
        """The error in a message, if it is one."""

    def uses_service_signature(self, command: CommandT) -> bool:
        """Whether the service of the session, if there is one, signs the command too."""
        return False

    @property
    def session_id(self) -> bytes:
        return self._session.session_id

    @property
    def session(self) -> SessionParameters:
        return self._session

    def encode(
        self,
        command: CommandT,
        entity_id: bytes,
        key: AuthPrivateKey | None,
        correlation_id: bytes,
    ) -> bytes:
        command.check_version(self._session.version)
        check_credentials(command, entity_id, key)
        encoded = command.encode(self._session.version)
        unsent = prepare_transmission(self._session, correlation_id, entity_id, encoded)
        transmission = self._authorizer.finish(
            unsent,
            key,
            correlation_id,
            with_service=self.uses_service_signature(command),
        )
        Batch(self._session).add(transmission)  # raises TooLarge if no block could hold it
        return transmission

    def new_frame(self) -> Batch:
        return Batch(self._session)

    def seal(self, frame: Batch) -> bytes:
        return self._blocks.seal(frame.content())

    def open(self, frame: bytes) -> Iterator[Incoming]:
        content = self._blocks.open(frame)
        for received in read_messages(content, self._session, self.decode_message):
            result: object
            if isinstance(received, RefusedTransmission):
                result = malformed(received.error)
            else:
                result = received.message
                error = self.error_of(received.message)
                if error is not None:
                    result = RouterError(error)
                else:
                    self.observe(received.correlation_id, received.message)
            yield Incoming(received.correlation_id, received.entity_id, result)

    def observe(self, correlation_id: bytes, message: MessageT) -> None:
        """Called for each message that is no error, in order."""

    def is_event_too(self, result: Any) -> bool:
        return False

    def event(self, entity_id: bytes, message: Any) -> object:
        return Notice(entity_id, message)

    def folds_by(self, event: object) -> object | None:
        return None

    def weight(self, event: object) -> int:
        return SMALL_EVENT + held_bytes(event)


def check_credentials(command: AnyCommand, entity_id: bytes, key: AuthPrivateKey | None) -> None:
    """Refuse a command that the router would refuse for its form, before it is sent."""
    violation = command.CREDENTIALS.violation(
        has_authorization=key is not None, entity_id=entity_id
    )
    if violation is not None:
        raise EncodeError(f"this command cannot be sent: {violation}")


def malformed(error: RouterErrorValue) -> MalformedResponse:
    """The exception for an answer that cannot be decoded."""
    return MalformedResponse(f"the router's answer cannot be decoded: {error}")


async def shake_hands(
    stream: FrameStream, handshake: ClientHandshake, block_size: int
) -> ClientAgreement:
    """Run a client's handshake over blocks, and return what was agreed.

    Raises a `HandshakeFailed`.  If cancelled or failed, it closes ``stream``.
    """
    blocks = PaddedBlocks(block_size)
    try:
        while handshake.agreement is None:
            content = blocks.open(await stream.receive_frame())
            answer = handshake.receive(content)
            if answer is not None:
                await stream.send_frames([blocks.seal(answer)])
    except BaseException as exc:
        await trio.aclose_forcefully(stream)
        match exc:
            case trio.EndOfChannel() | trio.BrokenResourceError():
                raise HungUp("the router closed the connection during the handshake") from exc
            case DecodeError():
                raise MalformedHello("the router's first block is malformed") from exc
            case _:
                raise
    return handshake.agreement
