"""A bot and the people who talk with it in one process, for tests of bots.

::

    async with open_world() as world:
        bot = await world.bot(handlers)
        alice = await world.person("Alice")
        await alice.connect(bot.address)
        await alice.send("/weather Oslo")
        assert (await alice.next_message()).text == "It rains in Oslo."

The bot, the people and the router between them are the real ones; they talk the real protocol in
memory, and in virtual time if Trio runs with a `trio.testing.MockClock` that jumps.  A seed makes
the same happen each time.  Programs that are no tests have no use for this package.

For pytest there are fixtures: see :doc:`/how-to/test-your-bot`.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = ["BotProgram", "NothingHappened", "Person", "World", "open_world"]

if TYPE_CHECKING:
    from simplex_trio.chat.testing.people import NothingHappened, Person
    from simplex_trio.chat.testing.programs import BotProgram
    from simplex_trio.chat.testing.world import World, open_world
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.chat.testing.people": ("NothingHappened", "Person"),
            "simplex_trio.chat.testing.programs": ("BotProgram",),
            "simplex_trio.chat.testing.world": ("World", "open_world"),
        },
    )
