"""`Memory`: what commands remember beside a store: the routers, and what peers call themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from attrs import define, field

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.output import one_line
from simplex_trio.duplex.config import Server
from simplex_trio.redaction import Redacted
from simplex_trio.storage.files import replace_file
from simplex_trio.wire.addresses import ServerAddressWithAuth

__all__ = ["MAX_NAME", "Memory", "name_of"]

_VERSION = 1

MAX_NAME = 40
"""Characters of what a peer tells of itself that are shown as its name."""


def name_of(info: bytes) -> str:
    """What a peer tells of itself, as a short text for people; peers can choose any."""
    text = one_line(info.decode("utf-8", "backslashreplace").strip())
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1] + "…"


@define(repr=False)
class Memory(Redacted):
    """The contents of the file, which is written by the command that has the store open."""

    path: Path
    routers: list[ServerAddressWithAuth] = field(factory=list)
    names: dict[str, str] = field(factory=dict)
    """By the id of the connection."""
    file_routers: list[ServerAddressWithAuth] = field(factory=list)
    """For files."""
    has_names: bool = True
    """Whether names are written: not beside a store that is encrypted, as this file is not."""

    @classmethod
    def beside(cls, store: Path, *, has_names: bool = True) -> Self:
        """What is remembered for a store; nothing if there is no file."""
        path = store.with_name(f"{store.name}.json")
        try:
            content = json.loads(path.read_text("utf-8"))
            if content["version"] != _VERSION:
                raise ValueError("another version")
            routers = [ServerAddressWithAuth.parse(str(each)) for each in content["routers"]]
            file_routers = [
                ServerAddressWithAuth.parse(str(each)) for each in content.get("file_routers", [])
            ]
            names = {
                str(key): name_of(str(name).encode()) for key, name in content["names"].items()
            }
        except FileNotFoundError:
            return cls(path, has_names=has_names)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise CommandFailed(
                f"{path} is not a file of this program, or damaged; delete it, and name the "
                "routers again with --router.",
                ExitCode.USAGE,
            ) from exc
        return cls(path, routers, names, file_routers, has_names)

    def servers(self) -> list[Server]:
        """The routers, for an agent."""
        return [Server(each.address, each.basic_auth) for each in self.routers]

    def name(self, connection_id: str, info: bytes) -> None:
        """Remember what the peer of a connection tells of itself."""
        name = name_of(info)
        if self.has_names and name and self.names.get(connection_id) != name:
            self.names[connection_id] = name
            self.save()

    def forget(self, connection_id: str) -> None:
        """A connection was deleted."""
        if self.names.pop(connection_id, None) is not None:
            self.save()

    def save(self) -> None:
        """Write the file, for its owner only."""
        content: dict[str, Any] = {
            "version": _VERSION,
            "routers": [str(each) for each in self.routers],
            "names": self.names,
            "file_routers": [str(each) for each in self.file_routers],
        }
        replace_file(self.path, json.dumps(content, indent=1).encode())
