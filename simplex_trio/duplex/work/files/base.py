"""`FileWorkBase`: what all work on files stands on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from simplex_trio.duplex.config import DuplexConfig, Isolation
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.files.clients import FileClients
from simplex_trio.duplex.work.files.local import LocalFiles
from simplex_trio.duplex.work.files.problems import StoreBroken
from simplex_trio.duplex.work.files.progress import ProgressTeller
from simplex_trio.errors import StoreError
from simplex_trio.frozen import frozen
from simplex_trio.xftp.files.config import TransferConfig

__all__ = ["FileWorkBase", "Settings"]

T = TypeVar("T")


@frozen(repr=False)
class Settings:
    """How transfers of an agent behave."""

    config: DuplexConfig

    def label(self, user: str, file_id: str) -> str:
        """What separates connections to routers, as far as the configuration asks for it."""
        return f"{user}|{file_id}" if self.config.isolation is Isolation.QUEUE else user

    def transfer(self, label: str) -> TransferConfig:
        """How the transfers with a label behave."""
        config = self.config
        return config.files.transfer(
            config.agent.client.transport,
            label,
            by_server=config.isolation is Isolation.SERVER,
            random=config.random_bytes,
        )


class FileWorkBase:
    """Base of the classes that transfer files.

    Their methods try once.  They raise what may pass by itself, and store what is the outcome.
    """

    def __init__(
        self,
        core: Core,
        settings: Settings,
        clients: FileClients,
        local: LocalFiles,
        progress: ProgressTeller,
    ) -> None:
        self._core = core
        self._settings = settings
        self._clients = clients
        self._local = local
        self._progress = progress

    async def _settle(self, decide: Callable[[Step], T], *, durable: bool = True) -> T:
        """Take a step; `StoreBroken` if that cannot be done at all."""
        try:
            return await self._core.step_persistently(decide, durable=durable)
        except StoreError as exc:
            raise StoreBroken(exc) from exc
