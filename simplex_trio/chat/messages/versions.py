"""The versions of the chat protocol: what this package implements, and what each of them added."""

from __future__ import annotations

from simplex_trio.chat.messages.scalars import ChatVersions
from simplex_trio.wire.versions import VersionRange

__all__ = ["CHAT_VERSIONS", "ChatVersion", "agreed_version"]


class ChatVersion:
    """The version that introduced each feature, to compare the agreed version with."""

    FIRST = 1
    MEMBER_CONTACTS = 2
    """``x.grp.direct.inv``: a member of a group asks for a direct conversation."""
    FAST_GROUP_LINKS = 3
    """Joining by the link of a group without a contact; below it the host refuses."""
    FORWARDING = 4
    """``x.grp.msg.forward``."""
    GROUP_BATCHES = 5
    """JSON arrays of messages in groups."""
    MEMBER_PROFILES = 7
    """``x.info`` in groups."""
    COMPRESSION = 8
    """Compressed bodies, and the post-quantum KEM."""
    BATCHES = 9
    """JSON arrays of messages everywhere; answers as soon as the queue is secured."""
    BUSINESS = 10
    GROUP_PREFERENCES = 11
    """``x.grp.prefs``."""
    REPORTS = 12
    GROUP_REJECTION = 14
    """``x.grp.link.reject``."""
    SCOPES = 15
    """Conversations with the admins of a group, and ``x.grp.link.acpt``."""
    LINK_DATA = 16
    """Profile and welcome message in the data of short links."""
    BINARY_BATCHES = 17
    """Binary batches, with elements that are forwarded or signed; channels are made of them."""


CHAT_VERSIONS = ChatVersions(ChatVersion.FIRST, ChatVersion.LINK_DATA)
"""What this package says that it speaks, and what it implements.

What came later are channels, which are another kind of group.  Their batches are read at every
version, because the hosts of ordinary groups use them too; and written to members whose programs
say that they read them, whatever this package says of itself.
"""


def agreed_version(peer: VersionRange, own: VersionRange = CHAT_VERSIONS) -> int:
    """The version for what is sent to a peer that speaks ``peer``.

    Without a common version it is the one of the peer's that is nearest, as in the apps.
    """
    if peer.lowest > own.highest:
        return peer.lowest
    return min(peer.highest, own.highest)
