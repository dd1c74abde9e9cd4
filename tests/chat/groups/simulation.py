"""Groups in which anything happens, by a seed: members come, talk, go, are governed, and crash."""

from __future__ import annotations

from random import Random

import trio
from attrs import frozen
from trio.testing import MockClock

from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.testing.world import open_world
from simplex_trio.testing.network import Trouble

from .crowd import Actor, Crowd

__all__ = ["Outcome", "simulate"]

_ROLES = (Role.OBSERVER, Role.AUTHOR, Role.MEMBER, Role.MODERATOR, Role.ADMIN)


@frozen
class Outcome:
    """What a run came to."""

    messages: int
    happened: tuple[str, ...]


class _Run:
    def __init__(self, crowd: Crowd, random: Random) -> None:
        self.crowd = crowd
        self.random = random
        self.happened: list[str] = []
        self.governed: set[str] = set()

    async def round(self) -> None:
        """Some things at about the same time, and what has come of them."""
        self.governed.clear()
        for _ in range(self.random.randint(5, 25)):
            await self._something()
            if self.random.random() < 0.5:
                await trio.sleep(self.random.expovariate(1))
        self.happened.append("end of round")
        await self.crowd.settle()

    def _one(self, actors: list[Actor]) -> Actor | None:
        running = [each for each in actors if each.program.is_running]
        return self.random.choice(running) if running else None

    def _governs(self, actor: Actor, other: Actor) -> bool:
        is_admin = actor.role is Role.ADMIN and not actor.is_blocked and not actor.is_doubtful
        return is_admin and actor is not other and actor.program.is_running

    async def _something(self) -> None:
        crowd, host, random = self.crowd, self.crowd.host, self.random
        kinds = [*["say"] * 12, *["invite"] * 2, "join", "leave", "remove", "role", "block"]
        kinds += ["offline", "online", "crash", "power", "trap"]
        kind = random.choice(kinds)
        others = [each for each in crowd.members if each is not host]
        settled = [each for each in others if each.is_settled and each.name not in self.governed]
        match kind:
            case "say":
                actor = self._one(crowd.members)
            case "invite" | "join":
                # The host may not know yet that one has left in this round.
                away = [each for each in crowd.actors.values() if not each.is_invited][1:]
                actor = self._one([each for each in away if each.name not in self.governed])
            case "leave" | "remove" | "role" | "block":
                actor = self._one(settled)
            case _:
                actor = self._one(list(crowd.actors.values()))
        if actor is None:
            return
        by = host
        if kind in ("remove", "role", "block"):
            by = random.choice([host, *(e for e in settled if self._governs(e, actor))])
        self.happened.append(f"{kind} {actor.name}" + ("" if by is host else f" by {by.name}"))
        if kind in ("invite", "join", "leave", "remove", "role", "block"):
            if not by.program.is_running:
                return
            crowd.disarm(by)
            self.governed |= {actor.name, by.name}
        match kind:
            case "say":
                await crowd.say(actor)
            case "invite":
                await crowd.invite(actor)
            case "leave":
                crowd.disarm(actor)
                await crowd.leave(actor)
            case "join":
                crowd.disarm(actor)
                await crowd.join(actor)
            case "remove":
                await crowd.remove(actor, by)
            case "role":
                await crowd.set_role(actor, random.choice(_ROLES), by)
            case "block":
                await crowd.set_blocked(actor, blocked=not actor.is_blocked, by=by)
            case "offline":
                crowd.go_offline(actor)
            case "online":
                actor.program.restore_network()
            case "crash" | "power":
                await crowd.crash(actor, loses_power=kind == "power")
            case "trap":
                actor.program.crash_after(random.randint(1, 40))


async def _simulate(seed: int, size: int, rounds: int) -> Outcome:
    random = Random(f"groups {seed}")
    async with open_world(seed=f"groups {seed}") as world:
        crowd = Crowd(world)
        connects = random.random()
        await crowd.add("Host")
        for number in range(size - 1):
            await crowd.add(f"Member{number}", connects=random.random() < connects)
        await crowd.settle()
        for actor in list(crowd.actors.values())[1 : random.randint(2, size)]:
            await crowd.invite(actor)
        await crowd.settle()
        if random.random() < 0.5:
            world.trouble = Trouble(refused=0.1, breaks=0.2, after_bytes=200_000, delay=0.5)
        run = _Run(crowd, random)
        for _ in range(rounds):
            try:
                await run.round()
            except Exception as exc:
                exc.add_note(" / ".join(run.happened))
                raise
        return Outcome(crowd.messages, tuple(run.happened))


def simulate(seed: int, *, size: int = 5, rounds: int = 4) -> Outcome:
    """Let a seed happen; raises `AssertionError` if something has not come out as it must."""
    return trio.run(_simulate, seed, size, rounds, clock=MockClock(autojump_threshold=0))
