"""Who gets alerts: listing and removing."""

from __future__ import annotations

from typing import Any

from simplex_trio.chat.machine.records import ContactStatus
from simplex_trio.chat.notifying.values import Recipient
from simplex_trio.chat.people import Contact
from simplex_trio.cli.notify.place import Place, open_alerts
from simplex_trio.cli.output import print_json, say, waiting

__all__ = ["list_people", "remove", "shown_profile"]

_LEAVING = 10.0
"""Seconds for which a router is waited for, so that it can tell the contact."""

_STATES = {
    ContactStatus.REQUESTED: "asks for a connection",
    ContactStatus.CONNECTING: "being connected",
    ContactStatus.READY: "connected",
    ContactStatus.FAILED: "cannot be reached any more; remove it, and pair anew",
}


async def list_people(where: Place, *, wait: float, json: bool) -> None:
    """Print the contacts, and those who are invited; no router is asked."""
    found: list[Recipient] = []
    if where.path.exists():
        async with open_alerts(where, wait=wait, reaches_out=False) as notifier:
            found = await notifier.recipients()
    if json:
        print_json([_fields(each) for each in found])
        return
    if not found:
        say("There are none yet; invite a person with: simplex-trio notify --pair")
    for each in found:
        say(_line(each))
        if each.link is not None:
            say(f"  {each.link}")


def _fields(person: Recipient) -> dict[str, Any]:
    contact = person.contact
    return {
        "name": person.name,
        "contact": None if contact is None else contact.id,
        "profile": None if contact is None else shown_profile(contact),
        "state": "invited" if contact is None else contact.status.value,
        "link": person.link,
        "queued": person.queued,
        "failed": person.failed,
    }


def _line(person: Recipient) -> str:
    contact = person.contact
    if contact is None:
        return f"{_shown(person.name)}  invited"
    parts = [_shown(person.name), f"id:{contact.id}", _STATES[contact.status]]
    profile = shown_profile(contact)
    if profile != person.name:
        parts.insert(2, f"'{profile}'")
    if person.queued:
        parts.append(f"not sent yet: {person.queued}")
    if person.failed:
        parts.append(f"given up: {person.failed}")
    return "  ".join(parts)


def shown_profile(contact: Contact) -> str:
    """What the contact calls itself."""
    return "" if contact.profile is None else contact.profile.shown_name


def _shown(name: str | None) -> str:
    return "(without a name)" if name is None else name


async def remove(where: Place, name: str, *, wait: float, json: bool) -> None:
    """Remove a contact, or take an invitation back."""
    async with open_alerts(where, wait=wait) as notifier:
        await notifier.remove(name)
        with waiting("telling the contact"):
            left = await notifier.flush(timeout=_LEAVING, gives_way=True)
    if json:
        print_json({"removed": name, "queued": left})
    else:
        say("Removed.")
