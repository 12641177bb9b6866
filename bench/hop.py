"""What a hop costs: the CPU time of the graph runner's gateway for each call to a component.

    python -m bench.hop [--model iris] [--rounds 6] [--seconds 2] [--connections 8]

In one run, in front of the same four components (transformer, router, two models): the gateway, and the same graph
written plainly with FastAPI and HTTPX (strategies/seldon-ab/quickstart.py), in alternating rounds of a closed loop. Two
bars must hold, else the exit status is 1: a hop takes at most the CPU time of the component behind it, and at most half
of the plain program's. CPU times of processes are compared, so that other work on the machine hardly matters.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

import shared_models
from bench.hop_programs import client, running
from bench.resources import Spent, cpu_between, cpu_ns, family
from servelab import protocols
from servelab.process import Process

HOPS = 3  # calls to components in each request: transformer, router, one model
BARS = {"of the component's": 1.0, "of the plain program's": 0.5}


@dataclass(frozen=True, slots=True)
class Round:
    """CPU time in ms for each hop, of the orchestrating program and of the components behind it."""

    program: float
    components: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print both ratios; 0 when both bars hold, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.hop", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--model", default="iris", help="a shared model that takes rows of numbers")
    parser.add_argument("--rounds", type=int, default=6, help="of each of the two programs")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round")
    parser.add_argument("--connections", type=int, default=8, help="requests at once")
    asked = parser.parse_args(arguments)
    model = shared_models.load(asked.model)
    with running(model) as (components, programs):
        return report(_measure(model, components, programs, asked))


def report(rounds: dict[str, list[Round]]) -> int:
    """Print what was found; 0 when both bars hold, else 1."""
    for name, found in rounds.items():
        costs = ", ".join(f"{one.program:.3f}" for one in found)
        print(f"{name}: {median(one.program for one in found):.3f} ms of CPU time a hop ({costs})")
    gateway, plain = rounds.values()
    component = median(one.components for found in rounds.values() for one in found)
    print(f"a component: {component:.3f} ms of CPU time a call")
    cost = median(one.program for one in gateway)
    ratios = dict(zip(BARS, (cost / component, cost / median(one.program for one in plain)), strict=True))
    for name, ratio in ratios.items():
        verdict = "holds" if ratio <= BARS[name] else "DOES NOT HOLD"
        print(f"a hop of the gateway is {ratio:.2f} {name}; at most {BARS[name]:g}: {verdict}")
    return 0 if all(ratio <= BARS[name] for name, ratio in ratios.items()) else 1


def _measure(
    model: shared_models.Model,
    components: list[Process],
    programs: dict[str, tuple[Process, int]],
    asked: argparse.Namespace,
) -> dict[str, list[Round]]:
    rounds: dict[str, list[Round]] = {name: [] for name in programs}
    for number in range(asked.rounds + 1):
        for name, (process, port) in programs.items():
            before = _spent(process, *components)
            answered = _load(model, port, asked.seconds, asked.connections)
            spent = [
                cpu_between(b, a) / 1e6 / answered / HOPS
                for b, a in zip(before, _spent(process, *components), strict=True)
            ]
            if number:  # the first warms up
                rounds[name].append(Round(spent[0], sum(spent[1:])))
    return rounds


def _spent(*processes: Process) -> list[dict[int, Spent]]:
    return [cpu_ns(family(process.pids)) for process in processes]


def _load(model: shared_models.Model, port: int, seconds: float, connections: int) -> int:
    """Keep that many requests on their way for that long; how many were answered, all rightly."""
    request = protocols.get("seldon").encode(model.golden().inputs[:1], model)
    end = time.monotonic() + seconds

    def ask(_: int) -> int:
        answered = 0
        with client(model, port) as asking:
            while time.monotonic() < end:
                asking.send(request)
                answered += 1
        return answered

    with ThreadPoolExecutor(connections) as pool:
        return sum(pool.map(ask, range(connections)))


if __name__ == "__main__":
    sys.exit(main())
