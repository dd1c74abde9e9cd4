"""What a complaint names: the id of a queue, or a link that leads to one."""

from __future__ import annotations

from pathlib import Path

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.errors import DecodeError
from simplex_trio.wire.text import from_base64url, to_base64url

__all__ = ["queue_ids"]

_LONGEST_FILE = 100_000


def queue_ids(named: str) -> tuple[str, ...]:
    """The ids that an argument stands for, in base64; a long link may lead to several queues.

    A link may be in a file, as ``@FILE``: those who have it can use it, and others see command
    lines.  Raises `CommandFailed`, whose message never repeats the argument.
    """
    if named.startswith("@"):
        named = Path(named[1:]).read_bytes()[:_LONGEST_FILE].decode("utf-8", "replace").strip()
    if ":" not in named:
        try:
            from_base64url(named)
        except DecodeError as exc:
            raise _leads_nowhere() from exc
        return (named,)
    from simplex_trio.wire.duplex.link_boxes import LinkKeys
    from simplex_trio.wire.duplex.links import parse_link
    from simplex_trio.wire.duplex.short_links import ShortContactLink, ShortInvitationLink

    try:
        link = parse_link(named)
    except DecodeError as exc:
        found = _of_queue_address(named)
        if found is None:
            raise _leads_nowhere() from exc
        return (found,)
    match link:
        case ShortInvitationLink():
            ids = [link.link_id]
        case ShortContactLink():
            link_id = LinkKeys.of(link).link_id
            assert link_id is not None  # a contact's is derived from its key
            ids = [link_id]
        case _:
            ids = [queue.queue.sender_id for queue in link.queues]
    return tuple(map(to_base64url, ids))


def _leads_nowhere() -> CommandFailed:
    return CommandFailed(
        "This is neither the id of a queue nor a link that leads to one.", ExitCode.USAGE
    )


def _of_queue_address(text: str) -> str | None:
    """The id in the address of a queue, ``smp://…/ID#/?…``, which is a part of a long link."""
    scheme, _, rest = text.partition("://")
    _, slash, last = rest.partition("#")[0].rpartition("/")
    if scheme != "smp" or not slash:
        return None
    try:
        from_base64url(last)
    except DecodeError:
        return None
    return last
