"""What goes wrong in a call to a `DuplexAgent`, beside the errors of routers and of stores."""

from __future__ import annotations

from enum import Enum

from simplex_trio.errors import SimplexError

__all__ = [
    "AlreadyJoined",
    "CannotAccept",
    "CannotAcknowledge",
    "CannotResynchronise",
    "CannotRotate",
    "CannotSend",
    "DuplexError",
    "Limit",
    "LimitReached",
    "LinkNotUsable",
    "NeedsNewerAgent",
    "NoCommonDuplexVersion",
    "NoNotificationToken",
    "NoServers",
    "NotAnAddress",
    "NotSynchronised",
    "PushNotReadable",
    "UnknownConnection",
    "UnknownFile",
]


class DuplexError(SimplexError):
    """Base of the errors of calls that cannot be done as they are."""


class UnknownConnection(DuplexError, LookupError):
    """There is no connection with this id, or it is being deleted."""

    def __init__(self) -> None:
        super().__init__("there is no connection with this id")


class AlreadyJoined(DuplexError):
    """This link was joined before; ``connection_id`` is the connection."""

    def __init__(self, connection_id: str) -> None:
        super().__init__("this link was joined before")
        self.connection_id = connection_id


class LinkNotUsable(DuplexError):
    """A link cannot be used; ``__cause__`` says more, if there is more to say.

    It is not known any more, was used by another program, or its data is not what it promises.
    """


class NoCommonDuplexVersion(DuplexError):
    """The other program speaks no version of the agents' messages that is spoken here."""


class NeedsNewerAgent(NoCommonDuplexVersion):
    """The link or request is for agents of later versions than this one: update this program.

    Until then ask the other side for a link that older programs can use, if its program makes any.
    """


class CannotAccept(DuplexError):
    """There is no confirmation or request with this id that waits to be accepted."""


class CannotSend(DuplexError):
    """The connection cannot send: it is not far enough, or only receives requests."""


class NotSynchronised(CannotSend):
    """The two sides have no ratchet in common: see `DuplexAgent.resynchronise`.

    Send again after `Resynchronised`.
    """


class CannotResynchronise(DuplexError):
    """No new ratchet can be made, or none is needed."""


class CannotAcknowledge(DuplexError):
    """There is no message with this id that waits to be acknowledged."""


class Limit(Enum):
    """A limit of one user, see `UserLimits`."""

    CONNECTIONS = "connections"
    QUEUED_MESSAGES = "queued messages"
    QUEUED_BYTES = "queued bytes"


class LimitReached(DuplexError):
    """A limit of the user is reached; ``limit`` says which.  Nothing was stored.

    There is room again when connections are deleted, or routers have taken messages.
    """

    def __init__(self, limit: Limit) -> None:
        super().__init__(f"the user's limit of {limit.value} is reached")
        self.limit = limit


class CannotRotate(DuplexError):
    """The queue cannot be moved now, or its move cannot be aborted any more."""


class NotAnAddress(DuplexError):
    """Only contact addresses, and invitations without a peer, have a link to change."""


class UnknownFile(DuplexError, LookupError):
    """There is no file with this id, or the agent is done with it."""

    def __init__(self) -> None:
        super().__init__("there is no file with this id")


class NoServers(DuplexError, ValueError):
    """The agent has no router to make queues on, or too few to put files on."""


class NoNotificationToken(DuplexError):
    """No device is registered: call `Notifications.register`."""

    def __init__(self) -> None:
        super().__init__("no device is registered for notifications")


class PushNotReadable(DuplexError):
    """A push cannot be opened: it was meant for an earlier registration, or damaged."""

    def __init__(self) -> None:
        super().__init__("the push cannot be opened with the keys of the registered device")
