"""`app`: the commands put together, with the examples that their help shows."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from cyclopts import App, Parameter

from simplex_trio.cli import queues, xftp_files
from simplex_trio.cli.agent_watch import agent_watch
from simplex_trio.cli.connect import (
    accepting,
    checking,
    files,
    listing,
    making,
    moving,
    repairing,
    sending,
    watching,
)
from simplex_trio.cli.demo.command import demo
from simplex_trio.cli.katzenpost_simulate import simulate
from simplex_trio.cli.notify.command import notify
from simplex_trio.cli.ping import ping
from simplex_trio.cli.queue_watch import watch
from simplex_trio.cli.router_init import init
from simplex_trio.cli.router_start import start
from simplex_trio.cli.router_stats import stats
from simplex_trio.cli.xftp_router import router as xftp_router
from simplex_trio.duplex.kem_stock import makes_pairs_in_process
from simplex_trio.ratchet.errors import KEMSupportMissing
from simplex_trio.ratchet.sntrup761 import load_kem

__all__ = ["app"]


def _version() -> str:
    try:
        package = version("simplex-trio")
    except PackageNotFoundError:
        package = "unknown, as the package is not installed"
    return f"{package}\n{_kem()}"


def _kem() -> str:
    """Which implementation of the KEM is used, and how its keys are made."""
    try:
        kem = load_kem()
    except KEMSupportMissing:
        return "sntrup761: none, as the extra duplex is not installed"
    where = "process" if makes_pairs_in_process(kem) else "thread"
    return f"sntrup761: {kem.NAME}, keys made in a {where}"


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
    version_format="plaintext",
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

app.command(
    notify,
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
    making.create,
    help_epilogue=_examples(
        "simplex-trio connect create --router smp://...@smp.example.com",
        "simplex-trio connect create --address --data 'Alice, at work' --qr",
        "simplex-trio connect create --info Alice --wait --store alice",
    ),
)
connect.command(
    making.join,
    help_epilogue=_examples(
        "simplex-trio connect join 'https://...' --router smp://...@smp.example.com",
        "simplex-trio connect join @link.txt --info Bob",
        "simplex-trio connect join - --look < link.txt",
    ),
)
connect.command(
    accepting.accept,
    help_epilogue=_examples(
        "simplex-trio connect accept", "simplex-trio connect accept --all --seconds 60 --json"
    ),
)
connect.command(accepting.reject, help_epilogue=_examples("simplex-trio connect reject 3q0FBh2x"))
connect.command(
    sending.send,
    help_epilogue=_examples(
        "simplex-trio connect send 3q0FBh2x 'hello' --receipt",
        "simplex-trio connect send 3q0FBh2x - < letter.txt",
    ),
)
connect.command(
    files.send_file,
    name="send-file",
    help_epilogue=_examples(
        "simplex-trio connect send-file photo.jpg --router xftp://...@xftp.example.com",
        "simplex-trio connect send-file photo.jpg --recipients 3 --to descriptions",
    ),
)
connect.command(
    files.receive_file,
    name="receive-file",
    help_epilogue=_examples(
        "simplex-trio connect receive-file rcv1.xftp --to Downloads",
        "simplex-trio connect receive-file - --yes < link.txt",
    ),
)
connect.command(
    watching.watch,
    help_epilogue=_examples(
        "simplex-trio connect watch", "simplex-trio connect watch --receipts --count 1 --json"
    ),
)
connect.command(
    listing.list_connections,
    name="list",
    help_epilogue=_examples("simplex-trio connect list --store alice"),
)
connect.command(
    listing.status, help_epilogue=_examples("simplex-trio connect status 3q0FBh2x --qr")
)
connect.command(
    repairing.resync, help_epilogue=_examples("simplex-trio connect resync 3q0FBh2x --seconds 60")
)
connect.command(
    moving.rotate,
    help_epilogue=_examples(
        "simplex-trio connect rotate 3q0FBh2x --router smp://...@smp.example.com",
        "simplex-trio connect rotate 3q0FBh2x --abort",
    ),
)
connect.command(
    listing.delete,
    help_epilogue=_examples("simplex-trio connect delete 3q0FBh2x --after-delivery"),
)

connect.command(
    checking.check_router,
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
    queues.create,
    help_epilogue=_examples(
        "simplex-trio queue create inbox smp://...@smp.example.com",
        "simplex-trio queue create inbox @router.txt --qr",
    ),
)
queue.command(queues.list_queues, name="list", help_epilogue=_examples("simplex-trio queue list"))
queue.command(
    queues.send,
    help_epilogue=_examples(
        "simplex-trio queue send inbox < letter.txt",
        "simplex-trio queue send 'smp://...@smp.example.com/...' 'hello'",
        "simplex-trio queue send inbox 'hello' --through smp://...@proxy.example.com",
    ),
)
queue.command(
    watch,
    help_epilogue=_examples(
        "simplex-trio queue watch",
        "simplex-trio queue watch inbox --count 1 --seconds 60 --json",
    ),
)
queue.command(
    queues.info,
    help_epilogue=_examples(
        "simplex-trio queue info inbox", "simplex-trio queue info inbox --qr --show-keys"
    ),
)
queue.command(
    queues.delete,
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
    agent_watch,
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
    init,
    help_epilogue=_examples(
        "simplex-trio router init",
        "simplex-trio router init /etc/smp --host smp.example.com --password",
    ),
)
router.command(
    start,
    help_epilogue=_examples(
        "simplex-trio router start", "simplex-trio router start /etc/smp --log json"
    ),
)
router.command(
    stats,
    help_epilogue=_examples("simplex-trio router stats", "simplex-trio router stats --json"),
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
    xftp_files.send,
    help_epilogue=_examples(
        "simplex-trio xftp send photo.jpg xftp://...@xftp.example.com",
        "simplex-trio xftp send photo.jpg @one.txt @two.txt --recipients 3 --replicas 2",
    ),
)
xftp.command(
    xftp_files.receive,
    help_epilogue=_examples(
        "simplex-trio xftp receive rcv1.xftp --to Downloads",
        "simplex-trio xftp receive - < link.txt",
    ),
)
xftp.command(
    xftp_files.delete,
    help_epilogue=_examples("simplex-trio xftp delete photo.jpg.xftp/snd.xftp.private"),
)
xftp.command(xftp_files.info, help_epilogue=_examples("simplex-trio xftp info rcv1.xftp --json"))
xftp.command(
    xftp_router,
    help_epilogue=_examples(
        "simplex-trio xftp router",
        "simplex-trio xftp router /etc/xftp --host xftp.example.com --quota 100",
    ),
)

katzenpost: App = App(
    name="katzenpost",
    help="Develop against a Katzenpost daemon without a mixnet.",
    help_epilogue=_examples("simplex-trio katzenpost simulate --config thinclient.toml"),
)
app.command(katzenpost)
katzenpost.command(
    simulate,
    help_epilogue=_examples(
        "simplex-trio katzenpost simulate --config thinclient.toml",
        "simplex-trio katzenpost simulate @kpclientd --fast",
    ),
)
