"""Two people talk, end to end, over two routers that see none of it.

Alice receives on router one, and Bob, a program that answers, on router two.  Everything that one
of them says goes through the other one's router.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from attrs import define, field

from simplex_trio.cli.demo.events import Said
from simplex_trio.cli.demo.stage import Place, Stage
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, ProxyUse, Server
from simplex_trio.duplex.events import ConfirmationReceived, ConnectionReady, PeerMessage
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.ratchet.errors import KEMSupportMissing
from simplex_trio.ratchet.sntrup761 import load_kem

__all__ = ["ANSWERS", "Talk", "let_them_talk"]

ANSWERS = {
    "Will it rain?": "At four. Take the red umbrella.",
    "Yes!": "And the key is under the third flower pot from the left.",
    "Thank you. Until tomorrow, then.": "Bye.",
}
"""What Alice says, and what Bob answers: long and short."""


@define
class Talk:
    """What became of the conversation."""

    post_quantum: bool = True
    heard: list[tuple[str, str]] = field(factory=list)
    """Who has heard what, in this order."""

    @property
    def went_well(self) -> bool:
        """Whether each heard what the other said, in this order."""
        expected = [
            (listener, text)
            for asked, answer in ANSWERS.items()
            for listener, text in (("Bob", asked), ("Alice", answer))
        ]
        return self.heard == expected


async def let_them_talk(
    stage: Stage,
    talk: Talk,
    tell: Callable[[Said], None],
    *,
    begins: Callable[[], None],
    pause: Callable[[], Awaitable[None]],
    now: Callable[[], float],
) -> None:
    """Connect the two, have them talk to the end, and delete their queues.

    ``begins`` is called when they are connected and nothing is said yet, and ``pause`` before Alice
    says something.
    """
    talk.post_quantum = _has_kem()
    config = DuplexConfig(pq=talk.post_quantum, proxy=ProxyUse.NEVER)

    def hear(listener: str, speaker: str, text: str) -> None:
        talk.heard.append((listener, text))
        tell(Said(now(), speaker, text))

    async with (
        open_duplex_agent(None, servers=[_server(stage.one)], config=config) as alice,
        open_duplex_agent(None, servers=[_server(stage.two)], config=config) as bob,
        open_inner_nursery() as nursery,
    ):
        invitation = await alice.create()
        nursery.start_soon(_answer, bob, partial(hear, "Bob", "Alice"))
        joined = await bob.join(invitation.link)
        await _ask(alice, begins, pause, partial(hear, "Alice", "Bob"))
        await alice.delete(invitation.connection_id)
        await bob.delete(joined)
        await alice.drain()
        await bob.drain()
        nursery.cancel_scope.cancel()


async def _ask(
    alice: DuplexAgent,
    begins: Callable[[], None],
    pause: Callable[[], Awaitable[None]],
    hear: Callable[[str], None],
) -> None:
    """Say one thing after the other, each when there is an answer to the last."""
    questions = iter(ANSWERS)
    async for event in alice.events:
        match event:
            case ConfirmationReceived():
                await alice.accept(event)
                continue
            case ConnectionReady():
                begins()
            case PeerMessage(body=body):
                hear(body.decode())
                await alice.acknowledge(event)
            case _:
                continue
        question = next(questions, None)
        if question is None:
            return
        await pause()
        await alice.send(event.connection_id, question.encode())


async def _answer(bob: DuplexAgent, hear: Callable[[str], None]) -> None:
    async for event in bob.events:
        if isinstance(event, PeerMessage):
            question = event.body.decode()
            hear(question)
            await bob.acknowledge(event)
            await bob.send(event.connection_id, ANSWERS[question].encode())


def _has_kem() -> bool:
    try:
        load_kem()
    except KEMSupportMissing:
        return False
    return True


def _server(place: Place) -> Server:
    return Server(place.address, place.password)
