"""Errors as sentences and exit codes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simplex_trio import (
    ConnectionLost,
    ProxyFailed,
    RequestTimeout,
    RouterError,
)
from simplex_trio.cli import refusals
from simplex_trio.cli.explanations import explain
from simplex_trio.cli.failures import CommandFailed, ExitCode, Interrupted
from simplex_trio.cli.reporting import explained, named
from simplex_trio.duplex import (
    AlreadyJoined,
    CannotSend,
    LinkNotUsable,
    NoCommonDuplexVersion,
    NoServers,
    UnknownConnection,
)
from simplex_trio.errors import (
    CertificateExpired,
    DecodeError,
    DialFailed,
    EncodeError,
    EncryptionSupportMissing,
    NotAService,
    PostgresSupportMissing,
    SimplexError,
    SocksSupportMissing,
    StoreFenced,
    StoreFull,
    StoreOutcomeUnknown,
    WrongIdentity,
)
from simplex_trio.ratchet.errors import KEMSupportMissing
from simplex_trio.wire.duplex.links import LinkProblem, NotALink
from simplex_trio.wire.errors.values import (
    Blocked,
    BlockingReason,
    Broker,
    BrokerErrorKind,
    BrokerErrorValue,
    Cmd,
    Code,
    CommandErrorKind,
    Name,
    NameErrorKind,
    Network,
    NetworkErrorKind,
    Protocol,
    Proxy,
    ProxyErrorKind,
    Resolver,
    Response,
    RouterErrorValue,
    Store,
    TransportError,
    TransportErrorKind,
    Unexpected,
)
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.xftp.errors import NoSuchReplica, RouterUnreachable, XFTPRouterError

ERRORS: list[tuple[BaseException, int]] = [
    (CommandFailed("Do this.", ExitCode.REFUSED), 4),
    (WrongIdentity("not it"), 3),
    (DialFailed("no host answers"), 3),
    (ConnectionLost("gone"), 3),
    (RequestTimeout("slow"), 3),
    (SocksSupportMissing("python-socks: pip install 'simplex-trio[socks]'"), 1),
    (RouterUnreachable(DialFailed("no host answers")), 3),
    (RouterError(Code.AUTH), 4),
    (RouterError(Code.INTERNAL), 4),
    (ProxyFailed(Proxy(ProxyErrorKind.NO_SESSION)), 4),
    (XFTPRouterError(XFTPCode.QUOTA), 4),
    (NoSuchReplica(1, retryable=False), 4),
    (StoreFull("no room"), 1),
    (KEMSupportMissing("pip install 'simplex-trio[duplex]'"), 1),
    (EncryptionSupportMissing("pip install 'simplex-trio[sqlcipher]'"), 1),
    (PostgresSupportMissing("pip install 'simplex-trio[postgres]'"), 1),
    (StoreFenced("another process has taken over the store"), 1),
    (StoreOutcomeUnknown("it cannot be told what became of a commit"), 1),
    (UnknownConnection(), 2),
    (NoServers("none"), 2),
    (AlreadyJoined("0123456789abcdef"), 2),
    (CannotSend("not yet"), 1),
    (LinkNotUsable("the connection cannot be made: link"), 4),
    (NoCommonDuplexVersion("too new"), 2),
    *((NotALink(problem), 2) for problem in LinkProblem),
    (CertificateExpired("too old"), 2),
    (DecodeError("not that"), 2),
    (EncodeError("not that"), 2),
    (NotAService("not that"), 1),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "x.toml"), 2),
    (OSError(errno.EADDRINUSE, "Address already in use"), 1),
    (PermissionError(errno.EACCES, "Permission denied"), 1),
    (PermissionError(errno.EACCES, "Permission denied", "x.toml"), 2),
    (OSError("something"), 1),
    (BaseExceptionGroup("two", [RouterError(Code.AUTH), OSError("something")]), 4),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda each: type(each).__name__)
def test_expected_errors(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    with pytest.raises(SystemExit) as exited, explained():
        raise error
    assert exited.value.code == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("simplex-trio: ")
    assert said.err.count("\n") == 1
    assert said.err.rstrip().endswith(".")


def test_a_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), explained():
        Path("/no/such/file").read_bytes()
    assert "/no/such/file" in capsys.readouterr().err


def test_programs_find_the_sentence_on_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit), explained(as_json=True):
        raise RouterError(Code.QUOTA)
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert report["exit_code"] == 4
    assert said.err == f"simplex-trio: {report['error']}\n"


def test_a_mistake_in_json_whose_reader_has_gone() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run_with_mistake(writing)
    os.close(writing)
    assert done.returncode == 2
    assert done.stderr.startswith(b"simplex-trio: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_mistake_in_json_on_a_full_device() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    done = run_with_mistake(full)
    os.close(full)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1


def run_with_mistake(stdout: int) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "simplex_trio", "ping", "nonsense", "--json"],
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )


@pytest.mark.parametrize(
    "error",
    [
        RouterError(Code.AUTH),
        RequestTimeout("slow"),
        DialFailed("no host answers"),
        WrongIdentity("not it"),
        ConnectionLost("gone"),
        BaseExceptionGroup("one", [RouterError(Code.AUTH)]),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_router_is_named(capsys: pytest.CaptureFixture[str], error: BaseException) -> None:
    with pytest.raises(SystemExit), explained(), named("smp.example.com:5223"):
        raise error
    assert "smp.example.com:5223" in capsys.readouterr().err


BROKER_ERRORS: list[BrokerErrorValue] = [
    *BrokerErrorKind,
    Response("x"),
    Unexpected("x"),
    *map(Network, NetworkErrorKind),
    *(TransportError(kind) for kind in TransportErrorKind if kind.value != "HANDSHAKE"),
]
ROUTER_ERRORS: list[RouterErrorValue] = [
    *Code,
    *map(Cmd, CommandErrorKind),
    *map(Blocked, BlockingReason),
    *map(Name, NameErrorKind),
    Name(Resolver("x")),
    Store("x"),
]
REFUSALS: list[SimplexError] = [
    *map(RouterError, ROUTER_ERRORS),
    *map(XFTPRouterError, XFTPCode),
    *(ProxyFailed(Proxy(kind)) for kind in ProxyErrorKind),
    *(ProxyFailed(Proxy(Protocol(error))) for error in ROUTER_ERRORS),
    *(ProxyFailed(Proxy(Broker(error))) for error in BROKER_ERRORS),
]


@pytest.mark.parametrize("error", REFUSALS, ids=str)
def test_refusals_are_words_and_no_codes(error: SimplexError) -> None:
    sentence, code = explain(error)
    assert code is ExitCode.REFUSED
    assert sentence.endswith(".")
    words = sentence.replace("SMP", "").replace("@FILE", "").split()
    assert not [word for word in words if word.isupper() and len(word) > 1]


@pytest.mark.parametrize("error", [*Code, *XFTPCode], ids=repr)
def test_there_are_words_for_each_code(error: Code | XFTPCode) -> None:
    assert error in refusals._CODES


@pytest.mark.parametrize("bug", [KeyError("a bug"), ZeroDivisionError()])
def test_bugs_stay_bugs(bug: Exception) -> None:
    with pytest.raises(type(bug)), explained():
        raise bug
    with pytest.RaisesGroup(type(bug), OSError), explained():
        raise BaseExceptionGroup("two", [bug, OSError()])


@pytest.mark.parametrize(
    ("interruption", "code"),
    [
        (KeyboardInterrupt(), 130),
        (Interrupted(signal.SIGINT), 130),
        (Interrupted(signal.SIGTERM), 143),
    ],
)
def test_interruptions_say_nothing(
    capsys: pytest.CaptureFixture[str], interruption: BaseException, code: int
) -> None:
    with pytest.raises(SystemExit) as exited, explained():
        raise interruption
    assert exited.value.code == code
    assert capsys.readouterr().err == ""
