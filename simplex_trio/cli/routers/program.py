"""`RouterProgram`: what the commands for the two kinds of routers have to know of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import attrs

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.frozen import frozen
from simplex_trio.serving.config import ServingConfig
from simplex_trio.serving.control import LONGEST_PATH
from simplex_trio.serving.toml import ConfigError
from simplex_trio.wire.addresses import ServerProtocol

__all__ = ["ConfigT", "Numbers", "RouterProgram"]

ConfigT = TypeVar("ConfigT", bound=ServingConfig)

Numbers = Mapping[str, int]


_OTHER_KINDS = {
    "router.toml": ("xftp.toml", "xftp router"),
    "xftp.toml": ("router.toml", "router"),
}
"""By the file that is missing: the one of a router of the other kind, and the command for that."""


@frozen
class RouterProgram(Generic[ConfigT]):
    """A kind of router, as the command line has it."""

    command: str
    """The words that its commands begin with, such as ``router``."""
    protocol: ServerProtocol
    config_name: str
    """The file in the router's folder."""
    ini_name: str
    """The file with the configuration of the reference's server of this kind."""
    config: type[ConfigT]
    password_of: Callable[[ConfigT], str | None]
    serve: Callable[..., Awaitable[object]]
    """Takes the configuration, ``accept_loss`` and ``task_status``."""
    metrics_port: int
    """The port in the example that its new configuration has for ``metrics_port``."""
    metrics_prefix: str
    store_is_folder: bool
    numbers_in_store: Callable[[ConfigT], Awaitable[tuple[Numbers, Numbers]]]
    """What there is, and the counters, in the store of a router that does not run."""

    def config_path(self, path: Path) -> Path:
        """The file with the configuration: this one, or that of the usual name in a folder."""
        return path / self.config_name if path.is_dir() else path

    def control_path(self, config: ConfigT, path: Path) -> Path | None:
        """Where the control socket of a router with this configuration, from ``path``, is.

        It is where the configuration says, or else beside the store; `None` where it has none.
        """
        store: object = config.store
        if config.control is not None or store is None:
            return config.control
        if not isinstance(store, Path):
            return self.config_path(path).with_suffix(".sock")
        return store / "control.sock" if self.store_is_folder else store.with_suffix(".sock")

    def load_with_control(self, path: Path) -> ConfigT:
        """As `load`, for a router that is to have a control socket wherever it can."""
        config = self.load(path)
        control = self.control_path(config, path)
        if config.control is None and control is not None:
            too_long = len(os.fsencode(control)) > LONGEST_PATH
            if sys.platform == "win32" or too_long or _is_read_only(control.parent):
                return config
        return attrs.evolve(config, control=control)

    def load_to_start(self, path: Path, *, standby: bool, no_control: bool) -> ConfigT:
        """As `load`, for a router that is to run, with options of the command line."""
        config = self.load(path) if no_control else self.load_with_control(path)
        return attrs.evolve(config, standby=config.standby or standby)

    def load(self, path: Path) -> ConfigT:
        """The configuration in a file, or in the one of its usual name in a folder."""
        if path.parts[:1] in (("postgresql:",), ("postgres:",)):
            # With what it has, perhaps a password, it is not shown.
            raise CommandFailed(
                "The URL of a database belongs in the configuration of a router; "
                "name its folder here.",
                ExitCode.USAGE,
            )
        path = self.config_path(path)
        try:
            return self.config.load(path)
        except FileNotFoundError as exc:
            other_name, command = _OTHER_KINDS[self.config_name]
            if path.name == self.config_name and path.with_name(other_name).is_file():
                raise CommandFailed(
                    f"{path.parent} has a router of the other kind; its commands begin with: "
                    f"simplex-trio {command}",
                    ExitCode.USAGE,
                ) from exc
            raise CommandFailed(
                f"There is no {path}; make a router with: simplex-trio {self.command} init",
                ExitCode.USAGE,
            ) from exc
        except ConfigError as exc:
            raise ConfigError(f"{path}: {exc}") from exc


def _is_read_only(folder: Path) -> bool:
    """Whether there is such a folder, and nothing can be made in it."""
    return folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK)
