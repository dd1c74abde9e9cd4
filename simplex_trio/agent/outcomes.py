"""What an error means for a subscription."""

from __future__ import annotations

from simplex_trio.client.router_errors import RouterError
from simplex_trio.errors import ConnectError, ConnectionLost, RequestTimeout
from simplex_trio.wire.errors.values import Broker, BrokerErrorKind, Code, Proxy

__all__ = ["is_temporary", "refuses_service"]

_TEMPORARY = (ConnectError, ConnectionLost, RequestTimeout, OSError)


def is_temporary(error: BaseException) -> bool:
    """Whether the network is to blame, so that the subscription stands and is tried again.

    Whatever the router itself answers is final, even that something inside it went wrong: it is
    reported, and the program decides.
    """
    return isinstance(error, _TEMPORARY)


def refuses_service(error: BaseException) -> bool:
    """Whether the router does not know the service in this connection, or not in this role."""
    if not isinstance(error, RouterError):
        return False
    return error.error in (Code.SERVICE, Proxy(Broker(BrokerErrorKind.NO_SERVICE)))
