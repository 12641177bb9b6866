"""How arms fare as the load grows, over clients that wait and over offered rates: `python -m bench.curves`.

One number hides what a curve shows: a server that batches may lose to itself at one client and win at many. An arm is
a strategy with variables of its own, if any: `bentoml+BATCHING=on` runs bentoml with that one in its environment.
"""

import argparse
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import product

import servelab
import shared_models
from bench import machine
from bench.figures import median_percentiles, percentiles
from bench.load.job import Job
from bench.load.launch import launch
from bench.load.records import Records
from bench.load.schedule import poisson
from bench.resources import placement, running_on
from servelab import command, protocols, strategy as strategies
from servelab.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Load:
    """Clients that ask again as soon as they are answered, or requests/s of Poisson arrivals that wait for nobody."""

    clients: int = 0
    rate: float = 0.0

    def __str__(self) -> str:
        return f"{self.rate:g}/s" if self.rate else f"{self.clients} client{'s' if self.clients > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Point:
    """An arm under a load: medians over the rounds; None where a round had too few requests, inf where they failed."""

    answered: float  # per second
    p50: float | None  # response time, ms
    p99: float | None
    cpu: float  # of the server's processes, ms per answer
    failed: float  # share of the requests

    @classmethod
    def of(cls, rounds: Sequence[Records]) -> "Point":
        """The median of each figure over the rounds."""
        times = median_percentiles(percentiles(records.response()) for records in rounds)
        return cls(
            statistics.median(records.answered() / records.counters.window_ns * 1e9 for records in rounds),
            times["p50"],
            times["p99"],
            statistics.median(r.counters.server_cpu_ns / 1e6 / max(r.answered(), 1) for r in rounds),
            statistics.median(sum(r.errors().values()) / max(r.requests(), 1) for r in rounds),
        )


def arm(text: str) -> Strategy:
    """``name+VARIABLE=value+...`` as a strategy with those variables in its environment, and in its name."""
    name, *settings = text.split("+")
    found = strategies.load(name)
    variables = [setting.partition("=") for setting in settings]
    return replace(
        found, name="+".join([found.name, *settings]), env=dict(found.env) | {key: value for key, _, value in variables}
    )


def curves(
    arms: Sequence[str], model: str, loads: Sequence[Load], *, workers: int, rounds: int, seconds: float, batch: int
) -> dict[tuple[Load, str], Point]:
    """Every arm under every load. All arms run throughout; in each round they take their turns in the other order.

    Raises ServelabError, ModelError and BenchError; leaves no process behind.
    """
    goldens = shared_models.load(model).golden().inputs
    place = placement(workers)
    with ExitStack() as stack, running_on(place.servers):
        servers = {text: stack.enter_context(servelab.serve(arm(text), model, workers=workers)) for text in arms}
        records: dict[tuple[Load, str], list[Records]] = {key: [] for key in product(loads, arms)}
        for load, number in product(loads, range(rounds)):
            for text in arms if number % 2 else reversed(arms):
                server = servers[text]
                rows = goldens[[(number + row) % len(goldens) for row in range(batch)]]
                request = protocols.get(server.strategy.protocol).encode(rows, server.model)
                data = request.to_bytes(f"{server.host}:{server.port}")
                job = Job(server.host, server.port, seconds, connections=load.clients or 512,
                          pids=tuple(server.pids), cpu=place.engine)  # fmt: skip
                schedule = poisson(load.rate, job.lead + seconds, number) if load.rate else None
                records[load, text].append(launch(job, [data], schedule).records)
    return {key: Point.of(found) for key, found in records.items()}


def markdown(points: dict[tuple[Load, str], Point]) -> str:
    """A table: the loads down, the arms in each."""
    lines = ["| load | arm | answers/s | p50 ms | p99 ms | CPU ms per answer | failed |",
             "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for (load, name), point in points.items():
        times = ["-" if value is None else f"{value:.3g}" for value in (point.p50, point.p99)]
        cells = [str(load), name, f"{point.answered:.0f}", *times, f"{point.cpu:.3f}", f"{point.failed:.1%}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _run() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.curves", description=__doc__.partition("\n\n")[0])
    parser.add_argument("arms", nargs="+", metavar="ARM", help="a strategy, or one with variables: bentoml+BATCHING=on")
    parser.add_argument("--model", default="mnist", help="a model's name, or the folder of your own (default: mnist)")
    parser.add_argument("--clients", nargs="*", type=int, default=[1, 4, 16, 64], help="that wait for their answers")
    parser.add_argument("--rates", nargs="*", type=float, default=[], help="requests/s that wait for nobody")
    parser.add_argument("--workers", type=int, default=1, help="the same for every arm (default: 1)")
    parser.add_argument("--batch", type=int, default=1, help="predictions in a request (default: 1)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each arm under each load (default: 5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a turn (default: 4)")
    options = parser.parse_args()
    loads = [*(Load(clients=n) for n in options.clients), *(Load(rate=rate) for rate in options.rates)]
    points = curves(options.arms, options.model, loads, workers=options.workers, rounds=options.rounds,
                    seconds=options.seconds, batch=options.batch)  # fmt: skip
    print(markdown(points))
    print(f"\n{options.model}, workers: {options.workers}; {options.rounds} rounds of {options.seconds:g} s; "
          f"{machine.cpu_model()}, {machine.cores()} CPUs")  # fmt: skip
    return 0


if __name__ == "__main__":
    command.run("curves", _run)
