"""What a router decides about a command before it looks for a queue."""

from __future__ import annotations

from functools import partial

from simplex_trio.wire import reading
from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind, RouterErrorValue
from simplex_trio.wire.handshake import PeerService
from simplex_trio.wire.reading import ReceivedCommand, RefusedTransmission
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp.commands import NSUBS, SUBS, Command, decode_command
from simplex_trio.wire.versions import SMP_VERSIONS

__all__ = ["ReceivedCommand", "RefusedTransmission", "read_commands", "service_refusal"]


def read_commands(
    content: bytes, session: SessionParameters, newest: int = SMP_VERSIONS.highest
) -> list[ReceivedCommand[Command] | RefusedTransmission]:
    """The commands in a client's block, in order; at least one entry for any content.

    ``newest`` is the highest version that this router speaks.
    """
    return reading.read_commands(content, session, partial(decode_command, newest=newest))


def service_refusal(
    received: ReceivedCommand[Command], verifier: Verifier, service: PeerService | None
) -> RouterErrorValue | None:
    """Why a router does not take a command in a session with, or without, this service.

    This comes before the authorization by the key of a queue: first the role, then the service's
    own signature.  For the commands of a service about itself it is all there is to check.
    """
    command, transmission = received.command, received.transmission
    if service is not None and command.ROLE not in (None, service.role):
        return Cmd(CommandErrorKind.PROHIBITED)
    if isinstance(command, SUBS | NSUBS):
        accepted = verifier.accepts_as_service(transmission)
    else:
        accepted = verifier.accepts_service(transmission, is_used=command.USES_SERVICE_SIGNATURE)
    return None if accepted else Code.SERVICE
