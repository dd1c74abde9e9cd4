"""A bot with commands, which asks when it needs to know more.

::

    python examples/bots/weather.py weather.db --router smp://…@smp.example.com

The apps show the commands as a menu, made from the functions below.  The forecasts are made up.
"""

from __future__ import annotations

from argparse import Namespace
from enum import Enum

import trio
from command_line import parser, run

from simplex_trio.chat import Handlers, IncomingMessage, Profile, escape, open_bot

PATIENCE = 10 * 60
"""Seconds after which a question that was not answered is given up."""

handlers = Handlers()


class Unit(Enum):
    """What temperatures are measured in; people write one letter."""

    CELSIUS = "c"
    FAHRENHEIT = "f"


@handlers.command
async def weather(message: IncomingMessage, town: str = "") -> None:
    """The weather in a town."""
    if not town:
        with trio.move_on_after(PATIENCE):
            message = await message.ask("In which town?")
            town = message.text
    await message.reply(forecast(town) if town else "Ask me again when you know where.")


@handlers.command
async def convert(message: IncomingMessage, degrees: float, unit: Unit = Unit.CELSIUS) -> None:
    """Convert a temperature."""
    if unit is Unit.CELSIUS:
        await message.answer(f"{degrees:g} °C are {degrees * 9 / 5 + 32:g} °F.")
    else:
        await message.answer(f"{degrees:g} °F are {(degrees - 32) * 5 / 9:g} °C.")


@handlers.command
async def trip(message: IncomingMessage) -> None:
    """What to take with you."""
    town = await message.ask("Where do you go?")
    days = await town.ask("For how many days?")
    while not days.text.isdecimal():
        days = await days.ask("For how many days?  I need a number.")
    await days.answer(f"{forecast(town.text)}  Take {days.text} umbrellas.")


@handlers.on_message()
async def other(message: IncomingMessage) -> None:
    """Say what the bot can do."""
    await message.answer("I only know the weather: see /help")


def forecast(town: str) -> str:
    """The weather everywhere; what people have written is shown without formatting."""
    return f"It rains in {escape(town)}."


async def main(arguments: Namespace) -> None:
    """Run the bot until cancelled."""
    async with open_bot(
        arguments.file,
        profile=Profile("Weather bot", short_descr="Forecasts for your town"),
        handlers=handlers,
        servers=arguments.router,
        welcome="Hello! Try /weather Oslo",
    ) as bot:
        print(bot.address, flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    run(main, parser(__doc__).parse_args())
