"""What the daemon has told about itself and about the mixnet, as far as it is kept.  Pure."""

from __future__ import annotations

from simplex_trio.katzenpost.messages.documents import Document
from simplex_trio.katzenpost.messages.events import ConnectionStatus, NewDocument

__all__ = ["MAX_DOCUMENTS", "Knowledge"]

MAX_DOCUMENTS = 5
"""Consensus documents that are kept: those of the last hour and a half."""


class Knowledge:
    """The latest status, and the latest consensus documents."""

    def __init__(self) -> None:
        self._status: ConnectionStatus | None = None
        self._document: Document | None = None
        self._by_epoch: dict[int, Document] = {}

    @property
    def status(self) -> ConnectionStatus:
        """The latest status; there is one from the first connection on."""
        assert self._status is not None
        return self._status

    @property
    def document(self) -> Document | None:
        """The latest document."""
        return self._document

    def document_of(self, epoch: int) -> Document | None:
        """The document of an epoch, if it is still kept."""
        return self._by_epoch.get(epoch)

    def as_events(self) -> list[ConnectionStatus | NewDocument]:
        """What a new subscriber should know."""
        return [self.status, NewDocument(self._document)]

    def note(self, event: ConnectionStatus | NewDocument) -> None:
        """The daemon has told something."""
        if isinstance(event, ConnectionStatus):
            self._status = event
        elif event.document is not None:
            document = self._document = event.document
            self._by_epoch.pop(document.epoch, None)
            self._by_epoch[document.epoch] = document
            if len(self._by_epoch) > MAX_DOCUMENTS:
                del self._by_epoch[next(iter(self._by_epoch))]
