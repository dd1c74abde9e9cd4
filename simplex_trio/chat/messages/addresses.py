"""What an app reads from a short link before it connects: the chat layer's part of the link's data.

It shows a person or a bot by it, with a picture, a welcome message and the commands of the bot; or
a group.  The full link of a group says by its client data that it is one.
"""

from __future__ import annotations

from typing import Self

from simplex_trio.chat.messages.compression import compress_frame, decompress_frame
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.group_profiles import GroupProfile
from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.records import Record, Required
from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.frozen import frozen

__all__ = [
    "GROUP_LINK_ID_SIZE",
    "MAX_LINK_DATA",
    "AddressData",
    "GroupLinkData",
    "PublicGroupData",
    "RelayLinkData",
    "group_client_data",
    "group_link_id",
]

GROUP_LINK_ID_SIZE = 16
"""How many random bytes the apps identify the link of a group by."""

MAX_LINK_DATA = 13_784
"""How long all the data of a link may be; the rest of it, beside this part, is a few bytes."""

_COMPRESSED_ABOVE = 10_240


@frozen(repr=False)
class _LinkData(Record):
    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the user data of a link; raises `DecodeError`.

        Raises `CompressionSupportMissing` if it is compressed, and nothing that can read it is
        installed.
        """
        if len(data) > MAX_LINK_DATA:
            raise DecodeError(f"{len(data)} bytes of data in a link, of at most {MAX_LINK_DATA}")
        return cls.from_json(decode_json(decompress_frame(data[1:]) if data[:1] == b"X" else data))

    def encode(self) -> bytes:
        """Write the user data of a link, compressed if it is long.

        Raises `TooLarge` if it does not fit even so: make the picture smaller.
        """
        data = encode_json(self.to_json())
        if len(data) > _COMPRESSED_ABOVE:
            data = b"X" + compress_frame(data)
        if len(data) > MAX_LINK_DATA:
            raise TooLarge(f"{len(data)} bytes of data in a link, of at most {MAX_LINK_DATA}")
        return data


@frozen(repr=False)
class AddressData(_LinkData):
    """Who is behind an address or an invitation.

    ``message`` is the welcome message.  With ``business`` each request becomes a group, which more
    people of the business can join.
    """

    profile: Profile
    message: Content | None = None
    business: Required[bool] = False


@frozen(repr=False)
class PublicGroupData(Record):
    """What the link of a channel says beside its profile."""

    public_member_count: int


@frozen(repr=False)
class GroupLinkData(_LinkData):
    """What is behind the link of a group."""

    group_profile: GroupProfile
    public_group_data: PublicGroupData | None = None


@frozen(repr=False)
class RelayLinkData(_LinkData):
    """What is behind the link of a relay: its address, or where members join a channel."""

    relay_profile: Profile


# --- client data --------------------------------------------------------------------------------


@frozen(repr=False)
class _GroupClientData(Record):
    group_link_id: bytes


def group_client_data(link_id: bytes) -> str:
    """The client data of the full link of a group.

    Without it apps take the link for a person's address: they send a message with their request,
    and refuse the answer of a host.
    """
    return encode_json(_GroupClientData(link_id).to_json()).decode()


def group_link_id(client_data: str | None) -> bytes | None:
    """The id of the link of a group by its client data; `None` for another link."""
    if client_data is None:
        return None
    try:
        return _GroupClientData.from_json(decode_json(client_data.encode())).group_link_id
    except (DecodeError, UnicodeEncodeError):
        return None
