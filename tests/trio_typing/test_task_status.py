"""What is annotated as `trio.TaskStatus` here is a `trio_typing.TaskStatus` at run time.

Programs that are older than trio's own types say the latter.  `nox -s trio-typing` runs this with
trio-typing installed, which nothing else has: see docs/explanation/trio-typing.md.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio
import trio_typing

import simplex_trio
from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.transport.listen import serve_tls
from simplex_trio.transport.tls import ServerContext, TlsCredentials, utc_now

# What a module may need that only an extra brings.
OF_EXTRAS = {"cbor2", "cyclopts", "h2", "prometheus_client", "rich", "segno"}


def modules() -> Iterator[Any]:
    """Every module of the package, apart from programs and what lacks the package of an extra."""
    for found in pkgutil.walk_packages(simplex_trio.__path__, "simplex_trio."):
        if not found.name.endswith("__main__"):
            try:
                yield importlib.import_module(found.name)
            except ModuleNotFoundError as exc:
                if exc.name not in OF_EXTRAS:
                    raise


def startable() -> list[Any]:
    """Every function and method of the package that `trio.Nursery.start` can take."""
    functions: dict[str, Callable[..., Any]] = {}
    for module in modules():
        for value in vars(module).values():
            members = vars(value).values() if inspect.isclass(value) else [value]
            for member in members:
                if inspect.isfunction(member) and "task_status" in member.__annotations__:
                    functions[f"{member.__module__}.{member.__qualname__}"] = member
    return [pytest.param(function, id=name) for name, function in sorted(functions.items())]


@pytest.mark.parametrize("function", startable())
def test_annotation_and_default(function: Callable[..., Any]) -> None:
    annotation = typing.get_type_hints(function)["task_status"]
    assert typing.get_origin(annotation) is trio.TaskStatus
    default = inspect.signature(function).parameters["task_status"].default
    if default is not inspect.Parameter.empty:
        assert isinstance(default, trio_typing.TaskStatus)


async def test_what_nurseries_hand_over() -> None:
    seen: list[object] = []

    async def child(*, task_status: trio.TaskStatus[None]) -> None:
        seen.append(task_status)
        task_status.started()

    async with trio.open_nursery() as nursery:
        await nursery.start(child)
    assert isinstance(seen[0], trio_typing.TaskStatus)


async def test_a_program_that_types_with_trio_typing_passes_its_status_on() -> None:
    credentials = generate_router_credentials(now=utc_now())
    context = ServerContext(TlsCredentials.of(credentials.chain, credentials.key), alpn=["smp/1"])

    async def handler(stream: trio.abc.Stream) -> None:
        await stream.aclose()

    async def program(*, task_status: trio_typing.TaskStatus[None]) -> None:
        await serve_tls(handler, [], context, task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(program)
