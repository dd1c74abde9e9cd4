"""Telling the demonstration in lines: of words for people and files, or of JSON for programs."""

from __future__ import annotations

from enum import Enum
from typing import Any

import attrs

from simplex_trio.cli.demo.events import (
    ConnectionChanged,
    Event,
    Finding,
    MessageChanged,
    RouterReady,
    RouterSaw,
    Said,
    Scene,
    SubscriptionChanged,
)
from simplex_trio.cli.output import print_json, say

__all__ = [
    "as_json",
    "found_in_words",
    "seen_in_words",
    "tell_json",
    "tell_plainly",
    "verdict",
    "words",
]


def tell_plainly(event: Event) -> None:
    """Print an event as a line of words, and an empty one before each scene."""
    if isinstance(event, Scene):
        say()
    say(words(event))


def words(event: Event) -> str:
    """An event in words."""
    match event:
        case Scene(text=text):
            return text
        case Finding():
            outcome, claim = found_in_words(event)
            return f"{outcome:<6}  {claim}"
        case _:
            return f"{event.at:6.2f} s   {_news(event)}"


def _news(event: Event) -> str:
    match event:
        case RouterReady(router=router, place=place, embedded=embedded, version=version):
            kind = "embedded, " if embedded else ""
            return f"router {router} is what its address says ({kind}at {place}, SMP {version})"
        case Said(speaker=speaker, text=text):
            return f"{speaker}: {text}"
        case RouterSaw(router=router):
            return f"router {router} saw {seen_in_words(event)}"
        case ConnectionChanged(router=router, state=state):
            return f"the agent's connection to router {router}: {state.value}"
        case SubscriptionChanged(queue=queue, router=router, state=state):
            return f"queue {queue} on router {router}: subscription {state.value}"
        case MessageChanged(message=message, queue=queue, way=way, state=state):
            return f"message {message} to queue {queue}, {way.value}: {state.value}"
        case _:
            raise TypeError(f"a narrator does not know {type(event).__name__}")


def found_in_words(finding: Finding) -> tuple[str, str]:
    """Whether a claim held, and the claim."""
    return "held" if finding.holds else "FAILED", finding.claim


def seen_in_words(saw: RouterSaw) -> str:
    """What a router saw of a conversation."""
    sizes = " or ".join(f"{size:,}" for size in saw.sizes)
    words = "no word" if not saw.with_words else f"words in {saw.with_words} of them"
    return f"{saw.messages} messages of {sizes} bytes, and {words}"


def verdict(*, held: bool) -> str:
    """The last line."""
    if held:
        return "Everything held."
    return "Not everything held; see the lines that say FAILED."


def tell_json(event: Event) -> None:
    """Print an event as a JSON object on a line of its own."""
    print_json(as_json(event))


def as_json(event: Event) -> dict[str, Any]:
    """An event for programs: its fields, and its kind as ``event``."""

    def plain(_instance: object, _attribute: object, value: Any) -> Any:
        return value.value if isinstance(value, Enum) else value

    fields = attrs.asdict(event, value_serializer=plain)
    return {"event": type(event).__name__, **fields, "at": round(event.at, 3)}
