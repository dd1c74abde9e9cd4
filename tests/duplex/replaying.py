"""A recorded conversation, with our machine in the place of each of its agents."""

from __future__ import annotations

from simplex_trio.duplex.machine.work import SendRequest
from simplex_trio.wire.smp.commands import KEY, LKEY, LSET, NEW, SKEY, Command, decode_command
from simplex_trio.wire.smp.links import QueueLinkData
from tests.duplex.recorded import Fields, Recorded, raw
from tests.duplex.replayed_agent import ReplayedAgent
from tests.vectors import Case

__all__ = ["replay"]


class Replay:
    """A recorded case, from its first call on."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.recorded = Recorded(case)
        self.agents = {name: ReplayedAgent(self.recorded, name) for name in case["versions"]}
        self._link_data: dict[int, QueueLinkData] = {}

    def agent(self, connection: str) -> ReplayedAgent:
        return self.agents[connection.partition("/")[0]]

    def run(self) -> None:
        for entry in self.case["timeline"]:
            match entry["type"]:
                case "call":
                    self.agents[entry["agent"]].call(entry)
                case "event" if entry["event"] not in ("CONNECT", "DEL_RCVQS", "DEL_CONNS"):
                    self.agents[entry["agent"]].event(entry)
                case "router" if entry["command_name"] != "SUB":
                    self._router(entry)
                case "row" if entry["table"] == "ratchets" and entry["op"] != "delete":
                    self._ratchet_row(entry)
                case "stop" if self.recorded.is_restored(entry["agent"]):
                    if entry["run"] == 1:
                        self.agents[entry["agent"]].save()
                case "start" if self.recorded.is_restored(entry["agent"]):
                    if entry["run"] == 3:
                        self.agents[entry["agent"]].restore()
                case _:
                    pass
        for agent in self.agents.values():
            for connection in list(agent.ids):
                if agent.machine.is_known(agent.ids[connection]):
                    agent.delete_queues(connection)
            agent.check_events()
            agent.check_numbers()

    def _router(self, entry: Fields) -> None:
        if entry["command_name"] == "SEND":
            body = self.case["bodies"][entry["body"]]
            if body["agent_envelope"]["tag"] == "I":
                for agent in self.agents.values():
                    if any(isinstance(work, SendRequest) for work in agent.machine.all_work()):
                        agent.request(body)
            else:
                self.agent(body["from"]).send(body, entry["answer"])
            return
        command: Command = decode_command(raw(entry["command"]), self.recorded.smp_version)
        match command:
            case NEW(auth_key=key):
                queue = next(
                    q
                    for q in self.case["queues"]
                    if raw(q["recipient_auth_key"]["public_raw"]) == key.raw
                )
                if command.queue_request is not None and command.queue_request.link is not None:
                    self._link_data[queue["queue"]] = command.queue_request.link.data
                self.agent(queue["recipient"]).new(queue, command, entry)
            case SKEY(sender_key=key):
                sender = self.recorded.senders[key.raw]
                self.agent(sender).skey(sender, command)
            case LKEY(sender_key=key):
                sender = self.recorded.senders[key.raw]
                self._read_link(self.agent(sender), sender, entry)
            case _ if entry["command_name"] == "LGET":
                for agent in self.agents.values():
                    reader = agent.reads(raw(entry["entity_id"]))
                    if reader is not None:
                        self._read_link(agent, reader, entry)
            case _:
                self._owner(command, entry)

    def _owner(self, command: Command, entry: Fields) -> None:
        owner = self.case["queues"][entry["queue"]]["recipient"]
        agent = self.agent(owner)
        match entry["command_name"]:
            case "ACK":
                agent.ack(owner, entry["queue"])
            case "KEY":
                assert isinstance(command, KEY)
                agent.key(owner, entry["queue"], command)
            case "LSET":
                assert isinstance(command, LSET)
                self._link_data[entry["queue"]] = command.data
                agent.lset(owner, command, self.case["links"][entry["link"]])
            case "LDEL":
                agent.ldel(owner)
            case "DEL":
                # Here a queue is deleted last, so that the peer can still say that it has read on.
                agent.delete_queues(owner)
            case other:
                raise AssertionError(other)

    def _read_link(self, agent: ReplayedAgent, connection: str, entry: Fields) -> None:
        link_id = entry["answer_link_id"]
        queue = next(q for q in self.case["queues"] if q["link_id"] == link_id)
        agent.read_link(connection, raw(queue["sender_id"]), self._link_data[queue["queue"]])

    def _ratchet_row(self, entry: Fields) -> None:
        if entry["op"] == "update" and entry["row"].get("x3dh_priv_key_1"):
            self.agent(entry["row"]["conn_id"]).start_resynchronising(entry["row"]["conn_id"])
        state = entry["row"].get("ratchet_state")
        if not isinstance(state, dict) or "ratchet_state" not in state:
            return
        connection = entry["row"]["conn_id"]
        history = self.recorded.histories[entry["database"], connection]
        found = [
            transition
            for transition in history.recorded["transitions"]
            if transition["to"] == state["ratchet_state"] and transition["kind"] != "copied"
        ]
        if not found:
            return
        [transition] = found
        agent = self.agent(connection)
        match transition["kind"]:
            case "receive":
                body = self.case["bodies"][transition["body"]]
                agent.decrypt(connection, body, transition, history)
            case "synchronized":
                agent.agree(connection, transition, history)
            case "send" | "send, not delivered" if entry["op"] == "update":
                # Most messages follow from calls; that the peer may go on follows from the router.
                if agent.ratchet(connection) == history.ratchet(transition["from"]):
                    agent.quota_notice(connection)
            case _:
                pass


def replay(case: Case) -> None:
    """Replay a case with both machines."""
    Replay(case).run()
