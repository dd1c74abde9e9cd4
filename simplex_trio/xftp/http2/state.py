"""`new_state`: a connection of h2, configured with `Http2Limits`."""

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
    """h2 that does not answer data for requests that are over, and bounds what it keeps of them.

    When a request is reset, up to a window of data may be in flight, and h2 answers each frame of
    it with another reset, which the peer takes for a flood.
    """

    MAX_CLOSED_STREAMS: int = 1000
    """How many ended requests h2 remembers, more than can be in flight; its default of 65,536 is
    several megabytes for each connection."""

    def release(self) -> None:
        """Stop processing, at the end of the connection.

        The table refers to methods of this object.  That is a reference cycle, which would keep all
        of this in memory until the next garbage collection.
        """
        self._frame_dispatch_table.clear()

    def _receive_frame(self, frame: Frame) -> list[Event]:
        if isinstance(frame, DataFrame):
            # h2 formats every frame for its log, bodies in hexadecimal, even if logging is off.
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
    """A connection before its first frame."""
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
