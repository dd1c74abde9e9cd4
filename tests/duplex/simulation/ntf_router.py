"""A small notification router for simulations: real blocks, real subscriptions, pushes in memory.

It does what the reference's does, as far as an agent can tell: tokens and their states, and
subscriptions to the notifiers of queues at real routers.  Pushes go to a function instead of a push
provider.  What it knows survives that it is taken down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import trio
from attrs import define, field, frozen

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.config import AgentConfig, AgentRole
from simplex_trio.agent.events import RouterEvent, SubscriptionEnded, SubscriptionError
from simplex_trio.client.connection import ClientConfig, Connection
from simplex_trio.client.ntf import NTF, NTFClient
from simplex_trio.client.spec import shake_hands
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import AuthPrivateKey, AuthPublicKey, X25519PrivateKey
from simplex_trio.duplex.work.ntf_routers import NTFConnector
from simplex_trio.engine.events import Notice
from simplex_trio.errors import CryptoError, DecodeError, DialFailed, HandshakeFailed
from simplex_trio.testing.in_memory import stand_in
from simplex_trio.testing.in_memory.connector import Reachable, simulated_connector
from simplex_trio.testing.in_memory.router import credentials
from simplex_trio.testing.network import MemoryNetwork
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.blocks import PaddedBlocks
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.handshake import RouterAgreement
from simplex_trio.wire.hosts import parse_host
from simplex_trio.wire.ntf import commands as ntf
from simplex_trio.wire.ntf.handshake import NTF_BLOCK_SIZE, NTFRouterHandshake
from simplex_trio.wire.ntf.messages import ERR, IDSUB, IDTKN, OK, PONG, SUB, TKN, Message
from simplex_trio.wire.ntf.push import PUSH_SIZE, PushMessage, encode_push_messages
from simplex_trio.wire.ntf.queues import NotifierQueue
from simplex_trio.wire.ntf.statuses import (
    SubscriptionState,
    SubscriptionStatus,
    TokenState,
    TokenStatus,
)
from simplex_trio.wire.ntf.tokens import DeviceToken
from simplex_trio.wire.reading import ReceivedCommand, read_commands
from simplex_trio.wire.smp.messages import NMSG
from simplex_trio.wire.transmissions import batches, prepare_transmission

__all__ = ["NTFRouter", "Push", "simulated_ntf_connector"]

_GONE = (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError)

_VERIFIABLE = (TokenState.REGISTERED, TokenState.CONFIRMED, TokenState.ACTIVE)


@frozen
class Push:
    """What a device is woken up with."""

    device: DeviceToken
    nonce: bytes
    sealed: bytes
    is_code: bool


@define(eq=False)
class Token:
    """A registered device."""

    token_id: bytes
    device: DeviceToken
    key: AuthPublicKey
    dh_key: X25519PrivateKey
    push_key: BoxKey
    code: bytes
    state: TokenState = TokenState.REGISTERED
    minutes: int = 0


_QUEUE_GONE = (SubscriptionState.DELETED, SubscriptionState.AUTH)


@define(eq=False)
class Subscription:
    """A queue of which a device is notified."""

    subscription_id: bytes
    token: Token
    queue: NotifierQueue
    key: AuthPrivateKey
    state: SubscriptionState = SubscriptionState.NEW


@define(eq=False)
class _Session:
    agreement: RouterAgreement
    frames: BlockStream
    verifier: Verifier = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.verifier = Verifier(self.agreement.session_key)


class NTFRouter:
    """A notification router in a `MemoryNetwork`."""

    def __init__(
        self,
        network: MemoryNetwork,
        name: str,
        random: Random,
        push: Callable[[Push], object],
        *,
        number: int = 9,
        routers: Sequence[Reachable] = (),
        config: AgentConfig | None = None,
    ) -> None:
        self.network = network
        self.name = name
        self.random = random
        self.credentials = credentials(number)
        self.address = ServerAddress(
            ServerProtocol.NTF, (parse_host(name),), None, self.credentials.identity_fingerprint
        )
        self.client_chains: dict[bytes, CertificateChain] = {}
        self.tokens: dict[bytes, Token] = {}
        self.subscriptions: dict[bytes, Subscription] = {}
        self.asked: list[ntf.Command] = []
        """All commands that came, in order."""
        self.push = push
        self.now: Callable[[], int] = lambda: 1_800_000_000 + int(trio.current_time())
        self._routers = routers
        self._config = config or AgentConfig(AgentRole.NOTIFIER)
        self._agent: SMPClientAgent | None = None
        self._running: trio.CancelScope | None = None

    # --- for tests ------------------------------------------------------------------------------

    async def start(self, nursery: trio.Nursery) -> None:
        """Be there, until `stop`."""
        await nursery.start(self._run)

    def stop(self) -> None:
        """Go away with all connections; tokens and subscriptions stay."""
        self.network.take_down(self.name)
        assert self._running is not None
        self._running.cancel()

    def forget(self) -> None:
        """Lose everything."""
        for each in list(self.subscriptions.values()):
            self._delete(each)
        self.tokens.clear()

    def subscribed(self, device: DeviceToken) -> set[bytes]:
        """The ids of the notifiers that a device is notified of.

        Of a queue that is gone it is notified no more.  If the answer to SNEW was lost, and the
        queue was deleted then, that is how the subscription ends.
        """
        return {
            each.queue.notifier_id
            for each in self.subscriptions.values()
            if each.token.device == device
            and each.token.state is TokenState.ACTIVE
            and each.state not in _QUEUE_GONE
        }

    # --- commands -------------------------------------------------------------------------------

    def do(self, session: _Session, received: ReceivedCommand[ntf.Command]) -> Message:
        """Do what a command says."""
        command, transmission = received.command, received.transmission
        self.asked.append(command)
        match command:
            case ntf.PING():
                return PONG()
            case ntf.TNEW():
                if not session.verifier.accepts(transmission, [command.auth_key]):
                    return ERR(Code.AUTH)
                return self._register(command)
            case ntf.SNEW():
                token = self.tokens.get(command.token_id)
                if token is None or not session.verifier.accepts(transmission, [token.key]):
                    return ERR(Code.AUTH)
                return self._subscribe(token, command)
            case ntf.SCHK() | ntf.SDEL():
                known = self.subscriptions.get(transmission.entity_id)
                if known is None or not session.verifier.accepts(transmission, [known.token.key]):
                    return ERR(Code.AUTH)
                if isinstance(command, ntf.SCHK):
                    return SUB(SubscriptionStatus(known.state))
                self._delete(known)
                return OK()
            case _:
                token = self.tokens.get(transmission.entity_id)
                if token is None or not session.verifier.accepts(transmission, [token.key]):
                    return ERR(Code.AUTH)
                return self._about(token, command)

    def _register(self, command: ntf.TNEW) -> Message:
        for token in self.tokens.values():
            if (token.device, token.key) == (command.device_token, command.auth_key):
                if token.push_key != BoxKey.agree(token.dh_key, command.dh_key):
                    return ERR(Code.AUTH)
                if token.state not in _VERIFIABLE:
                    token.state = TokenState.REGISTERED
                break
        else:
            dh_key = X25519PrivateKey(self.random.randbytes(32))
            token = Token(
                self.random.randbytes(24),
                command.device_token,
                command.auth_key,
                dh_key,
                BoxKey.agree(dh_key, command.dh_key),
                self.random.randbytes(32),
            )
            self.tokens[token.token_id] = token
        self._send(token, token.code, is_code=True)
        return IDTKN(token.token_id, token.dh_key.public)

    def _about(self, token: Token, command: ntf.Command) -> Message:
        match command:
            case ntf.TVFY(code):
                if token.state not in _VERIFIABLE or code != token.code:
                    return ERR(Code.AUTH)
                token.state = TokenState.ACTIVE
            case ntf.TCHK():
                return TKN(TokenStatus(token.state))
            case ntf.TRPL(device):
                token.device, token.state = device, TokenState.REGISTERED
                token.code = self.random.randbytes(32)
                self._send(token, token.code, is_code=True)
            case ntf.TCRN(minutes):
                token.minutes = minutes
            case ntf.TDEL():
                for each in list(self.subscriptions.values()):
                    if each.token is token:
                        self._delete(each)
                del self.tokens[token.token_id]
        return OK()

    def _subscribe(self, token: Token, command: ntf.SNEW) -> Message:
        if token.state is not TokenState.ACTIVE:
            return ERR(Code.AUTH)
        for known in self.subscriptions.values():
            if (known.token, known.queue) == (token, command.queue):
                if known.key != command.notifier_key:
                    return ERR(Code.AUTH)
                return IDSUB(known.subscription_id)
        new = Subscription(self.random.randbytes(24), token, command.queue, command.notifier_key)
        self.subscriptions[new.subscription_id] = new
        self._subscribe_at_router(new)
        return IDSUB(new.subscription_id)

    def _delete(self, known: Subscription) -> None:
        del self.subscriptions[known.subscription_id]
        if self._agent is not None:
            self._agent.unsubscribe(known.queue.server, [known.queue.notifier_id])

    # --- notifications --------------------------------------------------------------------------

    def _subscribe_at_router(self, known: Subscription) -> None:
        assert self._agent is not None
        notifier = (known.queue.notifier_id, known.key)
        self._agent.subscribe_notifications(known.queue.server, [notifier])

    async def _listen(self, agent: SMPClientAgent) -> None:
        async for event in agent.events:
            match event:
                case RouterEvent(event=Notice(notifier_id, NMSG() as message)):
                    for known in list(self.subscriptions.values()):
                        if known.queue.notifier_id == notifier_id:
                            self._notify(known, message)
                case SubscriptionError():
                    for notifier_id, _ in event.failures:
                        self._ended(notifier_id, SubscriptionState.AUTH)
                case SubscriptionEnded():
                    state = SubscriptionState.DELETED if event.deleted else SubscriptionState.END
                    self._ended(event.queue_id, state)

    def _ended(self, notifier_id: bytes, state: SubscriptionState) -> None:
        for known in self.subscriptions.values():
            if known.queue.notifier_id == notifier_id:
                known.state = state

    def _notify(self, known: Subscription, message: NMSG) -> None:
        if known.token.state is TokenState.ACTIVE:
            said = PushMessage(known.queue, self.now(), message.nonce, message.sealed)
            self._send(known.token, encode_push_messages([said]), is_code=False)

    def _send(self, token: Token, content: bytes, *, is_code: bool) -> None:
        nonce = self.random.randbytes(24)
        sealed = token.push_key.seal_padded(nonce, content, PUSH_SIZE)
        self.push(Push(token.device, nonce, sealed, is_code))

    # --- connections ----------------------------------------------------------------------------

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        connector = simulated_connector(self._routers, self.random, self._config.client)
        with trio.CancelScope() as self._running:
            async with (
                open_smp_agent(self._config, connector=connector) as self._agent,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(self._listen, self._agent)
                for known in self.subscriptions.values():
                    self._subscribe_at_router(known)
                try:
                    await self.network.run_server(self.name, self._serve, task_status=task_status)
                finally:
                    self._agent = None

    async def _serve(self, stream: trio.abc.Stream) -> None:
        try:
            session_id = await stand_in.begin_as_router(stream)
            frames = BlockStream(stream, NTF_BLOCK_SIZE)
            session = _Session(await self._shake_hands(frames, session_id), frames)
            while True:
                await self._serve_block(session)
        except (*_GONE, HandshakeFailed, DecodeError, CryptoError):
            pass

    async def _shake_hands(self, frames: BlockStream, session_id: bytes) -> RouterAgreement:
        handshake = NTFRouterHandshake(
            session_id=session_id,
            chain=self.credentials.chain,
            signing_key=self.credentials.key,
            session_key=X25519PrivateKey.generate(),
            alpn="ntf/1",
        )
        blocks = PaddedBlocks(NTF_BLOCK_SIZE)
        await frames.send_frames([blocks.seal(handshake.hello())])
        handshake.receive(blocks.open(await frames.receive_frame()))
        assert handshake.agreement is not None
        return handshake.agreement

    async def _serve_block(self, session: _Session) -> None:
        blocks = session.agreement.block_codec()
        parameters = session.agreement.session
        content = blocks.open(await session.frames.receive_frame())
        answers = []
        for received in read_commands(content, parameters, ntf.decode_command):
            assert isinstance(received, ReceivedCommand), "a command that cannot be read"
            answer, asked = self.do(session, received), received.transmission
            is_new = isinstance(answer, IDTKN | IDSUB)
            answers.append(
                prepare_transmission(
                    parameters,
                    asked.correlation_id,
                    b"" if is_new else asked.entity_id,
                    answer.encode(parameters.version),
                ).finish()
            )
        for batch in batches(answers, parameters):
            await session.frames.send_frames([blocks.seal(batch.content())])


_CONNECT_TIMEOUT = 45


def simulated_ntf_connector(
    routers: Sequence[Reachable], random: Random, config: ClientConfig
) -> NTFConnector:
    """Connects to these notification routers."""

    async def connect(nursery: trio.Nursery, server: ServerAddress) -> NTFClient:
        try:
            with trio.fail_after(_CONNECT_TIMEOUT):
                return await connect_to(nursery, server)
        except trio.TooSlowError as exc:
            raise DialFailed("the router does not answer") from exc

    async def connect_to(nursery: trio.Nursery, server: ServerAddress) -> NTFClient:
        (router,) = (each for each in routers if each.address == server)
        session_id = random.randbytes(32)
        try:
            stream = await router.network.connect(router.name)
            await stand_in.begin_as_client(stream, session_id)
        except (OSError, trio.BrokenResourceError) as exc:
            raise DialFailed("the router is not there") from exc
        tls = stand_in.session(session_id, router.credentials.chain)
        frames = BlockStream(stream, NTF_BLOCK_SIZE)
        agreement = await shake_hands(frames, NTF.handshake(server, tls), NTF_BLOCK_SIZE)
        client = NTFClient(server, Connection(frames, agreement, tls), config)
        nursery.start_soon(client.run)
        return client

    return connect
