"""What the package uses of other libraries although they do not promise it.

Each library has one module here that does so.  A release that changes one of these names fails
here, with a sentence that says which module must be looked at before pyproject.toml admits it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from importlib.metadata import version
from pathlib import Path

import pytest

import simplex_trio

_OPENSSL = "simplex_trio/transport/_openssl.py"
_H2 = "simplex_trio/xftp/http2/state.py"
_PSYCOPG = "simplex_trio/storage/postgres/_psycopg.py"
_ORDER = "simplex_trio/testing/in_memory/order.py"

_OPENSSL_FUNCTIONS = (
    "BIO_get_mem_data",
    "BIO_new",
    "BIO_s_mem",
    "ERR_clear_error",
    "SSL_CTX_set1_curves_list",
    "SSL_CTX_set1_sigalgs_list",
    "SSL_clear_mode",
    "SSL_set_bio",
)


def changed(library: str, name: str, module: str) -> str:
    return (
        f"{library} {version(library)} has changed {name}, on which {module} depends: "
        "change that module before pyproject.toml admits this version"
    )


@pytest.mark.parametrize("name", _OPENSSL_FUNCTIONS)
def test_functions_of_openssl_that_have_no_method(name: str) -> None:
    from OpenSSL._util import lib

    assert callable(getattr(lib, name, None)), changed("pyOpenSSL", f"_util.lib.{name}", _OPENSSL)


def test_the_mode_of_openssl_that_is_cleared() -> None:
    from OpenSSL._util import lib

    name = "SSL_MODE_AUTO_RETRY"
    assert getattr(lib, name, None) == 4, changed("pyOpenSSL", f"_util.lib.{name}", _OPENSSL)


def test_what_objects_of_pyopenssl_hold() -> None:
    from OpenSSL import SSL
    from OpenSSL._util import ffi, lib

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    connection = SSL.Connection(context)
    for holder, name, kind in (
        (context, "_context", "SSL_CTX *"),
        (connection, "_ssl", "SSL *"),
        (connection, "_into_ssl", "BIO *"),
        (connection, "_from_ssl", "BIO *"),
    ):
        value = getattr(holder, name, None)
        described = f"{type(holder).__name__}.{name}"
        assert isinstance(value, ffi.CData), changed("pyOpenSSL", described, _OPENSSL)
        assert ffi.typeof(value) is ffi.typeof(kind), changed("pyOpenSSL", described, _OPENSSL)
    # What replaces a buffer relies on these two being the buffers that OpenSSL itself uses.
    for ours, theirs in (("_into_ssl", "SSL_get_rbio"), ("_from_ssl", "SSL_get_wbio")):
        get = getattr(lib, theirs, None)
        if get is not None:
            used = get(connection._ssl)
            assert getattr(connection, ours) == used, changed("pyOpenSSL", ours, _OPENSSL)
    empty = lib.BIO_get_mem_data(connection._into_ssl, ffi.NULL)
    assert empty == 0, changed("pyOpenSSL", "_util.lib.BIO_get_mem_data", _OPENSSL)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("_receive_frame", ["self", "frame"]),
        ("_handle_data_on_closed_stream", ["self", "events", "exc", "frame"]),
    ],
)
def test_methods_of_h2_that_are_extended(name: str, parameters: list[str]) -> None:
    from h2.connection import H2Connection

    method = getattr(H2Connection, name, None)
    assert callable(method), changed("h2", f"H2Connection.{name}", _H2)
    found = list(inspect.signature(method).parameters)
    assert found == parameters, changed("h2", f"H2Connection.{name}", _H2)


def test_what_objects_of_h2_hold() -> None:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.exceptions import StreamClosedError
    from hyperframe.frame import DataFrame

    table = getattr(H2Connection(H2Configuration()), "_frame_dispatch_table", None)
    assert isinstance(table, dict), changed("h2", "H2Connection._frame_dispatch_table", _H2)
    assert DataFrame in table, changed("h2", "H2Connection._frame_dispatch_table", _H2)
    most = getattr(H2Connection, "MAX_CLOSED_STREAMS", None)
    assert isinstance(most, int), changed("h2", "H2Connection.MAX_CLOSED_STREAMS", _H2)
    events = getattr(StreamClosedError(1), "_events", None)
    assert events == [], changed("h2", "StreamClosedError._events", _H2)


def test_how_frames_are_written_out() -> None:
    from hyperframe.frame import DataFrame

    frame = DataFrame(1, b"the body")
    vars(frame)["_body_repr"] = lambda: "a body"
    assert "a body" in repr(frame), changed("hyperframe", "Frame._body_repr", _H2)


def test_what_makes_scheduling_reproducible() -> None:
    from random import Random

    from trio._core import _run

    assert isinstance(getattr(_run, "_r", None), Random), changed("trio", "_run._r", _ORDER)
    switch = getattr(_run, "_ALLOW_DETERMINISTIC_SCHEDULING", None)
    described = "_run._ALLOW_DETERMINISTIC_SCHEDULING"
    assert isinstance(switch, bool), changed("trio", described, _ORDER)


def _private_imports(module: Path) -> set[str]:
    """Names that begin with an underscore in what a module imports from other packages."""
    found = set()
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            package, *parts = name.split(".")
            private = any(part.startswith("_") and not part.endswith("__") for part in parts)
            if private and package != "simplex_trio":
                found.add(name)
    return found


def test_no_other_module_imports_private_names() -> None:
    root = Path(simplex_trio.__file__).parent
    found = {
        module.relative_to(root.parent).as_posix(): names
        for module in root.rglob("*.py")
        if (names := _private_imports(module))
    }
    assert found == {
        _OPENSSL: {"OpenSSL._util.ffi", "OpenSSL._util.lib"},
        _ORDER: {"trio._core._run"},
        _PSYCOPG: {"psycopg._conninfo_utils"},
    }


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("psycopg.generators", ("send", "fetch_many")),
        ("psycopg.waiting", ("Ready", "Wait")),
        ("psycopg._conninfo_utils", ("get_param", "split_attempts")),
    ],
)
def test_functions_of_psycopg_that_have_no_method(module: str, names: tuple[str, ...]) -> None:
    found = importlib.import_module(module)
    for name in names:
        assert hasattr(found, name), changed("psycopg", f"{module}.{name}", _PSYCOPG)


def test_what_connections_of_psycopg_do() -> None:
    from psycopg import AsyncConnection

    for name, parameters in (
        ("_connect_gen", ["conninfo"]),
        ("_try_cancel", ["self"]),
        ("wait", ["self", "gen", "interval"]),
    ):
        method = getattr(AsyncConnection, name, None)
        found = list(inspect.signature(method).parameters) if method else []
        assert found[: len(parameters)] == parameters, changed(
            "psycopg", f"AsyncConnection.{name}", _PSYCOPG
        )
