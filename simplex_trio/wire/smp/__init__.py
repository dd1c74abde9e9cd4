"""SMP, the protocol between a client and a router for messages, versions 6 to 20.

Commands and messages are named as on the wire.  A client makes and reads most of them by itself;
here are those that reach a program as a `Notice`, that a test answers with, and what they carry.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "ALLS",
    "DELD",
    "END",
    "ENDS",
    "ERR",
    "LNK",
    "MSG",
    "NMSG",
    "OK",
    "SEND",
    "SUB",
    "ContactRequest",
    "MessageFlags",
    "MessagingRequest",
    "QueueInfo",
    "QueueLinkData",
]

if TYPE_CHECKING:
    from simplex_trio.wire.smp.flags import MessageFlags
    from simplex_trio.wire.smp.links import QueueLinkData
    from simplex_trio.wire.smp.new_queue import ContactRequest, MessagingRequest
    from simplex_trio.wire.smp.queue_commands import SEND, SUB
    from simplex_trio.wire.smp.queue_info import QueueInfo
    from simplex_trio.wire.smp.queue_messages import DELD, END, LNK, MSG, NMSG
    from simplex_trio.wire.smp.router_messages import ALLS, ENDS, ERR, OK
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.wire.smp.flags": ("MessageFlags",),
            "simplex_trio.wire.smp.links": ("QueueLinkData",),
            "simplex_trio.wire.smp.new_queue": ("ContactRequest", "MessagingRequest"),
            "simplex_trio.wire.smp.queue_commands": ("SEND", "SUB"),
            "simplex_trio.wire.smp.queue_info": ("QueueInfo",),
            "simplex_trio.wire.smp.queue_messages": ("DELD", "END", "LNK", "MSG", "NMSG"),
            "simplex_trio.wire.smp.router_messages": ("ALLS", "ENDS", "ERR", "OK"),
        },
    )
