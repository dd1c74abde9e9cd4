"""What people with a SimpleX app see: messages, profiles and addresses, as values.

This is the first part of the chat layer: values that are sent and received, and the rules that the
apps follow with them.  What sends them over a connection is not here yet.

* `Content` is what a message says: `Text`, `Link`, `Image`, `Video`, `Voice`, `File` and so on.
* `Profile` is who the other side says it is, `Preferences` what it allows, and `AddressData` what
  an app shows of a link before it connects.
* `parse_markdown` sees in a text what the apps see, and `escape` keeps them from seeing anything.

Reading the messages of the apps, which are compressed when they are long, needs the extra ``chat``.
"""

from simplex_trio.chat.messages.addresses import (
    AddressData,
)
from simplex_trio.chat.messages.compression import (
    CompressionSupportMissing,
)
from simplex_trio.chat.messages.content import (
    Content,
    File,
    Image,
    Link,
    Preview,
    Report,
    ReportReason,
    SharedLink,
    Text,
    UnknownContent,
    Video,
    Voice,
)
from simplex_trio.chat.messages.escaping import (
    escape,
)
from simplex_trio.chat.messages.formatting import parse_markdown
from simplex_trio.chat.messages.pictures import (
    Picture,
)
from simplex_trio.chat.messages.preferences import (
    Allow,
    BotCommand,
    Command,
    Enabled,
    Feature,
    Menu,
    Preference,
    Preferences,
    TimedMessages,
)
from simplex_trio.chat.messages.profiles import (
    PeerType,
    Profile,
)
from simplex_trio.chat.messages.spans import (
    Color,
    CommandText,
    ContactLink,
    Format,
    HyperLink,
    MentionText,
    NameText,
    Span,
    Style,
)

__all__ = [
    "AddressData",
    "Allow",
    "BotCommand",
    "Color",
    "Command",
    "CommandText",
    "CompressionSupportMissing",
    "ContactLink",
    "Content",
    "Enabled",
    "Feature",
    "File",
    "Format",
    "HyperLink",
    "Image",
    "Link",
    "MentionText",
    "Menu",
    "NameText",
    "PeerType",
    "Picture",
    "Preference",
    "Preferences",
    "Preview",
    "Profile",
    "Report",
    "ReportReason",
    "SharedLink",
    "Span",
    "Style",
    "Text",
    "TimedMessages",
    "UnknownContent",
    "Video",
    "Voice",
    "escape",
    "parse_markdown",
]
