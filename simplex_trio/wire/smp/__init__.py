"""SMP, the protocol between a client and a router for messages, versions 6 to 20.

Commands and messages are named as on the wire.  A client makes and reads most of them by itself;
here are those that reach a program as a `Notice`, that a test answers with, and what they carry.
"""

from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.new_queue import ContactRequest, MessagingRequest
from simplex_trio.wire.smp.queue_commands import SEND, SUB
from simplex_trio.wire.smp.queue_info import QueueInfo
from simplex_trio.wire.smp.queue_messages import DELD, END, LNK, MSG, NMSG
from simplex_trio.wire.smp.router_messages import ALLS, ENDS, ERR, OK

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
