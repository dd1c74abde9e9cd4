"""`keep_up`: what a chat program does by the clock."""

from __future__ import annotations

import os
from functools import partial

import trio

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.machine.file_records import FileStore
from simplex_trio.chat.machine.groups.asking import answer_applicants
from simplex_trio.chat.machine.groups.following import give_up_waiting
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.receiving_files import forget_old_files
from simplex_trio.chat.machine.sending_files import say_descriptions
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.frozen import frozen
from simplex_trio.xftp.disk import in_thread

__all__ = ["keep_up", "sweep_copies"]

_PERIOD = 3600
"""Seconds between two looks for files that are too old, and members that do not connect."""

_RETRY = 60
"""Seconds after which descriptions are tried to be sent again that could not be."""


@frozen
class _Kept:
    expires_next: int | None
    has_descriptions: bool
    noticed: list[GroupNoticed]


def _keep(settings: Settings, store: Store) -> _Kept:
    say_descriptions(store, settings)
    times = (
        forget_old_files(store, settings.seconds),
        store.forget_expired(settings.seconds),
        answer_applicants(store, settings),
    )
    expires_next = min((each for each in times if each is not None), default=None)
    noticed = give_up_waiting(store, settings)
    return _Kept(expires_next, store.has_descriptions, noticed)


async def keep_up(core: ChatCore) -> None:
    """Forget what has disappeared or is too old, and send what could not be sent, until cancelled.

    It is called anew when a step leaves more of that.
    """
    while True:
        core.upkeep_due = trio.Event()
        kept = await core.step(partial(_keep, core.settings), durable=False)
        for each in kept.noticed:
            core.notice_added(each)
        core.describes_later = kept.has_descriptions
        unused = core.copies.take_unused()
        if unused:
            await in_thread(partial(core.copies.remove, unused))
        wait: float = _RETRY if kept.has_descriptions else _PERIOD
        if kept.expires_next is not None:
            wait = min(wait, max(1, kept.expires_next - core.settings.clock()))
        with trio.move_on_after(wait):
            await core.upkeep_due.wait()


async def sweep_copies(core: ChatCore) -> None:
    """Remove what an earlier run has left in the folder for copies, and that nothing needs."""
    if core.copies.has_folder:
        names = await core.step(_needed, durable=False)
        await in_thread(partial(core.copies.keep_only, names))


def _needed(store: Store) -> set[str]:
    files = FileStore(store)
    copies = {each.copy for each in files.uploads() if each.copy is not None}
    # Those that are received to be read are there too, until the program has dealt with them.
    places = (each.path or each.place for each in files.all())
    return copies | {os.path.basename(os.fsdecode(each)) for each in places if each is not None}
