"""Runs as values, for tests that need no server."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.audit import CacheAudit
from bench.budget import Budget
from bench.figures import Figures
from bench.results import Boot, Pilot, Plan, Round, Run
from bench.stationarity import WarmUp

TIMES = {"p50": 1.0, "p90": 1.5, "p95": 2.0, "p99": 3.0, "p99.9": None}
GOOD = Figures(
    requests=1000, errors={}, response=TIMES, service=TIMES, lag=TIMES, lateness=dict.fromkeys(TIMES, 0.05),
    offered=400.0, achieved=400.0, cpu_us=250.0, rss_mb=90.0, pss_mb=60.0, engine_busy=0.1, server_busy=0.1,
    foreign=0.01, steal=0.0, pressure=0.01, in_flight=0.4, in_flight_error=0.01, in_flight_records=0.4,
    cap_reached=0, resent=0, ran_out="idle", arrival_p=0.5, dispersion=1.0, ceiling=40_000.0, drift=0.0,
)  # fmt: skip
FLOOR = {"p50": 0.01, "p90": 0.011, "p95": 0.012, "p99": 0.02, "p99.9": None}
BUDGET = Budget(workers=1, cpus=1, native_threads="default", access_log=False, threads=3, keep_alive=True)
PAIRS = [(GOOD, replace(GOOD, cpu_us=500.0, response=TIMES | {"p50": 2.0}))]


def a_round(number: int, arms: dict[str, Figures], boot: int = 1, noise: str = "") -> Round:
    return Round(number, 1, boot, number, tuple(arms), arms, FLOOR, 9.5, noise)


def a_boot(arm: str, number: int = 1, **changes: Any) -> Boot:
    return replace(Boot(arm, number, 1.25, 20.0, 3000.0, WarmUp(3000, 0.1, True), BUDGET), **changes)


def a_run(
    pairs: Sequence[tuple[Figures, Figures]] = PAIRS,
    folder: Path = Path("20261120-120000-mnist"),
    boots: Sequence[Boot] = (),
    **plan: Any,
) -> Run:
    """A run of the arms a and b; each pair of figures is a boot of one round."""
    asked = replace(Plan(("a", "b"), boots=len(pairs), rounds=1), **plan)
    environment = {"cpu": "A Processor", "cores": 2, "memory_mb": 8000, "system": "An OS", "python": "3.11.0",
                   "model": {"name": "mnist"}, "locks": {"a": "1", "b": "2"}, "key": {}}  # fmt: skip
    started = boots or [a_boot(arm, number + 1) for number in range(len(pairs)) for arm in "ab"]
    pilots = {arm: Pilot(arm, 40_000.0, CacheAudit([1.0] * 4, [1.0] * 4)) for arm in "ab"}
    rounds = [a_round(i, {"a": a, "b": b}, boot=i) for i, (a, b) in enumerate(pairs, 1)]
    return Run(folder, asked, "1", environment, pilots, 400.0, started, rounds)
