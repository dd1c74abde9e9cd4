"""What a message says: text, a link, an image, and so on.

Every content has text.  A kind that this package does not know is an `UnknownContent`, which
programs show by its text, as the apps do.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from simplex_trio.chat.messages.group_profiles import GroupProfile
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.records import Lax, Record, Required, Tagged
from simplex_trio.frozen import frozen

__all__ = [
    "Content",
    "File",
    "Image",
    "Link",
    "OtherPage",
    "OwnerSignature",
    "Page",
    "PageContent",
    "PictureFile",
    "Preview",
    "Report",
    "ReportReason",
    "SharedContact",
    "SharedGroup",
    "SharedInvitation",
    "SharedLink",
    "Text",
    "UnknownContent",
    "Video",
    "VideoPage",
    "Voice",
]


_NO_PICTURE = Picture()


@frozen(repr=False)
class Text(Tagged):
    """Text alone.

    The apps see formatting in it (`parse_markdown`); `escape` keeps them from it.
    """

    TYPE: ClassVar[str] = "text"

    text: str


# --- links --------------------------------------------------------------------------------------


@frozen(repr=False)
class Page(Tagged):
    """What a link leads to: a page."""

    TYPE: ClassVar[str] = "page"


@frozen(repr=False)
class PictureFile(Tagged):
    """What a link leads to: a picture."""

    TYPE: ClassVar[str] = "image"


@frozen(repr=False)
class VideoPage(Tagged):
    """What a link leads to: a video of ``duration`` seconds."""

    TYPE: ClassVar[str] = "video"

    duration: int | None = None


@frozen(repr=False)
class OtherPage(Tagged):
    """What a link leads to: something that this package does not know; ``unknown`` has it all."""

    TAKES_MALFORMED: ClassVar[bool] = True

    type: str


PageContent = Page | PictureFile | VideoPage | OtherPage
"""What a link leads to."""


@frozen(repr=False)
class Preview(Record):
    """What the sender saw behind a link; only the sender vouches for it."""

    uri: str
    title: str
    description: Required[str] = ""
    image: Required[Picture] = _NO_PICTURE
    content: PageContent | None = None


@frozen(repr=False)
class Link(Tagged):
    """Text with a link in it, and a preview of what is behind it."""

    TYPE: ClassVar[str] = "link"

    text: str
    preview: Preview


# --- media --------------------------------------------------------------------------------------


@frozen(repr=False)
class Image(Tagged):
    """A picture: ``image`` is its thumbnail, and the file comes with the message.

    Some senders send no file with it, and the thumbnail is all there is.
    """

    TYPE: ClassVar[str] = "image"

    image: Picture
    text: Required[str] = ""


@frozen(repr=False)
class Video(Tagged):
    """A video of ``duration`` seconds: ``image`` is its first picture; the file comes with it."""

    TYPE: ClassVar[str] = "video"

    image: Picture
    duration: int
    text: Required[str] = ""


@frozen(repr=False)
class Voice(Tagged):
    """A voice message of ``duration`` seconds; its file, AAC in MPEG-4, comes with it."""

    TYPE: ClassVar[str] = "voice"

    duration: int
    text: Required[str] = ""


@frozen(repr=False)
class File(Tagged):
    """A file of any kind, which comes with the message, and a text about it."""

    TYPE: ClassVar[str] = "file"

    text: Required[str] = ""


# --- groups and contacts ------------------------------------------------------------------------


class ReportReason(StrEnum):
    """Why a message is reported to the moderators of a group."""

    SPAM = "spam"
    CONTENT = "content"
    COMMUNITY = "community"
    PROFILE = "profile"
    OTHER = "other"


@frozen(repr=False)
class Report(Tagged):
    """A report about the message that it quotes, for the moderators of a group."""

    TYPE: ClassVar[str] = "report"

    reason: ReportReason | str
    text: Required[str] = ""


@frozen(repr=False)
class SharedContact(Tagged):
    """The address of a contact or a business, and the profile behind it."""

    TYPE: ClassVar[str] = "contact"

    conn_link: str
    profile: Profile
    business: Required[bool] = False


@frozen(repr=False)
class SharedInvitation(Tagged):
    """An invitation that can be used once, and the profile behind it."""

    TYPE: ClassVar[str] = "invitation"

    inv_link: str
    profile: Profile


@frozen(repr=False)
class SharedGroup(Tagged):
    """The link of a group, and the group's profile."""

    TYPE: ClassVar[str] = "group"

    conn_link: str
    group_profile: GroupProfile


@frozen(repr=False)
class OwnerSignature(Record):
    """A proof that the sender owns the link; this package does not verify it."""

    chat_binding: bytes
    owner_sig: bytes
    owner_id: bytes | None = None


@frozen(repr=False)
class SharedLink(Tagged):
    """A contact or a group that the sender shares."""

    TYPE: ClassVar[str] = "chat"

    text: str
    chat_link: SharedContact | SharedInvitation | SharedGroup
    owner_sig: Lax[OwnerSignature] | None = None


# --- the rest -----------------------------------------------------------------------------------


@frozen(repr=False)
class UnknownContent(Tagged):
    """A kind of content that this package does not know, called ``type``.

    Show its text.  What else it has is in ``unknown``.
    """

    type: str
    text: str = "unknown message type"


Content = Text | Link | Image | Video | Voice | File | Report | SharedLink | UnknownContent
"""What a message says."""
