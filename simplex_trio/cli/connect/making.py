"""``simplex-trio connect create`` and ``join``: the two ends of a connection."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from simplex_trio.cli.addresses import place_of
from simplex_trio.cli.asking import can_ask
from simplex_trio.cli.connect.accepting import Decide, Decision, answer, ask_person, leave, report
from simplex_trio.cli.connect.store import (
    KeyFile,
    Open,
    Place,
    Routers,
    StoreName,
    open_connections,
    place,
    short,
)
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.options import AsJson, Flag
from simplex_trio.cli.output import aside, print_json, say, show_qr_code, text_or_base64, waiting
from simplex_trio.cli.running import run
from simplex_trio.client.router_errors import RouterError
from simplex_trio.duplex.links import LinkPreview
from simplex_trio.duplex.transaction import Invitation
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.duplex.links import MAX_PASTED_TEXT
from simplex_trio.wire.errors.values import Code

__all__ = ["create", "join"]

_MAX_SHOWN = 300
"""Characters of a link's data that are shown to people."""


# --- create -------------------------------------------------------------------------------------


@frozen(repr=False)
class _Offer(Redacted):
    """What to make."""

    address: bool
    short: bool
    data: bytes
    info: bytes

    @property
    def kind(self) -> str:
        return "address" if self.address else "invitation"


def create(
    *,
    address: Flag = False,
    short: Flag = False,
    data: str | None = None,
    info: str | None = None,
    wait: Flag = False,
    qr: Flag = False,
    router: Routers = (),
    store: StoreName = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Make an invitation for one peer, or a contact address for any number, and print its link.

    Pass the link on through a channel that others can neither read nor change: anyone with the link
    can join.

    Parameters
    ----------
    address
        A contact address, which stays, in place of an invitation, which one peer can use once.
    short
        Make a short link, whose data is kept by the router, encrypted.
    data
        What a short link shows to those who look at it; makes a short link.
    info
        What to tell the peer of ourselves when it is accepted.
    wait
        Wait until a peer has joined, and ask on a terminal whether to accept it.
    qr
        Show the link as a QR code, too.
    """
    if address and info is not None:
        raise CommandFailed(
            "A contact address tells nothing of you; give --info to 'connect accept'.",
            ExitCode.USAGE,
        )
    offer = _Offer(address, short or data is not None, (data or "").encode(), (info or "").encode())
    run(partial(_create, place(store, key_file), router, offer, wait=wait, qr=qr, json=json))


async def _create(
    where: Place, routers: tuple[str, ...], offer: _Offer, *, wait: bool, qr: bool, json: bool
) -> None:
    async with open_connections(where, routers, makes_queues=True) as opened:
        with waiting("creating a queue"):
            invitation = await _made(opened, offer)
        _show_invitation(invitation, offer, wait=wait, qr=qr, json=json)
        if wait:
            await _wait_for_peer(opened, invitation.connection_id, json=json)


async def _made(opened: Open, offer: _Offer) -> Invitation:
    agent = opened.agent
    try:
        if offer.address:
            return await agent.create_address(short=offer.short, data=offer.data)
        return await agent.create(info=offer.info, short=offer.short, data=offer.data)
    except RouterError as exc:
        if exc.error is not Code.AUTH:
            raise
        raise CommandFailed(
            "The router asks for a password when queues are created; put its address with the "
            "password into a file, and name it with --router @FILE.",
            ExitCode.REFUSED,
        ) from exc


def _show_invitation(
    invitation: Invitation, offer: _Offer, *, wait: bool, qr: bool, json: bool
) -> None:
    link = invitation.short_link or invitation.link
    assert link is not None
    if json:
        print_json(
            {
                "connection": invitation.connection_id,
                "kind": offer.kind,
                "link": invitation.link,
                "short_link": invitation.short_link,
            }
        )
        return
    whom = "to all who may ask for a connection" if offer.address else "to one peer"
    say(f"Give this link {whom}, through a channel that others can neither read nor change:")
    say()
    say(link, style="bold")
    say()
    if qr:
        show_qr_code(link)
    say("They join with:    simplex-trio connect join 'LINK'")
    if not wait:
        say("Then you accept:   simplex-trio connect accept")


async def _wait_for_peer(opened: Open, connection_id: str, *, json: bool) -> None:
    decide: Decide = ask_person if can_ask() and not json else leave
    answers = await answer(opened, decide, only=connection_id, wanted=1, quiet=0, json=json)
    await report(opened, answers, json=json)
    if all(each.decision is Decision.LATER for each in answers) and not json:
        say("Accept it with:   simplex-trio connect accept")


# --- join ---------------------------------------------------------------------------------------


def join(
    link: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="The link, in quotes; `@FILE` for one in a file, `-` for standard input.",
        ),
    ],
    /,
    *,
    info: str | None = None,
    look: Flag = False,
    router: Routers = (),
    store: StoreName = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Join an invitation, or ask a contact address for a connection.

    The link is looked at first. Looking at a short invitation reserves it for this store. After an
    interruption, the same command continues.

    Parameters
    ----------
    info
        What to tell the peer of ourselves.
    look
        Only say what the link is.
    """
    text = _link_text(link)
    run(
        partial(
            _join, place(store, key_file), router, text, (info or "").encode(), look=look, json=json
        )
    )


def _link_text(argument: str) -> str:
    if argument == "-":
        return sys.stdin.read(MAX_PASTED_TEXT + 1).strip()
    if argument.startswith("@"):
        with Path(argument[1:]).open(encoding="utf-8", errors="replace") as file:
            return file.read(MAX_PASTED_TEXT + 1).strip()
    aside("A link on a command line can be seen by others; '-' reads it from elsewhere.")
    return argument


async def _join(
    where: Place, routers: tuple[str, ...], link: str, info: bytes, *, look: bool, json: bool
) -> None:
    async with open_connections(where, routers, makes_queues=True) as opened:
        with _refusals_explained():
            with waiting("looking at the link"):
                found = await opened.agent.look(link)
            if look or not json:
                _show_preview(found, json=json)
            if look:
                return
            if not found.can_join:
                raise CommandFailed("The link cannot be joined from here.", ExitCode.USAGE)
            with waiting("joining"):
                connection_id = await opened.agent.join(link, info)
        if found.data:
            opened.memory.name(connection_id, found.data)
        status = await opened.agent.status(connection_id)
    if json:
        kind = "invitation" if found.is_invitation else "address"
        print_json({"connection": connection_id, "kind": kind, "can_send": status.can_send})
        return
    say(f"The peer has to accept now. The connection is {connection_id}", style="bold")
    if status.can_send:
        say(f"You can write already:   simplex-trio connect send {short(connection_id)} 'hello'")
    say("See what comes:          simplex-trio connect watch")


@contextmanager
def _refusals_explained() -> Iterator[None]:
    try:
        yield
    except RouterError as exc:
        if exc.error is not Code.AUTH:
            raise
        raise CommandFailed(
            "The router refused: the link was used by another program, or its owner has deleted "
            "it. Ask the peer for a new one.",
            ExitCode.REFUSED,
        ) from exc


def _show_preview(found: LinkPreview, *, json: bool) -> None:
    if json:
        print_json(_preview_fields(found))
        return
    what = "An invitation for one peer" if found.is_invitation else "A contact address"
    say(f"{what}, on {place_of(found.server)}.")
    if found.data:
        shown = found.data.decode("utf-8", "backslashreplace")
        if len(shown) > _MAX_SHOWN:
            shown = shown[: _MAX_SHOWN - 1] + "…"
        say(f"It shows: {shown!r}", prose=True)
    if found.connection_id is not None:
        say(f"You have joined it already, as {short(found.connection_id)}.")
    elif not found.can_join:
        say("It cannot be joined from here: its owner's program is of another version, or takes")
        say("requests through relays only.")


def _preview_fields(found: LinkPreview) -> dict[str, Any]:
    return {
        "kind": "invitation" if found.is_invitation else "address",
        "leads_to": None if found.kind is None else found.kind.name.lower(),
        "router": place_of(found.server),
        "data": None if found.data is None else text_or_base64(found.data),
        "can_join": found.can_join,
        "connection": found.connection_id,
    }
