"""Packets and files through a real XFTP router, and files exchanged with another program.

SIMPLEX_TRIO_XFTP names the router.  SIMPLEX_TRIO_XFTP_PROGRAM is the path of a program with the
commands ``send``, ``recv``, ``del`` and ``info``, whose descriptions must be good for us and ours
for it; it also speaks to a router of ours.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trio
from attrs import evolve

from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.xftp.files.delete import DeletedFile, delete_file
from simplex_trio.xftp.files.descriptions import load_description, save_descriptions
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_file
from simplex_trio.xftp.router.server import EMBEDDED, open_xftp_router
from tests.interop.conftest import named
from tests.scenarios import xftp

HUNDRED_MIB = 100 * 1024 * 1024

FILE_SIZES = (*xftp.FILE_SIZES, HUNDRED_MIB)


@pytest.fixture
def router() -> str:
    return named("SIMPLEX_TRIO_XFTP")


@pytest.fixture
def program() -> str:
    return named("SIMPLEX_TRIO_XFTP_PROGRAM")


# --- our client and a real router ---------------------------------------------------------------


@pytest.mark.parametrize("kind", xftp.KEY_KINDS)
@pytest.mark.parametrize("version", [1, 2, 3])
async def test_packet_life(router: str, version: int, kind: type[AuthPrivateKey]) -> None:
    await xftp.packet_life(router, version, kind)


@pytest.mark.parametrize("scenario", xftp.PACKET_SCENARIOS)
async def test_packets(router: str, scenario: Callable[[str], Awaitable[None]]) -> None:
    await scenario(router)


@pytest.mark.parametrize("size", FILE_SIZES)
async def test_file_of_size(router: str, tmp_path: Path, size: int) -> None:
    await xftp.file_of_size(router, tmp_path, size)


@pytest.mark.parametrize("scenario", xftp.FILE_SCENARIOS)
async def test_files(
    router: str, tmp_path: Path, scenario: Callable[[str, Path], Awaitable[None]]
) -> None:
    await scenario(router, tmp_path)


# --- another program ----------------------------------------------------------------------------


async def run(program: str, *arguments: object) -> str:
    """What the program prints; it must succeed."""
    done = await trio.run_process(
        [program, *map(str, arguments)], capture_stdout=True, stderr=subprocess.STDOUT
    )
    return done.stdout.decode()


async def from_program_to_us(program: str, router: str, folder: Path, size: int) -> None:
    path = xftp.file_in(folder, size)
    await run(program, "send", path, folder, "-n", "2", "-s", router)
    descriptions = folder / "file.xftp"
    for name in ("rcv1.xftp", "rcv2.xftp"):
        received = await receive_file(await load_description(descriptions / name), folder)
        assert received.path.read_bytes() == path.read_bytes()
    sender = await load_description(descriptions / "snd.xftp.private")
    assert await delete_file(sender) == DeletedFile(len(sender.packets), 0)


async def from_us_to_program(program: str, router: str, folder: Path, size: int) -> None:
    path = xftp.file_in(folder, size)
    sent = await send_file(path, [router], recipients=2)
    *recipients, sender = await save_descriptions(sent, folder, "sent")
    assert "Recipient file description" in await run(program, "info", recipients[0])
    into = folder / "into"
    await trio.Path(into).mkdir()
    for number, recipient in enumerate(recipients):
        await run(program, "recv", recipient, into, "-y")
        name = "file" if number == 0 else f"file_{number}"
        assert (into / name).read_bytes() == path.read_bytes()
    await run(program, "del", sender, "-y")
    packets = len(sent.sender.packets)
    assert await delete_file(sent.sender) == DeletedFile(0, packets)


DIRECTIONS = (from_program_to_us, from_us_to_program)


@pytest.mark.parametrize("exchange", DIRECTIONS)
@pytest.mark.parametrize("size", FILE_SIZES)
async def test_files_exchanged_with_a_program(
    program: str,
    router: str,
    tmp_path: Path,
    size: int,
    exchange: Callable[[str, str, Path, int], Awaitable[None]],
) -> None:
    await exchange(program, router, tmp_path, size)


@pytest.fixture
async def our_router(tmp_path: Path) -> AsyncIterator[str]:
    async with open_xftp_router(EMBEDDED) as router:
        yield str(router.address)


@pytest.mark.parametrize("exchange", DIRECTIONS)
@pytest.mark.parametrize("size", FILE_SIZES)
async def test_files_exchanged_through_our_router(
    program: str,
    our_router: str,
    tmp_path: Path,
    size: int,
    exchange: Callable[[str, str, Path, int], Awaitable[None]],
) -> None:
    await exchange(program, our_router, tmp_path, size)


async def test_a_program_and_our_router_that_refuses(program: str, tmp_path: Path) -> None:
    """The program ends with the error; it does not hang on what it did not get rid of."""
    config = evolve(EMBEDDED, packets=evolve(EMBEDDED.packets, quota=1_000_000))
    async with open_xftp_router(config) as router:
        path = xftp.file_in(tmp_path, 10_000_000)
        with pytest.raises(subprocess.CalledProcessError) as caught, trio.fail_after(60):
            await run(program, "send", path, tmp_path, "-r", "1", "-s", router.address)
        assert str(XFTPCode.QUOTA) in caught.value.stdout.decode()
