"""`file_plan` and `description_plan`: what is decided before anything is sent.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from simplex_trio.crypto.box import KEY_SIZE, NONCE_SIZE
from simplex_trio.wire.xftp.description import FileDescription, Redirect
from simplex_trio.wire.xftp.file_header import FileHeader
from simplex_trio.wire.xftp.packet_sizes import packet_sizes, single_packet_size
from simplex_trio.xftp.errors import FileTooLarge
from simplex_trio.xftp.files.encryption import payload_size
from simplex_trio.xftp.files.layout import Plan

__all__ = ["description_plan", "file_plan", "redirect_to"]

_NO_TEXT = re.compile("[\ud800-\udfff]")


def file_plan(
    name: str,
    content_size: int,
    *,
    recipients: int,
    replicas: int,
    max_size: int,
    random: Callable[[int], bytes],
) -> Plan:
    """How to send a file that recipients see under ``name``.

    Raises `FileTooLarge` if the encrypted file would be larger than ``max_size``.
    """
    header = FileHeader(_NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", name))
    size = payload_size(header, content_size)
    if size > max_size:
        raise FileTooLarge("the file is larger than files may be")
    return Plan(
        header=header,
        content_size=content_size,
        key=random(KEY_SIZE),
        nonce=random(NONCE_SIZE),
        recipients=recipients,
        replicas=replicas,
        sizes=packet_sizes(size),
    )


def description_plan(
    text: bytes, *, recipients: int, replicas: int, random: Callable[[int], bytes]
) -> Plan:
    """How to send the text of a description in one packet; `FileTooLarge` if it does not fit."""
    header = FileHeader("")
    size = single_packet_size(payload_size(header, len(text)))
    if size is None:
        raise FileTooLarge("a description that does not fit into one packet")
    return Plan(
        header=header,
        content_size=len(text),
        key=random(KEY_SIZE),
        nonce=random(NONCE_SIZE),
        recipients=recipients,
        replicas=replicas,
        sizes=(size,),
    )


def redirect_to(description: FileDescription) -> Redirect:
    """What a description says that leads to this one."""
    return Redirect(description.size, description.digest)
