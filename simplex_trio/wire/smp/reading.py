"""Decoding commands in a router, and the checks that come before looking up a queue."""

from __future__ import annotations

from functools import partial

from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind, RouterErrorValue
from simplex_trio.wire.handshake import PeerService
from simplex_trio.wire.reading import ReceivedCommand, RefusedTransmission, read_commands
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp.commands import NSUBS, SUBS, Command, decode_command
from simplex_trio.wire.versions import SMP_VERSIONS

__all__ = ["read_smp_commands", "service_refusal"]


def read_smp_commands(
    content: bytes, session: SessionParameters, newest: int = SMP_VERSIONS.highest
) -> list[ReceivedCommand[Command] | RefusedTransmission]:
    """Decode the commands in a client's block; returns at least one entry for any content.

    ``newest`` is the highest version that this router speaks.
    """
    return read_commands(content, session, partial(decode_command, newest=newest))


def service_refusal(
    received: ReceivedCommand[Command], verifier: Verifier, service: PeerService | None
) -> RouterErrorValue | None:
    """Return the error for a command that the session's service may not send, or `None`.

    This check comes before the authorization by the key of a queue: first the role, then the
    service's own signature.  Without a service it rejects a service signature.  The commands of a
    service about itself have no further authorization.
    """
    command, transmission = received.command, received.transmission
    if service is not None and command.ROLE not in (None, service.role):
        return Cmd(CommandErrorKind.PROHIBITED)
    if isinstance(command, (SUBS, NSUBS)):
        accepted = verifier.accepts_as_service(transmission)
    else:
        accepted = verifier.accepts_service(transmission, is_used=command.USES_SERVICE_SIGNATURE)
    return None if accepted else Code.SERVICE
