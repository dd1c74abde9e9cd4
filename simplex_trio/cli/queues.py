"""``simplex-trio queue``: queues of one's own, from the shell.

Listing them asks no router, and is beside this, for it loads nothing that does.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import trio
from cyclopts import Parameter

from simplex_trio.cli.addresses import place_of, read_address
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.options import AsJson, Flag, QueueName, Server, StateFile
from simplex_trio.cli.output import aside, print_json, say, show_qr_code, waiting
from simplex_trio.cli.protected import open_protected_client
from simplex_trio.cli.reporting import named
from simplex_trio.cli.running import run
from simplex_trio.cli.sealing import MAX_MESSAGE, seal
from simplex_trio.cli.state import SavedQueue, State, default_path
from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.client.smp.queues import ReceivingQueue
from simplex_trio.crypto.keys import AuthPrivateKey, Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddressWithAuth, ServerProtocol
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.queue_uris import QueueURI
from simplex_trio.wire.smp.new_queue import ContactRequest
from simplex_trio.wire.smp.queue_info import QueueInfo
from simplex_trio.wire.text import to_base64url

__all__ = ["create", "delete", "info", "message_body", "send"]

_CLEAN_UP_SECONDS = 5  # for deleting an unfinished queue when the program is interrupted
_MOST_INPUT = 16_384
"""Bytes of a message that are read; more would not fit into any block."""


# --- create -------------------------------------------------------------------------------------


def create(
    name: QueueName,
    server: Server,
    /,
    *,
    contact: Flag = False,
    only_me: Flag = False,
    qr: Flag = False,
    state: StateFile = None,
    json: AsJson = False,
) -> None:
    """Create a queue on a router, keep its keys, and print the address for senders.

    Anyone with the address can send. The keys stay in the state file.

    Parameters
    ----------
    name
        What to call the queue here.
    contact
        A queue for contact, which no sender can take for itself.
    only_me
        Secure it at once, so that only this state file can send to it.
    qr
        Show the address as a QR code, too.
    """
    router = read_address(server, ServerProtocol.SMP)
    path = state or default_path()
    with named(place_of(router.address)):
        saved = run(partial(_create, name, router, path, contact=contact, only_me=only_me))
    address = str(saved.uri)
    if json:
        print_json({"name": name, "router": str(saved.router), "address": address})
        return
    say(f"Queue {name!r} is made; its keys are in {path}.")
    say("Give this address to senders:" if not only_me else "Its address:")
    say(address)
    if qr:
        show_qr_code(address)


async def _create(
    name: str, router: ServerAddressWithAuth, path: Path, *, contact: bool, only_me: bool
) -> SavedQueue:
    State.load(path).check_free(name)
    request = ContactRequest() if contact else None
    with waiting("creating a queue"):
        # Once the router has been asked for a queue, its keys must not be lost.
        async with open_protected_client(router.address) as client:
            try:
                queue = await client.create_queue(
                    request, basic_auth=router.basic_auth, subscribe=False
                )
            except RouterError as exc:
                raise _not_created(exc) from exc
            return await _keep(client, name, queue, path, only_me=only_me)


async def _keep(
    client: SMPClient, name: str, queue: ReceivingQueue, path: Path, *, only_me: bool
) -> SavedQueue:
    sender_key = Ed25519PrivateKey.generate() if only_me else None
    saved = SavedQueue(name, client.address, queue, X25519PrivateKey.generate(), sender_key)
    try:
        if sender_key is not None:
            await client.secure(queue, sender_key.public)
        with State.change(path) as state:
            state.check_free(name)
            state.queues[name] = saved
    except BaseException:
        with trio.move_on_after(_CLEAN_UP_SECONDS, shield=True):
            await client.delete(queue)
        raise
    return saved


def _not_created(error: RouterError) -> Exception:
    if error.error is not Code.AUTH:
        return error
    return CommandFailed(
        "The router requires a password for creating queues; "
        "put its address with the password into a file, and write @FILE in its place.",
        ExitCode.REFUSED,
    )


# --- send ---------------------------------------------------------------------------------------


@frozen(repr=False)
class _Target(Redacted):
    uri: QueueURI
    key: AuthPrivateKey | None = None


def send(
    queue: str,
    text: str | None = None,
    /,
    *,
    file: Path | None = None,
    through: Annotated[str | None, Parameter(name="--through")] = None,
    notify: Flag = False,
    state: StateFile = None,
    json: AsJson = False,
) -> None:
    """Send a message to a queue, sealed so that no router can read it.

    Without a text it comes from standard input: others on this machine can see command lines.

    Parameters
    ----------
    queue
        The name of a queue in the state file, or the address that its owner gave you; `@FILE` for
        an address in a file.
    text
        The message.
    file
        Send the content of a file, if it is small enough.
    through
        The address of a router to send through as a proxy, so that the queue's router does not see
        where the message comes from.
    notify
        Ask the router to notify the owner's devices of this message.
    """
    target = _target(queue, state or default_path())
    proxy = None if through is None else read_address(through, ServerProtocol.SMP)
    try:
        body = seal(target.uri, message_body(text, file))
    except TooLarge as exc:
        raise CommandFailed(
            f"The message is too large; {MAX_MESSAGE:,} bytes fit.", ExitCode.USAGE
        ) from exc
    # With a proxy it is not known which of the two an error is about.
    with nullcontext() if proxy else named(place_of(target.uri.queue.server)):
        run(partial(_send, target, body, proxy, notify=notify))
    if json:
        print_json({"accepted": True, "through_proxy": proxy is not None})
    else:
        say("The router has accepted the message.")


def _target(queue: str, path: Path) -> _Target:
    if not queue.startswith(("smp://", "@")):
        saved = State.load(path).find(queue)
        return _Target(saved.uri, saved.sender_key)
    text = queue
    if queue.startswith("@"):
        text = Path(queue[1:]).read_text("utf-8").strip()
    try:
        return _Target(QueueURI.parse(text))
    except DecodeError as exc:
        raise CommandFailed(
            "This is no address of a queue; take the one that 'queue create' or 'queue info' "
            "has printed, in quotes.",
            ExitCode.USAGE,
        ) from exc


def message_body(text: str | None, file: Path | None) -> bytes:
    """What is to be sent: a text, a file, or what comes from standard input."""
    if text is not None and file is not None:
        raise CommandFailed("Give a text or a file, not both.", ExitCode.USAGE)
    if text is not None:
        return text.encode()
    if file is not None:
        with file.open("rb") as opened:
            return opened.read(_MOST_INPUT)
    if sys.stdin.isatty():
        aside("Type the message, and end it with Ctrl-D on a line of its own.")
    return sys.stdin.buffer.read(_MOST_INPUT).removesuffix(b"\n")


async def _send(
    target: _Target, body: bytes, proxy: ServerAddressWithAuth | None, *, notify: bool
) -> None:
    server, sender_id = target.uri.queue.server, target.uri.queue.sender_id
    with waiting("sending"):
        if proxy is None:
            async with open_smp_client(server) as client:
                await client.send(sender_id, body, target.key, notify=notify)
        else:
            async with open_smp_client(proxy.address) as client:
                relay = client.relay(server, basic_auth=proxy.basic_auth)
                await relay.send(sender_id, body, target.key, notify=notify)


# --- info ---------------------------------------------------------------------------------------


def info(
    name: QueueName,
    /,
    *,
    show_keys: Flag = False,
    qr: Flag = False,
    state: StateFile = None,
    json: AsJson = False,
) -> None:
    """Say how a queue is doing, and print the address for senders again.

    Parameters
    ----------
    name
        A queue in the state file.
    show_keys
        Print the keys of the queue, too. Anyone with them owns the queue.
    qr
        Show the address as a QR code, too.
    """
    saved = State.load(state or default_path()).find(name)
    with named(place_of(saved.router)):
        found = run(partial(_info, saved))
    keys = _keys(saved) if show_keys else {}
    if json:
        print_json(_facts(saved, found) | keys)
        return
    say(f"Queue {name!r} on {place_of(saved.router)}")
    say(f"Messages waiting: {found.size}")
    say(
        "Only the owner of a key can send."
        if found.secured
        else "Anyone with its address can send."
    )
    if found.has_notifier:
        say("Notifications are enabled.")
    say(f"Address for senders: {saved.uri}")
    for label, key in keys.items():
        say(f"{label}: {key}")
    if qr:
        show_qr_code(str(saved.uri))


async def _info(saved: SavedQueue) -> QueueInfo:
    with waiting("asking the router"):
        async with open_smp_client(saved.router) as client:
            return await client.queue_info(saved.queue)


def _facts(saved: SavedQueue, found: QueueInfo) -> dict[str, Any]:
    return {
        "name": saved.name,
        "router": str(saved.router),
        "address": str(saved.uri),
        "messages": found.size,
        "secured": found.secured,
        "has_notifier": found.has_notifier,
    }


def _keys(saved: SavedQueue) -> dict[str, str]:
    queue = saved.queue
    keys = {
        "recipient_id": queue.recipient_id,
        "key": queue.key.der,
        "delivery_key": queue.delivery_key.subkey,
        "sealing_key": saved.sealing_key.der,
    }
    if saved.sender_key is not None:
        keys["sender_key"] = saved.sender_key.der
    return {label: to_base64url(key) for label, key in keys.items()}


# --- delete -------------------------------------------------------------------------------------


def delete(
    name: QueueName,
    /,
    *,
    forget: Flag = False,
    state: StateFile = None,
    json: AsJson = False,
) -> None:
    """Delete a queue on its router, with the messages in it, and forget its keys.

    Parameters
    ----------
    name
        A queue in the state file.
    forget
        Only forget the keys, for a router that is gone for good.
    """
    path = state or default_path()
    saved = State.load(path).find(name)
    with named(place_of(saved.router)):
        deleted = False if forget else run(partial(_delete, saved))
    with State.change(path) as changed:
        changed.queues.pop(name, None)
    if json:
        print_json({"name": name, "deleted": deleted})
    elif deleted:
        say(f"Queue {name!r} is deleted.")
    elif forget:
        say(f"The keys of {name!r} are forgotten; the router still has the queue.")
    else:
        say(f"Queue {name!r} was gone already; its keys are forgotten.")


async def _delete(saved: SavedQueue) -> bool:
    """Whether there was something to delete."""
    with waiting("deleting the queue"):
        async with open_smp_client(saved.router) as client:
            try:
                await client.delete(saved.queue)
            except RouterError as exc:
                if exc.error is not Code.AUTH:
                    raise
                return False
    return True
