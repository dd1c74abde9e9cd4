"""``simplex-trio demo``, with real connections and no pauses."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import trio
from rich.console import Console

from simplex_trio.cli.demo import command
from simplex_trio.cli.demo.events import (
    Act,
    Event,
    Finding,
    MessageChanged,
    MessageState,
    RouterReady,
    RouterSaw,
    Said,
    Scene,
    SubscriptionChanged,
    SubscriptionState,
)
from simplex_trio.cli.demo.live import Picture, telling_live
from simplex_trio.cli.demo.stage import open_stage
from simplex_trio.cli.demo.story import tell_story
from simplex_trio.router.server import open_router
from tests.cli.support import Result, in_background

Cli = Callable[..., Result]


async def the_story() -> list[Event]:
    events: list[Event] = []
    async with open_stage() as stage:
        assert await tell_story(stage, events.append)
        for place in (stage.one, stage.two):
            assert place.router is not None
            assert place.router.statistics().queues == 0
            assert place.router.statistics().sockets_leaked == 0
    return events


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """What happens, from the beginning to the end."""
    return trio.run(the_story)


def test_the_story(events: list[Event]) -> None:
    assert [event.at for event in events] == sorted(event.at for event in events)
    findings = [event for event in events if isinstance(event, Finding)]
    assert len(findings) == 11
    assert all(finding.holds for finding in findings)
    assert events[-11:] == findings
    routers = [event for event in events if isinstance(event, RouterReady)]
    assert all(router.embedded for router in routers)
    again = {
        event.message
        for event in events
        if isinstance(event, MessageChanged) and event.state is MessageState.AGAIN
    }
    assert again == {5}
    said = [event for event in events if isinstance(event, Said)]
    assert [event.speaker for event in said] == ["Alice", "Bob"] * 3
    saw = [event for event in events if isinstance(event, RouterSaw)]
    for number, seen in enumerate(saw, 1):
        assert (seen.router, seen.messages, seen.with_words) == (number, 3, 0)
    assert saw[0].sizes == saw[1].sizes
    assert len(saw[0].sizes) == 1
    lost = [
        event.queue
        for event in events
        if isinstance(event, SubscriptionChanged) and event.state is SubscriptionState.LOST
    ]
    assert sorted(lost) == [1, 2, 3]


def test_in_words(cli: Cli) -> None:
    result = cli("demo")
    assert result.code == 0
    assert result.err == ""
    assert result.out.count("\nheld    ") == 11
    assert result.out.endswith("\nEverything held.\n")
    assert "\x1b" not in result.out
    assert "message 5 to queue 1, directly: received again" in result.out


def test_for_programs(cli: Cli) -> None:
    result = cli("demo", "--json")
    assert result.code == 0
    events = result.json_lines()
    kinds = {event["event"] for event in events}
    assert kinds == {
        "Scene",
        "RouterReady",
        "Said",
        "RouterSaw",
        "ConnectionChanged",
        "SubscriptionChanged",
        "MessageChanged",
        "Finding",
    }
    assert all(event["holds"] for event in events if event["event"] == "Finding")


def test_what_does_not_hold(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    async def tell(stage: object, tell: Callable[[Event], None], pace: object) -> bool:
        tell(Finding(0, "The moon is made of cheese.", False))
        return False

    monkeypatch.setattr(command, "tell_story", tell)
    result = cli("demo")
    assert result.code == 1
    assert "FAILED  The moon" in result.out
    assert "Not everything held" in result.out
    assert cli("demo", "--json").code == 1


def test_real_routers(cli: Cli, router: str) -> None:
    with in_background(open_router) as proxy:
        both = cli("demo", "--router", router, "--router", proxy.address)
        assert both.code == 0
        assert "embedded" not in both.out
        assert proxy.statistics().counters["proxied_forwarded"] == 4
        assert proxy.statistics().queues == 0
    one = cli("demo", "--router", router)
    assert one.code == 0
    assert one.out.count("embedded") == 1


def test_routers_that_will_not_do(cli: Cli, router: str) -> None:
    assert cli("demo", *("--router", router) * 3).code == 2
    assert cli("demo", "--router", "nonsense").code == 2
    onion = f"smp://{'A' * 43}=@{'a' * 56}.onion"
    result = cli("demo", "--router", onion)
    assert result.code == 2
    assert "onion" in result.err


# --- the live view ------------------------------------------------------------------------------


def a_console(width: int) -> tuple[Console, io.StringIO]:
    screen = io.StringIO()
    console = Console(file=screen, width=width, height=24, force_terminal=True, highlight=False)
    return console, screen


@pytest.mark.parametrize("width", [60, 80, 100, 118, 120, 200])
def test_the_picture_fits_the_screen(events: list[Event], width: int) -> None:
    picture, (console, _) = Picture(), a_console(width)
    for number, event in enumerate(events):
        picture.add(event)
        if number % 8 and not isinstance(event, Scene):
            continue
        lines = console.render_lines(picture.draw(width), pad=False)
        text = ["".join(segment.text for segment in line) for line in lines]
        assert all(len(line) <= width for line in text)
        assert not any("…" in line for line in text)
        assert len(lines) <= 20  # so that it fits into 24 lines


@pytest.mark.parametrize(("width", "times"), [(80, False), (120, True)])
def test_wide_screens_show_times(events: list[Event], width: int, times: bool) -> None:
    picture = Picture()
    for event in events:
        picture.add(event)
    console, screen = a_console(width)
    console.print(picture.draw(width))
    assert ("accepted" in screen.getvalue()) is times


def test_the_account_stays_below_the_picture(events: list[Event]) -> None:
    console, screen = a_console(80)
    with telling_live(console) as tell:
        for event in events:
            tell(event)
    picture, _, account = screen.getvalue().partition("This has shown, line by line:")
    assert "queue deleted" in picture
    assert account.count("held") == 11
    assert "\x1b[?25h" in screen.getvalue()  # the cursor is back


def test_long_lines_of_the_account_are_continued_below_their_beginning(events: list[Event]) -> None:
    console = Console(file=io.StringIO(), width=60, record=True)
    with telling_live(console) as tell:
        for event in events:
            tell(event)
    account = console.export_text().partition("line by line:\n")[2].strip().splitlines()
    assert sum(line.startswith("held  ") for line in account) == 11
    continued = [line for line in account if not line.startswith("held")]
    assert continued
    assert all(line.startswith(" " * 6) and line[6] != " " for line in continued)


def test_each_act_has_a_picture_of_its_own(events: list[Event]) -> None:
    picture, (console, screen) = Picture(), a_console(80)
    shown: dict[Act, str] = {}
    for event in events:
        if isinstance(event, Scene) and event.act is not picture.act:
            console.print(picture.draw(80))
            shown[picture.act] = screen.getvalue()
            screen.truncate(0)
        picture.add(event)
    assert list(shown) == [Act.ROUTERS, Act.TALK, Act.QUEUES]
    assert shown[Act.ROUTERS].count("has proven it: 127.0.0.1:") == 2
    assert "Subscription" not in shown[Act.ROUTERS] + shown[Act.TALK]
    assert "Alice" in shown[Act.TALK]
    assert "Alice" not in shown[Act.QUEUES]


def test_the_cursor_comes_back_when_it_is_interrupted() -> None:
    console, screen = a_console(80)

    def begin() -> None:
        with telling_live(console) as tell:
            tell(Scene(0, "It begins."))
            raise KeyError

    with pytest.raises(KeyError):
        begin()
    assert screen.getvalue().rindex("\x1b[?25h") > screen.getvalue().rindex("\x1b[?25l")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_columns_stay_where_they_are(events: list[Event], width: int) -> None:
    picture, (console, _) = Picture(), a_console(width)
    headers = set()
    for event in events:
        picture.add(event)
        if picture.act is not Act.QUEUES:
            continue
        for line in console.render_lines(picture.draw(width)):
            text = "".join(segment.text for segment in line)
            if text.startswith("Router"):
                headers.add(text.rstrip())
    assert len(headers) == 1
