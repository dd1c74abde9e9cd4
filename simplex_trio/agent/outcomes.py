"""Classifies errors of subscriptions."""

from __future__ import annotations

from simplex_trio.client.router_errors import RouterError
from simplex_trio.errors import ConnectError, ConnectionLost, RequestTimeout
from simplex_trio.wire.errors.values import Broker, BrokerErrorKind, Code, Proxy

__all__ = ["is_temporary", "refuses_service"]

_TEMPORARY = (ConnectError, ConnectionLost, RequestTimeout, OSError)


def is_temporary(error: BaseException) -> bool:
    """Whether an error is the network's, so that the subscription stays pending and is retried.

    Anything that the router itself answers, internal errors included, is final: it is reported, and
    the program decides.
    """
    return isinstance(error, _TEMPORARY)


def refuses_service(error: BaseException) -> bool:
    """Whether the router does not know the service on this connection, or in this role."""
    if not isinstance(error, RouterError):
        return False
    return error.error in (Code.SERVICE, Proxy(Broker(BrokerErrorKind.NO_SERVICE)))
