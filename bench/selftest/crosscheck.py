"""The same stalling server by this engine, and by wrk and hey where they are on the PATH; then what they deliver.

Rounds of all tools alternate on one server, each tool on the engine's CPU. Nothing here passes or fails: it shows
by how much the usual way of measuring differs, and that this engine's own closed loop differs in the same way.
"""

import csv
import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.arrivals import WINDOW, index_of_dispersion
from bench.errors import BenchError
from bench.figures import MILLISECOND
from bench.load.schedule import Schedule, constant, poisson
from bench.progress import Progress
from bench.resources import running_on
from bench.selftest.controls import STALLING
from bench.selftest.lab import Faults
from bench.selftest.subject import HOST, LEAD, Subject, serving

ROUNDS: Final = 3
SECONDS: Final = 8.0  # four stalls
RATE: Final = 200.0
CLIENTS: Final = 8
_PROGRAMS: Final = ("hey", "wrk")
SHARES: Final = (0.5, 0.9, 0.95, 0.99)
SCRIPT: Final = """
done = function(summary, latency, requests)
  for _, p in ipairs({50, 90, 95, 99}) do print("percentile", latency:percentile(p) / 1000) end
end
"""
Values = NDArray[np.float64]
Found = Mapping[str, Values]
"""By row of the table: SHARES of the response times in ms."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """How requests of a tool came to the server at nominally RATE."""

    rate: float
    variation: float  # coefficient of variation of the gaps; 1 for Poisson
    dispersion: float  # index of dispersion in 10 ms; 1 for Poisson
    largest_gap_ms: float
    most: int  # in 10 ms

    @classmethod
    def of(cls, times: Values) -> "Arrived":
        """times: of arrival in s, at least three."""
        gaps = np.diff(times)
        return cls(
            rate=len(gaps) / (times[-1] - times[0]),
            variation=float(gaps.std() / gaps.mean()),
            dispersion=index_of_dispersion(times - times[0]),
            largest_gap_ms=float(gaps.max()) * 1e3,
            most=int(np.bincount(((times - times[0]) / WINDOW).astype(np.int64)).max()),
        )


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """Per row of the first table its rounds; per row of the second what arrived."""

    latency: Mapping[str, Sequence[Values]]
    arrived: Mapping[str, Arrived]
    missing: Sequence[str] = ()  # programs that are not on the PATH


def run(progress: Progress) -> CrossCheck:
    """Measure. Raises BenchError; leaves no process behind."""
    missing = {program for program in _PROGRAMS if not shutil.which(program)}
    tools = [tool for tool, program in _LATENCY.items() if program not in missing]
    senders = [name for name, (program, _) in _SENDERS.items() if program not in missing]
    progress.start(ROUNDS * len(tools) + len(senders))
    latency: dict[str, list[Values]] = {}
    with serving(STALLING) as subject:
        for number in range(1, ROUNDS + 1):
            for tool in tools:
                progress.phase(f"round {number} of {ROUNDS}: {tool.__name__.strip('_').replace('_', ' ')}")
                for row, values in tool(subject, number).items():
                    latency.setdefault(row, []).append(values)
                progress.advance()
    arrived = {}
    for name in senders:
        progress.phase(f"arrivals of {name}")
        arrived[name] = Arrived.of(delivered(_SENDERS[name][1]))
        progress.advance()
    return CrossCheck(latency, arrived, sorted(missing))


def delivered(send: Callable[[Subject], object]) -> Values:
    """When requests arrived at a fast server, in s, as it saw them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "arrivals"
        with serving(Faults(record=str(file))) as subject:
            send(subject)
        return np.fromfile(file, np.int64) / 1e9


def _open_loop(subject: Subject, seed: int) -> Found:
    records = subject.drive(SECONDS, poisson(RATE, LEAD + SECONDS, seed)).records
    return {"this engine": _shares(records.response())}


def _open_loop_of_few(subject: Subject, seed: int) -> Found:
    records = subject.drive(SECONDS, poisson(RATE, LEAD + SECONDS, seed), connections=CLIENTS).records
    return {
        f"this engine, {CLIENTS} connections at most": _shares(records.response()),
        "the same windows, *service* time alone": _shares(records.service()),
    }


def _closed_loop(subject: Subject, seed: int) -> Found:  # noqa: ARG001 - one signature for all
    records = subject.drive(SECONDS, connections=CLIENTS).records
    return {f"this engine as a closed loop of {CLIENTS}": _shares(records.response())}


def _wrk(subject: Subject, seed: int) -> Found:  # noqa: ARG001
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        said = _tool(subject, "wrk", "-t1", f"-c{CLIENTS}", f"-d{SECONDS:.0f}s", "-s", script.name)
    found = [float(line.split()[1]) for line in said.splitlines() if line.startswith("percentile")]
    return {f"wrk -c{CLIENTS}": np.array(found)}


def _hey(subject: Subject, seed: int) -> Found:  # noqa: ARG001
    return {f"hey -c {CLIENTS}": _shares(hey_times(subject))}


def _hey_paced(subject: Subject, seed: int) -> Found:  # noqa: ARG001
    each = f"{RATE / CLIENTS:.0f}"
    return {f"hey -c {CLIENTS} -q {each}": _shares(hey_times(subject, "-q", each))}


def hey_times(subject: Subject, *more: str) -> Values:
    said = _tool(subject, "hey", "-z", f"{SECONDS:.0f}s", "-c", f"{CLIENTS}", *more, "-o", "csv")
    return np.array([float(row["response-time"]) for row in csv.DictReader(io.StringIO(said))]) * 1e9


def _tool(subject: Subject, *command: str) -> str:
    """What a tool prints; it runs where the engine would."""
    with running_on(None if subject.place.engine is None else {subject.place.engine}):
        done = subprocess.run(
            [*command, f"http://{HOST}:{subject.port}/"], capture_output=True, text=True, timeout=60, check=False
        )
    if done.returncode:
        raise BenchError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


def _shares(times: Values) -> Values:
    """SHARES of times in ns, in ms."""
    found: Values = np.quantile(times, SHARES, method="inverted_cdf") / MILLISECOND
    return found


def _send(schedule: Schedule) -> Callable[[Subject], object]:
    return lambda subject: subject.drive(SECONDS, schedule)


_LATENCY: Mapping[Callable[[Subject, int], Found], str] = {
    _open_loop: "", _open_loop_of_few: "", _closed_loop: "", _wrk: "wrk", _hey: "hey", _hey_paced: "hey"
}  # fmt: skip
"""Each way to measure, with the program that it needs."""
_SENDERS: Mapping[str, tuple[str, Callable[[Subject], object]]] = {
    "this engine, Poisson": ("", _send(poisson(RATE, LEAD + SECONDS, 1))),
    "this engine, constant": ("", _send(constant(RATE, LEAD + SECONDS, 1))),
    f"hey -c {CLIENTS} -q {RATE / CLIENTS:.0f}": ("hey", lambda subject: _hey_paced(subject, 1)),
}


def markdown(found: CrossCheck) -> str:
    """Both tables, with the range over rounds where there is one, and what was not there to measure with."""
    latency = [(name, *map(_range, np.transpose(rounds))) for name, rounds in found.latency.items()]
    arrived = [
        (name, f"{a.rate:.0f}", f"{a.variation:.2f}", f"{a.dispersion:.2f}", f"{a.largest_gap_ms:.0f}", f"{a.most}")
        for name, a in found.arrived.items()
    ]
    absent = ["", f"Not on the PATH, so not measured: {', '.join(found.missing)}."] if found.missing else []
    return "\n".join([*_table(_LATENCY_TITLES, latency), "", *_table(_ARRIVED_TITLES, arrived), *absent])


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ("---", *["--:"] * (len(titles) - 1))
    return [f"| {' | '.join(row)} |" for row in (titles, rule, *rows)]


def _range(values: Values) -> str:
    low, high = (f"{value:.{0 if value >= 10 else 2}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


_LATENCY_TITLES: Final = ("stalling server, ms", "p50", "p90", "p95", "p99")
_ARRIVED_TITLES: Final = (
    f"arrivals at {RATE:.0f}/s", "rate", "CV of gaps", "dispersion in 10 ms", "largest gap, ms", "most in 10 ms"
)  # fmt: skip
