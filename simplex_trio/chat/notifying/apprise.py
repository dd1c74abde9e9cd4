"""`add_to_apprise`: the schema ``simplex://`` for Apprise, which passes alerts on to many services.

Apprise calls services in threads, or in a program's only one, and waits for the answer.  So each
alert runs a Trio loop in a thread of its own, whatever loop the program has.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import unquote

import trio

from simplex_trio.chat.errors import AppriseMissing, UnknownContact
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.notifying.attachments import send_attachment
from simplex_trio.chat.notifying.opening import DEFAULT_STORE, WAIT, open_notifier
from simplex_trio.chat.notifying.texts import alert_text
from simplex_trio.chat.notifying.values import Notification
from simplex_trio.duplex.errors import UnknownFile
from simplex_trio.errors import DecodeError, SimplexError
from simplex_trio.frozen import frozen
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.redaction import Redacted
from simplex_trio.storage.folders import store_path

__all__ = ["SCHEMA", "add_to_apprise"]

_logger = logging.getLogger(__name__)

SCHEMA = "simplex"

_UNTIL = {each.value: each for each in DeliveryState if each is not DeliveryState.FAILED}

_RANKS: list[DeliveryState] = list(_UNTIL.values())


@frozen(repr=False)
class _Target(Redacted):
    """What a URL says."""

    contacts: tuple[str, ...]
    store: Path
    until: DeliveryState
    seconds: float
    wait: float
    markup: bool


class _Options(TypedDict):
    until: DeliveryState
    timeout: float
    gives_way: bool


def add_to_apprise() -> None:
    """Let Apprise know ``simplex://CONTACT``; calling it again changes nothing.

    The URL names contacts of a store, as ``simplex-trio notify`` does: ``simplex://alice/bob`` two
    of them.  ``?store=``, ``until=``, ``seconds=``, ``wait=`` and ``markup=yes`` are the options of
    that command.  Success means that the alert has come as far as ``until`` says for all of them;
    an alert that is stored only, which fails, still goes out with the next one.

    Raises `AppriseMissing` without the extra ``apprise``.
    """
    try:
        apprise: Any = import_module("apprise")
    except ModuleNotFoundError as exc:
        if exc.name != "apprise":
            raise
        raise AppriseMissing from exc
    managers: Any = import_module("apprise.manager_plugins")
    decorators: Any = import_module("apprise.decorators")
    if SCHEMA not in managers.NotificationManager():
        plain = apprise.NotifyFormat.TEXT
        decorators.notify(on=SCHEMA, name="SimpleX", body_format=plain)(_send)


def _send(
    body: str,
    title: str,
    *_: object,
    meta: Mapping[str, Any],
    attach: Iterable[Any] | None = None,
    **__: object,
) -> bool:
    """Send an alert; returns whether it has come as far as the URL says."""
    text = f"{title}\n{body}" if title else body
    try:
        target = _target(meta)
        with ThreadPoolExecutor(1) as thread:
            alert = partial(_alert, target, text, _files(attach or ()))
            return thread.submit(trio.run, alert).result()
    except SimplexError as exc:
        # Errors of this package name no contact, and no address.
        _logger.warning("an alert was not stored: %s", exc)
        return False


def _files(attached: Iterable[Any]) -> list[tuple[Path, str]]:
    """Where they are, and their names; Apprise fetches those that are elsewhere."""
    found = []
    for each in attached:
        if not each:
            raise UnknownFile
        found.append((Path(each.path), str(each.name or "file")))
    return found


def _target(meta: Mapping[str, Any]) -> _Target:
    host, options = str(meta.get("host") or ""), dict(meta.get("qsd") or {})
    if meta.get("port") is not None:
        host = f"{host}:{meta['port']}"  # as in id:3
    parts = [host, *str(meta.get("fullpath") or "").split("/")]
    contacts = tuple(unquote(each) for each in parts if each)
    try:
        return _Target(
            contacts,
            store_path(options.get("store") or DEFAULT_STORE),
            _UNTIL[options.get("until") or DeliveryState.SENT.value],
            _seconds(options.get("seconds"), 30),
            _seconds(options.get("wait"), WAIT),
            markup=options.get("markup") in ("yes", "true", "1"),
        )
    except (KeyError, ValueError) as exc:
        raise DecodeError("a URL with options that make no sense") from exc


def _seconds(given: object, usual: float) -> float:
    seconds = float(str(given)) if given else usual
    if not seconds >= 0:  # or not a number
        raise ValueError("no number of seconds")
    return seconds


async def _alert(target: _Target, text: str, files: Sequence[tuple[Path, str]]) -> bool:
    if not target.contacts or not target.store.exists():
        raise UnknownContact("the URL names no contact, or a store without any")
    said, results = alert_text(text, markup=target.markup), list[bool]()

    options: _Options = {"until": target.until, "timeout": target.seconds, "gives_way": True}

    async def send(contact: str) -> Notification:
        # Stored at once, so that the text comes before its files, and whatever becomes of them.
        stored = await notifier.send(contact, said, until=DeliveryState.STORED)
        for path, name in files:
            # Apprise may remove it as soon as this is over.
            attach = partial(send_attachment, path=path, name=name, copies=True)
            nursery.start_soon(note, partial(attach, notifier, contact, **options))
        return await notifier.follow(stored, **options)

    async def note(sending: Callable[[], Awaitable[Notification]]) -> None:
        try:
            told = await sending()
        except (SimplexError, OSError) as exc:
            _logger.warning("an alert, or its file, was not stored: %s", type(exc).__name__)
            results.append(False)
            return
        results.append(told.state in _RANKS[_RANKS.index(target.until) :])
        if not results[-1]:
            _logger.warning("an alert has only come as far as: %s", told.state.value)

    async with (
        open_notifier(target.store, wait=target.wait) as notifier,
        open_inner_nursery() as nursery,
    ):
        for each in target.contacts:
            nursery.start_soon(note, partial(send, each))
    return all(results)
