"""`receive_file`: packets fetched from wherever they are, and made into a file again.

Packets come in any order, from several routers at once, each from the first of its routers that has
it.  They are kept encrypted until all of them are there; only then the file is decrypted, checked
as a whole and put in place, and the routers are told that it has been received.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from functools import partial
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

import trio
from attrs import evolve, frozen

from simplex_trio.errors import ConnectError, CryptoError, DecodeError, SimplexError
from simplex_trio.redaction import Redacted
from simplex_trio.wire.xftp.description import FileDescription, FileParty, Packet, Replica
from simplex_trio.wire.xftp.description_text import MAX_DESCRIPTION_SIZE, decode_description
from simplex_trio.xftp.errors import (
    DigestMismatch,
    FileTooLarge,
    NoSuchReplica,
    RedirectRefused,
    StorageFailed,
    storage_errors,
)
from simplex_trio.xftp.files.clients import ClientPool, open_client_pool
from simplex_trio.xftp.files.config import TransferConfig
from simplex_trio.xftp.files.placing import decrypted, finish_placing, place
from simplex_trio.xftp.files.progress import Counter, Listener, Phase, nobody
from simplex_trio.xftp.files.receive_state import ReceiveState
from simplex_trio.xftp.files.retries import persistently
from simplex_trio.xftp.tasks import open_tasks
