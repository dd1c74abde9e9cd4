"""Addresses of XFTP routers, in any of the forms that the API accepts."""

from __future__ import annotations

from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth, ServerProtocol

__all__ = ["AnyServer", "server_with_auth"]

AnyServer = ServerAddress | ServerAddressWithAuth | str
"""An address, with or without the router's password, or its text."""


def server_with_auth(server: AnyServer) -> ServerAddressWithAuth:
    """The address of an XFTP router, and its password if there is one.

    Raises `DecodeError` for a text that is not an address, and `ValueError` for the address of a
    router of another protocol.
    """
    if isinstance(server, str):
        server = ServerAddressWithAuth.parse(server)
    elif isinstance(server, ServerAddress):
        server = ServerAddressWithAuth(server)
    if server.address.protocol is not ServerProtocol.XFTP:
        raise ValueError("the address is that of a router of another protocol")
    return server
