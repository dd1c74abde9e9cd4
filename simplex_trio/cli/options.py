"""Options that several commands have, with their help, and checks of what is given for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

__all__ = [
    "AsJson",
    "Count",
    "Flag",
    "HostNames",
    "Patience",
    "Port",
    "QueueName",
    "Seconds",
    "Server",
    "StateFile",
    "at_least",
    "not_empty",
]


# --- checks -------------------------------------------------------------------------------------


def at_least(lowest: float, highest: float = math.inf) -> Callable[[Any, Any], None]:
    """A validator of numbers, none of which may be infinite, or no number at all."""

    def check(_type: Any, value: float | None) -> None:
        if value is None:
            return
        if not math.isfinite(value) or not lowest <= value <= highest:
            limits = f"at least {lowest:g}" if highest == math.inf else f"{lowest:g} to {highest:g}"
            raise ValueError(f"Must be {limits}.")

    return check


def not_empty(_type: Any, value: str) -> None:
    """A validator of a text."""
    if not value.strip():
        raise ValueError("Must not be empty.")


# --- options ------------------------------------------------------------------------------------

Flag = Annotated[bool, Parameter(show_default=False, negative=())]
"""An option that is off unless given."""

AsJson = Annotated[
    Flag,
    Parameter(name="--json", help="Print JSON instead of words, also of what goes wrong."),
]

Count = Annotated[int | None, Parameter(name=["--count", "-n"], validator=at_least(1))]

Seconds = Annotated[float | None, Parameter(name="--seconds", validator=at_least(0))]
"""How long to wait, for a command that waits without an end unless told."""

Patience = Annotated[float, Parameter(name="--seconds", validator=at_least(0))]
"""The same for one that does not."""

Port = Annotated[int, Parameter(validator=at_least(1, 0xFFFF))]

HostNames = Annotated[
    list[Annotated[str, Parameter(validator=not_empty)]] | None,
    Parameter(name="--host", negative=()),
]

QueueName = Annotated[str, Parameter(validator=not_empty)]

Server = Annotated[
    str,
    Parameter(
        help="The router's address, `smp://…`; `@FILE` for one in a file, which may have the "
        "router's password in it."
    ),
]

StateFile = Annotated[
    Path | None,
    Parameter(
        name="--state",
        env_var="SIMPLEX_TRIO_STATE",
        help="The file with the queues and their keys; `~/.local/state/simplex-trio/queues.json` "
        "unless given.",
    ),
]
