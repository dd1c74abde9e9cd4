"""Whole files through routers that fail, lie, forget and come back."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.errors import ConnectionLost, DecodeError, DecryptionFailed, SimplexError
from simplex_trio.transport.tls import utc_now
from simplex_trio.wire.addresses import ServerAddressWithAuth
from simplex_trio.wire.text import from_base64url
from simplex_trio.wire.xftp.description import FileDescription, Packet, Redirect
from simplex_trio.wire.xftp.description_text import encode_description
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.wire.xftp.links import FileLink, web_link
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.errors import (
    DigestMismatch,
    FileChanged,
    FileTooLarge,
    NoSuchReplica,
    NotDeleted,
    RedirectRefused,
    RouterUnreachable,
    StateMismatch,
    StorageFailed,
    StorageFull,
    XFTPRouterError,
)
from simplex_trio.xftp.files import placing
from simplex_trio.xftp.files.delete import DeletedFile, delete_file
from simplex_trio.xftp.files.descriptions import load_description, save_descriptions
from simplex_trio.xftp.files.progress import Phase, Progress, Retrying, TransferEvent
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.receive_state import ReceiveState
from simplex_trio.xftp.files.send import SentFile, send_description, send_file
from simplex_trio.xftp.http2 import client as http2_client
from simplex_trio.xftp.router.server import XFTPRouter, open_xftp_router
from tests.scenarios.xftp import IMPATIENT, SMALLEST, file_in, filled, names_in
from tests.wire.xftp_values import DESCRIPTION
from tests.xftp.test_router import bodies, config

SIZE = 150_000
"""Of a file in three packets of 64 KiB."""

ONE_BY_ONE = evolve(IMPATIENT, parallel=1)


@pytest.fixture
async def router(tmp_path: Path) -> AsyncIterator[XFTPRouter]:
    async with open_xftp_router(config(tmp_path / "router")) as router:
        yield router


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "received"
    folder.mkdir()
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return file_in(tmp_path, SIZE)


async def sent_to(router: XFTPRouter, path: Path, **settings: Any) -> SentFile:
    return await send_file(path, [router.address], config=IMPATIENT, **settings)


def same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@asynccontextmanager
async def routers(tmp_path: Path, count: int) -> AsyncIterator[list[XFTPRouter]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(open_xftp_router(config(tmp_path / f"router{n}")))
            for n in range(count)
        ]


# --- in good order ------------------------------------------------------------------------------


async def test_progress(router: XFTPRouter, path: Path, folder: Path) -> None:
    told: list[TransferEvent] = []
    sent = await sent_to(router, path, tell=told.append)
    await receive_file(sent.recipients[0], folder, config=IMPATIENT, tell=told.append)
    await delete_file(sent.sender, config=IMPATIENT, tell=told.append)
    total = sent.sender.size
    for phase in (Phase.UPLOADING, Phase.DOWNLOADING, Phase.DECRYPTING, Phase.DELETING):
        done = [e.done for e in told if isinstance(e, Progress) and e.phase is phase]
        assert done[-1] == total
        assert done == sorted(done)
        assert all(e.total == total for e in told if isinstance(e, Progress))


@pytest.mark.parametrize(("recipients", "registered"), [(1, 1), (2, 2), (3, 4), (5, 8), (300, 512)])
async def test_how_many_recipients_there_are_is_concealed(
    router: XFTPRouter, tmp_path: Path, recipients: int, registered: int
) -> None:
    sent = await sent_to(router, file_in(tmp_path, 10), recipients=recipients)
    assert len(sent.recipients) == recipients
    assert len({each.packets[0].replicas[0].id for each in sent.recipients}) == recipients
    assert router.statistics().counters["recipients_added"] == registered
    last = await receive_file(sent.recipients[-1], tmp_path, config=IMPATIENT)
    assert last.path.read_bytes() == filled(10)


async def test_a_password(path: Path, folder: Path) -> None:
    async with open_xftp_router(config(password="sesame")) as router:
        with pytest.raises(XFTPRouterError):
            await sent_to(router, path)
        server = ServerAddressWithAuth(router.address, b"sesame")
        for each in (server, str(server)):
            sent = await send_file(path, [each], config=IMPATIENT)
        assert "sesame" not in encode_description(sent.sender)
        await receive_file(sent.recipients[0], folder, config=IMPATIENT)


async def test_another_name(router: XFTPRouter, path: Path, folder: Path) -> None:
    sent = await sent_to(router, path, name="photo.jpg", recipients=3)
    names = [
        (await receive_file(each, folder, config=IMPATIENT)).path.name for each in sent.recipients
    ]
    assert names == ["photo.jpg", "photo_1.jpg", "photo_2.jpg"]


async def test_a_name_that_is_no_text(router: XFTPRouter, tmp_path: Path, folder: Path) -> None:
    path = tmp_path / os.fsdecode(b"name-\xff")
    path.write_bytes(b"content")
    sent = await sent_to(router, path)
    received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert received.path.name == "name-�"


async def test_names_with_paths_in_them(router: XFTPRouter, path: Path, folder: Path) -> None:
    for name, safe in (
        ("../../up", "up"),
        ("/root", "root"),
        ("..", "file"),
        (".profile", "profile"),
    ):
        sent = await sent_to(router, path, name=name)
        received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
        assert received.path == folder / safe
    assert names_in(folder) == ["file", "profile", "root", "up"]


async def test_nothing_is_overwritten(router: XFTPRouter, path: Path, folder: Path) -> None:
    (folder / "file").write_bytes(b"mine")
    (folder / "file_1").symlink_to("nowhere")
    sent = await sent_to(router, path)
    received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert received.path == folder / "file_2"
    assert (folder / "file").read_bytes() == b"mine"


async def test_a_file_system_without_links(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr("os.link", no_links)
    sent = await sent_to(router, path, recipients=2)
    for name, description in zip(("file", "file_1"), sent.recipients, strict=True):
        received = await receive_file(description, folder, config=IMPATIENT)
        assert received.path == folder / name
        assert same(received.path, path)
    assert names_in(folder) == ["file", "file_1"]


async def test_descriptions_as_files_and_links(
    router: XFTPRouter, path: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path, recipients=2)
    written = await save_descriptions(sent, tmp_path, "file")
    again = await save_descriptions(sent, tmp_path, "file")
    assert [each.name for each in written] == ["rcv1.xftp", "rcv2.xftp", "snd.xftp.private"]
    assert written[0].parent.name == "file.xftp"
    assert again[0].parent.name == "file_1.xftp"
    assert all(each.stat().st_mode & 0o077 == 0 for each in written)
    assert await load_description(written[-1]) == sent.sender
    first = sent.recipients[0]
    assert await load_description(str(written[0])) == first
    for link in (str(FileLink(first)), web_link(first)):
        assert await load_description(link) == first
        (tmp_path / "link").write_text(link)
        assert await load_description(tmp_path / "link") == first
    with pytest.raises(StorageFailed):
        await load_description(tmp_path / "nothing")
    (tmp_path / "noise").write_bytes(b"simplex:\xff")
    with pytest.raises(DecodeError):
        await load_description(tmp_path / "noise")


async def test_what_cannot_be_asked(router: XFTPRouter, path: Path, folder: Path) -> None:
    sent = await sent_to(router, path)
    with pytest.raises(ValueError, match="recipient"):
        await receive_file(sent.sender, folder)
    with pytest.raises(ValueError, match="sender"):
        await delete_file(sent.recipients[0])
    for servers, replicas in (([], 1), ([router.address], 2), ([router.address] * 2, 2)):
        with pytest.raises(ValueError, match="as many servers"):
            await send_file(path, servers, replicas=replicas)
    for recipients in (0, 5000):
        with pytest.raises(ValueError, match="recipients"):
            await send_file(path, [router.address], recipients=recipients)
    with pytest.raises(StorageFailed):
        await send_file(path.with_name("nothing"), [router.address])
    with pytest.raises(StorageFailed):
        await receive_file(sent.recipients[0], folder / "nothing", config=IMPATIENT)


async def test_files_that_are_too_large(router: XFTPRouter, path: Path, folder: Path) -> None:
    small = evolve(IMPATIENT, max_size=SIZE)
    with pytest.raises(FileTooLarge):
        await send_file(path, [router.address], config=small)
    sent = await sent_to(router, path)
    with pytest.raises(FileTooLarge):
        await receive_file(sent.recipients[0], folder, config=small)
    short = await send_description(sent.recipients[0], [router.address], config=IMPATIENT)
    with pytest.raises(FileTooLarge):
        await receive_file(short.recipients[0], folder, config=small)


# --- several routers ----------------------------------------------------------------------------


async def test_replicas(tmp_path: Path, path: Path, folder: Path) -> None:
    async with routers(tmp_path, 3) as (a, b, c):
        servers = [each.address for each in (a, b, c)]
        sent = await send_file(path, servers, replicas=2, recipients=4, config=IMPATIENT)
        for packet in sent.sender.packets:
            assert len({replica.server for replica in packet.replicas}) == 2
        first, second, third, fourth = sent.recipients

        # A body that is another one.
        for body in bodies(tmp_path / "router0"):
            body.write_bytes(body.read_bytes()[::-1])
        received = await receive_file(first, folder, config=IMPATIENT)
        assert same(received.path, path)

        # A body that is too short.
        for body in bodies(tmp_path / "router0"):
            body.write_bytes(b"short")
        await receive_file(second, folder, config=IMPATIENT)

        # No body any more.
        for body in bodies(tmp_path / "router0"):
            body.unlink()
        await receive_file(third, folder, config=IMPATIENT)
        deleted = await delete_file(sent.sender, config=IMPATIENT)
        assert deleted == DeletedFile(2 * len(sent.sender.packets), 0)
        with pytest.raises(NoSuchReplica) as caught:
            await receive_file(fourth, folder, config=IMPATIENT)
        assert not caught.value.retryable
    assert len(names_in(folder)) == 3


async def test_a_router_that_is_gone(tmp_path: Path, path: Path, folder: Path) -> None:
    async with routers(tmp_path, 2) as (a, b):
        async with open_xftp_router() as gone:
            servers = [each.address for each in (a, b, gone)]
            sent = await send_file(path, servers, replicas=3, recipients=2, config=IMPATIENT)
        received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
        assert same(received.path, path)
        with pytest.raises(NotDeleted) as caught:
            await delete_file(sent.sender, config=IMPATIENT)
        assert caught.value.count == len(sent.sender.packets)
        assert caught.value.retryable
        assert a.statistics().packets == b.statistics().packets == 0

        # Sending goes on with the routers that there are.
        sent = await send_file(path, servers, replicas=2, config=IMPATIENT)
        assert gone.address not in sent.sender.servers
        with pytest.raises(RouterUnreachable) as unreachable:
            await send_file(path, servers, replicas=3, config=IMPATIENT)
        assert unreachable.value.retryable
        await receive_file(sent.recipients[0], folder, config=IMPATIENT)


async def test_a_router_that_refuses(tmp_path: Path, path: Path) -> None:
    async with (
        open_xftp_router(config(quota=1000)) as full,
        open_xftp_router(config(accept_new=False)) as closed,
        open_xftp_router() as good,
    ):
        servers = [each.address for each in (full, closed, good)]
        sent = await send_file(path, servers, config=IMPATIENT)
        assert sent.sender.servers == (good.address,)
        with pytest.raises(XFTPRouterError):
            await send_file(path, servers[:2], config=IMPATIENT)


async def test_nobody_has_it_for_the_moment(path: Path, folder: Path) -> None:
    async with open_xftp_router() as router:
        sent = await sent_to(router, path)
    with pytest.raises(NoSuchReplica) as caught:
        await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert caught.value.retryable
    assert isinstance(caught.value.__cause__, RouterUnreachable)
    assert names_in(folder) == []


# --- trying again -------------------------------------------------------------------------------


def failing(times: int, method: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    """A method that fails a few times before it works."""
    left = times

    async def fail(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error
        return await method(*args, **kwargs)

    return fail


@pytest.mark.parametrize("method", ["register", "upload"])
async def test_sending_is_tried_again(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    original = getattr(XFTPClient, method)
    lost = ConnectionLost("for a moment")
    told: list[TransferEvent] = []
    monkeypatch.setattr(XFTPClient, method, failing(2, original, lost))
    sent = await send_file(path, [router.address], config=ONE_BY_ONE, tell=told.append)
    retries = [event for event in told if isinstance(event, Retrying)]
    assert [(event.packet, event.error) for event in retries] == [(1, lost), (1, lost)]
    assert "Retrying(packet=1" in repr(retries[0])
    await receive_file(sent.recipients[0], folder, config=IMPATIENT)

    monkeypatch.setattr(XFTPClient, method, failing(3, original, lost))
    with pytest.raises(ConnectionLost):
        await send_file(path, [router.address], config=ONE_BY_ONE)


async def test_a_connection_that_breaks_while_receiving(
    router: XFTPRouter, path: Path, folder: Path
) -> None:
    sent = await sent_to(router, path)
    told: list[TransferEvent] = []

    def cut(event: TransferEvent) -> None:
        told.append(event)
        if isinstance(event, Progress) and len(told) == 3:
            clients.pop().cancel()

    clients: list[trio.CancelScope] = []
    original = http2_client.Http2Client.run

    async def run(self: Any, *args: Any, **kwargs: Any) -> None:
        clients.append(self._scope)
        await original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http2_client.Http2Client, "run", run)
        received = await receive_file(sent.recipients[0], folder, config=ONE_BY_ONE, tell=cut)
    assert same(received.path, path)
    assert any(isinstance(event, Retrying) for event in told)


async def test_deleting_is_tried_again(
    router: XFTPRouter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await sent_to(router, path)
    original = XFTPClient.delete
    monkeypatch.setattr(XFTPClient, "delete", failing(2, original, ConnectionLost("")))
    packets = len(sent.sender.packets)
    assert await delete_file(sent.sender, config=IMPATIENT) == DeletedFile(packets, 0)
    refusal = XFTPRouterError(XFTPCode.INTERNAL)
    monkeypatch.setattr(XFTPClient, "delete", failing(100, original, refusal))
    with pytest.raises(NotDeleted) as caught:
        await delete_file(sent.sender, config=IMPATIENT)
    assert caught.value.count == packets


# --- files that are not what was described ------------------------------------------------------


def described_otherwise(description: FileDescription, **change: Any) -> FileDescription:
    return evolve(description, **change)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"digest": bytes(64)}, DigestMismatch),
        ({"key": bytes(32)}, SimplexError),
        ({"nonce": bytes(24)}, SimplexError),
    ],
)
async def test_wrong_files(
    router: XFTPRouter, path: Path, folder: Path, change: dict[str, Any], error: type[Exception]
) -> None:
    sent = await sent_to(router, path)
    wrong = described_otherwise(sent.recipients[0], **change)
    for state in (None, folder / "state"):
        with pytest.raises((error, DecryptionFailed, DecodeError)):
            await receive_file(wrong, folder, state=state, config=IMPATIENT)
        assert names_in(folder) == []
    # Nothing was acknowledged, so the right description is still good.
    await receive_file(sent.recipients[0], folder, config=IMPATIENT)


async def test_packets_in_another_order(router: XFTPRouter, tmp_path: Path, folder: Path) -> None:
    sent = await sent_to(router, file_in(tmp_path, 100_000))
    (description,) = sent.recipients
    swapped = evolve(description, packets=description.packets[::-1])
    with pytest.raises((DigestMismatch, DecodeError)):
        await receive_file(swapped, folder, config=IMPATIENT)
    assert names_in(folder) == []


# --- descriptions that lead to others -----------------------------------------------------------


async def redirecting(
    router: XFTPRouter, content: bytes, tmp_path: Path, redirect: Redirect | None = None
) -> FileDescription:
    """A description that says that it leads to another one."""
    path = tmp_path / "description"
    path.write_bytes(content)
    sent = await sent_to(router, path)
    return evolve(sent.recipients[0], redirect=redirect or Redirect(SIZE, bytes(64)))


async def test_redirects_that_lead_elsewhere(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path)
    (target,) = sent.recipients
    right = Redirect(target.size, target.digest)
    text = encode_description(target).encode()
    further = evolve(target, redirect=right)
    cases: list[tuple[bytes, Redirect]] = [
        (b"no description", right),
        (b"\xff" * 100, right),
        (encode_description(sent.sender).encode(), right),
        (encode_description(further).encode(), right),
        (text, Redirect(target.size + 1, target.digest)),
        (text, Redirect(target.size, bytes(64))),
    ]
    for content, redirect in cases:
        description = await redirecting(router, content, tmp_path, redirect)
        with pytest.raises(RedirectRefused):
            await receive_file(description, folder, config=IMPATIENT)
        assert names_in(folder) == []
    description = await redirecting(router, text, tmp_path, right)
    received = await receive_file(description, folder, config=IMPATIENT)
    assert same(received.path, path)


async def test_a_redirect_to_something_large(
    router: XFTPRouter, folder: Path, tmp_path: Path
) -> None:
    description = await redirecting(router, bytes(5_000_000), tmp_path)
    before = router.statistics().counters["packets_downloaded"]
    with pytest.raises(RedirectRefused):
        await receive_file(description, folder, config=IMPATIENT)
    assert router.statistics().counters["packets_downloaded"] == before


async def test_a_redirect_that_is_damaged(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path)
    text = encode_description(sent.recipients[0]).encode()
    description = await redirecting(router, text, tmp_path)
    for change in ({"digest": bytes(64)}, {"key": bytes(32)}):
        with pytest.raises(RedirectRefused):
            await receive_file(evolve(description, **change), folder, config=IMPATIENT)


async def test_a_description_that_fits_into_no_packet(router: XFTPRouter, path: Path) -> None:
    sent = await sent_to(router, path)
    (description,) = sent.recipients
    count = 30_000
    many: tuple[Packet, ...] = (evolve(description.packets[0], size=1),) * count
    long = evolve(description, packets=many, size=count, packet_size=1)
    with pytest.raises(FileTooLarge):
        await send_description(long, [router.address], config=IMPATIENT)


# --- state of a sending -------------------------------------------------------------------------


class Interrupted(Exception):
    """Stands for the end of the program."""


def interrupt_after(size: int, phase: Phase) -> Callable[[TransferEvent], None]:
    def tell(event: TransferEvent) -> None:
        if isinstance(event, Progress) and event.phase is phase and event.done >= size:
            raise Interrupted

    return tell


async def interrupted_sending(
    router: XFTPRouter, path: Path, state: Path, size: int, **settings: Any
) -> None:
    with pytest.RaisesGroup(Interrupted, flatten_subgroups=True, allow_unwrapped=True):
        await send_file(
            path,
            [router.address],
            state=state,
            config=ONE_BY_ONE,
            tell=interrupt_after(size, Phase.UPLOADING),
            **settings,
        )


@pytest.mark.parametrize("size", [1, SMALLEST, SMALLEST + 1, SIZE])
async def test_sending_goes_on(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path, size: int
) -> None:
    state = tmp_path / "state"
    await interrupted_sending(router, path, state, size, recipients=2)
    assert state.stat().st_mode & 0o077 == 0
    uploaded = router.statistics().counters["packets_uploaded"]
    sent = await sent_to(router, path, recipients=2, state=state)
    assert router.statistics().counters["packets_uploaded"] == len(sent.sender.packets)
    assert uploaded < len(sent.sender.packets)
    again = await sent_to(router, path, recipients=2, state=state)
    assert again == sent
    received = await receive_file(sent.recipients[1], folder, config=IMPATIENT)
    assert same(received.path, path)


async def test_a_line_that_was_not_finished(
    router: XFTPRouter, path: Path, tmp_path: Path, folder: Path
) -> None:
    state = tmp_path / "state"
    await interrupted_sending(router, path, state, 140_000)
    whole = state.read_bytes()
    for cut in range(1, 300, 17):
        state.write_bytes(whole[:-cut])
        sent = await sent_to(router, path, state=state)
    received = await receive_file(sent.recipients[0], folder, config=IMPATIENT)
    assert same(received.path, path)


async def test_packets_that_the_router_has_forgotten(
    router: XFTPRouter, path: Path, tmp_path: Path, folder: Path
) -> None:
    state = tmp_path / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(XFTPClient, "upload", failing(100, XFTPClient.upload, Interrupted()))
        with pytest.RaisesGroup(Interrupted, flatten_subgroups=True, allow_unwrapped=True):
            await send_file(path, [router.address], state=state, config=ONE_BY_ONE)
    (registered,) = (
        json.loads(line) for line in state.read_text().splitlines() if "registered" in line
    )
    assert await router._storage.delete(from_base64url(registered["id"]))
    sent = await sent_to(router, path, state=state)
    assert '"step":"lost"' in state.read_text()
    await receive_file(sent.recipients[0], folder, config=IMPATIENT)


async def test_a_router_that_is_away_when_sending_goes_on(
    path: Path, tmp_path: Path, folder: Path
) -> None:
    state = tmp_path / "state"
    credentials = generate_router_credentials(now=utc_now())
    settings = config(tmp_path / "router")
    async with open_xftp_router(settings, credentials=credentials) as router:
        await interrupted_sending(router, path, state, 10)
        address = router.address
    async with open_xftp_router() as other:
        sent = await send_file(path, [address, other.address], state=state, config=IMPATIENT)
        assert sent.sender.servers == (other.address,)
        await receive_file(sent.recipients[0], folder, config=IMPATIENT)


async def test_states_of_other_transfers(router: XFTPRouter, path: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    await sent_to(router, path, state=state)
    for change in ({"recipients": 2}, {"name": "another"}):
        with pytest.raises(StateMismatch):
            await sent_to(router, path, state=state, **change)
    rewrite(path, filled(SIZE - 1))
    with pytest.raises(StateMismatch):
        await sent_to(router, path, state=state)


@pytest.mark.parametrize(
    "content",
    [
        b"noise\n",
        b"[]\n",
        b"{}\n",
        b'{"format":"another"}\n',
        b"\xff\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=range(6),
)
async def test_states_that_are_none(
    router: XFTPRouter, path: Path, tmp_path: Path, content: bytes
) -> None:
    state = tmp_path / "state"
    state.write_bytes(content)
    with pytest.raises(StateMismatch):
        await sent_to(router, path, state=state)
    assert state.read_bytes() == content


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"step":"registered"', '"step":"unknown"'),
        ('"packet":1', '"packet":99'),
        ('"packet":1', '"packet":"1"'),
        ('"server":"xftp:', '"server":"http:'),
        ('"recipients":[[', '"recipients":[["AA","AA"],['),
        ('"id":"', '"id":"!'),
        ('"key":"MC4CAQ', '"key":"AAAAAA'),
    ],
)
async def test_damaged_states(
    router: XFTPRouter, path: Path, tmp_path: Path, before: str, after: str
) -> None:
    state = tmp_path / "state"
    await sent_to(router, path, state=state)
    text = state.read_text()
    first, rest = text.split("\n", 1)
    assert before in rest
    state.write_text(first + "\n" + rest.replace(before, after))
    with pytest.raises(StateMismatch):
        await sent_to(router, path, state=state)


async def test_a_file_that_changes(router: XFTPRouter, path: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    await interrupted_sending(router, path, state, 70_000)
    rewrite(path, filled(SIZE, 1))
    with pytest.raises(FileChanged):
        await sent_to(router, path, state=state)
    rewrite(path, filled(SIZE))
    await sent_to(router, path, state=state)


@pytest.mark.parametrize("more", [-1, 1])
async def test_a_file_that_changes_while_it_is_sent(
    router: XFTPRouter, path: Path, more: int
) -> None:
    rewrite(path, filled(600_000))

    def change(event: TransferEvent) -> None:
        rewrite(path, filled(600_000 + more))

    with pytest.raises(FileChanged):
        await send_file(path, [router.address], config=ONE_BY_ONE, tell=change)


async def test_a_state_that_cannot_be_written(
    router: XFTPRouter, path: Path, tmp_path: Path
) -> None:
    with pytest.raises(StorageFailed):
        await sent_to(router, path, state=tmp_path / "nowhere" / "state")


# --- state of a receiving -----------------------------------------------------------------------


async def interrupted_receiving(
    description: FileDescription, folder: Path, state: Path, size: int, phase: Phase
) -> None:
    with pytest.RaisesGroup(Interrupted, flatten_subgroups=True, allow_unwrapped=True):
        await receive_file(
            description,
            folder,
            state=state,
            config=ONE_BY_ONE,
            tell=interrupt_after(size, phase),
        )


@pytest.mark.parametrize("size", [1, SMALLEST, SMALLEST + 1, SIZE])
@pytest.mark.parametrize("phase", [Phase.DOWNLOADING, Phase.DECRYPTING])
async def test_receiving_goes_on(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path, size: int, phase: Phase
) -> None:
    sent = await sent_to(router, path)
    state = tmp_path / "state"
    await interrupted_receiving(sent.recipients[0], folder, state, size, phase)
    assert names_in(folder) == []
    assert state.stat().st_mode & 0o077 == 0
    told: list[TransferEvent] = []
    received = await receive_file(
        sent.recipients[0], folder, state=state, config=IMPATIENT, tell=told.append
    )
    assert received.path == folder / "file"
    assert same(received.path, path)
    assert names_in(folder) == ["file"]
    downloads = router.statistics().counters["packets_downloaded"]
    assert downloads == len(sent.sender.packets)
    assert state.stat().st_size < 8192
    again = await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
    assert again == received
    assert names_in(folder) == ["file"]
    checked = [e for e in told if isinstance(e, Progress) and e.phase is Phase.CHECKING]
    assert checked[-1].done == checked[-1].total


async def test_what_a_crash_has_damaged_is_fetched_again(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path)
    state = tmp_path / "state"
    await interrupted_receiving(sent.recipients[0], folder, state, 140_000, Phase.DECRYPTING)
    data = bytearray(state.read_bytes())
    data[-1] ^= 1
    state.write_bytes(data[:])
    received = await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
    assert same(received.path, path)
    downloads = router.statistics().counters["packets_downloaded"]
    assert downloads == len(sent.sender.packets) + 1

    state.unlink()
    sent = await sent_to(router, path)
    await interrupted_receiving(sent.recipients[0], folder, state, 140_000, Phase.DECRYPTING)
    os.truncate(state, 120_000)
    received = await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
    assert same(received.path, path)


async def test_a_redirect_is_followed_once(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path)
    short = await send_description(sent.recipients[0], [router.address], config=IMPATIENT)
    (description,) = short.recipients
    state = tmp_path / "state"
    packets = len(sent.sender.packets)
    # Only downloads of the file itself go that far.
    await interrupted_receiving(description, folder, state, 70_000, Phase.DOWNLOADING)
    await receive_file(description, folder, state=state, config=IMPATIENT)
    assert router.statistics().counters["packets_downloaded"] == packets + 1
    assert router.statistics().counters["recipients_acknowledged"] == packets + 1


async def test_a_crash_after_placing(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it happens, there is one file in the end."""
    state = tmp_path / "state"
    for place, leaves in (
        ("simplex_trio.xftp.files.placing._link", 0),
        ("simplex_trio.xftp.client.XFTPClient.acknowledge", 1),
        ("simplex_trio.xftp.files.receive_state.ReceiveState.complete", 1),
    ):
        sent = await sent_to(router, path)

        def crash(*_: object, **__: object) -> None:
            raise Interrupted

        with monkeypatch.context() as patch:
            patch.setattr(place, crash)
            with pytest.RaisesGroup(Interrupted, flatten_subgroups=True, allow_unwrapped=True):
                await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
        assert len(names_in(folder)) == leaves
        received = await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
        assert received.path == folder / "file"
        assert names_in(folder) == ["file"]
        received.path.unlink()
        state.unlink()


@pytest.mark.parametrize(
    ("noted", "has_part", "has_file", "is_placed"),
    [
        (False, False, False, False),  # nothing was begun
        (False, True, False, False),  # while it was decrypted
        (True, True, False, False),  # before it got its name
        (True, True, True, True),  # when it had both names
        (True, False, True, True),  # when it had its own
        (True, False, False, True),  # and somebody has taken it away
    ],
)
def test_where_a_crash_may_happen_while_placing(
    folder: Path, noted: bool, has_part: bool, has_file: bool, is_placed: bool
) -> None:
    part, file = folder / ".part", folder / "file"
    state = ReceiveState.create(None, folder, DESCRIPTION, DESCRIPTION)
    if noted:
        state.note_placed_name("file")
    if has_part:
        part.write_bytes(b"content")
    if has_file and has_part:
        os.link(part, file)
    elif has_file:
        file.write_bytes(b"content")
    assert placing.finish_placing(state, folder, part) == (file if is_placed else None)
    assert not part.exists()
    assert state.placed_name == ("file" if is_placed else None)
    assert names_in(folder) == (["file"] if has_file else [])
    state.close()


def test_somebody_else_has_taken_the_name(folder: Path) -> None:
    part = folder / ".part"
    state = ReceiveState.create(None, folder, DESCRIPTION, DESCRIPTION)
    state.note_placed_name("file")
    part.write_bytes(b"content")
    (folder / "file").write_bytes(b"mine")
    assert placing.finish_placing(state, folder, part) is None
    assert names_in(folder) == ["file"]
    state.close()


async def test_states_of_other_files(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path, recipients=2)
    state = tmp_path / "state"
    first, second = sent.recipients
    await interrupted_receiving(first, folder, state, 10, Phase.DOWNLOADING)
    with pytest.raises(StateMismatch):
        await receive_file(second, folder, state=state, config=IMPATIENT)
    whole = state.read_bytes()
    for content in (b"", b"noise" * 1000, whole[:500], whole[:600] + bytes(5000)):
        state.write_bytes(content)
        with pytest.raises(StateMismatch):
            await receive_file(first, folder, state=state, config=IMPATIENT)
        assert state.read_bytes() == content
    state.write_bytes(whole)
    await receive_file(first, folder, state=state, config=IMPATIENT)


# --- the disk -----------------------------------------------------------------------------------


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("with_state", [False, True])
async def test_a_full_disk(
    router: XFTPRouter,
    path: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_state: bool,
) -> None:
    sent = await sent_to(router, path)
    state = folder / "state" if with_state else None
    left = ["state"] if with_state else []
    for place in (
        "simplex_trio.xftp.files.receive_state.ReceiveState.write",
        "simplex_trio.xftp.files.placing._decrypt",
        "simplex_trio.xftp.files.placing._link",
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(StorageFull) as caught:
                await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
        assert caught.value.retryable
        assert names_in(folder) == left
    received = await receive_file(sent.recipients[0], folder, state=state, config=IMPATIENT)
    assert same(received.path, path)


async def test_a_full_disk_at_the_start(
    router: XFTPRouter, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await sent_to(router, path)
    for place in ("os.replace", "simplex_trio.xftp.files.receive_state._identity"):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(StorageFull):
                await receive_file(
                    sent.recipients[0], folder, state=folder / "state", config=IMPATIENT
                )
        assert names_in(folder) == []


async def test_a_cancelled_transfer_leaves_its_state_only(
    router: XFTPRouter, path: Path, folder: Path, tmp_path: Path
) -> None:
    sent = await sent_to(router, path)
    for state in (None, tmp_path / "state"):
        for phase in (Phase.DOWNLOADING, Phase.DECRYPTING):

            def cancel(event: TransferEvent, phase: Phase = phase) -> None:
                if isinstance(event, Progress) and event.phase is phase:
                    scope.cancel()

            with trio.CancelScope() as scope:
                await receive_file(
                    sent.recipients[0], folder, state=state, config=IMPATIENT, tell=cancel
                )
            assert scope.cancelled_caught
            assert names_in(folder) == []
    left = ReceiveState.open(tmp_path / "state", sent.recipients[0])
    assert left is not None
    left.close()
