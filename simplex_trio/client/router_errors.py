"""What a router's own errors become for the caller.

They carry the value from the wire, to match on::

    except RouterError as exc:
        match exc.error:
            case Code.AUTH: ...
            case Code.QUOTA: ...

An error of the relay, although it came through a proxy, is a `RouterError` as if the relay had been
reached directly.  What went wrong at or beyond the proxy is a `ProxyFailed`, and never a
`RouterError`; the two cannot be confused.
"""

from __future__ import annotations

from simplex_trio.errors import SimplexError
from simplex_trio.wire.smp.errors import (
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
    """The router answered with an error; ``error`` says which."""

    def __init__(self, error: RouterErrorValue) -> None:
        super().__init__(str(error))
        self.error: RouterErrorValue = error
        self.retryable: bool = error in (Code.QUOTA, Code.INTERNAL) or isinstance(error, Store)


class ProxyFailed(SimplexError):
    """The proxy did not get a command to the relay, or no answer that it could pass back.

    ``error`` is what the proxy said, or `None` if what it said was no error (the subclasses).
    """

    def __init__(self, error: RouterErrorValue | None, message: str | None = None) -> None:
        super().__init__(str(error) if message is None else message)
        self.error: RouterErrorValue | None = error
        self.retryable: bool = is_no_session(error) or (
            isinstance(error, Proxy) and isinstance(error.error, Broker)
        )


class ProxyUnexpectedResponse(ProxyFailed):
    """The proxy answered with something else than the relay's answer or an error."""

    def __init__(self) -> None:
        super().__init__(None, "the proxy's answer is none to what was asked")


class ProxyMalformedResponse(ProxyFailed):
    """The proxy's answer cannot be read; ``__cause__`` says what is wrong."""

    def __init__(self) -> None:
        super().__init__(None, "the proxy's answer cannot be read")


def is_no_session(error: RouterErrorValue | None) -> bool:
    """Whether the proxy has lost its session with the relay and must be asked for a new one."""
    return isinstance(error, Proxy) and error.error is ProxyErrorKind.NO_SESSION
