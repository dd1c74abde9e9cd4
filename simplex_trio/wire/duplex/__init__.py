"""What two agents say to each other: the bytes inside the bodies of SEND, and in links.

Everything here is pure.  `simplex_trio.ratchet` encrypts what travels inside these envelopes.
Public are links, which people paste, print and scan, and the data behind them.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "ConnectionRequest",
    "ContactKind",
    "ContactLinkData",
    "ContactURI",
    "FixedLinkData",
    "InvitationLinkData",
    "InvitationURI",
    "Link",
    "LinkContent",
    "LinkDataInvalid",
    "LinkFlaw",
    "LinkKeys",
    "LinkProblem",
    "NotALink",
    "Owner",
    "QueueURI",
    "SealedLink",
    "ShortContactLink",
    "ShortInvitationLink",
    "ShortLink",
    "UserLinkData",
    "X3DHKeys",
    "open_link",
    "parse_link",
    "read_link",
    "replace_user_data",
    "seal_link",
]

if TYPE_CHECKING:
    from simplex_trio.wire.duplex.link_boxes import (
        LinkContent,
        LinkKeys,
        SealedLink,
        open_link,
        read_link,
        replace_user_data,
        seal_link,
    )
    from simplex_trio.wire.duplex.link_data import (
        ContactLinkData,
        FixedLinkData,
        InvitationLinkData,
        UserLinkData,
    )
    from simplex_trio.wire.duplex.links import Link, LinkProblem, NotALink, parse_link
    from simplex_trio.wire.duplex.owners import LinkDataInvalid, LinkFlaw, Owner
    from simplex_trio.wire.duplex.requests import ConnectionRequest, ContactURI, InvitationURI
    from simplex_trio.wire.duplex.short_links import (
        ContactKind,
        ShortContactLink,
        ShortInvitationLink,
        ShortLink,
    )
    from simplex_trio.wire.duplex.x3dh_keys import X3DHKeys
    from simplex_trio.wire.queue_uris import QueueURI
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.wire.duplex.link_boxes": (
                "LinkContent",
                "LinkKeys",
                "SealedLink",
                "open_link",
                "read_link",
                "replace_user_data",
                "seal_link",
            ),
            "simplex_trio.wire.duplex.link_data": (
                "ContactLinkData",
                "FixedLinkData",
                "InvitationLinkData",
                "UserLinkData",
            ),
            "simplex_trio.wire.duplex.links": ("Link", "LinkProblem", "NotALink", "parse_link"),
            "simplex_trio.wire.duplex.owners": ("LinkDataInvalid", "LinkFlaw", "Owner"),
            "simplex_trio.wire.duplex.requests": (
                "ConnectionRequest",
                "ContactURI",
                "InvitationURI",
            ),
            "simplex_trio.wire.duplex.short_links": (
                "ContactKind",
                "ShortContactLink",
                "ShortInvitationLink",
                "ShortLink",
            ),
            "simplex_trio.wire.duplex.x3dh_keys": ("X3DHKeys",),
            "simplex_trio.wire.queue_uris": ("QueueURI",),
        },
    )
