"""The smallest bot: it says what it hears.

::

    python examples/bots/echo.py echo.db --router smp://…@smp.example.com

It prints its address.  Open that in a SimpleX app, or scan it as a QR code.
"""

from __future__ import annotations

from argparse import Namespace

import trio
from command_line import parser, run

from simplex_trio.chat import Handlers, IncomingMessage, open_bot

handlers = Handlers()


@handlers.on_message()
async def echo(message: IncomingMessage) -> None:
    """Quote the message, and repeat it."""
    await message.reply(message.text or "I only understand text.")


async def main(arguments: Namespace) -> None:
    """Run the bot until cancelled."""
    async with open_bot(
        arguments.file,
        profile="Echo",
        handlers=handlers,
        servers=arguments.router,
        welcome="I repeat what you say.",
    ) as bot:
        print(bot.address, flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    run(main, parser(__doc__).parse_args())
