"""Telling the demonstration as one picture that changes, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum

from attrs import define, field
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from simplex_trio.cli.demo.events import (
    Act,
    ConnectionChanged,
    ConnectionState,
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
    Teller,
)
from simplex_trio.cli.demo.plain import found_in_words, seen_in_words
from simplex_trio.cli.output import one_line

__all__ = ["Picture", "draw_account", "telling_live"]

_WIDE = 118
"""Columns from which there is room to say when things happened."""

_NARROW = 80
"""Columns below which some of the rest has no room either."""

_STYLES: dict[Enum, str] = {
    ConnectionState.CONNECTED: "green",
    ConnectionState.CUT: "bold red",
    ConnectionState.TRYING: "red",
    SubscriptionState.PENDING: "yellow",
    SubscriptionState.ACTIVE: "green",
    SubscriptionState.LOST: "bold red",
    SubscriptionState.REFUSED: "bold red",
    SubscriptionState.TAKEN: "bold red",
    SubscriptionState.ENDED: "dim",
    MessageState.SENDING: "dim",
    MessageState.ACCEPTED: "yellow",
    MessageState.RECEIVED: "cyan",
    MessageState.AGAIN: "bold magenta",
    MessageState.ACKNOWLEDGED: "green",
    MessageState.REFUSED: "bold red",
}

_SHORT: dict[Enum, str] = {
    MessageState.ACCEPTED: "at the router",
    SubscriptionState.LOST: "lost, pending",
    SubscriptionState.ENDED: "queue deleted",
}
"""Words for a narrow column."""

_WIDEST = {"Message": 11, "to": 2, "State": 15, "accepted": 8, "received": 14}
"""Columns as wide as they will be, so that they stay where they are."""

_ORDER = list(MessageState)

_COLUMNS = (
    (MessageState.ACCEPTED,),
    (MessageState.RECEIVED, MessageState.AGAIN),
    (MessageState.ACKNOWLEDGED,),
)
"""Which states have their times in a column."""

# So many are expected; their rows are there from the start, so that the picture does not jump.
_ROUTERS, _QUEUES, _MESSAGES = range(1, 3), range(1, 6), range(1, 11)


@define
class Picture:
    """Everything that was told so far, as far as it still is so."""

    scene: str = ""
    act: Act = Act.ROUTERS
    at: float = 0.0
    routers: dict[int, RouterReady] = field(factory=dict)
    connections: dict[int, ConnectionState] = field(factory=dict)
    subscriptions: dict[int, SubscriptionChanged] = field(factory=dict)
    messages: dict[int, list[MessageChanged]] = field(factory=dict)
    said: list[Said] = field(factory=list)
    saw: dict[int, RouterSaw] = field(factory=dict)

    def add(self, event: Event) -> None:
        """Bring it up to date."""
        self.at = event.at
        match event:
            case Scene(text=text, act=act):
                self.scene, self.act = text, act
            case RouterReady(router=router):
                self.routers[router] = event
            case ConnectionChanged(router=router, state=state):
                self.connections[router] = state
            case Said():
                self.said.append(event)
            case RouterSaw(router=router):
                self.saw[router] = event
            case SubscriptionChanged(queue=queue):
                self.subscriptions[queue] = event
            case MessageChanged(message=message):
                self.messages.setdefault(message, []).append(event)

    # --- drawing ------------------------------------------------------------------------------

    def draw(self, width: int) -> RenderableType:
        """The picture, for a screen so many columns wide."""
        wide, narrow = width >= _WIDE, width < _NARROW
        scene = Panel(
            Text(self.scene),
            title="simplex-trio demo",
            title_align="left",
            subtitle=f"{self.at:.1f} s",
            subtitle_align="right",
            border_style="blue",
            height=5 if narrow else 4,
        )
        if self.act is Act.ROUTERS:
            return Group(scene, self._proofs())
        if self.act is Act.TALK:
            return Group(scene, self._conversation())
        columns = Table.grid(padding=(0, 1 if narrow else 2))
        columns.add_column(width=29 if narrow else 40)
        columns.add_column()
        left = Group(self._routers(narrow), Text(), self._subscriptions(narrow))
        columns.add_row(left, self._messages(wide=wide, narrow=narrow))
        return Group(scene, columns)

    def _proofs(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(style="bold cyan")
        table.add_column()
        for number, ready in self.routers.items():
            kind = f"{'embedded, ' if ready.embedded else ''}SMP {ready.version}"
            table.add_row(f"Router {number}:", Text(f"has proven it: {ready.place}, {kind}"))
        return table

    def _conversation(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(style="bold cyan", justify="right")
        table.add_column()
        for each in self.said:
            table.add_row(f"{each.speaker}:", Text(each.text))
        if self.saw:
            table.add_row()
        for number, saw in self.saw.items():
            table.add_row(f"Router {number}:", Text(seen_in_words(saw), style="dim"))
        return table

    def _routers(self, narrow: bool) -> Table:
        table = _table("Router", "Connection" if narrow else "Agent's connection")
        for number in _ROUTERS:
            ready = self.routers.get(number)
            place = f"{number}" if ready is None or narrow else f"{number}  {ready.place}"
            table.add_row(place, _shown(self.connections.get(number)))
        return table

    def _subscriptions(self, narrow: bool) -> Table:
        table = _table("Queue", "Subscription")
        for number in _QUEUES:
            event = self.subscriptions.get(number)
            if event is None:
                table.add_row(f"{number}", "")
            else:
                where = (
                    f"{number} (on {event.router})"
                    if narrow
                    else f"{number}  on router {event.router}"
                )
                table.add_row(where, _shown(event.state))
        return table

    def _messages(self, *, wide: bool, narrow: bool) -> Table:
        headers = ("accepted", "received", "acknowledged") if wide else ()
        table = _table("Message", *(() if narrow else ("to",)), "State", *headers)
        for column in table.columns:
            column.min_width = _WIDEST.get(str(column.header))
        for number in _MESSAGES:
            events = self.messages.get(number)
            if events is None:
                table.add_row(f"{number}")
                continue
            furthest = max(events, key=lambda event: _ORDER.index(event.state))
            times = [_times(events, *states) for states in _COLUMNS] if wide else []
            name = f"{number:<2} {furthest.way.value}"
            to = () if narrow else (f"{furthest.queue}",)
            shown = _shown(furthest.state)
            if furthest.state is not MessageState.AGAIN and _came_again(events):
                shown.append(" x2", style="magenta")
            table.add_row(name, *to, shown, *times)
        return table


def _table(*headers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", expand=False)
    for header in headers:
        table.add_column(header, no_wrap=True, overflow="ellipsis")
    return table


def _shown(state: ConnectionState | SubscriptionState | MessageState | None) -> Text:
    if state is None:
        return Text()
    return Text(_SHORT.get(state, state.value), style=_STYLES[state])


def _came_again(events: list[MessageChanged]) -> bool:
    return any(event.state is MessageState.AGAIN for event in events)


def _times(events: list[MessageChanged], *states: MessageState) -> str:
    return ", ".join(f"{event.at:.1f} s" for event in events if event.state in states)


@contextmanager
def telling_live(console: Console) -> Iterator[Teller]:
    """Show a picture that follows what the block tells, and below it, at the end, the account."""
    picture = Picture()
    findings: list[Finding] = []
    heading = ""
    with Live(picture.draw(console.width), console=console, auto_refresh=False) as live:

        def tell(event: Event) -> None:
            nonlocal heading
            match event:
                case Finding():
                    findings.append(event)
                case Scene(text=text, act=Act.ACCOUNT):
                    heading = text
                case _:
                    picture.add(event)
                    live.update(picture.draw(console.width), refresh=True)

        yield tell
    if heading:
        console.print(f"\n{heading}\n")
    console.print(draw_account(findings))


def draw_account(findings: Iterable[Finding]) -> RenderableType:
    """What was to be shown, line by line."""
    account = Table.grid(padding=(0, 2))
    for finding in findings:
        outcome, claim = found_in_words(finding)
        style = "green" if finding.holds else "bold red"
        account.add_row(outcome, Text(one_line(claim)), style=style)
    return account
