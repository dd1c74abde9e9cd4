"""Recorded conversations of two agents: a case of ``agent_live*.json``, with its parts by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.wire.duplex import X3DHKeys
from simplex_trio.wire.duplex.messages import RatchetPlaintext
from tests.vectors import Case
from tests.wire.duplex.fields import Fields, keys_of, message_of

__all__ = ["Conversation", "raw"]


class Conversation:
    """One case, with its *blobs* put where they belong."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.bodies: list[Fields] = case["bodies"]
        self.queues: list[Fields] = case["queues"]
        self.links: list[Fields] = case["links"]
        (self.smp_version,) = case["smp_version"]

    # --- keys -----------------------------------------------------------------------------------

    def recipient_key(self, body: Fields) -> X25519PrivateKey:
        """The key of a queue's owner with which its messages are opened."""
        raw = self.queues[body["queue"]]["recipient_e2e_key"]["private_raw"]
        return X25519PrivateKey(bytes.fromhex(raw))

    def signing_keys(self) -> dict[bytes, Ed25519PrivateKey]:
        """Every key that signs commands, by its public half."""
        recorded = [queue["recipient_auth_key"] for queue in self.queues]
        recorded += [sender["auth_key"] for queue in self.queues for sender in queue["senders"]]
        private = (Ed25519PrivateKey(raw(key["private_raw"])) for key in recorded if key)
        return {key.public.raw: key for key in private}

    # --- the timeline ---------------------------------------------------------------------------

    def commands(self) -> Iterator[Fields]:
        """What routers were asked, in order."""
        return (entry for entry in self.case["timeline"] if entry["type"] == "router")

    def texts(self) -> Iterator[str]:
        """Every link that a program was given or gave, and every request inside an envelope."""
        for entry in self.case["timeline"]:
            if entry["type"] in ("call", "answer"):
                yield from _links(entry)
        for body in self.bodies:
            if "request" in body["agent_envelope"]:
                yield body["agent_envelope"]["request"]

    def pq_support(self) -> Callable[[Fields], bool]:
        """Tells whether the sender's connection supported the KEM when it sent a body.

        The connection's row says so, and the ratchet's row when the body was encrypted.
        """
        supports: dict[tuple[str, str], bool] = {}
        by_state: dict[tuple[str, str, int], bool] = {}
        for entry in self.case["timeline"]:
            if entry["type"] != "row" or entry["op"] == "delete":
                continue
            row, database = entry["row"], entry["database"]
            match entry["table"], row:
                case "connections", {"pq_support": value}:
                    supports[database, row["conn_id"]] = bool(value)
                case "ratchets", {"ratchet_state": {"ratchet_state": number}}:
                    place = database, row["conn_id"]
                    supported = supports.get(place, supports[_older(database), row["conn_id"]])
                    by_state.setdefault((*place, number), supported)

        def supported_for(body: Fields) -> bool:
            history, connection, state = (
                body["sender_history"],
                body["from"],
                body["sender_state"][1],
            )
            place = history, connection, state
            return by_state.get(place, by_state.get((_older(history), connection, state), False))

        return supported_for

    # --- values ---------------------------------------------------------------------------------

    def blob(self, value: str | dict[str, int]) -> bytes:
        """Bytes, which stand elsewhere if they are long."""
        return raw(value if isinstance(value, str) else self.case["blobs"][value["blob"]])

    def x3dh_keys(self, fields: Fields) -> X3DHKeys:
        return keys_of(fields, self.blob)

    def message(self, fields: Fields) -> RatchetPlaintext:
        return message_of(fields, self.blob)


def _older(history: str) -> str:
    """A database that was replaced by an older copy of itself began as that one."""
    return history.removesuffix("_newer")


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def _links(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for item in value.values():
                yield from _links(item)
        case list():
            for item in value:
                yield from _links(item)
        case str() if value.startswith(("simplex:/", "https://")):
            yield value
