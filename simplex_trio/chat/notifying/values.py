"""What is told of alerts, and of the people who get them."""

from __future__ import annotations

from contextlib import suppress
from typing import final

from attrs import field

from simplex_trio.chat.machine.pairings import PairingRecord
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.people import Contact, SentMessage
from simplex_trio.duplex.errors import UnknownConnection
from simplex_trio.duplex.events import Problem
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["Notification", "Recipient", "invited", "recipient"]


@final
@frozen(repr=False)
class Notification(Redacted):
    """What became of an alert, as far as that was waited for."""

    contact: Contact = field(repr=False)
    message: SentMessage = field(repr=False)
    state: DeliveryState
    problem: Problem | None = None
    """Why it has not come further, if that is known."""


@final
@frozen(repr=False)
class Recipient(Redacted):
    """A person that alerts can be sent to, or that is invited."""

    name: str | None
    """The name that `Notifier.send` takes; `None` if it is still to come from the profile."""
    contact: Contact | None = field(repr=False)
    """`None` until the person is connected."""
    link: str | None
    """The link, while the person is invited and a router has made it."""
    queued: int
    """Messages that no router has taken yet, or not all of their files."""
    failed: int
    """How many of the latest messages were given up."""


def invited(record: PairingRecord) -> Recipient:
    """What is told of a person who is invited."""
    return Recipient(record.asked_name, None, record.link, 0, 0)


def recipient(store: Store, contact: Contact) -> Recipient:
    """What is told of a contact."""
    queued = 0
    with suppress(UnknownConnection):
        queued = store.t.status(contact.connection_id).queued
    outcomes = [each.outcome for each in store.sent_to(contact.id)]
    # What waits for its file is not queued yet.
    queued = max(queued, outcomes.count(DeliveryState.STORED))
    failed = outcomes.count(DeliveryState.FAILED)
    return Recipient(contact.name, contact, None, queued, failed)
