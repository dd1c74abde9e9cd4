"""Options that several commands have, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["AsJson", "Flag", "Server", "StateFile"]

Flag = Annotated[bool, Parameter(show_default=False)]
"""An option that is off unless given."""

AsJson = Annotated[Flag, Parameter(name="--json", help="Print JSON instead of words.")]

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
