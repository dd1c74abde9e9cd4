"""Decoding the nested errors of ERR."""

from __future__ import annotations

import re
from typing import Final

from simplex_trio.errors import DecodeError
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.errors.values import (
    Blocked,
    BlockingNotice,
    BlockingReason,
    Broker,
    BrokerErrorKind,
    BrokerErrorValue,
    Cmd,
    Code,
    CommandErrorKind,
    Name,
    NameErrorKind,
    NameErrorValue,
    Network,
    NetworkErrorKind,
    Protocol,
    Proxy,
    ProxyErrorKind,
    ProxyErrorValue,
    Resolver,
    Response,
    RouterErrorValue,
    Store,
    TransportError,
    Unexpected,
)
from simplex_trio.wire.json_object import JSONObject

__all__ = ["MAX_NESTING", "decode_router_error"]

MAX_NESTING: Final = 16
"""The number of proxies that an error may have passed through.

In practice it is one.  The limit keeps a peer from making the decoder recurse as deep as a block is
long; an error that is nested deeper raises `DecodeError`."""

_UNDECODED = re.compile("[\udc80-\udcff]")


def decode_router_error(reader: Reader, nesting: int = MAX_NESTING) -> RouterErrorValue:
    """Read an error in the form of ERR; an error with a text takes the rest of the input."""
    word = reader.until(b" ")
    code = Code.find(word)
    if code is not None:
        return code
    reader.expect(b" ")
    match word:
        case b"CMD":
            return Cmd(CommandErrorKind.decode(reader))
        case b"PROXY":
            return Proxy(_proxy_error(reader, nesting))
        case b"BLOCKED":
            return _blocked(reader)
        case b"STORE":
            return Store(_rest_as_text(reader))
        case b"NAME":
            return Name(_name_error(reader))
        case _:
            raise DecodeError("not a router error")


def _proxy_error(reader: Reader, nesting: int) -> ProxyErrorValue:
    word = reader.until(b" ")
    code = ProxyErrorKind.find(word)
    if code is not None:
        return code
    reader.expect(b" ")
    match word:
        case b"PROTOCOL":
            if not nesting:
                raise DecodeError("an error nested too deeply in proxy errors")
            return Protocol(decode_router_error(reader, nesting - 1))
        case b"BROKER":
            return Broker(_broker_error(reader))
        case _:
            raise DecodeError("not a proxy error")


def _broker_error(reader: Reader) -> BrokerErrorValue:
    word = reader.until(b" ")
    code = BrokerErrorKind.find(word)
    if code is not None:
        return code
    if word == b"NETWORK" and not reader.remaining:
        return Network()
    reader.expect(b" ")
    match word:
        case b"RESPONSE":
            return Response(_short_text(reader))
        case b"UNEXPECTED":
            return Unexpected(_short_text(reader))
        case b"NETWORK":
            return _network_error(reader)
        case b"TRANSPORT":
            return TransportError.decode(reader)
        case _:
            raise DecodeError("not an error of forwarding to a relay")


def _network_error(reader: Reader) -> Network:
    kind = NetworkErrorKind.decode(reader)
    if not kind.has_text:
        return Network(kind)
    reader.expect(b" ")
    return Network(kind, _short_text(reader))


def _name_error(reader: Reader) -> NameErrorValue:
    word = reader.until(b" ")
    code = NameErrorKind.find(word)
    if code is not None:
        return code
    if word != b"RESOLVER":
        raise DecodeError("not an error of name resolution")
    reader.expect(b" ")
    return Resolver(_rest_as_text(reader))


def _blocked(reader: Reader) -> Blocked:
    reader.expect(b"reason=")
    reason = BlockingReason.find(reader.until(b","))
    if reason is None:
        raise DecodeError("not a reason for blocking a queue")
    if not reader.remaining:
        return Blocked(reason)
    reader.expect(b",notice=")
    notice = JSONObject.decode(reader.tail())
    return Blocked(reason, BlockingNotice(notice.optional_integer("ttl")))


def _rest_as_text(reader: Reader) -> str:
    """Read UTF-8 to the end, with a question mark for every invalid byte."""
    return _UNDECODED.sub("?", reader.tail().decode(errors="surrogateescape"))


def _short_text(reader: Reader) -> str:
    return reader.short().decode("latin-1")
