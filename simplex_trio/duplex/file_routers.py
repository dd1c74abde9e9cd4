"""Which routers a file may be received from.  Pure, but for the program's own function."""

from __future__ import annotations

from collections.abc import Callable

from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.machine.files.rows import Approval, IncomingFile
from simplex_trio.duplex.servers import is_one_of, is_protected
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description import FileDescription

__all__ = ["needs_approval", "usable_for"]


def _needs_no_approval(config: DuplexConfig, server: ServerAddress) -> bool:
    policy, connect = config.files.may_use, config.agent.client.transport
    own = [each.address for each in config.files.servers]
    if is_one_of(own, server, connect):
        return True
    if policy is None:
        return is_protected(connect, server)
    if callable(policy):
        return policy(server)
    return server in policy


def usable_for(config: DuplexConfig, file: IncomingFile) -> Callable[[ServerAddress], bool]:
    """Whether a router may be used for a file."""
    approved = set(file.asked.servers) if file.approval is Approval.ASKED else set()

    def may_use(server: ServerAddress) -> bool:
        if file.approval is Approval.ALL or server in approved:
            return True
        return _needs_no_approval(config, server)

    return may_use


def needs_approval(
    description: FileDescription, may_use: Callable[[ServerAddress], bool]
) -> list[ServerAddress]:
    """The routers to ask for, if some packets are on none of those that may be used."""
    usable = {server: may_use(server) for server in description.servers}
    missing = [
        replica.server
        for packet in description.packets
        if not any(usable[replica.server] for replica in packet.replicas)
        for replica in packet.replicas
    ]
    return list(dict.fromkeys(missing))
