"""What the load engine itself costs: `make bench-engine`, or `python -m bench.load.speed`.

Closed loop, 32 connections, the null server saturated: CPU time of the generator per request, beside wrk's and
Locust's where these are installed (WRK and LOCUST may name them). Open loop at 5,000/s: how late requests leave, beside
a bare timer. All tools in turn in every round, as a machine is never the same twice: medians over rounds, of ratios
within a round. The figures are judged by bounds; a missed one ends with status 1.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.errors import BenchError
from bench.load import null_server, rivals
from bench.load.job import Job
from bench.load.launch import launch
from bench.load.pacer import LINUX
from bench.load.records import Records
from bench.load.rivals import CONNECTIONS, Cost
from bench.load.schedule import poisson
from bench.resources import Placement, placement, running_on

SIZES: Final = {36: "36 B", 6_200: "6 kB"}  # an iris row and an MNIST image, as JSON
ANSWER: Final = b"[[0.97, 0.02, 0.01]]"
LEAD: Final = 0.2
RATE: Final = 5_000.0
MOST_OF_WRK: Final = 1.15
LEAST_OF_LOCUST: Final = 8.0
LAG_P50_US: Final = 50.0
LAG_P99_US: Final = 1_000.0
MOST_OF_TIMER: Final = 2.0

Rounds = dict[str, list[float]]
"""One value per round, by the name of the figure."""
Rival = Callable[[int, int, int], Cost]
"""Runs another generator against a port, with bodies of a size, for whole seconds."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A figure held against what it must be."""

    text: str
    met: bool


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the parts run, and the rivals that are there."""

    placement: Placement
    seconds: int
    rivals: Mapping[str, Rival]

    def request(self, port: int, size: int) -> bytes:
        head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {size}"
        return f"{head}\r\n\r\n".encode() + b"0" * size

    def closed(self, server: null_server.Running, size: int) -> Records:
        return launch(self._job(server, CONNECTIONS), [self.request(server.port, size)]).records

    def open(self, server: null_server.Running, seed: int) -> Records:
        schedule = poisson(RATE, LEAD + self.seconds, seed)
        return launch(self._job(server, 256), [self.request(server.port, 36)], schedule).records

    def _job(self, server: null_server.Running, connections: int) -> Job:
        return Job("127.0.0.1", server.port, self.seconds, lead=LEAD, connections=connections, pids=(server.pid,),
                   cpu=self.placement.engine)  # fmt: skip


def one_round(bench: Bench, server: null_server.Running, size: int, number: int) -> dict[str, float]:
    """CPU us per request of everyone, the engine first in every other round."""

    def engine() -> dict[str, float]:
        records = bench.closed(server, size)
        counters, answered = records.counters, records.answered()
        return {
            "engine": counters.engine_cpu_ns / answered / 1e3,
            "null server": counters.server_cpu_ns / answered / 1e3,
            "requests/s": answered / counters.window_ns * 1e9,
        }

    def others() -> dict[str, float]:
        with running_on(None if bench.placement.engine is None else {bench.placement.engine}):
            return {name: run(server.port, size, bench.seconds).us for name, run in bench.rivals.items()}

    turns = [engine, others]
    return {name: value for turn in turns[:: 1 if number % 2 else -1] for name, value in turn().items()}


def open_round(bench: Bench, server: null_server.Running, seed: int) -> dict[str, float]:
    """CPU us per request at RATE, and lag in us, beside a bare timer's under the same schedule."""
    records = bench.open(server, seed)
    lag = records.distribution("lag")
    found = {
        "engine": records.counters.engine_cpu_ns / records.answered() / 1e3,
        "lag p50": lag.quantile(0.5) / 1e3,
        "lag p99": lag.quantile(0.99) / 1e3,
    }
    if LINUX:
        with running_on(None if bench.placement.engine is None else {bench.placement.engine}):
            found["timer p50"], found["timer p99"] = rivals.bare_timer(RATE, bench.seconds, seed)
    return found


def gather(rounds: Iterable[Mapping[str, float]]) -> Rounds:
    gathered: Rounds = {}
    for each in rounds:
        for name, value in each.items():
            gathered.setdefault(name, []).append(value)
    return gathered


def ratio(rounds: Rounds, name: str, base: str) -> float:
    """The median over rounds of one figure divided by another of the same round."""
    return statistics.median(value / other for value, other in zip(rounds[name], rounds[base], strict=True))


def bounds(closed: Mapping[str, Rounds], opened: Rounds) -> list[Bound]:
    found = []
    for size, rounds in closed.items():
        if "wrk" in rounds:
            share = ratio(rounds, "engine", "wrk")
            found.append(Bound(f"{size}: {share:.2f} x wrk, at most {MOST_OF_WRK}", share <= MOST_OF_WRK))
        if "locust" in rounds:
            share = ratio(rounds, "locust", "engine")
            found.append(Bound(f"{size}: Locust {share:.1f} x, at least {LEAST_OF_LOCUST:g}", share >= LEAST_OF_LOCUST))
        share = ratio(rounds, "null server", "engine")
        found.append(Bound(f"{size}: null server {share:.2f} x, below 1: the engine runs out first", share < 1))
    p50, p99 = statistics.median(opened["lag p50"]), statistics.median(opened["lag p99"])
    found.append(Bound(f"lag p50 {p50:.0f} us, at most {LAG_P50_US:g}", p50 <= LAG_P50_US))
    timer = ratio(opened, "lag p99", "timer p99") if "timer p99" in opened else float("inf")
    met = p99 <= LAG_P99_US or timer <= MOST_OF_TIMER
    text = f"lag p99 {p99:.0f} us, {timer:.1f} x a bare timer's; at most {LAG_P99_US:g} us or {MOST_OF_TIMER:g} x"
    found.append(Bound(text, met))
    return found


def lines(closed: Mapping[str, Rounds], opened: Rounds) -> list[str]:
    """The table: medians over rounds."""
    names = list(dict.fromkeys(name for rounds in closed.values() for name in rounds))
    width = max(len(name) for name in [*names, *opened])
    text = [f"closed loop, {CONNECTIONS} connections, CPU us/request".ljust(52) + "".join(f"{s:>10}" for s in closed)]
    for name in names:
        cells = (f"{statistics.median(rounds[name]):10,.1f}" for rounds in closed.values())
        text.append(f"  {name:<{width}}".ljust(52) + "".join(cells))
    text.append(f"open loop, Poisson {RATE:,.0f}/s, 36 B, us")
    text += [f"  {name:<{width}}".ljust(52) + f"{statistics.median(values):10,.1f}" for name, values in opened.items()]
    return text


def measure(bench: Bench, count: int) -> tuple[dict[str, Rounds], Rounds]:
    with ExitStack() as stack:
        with running_on(bench.placement.servers):
            server = stack.enter_context(null_server.running(ANSWER))
        closed: dict[str, list[dict[str, float]]] = {label: [] for label in SIZES.values()}
        opened = []
        for number in range(1, count + 1):
            for size, label in SIZES.items():
                closed[label].append(one_round(bench, server, size, number))
            opened.append(open_round(bench, server, seed=number))
            print(f"round {number} of {count}", file=sys.stderr)
    return {label: gather(rounds) for label, rounds in closed.items()}, gather(opened)


def present() -> dict[str, Rival]:
    """The rivals that are installed; a line for each that is not."""
    there: dict[str, Rival] = {}
    for name, run in (("wrk", rivals.wrk), ("locust", rivals.locust)):
        if command := rivals.found(name):
            there[name] = partial(run, command)
        else:
            print(f"{name} is not installed: skipped (it is optional; {name.upper()}=/path/to/{name} names one)")
    return there


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.load.speed", description="what the load engine itself costs")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds (9)")
    parser.add_argument("--seconds", type=int, default=2, help="of each window (2)")
    chosen = parser.parse_args(arguments)
    if min(chosen.rounds, chosen.seconds) < 1:
        parser.error(f"expected --rounds and --seconds of 1 or more, found {chosen.rounds} and {chosen.seconds}")
    bench = Bench(placement(1), chosen.seconds, present())
    try:
        closed, opened = measure(bench, chosen.rounds)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    judged = bounds(closed, opened)
    print("\n".join(lines(closed, opened)))
    print("\n".join(f"{'met   ' if bound.met else 'MISSED'}  {bound.text}" for bound in judged))
    return 0 if all(bound.met for bound in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
