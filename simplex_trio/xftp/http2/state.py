"""`new_state`: h2's side of a connection, set up for `Http2Limits`."""

from __future__ import annotations

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event
from h2.exceptions import StreamClosedError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import DataFrame, Frame, RstStreamFrame

from simplex_trio.xftp.http2.limits import Http2Limits

__all__ = ["Http2State", "new_state"]

_HEADERS_SIZE = 16 * 1024


class Http2State(H2Connection):
    """h2 that keeps silent about data for requests that are over, and forgets them in time.

    What is on its way when a request is reset may be as much as a window, and h2 answers each frame
    of it with another reset: to the other side they are a flood.
    """

    MAX_CLOSED_STREAMS: int = 1000
    """Requests of which h2 remembers how they ended, more than can be on their way; its 65,536 are
    several megabytes for each connection."""

    def release(self) -> None:
        """Take nothing in any more, at the end of the connection.

        The table has methods of this object: with it they are a reference cycle, which keeps all
        that is here until the garbage collector comes by.
        """
        self._frame_dispatch_table.clear()

    def _receive_frame(self, frame: Frame) -> list[Event]:
        if isinstance(frame, DataFrame):
            # h2 writes every frame out for a log that nobody keeps, bodies in hexadecimal.
            vars(frame)["_body_repr"] = lambda: "a body"
        return super()._receive_frame(frame)

    def _handle_data_on_closed_stream(
        self, events: list[Event], exc: StreamClosedError, frame: DataFrame
    ) -> tuple[list[Frame], list[Event]]:
        frames, happened = super()._handle_data_on_closed_stream(events, exc, frame)
        if not exc._events:  # otherwise it is this very frame that ends the request
            frames = [each for each in frames if not isinstance(each, RstStreamFrame)]
        return frames, happened


def new_state(limits: Http2Limits, *, client_side: bool) -> Http2State:
    """A connection that has neither sent nor received anything."""
    state = Http2State(H2Configuration(client_side=client_side, header_encoding=None))
    state.local_settings = Settings(
        client=client_side,
        initial_values={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.MAX_CONCURRENT_STREAMS: limits.streams,
            SettingCodes.INITIAL_WINDOW_SIZE: limits.stream_window,
            SettingCodes.MAX_FRAME_SIZE: limits.frame_size,
            SettingCodes.MAX_HEADER_LIST_SIZE: _HEADERS_SIZE,
        },
    )
    state.max_inbound_frame_size = limits.frame_size
    state.decoder.max_header_list_size = _HEADERS_SIZE
    return state
