"""A scenario for a notification router, without a device that could be woken up."""

from __future__ import annotations

import pytest

from simplex_trio.client.connection import ClientConfig
from simplex_trio.client.ntf import open_ntf_client
from simplex_trio.client.router_errors import RouterError
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.ntf.queues import NotifierQueue
from simplex_trio.wire.ntf.statuses import TokenState
from simplex_trio.wire.ntf.tokens import DeviceToken, PushProvider

UNVERIFIED = set(TokenState) - {TokenState.ACTIVE}
"""What a token may be before its device has answered; a push service may know that it is none."""

SOMEWHERE = "smp://LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI=@smp.example.com"


async def life_of_a_token(
    address: str,
    provider: PushProvider = PushProvider.APNS_TEST,
    config: ClientConfig | None = None,
) -> None:
    """Every command that does not need the code that only the device gets; the rest is refused."""
    async with open_ntf_client(address, config) as client:
        await client.ping()
        token = await client.register_token(DeviceToken(provider, b"ab" * 32))
        assert (await client.check_token(token)).state in UNVERIFIED
        with pytest.raises(RouterError):
            await client.verify_token(token, b"a wrong code")
        queue = NotifierQueue(ServerAddress.parse(SOMEWHERE), bytes(24))
        with pytest.raises(RouterError) as inactive:
            await client.create_subscription(token, queue, Ed25519PrivateKey.generate())
        assert inactive.value.error is Code.AUTH
        await client.set_periodic_notifications(token, 30)
        await client.set_periodic_notifications(token, 0)
        with pytest.raises(RouterError) as too_often:
            await client.set_periodic_notifications(token, 1)
        assert too_often.value.error is Code.QUOTA
        results = await client.check_subscriptions(token, [bytes(24), bytes(24)])
        assert all(isinstance(result, RouterError) for result in results)
        with pytest.raises(RouterError):
            await client.delete_subscription(token, bytes(24))
        await client.replace_token(token, DeviceToken(provider, b"cd" * 32))
        await client.delete_token(token)
        with pytest.raises(RouterError) as gone:
            await client.check_token(token)
        assert gone.value.error is Code.AUTH
