"""The exceptions for errors that a router answers.

They carry the value from the wire, to match on::

    except RouterError as exc:
        match exc.error:
            case Code.AUTH: ...
            case Code.QUOTA: ...

An error that a relay answers through a proxy is a `RouterError`, as over a direct connection.  What
goes wrong at the proxy, or between proxy and relay, is a `ProxyFailed` and never a `RouterError`.
"""

from __future__ import annotations

from simplex_trio.errors import SimplexError
from simplex_trio.wire.errors.values import (
    Broker,
    Code,
    Proxy,
    ProxyErrorKind,
    RouterErrorValue,
    Store,
)

__all__ = [
    "ProxyFailed",
    "ProxyMalformedResponse",
    "ProxyUnexpectedResponse",
    "RouterError",
    "is_no_session",
]


class RouterError(SimplexError):
    """The router answered with an error, the value in ``error``."""

    def __init__(self, error: RouterErrorValue) -> None:
        super().__init__(str(error))
        self.error: RouterErrorValue = error
        self.retryable: bool = error in (Code.QUOTA, Code.INTERNAL) or isinstance(error, Store)


class ProxyFailed(SimplexError):
    """The proxy failed to deliver a command to the relay, or to return its answer.

    ``error`` is the error that the proxy answered, `None` in the subclasses for other answers.
    """

    def __init__(self, error: RouterErrorValue | None, message: str | None = None) -> None:
        super().__init__(str(error) if message is None else message)
        self.error: RouterErrorValue | None = error
        self.retryable: bool = is_no_session(error) or (
            isinstance(error, Proxy) and isinstance(error.error, Broker)
        )


class ProxyUnexpectedResponse(ProxyFailed):
    """The proxy answered neither with the relay's answer nor with an error."""

    def __init__(self) -> None:
        super().__init__(None, "the proxy's answer does not fit the command")


class ProxyMalformedResponse(ProxyFailed):
    """The proxy's answer cannot be decoded; ``__cause__`` says why."""

    def __init__(self) -> None:
        super().__init__(None, "the proxy's answer cannot be decoded")


def is_no_session(error: RouterErrorValue | None) -> bool:
    """Whether the proxy has lost its session with the relay and must be asked for a new one."""
    return isinstance(error, Proxy) and error.error is ProxyErrorKind.NO_SESSION
