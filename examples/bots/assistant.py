"""An assistant whose answers grow on the phone while a model is still writing them.

::

    python examples/bots/assistant.py assistant.db --router smp://…@smp.example.com

The model here is a stand-in that repeats the question word by word.  To use a real one, replace
`stand_in` by a function with the same arguments that yields pieces of the answer.
"""

from __future__ import annotations

from argparse import Namespace
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TypeAlias

import trio
from command_line import parser, run

from simplex_trio.chat import Handlers, IncomingMessage, escape, open_bot

Model: TypeAlias = Callable[[Sequence[str]], AsyncGenerator[str, None]]
"""Yields pieces of the answer to what was said, the last of which is the question."""

REMEMBERED = 20
"""What was said last in a conversation, which the model gets; a restart forgets it."""

WAIT = 120
"""Seconds after which an answer that is not complete ends as it is."""


async def stand_in(said: Sequence[str]) -> AsyncGenerator[str, None]:
    """Answer as slowly as a model does."""
    words = f"You have said {len(said)} things, the last of which was: {said[-1]}".split(" ")
    for word in words:
        await trio.sleep(0.5)
        yield word + " "


class Assistant:
    """What was said, and the model that answers."""

    def __init__(self, model: Model = stand_in) -> None:
        self._model = model
        self._said: dict[int, deque[str]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self.handlers = Handlers()
        self.handlers.command(self.forget)
        self.handlers.on_message()(self.answer)

    async def forget(self, message: IncomingMessage) -> None:
        """Begin a new conversation."""
        self._said.pop(message.contact.id, None)
        await message.answer("I have forgotten what we said.")

    async def answer(self, message: IncomingMessage) -> None:
        """Send what there is of the answer, and more of it again and again."""
        said = self._said[message.contact.id]
        said.append(message.text)
        answer = ""
        async with message.contact.live(quote=message) as live:
            await live.update("…")
            with trio.move_on_after(WAIT):
                async with aclosing(self._model(tuple(said))) as pieces:
                    async for piece in pieces:
                        answer += piece
                        await live.update(escape(answer))
            answer = answer.strip() or "I have no answer."
            await live.update(escape(answer))
        said.append(answer)


async def main(arguments: Namespace) -> None:
    """Run the bot until cancelled."""
    async with open_bot(
        arguments.file,
        profile="Assistant",
        handlers=Assistant().handlers,
        servers=arguments.router,
        welcome="Ask me anything.",
    ) as bot:
        print(bot.address, flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    run(main, parser(__doc__).parse_args())
