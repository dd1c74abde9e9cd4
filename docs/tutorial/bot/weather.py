"""A bot that knows the weather."""

import sys
from contextlib import suppress

import segno
import trio

from simplex_trio.chat import Handlers, IncomingMessage, Profile, escape, open_bot

handlers = Handlers()


@handlers.command
async def weather(message: IncomingMessage, town: str) -> None:
    """The weather in a town."""
    await message.reply(f"It rains in {escape(town)}.")


@handlers.command
async def trip(message: IncomingMessage) -> None:
    """What to take with you."""
    town = await message.ask("Where do you go?")
    days = await town.ask("For how many days?")
    await days.reply(f"{escape(days.text)} umbrellas for {escape(town.text)}, please.")


@handlers.on_message()
async def other(message: IncomingMessage) -> None:
    """Whatever is no command."""
    await message.answer("I only know the weather: see /help")


async def main(router: str) -> None:
    """Run the bot until it is ended."""
    async with open_bot(
        "weather.db",
        profile=Profile("Weather bot", short_descr="Forecasts for your town"),
        handlers=handlers,
        welcome="Hello! Try /'weather Oslo'",
        servers=[router],
    ) as bot:
        segno.make_qr(bot.address).terminal(compact=True)
        print(bot.address, flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(main, sys.argv[1])
