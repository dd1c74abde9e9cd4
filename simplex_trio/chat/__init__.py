"""Programs that people with a SimpleX app talk with, and what these see of them.

* `open_bot` opens a `Bot`: a program with a profile, an address and contacts.  `Handlers` says
  which functions deal with what they say.
* `notify` sends one alert, from a script for example; `open_notifier` is for programs that send
  many, and pairs the people who get them.
* `Content` is what a message says: `Text`, `Link`, `Image`, `Video`, `Voice`, `File` and so on.
* `Profile` is who the other side says it is, `Preferences` what it allows, and `AddressData` what
  an app shows of a link before it connects.
* `parse_markdown` sees in a text what the apps see, and `escape` keeps them from seeing anything.

Reading the messages of the apps, which are compressed when they are long, needs the extra ``chat``.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "REACTIONS",
    "AddressData",
    "Allow",
    "AmbiguousContact",
    "AppriseMissing",
    "ApprovalNeeded",
    "BelongsToBot",
    "Bot",
    "BotCommand",
    "BusinessChat",
    "BusinessSide",
    "CannotInvite",
    "CannotJoin",
    "ChatError",
    "Color",
    "Command",
    "CommandText",
    "CompressionSupportMissing",
    "Contact",
    "ContactLink",
    "ContactLost",
    "ContactRequest",
    "ContactStatus",
    "Content",
    "DeliveryState",
    "Enabled",
    "Feature",
    "File",
    "FileNotReceived",
    "FileState",
    "FileTakenBack",
    "Filter",
    "Format",
    "Group",
    "GroupChanged",
    "GroupEnded",
    "GroupFile",
    "GroupHandlers",
    "GroupInvitation",
    "GroupMessage",
    "GroupMessageDeleted",
    "GroupMessageEdited",
    "GroupPreference",
    "GroupPreferences",
    "GroupProfile",
    "GroupReactionChanged",
    "GroupReport",
    "GroupStatus",
    "GroupsNotSupported",
    "Handlers",
    "HyperLink",
    "Image",
    "IncomingFile",
    "IncomingMessage",
    "LeadsToGroup",
    "Link",
    "LinkInfo",
    "LinkIsOwn",
    "LinkKind",
    "LiveMessage",
    "Member",
    "MemberAdmission",
    "MemberBlocked",
    "MemberContactRequest",
    "MemberGone",
    "MemberLeft",
    "MemberProfileChanged",
    "MemberRequest",
    "MemberStatus",
    "MentionText",
    "Menu",
    "MessageDeleted",
    "MessageEdited",
    "MessageForgotten",
    "MessageRef",
    "Middleware",
    "NameTaken",
    "NameText",
    "NotAGroup",
    "NotAllowed",
    "Notification",
    "Notifier",
    "Pairing",
    "PairingFailed",
    "PeerType",
    "Picture",
    "PictureSupportMissing",
    "Preference",
    "Preferences",
    "PreferencesChanged",
    "Preview",
    "Profile",
    "ProfileChanged",
    "Quote",
    "RatchetBroken",
    "RatchetRepaired",
    "Reach",
    "ReactionChanged",
    "Recipient",
    "RejectionReason",
    "Relay",
    "Report",
    "ReportReason",
    "Reviewed",
    "Role",
    "RoleChanged",
    "SecurityCodeChanged",
    "SentGroupMessage",
    "SentMessage",
    "SharedLink",
    "Span",
    "State",
    "StateValue",
    "Style",
    "SupportChat",
    "Switch",
    "Text",
    "TimedGroupPreference",
    "TimedMessages",
    "UnknownContact",
    "UnknownContent",
    "UnknownGroup",
    "Video",
    "Voice",
    "add_to_apprise",
    "alert_text",
    "escape",
    "from_role",
    "in_group",
    "in_support",
    "mentions_me",
    "notify",
    "open_bot",
    "open_notifier",
    "parse_markdown",
]

if TYPE_CHECKING:
    from simplex_trio.chat.bot import Bot
    from simplex_trio.chat.changes import (
        MessageDeleted,
        MessageEdited,
        PreferencesChanged,
        ProfileChanged,
        RatchetBroken,
        RatchetRepaired,
        ReactionChanged,
        SecurityCodeChanged,
    )
    from simplex_trio.chat.errors import (
        AmbiguousContact,
        AppriseMissing,
        ApprovalNeeded,
        BelongsToBot,
        CannotInvite,
        CannotJoin,
        ChatError,
        ContactLost,
        FileNotReceived,
        FileTakenBack,
        GroupsNotSupported,
        LeadsToGroup,
        LinkIsOwn,
        MemberGone,
        MessageForgotten,
        NameTaken,
        NotAGroup,
        NotAllowed,
        PairingFailed,
        UnknownContact,
        UnknownGroup,
    )
    from simplex_trio.chat.files import GroupFile, IncomingFile
    from simplex_trio.chat.group_changes import (
        GroupChanged,
        GroupEnded,
        MemberBlocked,
        MemberContactRequest,
        MemberLeft,
        MemberProfileChanged,
        RoleChanged,
    )
    from simplex_trio.chat.group_filters import (
        from_role,
        in_group,
        in_support,
        mentions_me,
    )
    from simplex_trio.chat.group_handlers import (
        GroupHandlers,
    )
    from simplex_trio.chat.group_message_changes import (
        GroupMessageDeleted,
        GroupMessageEdited,
        GroupReactionChanged,
        GroupReport,
    )
    from simplex_trio.chat.group_messages import (
        GroupMessage,
        SentGroupMessage,
    )
    from simplex_trio.chat.group_requests import MemberRequest
    from simplex_trio.chat.groups import (
        Group,
        GroupInvitation,
        Member,
        Relay,
        SupportChat,
    )
    from simplex_trio.chat.handlers import (
        Filter,
        Handlers,
        Middleware,
    )
    from simplex_trio.chat.live import LiveMessage
    from simplex_trio.chat.looking import LinkInfo, LinkKind
    from simplex_trio.chat.machine.file_records import FileState
    from simplex_trio.chat.machine.groups.deliveries import (
        Reach,
    )
    from simplex_trio.chat.machine.groups.records import (
        GroupStatus,
        MemberStatus,
    )
    from simplex_trio.chat.machine.records import (
        ContactStatus,
        DeliveryState,
    )
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
    from simplex_trio.chat.messages.events import (
        REACTIONS,
        MessageRef,
        Quote,
    )
    from simplex_trio.chat.messages.formatting import parse_markdown
    from simplex_trio.chat.messages.group_events import (
        BusinessChat,
        BusinessSide,
        RejectionReason,
    )
    from simplex_trio.chat.messages.group_profiles import (
        GroupPreference,
        GroupPreferences,
        GroupProfile,
        MemberAdmission,
        Reviewed,
        Role,
        Switch,
        TimedGroupPreference,
    )
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
    from simplex_trio.chat.messages.shrinking import PictureSupportMissing
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
    from simplex_trio.chat.notifying.apprise import add_to_apprise
    from simplex_trio.chat.notifying.notifier import (
        Notifier,
        Pairing,
    )
    from simplex_trio.chat.notifying.opening import (
        notify,
        open_notifier,
    )
    from simplex_trio.chat.notifying.texts import alert_text
    from simplex_trio.chat.notifying.values import (
        Notification,
        Recipient,
    )
    from simplex_trio.chat.opening import open_bot
    from simplex_trio.chat.people import (
        Contact,
        ContactRequest,
        IncomingMessage,
        SentMessage,
    )
    from simplex_trio.chat.state import State, StateValue
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.chat.bot": ("Bot",),
            "simplex_trio.chat.changes": (
                "MessageDeleted",
                "MessageEdited",
                "PreferencesChanged",
                "ProfileChanged",
                "RatchetBroken",
                "RatchetRepaired",
                "ReactionChanged",
                "SecurityCodeChanged",
            ),
            "simplex_trio.chat.errors": (
                "AmbiguousContact",
                "AppriseMissing",
                "ApprovalNeeded",
                "BelongsToBot",
                "CannotInvite",
                "CannotJoin",
                "ChatError",
                "ContactLost",
                "FileNotReceived",
                "FileTakenBack",
                "GroupsNotSupported",
                "LeadsToGroup",
                "LinkIsOwn",
                "MemberGone",
                "MessageForgotten",
                "NameTaken",
                "NotAGroup",
                "NotAllowed",
                "PairingFailed",
                "UnknownContact",
                "UnknownGroup",
            ),
            "simplex_trio.chat.files": ("GroupFile", "IncomingFile"),
            "simplex_trio.chat.group_changes": (
                "GroupChanged",
                "GroupEnded",
                "MemberBlocked",
                "MemberContactRequest",
                "MemberLeft",
                "MemberProfileChanged",
                "RoleChanged",
            ),
            "simplex_trio.chat.group_filters": (
                "from_role",
                "in_group",
                "in_support",
                "mentions_me",
            ),
            "simplex_trio.chat.group_handlers": ("GroupHandlers",),
            "simplex_trio.chat.group_message_changes": (
                "GroupMessageDeleted",
                "GroupMessageEdited",
                "GroupReactionChanged",
                "GroupReport",
            ),
            "simplex_trio.chat.group_messages": (
                "GroupMessage",
                "SentGroupMessage",
            ),
            "simplex_trio.chat.group_requests": ("MemberRequest",),
            "simplex_trio.chat.groups": (
                "Group",
                "GroupInvitation",
                "Member",
                "Relay",
                "SupportChat",
            ),
            "simplex_trio.chat.handlers": ("Filter", "Handlers", "Middleware"),
            "simplex_trio.chat.live": ("LiveMessage",),
            "simplex_trio.chat.looking": ("LinkInfo", "LinkKind"),
            "simplex_trio.chat.machine.file_records": ("FileState",),
            "simplex_trio.chat.machine.groups.deliveries": ("Reach",),
            "simplex_trio.chat.machine.groups.records": (
                "GroupStatus",
                "MemberStatus",
            ),
            "simplex_trio.chat.machine.records": ("ContactStatus", "DeliveryState"),
            "simplex_trio.chat.messages.addresses": ("AddressData",),
            "simplex_trio.chat.messages.compression": ("CompressionSupportMissing",),
            "simplex_trio.chat.messages.content": (
                "Content",
                "File",
                "Image",
                "Link",
                "Preview",
                "Report",
                "ReportReason",
                "SharedLink",
                "Text",
                "UnknownContent",
                "Video",
                "Voice",
            ),
            "simplex_trio.chat.messages.escaping": ("escape",),
            "simplex_trio.chat.messages.events": ("REACTIONS", "MessageRef", "Quote"),
            "simplex_trio.chat.messages.formatting": ("parse_markdown",),
            "simplex_trio.chat.messages.group_events": (
                "BusinessChat",
                "BusinessSide",
                "RejectionReason",
            ),
            "simplex_trio.chat.messages.group_profiles": (
                "GroupPreference",
                "GroupPreferences",
                "GroupProfile",
                "MemberAdmission",
                "Reviewed",
                "Role",
                "Switch",
                "TimedGroupPreference",
            ),
            "simplex_trio.chat.messages.pictures": ("Picture",),
            "simplex_trio.chat.messages.preferences": (
                "Allow",
                "BotCommand",
                "Command",
                "Enabled",
                "Feature",
                "Menu",
                "Preference",
                "Preferences",
                "TimedMessages",
            ),
            "simplex_trio.chat.messages.profiles": ("PeerType", "Profile"),
            "simplex_trio.chat.messages.shrinking": ("PictureSupportMissing",),
            "simplex_trio.chat.messages.spans": (
                "Color",
                "CommandText",
                "ContactLink",
                "Format",
                "HyperLink",
                "MentionText",
                "NameText",
                "Span",
                "Style",
            ),
            "simplex_trio.chat.notifying.apprise": ("add_to_apprise",),
            "simplex_trio.chat.notifying.notifier": ("Notifier", "Pairing"),
            "simplex_trio.chat.notifying.opening": ("notify", "open_notifier"),
            "simplex_trio.chat.notifying.texts": ("alert_text",),
            "simplex_trio.chat.notifying.values": ("Notification", "Recipient"),
            "simplex_trio.chat.opening": ("open_bot",),
            "simplex_trio.chat.people": (
                "Contact",
                "ContactRequest",
                "IncomingMessage",
                "SentMessage",
            ),
            "simplex_trio.chat.state": ("State", "StateValue"),
        },
    )
