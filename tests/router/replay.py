"""Playing a recorded conversation with the reference's router to ours.

The recorded clients' blocks go to a router of ours as they are, in the recorded order.  For that it
gets the recorded session ids, and chooses the ids that the recorded router chose: so signatures
hold.  Authenticators are made anew where they were right, as they depend on a session key that only
the recorded router had.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import trio
from attrs import define, evolve, field, frozen
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from simplex_trio.crypto.authenticator import AUTHENTICATOR_SIZE, authenticate
from simplex_trio.crypto.box import BoxKey, nonce_from
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import (
    Ed25519PublicKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from simplex_trio.router.names import NameNotFound, NameResolver, ResolverFailed
from simplex_trio.router.session import ClientSession
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.wire.blocks import PaddedBlocks
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.handshake import PeerService, RouterAgreement, ServiceRole
from simplex_trio.wire.reading import ReceivedCommand, ReceivedMessage, read_messages
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp.bodies import ReceivedBody, open_delivered
from simplex_trio.wire.smp.commands import NEW, NKEY, PFWD, PRXY, RFWD, SEND
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.forwarding import FwdTransmission
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE, smp_session
from simplex_trio.wire.smp.messages import (
    ERR,
    IDS,
    INFO,
    MSG,
    NID,
    NMSG,
    RRES,
    Message,
    decode_message,
)
from simplex_trio.wire.smp.names import Domain, NameRecord
from simplex_trio.wire.smp.new_queue import MessagingRequest
from simplex_trio.wire.smp.proxied import (
    open_answer,
    open_forwarded_answer,
    seal_command,
    seal_forwarded,
)
from simplex_trio.wire.smp.reading import read_smp_commands
from simplex_trio.wire.transmissions import Batch, prepare_transmission
from simplex_trio.wire.versions import VersionRange
from tests.router.house import House
from tests.vectors import Case

Step = dict[str, Any]

_ROLES = {
    "SRMessaging": ServiceRole.MESSAGING,
    "SRNotifier": ServiceRole.NOTIFIER,
    "SRSender": ServiceRole.PROXY,
}


@frozen
class Heard:
    """One thing that a router said, with what no two routers have in common left out."""

    correlation_id: bytes
    entity_id: bytes
    essence: object


Block = list[Heard]


@define(eq=False)
class Line:
    """One recorded connection, and ours in its place."""

    name: str
    session: SessionParameters
    recorded: Step
    last_seq: int
    frames: BlockStream | None = None
    heard: list[Block] = field(factory=list)
    expected: list[Block] = field(factory=list)


def steps(case: Case) -> list[tuple[str, Step]]:
    """All steps after handshakes, in the order in which they happened."""
    found = [
        (connection["name"], step)
        for connection in case["connections"]
        for step in connection["steps"]
        if not step.get("handshake")
    ]
    return sorted(found, key=lambda each: each[1]["seq"])


class Script:
    """The recorded ids, for a router that asks for random bytes."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random
        self.ids: deque[bytes] = deque()

    def __call__(self, size: int) -> bytes:
        return self.ids.popleft() if size == 24 and self.ids else self._random(size)


class Replay:
    """One scenario, played to the router of a house."""

    def __init__(self, case: Case, house: House, script: Script) -> None:
        self._house = house
        self._script = script
        self._steps = steps(case)
        self._session_key = X25519PrivateKey(b"\x07" * 32)
        self._delivery_keys: dict[bytes, BoxKey] = {}
        self.lines: dict[str, Line] = {}
        for recorded in case["connections"]:
            if recorded["version"] is not None:
                session = smp_session(recorded["version"], bytes.fromhex(recorded["session_id"]))
                last = max(step["seq"] for step in recorded["steps"])
                self.lines[recorded["name"]] = Line(recorded["name"], session, recorded, last)
        self._answers = self._recorded_answers()
        self._message_ids = self._recorded_message_ids()
        self._bodies = _recorded_bodies(case)

    async def play(self) -> None:
        """Play all steps; `lines` then has what was said and what should have been."""
        for name, step in self._steps:
            line = self.lines[name]
            if line.frames is None:
                line.frames = await self._open(self._agreement(line))
            if step["from"] == "client":
                await self._say(line, step)
            elif not _is_proxied(step):
                line.expected.append(self._expected(line, step))
            for each in self.lines.values():
                if each.frames is not None:
                    await self._listen(each)
                    if each.last_seq <= step["seq"]:
                        await each.frames.aclose()
                        each.frames = None

    # --- connections --------------------------------------------------------------------------

    def _agreement(self, line: Line) -> RouterAgreement:
        return RouterAgreement(
            session=line.session,
            versions=VersionRange(6, line.session.version),
            session_key=self._session_key,
            shared_secret=b"\x05" * 32,
            chains=None,
            service=_service(line.recorded),
            client_is_proxy=False,
        )

    async def _open(self, agreement: RouterAgreement) -> BlockStream:
        ours, theirs = memory_stream_pair()
        session = ClientSession(self._house.hub, BlockStream(theirs, SMP_BLOCK_SIZE), agreement)
        self._house.nursery.start_soon(session.run)
        return BlockStream(ours, SMP_BLOCK_SIZE)

    async def _listen(self, line: Line) -> None:
        for content in await _contents(line.frames):
            self._remember_keys()
            said = read_messages(content, line.session, decode_message)
            line.heard.append([self._heard(each) for each in said])

    def _remember_keys(self) -> None:
        for queue in self._house.hub.state.queues:
            self._delivery_keys[queue.record.recipient_id] = queue.box_key

    def _heard(self, said: object) -> Heard:
        assert isinstance(said, ReceivedMessage)
        message = said.message
        if isinstance(message, MSG):
            key = self._delivery_keys[said.entity_id]
            opened = open_delivered(key, message.message_id, message.sealed)
            body = (opened.body, opened.flags) if isinstance(opened, ReceivedBody) else None
            known = message.message_id in self._bodies
            essence: object = (MSG, message.message_id, body if known else "unknown")
        else:
            essence = _essence(message)
        return Heard(said.correlation_id, said.entity_id, essence)

    # --- what clients say -----------------------------------------------------------------------

    async def _say(self, line: Line, step: Step) -> None:
        first = step["transmissions"][0]
        if first.get("command") == "PFWD":
            if "inner_content" in first:
                await self._say_through_proxy(line, first)
            return
        content = bytes.fromhex(step["content"])
        received = read_smp_commands(content, line.session)
        if any(
            isinstance(each, ReceivedCommand) and isinstance(each.command, PRXY | PFWD)
            for each in received
        ):
            return
        self._script.ids.clear()
        self._script.ids.extend(self._ids_for(line.name, received))
        public = X25519PublicKey(bytes.fromhex(line.recorded["server_session_public_raw"]))
        content = self._reauthorized(
            content, line.session, step["transmissions"], public, _service(line.recorded)
        )
        assert line.frames is not None
        await line.frames.send_frames([PaddedBlocks(SMP_BLOCK_SIZE).seal(content)])

    def _reauthorized(
        self,
        content: bytes,
        session: SessionParameters,
        recorded: list[Step],
        recorded_key: X25519PublicKey,
        service: PeerService | None = None,
    ) -> bytes:
        received = read_smp_commands(content, session)
        if not all(isinstance(each, ReceivedCommand) for each in received):
            return content
        batch = Batch(session)
        for each, step in zip(received, recorded, strict=True):
            assert isinstance(each, ReceivedCommand)
            transmission = each.transmission
            authorization = transmission.authorization
            if len(authorization) == AUTHENTICATOR_SIZE and step.get("key"):
                private = X25519PrivateKey(bytes.fromhex(step["key"]["private_raw"]))
                nonce = nonce_from(transmission.correlation_id)
                covered = transmission.authorized
                if service is not None and transmission.service_signature is not None:
                    covered = service.certificate_hash + covered
                right = authenticate(BoxKey.agree(private, recorded_key), nonce, covered)
                if right == authorization:
                    ours = BoxKey.agree(private, self._session_key.public)
                    authorization = authenticate(ours, nonce, covered)
            unsent = prepare_transmission(
                session, transmission.correlation_id, transmission.entity_id, transmission.command
            )
            batch.add(unsent.finish(authorization, transmission.service_signature))
        return batch.content()

    async def _say_through_proxy(self, line: Line, step: Step) -> None:
        """The inner command reaches our router as the destination, with the test as the proxy."""
        version, session_id = step["version"], bytes.fromhex(step["entity_id"])
        session = smp_session(version, session_id)
        relay_key = X25519PublicKey(bytes.fromhex(step["relay_public_raw"]))
        content = bytes.fromhex(step["inner_content"])
        received = read_smp_commands(content, session)
        self._script.ids.clear()
        self._script.ids.extend(self._ids_for(line.name, received))
        content = self._reauthorized(content, session, [{"key": step["inner_key"]}], relay_key)
        once, correlation_id = X25519PrivateKey.generate(), bytes.fromhex(step["corr_id"])
        inner_key = BoxKey.agree(once, self._session_key.public)
        sealed = seal_command(inner_key, correlation_id, content)
        forwarded = FwdTransmission(correlation_id, version, once.public, sealed)
        agreement = evolve(self._agreement(line), session=smp_session(20, session_id), service=None)
        frames = await self._open(agreement)
        outer_key = BoxKey.from_secret(b"\x05" * 32)
        outer_id = b"\x09" * 24
        command = RFWD(seal_forwarded(outer_key, outer_id, forwarded)).encode(20)
        batch = Batch(agreement.session)
        batch.add(prepare_transmission(agreement.session, outer_id, b"", command).finish())
        await frames.send_frames([PaddedBlocks(SMP_BLOCK_SIZE).seal(batch.content())])
        ((answer,),) = [
            read_messages(each, agreement.session, decode_message)
            for each in await _contents(frames)
        ]
        await frames.aclose()
        assert isinstance(answer, ReceivedMessage)
        assert isinstance(answer.message, RRES)
        response = open_forwarded_answer(outer_key, outer_id, answer.message.sealed)
        opened = open_answer(inner_key, correlation_id, response.sealed)
        said = read_messages(opened, session, decode_message)
        line.heard.append([self._heard(each) for each in said])
        line.expected.append(self._expected_inner(line, step))

    # --- what the recorded router said ----------------------------------------------------------

    def _expected(self, line: Line, step: Step) -> Block:
        content = bytes.fromhex(step["content"])
        said = read_messages(content, line.session, decode_message)
        return [self._recorded(each) for each in said]

    def _expected_inner(self, line: Line, command: Step) -> Block:
        for name, step in self._steps:
            response = step.get("decrypted_response")
            if name != line.name or response is None:
                continue
            if step["transmissions"][0]["corr_id"] == command["corr_id"]:
                session = smp_session(command["version"], b"")
                content = bytes.fromhex(response["content"])
                said = read_messages(content, session, decode_message)
                return [self._recorded(each) for each in said]
        raise AssertionError("a proxied command without an answer")

    def _recorded(self, said: object) -> Heard:
        assert isinstance(said, ReceivedMessage)
        message = said.message
        essence = _essence(message)
        if isinstance(message, MSG):
            essence = (MSG, message.message_id, self._bodies.get(message.message_id, "unknown"))
        return Heard(said.correlation_id, said.entity_id, essence)

    def _recorded_answers(self) -> dict[tuple[str, bytes], Message]:
        found: dict[tuple[str, bytes], Message] = {}
        for name, step in self._steps:
            if step["from"] == "server":
                contents = [bytes.fromhex(step["content"])]
                if "decrypted_response" in step:
                    contents.append(bytes.fromhex(step["decrypted_response"]["content"]))
                for content in contents:
                    for each in read_messages(content, self.lines[name].session, decode_message):
                        if isinstance(each, ReceivedMessage) and each.correlation_id:
                            found[name, each.correlation_id] = each.message
        return found

    def _recorded_message_ids(self) -> dict[bytes, deque[bytes]]:
        """The ids of the messages of each queue, by sender id, in the order of their arrival."""
        recipients = {
            answer.sender_id: answer.recipient_id
            for answer in self._answers.values()
            if isinstance(answer, IDS)
        }
        seen: dict[bytes, dict[bytes, None]] = {}
        for name, step in self._steps:
            if step["from"] == "server":
                content = bytes.fromhex(step["content"])
                for each in read_messages(content, self.lines[name].session, decode_message):
                    if isinstance(each, ReceivedMessage) and isinstance(each.message, MSG):
                        seen.setdefault(each.entity_id, {})[each.message.message_id] = None
        return {sender: deque(seen.get(recipient, ())) for sender, recipient in recipients.items()}

    def _ids_for(self, name: str, received: list[Any]) -> Iterator[bytes]:
        """What the router will ask for, in the order in which it does."""
        for each in received:
            if not isinstance(each, ReceivedCommand):
                continue
            command, transmission = each.command, each.transmission
            answer = self._answers.get((name, transmission.correlation_id))
            if isinstance(command, NEW) and isinstance(answer, IDS):
                link = None if command.queue_request is None else command.queue_request.link
                if isinstance(command.queue_request, MessagingRequest) and link is not None:
                    assert answer.link_id is not None
                    yield answer.link_id
                yield answer.recipient_id
                if link is None:
                    yield answer.sender_id
                if answer.notifier is not None:
                    yield answer.notifier.notifier_id
            elif isinstance(command, NKEY) and isinstance(answer, NID):
                yield answer.ids.notifier_id
            elif isinstance(command, SEND) and not isinstance(answer, ERR):
                ids = self._message_ids.get(transmission.entity_id)
                if ids:
                    yield ids.popleft()


def _is_proxied(step: Step) -> bool:
    """Whether a step of the recorded router is one of a proxy."""
    return any(
        each["message"].get("message") in ("PKEY", "PRES")
        or each["message"].get("error", {}).get("type") == "PROXY"
        for each in step["transmissions"]
    )


def _service(recorded: Step) -> PeerService | None:
    service = recorded.get("service")
    if service is None or not recorded.get("service_id"):
        return None
    chain = CertificateChain(tuple(bytes.fromhex(each["der"]) for each in service["certs"]))
    return PeerService(
        id=bytes.fromhex(recorded["service_id"]),
        role=_ROLES[service["role"]],
        certificate_hash=chain.identity_fingerprint,
        session_key=Ed25519PublicKey(bytes.fromhex(service["session_key"]["public_raw"])),
    )


def _recorded_bodies(case: Case) -> dict[bytes, object]:
    """What was in the messages of a case whose recording says so."""
    found: dict[bytes, object] = {}
    for _, step in steps(case):
        messages = [step.get("decrypted"), step.get("decrypted_first_msg")]
        messages += [each["message"] for each in step.get("decrypted_messages", [])]
        for message in messages:
            if message and "body" in message:
                received = ReceivedBody(
                    0,
                    MessageFlags(notification=message["notification"]),
                    bytes.fromhex(message["body"]),
                )
                found[bytes.fromhex(message["msg_id"])] = (received.body, received.flags)
    return found


def _essence(message: Message) -> object:
    """A message without what is different at every router."""
    match message:
        case IDS():
            notifier = None if message.notifier is None else message.notifier.notifier_id
            return (
                *(IDS, message.recipient_id, message.sender_id, message.queue_mode),
                *(message.link_id, message.service_id, notifier),
            )
        case NID():
            return (NID, message.ids.notifier_id)
        case NMSG():
            return (NMSG, len(message.sealed))
        case INFO():
            first = message.info.first_message
            return evolve(
                message,
                info=evolve(
                    message.info,
                    first_message=first and evolve(first, time="2000-01-01T00:00:00Z"),
                ),
            )
        case _:
            return message


async def _contents(frames: BlockStream | None) -> list[bytes]:
    """The contents of all blocks that are there when all tasks wait."""
    assert frames is not None
    found: list[bytes] = []
    blocks = PaddedBlocks(SMP_BLOCK_SIZE)

    async def read() -> None:
        with suppress(trio.EndOfChannel):
            while True:
                found.append(blocks.open(await frames.receive_frame()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return found


def offered_versions(case: Case) -> VersionRange:
    """What the recorded router offered."""
    hello = next(
        step["content"]
        for connection in case["connections"]
        for step in connection["steps"]
        if step.get("handshake") and step["from"] == "server"
    )
    return VersionRange.decode(Reader(bytes.fromhex(hello)))


def recorded_resolver(case: Case) -> NameResolver | None:
    """A resolver that says what the recorded one said, if there was one."""
    found: dict[str, NameRecord | Exception] = {}
    for connection in case["connections"]:
        names: dict[str, str] = {}
        for step in connection["steps"]:
            said = step.get("transmissions", []) + step.get("decrypted_response", {}).get(
                "transmissions", []
            )
            for each in said:
                command = each.get("inner_command") or each.get("command")
                if isinstance(command, dict) and command["command"] == "RSLV":
                    names[each["corr_id"]] = command["domain"]["full_name"]
                message = each.get("message")
                name = names.get(each.get("corr_id", ""))
                if not isinstance(message, dict) or name is None:
                    continue
                if message["message"] == "RNAME":
                    record = json.dumps(message["record"]).encode()
                    found[name.lower()] = NameRecord.decode(record)
                elif message.get("error", {}).get("type") == "NAME":
                    error = message["error"]["name"]
                    if error["type"] == "NOT_FOUND":
                        found[name.lower()] = NameNotFound()
                    elif error["type"] == "RESOLVER":
                        found[name.lower()] = ResolverFailed(error["text"])
    if not found:
        return None

    async def resolve(domain: Domain) -> NameRecord:
        await trio.lowlevel.checkpoint()
        outcome = found[domain.full_name]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return resolve
