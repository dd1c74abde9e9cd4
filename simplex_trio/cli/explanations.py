"""What a failure is in plain words: one sentence, and the exit code.

It knows the errors of all commands, so it is loaded when there is something to explain.
"""

from __future__ import annotations

import errno

from simplex_trio.chat.errors import (
    AmbiguousContact,
    BelongsToBot,
    ContactLost,
    NameTaken,
    NotAllowed,
    UnknownContact,
)
from simplex_trio.chat.messages.compression import CompressionSupportMissing
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.refusals import proxy_failure_in_words, refusal_in_words
from simplex_trio.client.router_errors import ProxyFailed, RouterError
from simplex_trio.duplex.errors import (
    AlreadyJoined,
    CannotResynchronise,
    CannotSend,
    LinkNotUsable,
    NeedsNewerAgent,
    NoCommonDuplexVersion,
    NoServers,
    NotSynchronised,
    UnknownConnection,
)
from simplex_trio.errors import (
    CertificateError,
    ConnectError,
    ConnectionLost,
    DecodeError,
    EncryptionSupportMissing,
    PostgresSupportMissing,
    RequestTimeout,
    SimplexError,
    SocksSupportMissing,
    StoreError,
    StoreIncomplete,
    StoreLost,
    WrongIdentity,
)
from simplex_trio.katzenpost.errors import CborSupportMissing
from simplex_trio.ratchet.errors import KEMSupportMissing
from simplex_trio.serving.metrics import MetricsSupportMissing
from simplex_trio.wire.duplex.links import LinkProblem, NotALink
from simplex_trio.xftp.errors import (
    NoSuchReplica,
    RouterUnreachable,
    XFTPRouterError,
    XFTPSupportMissing,
)

__all__ = ["explain"]

_UNREACHABLE = ExitCode.UNREACHABLE

_NOT_USABLE = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST, errno.EROFS),
)
"""What is wrong with a file that was named, rather than with the machine."""

_NOT_LINKS: dict[LinkProblem, str] = {
    LinkProblem.DAMAGED: "The link is damaged; copy it once more, in quotes.",
    LinkProblem.FUTURE_VERSION: "The link needs a newer agent: update simplex-trio.",
    LinkProblem.FUTURE_KIND: "The link needs a newer agent: update simplex-trio.",
    LinkProblem.FILE: "This is a link to a file; see: simplex-trio xftp receive.",
    LinkProblem.QUEUE: "This is the address of a queue; see: simplex-trio queue send.",
    LinkProblem.SERVER: "This is the address of a router; ask the peer for a link.",
}


def explain(error: BaseException, place: str | None = None) -> tuple[str, ExitCode]:
    """A sentence about an error, and the exit code for it; an error that is a bug is raised.

    ``place`` is the router, or the port, that it is about.
    """
    to_it = "" if place is None else f" to {place}"
    router = "The router" if place is None else f"The router {place}"
    match error:
        case CommandFailed():
            return str(error), error.code
        case (
            SocksSupportMissing()
            | CompressionSupportMissing()
            | CborSupportMissing()
            | EncryptionSupportMissing()
            | KEMSupportMissing()
            | MetricsSupportMissing()
            | PostgresSupportMissing()
            | XFTPSupportMissing()
        ):
            return f"A package is missing: {error}.", ExitCode.FAILED
        case WrongIdentity():
            return (
                f"The server{'' if place is None else f' {place}'} is not the router that the "
                "address names. Check the address; if it is right, the connection may have been "
                "intercepted.",
                _UNREACHABLE,
            )
        case ConnectError():
            return (
                f"No connection{to_it}: {error}. Check the address and the network, and try again.",
                _UNREACHABLE,
            )
        case ConnectionLost():
            return (
                f"The connection{to_it} was lost before the answer came; try again.",
                _UNREACHABLE,
            )
        case RouterError() | XFTPRouterError():
            return f"{router} refused: {refusal_in_words(error)}.", ExitCode.REFUSED
        case ProxyFailed():
            said = proxy_failure_in_words(error)
            return f"The proxy could not pass it on: {said}.", ExitCode.REFUSED
        case NoSuchReplica():
            return (
                f"{str(error).capitalize()}; the file may have expired, or been received already.",
                ExitCode.REFUSED,
            )
        case RouterUnreachable():
            return f"{str(error).capitalize()}; check the network, and try again.", _UNREACHABLE
        case RequestTimeout():
            return f"{router} did not answer in time; try again later.", _UNREACHABLE
        case StoreIncomplete():
            return (
                f"The store cannot be used: {error}. Nothing was changed. Look for a whole copy "
                "of its files first; without one, start the router with --accept-loss, and it goes "
                "on with what is left.",
                ExitCode.FAILED,
            )
        case StoreLost():
            return (
                f"The router has ended, because {error}. Start it again, with --standby if "
                "another one may run.",
                ExitCode.FAILED,
            )
        case StoreError() if isinstance(error.__cause__, FileExistsError):
            return f"Nothing was written: {error}; name another place.", ExitCode.USAGE
        case StoreError() if isinstance(error.__cause__, OSError):
            return f"It did not work: {error}.", ExitCode.FAILED
        case StoreError():
            return f"The store cannot be used: {error}.", ExitCode.FAILED
        case UnknownConnection():
            return (
                "There is no connection with this id; see: simplex-trio connect list.",
                ExitCode.USAGE,
            )
        case UnknownContact():
            return (
                "There is no such contact; see: simplex-trio notify --list.",
                ExitCode.NO_CONTACT,
            )
        case AmbiguousContact():
            return (
                "Several contacts have this name; say which with id:NUMBER, see: "
                "simplex-trio notify --list.",
                ExitCode.NO_CONTACT,
            )
        case ContactLost():
            return (
                "The contact has deleted the connection; pair anew, see: simplex-trio notify "
                "--remove and --pair.",
                ExitCode.REFUSED,
            )
        case NotAllowed():
            return f"The contact does not take this: {error}.", ExitCode.REFUSED
        case NameTaken():
            return (
                "There is a contact with this name; take another, or remove that one first: "
                "simplex-trio notify --remove NAME.",
                ExitCode.USAGE,
            )
        case BelongsToBot():
            return (
                "This store is a bot's, which sets its profile and keeps its contacts; name "
                "another with --store.",
                ExitCode.USAGE,
            )
        case NoServers():
            return (
                "No router is known yet; name one with --router smp://…, which is remembered.",
                ExitCode.USAGE,
            )
        case AlreadyJoined():
            return (
                "You have joined this link before; see: simplex-trio connect list.",
                ExitCode.USAGE,
            )
        case NotSynchronised():
            return (
                "The two sides have not the same keys; see: simplex-trio connect resync ID.",
                ExitCode.FAILED,
            )
        case CannotResynchronise():
            return f"There are no new keys to be made: {error}.", ExitCode.USAGE
        case CannotSend():
            return (
                "The connection cannot send yet, for the peer has to answer first; see: "
                "simplex-trio connect status ID.",
                ExitCode.FAILED,
            )
        case LinkNotUsable():
            return (
                f"The link cannot be used: {error}. Ask the peer for a new one.",
                ExitCode.REFUSED,
            )
        case NeedsNewerAgent():
            return _NOT_LINKS[LinkProblem.FUTURE_VERSION], ExitCode.USAGE
        case NoCommonDuplexVersion():
            return "The link is for programs of another version.", ExitCode.USAGE
        case NotALink():
            said = _NOT_LINKS.get(error.problem, "This is not a link to connect to.")
            return said, ExitCode.USAGE
        case CertificateError():
            return f"The certificates cannot be used: {error}.", ExitCode.USAGE
        case DecodeError():
            return f"This cannot be read: {error}.", ExitCode.USAGE
        case SimplexError() if isinstance(error, ValueError):
            return f"This cannot be used: {error}.", ExitCode.USAGE
        case SimplexError():
            return f"It did not work: {error}.", ExitCode.FAILED
        case OSError(errno=errno.EADDRINUSE):
            port = place or "The port"
            return f"{port} is in use; stop what uses it, or choose another.", ExitCode.FAILED
        case OSError(errno=errno.EACCES, filename=None):
            port = place or "this port"
            return f"The system does not allow {port}; choose one above 1023.", ExitCode.FAILED
        case OSError(errno=number) if number in _NOT_USABLE and error.filename:
            return f"{error.strerror}: {error.filename}.", ExitCode.USAGE
        case OSError():
            where = f": {error.filename}" if error.filename else ""
            return f"{error.strerror or error}{where}.", ExitCode.FAILED
        case _:
            raise error
