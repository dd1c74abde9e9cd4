"""`Attempts`: which relays a proxy may be connecting to, and for whom.  Pure.

Strangers say to whom a proxy connects, and an address where nothing answers takes an attempt for as
long as connecting may take.  So there are only so many at a time, and when all are taken a newcomer
gets that of whoever has the most: nobody holds a place against others that have less.  Nor does
anybody hold one for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

from attrs import Factory, define

__all__ = ["PATIENCE", "Attempt", "Attempts"]

RelayT = TypeVar("RelayT", bound=Hashable)
ClientT = TypeVar("ClientT", bound=Hashable)

PATIENCE = 5.0
"""Seconds after which an attempt gives its place to a newcomer, the oldest one first.  A relay that
works is dialled and has agreed in less, also most of those that are onion services."""


@define(eq=False, repr=False)
class Attempt(Generic[RelayT, ClientT]):
    """An attempt, and who waits for it: clients with the groups that they are counted in.

    It counts for the one of them that had the least when it came.
    """

    relay: RelayT
    begun_at: float
    payer: tuple[Hashable, ClientT]
    waiting: list[tuple[Hashable, ClientT]] = Factory(list)


class Attempts(Generic[RelayT, ClientT]):
    """The attempts of one proxy.

    A client is counted with all others of its group, which come from the same place.  Where that is
    not known the client itself stands for it.
    """

    def __init__(self, *, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._attempts: dict[RelayT, Attempt[RelayT, ClientT]] = {}
        self._of_group: Counter[Hashable] = Counter()
        self._of_client: Counter[ClientT] = Counter()

    def __len__(self) -> int:
        return len(self._attempts)

    def __repr__(self) -> str:
        return f"<Attempts: {len(self)} for {len(self._of_client)} clients>"

    def join(
        self, relay: RelayT, client: ClientT, group: Hashable | None, now: float, *, most: int
    ) -> tuple[Attempt[RelayT, ClientT] | None, Attempt[RelayT, ClientT] | None]:
        """Have a client wait for a relay, with whoever else does, or as the first one.

        Returns the attempt that it waits for, and another one that is to be given up for it, which
        counts no more.  Without the first, all ``most`` places are taken and none is to be had.
        """
        member = (client if group is None else group, client)
        attempt = self._attempts.get(relay)
        if attempt is not None:
            attempt.waiting.append(member)
            if self._share(member) < self._share(attempt.payer):
                self._charge(attempt, member)
            return attempt, None
        displaced = None
        if len(self._attempts) >= most:
            displaced = self._displaced_by(member, now)
            if displaced is None:
                return None, None
            self._remove(displaced)
        attempt = Attempt(relay, now, member, [member])
        self._attempts[relay] = attempt
        self._count(member, 1)
        return attempt, displaced

    def leave(
        self, attempt: Attempt[RelayT, ClientT], client: ClientT, group: Hashable | None
    ) -> bool:
        """A client waits no longer; whether the attempt is of no use to anybody now."""
        member = (client if group is None else group, client)
        attempt.waiting.remove(member)
        if self._attempts.get(attempt.relay) is not attempt:
            return False
        if not attempt.waiting:
            self._remove(attempt)
            return True
        if attempt.payer == member and member not in attempt.waiting:
            self._charge(attempt, min(attempt.waiting, key=self._share))
        return False

    def _displaced_by(
        self, newcomer: tuple[Hashable, ClientT], now: float
    ) -> Attempt[RelayT, ClientT] | None:
        """The attempt that a newcomer takes the place of, if there is one.

        A newcomer who gets none costs next to nothing, as there may be a flood of them.
        """
        oldest = next(iter(self._attempts.values()), None)
        if oldest is None or now - oldest.begun_at >= self._patience:
            return oldest
        of_group, of_client = self._share(newcomer)
        most = max(self._of_group.values())
        if most > of_group + 1:
            group = next(each for each, count in self._of_group.items() if count == most)
        elif of_group > of_client:
            group = newcomer[0]
        else:
            return None
        found = max(
            (each for each in self._attempts.values() if each.payer[0] == group),
            key=lambda each: (self._of_client[each.payer[1]], -each.begun_at),
        )
        if group == newcomer[0] and self._of_client[found.payer[1]] <= of_client + 1:
            return None
        return found

    def _share(self, member: tuple[Hashable, ClientT]) -> tuple[int, int]:
        return self._of_group[member[0]], self._of_client[member[1]]

    def _remove(self, attempt: Attempt[RelayT, ClientT]) -> None:
        del self._attempts[attempt.relay]
        self._count(attempt.payer, -1)

    def _charge(self, attempt: Attempt[RelayT, ClientT], member: tuple[Hashable, ClientT]) -> None:
        self._count(attempt.payer, -1)
        attempt.payer = member
        self._count(member, 1)

    def _count(self, member: tuple[Hashable, ClientT], change: int) -> None:
        group, client = member
        self._of_group[group] += change
        self._of_client[client] += change
        if not self._of_group[group]:
            del self._of_group[group]
        if not self._of_client[client]:
            del self._of_client[client]
