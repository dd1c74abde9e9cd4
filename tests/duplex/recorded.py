"""A recorded case of two agents, with its parts as a replay asks for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from simplex_trio.wire.duplex import InvitationURI
from tests.ratchet.support import dh_private
from tests.ratchet.test_live_conversations import Conversation, History
from tests.vectors import Case

__all__ = ["Fields", "Recorded", "raw"]

Fields = dict[str, Any]


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


class Recorded:
    """One case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.ratchets = Conversation(case)
        self.histories = {
            (recorded["history"], recorded["connection"]): History(self.ratchets, recorded)
            for recorded in case["ratchets"]
        }
        [self.smp_version] = case["smp_version"]
        self._requests_left = {
            queue["queue"]: deque(
                body
                for body in case["bodies"]
                if body["queue"] == queue["queue"] and body["agent_envelope"]["tag"] == "I"
            )
            for queue in case["queues"]
        }
        self.senders: dict[bytes, str] = {
            raw(sender["auth_key"]["public_raw"]): sender["sender"]
            for queue in case["queues"]
            for sender in queue["senders"]
        }

    def is_restored(self, agent: str) -> bool:
        """Whether the agent goes on with its first database in the last run."""
        return any(history == f"{agent}_newer" for history, _ in self.histories)

    def ratchet_keys(self, connection: str) -> list[int]:
        """The bodies with keys for a new ratchet that a connection has sent, in order."""
        return [
            body["n"]
            for body in self.case["bodies"]
            if body["from"] == connection and body["agent_envelope"]["tag"] == "R"
        ]

    def started_with(self, connection: str) -> set[int]:
        """Those of them that answer nothing, whose private halves were stored."""
        stored = {
            dh_private(entry["row"]["x3dh_priv_key_1"]).public.raw
            for entry in self.case["timeline"]
            if entry["type"] == "row"
            and entry["table"] == "ratchets"
            and entry["row"].get("x3dh_priv_key_1")
        }
        keys = {
            number: self.ratchets.public_keys(number) for number in self.ratchet_keys(connection)
        }
        return {number for number, public in keys.items() if public.first.raw in stored}

    def undecrypted(self, connection: str) -> list[Fields]:
        """The messages to a connection that it could not decrypt, in order."""
        return [
            body
            for body in self.case["bodies"]
            if body["to"] == connection
            and body["agent_envelope"]["tag"] == "M"
            and not body.get("receptions")
        ]

    def answer(self, call: Fields) -> Fields:
        found: Fields = next(
            entry
            for entry in self.case["timeline"]
            if entry["type"] == "answer"
            and (entry["agent"], entry["id"]) == (call["agent"], call["id"])
            and entry["ms"] >= call["ms"]
        )
        return found

    def created(self, connection: str) -> Fields:
        found: Fields = next(
            entry
            for entry in self.case["timeline"]
            if entry["type"] == "answer" and entry.get("result", {}).get("conn") == connection
        )
        return found

    def all_events(self, connection: str) -> Iterator[Fields]:
        return (
            entry
            for entry in self.case["timeline"]
            if entry["type"] == "event" and entry.get("conn") == connection
        )

    def joined(self, name: str, connection: str) -> tuple[History, Fields]:
        for (history, owner), found in self.histories.items():
            if owner == connection and history.startswith(name):
                transition = found.recorded["transitions"][0]
                if transition["kind"] == "joined":
                    return found, found.states[transition["to"]]
        raise AssertionError(connection)

    def following(self, history: History, transition: Fields) -> Fields | None:
        transitions: list[Fields] = history.recorded["transitions"]
        place = transitions.index(transition) + 1
        return transitions[place] if place < len(transitions) else None

    def request_of(self, queue: Fields) -> Fields:
        """The request that names a queue."""
        for body in self.case["bodies"]:
            envelope = body["agent_envelope"]
            if envelope["tag"] == "I":
                address = InvitationURI.parse(envelope["request"]).queues[0].queue
                if address.sender_id == raw(queue["sender_id"]):
                    found: Fields = body
                    return found
        raise AssertionError(queue)

    def next_request(self, connection: str) -> Fields:
        queue = next(q for q in self.case["queues"] if q["recipient"] == connection)
        request: Fields = self._requests_left[queue["queue"]].popleft()
        return request
