"""`app`: the commands put together, with the examples that their help shows."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from cyclopts import App, Parameter

from simplex_trio.cli import queues
from simplex_trio.cli.demo.command import demo
from simplex_trio.cli.ping import ping
from simplex_trio.cli.queue_watch import watch

__all__ = ["app"]


def _version() -> str:
    try:
        return version("simplex-trio")
    except PackageNotFoundError:
        return "unknown: the package is not installed"


def _examples(*lines: str) -> str:
    return "\n".join(["**Examples**", "", "```", *lines, "```"])


app = App(
    name="simplex-trio",
    help="The SimpleX messaging stack from the shell: try it, look at routers, run one.",
    help_epilogue=_examples("simplex-trio demo", "simplex-trio queue create --help"),
    help_format="markdown",
    version=_version,
    default_parameter=Parameter(negative=()),
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
)

app.command(
    demo,
    help_epilogue=_examples(
        "simplex-trio demo",
        "simplex-trio demo --plain > demo.txt",
        "simplex-trio demo --router smp://...@one.example --router smp://...@two.example",
    ),
)
app.command(
    ping,
    help_epilogue=_examples(
        "simplex-trio ping smp://...@smp.example.com",
        "simplex-trio ping --count 10 --json ntf://...@ntf.example.com",
    ),
)
