"""`Doubt`: whether the daemon hangs up because of one request, or for another reason.

The daemon does not say that it cannot read a request; it hangs up.  But connections end for many
other reasons, and of those callers are not to learn.  So an end counts as a refusal only if all of
this holds:

* the connection worked just before the request was sent, and had ended before the daemon answered
  what was sent just after it;
* the daemon went on and still knows this client, so that it was not the daemon that ended;
* if the request was for an operation: the daemon does not have it.
"""

from __future__ import annotations

from attrs import define

__all__ = ["UNEXPLAINED_ENDS", "Doubt"]

UNEXPLAINED_ENDS = 2
"""Connections in a row that ended before anything showed that the daemon had read a request: then
it is in doubt, and from now on sent between two others that the daemon answers at once."""


@define
class Doubt:
    """What the ends of connections say about one request.  Pure."""

    unexplained: int = 0
    suspected: bool = False
    """Whether the last end was a refusal, unless the next connection shows otherwise."""
    refusals: int = 0
    """In a row."""
    unreadable: int = 0
    """Connections in a row that ended soon, because what the daemon had sent made no sense."""

    @property
    def exists(self) -> bool:
        """Whether the request has to be sent between two others."""
        return self.unexplained >= UNEXPLAINED_ENDS

    def connection_ended(self, *, read: bool, nonsense: bool) -> None:
        """A connection that the request was sent on has ended without an answer to it.

        ``read``: whether the daemon has read the request for certain; ``nonsense``: whether the end
        was that of a short connection, over a message of the daemon that cannot be read.
        """
        self.unreadable = self.unreadable + 1 if nonsense else 0
        if read:
            self.has_been_read()
        elif self.exists:
            self.suspected = True
        else:
            self.unexplained += 1

    def has_been_read(self) -> None:
        """The daemon can read the request."""
        self.unexplained, self.refusals, self.suspected = 0, 0, False

    def daemon_ended(self) -> None:
        """It was the daemon that ended, or that has forgotten this client: no refusal."""
        self.suspected = False

    def was_refused(self) -> None:
        """The daemon goes on without the request."""
        self.suspected = False
        self.refusals += 1
