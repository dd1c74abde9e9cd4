"""Dashboards for Grafana in the documentation: they show what routers measure."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from simplex_trio.router import server as smp
from simplex_trio.router.statistics import REFERENCE_NAMES
from simplex_trio.serving.metrics import metrics_writer
from simplex_trio.xftp.router import server as xftp
from simplex_trio.xftp.router.statistics import REFERENCE_NAMES as XFTP_NAMES

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"

_METRIC = re.compile(r"\bsimplex_[a-z_0-9]+")


async def measured(kind: str) -> str:
    """What a router of this kind tells Prometheus."""
    if kind == "smp":
        async with smp.open_router() as router:
            prefix, names = smp.METRICS_PREFIX, REFERENCE_NAMES
            return metrics_writer(router.statistics, prefix, names)().body.decode()
    async with xftp.open_xftp_router(evolve(xftp.EMBEDDED)) as files:
        prefix, names = xftp.METRICS_PREFIX, XFTP_NAMES
        return metrics_writer(files.statistics, prefix, names)().body.decode()


def metrics_in(text: str) -> set[str]:
    """The names of all samples."""
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return {re.split(r"[{ ]", line)[0] for line in lines}


@pytest.mark.parametrize(
    ("name", "kind"), [("grafana-router", "smp"), ("grafana-xftp-router", "xftp")]
)
async def test_every_metric_of_a_dashboard_exists(name: str, kind: str) -> None:
    dashboard: dict[str, Any] = json.loads((HOW_TO / f"{name}.json").read_text())
    expressions = [
        target["expr"] for panel in dashboard["panels"] for target in panel["targets"]
    ] + [each["query"] for each in dashboard["templating"]["list"]]
    wanted = {metric for each in expressions for metric in _METRIC.findall(each)}
    assert len(wanted) > 10
    assert wanted <= metrics_in(await measured(kind))
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert sorted(set(numbers)) == numbers


@pytest.mark.parametrize("kind", ["smp", "xftp"])
async def test_names_of_the_reference(kind: str) -> None:
    names = REFERENCE_NAMES if kind == "smp" else XFTP_NAMES
    text = await measured(kind)
    told = {name for aliases in names.values() for name, _ in aliases}
    assert told <= metrics_in(text)
    assert all(name.startswith(f"simplex_{kind}_") for name in told)
    samples = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(set(samples)) == len(samples)
    if kind == "smp":
        assert 'simplex_smp_messages_sent_errors{type="auth"} 0.0\n' in text
        assert text.count("# TYPE simplex_smp_messages_sent_errors ") == 1
