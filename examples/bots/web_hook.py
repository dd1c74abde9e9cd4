r"""A bridge to the web: what is posted here goes to people, and what they write is posted there.

::

    WEB_HOOK_TOKEN=… python examples/bots/web_hook.py hook.db --router smp://…@smp.example.com \
        --port 8080 --post-to http://localhost:9000/messages

    curl --header "Authorization: Bearer …" --data "The build is broken" http://localhost:8080/

Who writes /start and the token gets what is posted; it is listened to on this machine alone.  What
these people write is posted as JSON: {"contact": 3, "name": "Alice", "text": "..."}.
"""

from __future__ import annotations

import hmac
import json
import os
from argparse import Namespace
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import trio
from command_line import parser, run
from contact_lists import ContactList

from simplex_trio.chat import Bot, Handlers, IncomingMessage, escape, open_bot

MAX_HEAD = 8192
"""How long the head of a request may be."""

MAX_BODY = 8192
"""How long what is posted may be; it has to fit into a message."""

WAIT = 10
"""Seconds that a request may take, in either direction."""

MAX_REQUESTS = 20
"""Requests that are read at the same time; others wait."""

Post = Callable[[bytes], Awaitable[None]]


class Refused(Exception):
    """A request that is not carried out, with the status that says so."""


class WebHook:
    """The people that take part, and both directions."""

    def __init__(self, token: str, post: Post) -> None:
        self._token = token
        self._post = post
        self._requests = trio.Semaphore(MAX_REQUESTS)
        self.people = ContactList("takes part")
        self.handlers = Handlers()
        self.handlers.command(self.start)
        self.handlers.command(self.stop)
        self.handlers.on_message()(self.message)

    # --- from people to the web -----------------------------------------------------------------

    async def start(self, message: IncomingMessage, token: str) -> None:
        """Take part."""
        if hmac.compare_digest(token.encode(), self._token.encode()):
            await self.people.add(message.contact)
            await message.answer("You take part, until you write /stop.")
        else:
            await message.answer("That is not the token.")

    async def stop(self, message: IncomingMessage) -> None:
        """Take part no more."""
        await self.people.remove(message.contact)
        await message.answer("You take part no more.")

    async def message(self, message: IncomingMessage) -> None:
        """Post a message; if the program ends meanwhile, it comes again and is posted again."""
        contact = message.contact
        if not await self.people.has(contact):
            await message.answer("Write /start and the token to take part.")
            return
        said = {"contact": contact.id, "name": contact.name, "text": message.text}
        try:
            await self._post(json.dumps(said).encode())
        except OSError:
            await message.reply("This could not be passed on.  Please try again later.")
        else:
            await message.react("✅")

    # --- from the web to people -----------------------------------------------------------------

    async def serve(self, bot: Bot, stream: trio.abc.Stream) -> None:
        """Answer one request."""
        async with stream, self._requests:
            try:
                with trio.fail_after(WAIT):
                    text = await self._read(stream)
                sent = await self.people.send(bot, escape(text))
                status, body = "200 OK", f"stored for {len(sent)}\n"
            except trio.TooSlowError:
                status, body = "408 Request Timeout", ""
            except Refused as exc:
                status, body = str(exc), ""
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            try:
                with trio.move_on_after(WAIT):
                    await stream.send_all((head + body).encode())
            except trio.BrokenResourceError:
                pass  # the other side has not waited for the answer

    async def _read(self, stream: trio.abc.Stream) -> str:
        """What is posted, by one who has the token."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += await _more(stream)
            if len(received) > MAX_HEAD:
                raise Refused("431 Request Header Fields Too Large")
        head, _, body = received.partition(b"\r\n\r\n")
        request, *lines = head.decode("latin-1").split("\r\n")
        fields = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        given = fields.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            raise Refused("401 Unauthorized")
        if not request.startswith("POST "):
            raise Refused("405 Method Not Allowed")
        size = fields.get("content-length", "")
        if not size.isdecimal():
            raise Refused("411 Length Required")
        if len(size) > 6 or int(size) > MAX_BODY:
            raise Refused("413 Content Too Large")
        while len(body) < int(size):
            body += await _more(stream)
        try:
            return body[: int(size)].decode()
        except UnicodeDecodeError:
            raise Refused("400 Bad Request") from None

    async def run(
        self, bot: Bot, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Listen on this machine until cancelled; ``task_status`` gets the port."""
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        task_status.started(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(partial(self.serve, bot), listeners)


async def _more(stream: trio.abc.Stream) -> bytes:
    try:
        data = await stream.receive_some(MAX_HEAD)
    except trio.BrokenResourceError:
        data = b""
    if not data:
        raise Refused("400 Bad Request")
    return bytes(data)


async def post_to(url: str, body: bytes) -> None:
    """Post a message to a URL; raises `OSError` if that does not succeed."""
    await trio.to_thread.run_sync(_post, url, body, abandon_on_cancel=True)


def _post(url: str, body: bytes) -> None:
    place = urlsplit(url)
    kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
    with closing(kind(place.hostname or "", place.port, timeout=WAIT)) as connection:
        try:
            connection.request("POST", place.path, body, {"Content-Type": "application/json"})
            status = connection.getresponse().status
        except HTTPException as exc:
            raise OSError("the answer is not HTTP") from exc
    if not 200 <= status < 300:
        raise OSError(f"the status is {status}")


async def main(arguments: Namespace) -> None:
    """Run the bot and the web server until cancelled."""
    hook = WebHook(os.environ["WEB_HOOK_TOKEN"], partial(post_to, arguments.post_to))
    async with open_bot(
        arguments.file, profile="Web hook", handlers=hook.handlers, servers=arguments.router
    ) as bot:
        print(bot.address, flush=True)
        await hook.run(bot, arguments.port)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--port", type=int, default=8080, help="where to listen on this machine")
    options.add_argument("--post-to", required=True, metavar="URL", help="where messages go")
    run(main, options.parse_args())
