"""`app`: the commands put together, with the examples that their help shows.

A command is named by its module and function, and is loaded when it is chosen.  The help of
``simplex-trio`` itself loads none, so what it says of single commands is here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    Parameter,
    UnusedCliTokensError,
)

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.output import one_line

__all__ = ["app", "find_command"]


def _version() -> str:
    from simplex_trio.cli.version import version_text

    return version_text()


def _examples(*lines: str) -> str:
    return "\n".join(["**Examples**", "", "```", *lines, "```"])


app: App = App(
    name="simplex-trio",
    help="The SimpleX messaging stack from the shell: watch it work, connect to peers, use queues, "
    "send files, run routers.",
    help_epilogue=_examples(
        "simplex-trio demo",
        "simplex-trio connect create --router smp://...@smp.example.com",
        "simplex-trio queue create inbox smp://...@smp.example.com",
        "simplex-trio xftp send photo.jpg xftp://...@xftp.example.com",
        "simplex-trio router init --host smp.example.com",
    ),
    help_format="markdown",
    version=_version,
    version_flags=("--version", "-V"),
    version_format="plaintext",
    default_parameter=Parameter(negative=()),
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
)

app.command(
    "simplex_trio.cli.demo.command:demo",
    help="""Watch two people talk, and an agent lose a connection and nothing else.

    Starts two routers of its own on this machine. Two people talk over them, from end to end, and
    the routers show what they see of that. Then messages go directly and through a proxy, and a
    connection is cut in the middle. It ends with an account of what was shown. It takes some ten
    seconds on a terminal, and a few seconds elsewhere. The exit code is 1 if anything did not hold.
    """,
    help_epilogue=_examples(
        "simplex-trio demo",
        "simplex-trio demo --plain > demo.txt",
        "simplex-trio demo --router smp://...@one.example --router smp://...@two.example",
    ),
)
app.command(
    "simplex_trio.cli.ping:ping",
    help="Connect to a router, check that it is the one its address names, and measure round "
    "trips.",
    help_epilogue=_examples(
        "simplex-trio ping smp://...@smp.example.com",
        "simplex-trio ping --count 10 --json ntf://...@ntf.example.com",
    ),
)

app.command(
    "simplex_trio.cli.notify.command:notify",
    help="""Send an alert to a person who has the SimpleX app.

    Set it up once with `--pair`: the person scans a code, and is connected. From then on alerts are
    stored first, and then sent; what cannot be sent yet goes out with the next command. The exit
    code says how far the alert has come: 0 as far as `--until` says, 5 if it is stored but not as
    far yet, 4 if it was given up, 6 if there is no such contact, 7 if the store was in use.

    Others on this machine can see command lines; standard input is for what they must not.
    """,
    help_epilogue=_examples(
        "simplex-trio notify --pair --router smp://...@smp.example.com",
        "simplex-trio notify alice 'The backup has failed'",
        "df -h | simplex-trio notify alice --until delivered",
        "simplex-trio notify --list",
    ),
)

connect: App = App(
    name="connect",
    help="Connect to peers, end to end, over routers that neither of you has to trust.",
    help_epilogue=_examples(
        "simplex-trio connect create --router smp://...@smp.example.com",
        "simplex-trio connect join 'https://...' --router smp://...@smp.example.com",
    ),
)
app.command(connect)
connect.command(
    "simplex_trio.cli.connect.making:create",
    help_epilogue=_examples(
        "simplex-trio connect create --router smp://...@smp.example.com",
        "simplex-trio connect create --address --data 'Alice, at work' --qr",
        "simplex-trio connect create --info Alice --wait --store alice",
    ),
)
connect.command(
    "simplex_trio.cli.connect.making:join",
    help_epilogue=_examples(
        "simplex-trio connect join 'https://...' --router smp://...@smp.example.com",
        "simplex-trio connect join @link.txt --info Bob",
        "simplex-trio connect join - --look < link.txt",
    ),
)
connect.command(
    "simplex_trio.cli.connect.accepting:accept",
    help_epilogue=_examples(
        "simplex-trio connect accept", "simplex-trio connect accept --all --seconds 60 --json"
    ),
)
connect.command(
    "simplex_trio.cli.connect.accepting:reject",
    help_epilogue=_examples("simplex-trio connect reject 3q0FBh2x"),
)
connect.command(
    "simplex_trio.cli.connect.sending:send",
    help_epilogue=_examples(
        "simplex-trio connect send 3q0FBh2x 'hello' --receipt",
        "simplex-trio connect send 3q0FBh2x - < letter.txt",
    ),
)
connect.command(
    "simplex_trio.cli.connect.files:send_file",
    name="send-file",
    help_epilogue=_examples(
        "simplex-trio connect send-file photo.jpg --router xftp://...@xftp.example.com",
        "simplex-trio connect send-file photo.jpg --recipients 3 --to descriptions",
    ),
)
connect.command(
    "simplex_trio.cli.connect.files:receive_file",
    name="receive-file",
    help_epilogue=_examples(
        "simplex-trio connect receive-file rcv1.xftp --to Downloads",
        "simplex-trio connect receive-file - --yes < link.txt",
    ),
)
connect.command(
    "simplex_trio.cli.connect.watching:watch",
    help_epilogue=_examples(
        "simplex-trio connect watch", "simplex-trio connect watch --receipts --count 1 --json"
    ),
)
connect.command(
    "simplex_trio.cli.connect.listing:list_connections",
    name="list",
    help_epilogue=_examples("simplex-trio connect list --store alice"),
)
connect.command(
    "simplex_trio.cli.connect.listing:status",
    help_epilogue=_examples("simplex-trio connect status 3q0FBh2x --qr"),
)
connect.command(
    "simplex_trio.cli.connect.repairing:resync",
    help_epilogue=_examples("simplex-trio connect resync 3q0FBh2x --seconds 60"),
)
connect.command(
    "simplex_trio.cli.connect.moving:rotate",
    help_epilogue=_examples(
        "simplex-trio connect rotate 3q0FBh2x --router smp://...@smp.example.com",
        "simplex-trio connect rotate 3q0FBh2x --abort",
    ),
)
connect.command(
    "simplex_trio.cli.connect.listing:delete",
    help_epilogue=_examples("simplex-trio connect delete 3q0FBh2x --after-delivery"),
)

connect.command(
    "simplex_trio.cli.connect.checking:check_router",
    name="test-router",
    help_epilogue=_examples(
        "simplex-trio connect test-router smp://...@smp.example.com",
        "simplex-trio connect test-router @router.txt --json",
    ),
)

queue: App = App(
    name="queue",
    help="Make queues, send to them, and read them.",
    help_epilogue=_examples("simplex-trio queue create inbox smp://...@smp.example.com"),
)
app.command(queue)
queue.command(
    "simplex_trio.cli.queues:create",
    help_epilogue=_examples(
        "simplex-trio queue create inbox smp://...@smp.example.com",
        "simplex-trio queue create inbox @router.txt --qr",
    ),
)
queue.command(
    "simplex_trio.cli.queue_list:list_queues",
    name="list",
    help_epilogue=_examples("simplex-trio queue list"),
)
queue.command(
    "simplex_trio.cli.queues:send",
    help_epilogue=_examples(
        "simplex-trio queue send inbox < letter.txt",
        "simplex-trio queue send 'smp://...@smp.example.com/...' 'hello'",
        "simplex-trio queue send inbox 'hello' --through smp://...@proxy.example.com",
    ),
)
queue.command(
    "simplex_trio.cli.queue_watch:watch",
    help_epilogue=_examples(
        "simplex-trio queue watch",
        "simplex-trio queue watch inbox --count 1 --seconds 60 --json",
    ),
)
queue.command(
    "simplex_trio.cli.queues:info",
    help_epilogue=_examples(
        "simplex-trio queue info inbox", "simplex-trio queue info inbox --qr --show-keys"
    ),
)
queue.command(
    "simplex_trio.cli.queues:delete",
    help_epilogue=_examples(
        "simplex-trio queue delete inbox", "simplex-trio queue delete inbox --forget"
    ),
)

agent: App = App(
    name="agent",
    help="See an agent keep subscriptions.",
    help_epilogue=_examples("simplex-trio agent watch"),
)
app.command(agent)
agent.command(
    "simplex_trio.cli.agent_watch:agent_watch",
    name="watch",
    help_epilogue=_examples(
        "simplex-trio agent watch", "simplex-trio agent watch --json --every 10 --seconds 60"
    ),
)

router: App = App(
    name="router",
    help="Run a router of your own.",
    help_epilogue=_examples(
        "simplex-trio router init /etc/smp --host smp.example.com",
        "simplex-trio router start /etc/smp",
    ),
)
app.command(router)
router.command(
    "simplex_trio.cli.routers.messages:init",
    help_epilogue=_examples(
        "simplex-trio router init",
        "simplex-trio router init /etc/smp --host smp.example.com --password",
    ),
)
router.command(
    "simplex_trio.cli.routers.messages:start",
    help_epilogue=_examples(
        "simplex-trio router start", "simplex-trio router start /etc/smp --log json"
    ),
)
router.command(
    "simplex_trio.cli.routers.messages:try_",
    name="try",
    help_epilogue=_examples("simplex-trio router try"),
)
router.command(
    "simplex_trio.cli.routers.messages:stats",
    help_epilogue=_examples("simplex-trio router stats", "simplex-trio router stats --json"),
)
router.command(
    "simplex_trio.cli.routers.messages:renew",
    help_epilogue=_examples(
        "simplex-trio router renew /etc/smp --ca-key /media/usb/ca.key",
    ),
)
router.command(
    "simplex_trio.cli.routers.moving:copy_",
    name="copy",
    help_epilogue=_examples("simplex-trio router copy /etc/smp /mnt/backup/router.sqlite"),
)
router.command(
    "simplex_trio.cli.routers.moving:export",
    help_epilogue=_examples("simplex-trio router export /etc/smp router.export"),
)
router.command(
    "simplex_trio.cli.routers.moving:import_",
    name="import",
    help_epilogue=_examples(
        "simplex-trio router import router.export /etc/smp",
        "simplex-trio router import /var/opt/simplex /etc/smp",
    ),
)
for _name, _example in (
    ("status", "/etc/smp"),
    ("reload", "/etc/smp"),
    ("clients", "/etc/smp --addresses"),
    ("queue", "LINK /etc/smp"),
    ("block", "LINK /etc/smp --reason spam"),
    ("suspend", "LINK /etc/smp"),
    ("resume", "LINK /etc/smp"),
    ("delete", "LINK /etc/smp"),
):
    router.command(
        f"simplex_trio.cli.routers.message_controls:{_name}",
        help_epilogue=_examples(f"simplex-trio router {_name} {_example}"),
    )

xftp: App = App(
    name="xftp",
    help="Send and receive files through routers, or run one for files.",
    help_epilogue=_examples(
        "simplex-trio xftp send photo.jpg xftp://...@xftp.example.com",
        "simplex-trio xftp receive photo.jpg.xftp/rcv1.xftp",
    ),
)
app.command(xftp)
xftp.command(
    "simplex_trio.cli.xftp_files:send",
    help_epilogue=_examples(
        "simplex-trio xftp send photo.jpg xftp://...@xftp.example.com",
        "simplex-trio xftp send photo.jpg @one.txt @two.txt --recipients 3 --replicas 2",
    ),
)
xftp.command(
    "simplex_trio.cli.xftp_files:receive",
    help_epilogue=_examples(
        "simplex-trio xftp receive rcv1.xftp --to Downloads",
        "simplex-trio xftp receive - < link.txt",
    ),
)
xftp.command(
    "simplex_trio.cli.xftp_files:delete",
    help_epilogue=_examples("simplex-trio xftp delete photo.jpg.xftp/snd.xftp.private"),
)
xftp.command(
    "simplex_trio.cli.xftp_files:info",
    help_epilogue=_examples("simplex-trio xftp info rcv1.xftp --json"),
)

xftp_router: App = App(
    name="router",
    help="Run a router for files.",
    help_epilogue=_examples(
        "simplex-trio xftp router init /srv/xftp --host xftp.example.com",
        "simplex-trio xftp router start /srv/xftp",
    ),
)
xftp.command(xftp_router)
xftp_router.command(
    "simplex_trio.cli.routers.files:init",
    help_epilogue=_examples(
        "simplex-trio xftp router init",
        "simplex-trio xftp router init /srv/xftp --host xftp.example.com --quota 100",
    ),
)
xftp_router.command(
    "simplex_trio.cli.routers.files:start",
    help_epilogue=_examples(
        "simplex-trio xftp router start", "simplex-trio xftp router start /srv/xftp --log json"
    ),
)
xftp_router.command(
    "simplex_trio.cli.routers.files:try_",
    name="try",
    help_epilogue=_examples("simplex-trio xftp router try"),
)
xftp_router.command(
    "simplex_trio.cli.routers.files:stats",
    help_epilogue=_examples(
        "simplex-trio xftp router stats", "simplex-trio xftp router stats --json"
    ),
)
xftp_router.command(
    "simplex_trio.cli.routers.files:renew",
    help_epilogue=_examples("simplex-trio xftp router renew /srv/xftp --ca-key /media/usb/ca.key"),
)
xftp_router.command(
    "simplex_trio.cli.routers.file_moving:import_",
    name="import",
    help_epilogue=_examples("simplex-trio xftp router import /var/opt/simplex-xftp /srv/xftp"),
)
xftp_router.command(
    "simplex_trio.cli.routers.record_moving:move_records_",
    name="move-records",
    help_epilogue=_examples("simplex-trio xftp router move-records /srv/xftp"),
)
for _name, _example in (
    ("status", "/srv/xftp"),
    ("reload", "/srv/xftp"),
    ("packet", "ID /srv/xftp"),
    ("block", "ID /srv/xftp --reason content"),
    ("delete", "ID /srv/xftp"),
):
    xftp_router.command(
        f"simplex_trio.cli.routers.file_controls:{_name}",
        help_epilogue=_examples(f"simplex-trio xftp router {_name} {_example}"),
    )

katzenpost: App = App(
    name="katzenpost",
    help="Develop against a Katzenpost daemon without a mixnet.",
    help_epilogue=_examples("simplex-trio katzenpost simulate --config thinclient.toml"),
)
app.command(katzenpost)
katzenpost.command(
    "simplex_trio.cli.katzenpost_simulate:simulate",
    help_epilogue=_examples(
        "simplex-trio katzenpost simulate --config thinclient.toml",
        "simplex-trio katzenpost simulate @kpclientd --fast",
    ),
)


app.command(
    "simplex_trio.cli.manual:completion",
    help="Print a script that completes commands and options in a shell.",
    help_epilogue=_examples(
        "simplex-trio completion bash > ~/.local/share/bash-completion/completions/simplex-trio",
        "simplex-trio completion fish > ~/.config/fish/completions/simplex-trio.fish",
    ),
)
app.command(
    "simplex_trio.cli.manual:manual",
    help="Print the page of the manual about all commands, as `man` reads it.",
    help_epilogue=_examples(
        "simplex-trio manual | man -l -",
        "simplex-trio manual > ~/.local/share/man/man1/simplex-trio.1",
    ),
)


def find_command(arguments: Sequence[str]) -> Callable[[], Any]:
    """Load the command that the arguments name, and return it with its arguments bound.

    Raises `CommandFailed` for a mistake in them.
    """
    try:
        _load_listed(arguments)
        command, bound, _ = app.parse_args(arguments)
    except CycloptsError as exc:
        raise CommandFailed(f"{_mistake(exc)} Try --help.", ExitCode.USAGE) from exc
    return lambda: command(*bound.args, **bound.kwargs)


_NUMBERS: dict[type, str] = {int: "a whole number", float: "a number"}


def _mistake(error: CycloptsError) -> str:
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.argument.name
        needed = f"a value for {name}" if name.startswith("-") else name
        return f'The command "{" ".join(error.command_chain or ())}" needs {needed}.'
    if isinstance(error, CoercionError) and error.token and error.target_type in _NUMBERS:
        name = error.token.keyword or (error.argument.name if error.argument else "an argument")
        value = one_line(error.token.value)
        return f'Invalid value "{value}" for {name}. Must be {_NUMBERS[error.target_type]}.'
    if not isinstance(error, UnusedCliTokensError):
        return str(error)
    unused = error.unused_tokens or ()
    is_or_are = "This argument is" if len(unused) == 1 else "These arguments are"
    return f"{is_or_are} too many: {one_line(' '.join(map(_without_secrets, unused)))}."


def _without_secrets(token: str) -> str:
    """An argument as errors may show it: addresses and URLs have passwords, links have keys."""
    scheme, mark, _ = token.partition("://")
    return f"{scheme}://…" if mark else token


def _load_listed(arguments: Sequence[str]) -> None:
    """Load the commands of a group if its help is asked for, which says what each of them does."""
    names, path, _ = app.parse_commands(arguments)
    commands = zip(names, path[1:], strict=False)
    chosen = [each for name, each in commands if name not in app.help_flags]
    if chosen and chosen[-1].default_command is None:
        chosen[-1].resolved_commands()
