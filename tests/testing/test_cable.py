"""The cable that can be cut."""

from __future__ import annotations

import pytest
import trio

from simplex_trio import ConnectError, open_smp_client
from simplex_trio.router.server import open_router
from simplex_trio.testing.cable import open_cable
from simplex_trio.wire.addresses import ServerAddress


async def test_it_leads_to_the_router() -> None:
    async with open_router() as router, open_cable(router.address) as cable:
        assert cable.address.key_hash == router.address.key_hash
        assert cable.address.port != router.address.port
        async with open_smp_client(cable.address) as client:
            await client.ping()


async def test_cut_and_mended() -> None:
    async with open_router() as router, open_cable(router.address) as cable:
        async with open_smp_client(cable.address) as client:
            cable.cut()
            await client.wait_disconnected()
        with pytest.raises(ConnectError):
            async with open_smp_client(cable.address):
                pass
        async with open_smp_client(router.address) as client:
            await client.ping()  # the router itself was never away
        cable.mend()
        async with open_smp_client(cable.address) as client:
            await client.ping()


async def test_what_one_side_ends_ends_for_the_other() -> None:
    async with open_router() as router, open_cable(router.address) as cable:
        async with open_smp_client(cable.address):
            pass
        while router.statistics().clients:
            await trio.lowlevel.checkpoint()


async def test_a_router_that_is_not_there() -> None:
    async with open_router() as router:
        address = router.address
    async with open_cable(address) as cable:
        with pytest.raises(ConnectError):
            async with open_smp_client(cable.address):
                pass


async def test_onion_hosts_are_passed_over() -> None:
    async with open_router() as router:
        text = str(router.address).replace("@", f"@{'a' * 56}.onion,")
        async with (
            open_cable(ServerAddress.parse(text)) as cable,
            open_smp_client(cable.address) as client,
        ):
            await client.ping()
