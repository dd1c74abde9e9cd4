"""Alerts: people are paired, and what became of what is sent to them is told honestly."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
import trio.lowlevel
from attrs import define

from simplex_trio.agent.destination import Destination
from simplex_trio.chat.errors import (
    AmbiguousContact,
    BelongsToBot,
    NameTaken,
    PairingFailed,
    UnknownContact,
)
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.records import ContactRecord, ContactStatus, DeliveryState
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.addresses import AddressData
from simplex_trio.chat.messages.formatting import parse_markdown
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.notifying import notifier as notifying
from simplex_trio.chat.notifying.line import Line, open_in_turn
from simplex_trio.chat.notifying.notifier import GREETING, Notifier
from simplex_trio.chat.notifying.opening import notify, open_notifier
from simplex_trio.chat.notifying.texts import MAX_ALERT, alert_text
from simplex_trio.chat.opening import open_bot
from simplex_trio.chat.people import Contact, IncomingMessage
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.duplex.config import DuplexConfig, ProxyUse
from simplex_trio.duplex.errors import CannotSend
from simplex_trio.duplex.events import Problem
from simplex_trio.errors import EncodeError, StoreLocked
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.server import open_router
from simplex_trio.testing.in_memory.connector import simulated_connector
from tests.duplex.quiet import Quiet, open_quiet

from .people import Person, listening, open_person, open_quiet_bot

Clock = trio.testing.MockClock

_NOW = 1_800_000_000
PLAIN = DuplexConfig(pq=False)
TOGETHER = 5
"""How many programs use one store at once."""

SENT, STORED, DELIVERED, FAILED = (
    DeliveryState.SENT,
    DeliveryState.STORED,
    DeliveryState.DELIVERED,
    DeliveryState.FAILED,
)


@asynccontextmanager
async def open_quiet_notifier(quiet: Quiet, **options: Any) -> AsyncIterator[Notifier]:
    """A notifier on the routers of ``quiet``."""
    config = DuplexConfig(
        tuple(router.address for router in quiet.routers),
        pq=False,
        proxy=ProxyUse.NEVER,
        clock=lambda: _NOW + trio.current_time(),
    )
    connector = simulated_connector(quiet.routers, Random(5), config.agent.client)
    async with open_notifier(None, config=config, connector=connector, **options) as notifier:
        yield notifier


async def paired(notifier: Notifier, person: Person, name: str | None = None) -> Contact:
    """Pair a person; returns the person's side."""
    pairing = await notifier.pair(name)
    assert pairing.link is not None
    contact = await person.connect(pairing.link)
    await pairing.wait()
    assert (await person.next(IncomingMessage)).text == GREETING
    return contact


# --- pairing ------------------------------------------------------------------------------------


async def test_a_person_is_paired_and_gets_alerts(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_notifier(quiet, profile=Profile("Backups", short_descr="Of web1")) as notifier,
        open_person(quiet, "Alice") as alice,
        quiet.open_agent() as agent,
    ):
        pairing = await notifier.pair("kitchen")
        assert pairing.link is not None
        (invited,) = await notifier.recipients()
        assert (invited.name, invited.contact, invited.link) == ("kitchen", None, pairing.link)
        with pytest.raises(CannotSend):
            await notifier.send("kitchen", "too early")

        contact = await alice.connect(pairing.link)
        assert contact.profile is not None
        assert (contact.name, contact.profile.peer_type) == ("Backups", PeerType.BOT)
        person = await pairing.wait()
        assert (person.name, person.link, person.failed) == ("kitchen", None, 0)
        assert person.contact is not None
        assert person.contact.profile is not None
        assert person.contact.profile.display_name == "Alice"
        assert (await alice.next(IncomingMessage)).text == GREETING

        for wanted in ("kitchen", "KITCHEN", "id:1", person.contact.id, person.contact):
            told = await notifier.send(wanted, "The backup has failed", until=DELIVERED)
            assert (told.state, told.problem) == (DELIVERED, None)
            assert told.contact.id == person.contact.id
            assert (await alice.next(IncomingMessage)).text == "The backup has failed"
        assert "kitchen" not in repr((pairing, person, told))
        # The link is used up, and what it showed was the profile.
        del agent


async def test_the_link_shows_who_sends(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_notifier(quiet) as notifier,
        quiet.open_agent() as agent,
    ):
        pairing = await notifier.pair()
        assert pairing.link is not None
        shown = AddressData.decode((await agent.look(pairing.link)).data or b"")
        assert shown.profile.display_name == "Alerts"
        assert shown.profile.peer_type is PeerType.BOT


async def test_a_name_stays_whatever_the_person_is_called(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_notifier(quiet) as notifier,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "alice") as other,
        open_person(quiet, "id:1") as third,
    ):
        for person in (alice, other, third):
            await paired(notifier, person)
        names = {each.name for each in await notifier.recipients()}
        assert names == {"Alice", "alice_1", "contact"}
        with pytest.raises(UnknownContact):
            await notifier.send("bob", "hello")
        with pytest.raises(UnknownContact):
            await notifier.send("id:9", "hello")
        with pytest.raises(NameTaken):
            await notifier.pair("ALICE")
        for name in ("", "id:7", "two\nlines", "x" * 51):
            with pytest.raises(EncodeError):
                await notifier.pair(name)


async def test_a_pairing_goes_on_where_it_was(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_notifier(quiet) as notifier,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        first = await notifier.pair("kitchen")
        again = await notifier.pair("Kitchen")
        other = await notifier.pair()
        assert first.link == again.link != other.link
        assert first.link is not None
        assert other.link is not None
        # The user has not seen the end of it, so it is told to the next call.
        await alice.connect(first.link)
        await alice.next(IncomingMessage)
        late = await notifier.pair("kitchen")
        assert late.link == first.link or late.link is None
        assert (await late.wait()).name == "kitchen"
        with pytest.raises(NameTaken):
            await notifier.pair("kitchen")
        await bob.connect(other.link)
        assert (await other.wait()).name == "Bob"


async def test_pairings_are_removed(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_notifier(quiet) as notifier,
        open_person(quiet, "Alice") as alice,
    ):
        pairing = await notifier.pair("kitchen")
        await notifier.remove("kitchen")
        with pytest.raises(PairingFailed):
            await pairing.wait()
        await notifier.pair()
        await notifier.remove("")
        with pytest.raises(UnknownContact):
            await notifier.remove("")
        contact = await paired(notifier, alice)
        await notifier.remove("id:1")
        left = await alice.next(Contact)
        assert left.id == contact.id
        assert await notifier.recipients() == []
        with pytest.raises(UnknownContact):
            await notifier.send("Alice", "hello")


async def test_who_leaves_is_not_known_any_more(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_notifier(quiet) as notifier,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Bob") as bob,
    ):
        contact = await paired(notifier, alice)
        await contact.send("thanks, but no")  # which is acknowledged, and not read
        await contact.delete()
        await trio.sleep(60)
        with pytest.raises(UnknownContact):
            await notifier.send("Alice", "hello")
        contact = await paired(notifier, bob)
        await bob.bot.agent.delete(contact.connection_id)  # without a word
        await trio.sleep(60)
        told = await notifier.send("Bob", "hello")
        assert (told.state, told.problem) == (FAILED, Problem.QUEUE_GONE)
        (person,) = await notifier.recipients()
        assert person.failed == 1


async def test_who_is_invited_comes_before_who_takes_the_name(autojump_clock: Clock) -> None:
    async with open_quiet() as quiet, open_quiet_notifier(quiet) as notifier:
        await notifier.pair("kitchen")

        def add(store: Store) -> None:
            status = ContactStatus.CONNECTING
            store.put_contact(ContactRecord(7, "somewhere", status, Profile("kitchen")))

        await notifier._core.step(add)
        with pytest.raises(CannotSend, match="not connected yet"):
            await notifier.send("kitchen", "hello")
        await notifier.remove("kitchen")
        with pytest.raises(UnknownContact, match="deleted"):
            await notifier.send("kitchen", "hello")


async def test_who_leaves_at_once_ends_the_pairing(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_notifier(quiet) as notifier,
        open_person(quiet, "Alice") as alice,
    ):
        pairing = await notifier.pair()
        assert pairing.link is not None
        contact = await alice.bot.connect(pairing.link)
        await contact.delete()
        with suppress(PairingFailed):  # they may have been connected for a moment
            await pairing.wait()
        await trio.sleep(60)
        assert await notifier.recipients() == []
        again = await notifier.pair()
        assert again.link not in (None, pairing.link)


async def test_a_router_that_refuses(autojump_clock: Clock) -> None:
    async with open_quiet(0) as quiet:
        await quiet.add_router(config=RouterConfig(queues=QueuePolicy(password="sesame")))
        async with open_quiet_notifier(quiet) as notifier:
            with pytest.raises(PairingFailed) as caught:
                await notifier.pair("kitchen")
            assert caught.value.problem is Problem.QUEUE_GONE  # as for any key that does not fit
            assert await notifier.recipients() == []


# --- what is said of an alert -------------------------------------------------------------------


async def test_what_became_of_an_alert_is_told_as_it_is(autojump_clock: Clock) -> None:
    async with open_quiet() as quiet, open_quiet_notifier(quiet) as notifier:
        async with open_person(quiet, "Alice") as alice:
            await paired(notifier, alice, "kitchen")
        # The phone is off.
        told = await notifier.send("kitchen", "one", until=DELIVERED, timeout=60)
        assert told.state is SENT
        quiet.stop()
        before = trio.current_time()
        told = await notifier.send("kitchen", "two", until=STORED)
        assert told.state is STORED
        assert trio.current_time() == before
        told = await notifier.send("kitchen", "three", timeout=60)
        assert (told.state, told.problem) == (STORED, Problem.NETWORK)
        assert trio.current_time() == before + 60
        for nonsense in (-1, math.nan):
            assert (await notifier.send("kitchen", "at once", timeout=nonsense)).state is STORED
        assert trio.current_time() == before + 60
        (person,) = await notifier.recipients()
        assert person.queued == 4
        assert await notifier.flush(timeout=10) == 4
        await quiet.start()
        assert await notifier.flush(timeout=600) == 0
        assert await told.message.wait(SENT) is SENT


async def test_an_alert_whose_call_is_cancelled_is_stored(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_notifier(quiet) as notifier,
        open_person(quiet, "Alice") as alice,
    ):
        await paired(notifier, alice)
        quiet.stop()
        with trio.move_on_after(5) as scope:
            await notifier.send("Alice", "one", timeout=60)
        assert scope.cancelled_caught
        with trio.CancelScope() as scope:
            scope.cancel()
            await notifier.send("Alice", "never")
        await quiet.start()
        assert await notifier.flush(timeout=600) == 0
        told = await notifier.send("Alice", "two", until=DELIVERED)
        assert told.state is DELIVERED
        heard = [await alice.next(IncomingMessage) for _ in range(2)]
        assert [each.text for each in heard] == ["one", "two"]


# --- a bot's store ------------------------------------------------------------------------------


async def test_in_a_bots_store_people_wait_for_the_bot(tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    handlers, told = listening()
    of_alice, told_alice = listening()
    with trio.fail_after(60):
        async with (
            open_router() as router,
            open_bot(
                None,
                profile="Alice",
                servers=[router.address],
                config=PLAIN,
                address=False,
                handlers=of_alice,
            ) as bot_of_alice,
        ):
            alice = Person(bot_of_alice, told_alice)

            def bot() -> Any:
                return open_bot(
                    path,
                    profile="Bot",
                    servers=[router.address],
                    config=PLAIN,
                    handlers=handlers,
                    welcome="Hi",
                )

            async with bot() as first:
                contact = await alice.connect(first.address)
                assert isinstance(await told.receive(), Contact)
                await first.agent.drain()
                address = first.address
            assert (await alice.next(IncomingMessage)).text == "Hi"
            await contact.send("are you there?")
            options: dict[str, Any] = {"servers": [router.address], "config": PLAIN}
            sent = await notify("Alice", "alert", path=path, **options)
            assert sent.state is SENT
            assert (await alice.next(IncomingMessage)).text == "alert"
            with pytest.raises(BelongsToBot):
                async with open_notifier(path, profile="Alerts", **options):
                    pass
            async with open_notifier(path, **options) as notifier:
                with pytest.raises(BelongsToBot):
                    await notifier.pair()
                with pytest.raises(BelongsToBot):
                    await notifier.remove("Alice")
            assert told.statistics().current_buffer_used == 0  # it waits for the bot
            async with bot() as second:
                assert second.address == address
                message = await Person(second, told).next(IncomingMessage)
                assert (message.text, message.is_repeated) == ("are you there?", False)
                shown = AddressData.decode((await alice.bot.agent.look(address)).data or b"")
                assert shown.message is not None


async def test_names_of_a_bots_contacts_may_be_ambiguous(autojump_clock: Clock) -> None:
    async with (
        open_quiet() as quiet,
        open_quiet_bot(quiet, "Bot", handlers=Handlers()) as bot,
        open_person(quiet, "Alice") as alice,
        open_person(quiet, "Alice", changes={"pq": False}) as other,
    ):
        for person in (alice, other):
            await person.connect(bot.address)
        notifier = Notifier(bot._core, None, is_bots=True)
        with pytest.raises(AmbiguousContact):
            await notifier.send("alice", "hello")
        assert (await notifier.send("id:2", "hello", until=STORED)).state is STORED
        assert len(await notifier.recipients()) == 2


# --- several programs ---------------------------------------------------------------------------


@define
class _Stores:
    """A store that can be open once."""

    path: Path
    opened: int = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        if self.opened:
            raise StoreLocked("in use")
        self.opened += 1
        try:
            yield self.opened
        finally:
            self.opened -= 1

    async def use(self, seconds: float, wait: float, done: list[float]) -> None:
        async with AsyncExitStack() as stack:
            await open_in_turn(stack, self.open, Line(self.path), wait)
            await trio.sleep(seconds)
            done.append(trio.current_time())


async def test_programs_take_turns(autojump_clock: Clock, tmp_path: Path) -> None:
    stores, done = _Stores(tmp_path / "store.db"), list[float]()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(stores.use, 2, 60, done)
        await trio.sleep(1)
        assert Line(stores.path).is_awaited
    assert len(done) == 20
    assert done[-1] < 20 * 2.3
    assert not Line(stores.path).is_awaited
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stores.use, 100, 0, done)
        await trio.sleep(1)
        for wait in (0, 10):
            with pytest.raises(StoreLocked):
                await stores.use(1, wait, done)
    assert not Line(stores.path).is_awaited


async def test_who_is_first_gives_up_its_place_when_cancelled(
    autojump_clock: Clock, tmp_path: Path
) -> None:
    stores, done = _Stores(tmp_path / "store.db"), list[float]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stores.use, 10, 0, done)
        await trio.sleep(1)
        with trio.move_on_after(2):
            await stores.use(1, 60, done)
        assert not Line(stores.path).is_awaited
        await stores.use(1, 60, done)
    assert len(done) == 2


async def test_an_alert_gives_way_to_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several programs at once, while no router can be reached: none of them loses its alert."""
    monkeypatch.setattr(notifying, "GIVE_WAY_AFTER", 0.01)
    monkeypatch.setattr(notifying, "_LOOK_INTERVAL", 0.01)
    path = tmp_path / "alerts.db"
    of_alice, told = listening()

    async def nowhere(_: trio.Nursery, __: Destination) -> SMPClient:
        await trio.sleep_forever()
        raise AssertionError

    stored: list[int] = []

    async def alert(number: int) -> None:
        outcome = await notify(
            "Alice",
            f"alert {number}",
            path=path,
            timeout=1000,
            connector=nowhere,
            config=PLAIN,
        )
        assert outcome.state is STORED
        stored.append(number)

    with trio.fail_after(60):
        async with open_router() as router:
            options: dict[str, Any] = {"servers": [router.address], "config": PLAIN}
            with pytest.raises(UnknownContact):
                await notify("Alice", "hello", path=path, **options)
            assert not path.exists()
            async with open_bot(
                None, profile="Alice", address=False, handlers=of_alice, **options
            ) as alice:
                async with open_notifier(path, **options) as notifier:
                    pairing = await notifier.pair()
                    assert pairing.link is not None
                    await alice.connect(pairing.link)
                    await pairing.wait()
                    with pytest.raises(StoreLocked):
                        await notify("Alice", "hello", path=path, wait=0.2, **options)
                async with trio.open_nursery() as nursery:
                    for number in range(TOGETHER):
                        nursery.start_soon(alert, number)
                    while len(stored) < TOGETHER:
                        async with open_notifier(path, connector=nowhere, config=PLAIN):
                            await trio.lowlevel.checkpoint()
                async with open_notifier(path, **options) as notifier:
                    assert await notifier.flush() == 0
                texts = set[str]()
                async for each in told:
                    if isinstance(each, IncomingMessage):
                        texts.add(each.text)
                    if len(texts) == TOGETHER + 1:
                        break
                assert texts == {GREETING, *(f"alert {number}" for number in range(TOGETHER))}


# --- texts --------------------------------------------------------------------------------------


def test_text_is_sent_as_it_is() -> None:
    text = "disk *full* on #web1, !1 see /help"
    assert len(parse_markdown(alert_text(text))) == 1
    assert alert_text(text, markup=True) == text


@pytest.mark.parametrize("filling", ["x", "é", "\n", "*a* ", "\x00"])
def test_long_text_is_cut_and_says_so(filling: str) -> None:
    text = filling * 20_000
    cut = alert_text(text)
    assert cut.endswith("\n[Too long for one message: this is the beginning.]")
    assert len(repr(cut).encode()) > MAX_ALERT - 50 or len(cut.encode()) > MAX_ALERT // 7
    assert alert_text(filling * 1_000, markup=True) == filling * 1_000
