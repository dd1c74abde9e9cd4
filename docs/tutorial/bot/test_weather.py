"""The weather bot, and a person who talks with it, in virtual time."""

import weather

from simplex_trio.chat.testing import World


async def test_trip(simplex_world: World) -> None:
    """The bot asks for a town and a number of days."""
    bot = await simplex_world.bot(weather.handlers)
    alice = await simplex_world.person("Alice")
    await alice.connect(bot.address)

    await alice.send("/trip")
    assert (await alice.next_message()).text == "Where do you go?"
    await alice.send("Bergen")
    assert (await alice.next_message()).text == "For how many days?"
    await alice.send("2")
    assert (await alice.next_message()).text == "2 umbrellas for Bergen, please."
