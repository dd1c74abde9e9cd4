"""`RelayAttempts`: which relays a proxy may be connecting to, and for which clients.  Pure.

Clients choose where a proxy connects to, and an address that does not answer keeps an attempt busy
until connecting times out.  So the number of attempts is limited.  When the limit is reached, a new
attempt displaces one of the client that has the most, if that client has more than the newcomer, or
the oldest one, if it has lasted longer than `PATIENCE`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

from attrs import Factory, define

__all__ = ["PATIENCE", "RelayAttempt", "RelayAttempts"]

RelayT = TypeVar("RelayT", bound=Hashable)
ClientT = TypeVar("ClientT", bound=Hashable)

PATIENCE = 5.0
"""Seconds after which a newcomer displaces an attempt, the oldest one first; by then most working
relays have completed their handshakes, onion services included."""


@define(eq=False, repr=False)
class RelayAttempt(Generic[RelayT, ClientT]):
    """An attempt, and the clients that wait for it, each with its group.

    The attempt counts against ``payer``: of the waiting clients, the one with the fewest attempts
    when it joined.
    """

    relay: RelayT
    begun_at: float
    payer: tuple[Hashable, ClientT]
    waiting: list[tuple[Hashable, ClientT]] = Factory(list)


class RelayAttempts(Generic[RelayT, ClientT]):
    """The attempts of one proxy.

    Clients from the same address are one group, and are counted together.  A client without a group
    is a group by itself.
    """

    def __init__(self, *, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._attempts: dict[RelayT, RelayAttempt[RelayT, ClientT]] = {}
        self._of_group: Counter[Hashable] = Counter()
        self._of_client: Counter[ClientT] = Counter()

    def __len__(self) -> int:
        return len(self._attempts)

    def __repr__(self) -> str:
        return f"<RelayAttempts: {len(self)} for {len(self._of_client)} clients>"

    def join(
        self, relay: RelayT, client: ClientT, group: Hashable | None, now: float, *, most: int
    ) -> tuple[RelayAttempt[RelayT, ClientT] | None, RelayAttempt[RelayT, ClientT] | None]:
        """Have a client wait for a relay: join the existing attempt, or begin one.

        Returns the attempt that the client waits for, and the displaced attempt, if any, which the
        caller has to cancel and which does not count any more.  The first is `None` if all ``most``
        places are taken and the client may not displace an attempt.
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
        attempt = RelayAttempt(relay, now, member, [member])
        self._attempts[relay] = attempt
        self._count(member, 1)
        return attempt, displaced

    def leave(
        self, attempt: RelayAttempt[RelayT, ClientT], client: ClientT, group: Hashable | None
    ) -> bool:
        """Note that a client has stopped waiting; returns whether it was the last one."""
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
    ) -> RelayAttempt[RelayT, ClientT] | None:
        """The attempt that a newcomer displaces, if it may displace one.

        Refusing is cheap, because there may be a flood of newcomers.
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

    def _remove(self, attempt: RelayAttempt[RelayT, ClientT]) -> None:
        del self._attempts[attempt.relay]
        self._count(attempt.payer, -1)

    def _charge(
        self, attempt: RelayAttempt[RelayT, ClientT], member: tuple[Hashable, ClientT]
    ) -> None:
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
