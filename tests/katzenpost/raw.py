"""A client of the simulated daemon that speaks in bare messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from simplex_trio.testing.kpclientd import SimulatedDaemon, SimulatedMixnet, running_daemon
from tests.katzenpost.support import SEED, START, Peer

TOKEN = b"a client's token"
QUERY = b"a query's own id"


@asynccontextmanager
async def raw_client(daemon: SimulatedDaemon, *, token: bytes | None = None) -> AsyncIterator[Peer]:
    """A connection to a simulated daemon, after the greeting if there is a token."""
    peer = Peer(await daemon.open_stream())
    async with peer.frames:
        if token is not None:
            await peer.next("connection_status_event")
            await peer.next("new_pki_document_event")
            await peer.put("session_token", {"client_instance_token": token})
            await peer.next("session_token_reply")
        yield peer


@asynccontextmanager
async def connected(
    mixnet: SimulatedMixnet | None = None,
) -> AsyncIterator[tuple[SimulatedDaemon, Peer]]:
    async with running_daemon(mixnet) as daemon, raw_client(daemon, token=TOKEN) as peer:
        yield daemon, peer


async def ask(peer: Peer, name: str, **fields: object) -> Any:
    await peer.put(name, {"query_id": QUERY, **fields})
    reply = await peer.next(f"{name}_reply")
    assert reply["query_id"] == QUERY
    return reply


async def keys(peer: Peer, seed: bytes = SEED) -> Any:
    return await ask(peer, "new_keypair", seed=seed)


async def read_envelope(peer: Peer, pair: Any) -> dict[str, Any]:
    """The fields of a request to read the first box."""
    index = pair["first_message_index"]
    made = await ask(peer, "encrypt_read", read_cap=pair["read_cap"], message_box_index=index)
    names = ("message_ciphertext", "envelope_descriptor", "envelope_hash")
    return {
        "query_id": b"the operation...",
        "read_cap": pair["read_cap"],
        "message_box_index": index,
        **{name: made[name] for name in names},
    }


async def write_first_box(peer: Peer, pair: Any, plaintext: bytes, **flags: bool) -> Any:
    cap, index = pair["write_cap"], pair["first_message_index"]
    made = await ask(
        peer, "encrypt_write", plaintext=plaintext, write_cap=cap, message_box_index=index
    )
    names = ("message_ciphertext", "envelope_descriptor", "envelope_hash")
    return await ask(peer, START, write_cap=cap, **{name: made[name] for name in names}, **flags)
