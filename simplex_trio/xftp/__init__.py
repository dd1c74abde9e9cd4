"""XFTP: files through routers; transfers of whole files, a client, and a router.

`send_file`, `receive_file` and `delete_file` transfer whole files, as packets on any number of
routers; the sender gives the recipient a `FileDescription`, as text, in a file or as a link.
`open_xftp_client` connects to one router, for single packets, and `open_xftp_router` runs a router.

HTTP/2 comes from a library that is installed with the extra ``xftp`` only; without it these
functions raise `XFTPSupportMissing`.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "DeletedFile",
    "DigestMismatch",
    "FileChanged",
    "FileDescription",
    "FileLink",
    "FileParty",
    "FileTooLarge",
    "NoSuchReplica",
    "NotDeleted",
    "Packet",
    "PacketPolicy",
    "PacketStatus",
    "Phase",
    "Progress",
    "ReceivedFile",
    "RedirectRefused",
    "Replica",
    "Retrying",
    "RouterUnreachable",
    "SentFile",
    "StateInUse",
    "StateMismatch",
    "StreamReset",
    "TransferConfig",
    "TransferEvent",
    "WrongBodySize",
    "XFTPClient",
    "XFTPClientConfig",
    "XFTPClientLimits",
    "XFTPRouter",
    "XFTPRouterConfig",
    "XFTPRouterError",
    "XFTPSupportMissing",
    "decode_description",
    "delete_file",
    "description_parts",
    "encode_description",
    "load_description",
    "open_xftp_client",
    "open_xftp_router",
    "parse_file_link",
    "receive_file",
    "save_descriptions",
    "send_description",
    "send_file",
    "serve_xftp_router",
    "web_link",
]

if TYPE_CHECKING:
    from simplex_trio.wire.xftp.description import FileDescription, FileParty, Packet, Replica
    from simplex_trio.wire.xftp.description_text import (
        decode_description,
        description_parts,
        encode_description,
    )
    from simplex_trio.wire.xftp.links import FileLink, parse_file_link, web_link
    from simplex_trio.xftp.client import XFTPClient, open_xftp_client
    from simplex_trio.xftp.client_config import XFTPClientConfig
    from simplex_trio.xftp.errors import (
        DigestMismatch,
        FileChanged,
        FileTooLarge,
        NoSuchReplica,
        NotDeleted,
        RedirectRefused,
        RouterUnreachable,
        StateInUse,
        StateMismatch,
        StreamReset,
        WrongBodySize,
        XFTPRouterError,
        XFTPSupportMissing,
    )
    from simplex_trio.xftp.files.config import TransferConfig
    from simplex_trio.xftp.files.delete import DeletedFile, delete_file
    from simplex_trio.xftp.files.descriptions import load_description, save_descriptions
    from simplex_trio.xftp.files.progress import Phase, Progress, Retrying, TransferEvent
    from simplex_trio.xftp.files.receive import ReceivedFile, receive_file
    from simplex_trio.xftp.files.send import SentFile, send_description, send_file
    from simplex_trio.xftp.router.config import PacketPolicy, XFTPClientLimits, XFTPRouterConfig
    from simplex_trio.xftp.router.control import PacketStatus
    from simplex_trio.xftp.router.server import XFTPRouter, open_xftp_router, serve_xftp_router
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.wire.xftp.description": (
                "FileDescription",
                "FileParty",
                "Packet",
                "Replica",
            ),
            "simplex_trio.wire.xftp.description_text": (
                "decode_description",
                "description_parts",
                "encode_description",
            ),
            "simplex_trio.wire.xftp.links": ("FileLink", "parse_file_link", "web_link"),
            "simplex_trio.xftp.client": ("XFTPClient", "open_xftp_client"),
            "simplex_trio.xftp.client_config": ("XFTPClientConfig",),
            "simplex_trio.xftp.errors": (
                "DigestMismatch",
                "FileChanged",
                "FileTooLarge",
                "NoSuchReplica",
                "NotDeleted",
                "RedirectRefused",
                "RouterUnreachable",
                "StateInUse",
                "StateMismatch",
                "StreamReset",
                "WrongBodySize",
                "XFTPRouterError",
                "XFTPSupportMissing",
            ),
            "simplex_trio.xftp.files.config": ("TransferConfig",),
            "simplex_trio.xftp.files.delete": ("DeletedFile", "delete_file"),
            "simplex_trio.xftp.files.descriptions": ("load_description", "save_descriptions"),
            "simplex_trio.xftp.files.progress": ("Phase", "Progress", "Retrying", "TransferEvent"),
            "simplex_trio.xftp.files.receive": ("ReceivedFile", "receive_file"),
            "simplex_trio.xftp.files.send": ("SentFile", "send_description", "send_file"),
            "simplex_trio.xftp.router.config": (
                "PacketPolicy",
                "XFTPClientLimits",
                "XFTPRouterConfig",
            ),
            "simplex_trio.xftp.router.control": ("PacketStatus",),
            "simplex_trio.xftp.router.server": (
                "XFTPRouter",
                "open_xftp_router",
                "serve_xftp_router",
            ),
        },
    )
