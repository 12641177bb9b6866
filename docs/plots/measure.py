"""Measure what the plots of docs/measuring.md show, and keep it in measured.json beside this file.

    make plots

runs this and then draw.py. It takes five minutes and wants a quiet machine. hey (optional, on the PATH) adds a row.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

import servelab
from bench import machine, stationarity, statistics
from bench.arrivals import index_of_dispersion
from bench.boots import encode
from bench.figures import MILLISECOND
from bench.load.job import Job
from bench.load.launch import launch
from bench.load.records import Records
from bench.load.schedule import constant, poisson
from bench.progress import Progress
from bench.selftest import crosscheck, saboteurs
from bench.selftest.controls import PAIRS, RATE, SHORT, STALLING, WORK
from bench.selftest.crosscheck import delivered
from bench.selftest.subject import Subject, serving

FILE = Path(__file__).with_name("measured.json")
CLIENTS = 8
STALL_SECONDS = 12.0
STALL_RATE = 150.0
SHOWN_SECONDS = 4.4  # of the time line, two stalls
SLOW_MS, OTHERS = 20.0, 200
COMPARISONS = 20
WARM_UP = ("fastapi", "flask")
WARM_UP_SECONDS = 3.0
WARM_UP_BOOTS = 3
STRETCHES = 60  # points of a line
Values = NDArray[np.float64]


def stall() -> dict[str, Any]:
    """One stalling server: an open loop's response times, a closed loop's, over time and as quantiles."""
    with serving(STALLING) as subject:
        opened = subject.drive(STALL_SECONDS, poisson(STALL_RATE, STALL_SECONDS, 1)).records
        closed = subject.drive(STALL_SECONDS, connections=CLIENTS).records
    shares = np.sort([*np.linspace(0.5, 0.99, 50), 0.995, 0.999])
    quantiles = {
        name: np.quantile(records.response(), shares) / MILLISECOND
        for name, records in (("open", opened), ("closed", closed))
    }
    lines = {"open": _line(opened), "closed": _line(closed)}
    return {"shares": shares, "quantiles": quantiles, "lines": lines, "clients": CLIENTS, "rate": STALL_RATE}


def _line(records: Records) -> list[Values]:
    """Intended times in s and response times in ms of the shown seconds: the slow requests, and some of the others."""
    at, took = records.intended[records.counted] / 1e9, records.response() / MILLISECOND
    at, took = at[at < SHOWN_SECONDS], took[at < SHOWN_SECONDS]
    keep = (took >= SLOW_MS) | (np.arange(len(took)) % max(1, len(took) // OTHERS) == 0)
    return [at[keep], took[keep]]


def arrivals() -> list[dict[str, Any]]:
    """What reaches the server at nominally the same rate, by sender: one second of it, and the index of dispersion."""
    rate, seconds = crosscheck.RATE, crosscheck.SECONDS
    send: dict[str, Callable[[Subject], object]] = {
        "this engine, Poisson": lambda s: s.drive(seconds, poisson(rate, seconds, 2)),
        "this engine, constant": lambda s: s.drive(seconds, constant(rate, seconds, 2)),
        "a sender of bursts of 10": lambda s: s.drive(
            seconds, poisson(rate, seconds, 2), engine=saboteurs.command("bursty")
        ),
    }
    if shutil.which("hey"):
        each = f"{rate / CLIENTS:.0f}"
        send[f"hey -c {CLIENTS} -q {each}"] = lambda s: crosscheck.hey_times(s, "-q", each)
    found = []
    for name, sender in send.items():
        times = delivered(sender)
        times -= times[0]
        shown = times[(times > 3.0) & (times < 4.0)] - 3.0
        found.append({"sender": name, "times": shown, "dispersion": index_of_dispersion(times)})
    return found


def same() -> dict[str, Any]:
    """How often ways to compare call two boots of one server different, at p < 0.05, in median response time."""
    flags: dict[str, list[bool]] = {name: [] for name in ("single", "blocks", "paired")}
    for number in range(COMPARISONS):
        windows: list[tuple[str, Values]] = []  # in the order of time
        with serving(WORK) as a, serving(WORK) as b:
            for pair in range(PAIRS):
                for arm in "ab" if pair % 2 == 0 else "ba":
                    schedule = poisson(RATE, SHORT, 1_000 * number + pair)
                    windows.append((arm, (a if arm == "a" else b).drive(SHORT, schedule).records.response()))
        by_arm = [[times for arm, times in windows if arm == wanted] for wanted in "ab"]
        flags["single"] += [_differ(x, y) for x, y in zip(*by_arm, strict=True)]
        halves = [np.concatenate([times for _, times in half]) for half in (windows[:PAIRS], windows[PAIRS:])]
        flags["blocks"].append(_differ(*halves))
        d = [statistics.log_ratio(float(np.median(y)), float(np.median(x))) for x, y in zip(*by_arm, strict=True)]
        flags["paired"].append(statistics.compare([d]).p < statistics.LEVEL)
    return {name: [sum(each), len(each)] for name, each in flags.items()}


def _differ(a: Values, b: Values) -> bool:
    return bool(stats.mannwhitneyu(a, b).pvalue < statistics.LEVEL)


def warm_up() -> list[dict[str, Any]]:
    """Fresh servers of the course, asked by one client from the first prediction on: times by number of request."""
    found = []
    for name in WARM_UP:
        boots = [_boot(name) for _ in range(WARM_UP_BOOTS)]
        found.append({"strategy": name, "boots": [_thinned(took) for took in boots],
                      "cuts": [stationarity.mser5(took) for took in boots]})  # fmt: skip
    return found


def _boot(name: str) -> Values:
    """Response times in ms of one boot, in their order; the first is that of the first prediction."""
    with servelab.serve(name, "mnist") as server:
        requests = encode(server, list(server.model.golden().inputs[:, np.newaxis]))
        job = Job(server.host, server.port, WARM_UP_SECONDS, lead=0.0, connections=1, pids=tuple(server.pids))
        took = launch(job, requests).records.response() / MILLISECOND
    return np.concatenate([[server.first_seconds * 1e3], took])


def _thinned(took: Values) -> list[list[float]]:
    """Number of request and median time, over stretches that grow with the number: as the eye sees a logarithm."""
    ends = np.unique(np.geomspace(1, len(took), STRETCHES).astype(int))
    stretches = zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)
    return [[(start + 1 + end) / 2, float(np.median(took[start:end]))] for start, end in stretches]


def main() -> None:
    """Measure everything and write it down, numbers to four digits."""
    found: dict[str, Any] = {"machine": f"{machine.cpu_model()}, {machine.cores()} CPUs"}
    with Progress() as progress:
        progress.start(4)
        for part in (stall, arrivals, warm_up, same):
            progress.phase(part.__name__.replace("_", " "))
            found[part.__name__] = part()
            progress.advance()
    FILE.write_text(json.dumps(_plain(found)) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
