"""What routers and proxies refuse with, in words.

Each sentence has the router as its subject, and says what to do if there is something to do.
"""

from __future__ import annotations

from simplex_trio.client.router_errors import ProxyFailed, RouterError
from simplex_trio.wire.errors.codes import (
    BrokerErrorKind,
    Code,
    CommandErrorKind,
    NameErrorKind,
    NetworkErrorKind,
    ProxyErrorKind,
    TransportErrorKind,
)
from simplex_trio.wire.errors.values import (
    Blocked,
    BlockingReason,
    Broker,
    Cmd,
    Name,
    Network,
    Protocol,
    Proxy,
    Response,
    RouterErrorValue,
    Store,
    TransportError,
    Unexpected,
)
from simplex_trio.wire.xftp.errors import XFTPCode, XFTPErrorValue
from simplex_trio.xftp.errors import XFTPRouterError

__all__ = ["proxy_failure_in_words", "refusal_in_words"]

_NOT_UNDERSTOOD = (
    "it does not understand this program. Either is older than the other, or one has a defect"
)
_FAILED = "it has failed, for a reason that it does not tell; try again later"

_CODES: dict[object, str] = {
    Code.AUTH: "it does not know this queue, or the key or password for it is another",
    Code.QUOTA: "the queue is full; its owner has to read it first",
    Code.NO_MSG: "there is no such message to acknowledge",
    Code.LARGE_MSG: "the message is too large; the limit is about 16 kB",
    Code.INTERNAL: _FAILED,
    Code.DUPLICATE: _NOT_UNDERSTOOD,
    Code.BLOCK: _NOT_UNDERSTOOD,
    Code.SESSION: _NOT_UNDERSTOOD,
    Code.SERVICE: "it allows this to services only, or not to them",
    Code.CRYPTO: "it could not decrypt what came through the proxy; try again",
    Code.EXPIRED: "its key, which the proxy has told, has expired; try again",
    XFTPCode.AUTH: "it does not know this packet, or the key or password for it is another",
    XFTPCode.QUOTA: "its storage is full; try again later, or another router",
    XFTPCode.SIZE: "it does not take files in parts of this size",
    XFTPCode.DIGEST: "what arrived is not what was sent; try again",
    XFTPCode.NO_FILE: "it does not have this part of the file; its sender may not have sent it all",
    XFTPCode.HAS_FILE: _NOT_UNDERSTOOD,
    XFTPCode.FILE_IO: "its disk is full, or has failed; try again later, or another router",
    XFTPCode.TIMEOUT: "the file came too slowly; try again",
    XFTPCode.INTERNAL: _FAILED,
    XFTPCode.DUPLICATE: _NOT_UNDERSTOOD,
    XFTPCode.BLOCK: _NOT_UNDERSTOOD,
    XFTPCode.SESSION: _NOT_UNDERSTOOD,
    XFTPCode.HANDSHAKE: _NOT_UNDERSTOOD,
    XFTPCode.CRYPTO: _NOT_UNDERSTOOD,
}

_COMMANDS = {
    CommandErrorKind.UNKNOWN: "it is too old for this",
    CommandErrorKind.PROHIBITED: "it does not allow this",
    CommandErrorKind.NO_AUTH: "it wants a password or a key for this",
}

_BLOCKED = {
    BlockingReason.SPAM: "its operator has blocked this, as spam",
    BlockingReason.CONTENT: "its operator has blocked this, for its content",
}

_PROXY = {
    ProxyErrorKind.BASIC_AUTH: "it is a proxy only for those with its password; put its address "
    "with the password into a file, and write @FILE in its place",
    ProxyErrorKind.NO_SESSION: "it has lost its connection to the other router; try again",
}

_NETWORK = {
    NetworkErrorKind.UNKNOWN_CA: "what it reaches there is not the router that the address names",
    NetworkErrorKind.TIMEOUT: "the other router does not answer it; try again later",
}


def refusal_in_words(refusal: RouterError | XFTPRouterError) -> str:
    """What follows "The router refused:"."""
    return _router(refusal.error)


def proxy_failure_in_words(failure: ProxyFailed) -> str:
    """What follows "The proxy could not pass it on:"."""
    return str(failure) if failure.error is None else _router(failure.error)


def _router(error: RouterErrorValue | XFTPErrorValue) -> str:
    match error:
        case Store():
            return "its disk is full, or its store has failed; try again later"
        case Blocked(reason=reason):
            return _BLOCKED[reason]
        case Cmd(kind=kind):
            return _COMMANDS.get(kind, _NOT_UNDERSTOOD)
        case Name(error=NameErrorKind.NOT_FOUND):
            return "there is no such name"
        case Name():
            return "it cannot look up names"
        case Proxy(error=ProxyErrorKind() as kind):
            return _PROXY[kind]
        case Proxy(error=Protocol(error=answered)):
            return f"of the other router it says that {_router(answered)}"
        case Proxy(error=Broker(error=failed)):
            return _broker(failed)
    return _CODES.get(error, _FAILED)


def _broker(failed: object) -> str:
    match failed:
        case BrokerErrorKind.HOST:
            return "it does not accept the other router's address"
        case BrokerErrorKind.TIMEOUT:
            return _NETWORK[NetworkErrorKind.TIMEOUT]
        case TransportError(kind=TransportErrorKind.VERSION):
            return "it and the other router have no version in common"
        case Network(kind=kind):
            return _NETWORK.get(kind, "it cannot reach the other router; try again later")
        case Response() | Unexpected() | TransportError():
            return "it does not understand the other router"
    return _FAILED
