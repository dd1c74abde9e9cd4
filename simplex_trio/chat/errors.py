"""What can be wrong with a call of a chat program."""

from __future__ import annotations

from simplex_trio.duplex.events import Problem
from simplex_trio.duplex.file_events import FileProblem
from simplex_trio.errors import SimplexError
from simplex_trio.wire.addresses import ServerAddress

__all__ = [
    "AmbiguousContact",
    "AppriseMissing",
    "ApprovalNeeded",
    "BelongsToBot",
    "CannotInvite",
    "CannotJoin",
    "ChatError",
    "ContactLost",
    "FileNotReceived",
    "FileTakenBack",
    "GroupsNotSupported",
    "LeadsToGroup",
    "LinkIsOwn",
    "MemberGone",
    "MessageForgotten",
    "NameTaken",
    "NotAGroup",
    "NotAllowed",
    "PairingFailed",
    "UnknownContact",
    "UnknownGroup",
]


class ChatError(SimplexError):
    """Base of the errors of chat programs."""


class UnknownContact(ChatError):
    """There is no such contact, or no longer."""


class UnknownGroup(ChatError):
    """There is no such group, or no longer."""


class CannotJoin(ChatError):
    """The invitation to a group, or the link of a channel, cannot be used, or has expired."""


class CannotInvite(ChatError):
    """The contact cannot be invited to the group, or is a member already."""


class AmbiguousContact(ChatError):
    """Several contacts have this name; say which by its id."""


class ContactLost(ChatError):
    """The contact cannot be reached any more: its app has deleted the connection."""


class NotAllowed(ChatError):
    """The preferences of the two sides do not allow this in their conversation."""


class LinkIsOwn(ChatError):
    """The link is the program's own address, or one of its invitations."""


class GroupsNotSupported(ChatError):
    """The link leads to a kind of group of a later version: update this program to join it."""


class LeadsToGroup(ChatError):
    """The link leads to a group: `Bot.join` joins it."""


class NotAGroup(ChatError):
    """The link does not lead to a group: `Bot.connect` may use it."""


class MemberGone(ChatError):
    """The member has left the group, or was removed, or the program is in the group no longer."""


class MessageForgotten(ChatError):
    """It is not known any more how far a message has come.

    Too many were sent after it, or it has disappeared.
    """


class FileNotReceived(ChatError):
    """A file of a contact cannot be received; ``problem`` says why, if that is known.

    It is `None` for a file that is not known any more: it was received before, or was forgotten
    because it was not wanted for long, or among too many others.
    """

    def __init__(self, problem: FileProblem | None) -> None:
        reason = "it is not known any more" if problem is None else problem.value
        super().__init__(f"the file was not received: {reason}")
        self.problem = problem


class FileTakenBack(FileNotReceived):
    """The contact has taken the file back, or has deleted its message."""

    def __init__(self) -> None:
        super().__init__(FileProblem.GONE)


class ApprovalNeeded(ChatError):
    """A file is on routers that may not be used without asking, since they see the program.

    The file waits: `IncomingFile.save` with ``approve=True`` uses them, and `IncomingFile.refuse`
    gives the file up.
    """

    def __init__(self, servers: tuple[ServerAddress, ...]) -> None:
        super().__init__(f"the file is on {len(servers)} routers that are not approved")
        self.servers = servers


class NameTaken(ChatError):
    """There is another contact with this name."""


class PairingFailed(ChatError):
    """A pairing has come to nothing; ``problem`` says why, if that is known."""

    def __init__(self, message: str, problem: Problem | None) -> None:
        super().__init__(message)
        self.problem = problem


class BelongsToBot(ChatError):
    """The store is a bot's, whose profile and contacts are up to the bot."""


class AppriseMissing(ChatError):
    """Apprise is not installed; the extra ``apprise`` has it."""

    def __init__(self) -> None:
        super().__init__('the extra is missing: pip install "simplex-trio[apprise]"')
