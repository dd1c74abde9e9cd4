"""Whether a browser could open a link to a file, which leads to a page of the router itself."""

from __future__ import annotations

import ssl

import trio

from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.hosts import OnionHost

__all__ = ["shows_pages"]

_LONGEST = 5.0
"""Seconds for a router that has just taken a file."""


async def shows_pages(server: ServerAddress, trusted: ssl.SSLContext | None = None) -> bool:
    """Connect as a browser does, and say whether the router has a certificate that it accepts.

    A router for apps alone shows browsers the certificate that apps know by the router's address.
    An onion service is not asked: its name must not reach a resolver.  ``trusted`` is what this
    machine trusts unless given.
    """
    host = server.hosts[0]
    if isinstance(host, OnionHost):
        return False
    context = trusted or ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with trio.fail_after(_LONGEST):
            stream = await trio.open_ssl_over_tcp_stream(
                host.bare,
                server.effective_port,
                https_compatible=True,
                ssl_context=context,
            )
            async with stream:
                await stream.do_handshake()
    except (OSError, trio.BrokenResourceError, trio.TooSlowError):
        return False
    return True
