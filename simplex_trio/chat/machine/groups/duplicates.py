"""Messages that come both from their author and from a host that passes them on.

A host does so until it knows that the two are connected.  If it does so after that, it has missed
the message that says so, and is told again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.messages.group_events import XGrpMemCon

if TYPE_CHECKING:
    from simplex_trio.chat.machine.groups.arriving import Arrival

__all__ = ["HostReminder"]


class HostReminder:
    """Tells a host again that the program is connected with a member, once in each message."""

    def __init__(self) -> None:
        self._has_told = False

    def look(self, a: Arrival) -> None:
        """Tell the host if this has come before, another way, and its author is connected."""
        author = a.author
        if self._has_told or a.msg_id is None or not author.is_connected:
            return
        host = a.deliverer
        if not a.is_forwarded:
            if author.host_id is None:
                return
            found = a.groups.member(a.group.group_id, author.host_id)
            if found is None:
                return
            host = found
        if a.groups.has_come(a.group.group_id, author.member_id, a.msg_id):
            self._has_told = True
            event = XGrpMemCon(author.member_id)
            say_to(a.groups, [host], [(event, a.settings.new_message_id())], notify=event.NOTIFIES)
