"""``simplex-trio queue list``."""

from __future__ import annotations

from simplex_trio.cli.addresses import place_of
from simplex_trio.cli.options import AsJson, StateFile
from simplex_trio.cli.output import print_json, say
from simplex_trio.cli.state import State, default_path

__all__ = ["list_queues"]


def list_queues(*, state: StateFile = None, json: AsJson = False) -> None:
    """List the queues in the state file, without asking any router."""
    path = state or default_path()
    saved = State.load(path).queues.values()
    if json:
        print_json([{"name": each.name, "router": str(each.router)} for each in saved])
        return
    if not saved:
        say("There are none yet; make one with: simplex-trio queue create NAME SERVER")
    for each in saved:
        say(f"{each.name}  on {place_of(each.router)}")
