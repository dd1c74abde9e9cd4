"""What the operator of a router for files does with its packets."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from simplex_trio.serving.control import ask_router
from simplex_trio.serving.control_messages import ControlError
from simplex_trio.wire.errors.values import Blocked
from simplex_trio.wire.text import to_base64url
from simplex_trio.wire.xftp.errors import BlockingReason, XFTPCode
from simplex_trio.xftp.router.server import EMBEDDED, open_xftp_router
from simplex_trio.xftp.router.statistics import Count
from tests.scenarios.xftp import SMALLEST, client_at, refused, stored_packet


async def test_on_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "control"
    config = evolve(EMBEDDED, control=path)
    async with open_xftp_router(config) as router, client_at(str(router.address)) as client:
        packets = [await stored_packet(client) for _ in range(3)]
        ids = [to_base64url(each.ids.recipient_ids[0]) for each in packets]
        status = await ask_router(path, "status")
        assert (status["router"], status["now"]["packets"]) == ("xftp", 3)
        found = await ask_router(path, "packet", id=ids[0])
        assert found == {"size": SMALLEST, "has_body": True, "blocked": None}
        # By a recipient's id, as complaints have it, or by the sender's.
        assert not (await ask_router(path, "block", id=ids[0], reason="content"))["has_body"]
        sender_id = to_base64url(packets[1].ids.sender_id)
        found = await ask_router(path, "block", id=sender_id, reason="spam")
        assert found["blocked"] == {"reason": "spam", "notice": False, "notice_seconds": None}
        async with refused(Blocked(BlockingReason.CONTENT)):
            await packets[0].download(client)
        async with refused(Blocked(BlockingReason.SPAM)):
            await packets[1].download(client)
        assert await ask_router(path, "delete", id=ids[2]) == {}
        async with refused(XFTPCode.AUTH):
            await packets[2].download(client)
        for command in ("packet", "delete", "block"):
            with pytest.raises(ControlError, match="no packet with this id") as caught:
                await ask_router(path, command, id=ids[2], reason="spam")
            assert caught.value.code == "not_found"
        counters = router.statistics().counters
        assert (counters[Count.PACKETS_BLOCKED], counters[Count.PACKETS_DELETED]) == (2, 1)
        assert router.statistics().packets == 2
    assert not path.exists()
